import Fleet
import HTTPTransfer
import Logging
import Synchronization

/// The images of one engine, as far as runners need them. Whoever wants one that is on its way waits with the others, so that ten runners
/// fetch it once.
final class Images: Sendable {
    /// An image that is there.
    struct Image: Sendable, Equatable {
        /// The engine's, such as `sha256:…`.
        var id: String
        /// As its configuration has it.
        var user: String
        /// nil where the engine doesn't tell.
        var architecture: Architecture?
    }

    private struct State {
        var known: [WantedImage: Image] = [:]
        var arriving: [WantedImage: Task<Image, any Error>] = [:]
        var pulls: [WantedImage: Pull] = [:]
        /// When something was last heard of a pull.
        var heard: [WantedImage: ContinuousClock.Instant] = [:]
        /// Images whose runners are to have the newest that there is.
        var kept: Set<WantedImage> = []
        /// Files with logins that were complained of.
        var complaints: Set<String> = []
    }

    private let engine: Engine
    private let registries: RegistryAccess
    private let silence: Duration
    private let log: Logger
    private let state = Mutex(State())

    /// - Parameter silence: the longest time in which a pull may say nothing; one that goes on takes as long as it takes.
    init(engine: Engine, registries: RegistryAccess, silence: Duration, log: Logger) {
        self.engine = engine
        self.registries = registries
        self.silence = silence
        self.log = log
    }

    /// The image, fetched first where the policy says so.
    /// - Throws: `EngineError`; for a failed pull with the registry's words, and then no outage.
    @discardableResult
    func ensure(_ name: WantedImage, _ policy: ImagePull) async throws -> Image {
        if policy != .missing { state.withLock { _ = $0.kept.insert(name) } }
        if policy != .always, let known = state.withLock({ $0.known[name] }) { return known }
        return try await arrive(name) {
            if policy != .always, let there = try await self.find(name) { return there }
            return try await self.pull(name)
        }
    }

    /// Fetches the image again, if the registry has another.
    /// - Throws: `EngineError`; the one that was there stays in use.
    func refresh(_ name: WantedImage) async throws {
        state.withLock { _ = $0.kept.insert(name) }
        _ = try await arrive(name) { try await self.pull(name) }
    }

    private func arrive(_ name: WantedImage, _ fetch: @escaping @Sendable () async throws -> Image) async throws -> Image {
        let task = state.withLock { state -> Task<Image, any Error> in
            if let task = state.arriving[name] { return task }
            // A pull for one architecture moves the name that another is known by for a moment.
            let others = state.arriving.filter { ImageName($0.key.name) == ImageName(name.name) }.map(\.value)
            let task = Task {
                for other in others { _ = await other.result }
                let result: Result<Image, any Error>
                do { result = .success(try await fetch()) } catch { result = .failure(error) }
                self.state.withLock {
                    $0.arriving[name] = nil
                    if let image = try? result.get() { $0.known[name] = image }
                }
                return try result.get()
            }
            state.arriving[name] = task
            return task
        }
        return try await task.value
    }

    /// A create did not find it: it went away since we saw it.
    func forget(_ name: WantedImage) { state.withLock { $0.known[name] = nil } }

    /// One of its names was taken away.
    func forget(named name: String) {
        let key = ImageName.key(name)
        state.withLock { state in state.known = state.known.filter { ImageName.key($0.key.name) != key && ImageName.key($0.key.localName) != key } }
    }

    /// Whether a container's image is not the one that its name stands for now, and should be.
    /// - Parameter id: of the image that the container was made of.
    func isReplaced(_ name: WantedImage, id: String) -> Bool {
        state.withLock { $0.kept.contains(name) && $0.known[name].map { Engine.bare($0.id) != Engine.bare(id) } == true }
    }

    /// The pulls that are under way.
    var pulls: [Pull] { state.withLock { $0.pulls.values.sorted { $0.image < $1.image } } }

    // MARK: Pulling

    /// - Throws: `EngineError`. Only an engine that does not answer is an outage; a registry that does not is the pull's own failure.
    private func pull(_ name: WantedImage) async throws -> Image {
        log.info("Pulling the image \(name)", metadata: ["image": "\(name)"])
        state.withLock { $0.pulls[name] = Pull(image: name.name, received: 0, total: nil) }
        defer {
            state.withLock {
                $0.pulls[name] = nil
                $0.heard[name] = nil
            }
        }
        let before = name.architecture == nil ? nil : try await engine.image(ImageName(name.name))
        let login = try await header(for: ImageName(name.name))
        do {
            try await receive(name, login)
        } catch let error as EngineError where !error.isOutage {
            throw EngineError(status: error.status, message: "the image \(name) could not be pulled: \(error.message)", isOutage: false)
        }
        guard let image = try await engine.image(ImageName(name.name)) else {
            throw EngineError(message: "the image \(name) could not be pulled: check its name and the registry", isOutage: false)
        }
        if let wanted = name.architecture { try await keep(image, as: name, wanted, before) }
        log.info("Pulled the image \(name)", metadata: ["image": "\(name)"])
        return image
    }

    /// Gives an image of an architecture that was asked for its own name, and the common name back to the image that had it.
    private func keep(_ image: Image, as name: WantedImage, _ wanted: Architecture, _ before: Image?) async throws {
        if let before, before.id != image.id, before.architecture != image.architecture { try await engine.tag(before.id, as: ImageName(name.name)) }
        guard image.architecture == nil || image.architecture == wanted else {
            throw EngineError(
                message: "the image \(name.name) is for \(image.architecture?.rawValue ?? "") only, not for \(wanted): name one that is", isOutage: false)
        }
        try await engine.tag(image.id, as: ImageName(name.localName))
    }

    /// What the engine has, under its own name or the common one.
    private func find(_ name: WantedImage) async throws -> Image? {
        guard let wanted = name.architecture else { return try await engine.image(ImageName(name.name)) }
        for known in [name.localName, name.name] {
            if let image = try await engine.image(ImageName(known)), image.architecture == wanted { return image }
        }
        return nil
    }

    private func header(for name: ImageName) async throws -> String? {
        let (logins, complaints) = try await registries.current()
        for complaint in complaints where state.withLock({ $0.complaints.insert(complaint).inserted }) { log.warning("Logins are left out: \(complaint)") }
        return logins.header(for: name)
    }

    private func receive(_ name: WantedImage, _ login: String?) async throws {
        let (engine, silence, log) = (engine, silence, log)
        state.withLock { $0.heard[name] = .now }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var progress = PullProgress()
                var told = ContinuousClock.now
                let platform = name.architecture.map { "&platform=\(percentEncoded($0.platform))" } ?? ""
                let chunks = try await engine.stream(
                    "POST", "/images/create?fromImage=\(percentEncoded("\(ImageName(name.name))"))\(platform)",
                    headers: login.map { [("X-Registry-Auth", $0)] } ?? [])
                for try await chunk in chunks {
                    let now = ContinuousClock.now
                    if let line = try progress.take(chunk) { log.debug("Pulling \(name): \(line)", metadata: ["image": "\(name)"]) }
                    let pull = Pull(image: name.name, received: progress.received, total: progress.total)
                    self.state.withLock {
                        $0.pulls[name] = pull
                        $0.heard[name] = now
                    }
                    if now - told >= Self.tellEvery {
                        told = now
                        log.info("Pulling \(name): \(pull.text)", metadata: ["image": "\(name)"])
                    }
                }
                try progress.end()
            }
            group.addTask {
                while true {
                    let left = silence - (ContinuousClock.now - (self.state.withLock { $0.heard[name] } ?? .now))
                    guard left > .zero else { break }
                    try await Task.sleep(for: left)
                }
                throw EngineError(message: "nothing was heard of it for \(silence.text)", isOutage: false)
            }
            defer { group.cancelAll() }
            _ = try await group.next()
        }
    }

    /// How often a long pull is told of in the log.
    private static let tellEvery = Duration.seconds(15)
}
