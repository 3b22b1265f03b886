/// The answer of `GET /health`: with status 200 when healthy, 503 when degraded.
public struct HealthView: Codable, Sendable, Equatable {
    /// `healthy` or `degraded`.
    public var status: String
    /// `ok`, `unknown` before the first call, or the last error.
    public var gitlab: String
    /// The same for the drivers in use: the container engine, or the systemd of scopes.
    public var engine: String
    /// `ok`, or why the database cannot be written.
    public var store: String
    /// Conditions that will end runners later, each with its remedy. They do not change `status`. Absent from daemons before 0.2.1.
    public var warnings: [String]?
    public init(status: String, gitlab: String, engine: String, store: String, warnings: [String] = []) {
        self.store = store
        self.warnings = warnings
        self.status = status
        self.gitlab = gitlab
        self.engine = engine
    }
}

/// The answer of `GET /status`: everything at a glance.
public struct StatusView: Codable, Sendable, Equatable {
    /// Starts of runners since the daemon started.
    public struct Spawn: Codable, Sendable, Equatable {
        /// Starts that were begun.
        public var count: Int
        /// Those of them that failed.
        public var failed: Int
        /// Seconds from the decision to the first contact, of the newest runner that made contact; absent before any did.
        public var last_seconds: Double?
        /// The mean of the same over all that made contact.
        public var mean_seconds: Double?
        public init(count: Int, failed: Int, last_seconds: Double?, mean_seconds: Double?) {
            self.count = count
            self.failed = failed
            self.last_seconds = last_seconds
            self.mean_seconds = mean_seconds
        }
    }
    /// The daemon's version.
    public var version: String
    /// The id of this installation, by which it knows its own containers, scopes and registrations: twelve hexadecimal digits from the database.
    public var instance: String
    /// When the daemon started.
    public var started_at: String
    /// As in `HealthView`.
    public var gitlab: String
    /// As in `HealthView`.
    public var engine: String
    /// As in `HealthView`.
    public var warnings: [String]?
    /// Live runners by `RunnerView.status`; a status without any is absent.
    public var runners: [String: Int]
    /// Jobs in the database, which keeps 30 days, by GitLab's status.
    public var jobs: [String: Int]
    /// Pending jobs that have no runner on its way, by id, and why.
    public var waiting: [String: String]
    /// Since the daemon started.
    public var spawns: Spawn
    /// The share of successes among finished jobs in the database, from 0 to 1; absent without any.
    public var success_rate: Double?
    /// The sum of the memory limits, in bytes, of all runners whose container or scope is not gone yet; `host.memory` bounds it.
    public var memory_promised_bytes: Int64
    /// The sum of the CPU limits of the same runners; `host.cpus` bounds it.
    public var cpus_promised: Double

    public init(
        version: String, instance: String, started_at: String, gitlab: String, engine: String, warnings: [String],
        runners: [String: Int], jobs: [String: Int], waiting: [String: String], spawns: Spawn,
        success_rate: Double?, memory_promised_bytes: Int64, cpus_promised: Double
    ) {
        self.version = version
        self.instance = instance
        self.started_at = started_at
        self.gitlab = gitlab
        self.engine = engine
        self.warnings = warnings
        self.runners = runners
        self.jobs = jobs
        self.waiting = waiting
        self.spawns = spawns
        self.success_rate = success_rate
        self.memory_promised_bytes = memory_promised_bytes
        self.cpus_promised = cpus_promised
    }
}
