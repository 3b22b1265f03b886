import Fleet
import FoundationEssentials
import Glibc
import HTTPTransfer
import Logging
import RunnerConfiguration
import Synchronization
import Threads

/// Runs each runner as a container of a Docker-compatible engine.
public final class ContainerDriver: RunnerDriver {
    /// The label that says which AutoGit a container belongs to.
    public static let instanceLabel = "autogit.instance"
    /// The label with the runner's id.
    public static let runnerLabel = "autogit.runner"
    /// The label that tells which socket of the engine the container was given, if any.
    static let socketLabel = "autogit.socket"
    /// The label with the name of the image, as engines don't give it back as it was.
    static let imageLabel = "autogit.image"
    /// The label with the image's architecture, where one was asked for.
    static let architectureLabel = "autogit.architecture"

    let engine: Engine
    /// nil for one on this machine.
    let remote: RemoteEngine?
    let instance: String
    let leftovers: JobLeftovers
    let cacheVolumes: CacheVolumes
    private let log: Logger
    let images: Images
    let registries: RegistryAccess
    /// Longest that a log may take that is not followed.
    private let logTimeout: Duration
    /// The path of the engine's storage, once it has told.
    private let storage = Mutex<String?>(nil)
    /// How running containers are measured, by their ids.
    let measures = Mutex<[String: Measure]>([:])
    /// Waits between two event streams.
    private let sleep: @Sendable (Duration) async throws -> Void

    /// - Parameters:
    ///   - remote: for an engine on another machine.
    ///   - instance: of this AutoGit; containers of others are never touched.
    ///   - registries: who it is there.
    ///   - pullSilence: the longest time in which a pull may say nothing.
    public convenience init(
        engine: Engine, remote: RemoteEngine? = nil, instance: String, registries: RegistryAccess = RegistryAccess(),
        pullSilence: Duration = .seconds(300), log: Logger
    ) {
        self.init(engine: engine, remote: remote, instance: instance, registries: registries, pullSilence: pullSilence, log: log) {
            try await Task.sleep(for: $0)
        }
    }

    init(
        engine: Engine, remote: RemoteEngine? = nil, instance: String, registries: RegistryAccess = RegistryAccess(), pullSilence: Duration,
        logTimeout: Duration = .seconds(60), log: Logger,
        sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.engine = engine
        self.remote = remote
        self.logTimeout = logTimeout
        self.sleep = sleep
        self.instance = instance
        self.registries = registries
        leftovers = JobLeftovers(engine: engine, instance: instance)
        cacheVolumes = CacheVolumes(engine: engine, instance: instance)
        images = Images(engine: engine, registries: registries, silence: pullSilence, log: log)
        self.log = log
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
                exitCode: nil, retirement: retirement(of: found))
        }
        let known = Set(runners.map(\.runner))
        return runners + (try await leftovers.list()).filter { !known.contains($0.runner) }
    }

    private func retirement(of found: Engine.Summary) -> DriverObject.Retirement? {
        if remote == nil, let socket = found.Labels?[Self.socketLabel], !SocketMount.leads(socket, to: engine.socket) { return .cutOff }
        guard let image = found.Labels?[Self.imageLabel], let id = found.ImageID else { return nil }
        let wanted = WantedImage(image, found.Labels?[Self.architectureLabel].flatMap(Architecture.init(rawValue:)))
        guard images.isReplaced(wanted, id: id) else { return nil }
        return .imageReplaced
    }

    /// The end of what the runner wrote; empty when it isn't there.
    /// - Throws: `EngineError`, also after a minute.
    public func lastOutput(_ runner: RunnerID, bytes: Int) async throws -> [UInt8] {
        try await engine.tail(bytes: bytes, within: logTimeout) { try await self.log(runner, lines: $0, follow: false) }
    }

    /// What the runner wrote, only as fast as it is read; the engine's stream ends with its reader.
    /// - Throws: `EngineError`
    public func log(_ runner: RunnerID, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        try await engine.log(Runner.name(of: runner), lines: lines, follow: follow)
    }

    /// See `RunnerDriver.doubtful`.
    /// - Throws: `EngineError`
    public func doubtful(except tokens: Set<String>) async throws -> [Doubtful] { try await leftovers.doubtful(except: tokens) }

    // MARK: Caches

    /// The volumes of this AutoGit that hold caches.
    /// - Throws: `EngineError`
    public func caches() async throws -> [StoredCache] { try await cacheVolumes.list() }

    /// Removes the volume of a cache, unless a container has it.
    /// - Returns: false when one has.
    /// - Throws: `EngineError` with the engine's words when it can't remove it for another reason.
    public func removeCache(_ name: String) async throws -> Bool { try await cacheVolumes.remove(name) }

    // MARK: Images

    /// Fetches an image again, if the registry has another. Runners of the one that it replaces are to go: see `list`.
    /// - Throws: `EngineError`
    public func refresh(_ image: WantedImage) async throws {
        try await images.refresh(WantedImage("\(ImageName(image.name))", image.architecture))
    }

    /// The file system of the engine's storage, where this process sees the same as the engine.
    public func disk() async throws -> DiskSpace? {
        let known = storage.withLock { $0 }
        let path: String
        if let known { path = known } else { path = try await engine.storage() }
        storage.withLock { $0 = path }
        if let remote { return try await remote.disk(path) }
        return try await onThread("measuring the engine's disk") {
            var found = statvfs()
            guard statvfs(path, &found) == 0 else { return nil }
            return DiskSpace(free: Int64(found.f_bavail) * Int64(found.f_frsize), total: Int64(found.f_blocks) * Int64(found.f_frsize))
        }
    }

    /// All images, with whether any container is made of them.
    /// - Throws: `EngineError`
    public func images() async throws -> [EngineImage] { try await engine.images() }

    /// Name by name, because an engine doesn't remove an image by its id that has several.
    /// - Throws: `EngineError`, also while something uses it.
    public func removeImage(_ image: EngineImage) async throws {
        for name in image.names.isEmpty ? [image.id] : image.names {
            try await engine.removeImage(name)
            images.forget(named: name)
        }
    }

    /// Removes dangling images and caches of builds.
    /// - Throws: `EngineError`
    public func sweepStorage() async throws { try await engine.prune() }

    /// The size of the container's own layer.
    /// - Throws: `EngineError`
    public func written(by runner: RunnerID) async throws -> Int64? { try await engine.written(Runner.name(of: runner)) }

    /// The pulls that are under way.
    public func pulls() -> [Pull] { images.pulls }

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
                    let filters = percentEncoded(#"{"type":["container"],"label":["\#(RunnerConfiguration.ownerLabel)=\#(instance)"]}"#)
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
