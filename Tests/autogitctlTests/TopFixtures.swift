import ControlModel
import Foundation

@testable import autogitctl

/// A daemon's answers, and the time that they are of.
enum TopFixtures {
    static let now = Date(timeIntervalSince1970: 1_800_000_000)

    static func ago(_ seconds: Double) -> String {
        now.addingTimeInterval(-seconds).formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    static func status(waiting: [String: String] = [:], gitlab: String = "ok", warnings: [String] = []) -> StatusView {
        StatusView(
            version: "0.7.0", instance: "i", started_at: ago(9999), gitlab: gitlab, engine: "ok", warnings: warnings, runners: ["idle": 1, "busy": 2],
            jobs: ["running": 2], waiting: waiting, spawns: .init(count: 3, failed: 1, last_seconds: 1, mean_seconds: 2), success_rate: nil,
            memory_promised_bytes: 0, cpus_promised: 0)
    }

    static func pool(_ name: String, max: Int = 8, runners: [String: Int] = [:], paused: Bool = false, failures: Int = 0) -> PoolView {
        PoolView(
            name: name, driver: "container", tags: [name], run_untagged: false, image: nil, paused: paused, max_runners: max, warm: 0, cooldown: 60,
            max_jobs: 0, cpus: 1, memory_bytes: 1 << 30, runners: runners, failures: failures, retry_at: nil,
            last_error: failures > 0 ? "no such image" : nil)
    }

    static func runner(_ id: String, pool: String, status: String = "idle", job: Int64? = nil, cooldown: Double? = nil) -> RunnerView {
        var runner = RunnerView(
            id: id, name: "autogit-runner-\(id)", status: status, phase: "ready", pool: pool, driver: "container", architecture: "amd64", gpu_enabled: false,
            tags: [], jobs_done: 0, cpus: 1, memory_bytes: 1 << 30, requested_at: ago(900), last_seen: ago(1))
        runner.current_job = job
        runner.cooldown_left = cooldown
        return runner
    }

    static func job(_ id: Int64, status: String = "pending", waits seconds: Double = 60, reason: String? = nil, name: String = "build") -> JobView {
        var job = JobView(id: id, project_id: 1, status: status)
        job.project = "group/app"
        job.name = name
        job.tags = ["x"]
        job.pending_at = ago(seconds)
        job.running_at = status == "running" ? ago(30) : nil
        job.waiting_reason = reason
        return job
    }

    static let small = TopViews(
        status: status(),
        jobs: [job(10, waits: 5), job(9, waits: 700, reason: "no pool has all of the tags gpu"), job(8, status: "running")],
        pools: [pool("linux", runners: ["busy": 2, "idle": 1]), pool("gpu", max: 2, failures: 3)],
        runners: [
            runner("bbbb2222", pool: "linux", cooldown: 42.5), runner("aaaa1111", pool: "linux", status: "busy", job: 8),
            runner("cccc3333", pool: "gone"),
        ])

    /// More than any terminal has room for, with the names of people who mean ill.
    static let large = TopViews(
        status: status(
            waiting: ["1": hostile], gitlab: "connection refused " + hostile, warnings: Array(repeating: "a warning of some length " + hostile, count: 9)),
        jobs: (100..<400).map { job($0, waits: Double($0), reason: hostile, name: hostile + "\($0)") },
        pools: (0..<50).map { pool("\(hostile)\($0)", max: $0 * 7, runners: ["busy": $0, "idle": $0 * 9], paused: $0 % 2 == 0, failures: $0 % 3) },
        runners: (0..<200).map { runner("id\(hostile)\($0)", pool: "\(hostile)\($0 % 50)", status: "offline", job: Int64($0 + 100)) })

    static let hostile = "a\u{1B}[2J\u{1B}]0;x\u{7}\n\r\t\u{202E}\u{9B}1A你好👩‍👩‍👧🇩🇪e\u{301}\u{301}\u{301}\u{301}\u{301}\u{200B}\u{1100}\u{FE0F}"

    static func model(_ views: TopViews = small, columns: Int = 80, rows: Int = 24) -> TopModel {
        TopModel(views, size: TopSize(columns: columns, rows: rows), at: now)
    }
}

extension TopModel {
    /// As if typed at once.
    mutating func type(_ letters: String) -> [Effect] { letters.flatMap { take(.key(.letter($0)), at: now) } }
}
