import Fleet
import FoundationEssentials
import HTTPTransfer
import Logging
import Synchronization

/// Runs each runner as a container of a Docker-compatible engine.
public final class ContainerDriver: RunnerDriver {
    /// The label that says which AutoGit a container belongs to.
    public static let instanceLabel = "autogit.instance"
    /// The label with the runner's id.
    public static let runnerLabel = "autogit.runner"
    /// The label that tells which socket of the engine the container was given, if any.
    static let socketLabel = "autogit.socket"

    private let engine: Engine
    private let instance: String
    private let leftovers: JobLeftovers
    private let log: Logger
    /// Longest that fetching an image may take.
    private let pullTimeout: Duration
    /// Longest that a log may take that is not followed.
    private let logTimeout: Duration
    /// Images that are there or on their way, so that ten runners fetch one image once, and a start needs no
    /// look. What failed is forgotten, and so is an image that a create didn't find.
    private let images = Mutex<[String: Task<Image, any Error>]>([:])
    /// Cache volumes that are there.
    private let volumes = Mutex<Set<CacheVolume>>([])
    /// Waits between two event streams.
    private let sleep: @Sendable (Duration) async throws -> Void

    /// - Parameters:
    ///   - instance: of this AutoGit; containers of others are never touched.
    ///   - pullTimeout: longest that fetching an image may take.
    public convenience init(engine: Engine, instance: String, pullTimeout: Duration = .seconds(600), log: Logger) {
        self.init(engine: engine, instance: instance, pullTimeout: pullTimeout, log: log) { try await Task.sleep(for: $0) }
    }

    init(
        engine: Engine, instance: String, pullTimeout: Duration, logTimeout: Duration = .seconds(60), log: Logger,
        sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.engine = engine
        self.logTimeout = logTimeout
        self.sleep = sleep
        self.instance = instance
        leftovers = JobLeftovers(engine: engine, instance: instance)
        self.pullTimeout = pullTimeout
        self.log = log
    }

    /// Creates the container, after fetching the image if need be.
    /// - Returns: the container's id.
    /// - Throws: `EngineError`; for a failed pull with the registry's words, and then no outage.
    public func create(_ spec: RunnerSpec) async throws -> String {
        try await ensureImage(spec.pool.image)
        if let volume = spec.pool.cacheVolume { try await ensureVolume(volume) }
        var socket: SocketMount?
        if spec.pool.executor == .docker {
            socket = SocketMount(engine.socket)
            if socket == nil { throw EngineError(message: "the engine's socket \(engine.socket) is not there", isOutage: true) }
        }
        let body = Array(try JSONEncoder().encode(ContainerSpec(spec, socket: socket)))
        let name = Runner.name(of: spec.runner)
        do {
            return try await engine.create(name: name, body: body)
        } catch let error as EngineError where error.status == 404 {
            // The image went away since we saw it.
            images.withLock { $0[spec.pool.image] = nil }
            try await ensureImage(spec.pool.image)
            return try await engine.create(name: name, body: body)
        }
    }

    /// Puts the runner's configuration and token into the container, and starts it.
    /// - Throws: `EngineError`
    public func start(_ spec: RunnerSpec, credentials: RunnerCredentials) async throws {
        let name = Runner.name(of: spec.runner)
        let owner = try await owner(spec, container: name)
        try await engine.put(
            name, archive: RunnerArchive.bytes(for: spec, credentials, owner: owner, engineSocket: SocketMount.path(of: engine.socket)), at: "/")
        try await engine.start(name)
    }

    /// The user of the container's first process, who has to be able to read its files.
    private func owner(_ spec: RunnerSpec, container: String) async throws -> ContainerUser {
        // Its runner needs the engine's socket, so it is root, whatever the image says.
        guard spec.pool.executor == .shell else { return .root }
        let image = try await ensureImage(spec.pool.image)
        if let known = ContainerUser(image.user) { return known }
        let passwd = try await engine.file("/etc/passwd", of: container) ?? []
        guard let found = ContainerUser(image.user, passwd: String(decoding: passwd, as: UTF8.self)) else {
            throw EngineError(
                message: "the image \(spec.pool.image) is to run as the user \(image.user), whom its /etc/passwd does not have: name the user by number",
                isOutage: false)
        }
        return found
    }

    private func ensureVolume(_ volume: CacheVolume) async throws {
        if volumes.withLock({ $0.contains(volume) }) { return }
        try await engine.createVolume(
            volume.name(instance: instance), labels: [Self.instanceLabel: instance, "autogit.pool": volume.pool, "autogit.volume": "cache"])
        volumes.withLock { _ = $0.insert(volume) }
    }

    /// Sends a signal, such as `SIGQUIT`. A runner that has ended is no error.
    /// - Throws: `EngineError` with the engine's words, such as for a signal that it doesn't know.
    public func signal(_ runner: RunnerID, _ signal: String) async throws {
        do {
            try await engine.kill(Runner.name(of: runner), signal: signal)
        } catch let error as EngineError where error.status == 500 && error.message.contains("can only kill running") {
            // Podman's way to say that it has already ended.
        }
    }

    /// Kills and removes the container, and waits until it is gone, and then what it had the engine make for its jobs. What isn't there
    /// is no error.
    /// - Throws: `EngineError` with the engine's words when it can't remove something.
    public func remove(_ remains: Remains) async throws {
        try await engine.remove(Runner.name(of: remains.runner))
        try await leftovers.remove(remains)
    }

    /// All containers of this AutoGit, and runners of which only containers of their jobs are left.
    /// - Throws: `EngineError`
    public func list() async throws -> [DriverObject] {
        let runners = try await engine.containers(labels: ["\(Self.instanceLabel)=\(instance)"]).compactMap { found -> DriverObject? in
            guard let runner = found.Labels?[Self.runnerLabel] else { return nil }
            // Only these two states are ends; a container between create and start is not.
            let ended = found.State == "exited" || found.State == "dead"
            return DriverObject(
                id: found.Id, runner: runner, running: !ended, started: found.State == "running" || found.State == "paused" || found.State == "stopping",
                exitCode: nil, isCutOff: found.Labels?[Self.socketLabel].map { !SocketMount.leads($0, to: engine.socket) } ?? false)
        }
        let known = Set(runners.map(\.runner))
        return runners + (try await leftovers.list()).filter { !known.contains($0.runner) }
    }

    /// Lines that are asked for: as many as fill 256 KiB when they are as short as 16 bytes.
    private static let lastLines = 16_384

    /// The end of what the runner wrote; empty when it isn't there.
    /// - Throws: `EngineError`, also after a minute.
    public func lastOutput(_ runner: RunnerID, bytes: Int) async throws -> [UInt8] {
        try await withThrowingTaskGroup(of: [UInt8].self) { group in
            group.addTask {
                var tail = OutputTail(most: bytes)
                do {
                    for try await chunk in try await self.log(runner, lines: Self.lastLines, follow: false) { tail.take(chunk) }
                } catch let error as EngineError where error.status == 404 {
                    return []
                }
                return tail.output
            }
            group.addTask { [logTimeout] in
                try await Task.sleep(for: logTimeout)
                throw EngineError(message: "the engine took longer than \(logTimeout.text) to give a log")
            }
            defer { group.cancelAll() }
            return try await group.next() ?? []
        }
    }

    /// What the runner wrote, only as fast as it is read; the engine's stream ends with its reader.
    /// - Throws: `EngineError`
    public func log(_ runner: RunnerID, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        try await engine.log(Runner.name(of: runner), lines: lines, follow: follow)
    }

    // MARK: Images

    /// What is known of an image that is there.
    private struct Image {
        /// As its configuration has it.
        var user: String
    }

    @discardableResult
    private func ensureImage(_ image: String) async throws -> Image {
        let fetching = images.withLock { known -> Task<Image, any Error> in
            if let task = known[image] { return task }
            let task = Task {
                do {
                    if let user = try await self.engine.imageUser(image) { return Image(user: user) }
                    return try await self.pull(image)
                } catch {
                    self.images.withLock { $0[image] = nil }
                    throw error
                }
            }
            known[image] = task
            return task
        }
        return try await fetching.value
    }

    /// - Throws: `EngineError`. Only an engine that does not answer is an outage; a registry that does not is the pull's own failure.
    private func pull(_ image: String) async throws -> Image {
        log.info("Pulling the image \(image)", metadata: ["image": "\(image)"])
        let engine = engine
        let log = log
        let timeout = pullTimeout
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var progress = PullProgress()
                do {
                    let chunks = try await engine.stream("POST", "/images/create?fromImage=\(percentEncoded(image))")
                    for try await chunk in chunks {
                        if let line = try progress.take(chunk) {
                            log.info("Pulling \(image): \(line)", metadata: ["image": "\(image)"])
                        }
                    }
                    try progress.end()
                } catch let error as EngineError where !error.isOutage {
                    throw EngineError(status: error.status, message: "the image \(image) could not be pulled: \(error.message)", isOutage: false)
                }
            }
            group.addTask {
                try await Task.sleep(for: timeout)
                throw EngineError(message: "pulling \(image) took longer than \(timeout.text)", isOutage: false)
            }
            defer { group.cancelAll() }
            _ = try await group.next()
        }
        guard let user = try await engine.imageUser(image) else {
            throw EngineError(message: "the image \(image) could not be pulled: check its name and the registry", isOutage: false)
        }
        log.info("Pulled the image \(image)", metadata: ["image": "\(image)"])
        return Image(user: user)
    }

    // MARK: Events

    /// What happens to the containers, for as long as it is read. A connection that is lost is made again with growing pauses;
    /// `.resync` and `.disconnected` are told when that changes.
    public func events() -> AsyncStream<DriverEvent> {
        let (stream, out) = AsyncStream.makeStream(of: DriverEvent.self)
        let task = Task { [engine, instance, sleep] in
            let connection = Mutex(EventConnection())
            @Sendable func prove() { connection.withLock { $0.proved() }.map { _ = out.yield($0) } }
            while !Task.isCancelled {
                let end: (event: DriverEvent?, pause: Duration)
                do {
                    // Not `event=die`: Podman 4.3 filters by its own word `died` and reports Docker's `die`.
                    let filters = percentEncoded(#"{"type":["container"],"label":["\#(Self.instanceLabel)=\#(instance)"]}"#)
                    let chunks = try await engine.stream("GET", "/events?filters=\(filters)")
                    connection.withLock { $0.opened() }.map { _ = out.yield($0) }
                    let why = try await Self.read(chunks, prove, out)
                    end = connection.withLock { $0.ended(why) }
                } catch is CancellationError {
                    break
                } catch {
                    end = connection.withLock { $0.failed("\(error)") }
                }
                end.event.map { _ = out.yield($0) }
                try? await sleep(end.pause)
            }
            out.finish()
        }
        out.onTermination = { _ in task.cancel() }
        return stream
    }

    /// Reads an event stream to its end.
    /// - Returns: why it ended.
    private static func read(
        _ chunks: AsyncThrowingStream<[UInt8], any Error>, _ prove: @escaping @Sendable () -> Void, _ out: AsyncStream<DriverEvent>.Continuation
    ) async throws(CancellationError) -> String {
        let proof = Task {
            try await Task.sleep(for: EventConnection.proof)
            prove()
        }
        defer { proof.cancel() }
        var lines = LineBuffer()
        do {
            for try await chunk in chunks {
                prove()
                for line in lines.take(chunk) {
                    if let event = ContainerEvent(line) { out.yield(event.value) }
                }
            }
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            return "the event stream broke off: \(error)"
        }
        return "the event stream ended"
    }
}
