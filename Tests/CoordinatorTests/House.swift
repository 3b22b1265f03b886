import Synchronization
import TestBench

@testable import Coordinator
@testable import Fleet

/// A coordinator among fakes: a GitLab, an engine, a user's systemd, a disk, and a clock that stands still.
struct House: Sendable {
    static let engine = Place(.local, .container)
    static let systemd = Place(.local, .scope)

    let script = Script()
    let clock = ManualClock()
    let log = LogBook()
    let store: FakeStore
    let forge: FakeForge
    let engine: FakeDriver
    let systemd: FakeDriver
    /// Engines of other hosts, by name.
    let others: [String: FakeDriver]
    let coordinator: Coordinator
    private let plans = Plans()

    /// Recovered, with everything looked at.
    /// - Parameter jobs: that GitLab has already.
    init(
        _ pools: [Pool] = [pool()], paused: Set<String> = [], polling: Duration = .seconds(30), jobs: [JobID: JobObservation] = [:], seed: UInt64 = 1,
        audiences: [any FleetAudience] = [], others names: [String] = []
    ) async throws {
        store = FakeStore(script, Memory(instance: "house", jobs: [], runners: [], finishedJobs: [], pausedPools: paused))
        forge = FakeForge(script, store)
        forge.change { $0.jobs = jobs }
        engine = FakeDriver(script, store, "engine")
        systemd = FakeDriver(script, store, "systemd")
        let (plans, script, store) = (plans, script, store)
        others = Dictionary(uniqueKeysWithValues: names.map { ($0, FakeDriver(script, store, $0)) })
        var drivers: [Place: any RunnerDriver] = [Self.engine: engine, Self.systemd: systemd]
        for (name, driver) in others { drivers[Place(HostID(name), .container)] = driver }
        coordinator = Coordinator(
            Self.configuration(pools, polling: polling, hosts: names), forges: [.default: forge], drivers: drivers, store: store, clock: clock, log: log.logger,
            seed: seed, audiences: audiences, watch: { plans.saw($0) })
        try await coordinator.recover()
        try await settled()
    }

    static func pool(_ name: String = "p", _ tags: [String] = ["a"], max: Int = 10) -> Pool {
        var pool = Pool(name: name)
        pool.tags = tags
        pool.maxRunners = max
        pool.memory = 1 << 30
        pool.env = ["PASSWORD": "env-secret-value"]
        return pool
    }

    static func scope(_ name: String = "s", _ tags: [String] = ["s"]) -> Pool {
        var pool = pool(name, tags)
        pool.driver = .scope
        return pool
    }

    static func configuration(_ pools: [Pool], polling: Duration = .seconds(30), hosts: [String] = []) -> Coordinator.Configuration {
        let hosts = hosts.isEmpty ? nil : [Host(.local)] + hosts.map { Host(HostID($0)) }
        return .init(.init(pools: pools, hosts: hosts, pollInterval: polling), version: "test")
    }

    // MARK: Waiting

    /// Returns the state after the first plan from now on, the last one included, of which the condition holds.
    @discardableResult
    func until(_ condition: @escaping @Sendable (FleetState) -> Bool) async throws -> FleetState { try await plans.until(condition) }

    /// Nothing is under way.
    @discardableResult
    func settled() async throws -> FleetState { try await until { $0.inFlight.isEmpty } }

    /// Time passes, and a plan is made.
    func pass(_ time: Duration) async {
        clock.advance(by: time)
        _ = await coordinator.heartbeat()
    }

    // MARK: Doing

    /// GitLab has a job in a status, and sends its webhook.
    func hook(_ id: JobID, _ status: JobStatus = .pending, tags: [String]? = ["a"], runner: Int64? = nil) async throws {
        let seen = JobObservation(id: id, projectID: 1, status: status, tags: tags, runnerID: runner)
        let body = Array("\(id) \(status)".utf8)
        forge.change {
            $0.jobs[id] = seen
            $0.hooks[body] = .job(seen)
            if let runner { $0.running[runner] = status == .running ? [id] : [] }
        }
        try await coordinator.receive(webhook: body)
    }

    /// A runner that an operator asked for, and that GitLab has heard from.
    func runner(in pool: String = "p") async throws -> Runner {
        let id = try await coordinator.spawn(pool: pool).id
        try await until { $0.runners[id]?.phase == .starting && $0.inFlight.isEmpty }
        forge.change { $0.hasContact = true }
        await pass(.seconds(1))
        let state = try await until { $0.runners[id]?.phase == .ready && $0.inFlight.isEmpty }
        guard let runner = state.runners[id] else { throw Script.Failure(description: "there is no runner \(id)") }
        return runner
    }

    /// As `runner`, with a job.
    func busyRunner(job: JobID) async throws -> Runner {
        let runner = try await runner()
        try await hook(job, .running, runner: runner.gitlabID)
        try await until { $0.runners[runner.id]?.currentJob == job }
        return runner
    }
}

/// The state after each plan, and who waits for one.
private final class Plans: Sendable {
    private struct State {
        var last: FleetState?
        var waiters: [(holds: @Sendable (FleetState) -> Bool, done: @Sendable (Result<FleetState, any Error>) -> Void)] = []
    }

    private let state = Mutex(State())

    func saw(_ new: FleetState) {
        let done = state.withLock { state in
            state.last = new
            let done = state.waiters.filter { $0.holds(new) }
            state.waiters.removeAll { $0.holds(new) }
            return done
        }
        for waiter in done { waiter.done(.success(new)) }
    }

    func until(_ condition: @escaping @Sendable (FleetState) -> Bool) async throws -> FleetState {
        try await waiting { done in
            let known = state.withLock { state -> FleetState? in
                if let last = state.last, condition(last) { return last }
                state.waiters.append((condition, done))
                return nil
            }
            if let known { done(.success(known)) }
        }
    }
}
