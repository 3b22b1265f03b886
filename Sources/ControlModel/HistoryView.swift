/// The last 24 hours, as `GET /history` answers.
public struct HistoryView: Codable, Sendable, Equatable {
    /// The oldest first; the last one is under way.
    public var hours: [Hour]
    /// Seconds that jobs waited which began to run within the last hour; absent when none did.
    public var median_wait_last_hour: Double?
    /// Runners that failed to start or died, the newest first, at most ten.
    public var failures: [Failure]

    /// One hour.
    public struct Hour: Codable, Sendable, Equatable {
        /// Its beginning, a full hour.
        public var starts_at: String
        /// Jobs that ended, whatever their result.
        public var jobs: Int
        /// Those of them that failed.
        public var failed: Int
        /// Seconds that jobs waited before they ran; absent when none began to run.
        public var wait_p50: Double?
        /// See `wait_p50`: the 95th percentile.
        public var wait_p95: Double?
        /// Seconds from the decision to start a runner to its first contact; absent when none made contact.
        public var spawn_p50: Double?
        /// See `spawn_p50`: the 95th percentile.
        public var spawn_p95: Double?
        /// Nothing happened in it.
        public init(starts_at: String) {
            self.starts_at = starts_at
            jobs = 0
            failed = 0
        }
    }

    /// A runner that failed.
    public struct Failure: Codable, Sendable, Equatable {
        /// When it was removed.
        public var at: String
        /// The runner's id.
        public var runner: String
        /// The name of its pool.
        public var pool: String
        /// A sentence without a full stop.
        public var reason: String
        public init(at: String, runner: String, pool: String, reason: String) {
            self.at = at
            self.runner = runner
            self.pool = pool
            self.reason = reason
        }
    }

    public init(hours: [Hour], median_wait_last_hour: Double?, failures: [Failure]) {
        self.hours = hours
        self.median_wait_last_hour = median_wait_last_hour
        self.failures = failures
    }
}
