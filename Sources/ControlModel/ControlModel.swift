/// The JSON of the API, shared by the daemon and its clients. Keys are written in snake_case as they
/// stand; times are ISO 8601 in UTC; durations are seconds.

public struct RunnerView: Codable, Sendable, Equatable {
    public struct Event: Codable, Sendable, Equatable {
        public var at: String
        public var event: String
        public var detail: String?
        public init(at: String, event: String, detail: String?) {
            self.at = at
            self.event = event
            self.detail = detail
        }
    }
    public var id: String
    public var name: String
    /// provisioning, idle, busy, draining or offline.
    public var status: String
    public var phase: String
    public var pool: String
    /// container or scope.
    public var driver: String
    public var architecture: String
    public var gpu_enabled: Bool
    public var tags: [String]
    public var gitlab_id: Int64?
    public var container_id: String?
    public var current_job: Int64?
    public var jobs_done: Int
    public var cpus: Double
    public var memory_bytes: Int64
    public var requested_at: String
    public var started_at: String?
    public var contacted_at: String?
    public var idle_since: String?
    /// Seconds until it leaves, while it is idle.
    public var cooldown_left: Double?
    /// Seconds from the wish for it to its first contact.
    public var spawn_seconds: Double?
    public var last_seen: String
    public var reason: String?
    /// Why it can't be taken further; absent while it can.
    public var stuck: String?
    public var history: [Event]?

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

public struct JobView: Codable, Sendable, Equatable {
    public var id: Int64
    public var project_id: Int64
    public var project: String?
    public var name: String?
    public var stage: String?
    public var ref: String?
    public var status: String
    public var tags: [String]?
    /// AutoGit's id of the runner, when it is ours.
    public var runner: String?
    public var gitlab_runner_id: Int64?
    public var failure_reason: String?
    public var waiting_reason: String?
    public var pending_at: String?
    public var running_at: String?
    public var finished_at: String?
    /// Seconds from the first pending event to running.
    public var wait_seconds: Double?

    public init(id: Int64, project_id: Int64, status: String) {
        self.id = id
        self.project_id = project_id
        self.status = status
    }
}

public struct PoolView: Codable, Sendable, Equatable {
    public var name: String
    /// container or scope.
    public var driver: String
    public var tags: [String]
    public var run_untagged: Bool
    /// Of containers.
    public var image: String?
    public var paused: Bool
    public var max_runners: Int
    public var warm: Int
    public var cooldown: Double
    public var max_jobs: Int
    public var cpus: Double
    public var memory_bytes: Int64
    /// Live runners by status.
    public var runners: [String: Int]
    public var failures: Int
    public var retry_at: String?
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

public struct HealthView: Codable, Sendable, Equatable {
    /// healthy or degraded.
    public var status: String
    public var gitlab: String
    public var engine: String
    public var store: String
    /// What works now and will not for long, each with what to do. Absent from daemons before 0.2.1.
    public var warnings: [String]?
    public init(status: String, gitlab: String, engine: String, store: String, warnings: [String] = []) {
        self.store = store
        self.warnings = warnings
        self.status = status
        self.gitlab = gitlab
        self.engine = engine
    }
}

public struct StatusView: Codable, Sendable, Equatable {
    public struct Spawn: Codable, Sendable, Equatable {
        public var count: Int
        public var failed: Int
        public var last_seconds: Double?
        public var mean_seconds: Double?
        public init(count: Int, failed: Int, last_seconds: Double?, mean_seconds: Double?) {
            self.count = count
            self.failed = failed
            self.last_seconds = last_seconds
            self.mean_seconds = mean_seconds
        }
    }
    public var version: String
    public var instance: String
    public var started_at: String
    public var gitlab: String
    public var engine: String
    /// As in `HealthView`.
    public var warnings: [String]?
    /// Live runners by status.
    public var runners: [String: Int]
    /// Jobs in the store by GitLab's status.
    public var jobs: [String: Int]
    /// Pending jobs that nothing is on the way for, and why.
    public var waiting: [String: String]
    /// Since the daemon started.
    public var spawns: Spawn
    /// Of the finished jobs in the store, those that succeeded, from 0 to 1; absent without any.
    public var success_rate: Double?
    public var memory_promised_bytes: Int64
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

public struct SpawnRequest: Codable, Sendable, Equatable {
    public var pool: String
    public init(pool: String) { self.pool = pool }
}

public struct HookRequest: Codable, Sendable, Equatable {
    /// Path or id.
    public var project: String
    /// As GitLab reaches this daemon; absent: the address that this host has on the way to GitLab.
    public var url: String?
    public init(project: String, url: String?) {
        self.project = project
        self.url = url
    }
}

public struct HookView: Codable, Sendable, Equatable {
    public var project: String
    public var id: Int64
    public var url: String
    /// installed or updated.
    public var result: String
    public init(project: String, id: Int64, url: String, result: String) {
        self.project = project
        self.id = id
        self.url = url
        self.result = result
    }
}

public struct ReloadView: Codable, Sendable, Equatable {
    public var pools: [String]
    /// Changed settings that a reload does not take over.
    public var needs_restart: Bool
    public init(pools: [String], needs_restart: Bool) {
        self.pools = pools
        self.needs_restart = needs_restart
    }
}

/// One difference between what is and what should be.
public struct ReconcileView: Codable, Sendable, Equatable {
    /// container, scope, registration or runner.
    public var what: String
    public var name: String
    public var action: String
    public var reason: String
    public init(what: String, name: String, action: String, reason: String) {
        self.what = what
        self.name = name
        self.action = action
        self.reason = reason
    }
}

public struct PauseView: Codable, Sendable, Equatable {
    public var name: String
    public var paused: Bool
    public init(name: String, paused: Bool) {
        self.name = name
        self.paused = paused
    }
}

/// RFC 9457.
public struct Problem: Codable, Sendable, Equatable {
    public var type: String
    public var title: String
    public var status: Int
    public var detail: String
    public init(status: Int, title: String, detail: String) {
        type = "about:blank"
        self.title = title
        self.status = status
        self.detail = detail
    }
}
