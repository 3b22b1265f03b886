/// Everything that is known of the fleet, as a value. `take` is the only thing that changes it, and `Planner.plan` the
/// only thing that decides from it; neither reads a clock, rolls dice of its own, or waits.
public struct FleetState: Sendable {
    /// The part of the daemon's configuration that the loop goes by.
    public struct Configuration: Sendable {
        /// In the order of the file, which breaks ties.
        public var pools: [Pool]
        /// Where runners are placed; in the order of the file, which breaks ties.
        public var hosts: [Host]
        /// Zero switches polling off.
        public var pollInterval: Duration
        /// Launches that may be under way at once in one place.
        public var maxLaunches: Int
        /// Bytes that an engine's storage keeps free: with less, images go and no runner is started. Zero: whatever there is.
        public var diskReserve: Int64
        /// What may go then.
        public var prune: ImagePrune
        /// Which jobs come first; the first rule that a job fits is its own, and without one its pool's priority.
        public var priorities: [PriorityRule]
        /// Whose weeks `Warm.auto` learns from.
        public var zone: TimeZoneRules
        /// By default there is this machine without bounds, polls are 30 s apart, and a place has at most eight launches under way.
        /// - Parameter budget: of this machine, where no hosts are given.
        public init(
            pools: [Pool], hosts: [Host]? = nil, budget: HostBudget = HostBudget(), pollInterval: Duration = .seconds(30), maxLaunches: Int = 8,
            diskReserve: Int64 = 0,
            prune: ImagePrune = .ours, priorities: [PriorityRule] = [], zone: TimeZoneRules = .utc
        ) {
            self.priorities = priorities
            self.zone = zone
            self.diskReserve = diskReserve
            self.prune = prune
            self.pools = pools
            self.hosts = hosts ?? [Host(.local, budget: budget)]
            self.pollInterval = pollInterval
            self.maxLaunches = maxLaunches
        }

        /// nil for one that is not configured.
        public func host(_ id: HostID) -> Host? { hosts.first { $0.id == id } }
        /// Bytes that the engine's storage of a host keeps free.
        public func diskReserve(of host: HostID) -> Int64 { self.host(host)?.diskReserve ?? diskReserve }

        /// By the first rule that the job fits; nil where it fits none.
        func priority(of job: Job) -> Int? { priorities.first { $0.fits(job) }?.priority }
    }

    /// Starts of runners since the daemon started.
    public struct SpawnStatistics: Sendable, Equatable {
        /// Launches that were begun.
        public internal(set) var count = 0
        /// Runners that could not be started, or exited or were given up before they made contact.
        public internal(set) var failed = 0
        /// Seconds from the decision to start a runner to its first contact, of the newest that made contact; nil before any did.
        public internal(set) var last: Double?
        /// The sum of the same, in seconds, over all that made contact.
        public internal(set) var sum = 0.0
        /// Runners that made contact, also those that an earlier life of the daemon started.
        public internal(set) var contacted = 0
    }

    /// The id of this installation, which all its containers, scopes and registrations carry; empty before the store was loaded.
    public internal(set) var instance = ""
    /// As read last.
    public internal(set) var configuration: Configuration
    /// In the order of the configuration.
    public internal(set) var pools: [PoolState]
    /// Jobs that wait or run.
    public internal(set) var jobs: [JobRef: TrackedJob] = [:]
    /// Runners that are not removed yet.
    public internal(set) var runners: [RunnerID: Runner] = [:]
    /// The GitLabs that some pool or runner needed since the daemon started.
    public internal(set) var forges: [ForgeID: ForgeState] = [:]
    /// The places that some pool or runner needed since the daemon started.
    public internal(set) var places: [Place: PlaceState] = [:]
    /// The machines that some pool or runner needed since the daemon started.
    public internal(set) var hosts: [HostID: HostState] = [:]
    /// Whether the database can be written.
    public internal(set) var store = Reachability()
    /// Why each pending job without a runner on its way waits, as last planned.
    public internal(set) var waiting: [JobRef: WaitingReason] = [:]
    /// Conditions that will end runners later, each with its remedy, by who looks for them.
    var warned: [String: [String]] = [:]
    public var shownTimes = ShownTimes()
    /// How far the calendar is ahead of the loop's clock.
    public internal(set) var calendarAhead = Duration.zero
    /// Starts since the daemon started.
    public internal(set) var spawns = SpawnStatistics()
    /// All runners are removed and none is started, until the daemon is restarted.
    public internal(set) var isEvacuating = false
    /// The daemon is stopping: nothing is planned any more.
    public internal(set) var isStopping = false
    /// The stored state of an earlier life has been loaded; nothing is planned before.
    public internal(set) var isRecovered = false

    /// Also of pools that are not configured now: they are paused when they come back.
    var pausedPools: Set<String> = []
    /// An operator wants no runners on them.
    public internal(set) var drainedHosts: Set<HostID> = []
    /// Pools that an operator wants a runner in; the next plan decides.
    var orders: [String] = []
    var finished = FinishedJobs(capacity: 20_000)
    var owners: [RegistrationRef: RunnerID] = [:]
    var progress: [RunnerID: Progress] = [:]
    /// Runners that were removed: a look that began before may show them still, and they are not orphans.
    var departed = Departed<RunnerID>()
    var unregistered = Departed<RegistrationRef>()
    var inFlight: Set<Action.Key> = []
    var flushAt: Timestamp?
    var expireAt: Timestamp?
    /// What the pools that learn were taught last, by name.
    var forecasts: [String: Forecast] = [:]
    /// nil: at once.
    var learnAt: Timestamp?
    /// Why the last log could not be kept.
    var keepingTrouble: String?
    var dice: SplitMix
    /// Observations taken so far: what came first, where times are too coarse to say.
    private(set) var sequence = 0
    private var news: [FleetEvent] = []
    private var unsaved: [Change] = []

    /// The pools as configured, none of them paused; nothing else is known before `Observation.remembered`.
    /// - Parameter seed: of the dice for ids and jitter. The same seed and the same observations give the same state.
    public init(_ configuration: Configuration, seed: UInt64) {
        self.configuration = configuration
        pools = configuration.pools.map { PoolState($0) }
        for index in pools.indices { pools[index].hosts = configuration.candidates(of: pools[index].pool) }
        dice = SplitMix(seed: seed)
    }

    // MARK: Taking in

    /// The reducer. Whatever happens is an observation, and this is all that follows from it.
    /// - Returns: the changes to report, in their order.
    public mutating func take(_ observation: Observation, at now: Timestamp) -> [FleetEvent] {
        sequence += 1
        switch observation {
        case .remembered(let memory): recall(memory, at: now)
        case .configured(let configuration): configure(configuration, at: now)
        case .hook(let forge, let seen): see(seen, of: forge, asked: nil, at: now)
        case .unstoredHook(let forge): pollSoon(forge, at: now)
        case .unusableHook(let why): tell(.unusableHook(why))
        case .decided(let action): decide(action, at: now)
        case .launching(let runner, let step): launching(runner, step, at: now)
        case .done(let action, let result): finish(action, result, at: now)
        case .heard(let place, let event): hear(event, at: place, at: now)
        case .ordered(let order): obey(order, at: now)
        case .stored(let trouble): noteStore(trouble, at: now)
        case .warned(let source, let warnings): warned[source] = warnings
        case .explained(let reasons): explain(reasons)
        case .calendar(let ahead): calendarAhead = ahead
        case .stopping: isStopping = true
        }
        for event in news {
            guard let runner = event.runner, let line = event.history else { continue }
            unsaved.append(.history(HistoryEntry(runner: runner.id, at: now, event: line.event, detail: line.detail)))
        }
        defer { news.removeAll() }
        return news
    }

    /// Takes the changes that must be written since the last call, in their order.
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

    /// All that operators were warned of, in the order of the sources' names.
    public var warnings: [String] { warned.sorted { $0.key < $1.key }.flatMap(\.value) }
    /// What one of them warns of now.
    public func warnings(from source: String) -> [String] { warned[source] ?? [] }
    /// The runner with this registration; nil when none that is not removed has it.
    /// Whether the job that a runner has is tracked, so that news of it will reach the runner. A pending job of that number is another one, or
    /// news is late.
    public func followsJob(of runner: Runner) -> Bool {
        guard let job = runner.job.flatMap({ jobs[$0]?.job }) else { return false }
        return job.status.occupiesRunner && (job.runnerID ?? runner.gitlabID) == runner.gitlabID
    }

    public func owner(of registration: RegistrationRef) -> RunnerID? { owners[registration] }
    /// The error of the step that a runner can't get past; nil unless it was refused three times.
    public func stuckReason(of runner: RunnerID) -> String? { progress[runner]?.stuck }
    /// Whether the removal has not taken its container or scope yet.
    public func hasContainer(_ runner: Runner) -> Bool { progress[runner.id]?.containerGone == false }
    /// It has what it was given of its host until its container is gone, whatever becomes of its job.
    public func hasEquipment(_ runner: Runner) -> Bool { progress[runner.id]?.containerGone != true }
    /// All stuck runners, by id.
    public var stuckRunners: [(runner: Runner, reason: String)] {
        runners.values.compactMap { runner in progress[runner.id]?.stuck.map { (runner, $0) } }.sorted { $0.runner.id < $1.runner.id }
    }
    /// Places that some pool or some live runner needs; trouble with any other is not shown.
    public var placesInUse: [Place] { Set(pools.flatMap(\.places)).union(runners.values.flatMap(\.places)).sorted() }
    /// Hosts of these places.
    public var hostsInUse: [HostID] { Set(placesInUse.map(\.host)).sorted() }
    /// GitLabs that some pool or live runner needs, or needed since the daemon started; by name.
    public var forgesInUse: [ForgeID] { Set(pools.map(\.pool.forge)).union(runners.values.map(\.forge)).union(forges.keys).sorted() }
    /// An action for some runner is under way.
    public var isActing: Bool { inFlight.contains { if case .runner = $0 { true } else { false } } }

    /// Whether everything was looked at since that time, and the removal of every object and registration without an owner was tried. A GitLab
    /// that is in trouble is not waited for.
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

    /// What tells the things that a runner made for its jobs from those of others.
    public func remains(of id: RunnerID) -> Remains {
        guard let runner = runners[id], runner.terms.executor == .docker else { return Remains(id) }
        let isShared = runners.values.contains { $0.id != id && $0.shortToken == runner.shortToken }
        return Remains(id, shortToken: isShared ? nil : runner.shortToken, since: runner.requestedAt)
    }

    /// Bytes and CPUs that all hosts have promised to runners.
    public var promised: (memory: Int64, cpus: Double) { promised { _ in true } }
    /// The same of one host.
    public func promised(on host: HostID) -> (memory: Int64, cpus: Double) { promised { $0 == host } }

    private func promised(_ isCounted: (HostID) -> Bool) -> (memory: Int64, cpus: Double) {
        runners.values.reduce((0, 0)) { sum, runner in
            progress[runner.id]?.containerGone == true || !isCounted(runner.place.host) ? sum : (sum.0 + runner.memory, sum.1 + runner.cpus)
        }
    }

    /// Whether an object that a look shows is an orphan: it is no runner's, nor one's that was removed since the look began, and it is not being
    /// removed already.
    public func isOrphan(_ object: DriverObject, since began: Timestamp) -> Bool {
        runners[object.runner] == nil && !departed.contains(object.runner, since: began) && !isUnderWay(.orphan(object.runner))
    }

    /// The same for a registration that carries our instance's id, in a list that was requested at `began`.
    public func isGhost(_ registration: ForgeRunner, of forge: ForgeID, since began: Timestamp) -> Bool {
        let ref = RegistrationRef(forge, registration.id)
        guard owners[ref] == nil, !isUnderWay(.registration(ref)), !unregistered.contains(ref, since: began) else { return false }
        // One that is just being made has no id here yet.
        guard let id = Runner.id(ofName: registration.description), let runner = runners[id] else { return true }
        return runner.gitlabID != nil || !isUnderWay(.runner(id))
    }
}
