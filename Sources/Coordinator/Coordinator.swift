import ControlModel
import Fleet
import Logging
import Synchronization

/// The control loop: takes in observations, keeps them in the store, asks the planner what to do, and
/// has it done. It owns the state of jobs, runners and pools; everything that happens passes through it.
///
/// Actions run concurrently; at most one is under way for a runner, and their results are observations
/// again. So the loop depends on no single event: the next look mends what was missed.
public actor Coordinator {
    public struct Configuration: Sendable {
        public var pools: [Pool]
        public var budget: HostBudget
        /// Zero switches polling off.
        public var pollInterval: Duration
        public var version: String
        /// Launches that may be under way at once.
        public var maxLaunches: Int
        public init(
            pools: [Pool], budget: HostBudget, pollInterval: Duration, version: String, maxLaunches: Int = 8
        ) {
            self.pools = pools
            self.budget = budget
            self.pollInterval = pollInterval
            self.version = version
            self.maxLaunches = maxLaunches
        }
    }

    var configuration: Configuration
    let forge: any Forge
    private let drivers: [DriverKind: any RunnerDriver]
    let store: any StateStore
    let clock: any WallClock
    let log: Logger
    let random: @Sendable () -> Double
    let startedAt: Timestamp

    var instance = ""
    var jobs: [JobID: Job] = [:]
    /// Jobs that are over, so that a late event does not bring one back. Bounded: the oldest go.
    var finished = RecentIDs(capacity: 20_000)
    var runners: [RunnerID: Runner] = [:]
    var byGitLabID: [Int64: RunnerID] = [:]
    var pools: [PoolState] = []
    var waiting: [JobID: String] = [:]
    /// Runners with an action under way.
    var acting: Set<RunnerID> = []
    /// Jobs whose tags are being asked for.
    var tags = TagQueue()
    /// Before this, an action for the runner that failed is not tried again.
    var retryAfter: [RunnerID: (at: Timestamp, wait: Duration)] = [:]
    var health = Health() { didSet { publishHealth() } }
    /// What `/health` says, for those who must not wait while the loop takes in ten thousand jobs.
    let healthBoard = Mutex(HealthView(status: "healthy", gitlab: "unknown", engine: "unknown", store: "ok"))
    var spawns = SpawnStatistics()
    var launching = 0
    /// Drivers whose events are being followed.
    var following: [DriverKind: Task<Void, Never>] = [:]
    /// The daemon is going away: nothing new is begun.
    var isStopping = false
    /// How often a job was not taken by runners that were there for it, and until when it is left alone.
    var ignored: [JobID: (count: Int, until: Timestamp)] = [:]
    /// A registration may have been made whose answer we never got.
    var ghostsSuspected = false
    /// What unclear starts said, for as long as the runner lives.
    var startTroubles: [RunnerID: String] = [:]
    /// All runners go, and none is started.
    var isEvacuating = false
    var waitingForQuiet: [CheckedContinuation<Void, Never>] = []
    var planRequested = false
    var wakeTask: Task<Void, Never>?
    var wakeTime: Timestamp?

    struct Health {
        var gitlab = "unknown"
        var store = "ok"
        /// What works now and will not for long.
        var warnings: [String] = []
        /// Of each driver that is in use.
        var drivers: [DriverKind: String] = [:]
    }

    struct SpawnStatistics {
        var count = 0
        var failed = 0
        var last: Double?
        var sum = 0.0
        var contacted = 0
    }

    public init(
        _ configuration: Configuration, forge: any Forge, drivers: [DriverKind: any RunnerDriver], store: any StateStore,
        clock: any WallClock = SystemClock(), log: Logger,
        random: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) }
    ) {
        self.configuration = configuration
        self.forge = forge
        self.drivers = drivers
        self.store = store
        self.clock = clock
        self.log = log
        self.random = random
        startedAt = clock.now()
        pools = configuration.pools.map { PoolState($0) }
    }

    /// Takes over changed pools, budget and polling; what a pool went through stays with its name. Runners of a pool
    /// that is gone are drained by the next plan.
    public func reload(_ new: Configuration) {
        let known = Dictionary(pools.map { ($0.pool.name, $0) }, uniquingKeysWith: { first, _ in first })
        configuration = new
        pools = new.pools.map { pool in
            var state = known[pool.name] ?? PoolState(pool)
            state.pool = pool
            return state
        }
        followDrivers()
        requestPlan()
    }

    // MARK: Drivers

    struct NoDriver: Error, CustomStringConvertible {
        var kind: DriverKind
        var description: String { "runners of the kind \(kind.rawValue) cannot be run by this daemon" }
    }

    func driver(_ kind: DriverKind) throws -> any RunnerDriver {
        guard let driver = drivers[kind] else { throw NoDriver(kind: kind) }
        return driver
    }

    /// Those that some pool or some live runner needs; nobody is told of trouble with another.
    public var driversInUse: Set<DriverKind> {
        Set(pools.map(\.pool.driver)).union(runners.values.map(\.driver)).intersection(drivers.keys)
    }

    func noteDriver(_ kind: DriverKind, trouble: String?) {
        if let trouble, health.drivers[kind] != trouble {
            log.error(
                kind == .container ? "The engine cannot be asked: \(trouble)" : "The user's systemd cannot be asked: \(trouble)",
                metadata: Incident.driverUnreachable.field)
        }
        health.drivers[kind] = trouble ?? "ok"
    }

    // MARK: Planning

    /// Asks for a plan soon. Several requests before it is made are one.
    func requestPlan() {
        guard !planRequested else { return }
        planRequested = true
        Task { self.planNow() }
    }

    /// Makes a plan now, which shows that the loop can, and says how things stand.
    public func heartbeat() -> String {
        planNow()
        return statusLine()
    }

    func snapshot() -> Snapshot {
        Snapshot(
            jobs: isEvacuating ? [] : Array(jobs.values), runners: Array(runners.values), pools: pools,
            budget: configuration.budget, now: clock.now(), holds: ignored.mapValues(\.until))
    }

    private func planNow() {
        planRequested = false
        if isStopping { return }
        publishHealth()
        let plan = Planner.plan(snapshot())
        report(plan.waiting)
        var wakeAt = plan.wakeAt
        for action in plan.actions {
            switch action {
            case .launch(let pool, let job):
                guard !isEvacuating, launching < configuration.maxLaunches else { continue }
                launch(pool: pool, for: job)
            case .drain(let id, let reason):
                act(on: id, wake: &wakeAt) { await self.drain($0, reason: reason) }
            case .stop(let id):
                act(on: id, wake: &wakeAt) { await self.stop($0) }
            case .kill(let id):
                act(on: id, wake: &wakeAt) { await self.end($0, "did not quit in time", failed: true) }
            case .remove(let id):
                act(on: id, wake: &wakeAt) { await self.remove($0) }
            case .fail(let id, let reason):
                act(on: id, wake: &wakeAt) { await self.missContact($0, reason: reason) }
            case .dismiss(let id, let job):
                act(on: id, wake: &wakeAt) { await self.dismissIdle($0, ignored: job) }
            }
        }
        wake(at: wakeAt)
    }

    /// Starts an action unless the runner has one under way or waits after a failed one.
    private func act(
        on id: RunnerID, wake: inout Timestamp?, _ body: @escaping @Sendable (Runner) async -> Void
    ) {
        guard !acting.contains(id), let runner = runners[id] else { return }
        if let retry = retryAfter[id], clock.now() < retry.at {
            wake = min(wake ?? retry.at, retry.at)
            return
        }
        acting.insert(id)
        Task {
            await body(runner)
            self.acted(on: id)
        }
    }

    func acted(on id: RunnerID) {
        acting.remove(id)
        if acting.isEmpty { becameQuiet() }
        requestPlan()
    }

    private func wake(at time: Timestamp?) {
        guard time != wakeTime || wakeTask == nil else { return }
        wakeTask?.cancel()
        wakeTask = nil
        wakeTime = time
        guard let time else { return }
        let wait = max(.zero, time - clock.now())
        wakeTask = Task {
            try? await clock.sleep(for: wait)
            if !Task.isCancelled { self.woke() }
        }
    }

    private func woke() {
        wakeTask = nil
        wakeTime = nil
        requestPlan()
    }

    /// Says once for each job why it waits, and again when the reason changes.
    private func report(_ reasons: [JobID: String]) {
        var changes: [Change] = []
        for (id, reason) in reasons where waiting[id] != reason {
            guard var job = jobs[id] else { continue }
            let before = Self.kind(of: waiting[id] ?? job.waitingReason ?? "")
            job.waitingReason = reason
            jobs[id] = job
            changes.append(.job(job))
            if before != Self.kind(of: reason) {
                let metadata = fields(job: job)
                // Capacity comes back by itself; a tag that no pool has does not.
                let lasting = reason.hasPrefix("no ")
                log.warning("Job \(id) waits: \(reason)", metadata: lasting ? metadata.with(.noPoolFits) : metadata)
            }
        }
        for id in waiting.keys where reasons[id] == nil {
            guard var job = jobs[id], job.waitingReason != nil else { continue }
            job.waitingReason = nil
            jobs[id] = job
            changes.append(.job(job))
        }
        waiting = reasons
        remember(changes)
    }

    /// A reason without its figures, which may change at every plan.
    private static func kind(of reason: String) -> String { reason.filter { !$0.isNumber } }

    // MARK: Remembering

    /// Saves without waiting. For what a later observation would teach us again; what must be on disk
    /// before something happens is saved with `store.save` there.
    func remember(_ changes: [Change]) { store.enqueue(changes) }

    /// Waits until everything is on disk, and says when it can't be.
    func flush() async {
        do {
            try await store.flush()
            health.store = "ok"
        } catch {
            noteStoreTrouble(error)
        }
    }

    func noteStoreTrouble(_ error: any Error) {
        if health.store == "ok" { log.error("Cannot write the state: \(error). Is the disk full?", metadata: Incident.storeFailed.field) }
        health.store = "\(error)"
    }

    func history(_ runner: Runner, _ event: String, _ detail: String?) -> Change {
        .history(HistoryEntry(runner: runner.id, at: clock.now(), event: event, detail: detail))
    }

    func fields(_ runner: Runner? = nil, job: Job? = nil) -> Logger.Metadata {
        var fields: Logger.Metadata = [:]
        if let runner {
            fields["runner"] = "\(runner.id)"
            fields["pool"] = "\(runner.pool)"
        }
        if let job {
            fields["job"] = "\(job.id)"
            fields["project"] = "\(job.projectID)"
        }
        return fields
    }
}
