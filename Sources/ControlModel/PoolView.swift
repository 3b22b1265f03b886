/// A pool with its settings and its state, as `GET /pools` answers.
public struct PoolView: Codable, Sendable, Equatable {
    /// Unique among the pools.
    public var name: String
    /// `container` or `scope`.
    public var driver: String
    /// The tags of its runners; a job needs all of its own to be among them.
    public var tags: [String]
    /// Whether its runners take jobs without tags.
    public var run_untagged: Bool
    /// The image of its containers; absent in scopes.
    public var image: String?
    /// Whether an operator paused it: no runner is started in it, and those that run keep running.
    public var paused: Bool
    /// The most runners at once, now.
    public var max_runners: Int
    /// Idle runners kept ready, now.
    public var warm: Int
    /// Seconds that an idle runner stays, now.
    public var cooldown: Double
    /// Jobs that a runner takes before it is replaced; 0 for any number.
    public var max_jobs: Int
    /// `docker` or `shell`: whether jobs have containers of their own. Absent from a daemon before 0.4.
    public var executor: String?
    /// The architecture that it names; absent where it is the host's, and from a daemon before 0.6.
    public var architecture: String?
    /// The vendor of the GPUs that its runners get; absent without any, and from a daemon before 0.6.
    public var gpu: String?
    /// The CPU limit of each job.
    public var cpus: Double
    /// The memory limit of each job in bytes.
    public var memory_bytes: Int64
    /// What a runner with its job and services counts for in the host's budget, in bytes. Absent from a daemon before 0.4.
    public var reserved_memory_bytes: Int64?
    /// The schedule that is in force now, such as `mon-fri 08:00-18:00 Europe/Berlin`; absent while the pool's own values are, and from daemons
    /// before 0.9.
    public var schedule: String?
    /// When that ends, or when the next one begins; absent where nothing changes within a week.
    public var schedule_until: String?
    /// Why so many are kept ready with `warm = "auto"`; absent without, and from daemons before 0.9.
    public var warm_reason: String?
    /// Requests for a job that an idle runner makes of GitLab in a second. Absent from a daemon before 0.4.
    public var requests_per_second: Double?
    /// Its runners' image on its way; absent while none is, and from a daemon before 0.5.
    public var pull: PullView?
    /// Its live runners by `RunnerView.status`; a status without any is absent.
    public var runners: [String: Int]
    /// Starts that failed in a row; a start that works sets it to 0.
    public var failures: Int
    /// No runner is started before this time, because the last start failed.
    public var retry_at: String?
    /// What the last failed start said. Kept after a start that works: see `failures`.
    public var last_error: String?

    public init(
        name: String, driver: String, tags: [String], run_untagged: Bool, image: String?, paused: Bool, max_runners: Int,
        warm: Int, cooldown: Double, max_jobs: Int, cpus: Double, memory_bytes: Int64,
        runners: [String: Int], failures: Int, retry_at: String?, last_error: String?
    ) {
        self.name = name
        self.driver = driver
        self.tags = tags
        self.run_untagged = run_untagged
        self.image = image
        self.paused = paused
        self.max_runners = max_runners
        self.warm = warm
        self.cooldown = cooldown
        self.max_jobs = max_jobs
        self.cpus = cpus
        self.memory_bytes = memory_bytes
        self.runners = runners
        self.failures = failures
        self.retry_at = retry_at
        self.last_error = last_error
    }
}

/// An image that is being pulled.
public struct PullView: Codable, Sendable, Equatable {
    /// Its name, with its tag.
    public var image: String
    /// Bytes so far.
    public var received_bytes: Int64
    /// Bytes of all layers that are known so far; absent before any is.
    public var total_bytes: Int64?
    public init(image: String, received_bytes: Int64, total_bytes: Int64?) {
        self.image = image
        self.received_bytes = received_bytes
        self.total_bytes = total_bytes
    }
}
