import ContainerDriver
import Fleet
import Logging
import RunnerConfiguration
import Synchronization

/// Runs each runner as a service of a Docker swarm, which finds a node for its one task. See docs/swarm.md for what engines do.
///
/// A service's only task is never replaced: it has restart policy `none`, and is never updated but once to start it and once to stop it. Files are
/// secrets of the swarm, which only the task's node gets.
public final class SwarmDriver: RunnerDriver {
    let engine: Engine
    let instance: String
    let log: Logger
    private let socket: String
    private let registries: RegistryAccess
    /// Longest that a node may be away before its tasks count as ended; nil for ever.
    private let lostAfter: Duration?
    let clock: any WallClock
    let watch = Mutex(NodeWatch())
    /// Images that nodes fetch for a start.
    private let fetching = Mutex<[RunnerID: String]>([:])

    /// - Parameters:
    ///   - engine: of a manager.
    ///   - socket: the path of the engine's socket on every node, for runners of the Docker executor.
    ///   - instance: of this AutoGit; services of others are never touched.
    ///   - lostAfter: how long a node may be away before its runners are given up.
    public init(
        engine: Engine, socket: String, instance: String, registries: RegistryAccess = RegistryAccess(), lostAfter: Duration?,
        clock: any WallClock = SystemClock(), log: Logger
    ) {
        self.engine = engine
        self.socket = socket
        self.instance = instance
        self.registries = registries
        self.lostAfter = lostAfter
        self.clock = clock
        self.log = log
    }

    // MARK: Launching

    /// Makes the service, without a task.
    /// - Returns: the service's id.
    /// - Throws: `EngineError`
    public func create(_ spec: RunnerSpec) async throws -> String {
        try await engine.create(ServiceSpec(spec, socket: socket), login: try await login(spec.pool.image))
    }

    private func login(_ image: String) async throws -> String? { try await registries.current().logins.header(for: ImageName(image)) }

    /// Gives the swarm the runner's files, and has it find a node. Returns when the task runs.
    /// - Throws: `EngineError` with the swarm's words where no node takes it, or one can't run it.
    public func start(_ spec: RunnerSpec, credentials: RunnerCredentials) async throws {
        let secrets = try await makeSecrets(of: spec, credentials)
        let login = try await login(spec.pool.image)
        let isThere = try await engine.update(Runner.name(of: spec.runner), login: login) { service in
            service.TaskTemplate.ContainerSpec.Secrets = secrets
            service.Mode.Replicated.Replicas = 1
        }
        guard isThere else { throw EngineError(status: 404, message: "the swarm has no service \(Runner.name(of: spec.runner)) any more") }
        defer { fetching.withLock { $0[spec.runner] = nil } }
        do { try await waitUntilRunning(spec) } catch let error as EngineError where !error.isOutage {
            // What waits for a node would start once there is one, when nobody wants it any more.
            _ = try? await engine.update(Runner.name(of: spec.runner)) { $0.stop() }
            throw error
        }
    }

    /// One each, for of one that a service has twice only the last's owner and mode count.
    private func makeSecrets(of spec: RunnerSpec, _ credentials: RunnerCredentials) async throws -> [ServiceSpec.SecretReference] {
        let isDocker = spec.pool.executor == .docker
        let place = RunnerSurroundings(engineSocket: isDocker ? SocketMount.path(of: socket, in: ContainerDriver.socketDirectory) : nil)
        var files = RunnerFiles.contents(for: spec, credentials, in: place).map { ("\(RunnerFiles.directory)/\($0.name)", $0.content) }
        if isDocker, let logins = try await registries.current().logins.dockerConfiguration { files.append(("/root/.docker/config.json", logins)) }
        let name = Runner.name(of: spec.runner)
        var references: [ServiceSpec.SecretReference] = []
        for (index, (path, content)) in files.enumerated() {
            let secret = "\(name)-\(index)"
            let labels = [ContainerDriver.instanceLabel: instance, ContainerDriver.runnerLabel: spec.runner]
            let id = try await engine.createSecret(secret, labels: labels, Array(content.utf8))
            // Nobody here knows the user of an image that only nodes have. With the shell executor its jobs are the same user anyway.
            references.append(.init(File: .init(Name: path, Mode: isDocker ? 0o400 : 0o444), SecretID: id, SecretName: secret))
        }
        return references
    }

    static let look = Duration.milliseconds(300)
    /// In which a node may become free, or come.
    private static let mostUnplaced = Duration.seconds(20)
    /// In which a node may fetch an image and start a container.
    private static let mostPreparing = Duration.seconds(900)

    private func waitUntilRunning(_ spec: RunnerSpec) async throws {
        let name = Runner.name(of: spec.runner)
        let began = clock.now()
        var unplacedSince: Timestamp?
        while true {
            let task = task(of: try await tasks(of: spec.runner))
            let waited = clock.now()
            switch task.map({ ($0, outcome(of: $0, at: waited)) }) {
            case (_, .running)?: return
            case (let task, .ended)?:
                throw EngineError(message: "\(node(of: task)) could not run it: \(task.complaint ?? task.Status.Message ?? task.Status.State)", isOutage: false)
            case (let task, .lost)?: throw EngineError(message: "\(node(of: task)) is gone", isOutage: false)
            case (let task, .waiting(let complaint))?:
                if task.isPlaced {
                    unplacedSince = nil
                    if task.Status.State == "preparing" { fetching.withLock { $0[spec.runner] = "\(ImageName(spec.pool.image))" } }
                } else if let complaint, let since = unplacedSince, waited >= since + Self.mostUnplaced {
                    throw EngineError(message: "the swarm has no node for it: \(complaint)", isOutage: false)
                } else {
                    unplacedSince = unplacedSince ?? waited
                }
            case nil: unplacedSince = unplacedSince ?? waited
            }
            if waited >= began + Self.mostPreparing {
                throw EngineError(message: "it does not run after \(Self.mostPreparing.text): see docker service ps \(name)", isOutage: false)
            }
            try await clock.sleep(for: Self.look)
        }
    }

    /// The images that nodes fetch, or look for in their registry, now.
    public func pulls() -> [Pull] {
        Set(fetching.withLock { $0.values }).sorted().map { Pull(image: $0, received: 0, total: nil) }
    }

    // MARK: Looking

    private func label(_ runner: RunnerID) -> [String] {
        ["\(ContainerDriver.instanceLabel)=\(instance)", "\(ContainerDriver.runnerLabel)=\(runner)"]
    }

    func tasks(of runner: RunnerID) async throws -> [SwarmTask] {
        let tasks = try await engine.tasks(labels: label(runner)).filter { $0.runner == runner }
        if tasks.contains(where: \.isPlaced) { try await lookAtNodes() }
        return tasks
    }

    func lookAtNodes() async throws {
        let nodes = try await engine.nodes()
        let now = clock.now()
        watch.withLock { $0.saw(nodes, at: now) }
    }

    /// The one that a node has or had; else the one that waits for a node.
    func task(of tasks: [SwarmTask]) -> SwarmTask? {
        let now = clock.now()
        let placed = tasks.filter(\.isPlaced)
        // There is never more than one. If there were, one that may run would count.
        return placed.first { if case .ended = outcome(of: $0, at: now) { false } else { true } } ?? placed.first ?? tasks.first
    }

    func outcome(of task: SwarmTask, at now: Timestamp) -> SwarmTask.Outcome {
        guard let node = task.NodeID, !node.isEmpty else { return task.outcome(isLost: false) }
        return task.outcome(isLost: watch.withLock { $0.isLost(node, after: lostAfter, at: now) })
    }

    func node(of task: SwarmTask) -> String {
        let id = task.NodeID ?? ""
        return "the node \(watch.withLock { $0.names[id] } ?? id)"
    }

    /// All services of this AutoGit, and runners of which only a task that stops is left, secrets, or what their jobs have made.
    /// - Throws: `EngineError`
    public func list() async throws -> [DriverObject] {
        let ours = ["\(ContainerDriver.instanceLabel)=\(instance)"]
        let services = try await engine.services(labels: ours)
        let tasks = Dictionary(grouping: try await engine.tasks(labels: ours).filter { $0.runner != nil }) { $0.runner ?? "" }
        let secrets = try await engine.secrets(labels: ours)
        let toSweep = services.filter { $0.Spec.Labels[NodeSweep.runnerLabel] != nil }
        if !tasks.isEmpty || !toSweep.isEmpty { try await lookAtNodes() }
        var found: [RunnerID: DriverObject] = [:]
        for service in services {
            guard let runner = service.Spec.Labels[ContainerDriver.runnerLabel] else { continue }
            found[runner] = object(service, task(of: tasks[runner] ?? []), of: runner)
        }
        for (runner, tasks) in tasks where found[runner] == nil {
            // Of one whose node is away nobody has to know: the swarm ends it when the node is back.
            guard let task = task(of: tasks), case .running = outcome(of: task, at: clock.now()),
                let node = task.NodeID, watch.withLock({ $0.isReady(node) })
            else { continue }
            found[runner] = DriverObject(id: task.ID, runner: runner, running: true, started: true, exitCode: nil)
        }
        for object in sweeps(among: toSweep) where found[object.runner] == nil { found[object.runner] = object }
        for secret in secrets {
            guard let runner = secret.Spec.Labels?[ContainerDriver.runnerLabel], found[runner] == nil else { continue }
            found[runner] = DriverObject(id: secret.ID, runner: runner, running: false, started: false, exitCode: nil)
        }
        return Array(found.values)
    }

    private func object(_ service: SwarmService, _ task: SwarmTask?, of runner: RunnerID) -> DriverObject {
        let wasLetGo = service.Spec.Mode.Replicated.Replicas > 0
        var object = DriverObject(id: service.ID, runner: runner, running: true, started: wasLetGo, exitCode: nil)
        switch task.map({ outcome(of: $0, at: clock.now()) }) {
        case .ended(let code)?: (object.running, object.exitCode) = (false, code)
        case .lost?: object.running = false
        // What never ran, and can't any more.
        case .waiting?, nil: if service.Spec.isStopped, task?.isPlaced != true { object.running = false }
        case .running?: break
        }
        if !object.running { object.started = false }
        return object
    }

    // MARK: Ending

    /// Has the task stopped with the pool's stop signal; a swarm sends no other. One that has ended, or has not begun, is no error.
    /// - Throws: `EngineError`
    public func signal(_ runner: RunnerID, _ signal: String) async throws {
        let name = Runner.name(of: runner)
        guard let service = try await engine.service(name), isOurs(service) else { return }
        let known = service.Spec.TaskTemplate.ContainerSpec.StopSignal
        guard signal == known else {
            throw EngineError(message: "a swarm sends a task no signal but the one it was made with, \(known), and not \(signal)", isOutage: false)
        }
        try await engine.update(name) { $0.stop() }
    }

    /// Another AutoGit's may be called the same.
    func isOurs(_ service: SwarmService) -> Bool { service.Spec.Labels[ContainerDriver.instanceLabel] == instance }

    /// Looks at what is left of a task that ends, so often within one call.
    static let mostLooks = 100

    /// Removes the service and its secrets, and waits up to half a minute until its task is gone: it has the pool's `stop_timeout` after its signal, which
    /// a swarm can't shorten. A task on a node that is away is gone: the swarm ends it when the node is back. Then, what its jobs have left on its node.
    /// - Throws: `EngineError`, also while its task stops.
    public func remove(_ remains: Remains) async throws {
        let runner = remains.runner
        let name = Runner.name(of: runner)
        if let service = try await engine.service(name), isOurs(service) {
            try await prepareSweep(after: service, remains)
            try await engine.removeService(name)
        }
        for secret in try await engine.secrets(labels: label(runner)) where secret.Spec.Labels?[ContainerDriver.runnerLabel] == runner {
            try await engine.removeSecret(secret.ID)
        }
        for _ in 0..<Self.mostLooks {
            let left = try await tasks(of: runner).filter { task in
                guard let node = task.NodeID, !node.isEmpty, watch.withLock({ $0.isReady(node) }) else { return false }
                if case .ended = outcome(of: task, at: clock.now()) { return false }
                return true
            }
            if left.isEmpty { return try await sweep(runner) }
            try await clock.sleep(for: Self.look)
        }
        throw EngineError(message: "its task still stops: a swarm gives it all of the pool's stop_timeout", isOutage: false)
    }
}
