import Fleet
import FoundationEssentials
import GRDB

/// Kept logs are rows of the database, not files beside it: a row and what makes room for it are one transaction, with the durability, the
/// copy and the VACUUM that the rest has.
extension SQLiteStore {
    /// As `StateStore.keep`. It shares no transaction with other changes.
    /// - Throws: SQLite's error, such as of a full disk, or zlib's; then everything is as it was.
    public func keep(_ log: KeptLog) async throws { try await keep(log, mostLogs: KeptLog.mostLogs, mostBytes: KeptLog.mostStoredBytes) }

    func keep(_ log: KeptLog, mostLogs: Int, mostBytes: Int) async throws {
        let gzip = try Gzip.compressed(log.output)
        try await database.write { db in
            try db.execute(
                sql: "INSERT OR REPLACE INTO runner_logs (runner, at, bytes, gzip) VALUES (?, ?, ?, ?)",
                arguments: [log.runner, log.at.iso8601, log.output.count, Data(gzip)])
            // By the order in which they came, which a clock that was set does not change.
            try db.execute(
                sql: """
                    DELETE FROM runner_logs WHERE seq IN (
                        SELECT seq FROM (
                            SELECT seq, row_number() OVER newest AS count, sum(length(gzip)) OVER newest AS size FROM runner_logs
                            WINDOW newest AS (ORDER BY seq DESC))
                        WHERE count > ? OR size > ?)
                    """, arguments: [mostLogs, mostBytes])
        }
    }

    /// As `StateStore.keptLog`.
    /// - Throws: SQLite's error, or zlib's when the row is damaged.
    public func keptLog(of runner: RunnerID) async throws -> KeptLog? {
        let found = try await database.read { db in
            try Row.fetchOne(db, sql: "SELECT at, gzip FROM runner_logs WHERE runner = ?", arguments: [runner])
                .map { row -> (Timestamp?, [UInt8]) in (Rows.time(row["at"]), Array(row["gzip"] as Data)) }
        }
        // What is masked already comes out the same.
        return try found.map { KeptLog(runner: runner, at: $0 ?? Timestamp(milliseconds: 0), output: try Gzip.decompressed($1, most: KeptLog.mostBytes)) }
    }

    /// As `StateStore.keptLogs`.
    /// - Throws: SQLite's error.
    public func keptLogs(of runner: RunnerID?) async throws -> [KeptLog.Entry] {
        try await database.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT l.runner, l.at, l.bytes, r.pool, r.reason FROM runner_logs l LEFT JOIN runners r ON r.id = l.runner
                    WHERE :runner IS NULL OR l.runner = :runner ORDER BY l.seq DESC
                    """, arguments: ["runner": runner]
            ).map { row in
                KeptLog.Entry(
                    runner: row["runner"], at: Rows.time(row["at"]) ?? Timestamp(milliseconds: 0), bytes: row["bytes"], pool: row["pool"],
                    reason: row["reason"])
            }
        }
    }
}
