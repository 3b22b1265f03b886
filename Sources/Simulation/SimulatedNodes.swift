import Fleet

/// What a host is that is several machines.
enum Orchestration: Sendable {
    case swarm, kubernetes

    var engine: EngineKind {
        switch self {
        case .swarm: EngineKind(name: "Docker Swarm", version: "20.10.24")
        case .kubernetes: EngineKind(name: "Kubernetes", version: "1.34.1")
        }
    }

    func orchestrator(of engine: SimulatedEngine) -> any Orchestrator {
        switch self {
        case .swarm: SimulatedSwarm(engine)
        case .kubernetes: SimulatedKubernetes(engine)
        }
    }
}

/// Places the runners of a host that is several machines, and has a will of its own.
protocol Orchestrator: AnyObject {
    var nodes: SimulatedNodes { get }
    /// It knows nothing of it any more, and a node that is away may run it still.
    func hasRemoved(_ runner: RunnerID) -> Bool
    /// The runner's process is no more.
    func ended(_ container: SimulatedEngine.Container)
    /// - Parameter power: what runs there ends.
    func loseNode(for time: Duration, power: Bool)
    /// Does something to a runner that AutoGit has not asked for.
    func meddle()
    /// For the present life of the daemon.
    func driver() -> any RunnerDriver
    /// Has it end by its stop signal.
    func signal(_ runner: RunnerID)
    func list() -> [DriverObject]
    func lastOutput(of runner: RunnerID) throws -> [UInt8]
}

/// An orchestrator as one life of the daemon calls it.
protocol OrchestratorDriver: RunnerDriver {
    var world: World { get }
    var engine: SimulatedEngine { get }
    var orchestrator: any Orchestrator { get }
    var life: Int { get }
}

extension OrchestratorDriver {
    func call<T>(_ what: String, _ effect: @escaping () throws -> T) async throws -> T {
        try await world.call(what, of: life, outage: engine.outage, effect)
    }

    func create(_ spec: RunnerSpec) async throws -> String { try await call("create") { try engine.create(spec) } }
    func signal(_ runner: RunnerID, _ signal: String) async throws { try await call("signal") { orchestrator.signal(runner) } }
    func list() async throws -> [DriverObject] { try await call("list") { orchestrator.list() } }
    func lastOutput(_ runner: RunnerID, bytes: Int) async throws -> [UInt8] {
        do { return try await call("log") { try orchestrator.lastOutput(of: runner) } } catch {
            engine.failedLogReads[runner, default: 0] += 1
            throw error
        }
    }
    func log(_ runner: RunnerID, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        AsyncThrowingStream { $0.finish() }
    }
    func events() -> AsyncStream<DriverEvent> { engine.events() }
}

/// Three machines that are away now and then, and which runner is on which.
struct SimulatedNodes {
    /// Since when each is away; nil while it is there.
    private(set) var awaySince: [Timestamp?] = [nil, nil, nil]
    private(set) var places: [RunnerID: Int] = [:]

    var hasReady: Bool { awaySince.contains { $0 == nil } }

    func isAway(_ node: Int) -> Bool { awaySince[node] != nil }
    func isAway(_ runner: RunnerID) -> Bool { places[runner].map(isAway) ?? false }
    func awaySince(_ runner: RunnerID) -> Timestamp? { places[runner].flatMap { awaySince[$0] } }

    /// - Returns: nil where no node is there.
    mutating func place(_ runner: RunnerID, _ dice: inout SplitMix) -> Int? {
        let ready = awaySince.indices.filter { awaySince[$0] == nil }
        guard !ready.isEmpty else { return nil }
        let node = ready[dice.below(ready.count)]
        places[runner] = node
        return node
    }

    mutating func forget(_ runner: RunnerID) { places[runner] = nil }

    /// - Returns: nil where it is away already.
    mutating func lose(_ dice: inout SplitMix, at now: Timestamp) -> Int? {
        let node = dice.below(awaySince.count)
        guard awaySince[node] == nil else { return nil }
        awaySince[node] = now
        return node
    }

    mutating func comesBack(_ node: Int) { awaySince[node] = nil }
}
