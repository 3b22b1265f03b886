import Fleet
import Glibc
import RunnerConfiguration

/// What runners that are no containers themselves need of the engine, because it makes the containers of their jobs.
extension ContainerDriver {
    /// The path of the engine's socket on this machine.
    public var engineSocket: String { engine.socket }

    /// Makes sure that the engine answers, and that what all jobs of the pool share is there.
    /// - Throws: `EngineError`
    public func prepareJobs(of spec: RunnerSpec) async throws {
        if let volume = spec.pool.cacheVolume { try await cacheVolumes.ensure(volume) } else { try await engine.ping() }
    }

    /// Docker's config.json with the logins for the images of jobs, as they are now; nil where there are none. It holds passwords.
    /// - Throws: `ThreadError`
    public func dockerConfiguration() async throws -> String? { try await registries.current().logins.dockerConfiguration }

    /// How gitlab-runner is to have the engine give a runner's GPUs to jobs' containers.
    /// - Throws: `EngineError`
    public func jobGPUs(_ gpus: [GPU]) async throws -> RunnerSurroundings.JobGPUs {
        try await access(to: gpus)?.way.forJobs(isRootless: isRootless) ?? RunnerSurroundings.JobGPUs()
    }

    private var isRootless: Bool {
        guard let remote else { return getuid() != 0 }
        return remote.runnerSocket()?.hasPrefix("/run/user/") ?? true
    }

    /// Removes what a runner that is gone had the engine make for its jobs. What isn't there is no error.
    /// - Throws: `EngineError` with the engine's words when it can't remove something.
    public func removeLeftovers(of remains: Remains) async throws { try await leftovers.remove(remains) }

    /// Where the engine's socket is in a runner's container. Not `/run` itself, in which images and engines have files of their own.
    package static let socketDirectory = "/run/engine"

    /// The path of the engine's socket in a runner's container.
    /// - Throws: `EngineError` while it isn't known which socket that is.
    var socketPath: String {
        get throws { SocketMount.path(of: try socketThere, in: Self.socketDirectory) }
    }

    /// How runners are given the engine's socket.
    /// - Throws: `EngineError` when it isn't there.
    func socketMount() throws -> SocketMount {
        let socket = try socketThere
        if remote != nil { return SocketMount(remote: socket) }
        guard let mount = SocketMount(socket) else { throw EngineError(message: "the engine's socket \(socket) is not there", isOutage: true) }
        return mount
    }

    /// The path of the socket on the engine's machine.
    private var socketThere: String {
        get throws {
            guard let remote else { return engine.socket }
            guard let socket = remote.runnerSocket() else {
                throw EngineError(message: "it is not known yet which socket the engine has on its host", isOutage: true)
            }
            return socket
        }
    }
}
