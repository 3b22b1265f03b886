/// What a self-test found, as `--json` prints it. Times are in seconds.
public struct SelftestReport: Codable, Sendable, Equatable {
    /// A job and the pool that it was for.
    public struct Job: Codable, Sendable, Equatable {
        /// The pool's name.
        public var pool: String
        /// `success`, `failed`, `timed out`, `interrupted`, `unknown` when GitLab could not be asked any more, or `elsewhere` when it succeeded on a runner that is not the pool's.
        public var result: String
        /// GitLab's number of it; absent if GitLab never showed it.
        public var job: Int64?
        /// From when GitLab showed it until a runner had it.
        public var wait_seconds: Double?
        /// From then to its end.
        public var run_seconds: Double?
        /// The runner that took it, as GitLab describes it.
        public var runner: String?
        /// Why it didn't succeed, or not here.
        public var reason: String?
        /// The end of its log, when it failed.
        public var log: [String]?
    }

    /// Every chosen pool was tried, and every job succeeded on a runner of its pool.
    public var ok = false
    /// Why nothing could be tried, or why it ended early, with the next step.
    public var trouble: String?
    /// The project's path.
    public var project: String?
    /// `gone`, `under way`, or why and until when it stays; absent when none was made.
    public var removal: String?
    /// From the start until the project was there with its file.
    public var project_seconds: Double?
    /// From the start until the pipeline was there.
    public var pipeline_seconds: Double?
    /// From the start to the end, with the removal.
    public var seconds: Double = 0
    /// In the order of the configuration.
    public var jobs: [Job] = []
    /// The chosen pools that were not tried.
    public var left: [SelftestPlan.Left] = []
    /// It was cancelled.
    public var interrupted = false
}
