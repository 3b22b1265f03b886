import CoreMetrics
import Fleet
import Synchronization

/// What happened since the daemon's start, as counters and histograms. It is told, and asks nobody.
public final class FleetMetrics: FleetAudience {
    /// What a webhook came to.
    public enum WebhookResult: String, CaseIterable, Sendable { case accepted, ignored, refused, malformed, busy, failed }

    private static let waits = [0.1, 0.25, 0.5, 1, 3, 10, 30, 60, 120, 300, 900, 1800, 3600]
    private static let durations = [30.0, 60, 300, 600, 1800, 3600, 7200, 10_800, 18_000, 36_000]
    private static let starts = [0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300]
    private static let calls = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
    private static let steps = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3]

    private static let declarations: [MetricsRegistry.Declaration] = [
        .histogram("autogit_job_wait_seconds", "Time from when a job was seen waiting until it ran, by the pool that ran it.", waits),
        .histogram("autogit_job_duration_seconds", "Time for which a job ran, by pool and result.", durations),
        .counter("autogit_jobs_finished", "Jobs that ended, by the pool that ran them (empty for none of ours) and result."),
        .counter("autogit_jobs_seen", "Jobs by what told of them first, a webhook or a poll."),
        .counter("autogit_runner_starts", "Starts of runners that came to an end, by pool and result."),
        .histogram("autogit_runner_start_seconds", "Time from the decision to start a runner to its first contact with GitLab.", starts),
        .counter("autogit_runner_removals", "Runners that were removed, by pool and reason."),
        .counter("autogit_orphans_removed", "Containers, scopes and registrations that nobody owned and that were to be removed, by kind."),
        .histogram("autogit_gitlab_request_seconds", "Calls of GitLab's API by endpoint and class of status; \"none\" where no answer came.", calls),
        .counter("autogit_webhooks", "Webhooks by result."),
        .histogram("autogit_plan_seconds", "Time that a plan takes.", steps),
        .histogram("autogit_store_write_seconds", "Time that a write of the database takes.", steps),
    ]

    private let registry = MetricsRegistry(declarations)
    private let version: String
    private let instants = Mutex(Instants())
    private struct Instants {
        var lastWebhook: Double?
        var tokenExpires: Double?
        var rateLimitRemaining: Double?
    }

    /// - Parameters:
    ///   - version: the daemon's.
    ///   - pools: each has series from the start.
    public init(version: String, pools: [Pool]) {
        self.version = version
        prepare(pools)
    }

    // MARK: Being told

    /// Gives pools their series, so that the first event is an increase and not a beginning.
    public func prepare(_ pools: [Pool]) {
        for (pool, driver) in pools.map({ ($0.name, $0.driver.rawValue) }) {
            recorder("autogit_runner_start_seconds", [("pool", pool), ("driver", driver)])
            recorder("autogit_job_wait_seconds", [("pool", pool)])
            for result in ["success", "failed", "canceled"] {
                recorder("autogit_job_duration_seconds", [("pool", pool), ("result", result)])
                counter("autogit_jobs_finished", [("pool", pool), ("result", result)])
            }
            for result in ["success", "failure"] { counter("autogit_runner_starts", [("pool", pool), ("result", result)]) }
            for reason in RemovalReason.allCases { counter("autogit_runner_removals", [("pool", pool), ("reason", reason.rawValue)]) }
        }
        for source in ["hook", "poll"] { counter("autogit_jobs_seen", [("source", source)]) }
        for kind in ["container", "scope", "registration"] { counter("autogit_orphans_removed", [("kind", kind)]) }
        for result in WebhookResult.allCases { counter("autogit_webhooks", [("result", result.rawValue)]) }
        recorder("autogit_plan_seconds", [])
        recorder("autogit_store_write_seconds", [])
    }

    public func happened(_ events: [FleetEvent], in state: FleetState) {
        for event in events { count(event) }
    }

    public func planned(within time: Duration) { recorder("autogit_plan_seconds", []).record(time / .seconds(1)) }

    /// A write of the database, whether it worked or not.
    public func wrote(within time: Duration) { recorder("autogit_store_write_seconds", []).record(time / .seconds(1)) }

    /// - Parameter at: in seconds since 1970.
    public func webhook(_ result: WebhookResult, at now: Double) {
        counter("autogit_webhooks", [("result", result.rawValue)]).increment()
        if result == .accepted { instants.withLock { $0.lastWebhook = now } }
    }

    /// A call of GitLab's API came to its end.
    /// - Parameters:
    ///   - endpoint: without ids.
    ///   - status: nil when no answer came.
    ///   - remaining: calls that GitLab's limiter still allows, where it says so.
    public func asked(_ endpoint: String, status: Int?, remaining: Int?, within time: Duration) {
        recorder("autogit_gitlab_request_seconds", [("endpoint", endpoint), ("status_class", status.map { "\($0 / 100)xx" } ?? "none")])
            .record(time / .seconds(1))
        if let remaining { instants.withLock { $0.rateLimitRemaining = Double(remaining) } }
    }

    /// - Parameter time: in seconds since 1970; nil for a token that doesn't expire, or whose expiry is not known.
    public func tokenExpires(at time: Double?) { instants.withLock { $0.tokenExpires = time } }

    // MARK: Being asked

    /// All families that don't come from the state.
    public func families() -> [MetricFamily] {
        let instants = instants.withLock { $0 }
        func gauge(_ name: String, _ help: String, _ value: Double?) -> [MetricFamily] { value.map { [MetricFamily(name, .gauge, help, [.init($0)])] } ?? [] }
        return [MetricFamily("autogit_build", .info, "The daemon.", [.init(1, [.init("version", version)])])]
            + registry.families()
            + gauge("autogit_webhook_last_timestamp_seconds", "When the last webhook was accepted, in seconds since 1970.", instants.lastWebhook)
            + gauge("autogit_gitlab_rate_limit_remaining", "Calls that GitLab's limiter still allows, as its last answer said.", instants.rateLimitRemaining)
            + gauge("autogit_gitlab_token_expires_timestamp_seconds", "When GitLab's token expires, in seconds since 1970.", instants.tokenExpires)
    }

    // MARK: Counting

    private func count(_ event: FleetEvent) {
        let pool = event.pool ?? ""
        switch event.kind {
        case .jobSeen(let byHook): counter("autogit_jobs_seen", [("source", byHook ? "hook" : "poll")]).increment()
        case .jobStarted:
            guard let job = event.job, let from = job.pendingAt, let to = job.runningAt else { return }
            recorder("autogit_job_wait_seconds", [("pool", pool)]).record(max(0, (to - from).inSeconds))
        case .jobFinished, .jobEnded:
            guard let job = event.job, job.status.isOver else { return }
            counter("autogit_jobs_finished", [("pool", pool), ("result", job.status.rawValue)]).increment()
            guard let from = job.runningAt, let to = job.finishedAt else { return }
            recorder("autogit_job_duration_seconds", [("pool", pool), ("result", job.status.rawValue)]).record(max(0, (to - from).inSeconds))
        case .contacted:
            guard let runner = event.runner, let contacted = runner.contactedAt else { return }
            counter("autogit_runner_starts", [("pool", pool), ("result", "success")]).increment()
            recorder("autogit_runner_start_seconds", [("pool", pool), ("driver", runner.driver.rawValue)]).record((contacted - runner.requestedAt).inSeconds)
        case .startFailed: counter("autogit_runner_starts", [("pool", pool), ("result", "failure")]).increment()
        case .removed:
            guard let runner = event.runner else { return }
            counter("autogit_runner_removals", [("pool", pool), ("reason", RemovalReason(of: runner).rawValue)]).increment()
        case .orphan(let place): counter("autogit_orphans_removed", [("kind", place.kind.rawValue)]).increment()
        case .ghost: counter("autogit_orphans_removed", [("kind", "registration")]).increment()
        default: break
        }
    }

    @discardableResult
    private func counter(_ name: String, _ labels: [(String, String)]) -> Counter { Counter(label: name, dimensions: labels, factory: registry) }

    @discardableResult
    private func recorder(_ name: String, _ labels: [(String, String)]) -> Recorder {
        Recorder(label: name, dimensions: labels, aggregate: true, factory: registry)
    }
}

/// Why a runner was removed, in few words that don't change: its own reason is for people.
public enum RemovalReason: String, CaseIterable, Sendable {
    case idle, maxJobs = "max_jobs", exited, ordered, reconfigured, replaced, unused, lost, failed, other

    init(of runner: Runner) {
        let text = runner.reason ?? ""
        self = runner.failed ? .failed : Self.beginnings.first { beginning, _ in text.hasPrefix(beginning) }?.reason ?? .other
    }

    /// How the reasons that the planner and the reducer give begin.
    private static let beginnings: [(String, reason: Self)] = [
        ("idle for", .idle), ("max_jobs", .maxJobs), ("asked to leave", .ordered), ("removed by force", .ordered), ("all runners are removed", .ordered),
        ("its pool is", .reconfigured), ("there is a newer image", .replaced), ("the engine was restarted", .replaced),
        ("its container has grown", .replaced), ("took no job", .unused), ("it was not wanted", .unused), ("its GPU", .lost), ("its registration", .lost),
        ("its cluster is ending", .lost), ("exited", .exited), ("is gone", .lost),
    ]
}
