import Fleet
import GRDB
import Glibc

/// The state in SQLite: WAL, synchronous=FULL, so what was saved survives a power cut.
public final class SQLiteStore: StateStore {
    /// The database can't be used; with the way out.
    public struct Unusable: Error, CustomStringConvertible {
        /// The file, the trouble with it, and the remedy.
        public var description: String
    }

    /// The version of the database before this start changed it; nil where it was new, or needed no change.
    public let upgradedFrom: Int?
    let database: DatabaseQueue
    private let queue: WriteQueue

    /// Opens or makes the database.
    /// - Parameters:
    ///   - gitlab: the name of the GitLab whose jobs and runners were written before GitLabs had names.
    ///   - wrote: told how long each write of changes took, whether it worked or not.
    /// - Throws: `Unusable` when the file can't be opened or is no database of ours. Nothing is overwritten.
    public init(path: String, gitlab: String = ForgeID.default.name, wrote: (@Sendable (Duration) -> Void)? = nil) throws {
        var configuration = GRDB.Configuration()
        configuration.journalMode = .wal
        configuration.busyMode = .timeout(5)
        configuration.label = "autogit.store"
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA synchronous = FULL; PRAGMA cache_size = -512;")
        }
        do {
            let database = try DatabaseQueue(path: path, configuration: configuration)
            let migrator = Schema.migrator(gitlab: gitlab)
            let applied = try database.read { try migrator.appliedIdentifiers($0).count }
            upgradedFrom = applied == 0 || applied >= migrator.migrations.count ? nil : applied
            try Self.keepCopy(of: database, at: path, before: migrator)
            try migrator.migrate(database)
            self.database = database
            queue = WriteQueue { changes in
                let began = ContinuousClock.now
                defer { wrote?(ContinuousClock.now - began) }
                try await database.write { db in
                    for change in changes { try Rows.write(change, db) }
                }
            }
        } catch {
            throw Unusable(
                description: "the database \(path) cannot be used: \(error). It was left as it is; move it away to start afresh.")
        }
    }

    /// Before an older database is changed, a copy of it stays beside it as `autogit.db.before-VERSION`.
    private static func keepCopy(of database: DatabaseQueue, at path: String, before migrator: DatabaseMigrator) throws {
        let applied = try database.read { try migrator.appliedIdentifiers($0) }
        guard !applied.isEmpty, let next = migrator.migrations.first(where: { !applied.contains($0) }) else { return }
        let copy = "\(path).before-\(next.prefix { $0 != ":" })"
        // A copy that is there is from an upgrade that was cut short after it. One that was cut short itself has another name.
        if access(copy, F_OK) == 0 { return }
        let part = "\(copy).part"
        unlink(part)
        try database.writeWithoutTransaction { try $0.execute(sql: "VACUUM INTO ?", arguments: [part]) }
        guard rename(part, copy) == 0 else { throw Unusable(description: "\(copy) cannot be made: \(String(cString: strerror(errno)))") }
    }

    // MARK: Writing

    /// As `StateStore.enqueue`: returns at once.
    public func enqueue(_ changes: [Change]) { queue.enqueue(changes) }
    /// As `StateStore.flush`.
    /// - Throws: SQLite's error, such as of a full disk; the changes are kept for the next write.
    public func flush() async throws { try await queue.flush() }

    /// Deletes jobs that were over before a time, jobs first seen before it that are neither active nor over, and runners that were removed before
    /// it, with their history, and logs kept before it; then gives the space back. Active jobs and live runners stay, whatever their age.
    /// - Throws: SQLite's error.
    public func forget(before time: Timestamp) async throws {
        try await database.write { db in
            try db.execute(
                sql: """
                    DELETE FROM runner_history WHERE runner IN (SELECT id FROM runners WHERE phase = 'removed' AND removed_at < :time);
                    DELETE FROM runners WHERE phase = 'removed' AND removed_at < :time;
                    DELETE FROM runner_logs WHERE at < :time;
                    DELETE FROM jobs WHERE status IN ('success', 'failed', 'canceled') AND coalesce(finished_at, first_seen) < :time;
                    DELETE FROM jobs WHERE status NOT IN ('success', 'failed', 'canceled', 'pending', 'running', 'canceling')
                        AND first_seen < :time;
                    """, arguments: ["time": time.iso8601])
        }
        try await database.vacuum()
    }

    // MARK: Reading

    /// As `StateStore.load`; of the jobs that are over, the newest 20,000.
    /// - Throws: SQLite's error.
    public func load() async throws -> Memory {
        try await database.read { db in
            let instance = try String.fetchOne(db, sql: "SELECT value FROM meta WHERE key = 'instance'") ?? ""
            let jobs = try Row.fetchAll(
                db, sql: "SELECT * FROM jobs WHERE status IN ('pending', 'running', 'canceling')")
            let runners = try Row.fetchAll(db, sql: "SELECT * FROM runners WHERE phase != 'removed'")
            // One that GitLab did not know any more may be seen alive again.
            let finished = try Row.fetchAll(
                db,
                sql: """
                    SELECT gitlab, id, created_at FROM jobs
                    WHERE status IN ('success', 'failed', 'canceled') AND coalesce(failure_reason, '') != ?
                    ORDER BY coalesce(finished_at, first_seen) DESC LIMIT 20000
                    """, arguments: [Job.goneReason])
            let paused = try String.fetchAll(db, sql: "SELECT name FROM pools WHERE paused")
            return Memory(
                instance: instance, jobs: jobs.map(Rows.job), runners: runners.map(Rows.runner),
                finishedJobs: finished.reversed().map { (JobRef(ForgeID($0["gitlab"]), $0["id"]), Rows.time($0["created_at"])) },
                pausedPools: Set(paused),
                drainedHosts: Set(try String.fetchAll(db, sql: "SELECT name FROM hosts WHERE drained").map { HostID($0) }),
                engines: Dictionary(
                    uniqueKeysWithValues: try Row.fetchAll(db, sql: "SELECT name, engine FROM hosts WHERE engine IS NOT NULL").map {
                        (HostID($0["name"]), $0["engine"])
                    }),
                images: try Row.fetchAll(db, sql: "SELECT * FROM images").map {
                    ImageUse(host: HostID($0["host"]), image: $0["image"], at: Rows.time($0["last_used"]) ?? Timestamp(milliseconds: 0))
                })
        }
    }

    /// The lines of a runner's history, the oldest first; none for a runner that is unknown or was forgotten.
    /// - Throws: SQLite's error.
    public func history(of runner: RunnerID) async throws -> [HistoryEntry] {
        try await database.read { db in
            try Row.fetchAll(db, sql: "SELECT * FROM runner_history WHERE runner = ? ORDER BY seq", arguments: [runner])
                .map { row in
                    HistoryEntry(
                        runner: row["runner"], at: Rows.time(row["at"]) ?? Timestamp(milliseconds: 0),
                        event: row["event"], detail: row["detail"])
                }
        }
    }

    /// The jobs that were first seen last, the newest first.
    /// - Throws: SQLite's error.
    public func recentJobs(limit: Int) async throws -> [Job] {
        try await database.read { db in
            try Row.fetchAll(db, sql: "SELECT * FROM jobs ORDER BY first_seen DESC, id DESC LIMIT ?", arguments: [limit]).map(Rows.job)
        }
    }

    /// As `StateStore.endedJobs`.
    /// - Throws: SQLite's error.
    public func endedJobs(limit: Int) async throws -> [Job] {
        try await database.read { db in
            // The index of ends has no rows to sort. A job that runs has no end.
            try Row.fetchAll(db, sql: "SELECT * FROM jobs WHERE finished_at IS NOT NULL ORDER BY finished_at DESC, id DESC LIMIT ?", arguments: [limit])
                .map(Rows.job)
        }
    }

    /// - Returns: nil when no such job was ever seen, or it was forgotten.
    /// - Throws: SQLite's error.
    public func job(_ id: JobRef) async throws -> Job? {
        try await database.read { db in
            try Row.fetchOne(db, sql: "SELECT * FROM jobs WHERE gitlab = ? AND id = ?", arguments: [id.forge.name, id.id]).map(Rows.job)
        }
    }

    /// - Returns: a live or removed runner; nil when there was no such runner, or it was forgotten.
    /// - Throws: SQLite's error.
    public func runner(_ id: RunnerID) async throws -> Runner? {
        try await database.read { db in
            try Row.fetchOne(db, sql: "SELECT * FROM runners WHERE id = ?", arguments: [id]).map(Rows.runner)
        }
    }

    /// The number of jobs by status; a status without jobs is absent.
    /// - Throws: SQLite's error.
    public func jobCounts() async throws -> [String: Int] {
        try await database.read { db in
            let rows = try Row.fetchAll(db, sql: "SELECT status, count(*) AS n FROM jobs GROUP BY status")
            return Dictionary(uniqueKeysWithValues: rows.map { ($0["status"], $0["n"]) })
        }
    }
}
