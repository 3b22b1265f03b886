import Fleet

/// A host that is a cluster of three nodes, as docs/kubernetes-notes.md has them: a Job for each runner, which has no pod before it is let go; a stop is
/// the pod's deletion with its grace period, after which only the Job tells how it ended; a node that is away is shown as it was last seen, its pods are
/// marked for deletion after five minutes, and its kubelet hears of that when it is back.
final class SimulatedKubernetes: Orchestrator {
    private unowned let engine: SimulatedEngine
    private var world: World { engine.world }
    private(set) var nodes = SimulatedNodes()
    /// What the API shows of those whose node is away, and of those whose node was taken out of the cluster.
    private var lastSeen: [RunnerID: String] = [:]
    /// Their pods are to end, by AutoGit's will or the cluster's own.
    private var terminating: Set<RunnerID> = []
    /// Their pods are gone, with their logs.
    private var withoutPod: Set<RunnerID> = []
    /// Their Jobs are gone, or go with their pods.
    private var withoutJob: Set<RunnerID> = []
    /// Nothing of them is left but a process on a node that is away.
    private var forgotten: Set<RunnerID> = []

    /// The default toleration of a node that does not answer.
    private static let eviction = Duration.seconds(300)

    init(_ engine: SimulatedEngine) { self.engine = engine }

    func driver() -> any RunnerDriver { SimulatedKubernetesDriver(world: world, engine: engine, cluster: self) }

    func hasRemoved(_ runner: RunnerID) -> Bool { forgotten.contains(runner) }

    /// What the API shows of it.
    private func state(of container: SimulatedEngine.Container) -> String {
        let runner = container.spec.runner
        return nodes.isAway(runner) ? lastSeen[runner] ?? container.state : container.state
    }

    private func containers(on node: Int) -> [SimulatedEngine.Container] {
        engine.containers.values.filter { nodes.places[$0.spec.runner] == node }.sorted { $0.spec.runner < $1.spec.runner }
    }

    // MARK: What happens to nodes and pods

    func loseNode(for time: Duration, power: Bool) {
        guard let node = nodes.lose(&world.random, at: world.now) else { return }
        world.count(power ? "node of a cluster lost its power" : "node of a cluster cut off")
        world.note("\(engine.host): node \(node) is away for \(time)")
        let began = nodes.awaySince[node]
        for container in containers(on: node) {
            lastSeen[container.spec.runner] = container.state
            if power { engine.losePower(of: container) }
        }
        world.after(Self.eviction) {
            guard self.nodes.awaySince[node] == began else { return }
            for container in self.containers(on: node) { self.terminating.insert(container.spec.runner) }
        }
        if time > Self.eviction * 2, world.random.chance(0.3) {
            world.after(Self.eviction * 2) { if self.nodes.awaySince[node] == began { self.takeOut(node) } }
        }
        world.after(time) { self.comesBack(node) }
    }

    /// Its pods count as failed, whatever runs there, and are gone. Nobody knows how they ended.
    private func takeOut(_ node: Int) {
        world.count("node of a cluster taken out")
        world.note("\(engine.host): node \(node) is taken out of the cluster")
        for container in containers(on: node) where !forgotten.contains(container.spec.runner) {
            let runner = container.spec.runner
            container.wasLost = true
            lastSeen[runner] = "exited"
            withoutPod.insert(runner)
            tellEnd(of: container, code: nil)
        }
    }

    private func comesBack(_ node: Int) {
        world.note("\(engine.host): node \(node) is back")
        nodes.comesBack(node)
        for container in containers(on: node) {
            let runner = container.spec.runner
            let wasOver = lastSeen.removeValue(forKey: runner) == "exited"
            if container.state == "exited" {
                ended(container)
            } else if forgotten.contains(runner) || wasOver {
                kill(container)
            } else if terminating.contains(runner) {
                end(container)
            }
        }
        for container in engine.containers(of: .container) where container.state == "waiting" { place(container) }
    }

    /// An eviction, a drained node; somebody who takes a Job for a leftover.
    func meddle() {
        let running = engine.containers(of: .container).filter { $0.state == "running" && !nodes.isAway($0.spec.runner) }
        guard !running.isEmpty else { return }
        let container = running[world.random.below(running.count)]
        let runner = container.spec.runner
        if world.random.chance(0.3) {
            world.count("runner's Job removed by somebody")
            withoutJob.insert(runner)
        } else {
            world.count("runner's pod evicted")
        }
        world.note("\(engine.host): the cluster ends the pod of \(runner)")
        terminating.insert(runner)
        end(container)
    }

    /// The kubelet asks it to quit, by the hook, and kills it after its grace period.
    private func end(_ container: SimulatedEngine.Container) {
        engine.quit(container)
        world.after(container.spec.pool.stopTimeout) {
            if container.state == "running", !self.nodes.isAway(container.spec.runner) { self.kill(container) }
        }
    }

    private func kill(_ container: SimulatedEngine.Container) {
        engine.losePower(of: container)
        ended(container)
    }

    /// The API hears of it, if its node is there.
    func ended(_ container: SimulatedEngine.Container) {
        let runner = container.spec.runner
        if nodes.isAway(runner) { return }
        if terminating.contains(runner) { withoutPod.insert(runner) }
        if withoutJob.contains(runner) || forgotten.contains(runner) {
            let isKnown = !forgotten.contains(runner)
            engine.drop(container)
            forget(runner)
            if !isKnown { return }
        }
        tellEnd(of: container, code: container.exitCode)
    }

    private func tellEnd(of container: SimulatedEngine.Container, code: Int?) {
        world.after(world.random.between(10, 2000)) { self.engine.tell(.exited(runner: container.spec.runner, exitCode: code)) }
    }

    private func forget(_ runner: RunnerID) {
        nodes.forget(runner)
        lastSeen[runner] = nil
        terminating.remove(runner)
        withoutPod.remove(runner)
        withoutJob.remove(runner)
        forgotten.remove(runner)
    }

    // MARK: What the daemon does

    /// Lets its Job go.
    func release(_ spec: RunnerSpec, token: Secret) throws {
        guard let container = engine.containers[spec.runner] else { throw SimulatedFailure(description: "no such Job", isOutage: false) }
        guard container.state == "created" else { return }
        container.registration = Int64(token.reveal())
        container.state = "waiting"
        if world.strikes("cluster without room", world.rates.failBefore) {
            world.after(world.random.between(15_000, 400_000)) { self.place(container) }
        } else {
            place(container)
        }
    }

    private func place(_ container: SimulatedEngine.Container) {
        let runner = container.spec.runner
        guard container.state == "waiting", nodes.places[runner] == nil, let node = nodes.place(runner, &world.random) else { return }
        world.after(world.random.between(300, 20_000)) {
            // A kubelet that is cut off does what it was told before.
            if container.state == "waiting", self.nodes.places[runner] == node { self.engine.begin(container) }
        }
    }

    enum Look { case waits, runs, over(String) }

    func look(at runner: RunnerID) -> Look {
        guard let container = engine.containers[runner], !withoutJob.contains(runner), !forgotten.contains(runner) else { return .over("its Job was removed") }
        switch state(of: container) {
        case "waiting": return terminating.contains(runner) ? .over("its pod is being removed") : .waits
        case "running", "exited": return .runs
        default: return .over("its Job is suspended")
        }
    }

    /// Has it not start any more.
    func suspend(_ runner: RunnerID) {
        guard let container = engine.containers[runner], state(of: container) == "waiting" else { return }
        if nodes.isAway(runner) { return _ = terminating.insert(runner) }
        container.state = "created"
        nodes.forget(runner)
    }

    func signal(_ runner: RunnerID) {
        guard let container = engine.containers[runner], !forgotten.contains(runner), terminating.insert(runner).inserted else { return }
        if nodes.isAway(runner) { return }
        if container.state == "running" {
            // The dice of a quitting runner are the engine's, with its rule.
            engine.signal(runner)
            end(container)
        } else if container.state == "waiting" {
            kill(container)
        }
    }

    /// Removes its Job and kills its pod.
    /// - Returns: whether nothing of it is left.
    func remove(_ runner: RunnerID) throws -> Bool {
        guard let container = engine.containers[runner], !forgotten.contains(runner) else { return true }
        guard nodes.isAway(runner) else {
            try engine.remove(runner)
            forget(runner)
            return true
        }
        engine.checkLogIsKept(of: container)
        if !container.wasLost { engine.checkMayEnd(container) }
        terminating.insert(runner)
        withoutJob.insert(runner)
        if !withoutPod.contains(runner) { return false }
        forgotten.insert(runner)
        return true
    }

    /// With a grace period of 0 the API forgets a pod, whatever its node does.
    func forgetPod(of runner: RunnerID) {
        guard let container = engine.containers[runner] else { return }
        guard nodes.isAway(runner) else { return kill(container) }
        world.count("pod of a node that is away forgotten")
        forgotten.insert(runner)
    }

    func list() -> [DriverObject] {
        engine.containers(of: .container).compactMap { container in
            let runner = container.spec.runner
            guard !forgotten.contains(runner) else { return nil }
            let state = state(of: container)
            return DriverObject(
                id: runner, runner: runner, running: state != "exited", started: state == "waiting" || state == "running",
                exitCode: state == "exited" && !container.wasLost ? container.exitCode : nil,
                retirement: state == "running" && terminating.contains(runner) ? .evicted : nil)
        } + engine.ownersOfJobContainers.map { DriverObject(id: $0, runner: $0, running: false, started: false, exitCode: nil) }
    }

    func lastOutput(of runner: RunnerID) throws -> [UInt8] {
        if nodes.isAway(runner), !withoutPod.contains(runner) {
            // Nobody waits for a log that may never come.
            engine.failedLogReads[runner] = 3
            throw SimulatedFailure(description: "the node that has its log is away", isOutage: false)
        }
        return withoutPod.contains(runner) ? engine.outputIsMissing(of: runner) : engine.lastOutput(of: runner)
    }
}

/// A cluster as one life of the daemon calls it.
final class SimulatedKubernetesDriver: OrchestratorDriver, @unchecked Sendable {
    let world: World
    let engine: SimulatedEngine
    private let cluster: SimulatedKubernetes
    let life: Int
    var orchestrator: any Orchestrator { cluster }

    init(world: World, engine: SimulatedEngine, cluster: SimulatedKubernetes) {
        (self.world, self.engine, self.cluster) = (world, engine, cluster)
        life = world.generation
    }

    func start(_ spec: RunnerSpec, credentials: RunnerCredentials) async throws {
        try await call("release") { [cluster] in try cluster.release(spec, token: credentials.token) }
        let began = world.now
        while true {
            await world.pause(life, .seconds(5))
            switch try await call("look at a pod", { [cluster] in cluster.look(at: spec.runner) }) {
            case .runs: return
            case .over(let why): throw SimulatedFailure(description: why, isOutage: false)
            case .waits where world.now - began < spec.pool.kubernetes.schedulingTimeout: continue
            case .waits:
                try? await call("suspend") { [cluster] in cluster.suspend(spec.runner) }
                throw SimulatedFailure(description: "no node takes it", isOutage: false)
            }
        }
    }

    func remove(_ remains: Remains) async throws {
        let isGone = try await call("remove") { [engine, cluster] in
            engine.removeJobContainers(of: remains.runner)
            return try cluster.remove(remains.runner)
        }
        if isGone { return }
        await world.pause(life, .seconds(30))
        try await call("forget the pod") { [cluster] in cluster.forgetPod(of: remains.runner) }
    }
}
