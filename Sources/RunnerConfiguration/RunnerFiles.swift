import Fleet

/// The files that tell a runner who it is, the same for every driver. They hold its token, so only the runner may be able to read them.
public enum RunnerFiles {
    /// One file in the runner's folder.
    public struct File: Sendable, Equatable {
        /// Its name in `directory`.
        public var name: String
        /// Its whole text.
        public var content: String
    }

    /// The folder in which the runner sees them.
    public static let directory = "/run/autogit"
    /// The path of gitlab-runner's configuration, as the runner sees it.
    public static let configuration = directory + "/config.toml"
    /// The path of the certificates of GitLab's own CA, as the runner sees it; there only where some are configured.
    public static let certificates = directory + "/ca.crt"

    /// `url`, `token`, `name` and `executor` for a pool's own command, `config.toml` for gitlab-runner, and `ca.crt`.
    /// - Parameter place: what the driver knows of the runner's surroundings.
    public static func contents(for spec: RunnerSpec, _ credentials: RunnerCredentials, in place: RunnerSurroundings) -> [File] {
        var files = [
            File(name: "url", content: credentials.access.url + "\n"),
            File(name: "token", content: credentials.token.reveal() + "\n"),
            File(name: "name", content: Runner.name(of: spec.runner) + "\n"),
            File(name: "executor", content: place.executor(of: spec.pool) + "\n"),
            File(name: "config.toml", content: RunnerConfiguration(spec, credentials, place).text),
        ]
        if let certificates = credentials.access.certificates { files.append(File(name: "ca.crt", content: certificates)) }
        return files
    }
}

/// Where a runner runs, as far as its configuration depends on it.
public struct RunnerSurroundings: Sendable, Equatable {
    /// The path of the engine's socket, as the runner sees it; nil where it sees none.
    public var engineSocket: String?
    /// The folder in which the shell executor works and keeps caches, as the runner sees it; nil for gitlab-runner's own.
    public var shellFolder: String?
    /// How the engine is to give jobs' containers the runner's GPUs.
    public var gpus: JobGPUs

    /// How the jobs' pods are made, for runners in a cluster with an executor that makes containers; nil elsewhere.
    public var pods: JobPods?

    /// The executor as gitlab-runner calls it.
    func executor(of pool: Pool) -> String { pods != nil && pool.executor == .docker ? "kubernetes" : pool.executor.rawValue }

    /// GPUs in the words of `[runners.docker]`.
    public struct JobGPUs: Sendable, Equatable {
        /// Device nodes.
        public var devices: [String]
        /// The groups that may open them.
        public var groups: [String]
        /// As the option `--gpus` of Docker's client has them; nil for none.
        public var request: String?
        public init(devices: [String] = [], groups: [String] = [], request: String? = nil) {
            self.devices = devices
            self.groups = groups
            self.request = request
        }
    }

    public init(engineSocket: String? = nil, shellFolder: String? = nil, gpus: JobGPUs = JobGPUs(), pods: JobPods? = nil) {
        self.pods = pods
        self.engineSocket = engineSocket
        self.shellFolder = shellFolder
        self.gpus = gpus
    }
}
