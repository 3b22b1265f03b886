/// What carries out a runner's jobs: `executor` in gitlab-runner's configuration.
public enum Executor: String, Sendable, CaseIterable {
    /// The runner itself, in its own container or scope. `image:` and `services:` of a job are ignored.
    case shell
    /// A container of the job's own image, which the runner has the engine make.
    case docker
}

/// How the Docker executor makes a job's containers. The names are those of gitlab-runner's `[runners.docker]`
/// (docs.gitlab.com/runner/configuration/advanced-configuration).
public struct DockerExecutor: Sendable, Equatable {
    /// For jobs that name no image.
    public var image = "docker.io/library/debian:12"
    /// Of the containers that fetch sources, caches and artifacts; empty for gitlab-runner's own, which it pulls once for each of its versions.
    public var helperImage = ""
    /// `always`, `if-not-present` or `never`, tried in this order; not empty.
    public var pullPolicy = ["if-not-present"]
    /// Patterns of the images that jobs may name; empty for any.
    public var allowedImages: [String] = []
    /// Patterns of the images that services may have; empty for any.
    public var allowedServices: [String] = []
    /// Pull policies that jobs may name; empty for those of `pullPolicy`.
    public var allowedPullPolicies: [String] = []
    /// Mounts of the job's containers beside the pool's `mounts` and its cache, in the engine's notation.
    public var volumes: [String] = []
    /// `NAME:ADDRESS` for the job's /etc/hosts.
    public var extraHosts: [String] = []
    /// Addresses of name servers; empty for the engine's.
    public var dns: [String] = []
    /// Device nodes of the host, in the engine's notation.
    public var devices: [String] = []
    /// Bytes of /dev/shm; nil for the engine's default.
    public var shmSize: Int64?
    /// Whether jobs' containers may do what root of the engine's user may.
    public var privileged = false
    /// The network of the job's containers; nil for the pool's `network`, and where that is nil too, for a network for each build.
    public var networkMode: String?
    /// The most services of a job, at least 0; each is reserved in the host's budget.
    public var servicesLimit = 2
    /// CPUs that each service may use; a fraction is allowed.
    public var serviceCPUs = 1.0
    /// Bytes that each service may use.
    public var serviceMemory: Int64 = 512 << 20
    /// Whether `volumes` and `mounts` may contain the engine's socket, with which a job can do whatever the engine's user can.
    public var allowEngineSocket = false

    public init() {}
}

/// A value for gitlab-runner's configuration that AutoGit passes on as it is. It prints as nothing: it may be a secret.
public indirect enum RunnerSetting: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    case string(String)
    case integer(Int)
    case number(Double)
    case flag(Bool)
    case array([RunnerSetting])
    case table([String: RunnerSetting])

    public var description: String { "(not shown)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// Tables are merged key by key; in place of any other value comes the new one.
    public func merged(with new: RunnerSetting) -> RunnerSetting {
        guard case .table(let mine) = self, case .table(let theirs) = new else { return new }
        return .table(mine.merging(theirs) { $0.merged(with: $1) })
    }
}
