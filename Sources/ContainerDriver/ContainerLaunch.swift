import Fleet
import FoundationEssentials
import Glibc
import RunnerConfiguration

/// From a runner's image to its running container.
extension ContainerDriver {
    /// Creates the container, after fetching the image if need be.
    /// - Returns: the container's id.
    /// - Throws: `EngineError`; for a failed pull with the registry's words, and then no outage.
    public func create(_ spec: RunnerSpec) async throws -> String {
        let image = Self.image(of: spec.pool)
        var found = try await images.ensure(image, spec.pool.pull)
        if let volume = spec.pool.cacheVolume { try await cacheVolumes.ensure(volume) }
        let socket = spec.pool.executor == .docker ? (path: try socketPath, mount: try socketMount()) : nil
        var container = ContainerSpec(spec, socket: socket)
        let access = try await access(to: spec.gpus)
        do {
            return try await create(&container, of: found, spec, access)
        } catch let error as EngineError where error.status == 404 {
            images.forget(image)
            found = try await images.ensure(image, .missing)
            return try await create(&container, of: found, spec, access)
        }
    }

    private func create(_ container: inout ContainerSpec, of image: Images.Image, _ spec: RunnerSpec, _ gpus: (engine: EngineKind, way: GPUAccess)?)
        async throws -> String
    {
        // A name may stand for another architecture by now.
        if spec.pool.hardware.architecture != nil { container.Image = image.id }
        let name = Runner.name(of: spec.runner)
        // With the Docker executor the jobs' containers get them: see RunnerConfiguration.
        if spec.pool.executor == .shell, let gpus {
            if gpus.engine.isPodman {
                return try await engine.createOverLibpod(Array(try JSONEncoder().encode(LibpodSpec(container, name: name, gpus.way))))
            }
            container.add(gpus.way)
        }
        return try await engine.create(name: name, body: Array(try JSONEncoder().encode(container)))
    }

    /// The engine, and its way to give a container these GPUs; nil for none.
    func access(to gpus: [GPU]) async throws -> (engine: EngineKind, way: GPUAccess)? {
        if gpus.isEmpty { return nil }
        let kind = try await engine.kind()
        return (kind, try GPUAccess(gpus, kind, knowsCDI: kind.isPodman ? true : try await engine.knowsCDI()))
    }

    /// With a tag.
    private static func image(of pool: Pool) -> WantedImage { WantedImage("\(ImageName(pool.image))", pool.hardware.architecture) }

    /// Puts the runner's configuration and token into the container, and starts it.
    /// - Throws: `EngineError`
    public func start(_ spec: RunnerSpec, credentials: RunnerCredentials) async throws {
        let name = Runner.name(of: spec.runner)
        let owner = try await owner(spec, container: name)
        var archive = RunnerArchive(spec, credentials, owner: owner)
        if spec.pool.executor == .docker {
            archive.engineSocket = try socketPath
            archive.dockerConfiguration = try await dockerConfiguration()
            archive.gpus = try await jobGPUs(spec.gpus)
        }
        try await engine.put(name, archive: archive.bytes, at: "/")
        do { try await engine.start(name) } catch let error as EngineError where error.message.contains("exec format error") {
            let wanted = spec.pool.hardware.architecture.map { ", for the pool's \($0)" } ?? ""
            throw EngineError(
                status: error.status,
                message:
                    "the image \(spec.pool.image) has programs of another architecture than this host can run (exec format error)\(wanted): set architecture in "
                    + "the pool to the image's, and install qemu-user-static where that is not the host's", isOutage: false)
        }
    }

    /// The user of the container's first process, who has to be able to read its files.
    private func owner(_ spec: RunnerSpec, container: String) async throws -> ContainerUser {
        // Its runner needs the engine's socket, so it is root, whatever the image says.
        guard spec.pool.executor == .shell else { return .root }
        let image = try await images.ensure(Self.image(of: spec.pool), .missing)
        if let known = ContainerUser(image.user) { return known }
        let passwd = try await engine.file("/etc/passwd", of: container) ?? []
        guard let found = ContainerUser(image.user, passwd: String(decoding: passwd, as: UTF8.self)) else {
            throw EngineError(
                message: "the image \(spec.pool.image) is to run as the user \(image.user), whom its /etc/passwd does not have: name the user by number",
                isOutage: false)
        }
        return found
    }
}
