/// The runner to make, for its driver and for its registration.
public struct RunnerSpec: Sendable {
    /// The id of the runner.
    public var runner: RunnerID
    /// The id of this installation, which all that is made for the runner carries.
    public var instance: String
    /// Its pool as it was configured at the launch.
    public var pool: Pool
    /// What the host gives it.
    public var equipment: Equipment
    /// The GPUs among that.
    public var gpus: [GPU]
    public init(runner: RunnerID, instance: String, pool: Pool, equipment: Equipment = Equipment(), gpus: [GPU] = []) {
        self.runner = runner
        self.instance = instance
        self.pool = pool
        self.equipment = equipment
        self.gpus = gpus
    }
}

/// How the runners of a GitLab reach it; the same for all of them.
public struct RunnerAccess: Sendable, Equatable {
    /// GitLab's URL without a trailing slash, as runners reach it.
    public var url: String
    /// GitLab's URL as jobs reach it to fetch sources; nil for the one that GitLab names.
    public var cloneURL: String?
    /// The certificates of GitLab's own CA in PEM; nil where those of the runner's system do.
    public var certificates: String?
    /// Variables of all jobs, such as those of a proxy. Values may be secrets.
    public var environment: [String: String]
    /// - Parameter url: with or without a trailing slash.
    public init(url: String, cloneURL: String? = nil, certificates: String? = nil, environment: [String: String] = [:]) {
        self.url = url.hasSuffix("/") ? String(url.dropLast()) : url
        self.cloneURL = cloneURL
        self.certificates = certificates
        self.environment = environment
    }
}

/// A runner's access to GitLab; put where only the runner reads it.
public struct RunnerCredentials: Sendable {
    /// How it reaches GitLab.
    public var access: RunnerAccess
    /// The token of its registration.
    public var token: Secret
    public init(_ access: RunnerAccess, token: Secret) {
        self.access = access
        self.token = token
    }
}

/// A runner that is to be removed, and what tells the things that it made for its jobs from others'.
public struct Remains: Sendable, Hashable {
    /// The runner.
    public var runner: RunnerID
    /// The beginning of its token; nil where that is unknown, or another runner's too, or its jobs had no containers of their own.
    public var shortToken: String?
    /// Nothing of it is older than this; nil where that is unknown.
    public var since: Timestamp?
    public init(_ runner: RunnerID, shortToken: String? = nil, since: Timestamp? = nil) {
        self.runner = runner
        self.shortToken = shortToken
        self.since = since
    }
}
