import ArgumentParser
import ControlModel
import FoundationEssentials

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the state of AutoGit; exit status 1 when GitLab or the engine is in trouble.")
    @OptionGroup var common: Common

    func run() async throws {
        let (status, raw) = try await common.daemon.get("/status", as: StatusView.self)
        if common.json { writeAll(raw) } else { writeAll(Self.text(status)) }
        if Self.isDegraded(status) { throw ExitCode.failure }
    }

    static func isDegraded(_ status: StatusView) -> Bool {
        let fine = ["ok", "unknown"]
        return !fine.contains(status.gitlab) || !fine.contains(status.engine)
    }

    static func text(_ status: StatusView) -> String {
        func counts(_ counts: [String: Int]) -> String {
            counts.isEmpty ? "none" : counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        }
        var lines = [
            "autogit  \(status.version), up since \(status.started_at)", "gitlab   \(printable(status.gitlab))",
            "engine   \(printable(status.engine))", "runners  \(counts(status.runners))", "jobs     \(counts(status.jobs))",
        ]
        var spawns = "spawns   \(status.spawns.count), \(status.spawns.failed) failed"
        if let mean = status.spawns.mean_seconds { spawns += "; mean time to first contact \(seconds(mean))" }
        lines.append(spawns)
        if let rate = status.success_rate { lines.append("success  \(Int((rate * 100).rounded())) % of finished jobs") }
        for warning in status.warnings ?? [] { lines.append("warning  \(printable(warning))") }
        for (job, reason) in status.waiting.sorted(by: { (Int64($0.key) ?? 0) < (Int64($1.key) ?? 0) }) {
            lines.append("waiting  job \(job): \(printable(reason))")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

struct Runners: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List live runners, or show one with its history.")
    @Argument(help: "A runner's id or name.") var runner: String?
    @OptionGroup var common: Common

    func run() async throws {
        if let runner {
            let (view, raw) = try await common.daemon.get("/runners/\(pathSegment(runner))", as: RunnerView.self)
            writeAll(common.json ? raw : Array(Self.text(view).utf8))
            return
        }
        let (views, raw) = try await common.daemon.get("/runners", as: [RunnerView].self)
        if common.json { return writeAll(raw) }
        if views.isEmpty { return writeAll("no runners\n") }
        writeAll(Self.table(views, at: Date()).text(width: terminalWidth()))
    }

    static func table(_ views: [RunnerView], at now: Date) -> Table {
        var table = Table("ID", "POOL", "STATUS", "JOB", "JOBS", "DRIVER", "AGE", "LEAVES IN")
        for view in views {
            table.add(
                view.id, view.pool, view.status, view.current_job.map { "\($0)" }, "\(view.jobs_done)", view.driver, age(view.requested_at, at: now),
                view.cooldown_left.map(seconds))
        }
        return table
    }

    static func text(_ view: RunnerView) -> String {
        var lines = [
            "\(view.name)  \(view.status)", "pool     \(view.pool), \(view.driver)", "limits   \(view.cpus) CPUs, \(view.memory_bytes >> 20) MiB",
            "runs as  \(printable(view.architecture))\(view.emulated == true ? ", emulated" : "")",
            "gitlab   \(view.gitlab_id.map { "runner \($0)" } ?? "not registered")",
        ]
        if let gpus = view.gpus, !gpus.isEmpty { lines.append("gpus     \(printable(gpus.joined(separator: ", ")))") }
        if let job = view.current_job { lines.append("job      \(job)") }
        if let reason = view.reason { lines.append("reason   \(printable(reason))") }
        if view.has_log == true { lines.append("log      kept; show it with: autogitctl logs \(printable(view.id))") }
        for event in view.history ?? [] { lines.append("\(event.at)  \(printable(event.event))\(event.detail.map { ": \(printable($0))" } ?? "")") }
        return lines.joined(separator: "\n") + "\n"
    }
}

struct Jobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the newest jobs, or show one.")
    @Argument(help: "A job's id in GitLab.") var job: Int64?
    @Flag(help: "Only jobs that are pending or running.") var active = false
    @OptionGroup var common: Common

    func run() async throws {
        if let job {
            let (view, raw) = try await common.daemon.get("/jobs/\(job)", as: JobView.self)
            return writeAll(common.json ? raw : Array(Self.table([view]).text(width: terminalWidth()).utf8))
        }
        let (views, raw) = try await common.daemon.get("/jobs", as: [JobView].self)
        if common.json, !active { return writeAll(raw) }
        let chosen = active ? views.filter { ["pending", "running", "canceling"].contains($0.status) } : views
        if common.json {
            return writeAll(try APIJSON.bytes(chosen) + Array("\n".utf8))
        }
        writeAll(chosen.isEmpty ? "no jobs\n" : Self.table(chosen).text(width: terminalWidth()))
    }

    static func table(_ views: [JobView]) -> Table {
        var table = Table("ID", "STATUS", "PROJECT", "NAME", "TAGS", "RUNNER", "WAITED", "WAITING REASON")
        for view in views {
            table.add(
                "\(view.id)", view.status, view.project ?? "\(view.project_id)", view.name, view.tags.map { $0.joined(separator: ",") }, view.runner,
                view.wait_seconds.map(seconds), view.waiting_reason)
        }
        return table
    }
}

struct Pools: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the pools with their runners and their last error, or show one.")
    @Argument(help: "A pool's name.") var pool: String?
    @OptionGroup var common: Common

    func run() async throws {
        let (views, raw) = try await common.daemon.get("/pools", as: [PoolView].self)
        if let pool {
            guard let view = views.first(where: { $0.name == pool }) else { throw Failure("there is no pool \(pool); autogitctl pools lists them", .notFound) }
            guard common.json else { return writeAll(Self.text(view, at: Date())) }
            return writeAll(try APIJSON.bytes(view) + Array("\n".utf8))
        }
        writeAll(common.json ? raw : Array(Self.table(views).text(width: terminalWidth()).utf8))
    }

    static func table(_ views: [PoolView], at now: Date = Date()) -> Table {
        // Most have none.
        let hasSchedules = views.contains { $0.schedule != nil || $0.schedule_until != nil }
        var table = Table(
            ["NAME", "DRIVER", "EXECUTOR", "TAGS", "STATE", "RUNNERS", "WARM", "COOLDOWN", "REQUESTS"] + (hasSchedules ? ["SCHEDULE"] : []) + ["LAST ERROR"])
        for view in views {
            let tags = (view.tags + (view.run_untagged ? ["(untagged)"] : [])).joined(separator: ",")
            let state = view.pull.map(Self.progress) ?? (view.paused ? "paused" : view.failures > 0 ? "\(view.failures) failed starts" : "ok")
            let cells = [
                view.name, view.driver, view.executor, tags, state, "\(view.runners.values.reduce(0, +))/\(view.max_runners)", "\(view.warm)",
                seconds(view.cooldown), requests(view),
            ]
            table.add(cells + (hasSchedules ? [schedule(view, at: now)] : []) + [view.failures > 0 ? view.last_error : nil])
        }
        return table
    }
}

extension Pools {
    static func text(_ view: PoolView, at now: Date) -> String {
        let runners = view.runners.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        var lines = [
            "\(view.name)  \(view.pull.map(progress) ?? (view.paused ? "paused" : view.failures > 0 ? "\(view.failures) failed starts" : "ok"))",
            "tags      " + (view.tags + (view.run_untagged ? ["(untagged)"] : [])).joined(separator: ", "),
            "runs      \(view.executor.map { "jobs with \($0), " } ?? "")runners as \(view.driver)",
            "limits    \(view.cpus) CPUs, \(view.memory_bytes == 0 ? "any memory" : "\(view.memory_bytes >> 20) MiB")",
            "runners   \(view.runners.values.reduce(0, +)) of \(view.max_runners)\(runners.isEmpty ? "" : ": \(runners)")",
            "warm      \(view.warm)\(view.warm_reason.map { ": \($0)" } ?? ""); others go after \(seconds(view.cooldown))",
        ]
        if let schedule = schedule(view, at: now) { lines.append("schedule  \(schedule)") }
        if let error = view.last_error { lines.append("error     \(error)\(view.failures > 0 ? "" : " (a later start worked)")") }
        return lines.map(printable).joined(separator: "\n") + "\n"
    }

    /// The schedule that is in force, and for how long; where none is, in how long one begins.
    private static func schedule(_ view: PoolView, at now: Date) -> String? {
        let left = view.schedule_until.flatMap { timeLeft(until: $0, at: now) }
        guard let schedule = view.schedule else { return left.map { "none, next in \($0)" } }
        return left.map { "\(schedule), \($0) left" } ?? schedule
    }

    static func progress(_ pull: PullView) -> String {
        pull.total_bytes.map { "pulling, \(pull.received_bytes >> 20) of \($0 >> 20) MiB" } ?? "pulling"
    }
}

/// What a pool's idle runners ask of GitLab now, and what one does.
private func requests(_ view: PoolView) -> String? {
    guard let each = view.requests_per_second else { return nil }
    let idle = Double(view.runners["idle"] ?? 0)
    func text(_ number: Double) -> String { number == number.rounded() ? "\(Int(number))" : "\((number * 100).rounded() / 100)" }
    return "\(text(idle * each))/s (\(text(each)) each)"
}

/// A length of time for people.
func seconds(_ value: Double) -> String {
    let total = Int(value.rounded())
    if value < 10 { return "\((value * 10).rounded() / 10)s" }
    if total < 120 { return "\(total)s" }
    if total < 7200 { return "\(total / 60)m" }
    return total < 172_800 ? "\(total / 3600)h" : "\(total / 86_400)d"
}

/// The time until an ISO 8601 time; nil when it can't be parsed.
func timeLeft(until text: String, at now: Date) -> String? {
    let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    return (try? Date(text, strategy: style)).map { seconds(max(0, $0.timeIntervalSince(now))) }
}

/// The time since an ISO 8601 time; nil when it can't be parsed.
func age(_ text: String, at now: Date) -> String? {
    let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    return (try? Date(text, strategy: style)).map { seconds(max(0, now.timeIntervalSince($0))) }
}
