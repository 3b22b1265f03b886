// The JSON of the API, shared by the daemon and its clients. Properties are named as their keys, in snake_case. Times are ISO 8601 in UTC with
// milliseconds; durations are seconds. Fields are added over time, never renamed or removed: decoders ignore those that they don't know.

/// A runner, as `GET /runners` and `GET /runners/ID` answer.
public struct RunnerView: Codable, Sendable, Equatable {
    /// One step in the life of a runner.
    public struct Event: Codable, Sendable, Equatable {
        /// When it happened.
        public var at: String
        /// A word or a short phrase, such as `requested` or `removed`.
        public var event: String
        /// The reason, where the step has one.
        public var detail: String?
        public init(at: String, event: String, detail: String?) {
            self.at = at
            self.event = event
            self.detail = detail
        }
    }
    /// AutoGit's own id: eight letters and digits, unique in this instance.
    public var id: String
    /// `autogit-runner-ID`, the name of its container or units and its description in GitLab. Calls take it in place of the id.
    public var name: String
    /// `provisioning`, `idle`, `busy`, `draining` or `offline`; derived from `phase` and whether it has a job.
    public var status: String
    /// `requested`, `starting`, `ready`, `pausing`, `draining`, `stopping`, `ended` or `removed`, in this order and never back.
    public var phase: String
    /// The pool that it was started in, which may be gone from the configuration.
    public var pool: String
    /// `container` or `scope`.
    public var driver: String
    /// The name of the host that it was placed on, as in `GET /hosts`. Absent from daemons before 0.10.
    public var host: String?
    /// That of its image, in the words of container images, such as `amd64` or `arm64`; `unknown` before its host was looked at.
    public var architecture: String
    /// Whether it is another than its host's, so that QEMU runs it. Absent from daemons before 0.6.
    public var emulated: Bool?
    /// Whether it has a GPU.
    public var gpu_enabled: Bool
    /// The ids of its GPUs, as in `GET /gpus`. Absent from daemons before 0.6.
    public var gpus: [String]?
    /// The tags that it was registered with; for a runner from before 0.3 those of its pool.
    public var tags: [String]
    /// GitLab's id of the runner; absent before its registration.
    public var gitlab_id: Int64?
    /// The engine's id of the container, or the scope's name; absent before it is made.
    public var container_id: String?
    /// GitLab's id of the job that it runs; absent while it has none.
    public var current_job: Int64?
    /// Jobs that it has finished, whatever their result.
    public var jobs_done: Int
    /// Its CPU limit; fractions are common.
    public var cpus: Double
    /// Its memory limit in bytes.
    public var memory_bytes: Int64
    /// When AutoGit decided to start it.
    public var requested_at: String
    /// When its process started; absent before.
    public var started_at: String?
    /// Its first contact with GitLab; absent before.
    public var contacted_at: String?
    /// The end of its last job, or its first contact; absent while it is busy.
    public var idle_since: String?
    /// Seconds until an idle runner leaves; absent in any other status.
    public var cooldown_left: Double?
    /// Seconds from `requested_at` to `contacted_at`; absent before the first contact.
    public var spawn_seconds: Double?
    /// The last sign of life: a contact, a job event or a look at GitLab.
    public var last_seen: String
    /// Why it leaves or left; absent before.
    public var reason: String?
    /// Why it can't be taken further; absent while it can. Absent from daemons before 0.3.
    public var stuck: String?
    /// Whether the end of its log is kept, to be read after it is gone: that of a runner which failed to start or died. Only in the answer for
    /// a single runner. Absent from daemons before 0.5.
    public var has_log: Bool?
    /// Its steps in their order. Only in the answer for a single runner.
    public var history: [Event]?

    /// Takes the fields that every runner has; those that may be absent are set afterwards.
    public init(
        id: String, name: String, status: String, phase: String, pool: String, driver: String, architecture: String,
        gpu_enabled: Bool, tags: [String], jobs_done: Int, cpus: Double, memory_bytes: Int64,
        requested_at: String, last_seen: String
    ) {
        self.id = id
        self.name = name
        self.status = status
        self.phase = phase
        self.pool = pool
        self.driver = driver
        self.architecture = architecture
        self.gpu_enabled = gpu_enabled
        self.tags = tags
        self.jobs_done = jobs_done
        self.cpus = cpus
        self.memory_bytes = memory_bytes
        self.requested_at = requested_at
        self.last_seen = last_seen
    }
}
