/// What was done and used, as `GET /usage` answers: jobs that runners of AutoGit took.
public struct UsageView: Codable, Sendable, Equatable {
    /// The first day that is counted, such as `2026-11-01`; days are UTC's.
    public var since: String
    /// The last one, which may be under way.
    public var until: String
    /// `pool`, `project` or `tag`.
    public var by: String
    /// The most jobs first. A job with two tags is in two rows.
    public var rows: [Row]
    /// Of all.
    public var total: Row
    /// What `cost` is counted in; absent where no prices are configured.
    public var currency: String?

    /// What a report can have a row for.
    public enum Dimension: String, Sendable, CaseIterable {
        case pool, project, tag
    }

    /// One pool, project or tag.
    public struct Row: Codable, Sendable, Equatable {
        /// Its name; `-` for jobs without tags.
        public var name: String
        /// Jobs that ended.
        public var jobs: Int
        public var succeeded: Int
        public var failed: Int
        /// Of those that succeeded or failed; absent without any.
        public var success_rate: Double?
        /// Seconds before they ran, to a tenth of the figure; absent without any.
        public var wait_p50: Double?
        /// See `wait_p50`: the 95th percentile.
        public var wait_p95: Double?
        /// Hours that jobs ran.
        public var job_hours: Double
        /// Hours of CPU time, of the jobs that were measured.
        public var cpu_hours: Double
        /// Of the jobs.
        public var measured_share: Double?
        /// The largest of their peaks; absent where none was measured.
        public var peak_memory_bytes: Int64?
        /// Hours that runners were there; of pools and of all only.
        public var runner_hours: Double?
        /// Of these hours, those without a job.
        public var idle_share: Double?
        /// By `watts_idle` and `watts_busy`; absent where these aren't configured.
        public var energy_kwh: Double?
        /// By `[cost]`; absent where it has no prices.
        public var cost: Double?
        public init(name: String) {
            self.name = name
            jobs = 0
            succeeded = 0
            failed = 0
            job_hours = 0
            cpu_hours = 0
        }
    }

    public init(since: String, until: String, by: String, rows: [Row], total: Row, currency: String?) {
        self.since = since
        self.until = until
        self.by = by
        self.rows = rows
        self.total = total
        self.currency = currency
    }
}
