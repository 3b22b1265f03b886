/// How a runner is run.
public enum DriverKind: String, Sendable, CaseIterable {
    /// As a container of a Docker-compatible engine.
    case container
    /// As a process in a transient scope of the user's systemd.
    case scope
}

/// A kind of runner, as configured.
public struct Pool: Sendable, Equatable {
    public enum Registration: Sendable, Equatable {
        case instance
        case group(String)
        case project(String)
    }

    public var name: String
    /// The GitLab whose jobs it serves.
    public var forge: ForgeID
    public var host: HostID
    public var driver: DriverKind
    public var tags: [String]
    public var runUntagged: Bool
    /// For containers.
    public var image: String
    /// The whole command line of the runner. Empty means gitlab-runner's: in a container as arguments to the
    /// image's own entrypoint, in a scope the `gitlab-runner` of the host.
    public var command: [String]
    /// CPUs a runner may use; a fraction is allowed.
    public var cpus: Double
    /// Bytes.
    public var memory: Int64
    public var pids: Int
    /// The share of the disk's time among all that want it, from 1 to 10000 (systemd.resource-control(5)).
    public var ioWeight: Int
    public var maxRunners: Int
    public var warm: Int
    public var cooldown: Duration
    /// Jobs before a runner is replaced; 0 means any number.
    public var maxJobs: Int
    public var startTimeout: Duration
    public var stopSignal: String
    public var stopTimeout: Duration
    public var register: Registration
    public var network: String?
    public var env: [String: String]
    public var mounts: [String]
    public var capabilitiesAdd: [String]
    public var capabilitiesDrop: [String]

    public init(name: String) {
        self.name = name
        forge = .default
        host = .local
        driver = .container
        tags = []
        runUntagged = false
        image = "docker.io/gitlab/gitlab-runner:alpine"
        command = []
        cpus = 2
        memory = 2 << 30
        pids = 2048
        ioWeight = 100
        maxRunners = 10
        warm = 0
        cooldown = .seconds(300)
        maxJobs = 0
        startTimeout = .seconds(120)
        stopSignal = "SIGQUIT"
        stopTimeout = .seconds(3600)
        register = .instance
        env = [:]
        mounts = []
        capabilitiesAdd = []
        capabilitiesDrop = []
    }

    public var place: Place { Place(host, driver) }

    /// GitLab's own rule: the runner's tags contain all of the job's; an untagged job needs `run_untagged`.
    public func serves(tags wanted: [String]) -> Bool {
        wanted.isEmpty ? runUntagged : wanted.allSatisfy(tags.contains)
    }
}

/// What may be promised to runners in all.
public struct HostBudget: Sendable, Equatable {
    /// Bytes; nil for no bound.
    public var memory: Int64?
    public var cpus: Double?
    public init(memory: Int64? = nil, cpus: Double? = nil) {
        self.memory = memory
        self.cpus = cpus
    }
}

/// A pool with what happened to it.
public struct PoolState: Sendable, Equatable {
    public var pool: Pool
    public var paused: Bool
    /// Failed starts in a row, and until when nothing is launched for them.
    public private(set) var starts = Backoff()
    public private(set) var lastError: String?

    public init(_ pool: Pool, paused: Bool = false) {
        self.pool = pool
        self.paused = paused
    }

    public var failures: Int { starts.failures }
    public var retryAt: Timestamp? { starts.until }

    /// Counts a failed start, for which the pool itself is to blame. Several that were under way together and fail together are
    /// one failure. See `Backoff.failed` for the parameters.
    public mutating func failed(_ error: String, at now: Timestamp, jitter: Double, atLeast: Duration = .zero) {
        lastError = error
        if starts.isWaiting(at: now) { return }
        starts.failed(.launch, at: now, jitter: jitter, atLeast: atLeast)
    }

    /// Failed starts in a row from which on a pool is in quarantine: its last error is kept and told, and it is
    /// probed with one runner at a time until one works.
    public static let quarantineAfter = 5
    public var isQuarantined: Bool { failures >= Self.quarantineAfter }

    public mutating func succeeded() { starts.succeeded() }
}
