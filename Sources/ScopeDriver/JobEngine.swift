import Fleet
import FoundationEssentials
import Glibc
import RunnerConfiguration

/// The engine that makes the containers of jobs whose runners are in scopes. `ContainerDriver` is one.
public protocol JobEngine: Sendable {
    /// The path of its socket on this machine.
    var engineSocket: String { get }
    /// Makes sure that it answers, and that what all jobs of the pool share is there.
    func prepareJobs(of spec: RunnerSpec) async throws
    /// Docker's config.json with the logins for the images of jobs; nil where there are none. It holds passwords.
    func dockerConfiguration() async throws -> String?
    /// How gitlab-runner is to have it give a runner's GPUs to jobs' containers.
    func jobGPUs(_ gpus: [GPU]) async throws -> RunnerSurroundings.JobGPUs
    /// What containers of jobs of these runners use now, by runner.
    func use(of runners: Set<RunnerID>) async throws -> [RunnerID: [ResourceSample]]
    /// Removes what a runner that is gone had it make for its jobs. What isn't there is no error.
    func removeLeftovers(of remains: Remains) async throws
}

/// A runner's way to its engine, which is a part of the runner's folder: `engine`, in which it sees the socket, and the file `socket`, which
/// tells a later life of the daemon that there is an engine to clear up, and which of its sockets the runner was given.
struct EngineAccess: Sendable {
    let engine: any JobEngine
    /// The runner's own.
    let folder: String

    private var note: String { "\(folder)/socket" }
    private var directory: String { "\(folder)/engine" }
    /// The engine's socket, as the runner sees it.
    var path: String { SocketMount.path(of: engine.engineSocket, in: directory) }
    /// Whether the runner has an engine.
    var isThere: Bool { access(note, F_OK) == 0 }

    /// Notes that the runner will have an engine, and makes the engine ready for its jobs.
    /// - Throws: `ScopeError`, and what the engine says.
    func prepare(_ spec: RunnerSpec) async throws {
        guard path.utf8.count < 108 else {
            throw ScopeError(description: "\(path) exceeds the 107 bytes of a socket's path (unix(7)): choose a shorter directory in [state]")
        }
        // Before anything is made, so that nothing can be left without it.
        try RunnerFolder.write("", to: note)
        _ = try mount()
        try await engine.prepareJobs(of: spec)
    }

    /// The socket as it is now. What the runner is given is noted.
    /// - Throws: `ScopeError`
    func give() throws -> SocketMount {
        let mount = try mount()
        let destination = mount.destination(in: directory)
        try RunnerFolder.make(directory)
        // What is mounted over has to be there, and of the same kind.
        if !mount.isFolder { try RunnerFolder.write("", to: destination) }
        try RunnerFolder.write(mount.identity, to: note)
        return mount
    }

    private func mount() throws -> SocketMount {
        if let mount = SocketMount(engine.engineSocket) { return mount }
        throw ScopeError(description: "the engine's socket \(engine.engineSocket) is not there", isOutage: true)
    }

    /// Where the mount's source is to be seen, as the runner sees it.
    func destination(of mount: SocketMount) -> String { mount.destination(in: directory) }

    /// `cutOff` when the engine has another socket than the runner.
    var retirement: DriverObject.Retirement? {
        guard let identity = try? String(contentsOfFile: note, encoding: .utf8), !identity.isEmpty else { return nil }
        return SocketMount.leads(identity, to: engine.engineSocket) ? nil : .cutOff
    }

    /// Removes what the runner's jobs have left in the engine, if they can have left anything.
    /// - Throws: `ScopeError`, which is never an outage: that would be the user's systemd's, and it has done its part.
    func clear(_ remains: Remains) async throws {
        guard isThere || remains.shortToken != nil else { return }
        do { try await engine.removeLeftovers(of: remains) } catch {
            throw ScopeError(description: "the scope is gone, but not what its jobs left in the engine: \(error)")
        }
    }
}
