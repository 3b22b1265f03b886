/// Everything that is known of the fleet, as a value. `take` is the only thing that changes it, and `Planner.plan` the
/// only thing that decides from it; neither reads a clock, rolls dice of its own, or waits.
public struct FleetState: Sendable {
    public struct Configuration: Sendable {
        /// In the order of the file, which breaks ties.
        public var pools: [Pool]
        public var budget: HostBudget
        /// Zero switches polling off.
        public var pollInterval: Duration
        /// Launches that may be under way at once.
        public var maxLaunches: Int
        public init(pools: [Pool], budget: HostBudget = HostBudget(), pollInterval: Duration = .seconds(30), maxLaunches: Int = 8) {
            self.pools = pools
            self.budget = budget
            self.pollInterval = pollInterval
            self.maxLaunches = maxLaunches
        }
    }

    public struct SpawnStatistics: Sendable, Equatable {
        public internal(set) var count = 0
        public internal(set) var failed = 0
        /// Seconds from the wish for a runner to its first contact.
        public internal(set) var last: Double?
        public internal(set) var sum = 0.0
        public internal(set) var contacted = 0
    }

    /// What an AutoGit's objects in the world outside carry.
    public internal(set) var instance = ""
    public internal(set) var configuration: Configuration
    public internal(set) var pools: [PoolState]
    public internal(set) var jobs: [JobRef: TrackedJob] = [:]
    public internal(set) var runners: [RunnerID: Runner] = [:]
    public internal(set) var forges: [ForgeID: ForgeState] = [:]
    public internal(set) var places: [Place: PlaceState] = [:]
    public internal(set) var store = Reachability()
    /// Why each pending job without a runner on its way waits, as last planned.
    public internal(set) var waiting: [JobRef: WaitingReason] = [:]
    public internal(set) var warnings: [String] = []
    public internal(set) var spawns = SpawnStatistics()
    public internal(set) var isEvacuating = false
    public internal(set) var isStopping = false
    /// What an earlier life knew has been taken over.
    public internal(set) var isRecovered = false

    /// Also of pools that are not configured now: they are paused when they come back.
    var pausedPools: Set<String> = []
    /// Pools that an operator wants a runner in; the next plan decides.
    var orders: [String] = []
    var finished = FinishedJobs(capacity: 20_000)
    var owners: [RegistrationRef: RunnerID] = [:]
    var progress: [RunnerID: Progress] = [:]
    /// What a look shows that began before it went is no orphan.
    var departed = Departed<RunnerID>()
    var unregistered = Departed<RegistrationRef>()
    var inFlight: Set<Action.Key> = []
    var flushAt: Timestamp?
    var expireAt: Timestamp?
    var dice: SplitMix
    private var news: [FleetEvent] = []
    private var unsaved: [Change] = []

    public init(_ configuration: Configuration, seed: UInt64) {
        self.configuration = configuration
        pools = configuration.pools.map { PoolState($0) }
        dice = SplitMix(seed: seed)
    }

    // MARK: Taking in

    /// The reducer. Whatever happens is an observation, and this is all that follows from it.
    /// - Returns: what has changed, to be told.
    public mutating func take(_ observation: Observation, at now: Timestamp) -> [FleetEvent] {
        switch observation {
        case .remembered(let memory): recall(memory, at: now)
        case .configured(let configuration): configure(configuration, at: now)
        case .hook(let forge, let seen): see(seen, of: forge, asked: nil, at: now)
        case .unusableHook(let why): tell(.unusableHook(why))
        case .decided(let action): decide(action, at: now)
        case .launching(let runner, let step): launching(runner, step, at: now)
        case .done(let action, let result): finish(action, result, at: now)
        case .heard(let place, let event): hear(event, at: place, at: now)
        case .ordered(let order): obey(order, at: now)
        case .stored(let trouble): noteStore(trouble, at: now)
        case .warned(let warnings): self.warnings = warnings
        case .explained(let reasons): explain(reasons)
        case .stopping: isStopping = true
        }
        for event in news {
            guard let runner = event.runner, let line = event.history else { continue }
            unsaved.append(.history(HistoryEntry(runner: runner.id, at: now, event: line.event, detail: line.detail)))
        }
        defer { news.removeAll() }
        return news
    }

    /// What must be written since the last call, in the order in which it came.
    public mutating func changes() -> [Change] {
        defer { unsaved.removeAll() }
        return unsaved
    }

    // MARK: For the reducer's parts

    mutating func tell(_ kind: FleetEvent.Kind, _ runner: Runner? = nil, job: Job? = nil, pool: String? = nil, subject: String? = nil) {
        news.append(FleetEvent(kind, runner: runner, job: job, pool: pool ?? runner?.pool, subject: subject))
    }

    mutating func save(_ change: Change) { unsaved.append(change) }

    /// Changes a runner and keeps the change.
    mutating func update(_ id: RunnerID, _ change: (inout Runner) -> Void) {
        guard var runner = runners[id] else { return }
        change(&runner)
        runners[id] = runner
        save(.runner(runner))
    }

    mutating func index(ofPool name: String) -> Int? { pools.firstIndex { $0.pool.name == name } }

    func isUnderWay(_ key: Action.Key) -> Bool { inFlight.contains(key) }
    /// A step of the runner's life is being carried out.
    public func isUnderWay(_ runner: Runner) -> Bool { isUnderWay(.runner(runner.id)) }

    // MARK: For those who only look

    public func owner(of registration: RegistrationRef) -> RunnerID? { owners[registration] }
    public func stuckReason(of runner: RunnerID) -> String? { progress[runner]?.stuck }
    public var stuckRunners: [(runner: Runner, reason: String)] {
        runners.values.compactMap { runner in progress[runner.id]?.stuck.map { (runner, $0) } }.sorted { $0.runner.id < $1.runner.id }
    }
    /// Places that some pool or some live runner needs; nobody is told of trouble with another.
    public var placesInUse: [Place] { Set(pools.map(\.pool.place)).union(runners.values.map(\.place)).sorted() }
    public var forgesInUse: [ForgeID] { Set(pools.map(\.pool.forge)).union(runners.values.map(\.forge)).union(forges.keys).sorted() }
    /// An action for some runner is under way.
    public var isActing: Bool { inFlight.contains { if case .runner = $0 { true } else { false } } }

    /// Whether everything was looked at since that time, and what was found to be nobody's was tried to remove.
    public func isReconciled(since time: Timestamp) -> Bool {
        placesInUse.allSatisfy { place in
            guard let known = places[place], known.lookBegan >= time, !isUnderWay(.place(place)) else { return false }
            return known.reach.trouble != nil || known.orphans.values.allSatisfy { $0.failures > 0 }
        }
            && forgesInUse.allSatisfy { id in
                guard let known = forges[id], known.reach.trouble == nil else { return true }
                return known.sweepBegan >= time && !isUnderWay(.sweep(id)) && known.ghosts.values.allSatisfy { $0.backoff.failures > 0 }
            }
    }

    /// Bytes and CPUs that the host has promised to runners.
    public var promised: (memory: Int64, cpus: Double) {
        runners.values.reduce((0, 0)) { sum, runner in
            progress[runner.id]?.containerGone == true ? sum : (sum.0 + runner.memory, sum.1 + runner.cpus)
        }
    }

    public func isOrphan(_ object: DriverObject, since began: Timestamp) -> Bool {
        runners[object.runner] == nil && !departed.contains(object.runner, since: began) && !isUnderWay(.orphan(object.runner))
    }

    /// Whether nobody owns a registration of ours that a list shows which was asked for at a time.
    public func isGhost(_ registration: ForgeRunner, of forge: ForgeID, since began: Timestamp) -> Bool {
        let ref = RegistrationRef(forge, registration.id)
        guard owners[ref] == nil, !isUnderWay(.registration(ref)), !unregistered.contains(ref, since: began) else { return false }
        // One that is just being made has no id here yet.
        guard let id = Runner.id(ofName: registration.description), let runner = runners[id] else { return true }
        return runner.gitlabID != nil || !isUnderWay(.runner(id))
    }
}

/// A job, and how it is kept track of. Only the job itself is written.
public struct TrackedJob: Sendable {
    public var job: Job
    /// When GitLab last said of it, in this life of the daemon, that it is as it is here.
    public internal(set) var confirmedAt: Timestamp?
    /// When GitLab is to be asked about it; nil while there is nothing to ask.
    var askAt: Timestamp?
    /// When it was last asked.
    var askedAt: Timestamp?
    var asking = Backoff()
    /// What GitLab said when it would not tell.
    var refusal: String?
    /// Since when GitLab says that there is no such job.
    var goneSince: Timestamp?
    /// When an idle runner of the right kind last did not take it; only runners that are newer count for it.
    var refusedAt: Timestamp?
    var refusals = 0
    /// While it waits nothing is started for it.
    var hold = Backoff()

    init(_ job: Job) { self.job = job }
}

/// How far a runner's steps have come in this life of the daemon. What must outlive it is in the `Runner`.
struct Progress: Sendable {
    /// Steps of its end that failed.
    var step = Backoff()
    /// How often such a step was refused, which waiting may not mend.
    var refusals = 0
    /// When GitLab is asked again whether it has called.
    var contact = Backoff()
    /// When GitLab last said which jobs it has, and when it was last asked.
    var verifiedAt: Timestamp?
    var verifyBegan: Timestamp?
    /// When its job last changed here: an answer to an older question says nothing.
    var jobChangedAt: Timestamp?
    /// It exited before the answer to its start came.
    var exitedEarly = false
    var earlyCode: Int?
    /// Since when GitLab says that it does not know it.
    var missingSince: Timestamp?
    /// What its start said that may have taken effect all the same.
    var startTrouble: String?
    /// The launch failed for want of GitLab, an engine or the disk, and not for the pool's sake.
    var isBlameless = false
    var isSignaled = false
    var wantsLog = false
    var containerGone = false
    var registrationGone = false
    /// Why it can't be taken further.
    var stuck: String?
}
