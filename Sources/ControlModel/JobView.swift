/// A job, as `GET /jobs` and `GET /jobs/ID` answer.
public struct JobView: Codable, Sendable, Equatable {
    /// GitLab's id of the job.
    public var id: Int64
    /// GitLab's id of the project.
    public var project_id: Int64
    /// The project's path with its groups; absent while only the id is known.
    public var project: String?
    /// As in `.gitlab-ci.yml`. Written by other people: it may hold control characters.
    public var name: String?
    /// The stage in its pipeline.
    public var stage: String?
    /// The branch or tag.
    public var ref: String?
    /// GitLab's word: `pending`, `running`, `success`, `failed`, `canceled` and so on (https://docs.gitlab.com/api/jobs/).
    public var status: String
    /// Absent while they are unknown, which is something else than an empty list.
    public var tags: [String]?
    /// AutoGit's id of the runner that took it; absent when another runner did, or none yet.
    public var runner: String?
    /// GitLab's id of the runner that took it, whoever's it is.
    public var gitlab_runner_id: Int64?
    /// GitLab's word for why it failed, such as `script_failure`.
    public var failure_reason: String?
    /// Why a pending job has no runner on its way, for people; absent when one is.
    public var waiting_reason: String?
    /// One word for that reason, such as `at-maximum`; words are added over time. Absent from daemons before 0.8.
    public var waiting_code: String?
    /// When it was first seen pending.
    public var pending_at: String?
    /// When it was first seen running.
    public var running_at: String?
    /// When it was first seen in a final status.
    public var finished_at: String?
    /// Seconds from `pending_at` to `running_at`; absent before it runs.
    public var wait_seconds: Double?
    /// What it used, or uses so far; absent where it was not measured, as a job that was over before its second look. Absent from daemons before 0.9.
    public var usage: Usage?
    /// What its memory limit could be, by what the last jobs of its name used, for people; only in `/jobs/ID`.
    public var hint: String?

    /// What a job used, by looks at it every five seconds.
    public struct Usage: Codable, Sendable, Equatable {
        /// CPU time of all its processes; two CPUs for a second are two.
        public var cpu_seconds: Double
        /// Without what the kernel keeps of files; the largest of the looks.
        public var peak_memory_bytes: Int64
        /// What it was allowed; absent where its pool had no limit.
        public var memory_limit_bytes: Int64?
        /// Processes that the kernel killed at the limit; absent where nobody tells.
        public var memory_kills: Int?
        /// From the first look to the last: the rest was not measured.
        public var measured_seconds: Double
        public init(cpu_seconds: Double, peak_memory_bytes: Int64, memory_limit_bytes: Int64?, memory_kills: Int?, measured_seconds: Double) {
            self.cpu_seconds = cpu_seconds
            self.peak_memory_bytes = peak_memory_bytes
            self.memory_limit_bytes = memory_limit_bytes
            self.memory_kills = memory_kills
            self.measured_seconds = measured_seconds
        }
    }

    /// Takes the fields that every job has; those that may be absent are set afterwards.
    public init(id: Int64, project_id: Int64, status: String) {
        self.id = id
        self.project_id = project_id
        self.status = status
    }
}
