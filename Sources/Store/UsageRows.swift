import Fleet
import FoundationEssentials
import GRDB

/// Days, added up: as rows of the last month, and for the year before them.
extension SQLiteStore {
    /// As `StateStore.rollUp`.
    /// - Throws: SQLite's error.
    public func rollUp(at now: Timestamp) async throws {
        let today = UsageDay.begin(now)
        while let day = try await database.read({ try Self.firstDay($0, now: now) }), day < today {
            // A day a transaction, so that webhooks don't wait for a month.
            try await database.write { db in
                try Self.write(try Self.add(day, db, now: now), db)
                try db.execute(sql: "INSERT OR REPLACE INTO meta VALUES ('rolled_up_to', ?)", arguments: [UsageDay.end(day).iso8601])
            }
        }
        let last = String((now + Self.keptDays * -1).iso8601.prefix(10))
        try await database.write { db in
            try db.execute(sql: "DELETE FROM job_days WHERE day < :last; DELETE FROM runner_days WHERE day < :last;", arguments: ["last": last])
        }
    }

    /// How long the sums of days are kept.
    private static let keptDays = Duration.seconds(366 * 86_400)

    /// As `StateStore.days`.
    /// - Throws: SQLite's error.
    public func days(since: Timestamp, now: Timestamp) async throws -> [UsageDay] {
        try await database.read { db in
            let from = UsageDay.begin(since)
            let first = try Self.firstDay(db, now: now) ?? UsageDay.end(now)
            var days = try Self.stored(from: from, to: first, db)
            var day = max(from, first)
            while day <= now {
                let sum = try Self.add(day, db, now: now)
                if !sum.jobs.isEmpty || !sum.runners.isEmpty { days.append(sum) }
                day = UsageDay.end(day)
            }
            return days
        }
    }

    /// The first day that is not added up; nil while nothing has ever run. Not after today, for the clock may have been wrong.
    private static func firstDay(_ db: Database, now: Timestamp) throws -> Timestamp? {
        if let done = Rows.time(try String.fetchOne(db, sql: "SELECT value FROM meta WHERE key = 'rolled_up_to'")) {
            return min(done, UsageDay.begin(now))
        }
        let first = try String.fetchOne(
            db, sql: "SELECT min(at) FROM (SELECT min(running_at) AS at FROM jobs UNION ALL SELECT min(started_at) FROM runners)")
        return Rows.time(first).map(UsageDay.begin)
    }

    private static func add(_ day: Timestamp, _ db: Database, now: Timestamp) throws -> UsageDay {
        let (from, to) = (UsageDay.begin(day), UsageDay.end(day))
        // Two conditions with an index each; the second finds jobs that took days.
        let early = from + .seconds(-2 * 86_400)
        let jobs = try Row.fetchAll(
            db,
            sql: """
                SELECT jobs.*, runners.pool FROM jobs JOIN runners ON runners.gitlab = jobs.gitlab AND runners.gitlab_id = jobs.runner_id
                WHERE running_at >= :early AND running_at < :to AND (finished_at IS NULL OR finished_at >= :from)
                UNION ALL
                SELECT jobs.*, runners.pool FROM jobs JOIN runners ON runners.gitlab = jobs.gitlab AND runners.gitlab_id = jobs.runner_id
                WHERE finished_at >= :from AND finished_at < :to AND running_at < :early
                """, arguments: ["early": early.iso8601, "from": from.iso8601, "to": to.iso8601])
        let runners = try Row.fetchAll(
            db,
            sql: """
                SELECT pool, requested_at, started_at, contacted_at, removed_at, failed FROM runners
                WHERE requested_at < :to AND (removed_at IS NULL OR removed_at >= :from)
                """, arguments: ["from": from.iso8601, "to": to.iso8601])
        return UsageDay(
            of: day,
            jobs: jobs.compactMap { row in
                let job = Rows.job(row)
                guard let running = job.runningAt else { return nil }
                return DayJob(
                    kind: .init(forge: job.id.forge.name, pool: row["pool"], project: job.projectPath ?? "\(job.projectID)", tags: job.tags ?? []),
                    status: job.status, pendingAt: job.pendingAt, runningAt: running, finishedAt: job.finishedAt, usage: job.usage)
            },
            runners: runners.compactMap { row in
                guard let requested = Rows.time(row["requested_at"]) else { return nil }
                return DayRunner(
                    pool: row["pool"], requestedAt: requested, startedAt: Rows.time(row["started_at"]), contactedAt: Rows.time(row["contacted_at"]),
                    removedAt: Rows.time(row["removed_at"]), failed: row["failed"])
            }, now: now)
    }

    private static func write(_ day: UsageDay, _ db: Database) throws {
        for sum in day.jobs {
            try db.execute(
                sql: "INSERT OR REPLACE INTO job_days VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                arguments: [
                    day.date, sum.kind.forge, sum.kind.pool, sum.kind.project, Rows.encode(sum.kind.tags), sum.jobs, sum.succeeded, sum.failed,
                    sum.runSeconds, sum.measured, sum.cpuSeconds, sum.peakMemory, text(sum.waits),
                ])
        }
        for sum in day.runners {
            try db.execute(
                sql: "INSERT OR REPLACE INTO runner_days VALUES (?, ?, ?, ?, ?, ?, ?)",
                arguments: [day.date, sum.pool, sum.started, sum.failed, sum.seconds, sum.busySeconds, text(sum.spawns)])
        }
    }

    private static func stored(from: Timestamp, to: Timestamp, _ db: Database) throws -> [UsageDay] {
        let arguments: StatementArguments = [String(from.iso8601.prefix(10)), String(to.iso8601.prefix(10))]
        var days: [String: UsageDay] = [:]
        for row in try Row.fetchAll(db, sql: "SELECT * FROM job_days WHERE day >= ? AND day < ?", arguments: arguments) {
            var sum = JobDay(.init(forge: row["gitlab"], pool: row["pool"], project: row["project"], tags: Rows.decode(row["tags"]) ?? []))
            sum.jobs = row["jobs"]
            sum.succeeded = row["succeeded"]
            sum.failed = row["failed"]
            sum.runSeconds = row["run_seconds"]
            sum.measured = row["measured"]
            sum.cpuSeconds = row["cpu_seconds"]
            sum.peakMemory = row["peak_memory"]
            sum.waits = spread(row["waits"])
            days[row["day"], default: UsageDay(date: row["day"], jobs: [], runners: [])].jobs.append(sum)
        }
        for row in try Row.fetchAll(db, sql: "SELECT * FROM runner_days WHERE day >= ? AND day < ?", arguments: arguments) {
            var sum = RunnerDay(row["pool"])
            sum.started = row["started"]
            sum.failed = row["failed"]
            sum.seconds = row["seconds"]
            sum.busySeconds = row["busy_seconds"]
            sum.spawns = spread(row["spawns"])
            days[row["day"], default: UsageDay(date: row["day"], jobs: [], runners: [])].runners.append(sum)
        }
        return days.values.sorted { $0.date < $1.date }
    }

    /// `STEP:COUNT` each, with a space between.
    private static func text(_ spread: Spread) -> String {
        spread.counts.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }.joined(separator: " ")
    }

    private static func spread(_ text: String) -> Spread {
        Spread(
            Dictionary(
                text.split(separator: " ").compactMap { pair in
                    let parts = pair.split(separator: ":")
                    guard parts.count == 2, let step = Int(parts[0]), let count = Int(parts[1]) else { return nil }
                    return (step, count)
                }, uniquingKeysWith: +))
    }
}
