import ControlModel
import StatusPage
import Testing

/// A document; a test that fails on it names it only.
struct Page: CustomTestStringConvertible, Sendable {
    var name: String
    var text: String
    var testDescription: String { name }
}

/// Small states of a fleet. Noon is "now".
enum Fixtures {
    static let noon = 1_782_907_200.0  // 2026-07-01T12:00:00Z
    static let csrf = "csrf-5d41"
    static let signedIn = Session.signedIn(csrf: csrf)
    /// All that could break out of an element, an attribute or a line, or turn text around.
    static let hostile = "</script><img src=x onerror=alert(1)>\"' onclick='x' &amp; \u{202E}\u{7}\n\u{2028}\u{1B}[31m'>"

    static func frame(_ session: Session = .signedOut, health: HealthView? = nil) -> PageFrame {
        PageFrame(now: noon, health: health ?? HealthView(status: "healthy", gitlab: "ok", engine: "ok", store: "ok"), session: session)
    }

    static func content(_ session: Session = .signedOut, jobs: [JobView] = [], runners: [RunnerView] = [], pools: [PoolView] = [pool("default")]) -> PageContent
    {
        PageContent(
            frame: frame(session),
            status: StatusView(
                version: "0.7.0", instance: "5f0c2a91be07", started_at: "2026-07-01T09:00:00.000Z", gitlab: "ok", engine: "ok", warnings: [], runners: [:],
                jobs: ["success": 1], waiting: [:], spawns: .init(count: 1, failed: 0, last_seconds: nil, mean_seconds: nil), success_rate: 1,
                memory_promised_bytes: 0, cpus_promised: 0),
            pools: pools, runners: runners, jobs: jobs, history: HistoryView(hours: [], median_wait_last_hour: nil, failures: []))
    }

    static func fresh() -> PageContent {
        var content = content(.unavailable)
        (content.status.jobs, content.status.spawns.count) = ([:], 0)
        return content
    }

    static func pool(_ name: String, runners: [String: Int] = [:], max: Int = 4) -> PoolView {
        PoolView(
            name: name, driver: "container", tags: ["docker", "linux"], run_untagged: false, image: "debian:12", paused: false, max_runners: max, warm: 0,
            cooldown: 300, max_jobs: 0, cpus: 2, memory_bytes: 2 << 30, runners: runners, failures: 0, retry_at: nil, last_error: nil)
    }

    static func runner(_ id: String, _ status: String = "idle") -> RunnerView {
        RunnerView(
            id: id, name: "autogit-runner-\(id)", status: status, phase: "ready", pool: "default", driver: "container", architecture: "amd64",
            gpu_enabled: false,
            tags: ["docker"], jobs_done: 3, cpus: 1.5, memory_bytes: 512 << 20, requested_at: "2026-07-01T11:58:20.000Z", last_seen: "2026-07-01T11:59:58.000Z")
    }

    static func job(_ id: Int64, _ status: String, _ name: String = "build", since: String = "2026-07-01T11:55:00.000Z", reason: String? = nil) -> JobView {
        var job = JobView(id: id, project_id: 7, status: status)
        (job.name, job.project, job.ref, job.tags) = (name, "group/project", "main", ["docker"])
        (job.pending_at, job.waiting_reason) = (since, reason)
        return job
    }

    /// Everything at once, with names by somebody who means harm.
    static func hostileContent(_ session: Session = signedIn) -> PageContent {
        var content = content(session)
        content.frame.health = HealthView(status: "degraded", gitlab: hostile, engine: hostile, store: hostile, warnings: [hostile])
        var pool = pool(hostile, runners: ["busy": 1, "idle": 1])
        (pool.tags, pool.last_error, pool.failures, pool.retry_at, pool.executor) = ([hostile], hostile, 6, "2026-07-01T12:01:00.000Z", hostile)
        (pool.architecture, pool.gpu, pool.pull) = (hostile, hostile, PullView(image: hostile, received_bytes: 1, total_bytes: 2))
        var runner = runner(hostile, hostile)
        (runner.pool, runner.current_job, runner.stuck, runner.requested_at, runner.phase) = (hostile, 1, hostile, hostile, hostile)
        var (waiting, done) = (job(1, "pending", hostile, since: hostile, reason: hostile), job(2, hostile, hostile))
        (waiting.project, waiting.ref, waiting.tags) = (hostile, hostile, [hostile])
        waiting.waiting_code = hostile
        (done.finished_at, done.failure_reason, done.project, done.wait_seconds) = (hostile, hostile, hostile, .infinity)
        content.pools = [pool]
        content.runners = [runner]
        content.jobs = [waiting, done]
        content.status.instance = hostile
        content.status.started_at = hostile
        content.history.failures = [.init(at: hostile, runner: hostile, pool: hostile, reason: hostile)]
        content.lastLines = [hostile: [hostile]]
        var hour = HistoryView.Hour(starts_at: hostile)
        (hour.jobs, hour.failed, hour.wait_p50, hour.wait_p95, hour.spawn_p50, hour.spawn_p95) = (1, 1, .nan, .infinity, -1, 1e300)
        content.history.hours = [hour]
        return content
    }

    /// Each kind of page, with hostile and with common values.
    static func pages() -> [Page] {
        var pages: [(String, String)] = []
        for (name, session) in [("unavailable", Session.unavailable), ("signed out", .signedOut), ("signed in", signedIn)] {
            var runner = hostileContent().runners[0]
            (runner.history, runner.reason, runner.container_id) = ([.init(at: hostile, event: hostile, detail: hostile)], hostile, hostile)
            let job = hostileContent().jobs[0]
            pages += [
                ("overview, \(name)", StatusPage.overview(hostileContent(session))), ("common overview, \(name)", StatusPage.overview(crowd(session))),
                ("runner, \(name)", StatusPage.runner(runner, job: job, log: [hostile, hostile], frame: frame(session))),
                ("job, \(name)", StatusPage.job(job, gitlab: "https://gitlab.example.org\(hostile)", frame: frame(session))),
            ]
        }
        pages.append(("sign-in", StatusPage.signIn(message: hostile)))
        pages.append(("sign-in, unavailable", StatusPage.signIn(message: nil, isAvailable: false)))
        pages.append(("problem", StatusPage.problem(status: 404, title: hostile, detail: hostile)))
        pages.append(("fresh", StatusPage.overview(fresh())))
        return pages.map { Page(name: $0.0, text: $0.1) }
    }

    /// 500 waiting jobs for five reasons, and 300 runners in 120 pools.
    static func crowd(_ session: Session = .signedOut) -> PageContent {
        let jobs = (0..<500).map { index -> JobView in
            let (seconds, reason) = (index % 60, index % 100 == 0 ? 0 : 1 + index % 4)
            var job = job(Int64(1000 + index), "pending", "job \(index)", since: "2026-07-01T11:\(10 + index / 60):\(seconds < 10 ? "0" : "")\(seconds).000Z")
            job.waiting_reason = reason == 0 ? "no pool has the tag gpu" : "pool p\(reason) is at max_runners (4)"
            if job.waiting_reason != nil { job.waiting_code = reason == 0 ? "no-pool" : "at-maximum" }
            job.tags = index % 3 == 0 ? ["docker"] : ["arm64", "docker"]
            return job
        }
        let pools = (0..<120).map { pool("p\($0)", runners: ["busy": $0 % 3], max: 40 + $0) }
        var content = content(session, jobs: jobs, runners: (0..<300).map { runner("r\($0)", ["busy", "idle", "provisioning"][$0 % 3]) }, pools: pools)
        content.history.hours = (0..<24).map {
            var hour = HistoryView.Hour(starts_at: "2026-07-01T0\($0 % 10):00:00.000Z")
            (hour.jobs, hour.failed, hour.wait_p50, hour.wait_p95) = ($0, $0 / 5, Double($0), Double($0 * 3))
            return hour
        }
        return content
    }
}
