import GRDB

/// The tables, made to be read by people with sqlite3: times are ISO 8601 text, names are plain.
enum Schema {
    static let migrator: DatabaseMigrator = {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: jobs, runners, pools") { db in
            try db.execute(
                sql: """
                    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
                    INSERT INTO meta VALUES ('instance', lower(hex(randomblob(6))));
                    CREATE TABLE runners (
                        id TEXT PRIMARY KEY, name TEXT NOT NULL, pool TEXT NOT NULL, status TEXT NOT NULL,
                        phase TEXT NOT NULL, gitlab_id INTEGER, container_id TEXT, launched_for INTEGER,
                        current_job INTEGER, jobs_done INTEGER NOT NULL, cpus REAL NOT NULL,
                        memory INTEGER NOT NULL, requested_at TEXT NOT NULL, started_at TEXT,
                        contacted_at TEXT, idle_since TEXT, stopping_at TEXT, removed_at TEXT,
                        last_seen TEXT NOT NULL, reason TEXT, failed INTEGER NOT NULL);
                    CREATE INDEX runners_phase ON runners (phase);
                    CREATE TABLE runner_history (
                        seq INTEGER PRIMARY KEY, runner TEXT NOT NULL, at TEXT NOT NULL,
                        event TEXT NOT NULL, detail TEXT);
                    CREATE INDEX runner_history_runner ON runner_history (runner);
                    CREATE TABLE jobs (
                        id INTEGER PRIMARY KEY, project_id INTEGER NOT NULL, project TEXT, name TEXT,
                        stage TEXT, ref TEXT, status TEXT NOT NULL, tags TEXT, runner_id INTEGER,
                        failure_reason TEXT, first_seen TEXT NOT NULL, pending_at TEXT, running_at TEXT,
                        finished_at TEXT, waiting_reason TEXT);
                    CREATE INDEX jobs_status ON jobs (status);
                    CREATE TABLE pools (name TEXT PRIMARY KEY, paused INTEGER NOT NULL);
                    """)
        }
        migrator.registerMigration("2: drivers") { db in
            try db.execute(sql: "ALTER TABLE runners ADD COLUMN driver TEXT NOT NULL DEFAULT 'container'")
        }
        return migrator
    }()
}
