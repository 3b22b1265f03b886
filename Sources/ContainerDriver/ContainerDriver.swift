import Fleet
import FoundationEssentials
import HTTPTransfer
import Logging
import Synchronization

/// Runs each runner as a container of a Docker-compatible engine.
public final class ContainerDriver: RunnerDriver {
    public static let instanceLabel = "autogit.instance"
    public static let runnerLabel = "autogit.runner"

    private let engine: Engine
    private let instance: String
    private let log: Logger
    /// Longest that fetching an image may take.
    private let pullTimeout: Duration
    /// Images that are there or on their way, so that ten runners fetch one image once, and a start needs no
    /// look. What failed is forgotten, and so is an image that a create didn't find.
    private let images = Mutex<[String: Task<Void, any Error>]>([:])

    public init(engine: Engine, instance: String, pullTimeout: Duration = .seconds(600), log: Logger) {
        self.engine = engine
        self.instance = instance
        self.pullTimeout = pullTimeout
        self.log = log
    }

    public func create(_ spec: RunnerSpec) async throws -> String {
        try await ensureImage(spec.pool.image)
        let body = Array(try JSONEncoder().encode(ContainerSpec(spec)))
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

    public func start(_ spec: RunnerSpec, credentials: RunnerCredentials) async throws {
        let name = Runner.name(of: spec.runner)
        try await engine.put(name, archive: RunnerArchive.bytes(for: spec, credentials), at: "/")
        try await engine.start(name)
    }

    public func signal(_ runner: RunnerID, _ signal: String) async throws {
        do {
            try await engine.kill(Runner.name(of: runner), signal: signal)
        } catch let error as EngineError where error.status == 500 && error.message.contains("can only kill running") {
            // Podman's way to say that it has already ended.
        }
    }

    public func remove(_ runner: RunnerID) async throws {
        try await engine.remove(Runner.name(of: runner))
    }

    public func list() async throws -> [DriverObject] {
        try await engine.containers(label: "\(Self.instanceLabel)=\(instance)").compactMap { found in
            guard let runner = found.Labels?[Self.runnerLabel] else { return nil }
            // Only these two states are ends; a container between create and start is not.
            let ended = found.State == "exited" || found.State == "dead"
            return DriverObject(
                id: found.Id, runner: runner, running: !ended, started: found.State == "running" || found.State == "paused" || found.State == "stopping",
                exitCode: nil)
        }
    }

    public func logTail(_ runner: RunnerID, lines: Int) async throws -> [String] {
        try await engine.logTail(Runner.name(of: runner), lines: lines)
    }

    public func log(_ runner: RunnerID, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        try await engine.log(Runner.name(of: runner), lines: lines, follow: follow)
    }

    // MARK: Images

    private func ensureImage(_ image: String) async throws {
        let fetching = images.withLock { known -> Task<Void, any Error> in
            if let task = known[image] { return task }
            let task = Task {
                do {
                    if try await !self.engine.imageExists(image) { try await self.pull(image) }
                } catch {
                    self.images.withLock { $0[image] = nil }
                    throw error
                }
            }
            known[image] = task
            return task
        }
        try await fetching.value
    }

    private func pull(_ image: String) async throws {
        log.info("Pulling the image \(image)", metadata: ["image": "\(image)"])
        let engine = engine
        let log = log
        let timeout = pullTimeout
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var progress = PullProgress()
                let chunks = try await engine.stream("POST", "/images/create?fromImage=\(percentEncoded(image))")
                for try await chunk in chunks {
                    if let line = try progress.take(chunk) {
                        log.info("Pulling \(image): \(line)", metadata: ["image": "\(image)"])
                    }
                }
            }
            group.addTask {
                try await Task.sleep(for: timeout)
                throw EngineError(message: "pulling \(image) took longer than \(timeout.text)")
            }
            defer { group.cancelAll() }
            _ = try await group.next()
        }
        guard try await engine.imageExists(image) else {
            throw EngineError(message: "the image \(image) could not be pulled: check its name and the registry")
        }
        log.info("Pulled the image \(image)", metadata: ["image": "\(image)"])
    }

    // MARK: Events

    public func events() -> AsyncStream<DriverEvent> {
        let (stream, out) = AsyncStream.makeStream(of: DriverEvent.self)
        let task = Task { [engine, instance, log] in
            var failures = 0
            while !Task.isCancelled {
                do {
                    // Not `event=die`: Podman 4.3 filters by its own word `died` and reports Docker's `die`.
                    let filters = percentEncoded(#"{"type":["container"],"label":["\#(Self.instanceLabel)=\#(instance)"]}"#)
                    let chunks = try await engine.stream("GET", "/events?filters=\(filters)")
                    failures = 0
                    out.yield(.resync)
                    var lines = LineBuffer()
                    for try await chunk in chunks {
                        for line in lines.take(chunk) {
                            if let event = ContainerEvent(line) { out.yield(event.value) }
                        }
                    }
                    out.yield(.disconnected("the event stream ended"))
                } catch is CancellationError {
                    break
                } catch {
                    if failures == 0 { out.yield(.disconnected("\(error)")) }
                    log.debug("No event stream: \(error)")
                }
                failures += 1
                try? await Task.sleep(for: .milliseconds(min(30_000, 250 << min(failures, 10))))
            }
            out.finish()
        }
        out.onTermination = { _ in task.cancel() }
        return stream
    }
}

/// Whole lines out of arbitrary chunks; a line that never ends is dropped at 1 MiB.
struct LineBuffer {
    private var rest: [UInt8] = []

    mutating func take(_ chunk: [UInt8]) -> [[UInt8]] {
        rest += chunk
        var lines: [[UInt8]] = []
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(Array(rest[..<end]))
            rest.removeSubrange(...end)
        }
        if rest.count > 1 << 20 { rest = [] }
        return lines
    }
}

/// A `die` event of one of our containers.
struct ContainerEvent {
    var value: DriverEvent

    init?(_ line: [UInt8]) {
        struct Wire: Decodable {
            struct Actor: Decodable { var Attributes: [String: String]? }
            var Action: String?
            var status: String?
            var Actor: Actor?
        }
        guard let wire = try? JSONDecoder().decode(Wire.self, from: Data(line)),
            (wire.Action ?? wire.status) == "die", let attributes = wire.Actor?.Attributes,
            let runner = attributes[ContainerDriver.runnerLabel]
        else { return nil }
        let code = (attributes["exitCode"] ?? attributes["containerExitCode"]).flatMap { Int($0) }
        value = .exited(runner: runner, exitCode: code)
    }
}

/// Podman's and Docker's pull stream: JSON objects with a status, or with an error.
struct PullProgress {
    private var lines = LineBuffer()
    private var last = ""

    /// - Returns: a line for the log when something new happens.
    mutating func take(_ chunk: [UInt8]) throws -> String? {
        struct Wire: Decodable {
            var status: String?
            var error: String?
            var stream: String?
        }
        var news: String?
        for line in lines.take(chunk) {
            guard let wire = try? JSONDecoder().decode(Wire.self, from: Data(line)) else { continue }
            if let error = wire.error { throw EngineError(message: "pull failed: \(error)") }
            if let status = wire.status ?? wire.stream, status != last, status != "Downloading", status != "Extracting" {
                last = status
                news = status
            }
        }
        return news
    }
}
