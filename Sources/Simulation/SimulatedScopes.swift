import Fleet

/// Transient scopes as one life of the daemon makes them: what `ScopeDriver` does in several calls to the user's
/// systemd is here as many calls, each of which can fail or be the daemon's last.
///
/// What differs from an engine, and is as in the real thing: before its start a runner is only a folder, which isn't
/// running; the process waits at a gate until it is let go; an end is seen by whoever watches the process, so a new
/// life hears of nothing before it has looked; and a bus that comes back says so to nobody.
final class SimulatedScopeDriver: RunnerDriver, @unchecked Sendable {
    private let world: World
    private let life: Int
    private let out: AsyncStream<DriverEvent>.Continuation
    private let stream: AsyncStream<DriverEvent>
    private var watched: Set<RunnerID> = []

    init(world: World) {
        self.world = world
        life = world.generation
        (stream, out) = AsyncStream.makeStream(of: DriverEvent.self)
    }

    private func call<T>(_ what: String, _ effect: @escaping (SimulatedEngine) throws -> T) async throws -> T {
        try await world.call(what, of: life, outage: world.engine.busOutage) { [world] in try effect(world.engine) }
    }

    /// Files are made and removed without the bus.
    private func disk<T>(_ what: String, _ effect: @escaping (SimulatedEngine) throws -> T) async throws -> T {
        try await world.call(what, of: life) { [world] in try effect(world.engine) }
    }

    /// The journal is read without the bus, too, and never complains.
    private func journal<T>(_ read: (SimulatedEngine) -> T) async -> T {
        await world.pause(life, .milliseconds(1))
        return read(world.engine)
    }

    private func watch(_ runner: RunnerID) {
        let (world, life, out) = (world, life, out)
        world.engine.watchers[runner] = { event in if life == world.generation { out.yield(event) } }
        watched.insert(runner)
    }

    /// The engine, for the jobs of those that have containers made for them.
    private func engine(_ what: String, _ effect: @escaping (SimulatedEngine) -> Void) async throws {
        if let left = world.engine.hangs { await world.pause(life, min(left, .seconds(60))) }
        try await world.call(what, of: life, outage: world.engine.outage) { [world] in effect(world.engine) }
    }

    func use(of runners: Set<RunnerID>) async throws -> [RunnerID: [ResourceSample]] { try await disk("cpu.stat") { $0.use(of: runners) } }
    func create(_ spec: RunnerSpec) async throws -> String {
        let scope = try await disk("make the folder") { try $0.create(spec) }
        if spec.pool.executor == .docker { try await engine("prepare for jobs") { _ in } }
        return scope
    }

    func start(_ spec: RunnerSpec, credentials: RunnerCredentials) async throws {
        let scope = try await call("start the service") { engine in
            guard let scope = engine.containers[spec.runner] else { throw SimulatedFailure(description: "no such folder", isOutage: false) }
            guard scope.state == "created" else { throw SimulatedFailure(description: "the unit exists", isOutage: false) }
            scope.state = "waiting"
            scope.registration = Int64(credentials.token.reveal())
            return scope
        }
        try await call("start the scope") { _ in
            guard scope.state == "waiting" else { throw SimulatedFailure(description: "no such process", isOutage: false) }
        }
        try await disk("open the gate") { engine in
            guard scope.state == "waiting" else { throw SimulatedFailure(description: "nobody waits at the gate", isOutage: false) }
            engine.begin(scope)
        }
        await world.pause(life, world.random.between(1, 20))
        watch(spec.runner)
        // The kernel tells at once of a process that is gone already.
        if scope.state != "running" { out.yield(.exited(runner: spec.runner, exitCode: scope.exitCode)) }
    }

    func signal(_ runner: RunnerID, _ signal: String) async throws { try await call("signal") { $0.signal(runner) } }

    func remove(_ remains: Remains) async throws {
        let runner = remains.runner
        world.engine.watchers[runner] = nil
        watched.remove(runner)
        try await call("kill the scope") { $0.end(runner) }
        try await call("stop the service") { $0.end(runner) }
        if world.engine.hasEngine(runner) {
            do { try await engine("remove the containers of jobs") { $0.removeJobContainers(of: runner) } } catch let failure as SimulatedFailure {
                world.engine.containers[runner]?.refusedRemovals += 1
                throw SimulatedFailure(description: failure.description, isOutage: false)
            }
        }
        try await disk("remove the folder") { try $0.remove(runner) }
    }

    func list() async throws -> [DriverObject] {
        let scopes = try await call("list") { $0.containers(of: .scope) }
        for scope in scopes where scope.state == "running" && !watched.contains(scope.spec.runner) { watch(scope.spec.runner) }
        return scopes.map {
            DriverObject(
                id: $0.spec.runner, runner: $0.spec.runner, running: ["waiting", "running"].contains($0.state), started: $0.state == "running", exitCode: nil,
                retirement: $0.cutOffSince == nil ? nil : .cutOff)
        }
    }

    func lastOutput(_ runner: RunnerID, bytes: Int) async throws -> [UInt8] { await journal { $0.lastOutput(of: runner) } }
    func log(_ runner: RunnerID, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        AsyncThrowingStream { $0.finish() }
    }
    func events() -> AsyncStream<DriverEvent> {
        out.yield(.resync)
        return stream
    }
}
