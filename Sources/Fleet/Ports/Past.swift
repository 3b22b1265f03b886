/// What jobs and runners did since some time, for those who look back.
public struct Past: Sendable, Equatable {
    /// A job that began to run or ended.
    public struct Run: Sendable, Equatable {
        public var pendingAt: Timestamp?
        public var runningAt: Timestamp?
        public var finishedAt: Timestamp?
        public var status: JobStatus
        public init(pendingAt: Timestamp?, runningAt: Timestamp?, finishedAt: Timestamp?, status: JobStatus) {
            self.pendingAt = pendingAt
            self.runningAt = runningAt
            self.finishedAt = finishedAt
            self.status = status
        }
    }

    /// A runner that made contact.
    public struct Start: Sendable, Equatable {
        public var requestedAt: Timestamp
        public var contactedAt: Timestamp
        public init(requestedAt: Timestamp, contactedAt: Timestamp) {
            self.requestedAt = requestedAt
            self.contactedAt = contactedAt
        }
    }

    /// In no order.
    public var runs: [Run]
    /// In no order.
    public var starts: [Start]
    /// Runners that failed and are removed, the newest first; not only of that time.
    public var failures: [Runner]

    public init(runs: [Run] = [], starts: [Start] = [], failures: [Runner] = []) {
        self.runs = runs
        self.starts = starts
        self.failures = failures
    }
}
