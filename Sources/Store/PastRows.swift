import Fleet
import GRDB

/// Looking back.
extension SQLiteStore {
    /// As `StateStore.usages`.
    /// - Throws: SQLite's error.
    public func usages(like job: Job, limit: Int) async throws -> [JobUsage] {
        guard let name = job.name else { return [] }
        return try await database.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT cpu_seconds, peak_memory, memory_kills, measured_seconds, memory_limit FROM jobs
                    WHERE gitlab = ? AND project_id = ? AND name = ? AND peak_memory IS NOT NULL ORDER BY finished_at DESC LIMIT ?
                    """, arguments: [job.id.forge.name, job.projectID, name, limit]
            ).compactMap(Rows.usage)
        }
    }

    /// As `StateStore.arrivals`.
    /// - Throws: SQLite's error.
    public func arrivals(since: Timestamp) async throws -> [String: [Timestamp]] {
        try await database.read { db in
            // SQLite reads the times: with a hundred thousand jobs this would hold up webhooks otherwise.
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT runners.pool, CAST(strftime('%s', coalesce(jobs.pending_at, jobs.running_at)) AS INTEGER) AS at
                    FROM jobs JOIN runners ON runners.gitlab = jobs.gitlab AND runners.gitlab_id = jobs.runner_id WHERE jobs.running_at >= ?
                    """, arguments: [since.iso8601])
            var arrivals: [String: [Timestamp]] = [:]
            while let row = try rows.next() {
                if let seconds = row["at"] as Int64? { arrivals[row["pool"], default: []].append(Timestamp(milliseconds: seconds * 1000)) }
            }
            return arrivals
        }
    }

    /// As `StateStore.past`.
    /// - Throws: SQLite's error.
    public func past(since time: Timestamp, failures: Int) async throws -> Past {
        try await database.read { db in
            let since = time.iso8601
            // Row by row: a whole day of a busy home is tens of thousands, and each row that is kept is a copy of a kilobyte.
            let runs = try Row.fetchCursor(
                db,
                // Two conditions with an index each.
                sql: """
                    SELECT pending_at, running_at, finished_at, status FROM jobs WHERE running_at >= :since
                    UNION ALL
                    SELECT pending_at, running_at, finished_at, status FROM jobs WHERE finished_at >= :since AND coalesce(running_at, '') < :since
                    """, arguments: ["since": since])
            let starts = try Row.fetchCursor(db, sql: "SELECT requested_at, contacted_at FROM runners WHERE contacted_at >= ?", arguments: [since])
            let failed = try Row.fetchAll(
                db, sql: "SELECT * FROM runners WHERE failed AND removed_at IS NOT NULL ORDER BY removed_at DESC LIMIT ?", arguments: [failures])
            return try Past(
                runs: Array(
                    runs.map {
                        Past.Run(
                            pendingAt: Rows.time($0["pending_at"]), runningAt: Rows.time($0["running_at"]), finishedAt: Rows.time($0["finished_at"]),
                            status: JobStatus(rawValue: $0["status"]))
                    }),
                starts: Array(
                    starts.compactMap { row in
                        guard let from = Rows.time(row["requested_at"]), let to = Rows.time(row["contacted_at"]) else { return nil }
                        return Past.Start(requestedAt: from, contactedAt: to)
                    }), failures: failed.map(Rows.runner))
        }
    }
}
