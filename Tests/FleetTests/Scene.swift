@testable import Fleet

/// A fleet in a given state, at a given time, for the tables of the planner and the reducer: a GitLab and an engine that
/// answer, and have done for an hour.
struct Scene {
    static let start = Timestamp(milliseconds: 1_764_000_000_000)
    static let place = Place(.local, .container)
    var state: FleetState
    var now = Scene.start
    var events: [FleetEvent] = []
    var changes: [Change] = []

    init(_ pools: [Pool] = [pool()], hosts: [Host]? = nil, budget: HostBudget = HostBudget(), polling: Duration = .seconds(30)) {
        state = FleetState(.init(pools: pools, hosts: hosts, budget: budget, pollInterval: polling), seed: 1)
        now = Self.start + .seconds(-3600)
        take(.remembered(Memory(instance: "i", jobs: [], runners: [], finishedJobs: [], pausedPools: [])))
        for place in state.placesInUse { take(.done(.look(place), .success(.objects([])))) }
        take(.done(.poll(.default), .success(.poll(Poll(jobs: [], isComplete: true)))))
        take(.done(.sweep(.default), .success(.registrations([]))))
        take(.done(.flush, .success(.done)))
        for host in state.hostsInUse { take(.done(.survey(host), .success(.host(HostFacts(architecture: .amd64))))) }
        now = Self.start
        // What is due by the clock alone is not what these tables are about.
        for place in state.placesInUse {
            state.places[place]?.lookAt = now + .seconds(86_400)
            state.places[place]?.disk.measureAt = now + .seconds(86_400)
        }
        for forge in state.forgesInUse {
            state.forges[forge]?.pollAt = now + .seconds(86_400)
            state.forges[forge]?.sweepAt = now + .seconds(86_400)
        }
        for host in state.hosts.keys { state.hosts[host]?.surveyAt = now + .seconds(86_400) }
        state.flushAt = now + .seconds(86_400)
        state.expireAt = now + .seconds(86_400)
        events = []
    }

    static func pool(_ name: String = "p", _ tags: [String] = ["a"], untagged: Bool = false, max: Int = 10) -> Pool {
        var pool = Pool(name: name)
        pool.tags = tags
        pool.runUntagged = untagged
        pool.maxRunners = max
        pool.memory = 1 << 30
        // One figure for a runner and its job.
        pool.configuredExecutor = .shell
        return pool
    }

    @discardableResult
    mutating func take(_ observation: Observation) -> [FleetEvent] {
        let new = state.take(observation, at: now)
        changes += state.changes()
        events += new
        return new
    }

    func plan() -> Plan { Planner.plan(state, at: now) }

    mutating func pass(_ time: Duration) { now = now + time }

    /// Another life of the daemon, which knows its runners from the disk and has looked at nothing.
    mutating func restart() {
        let memory = Memory(instance: "i", jobs: [], runners: Array(state.runners.values), finishedJobs: [], pausedPools: [])
        state = FleetState(state.configuration, seed: 1)
        take(.remembered(memory))
        take(.done(.poll(.default), .success(.poll(Poll(jobs: [], isComplete: true)))))
    }

    /// Its section is deleted.
    mutating func takeOut(_ host: String) {
        var configuration = state.configuration
        configuration.hosts.removeAll { $0.id == HostID(host) }
        take(.configured(configuration))
    }

    // MARK: Filling it

    static func seen(
        _ id: JobID, _ status: JobStatus = .pending, tags: [String]? = ["a"], runner: Int64? = nil, created: Timestamp? = nil
    ) -> JobObservation {
        JobObservation(id: id, projectID: 1, status: status, tags: tags, runnerID: runner, createdAt: created)
    }

    static func ref(_ id: JobID) -> JobRef { JobRef(.default, id) }

    /// GitLab says so when it is asked.
    mutating func answer(_ seen: JobObservation) { take(.done(.ask(Self.ref(seen.id), project: 1), .success(.job(seen)))) }

    mutating func hook(_ seen: JobObservation) { take(.hook(.default, seen)) }

    mutating func queue(_ ids: JobID..., tags: [String]? = ["a"]) { for id in ids { hook(Self.seen(id, tags: tags)) } }

    /// A runner of the first pool that is registered as number `gitlab`, in a phase that it got to now.
    mutating func add(
        _ id: RunnerID, _ phase: Runner.Phase = .ready, pool: Pool? = nil, on host: HostID? = nil, gitlab: Int64 = 100, job: JobID? = nil
    ) {
        let pool = pool ?? state.pools[0].pool
        var runner = Runner(id: id, pool: host.map(pool.on) ?? pool, launchedFor: nil, at: now)
        runner.phase = phase
        runner.gitlabID = gitlab
        runner.containerID = "c-\(id)"
        if phase > .requested { runner.startedAt = now }
        if phase >= .ready { runner.contactedAt = now }
        if phase >= .ready, job == nil { runner.idleSince = now }
        if phase == .stopping { runner.stoppingAt = now }
        runner.currentJob = job
        state.runners[id] = runner
        state.progress[id] = Progress()
        state.owners[RegistrationRef(.default, gitlab)] = id
    }

    // MARK: Looking at it

    func phase(_ id: RunnerID) -> Runner.Phase? { state.runners[id]?.phase }
    func told(_ message: (FleetEvent.Kind) -> Bool) -> Bool { events.contains { message($0.kind) } }
}

extension Plan {
    /// Pools in which a runner is launched, each with the job it is for.
    var launches: [String] {
        actions.compactMap { if case .launch(_, let pool, let job, _, _) = $0 { "\(pool):\(job.map { "\($0.id)" } ?? "-")" } else { nil } }
    }
    func reason(_ id: JobID) -> WaitingReason? { waiting[Scene.ref(id)] }
    func contains(_ test: (Action) -> Bool) -> Bool { actions.contains(where: test) }
}
