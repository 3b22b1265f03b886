import Fleet

/// A host that is a swarm of three nodes, as docs/swarm.md has seen them: its tasks are placed by it, stopped by signal only, and go on while their node
/// is away; a node that comes back is told to stop them.
final class SimulatedSwarm: Orchestrator {
    private unowned let engine: SimulatedEngine
    private var world: World { engine.world }
    private(set) var nodes = SimulatedNodes()
    /// Their services are gone, and their tasks run on.
    private var removed: Set<RunnerID> = []
    /// Told to stop while their node was away.
    private var toBeStopped: Set<RunnerID> = []
    /// The nodes that wait to be swept after runners whose services are gone.
    private var sweeps: [RunnerID: Int] = [:]

    /// A node is down for the managers after that long.
    private static let heartbeats = Duration.seconds(20)

    init(_ engine: SimulatedEngine) { self.engine = engine }

    func driver() -> any RunnerDriver { SimulatedSwarmDriver(world: world, engine: engine, swarm: self) }

    func hasRemoved(_ runner: RunnerID) -> Bool { removed.contains(runner) }

    private func isAway(_ runner: RunnerID) -> Bool { nodes.isAway(runner) }

    // MARK: What happens to nodes

    func loseNode(for time: Duration, power: Bool) {
        guard let node = nodes.lose(&world.random, at: world.now) else { return }
        world.count(power ? "node of a swarm lost its power" : "node of a swarm cut off")
        world.note("\(engine.host): node \(node) is away for \(time)")
        let began = nodes.awaySince[node]
        let there = { [self] in engine.containers.values.filter { nodes.places[$0.spec.runner] == node }.sorted { $0.spec.runner < $1.spec.runner } }
        if power { for container in there() { engine.losePower(of: container) } }
        world.after(SimulatedHosts.lostAfter) { if self.nodes.awaySince[node] == began { for container in there() { container.wasLost = true } } }
        world.after(time) {
            self.world.note("\(self.engine.host): node \(node) is back")
            self.nodes.comesBack(node)
            for container in there() {
                let runner = container.spec.runner
                if container.state == "running" {
                    if time >= Self.heartbeats || self.removed.contains(runner) || self.toBeStopped.contains(runner) { self.quit(container) }
                } else {
                    self.ended(container)
                }
            }
            for container in self.engine.containers(of: .container) where container.state == "waiting" { self.place(container) }
        }
    }

    /// A node is drained: its tasks are told to end.
    func meddle() {
        let running = engine.containers(of: .container).filter { $0.state == "running" && !isAway($0.spec.runner) }
        guard !running.isEmpty else { return }
        let container = running[world.random.below(running.count)]
        world.count("task ended by its swarm")
        world.note("\(engine.host): the swarm ends the task of \(container.spec.runner)")
        quit(container)
    }

    // MARK: What the daemon does

    /// - Returns: how long a driver has to wait until the task runs; nil where no node takes it.
    func start(_ spec: RunnerSpec, token: Secret) throws -> Duration? {
        guard let container = engine.containers[spec.runner] else { throw SimulatedFailure(description: "no such service", isOutage: false) }
        guard container.state == "created" else { return .zero }
        container.registration = Int64(token.reveal())
        container.state = "waiting"
        if world.strikes("swarm without room", world.rates.failBefore) {
            // Unless the driver has given it up before.
            world.after(world.random.between(15_000, 120_000)) { self.place(container) }
            return nil
        }
        return place(container)
    }

    @discardableResult
    private func place(_ container: SimulatedEngine.Container) -> Duration? {
        let runner = container.spec.runner
        guard container.state == "waiting", nodes.places[runner] == nil, let node = nodes.place(runner, &world.random) else { return nil }
        let time = world.random.between(300, 20_000)
        world.after(time) {
            guard container.state == "waiting" else { return }
            if !self.nodes.isAway(node) { return self.engine.begin(container) }
            // Told to start and not heard of since: it is stopped when the node is back.
            container.state = "exited"
            container.exitCode = 137
        }
        return time
    }

    /// Has it not start any more.
    func giveUp(_ runner: RunnerID) {
        if let container = engine.containers[runner], container.state == "waiting", nodes.places[runner] == nil { engine.losePower(of: container) }
    }

    func runs(_ runner: RunnerID) -> Bool { engine.containers[runner].map { ["running", "exited"].contains($0.state) } ?? false }

    func signal(_ runner: RunnerID) {
        guard let container = engine.containers[runner] else { return }
        if isAway(runner) {
            toBeStopped.insert(runner)
        } else if container.state == "running" {
            quit(container, asked: true)
        } else if container.state == "waiting" {
            engine.losePower(of: container)
        }
    }

    /// Nothing ends it at once: it has all of its grace.
    private func quit(_ container: SimulatedEngine.Container, asked: Bool = false) {
        if asked { engine.signal(container.spec.runner) } else { engine.quit(container) }
        world.after(container.spec.pool.stopTimeout) { if container.state == "running", !self.isAway(container.spec.runner) { self.kill(container) } }
    }

    private func kill(_ container: SimulatedEngine.Container) {
        engine.losePower(of: container)
        ended(container)
    }

    func remove(_ runner: RunnerID) throws {
        guard let container = engine.containers[runner] else { return }
        if engine.hasEngine(runner), container.state != "exited" || container.exitCode != 0 || isAway(runner) { sweeps[runner] = nodes.places[runner] }
        guard container.state == "running" else {
            if container.state == "exited", isAway(runner) { return _ = removed.insert(runner) }
            try engine.remove(runner)
            return forget(runner)
        }
        engine.checkLogIsKept(of: container)
        removed.insert(runner)
        if isAway(runner) { return }
        quit(container)
        container.refusedRemovals += 1
        throw SimulatedFailure(description: "its task still stops", isOutage: false)
    }

    /// A task with the node's socket removes what jobs left there, if the node is there.
    func sweep(_ runner: RunnerID) throws {
        guard let node = sweeps[runner], !nodes.isAway(node), engine.containers[runner] == nil else { return }
        engine.removeJobContainers(of: runner)
        sweeps[runner] = nil
    }

    private func forget(_ runner: RunnerID) {
        nodes.forget(runner)
        removed.remove(runner)
        toBeStopped.remove(runner)
    }

    /// The swarm hears of it, if its node is there.
    func ended(_ container: SimulatedEngine.Container) {
        let runner = container.spec.runner
        if isAway(runner) { return }
        if removed.contains(runner) {
            engine.drop(container)
            return forget(runner)
        }
        // Looked for every two seconds.
        world.after(world.random.between(10, 5000)) { self.engine.tell(.exited(runner: runner, exitCode: container.exitCode)) }
    }

    func list() -> [DriverObject] {
        engine.containers(of: .container).compactMap { container in
            let runner = container.spec.runner
            let isAway = isAway(runner)
            if removed.contains(runner), isAway || container.state == "exited" { return nil }
            let isOver = container.state == "exited" && !isAway
            let isLost = isAway && nodes.awaySince(runner).map { world.now >= $0 + SimulatedHosts.lostAfter } == true
            return DriverObject(
                id: runner, runner: runner, running: !isOver && !isLost, started: !isOver && !isLost && container.state != "created",
                exitCode: isOver ? container.exitCode : nil)
        }
            + sweeps.filter { engine.containers[$0.key] == nil && !nodes.isAway($0.value) }.keys.sorted().map {
                DriverObject(id: $0, runner: $0, running: false, started: false, exitCode: nil)
            }
    }

    func lastOutput(of runner: RunnerID) throws -> [UInt8] {
        if isAway(runner) {
            // Nobody waits for a log that may never come.
            engine.failedLogReads[runner] = 3
            throw SimulatedFailure(description: "the node that has its log is away", isOutage: false)
        }
        return engine.lastOutput(of: runner)
    }
}

/// A swarm as one life of the daemon calls it.
final class SimulatedSwarmDriver: OrchestratorDriver, @unchecked Sendable {
    let world: World
    let engine: SimulatedEngine
    private let swarm: SimulatedSwarm
    let life: Int
    var orchestrator: any Orchestrator { swarm }

    init(world: World, engine: SimulatedEngine, swarm: SimulatedSwarm) {
        (self.world, self.engine, self.swarm) = (world, engine, swarm)
        life = world.generation
    }
    func start(_ spec: RunnerSpec, credentials: RunnerCredentials) async throws {
        guard let time = try await call("start", { [swarm] in try swarm.start(spec, token: credentials.token) }) else {
            await world.pause(life, .seconds(20))
            try await call("stop") { [swarm] in swarm.giveUp(spec.runner) }
            throw SimulatedFailure(description: "the swarm has no node for it", isOutage: false)
        }
        await world.pause(life, time + .milliseconds(300))
        guard try await call("look at a task", { [swarm] in swarm.runs(spec.runner) }) else {
            throw SimulatedFailure(description: "it does not run", isOutage: false)
        }
    }
    func remove(_ remains: Remains) async throws {
        try await call("remove") { [swarm] in try swarm.remove(remains.runner) }
        try await call("sweep") { [swarm] in try swarm.sweep(remains.runner) }
    }
}
