import GRDB

/// The tables, made to be read by people with sqlite3: times are ISO 8601 text, names are plain.
enum Schema {
    /// - Parameter gitlab: the name of the GitLab that rows belong to which were written before GitLabs had names.
    static func migrator(gitlab: String) -> DatabaseMigrator {
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
        migrator.registerMigration("3: GitLabs, hosts, creation times") { db in
            try db.execute(
                sql: """
                    ALTER TABLE runners ADD COLUMN gitlab TEXT NOT NULL DEFAULT '';
                    ALTER TABLE runners ADD COLUMN host TEXT NOT NULL DEFAULT 'local';
                    ALTER TABLE runners ADD COLUMN start_timeout_ms INTEGER NOT NULL DEFAULT 120000;
                    ALTER TABLE runners ADD COLUMN stop_timeout_ms INTEGER NOT NULL DEFAULT 3600000;
                    ALTER TABLE runners ADD COLUMN stop_signal TEXT NOT NULL DEFAULT 'SIGQUIT';
                    ALTER TABLE runners ADD COLUMN max_jobs INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE runners ADD COLUMN tags TEXT;
                    ALTER TABLE runners ADD COLUMN run_untagged INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE jobs RENAME TO jobs_before_3;
                    DROP INDEX jobs_status;
                    CREATE TABLE jobs (
                        gitlab TEXT NOT NULL, id INTEGER NOT NULL, project_id INTEGER NOT NULL, project TEXT, name TEXT,
                        stage TEXT, ref TEXT, status TEXT NOT NULL, tags TEXT, runner_id INTEGER,
                        failure_reason TEXT, created_at TEXT, first_seen TEXT NOT NULL, pending_at TEXT, running_at TEXT,
                        finished_at TEXT, waiting_reason TEXT, PRIMARY KEY (gitlab, id));
                    CREATE INDEX jobs_status ON jobs (status);
                    CREATE INDEX jobs_first_seen ON jobs (first_seen);
                    """)
            try db.execute(sql: "UPDATE runners SET gitlab = ?", arguments: [gitlab])
            let columns =
                "id, project_id, project, name, stage, ref, status, tags, runner_id, failure_reason, first_seen, pending_at, running_at, finished_at, waiting_reason"
            try db.execute(sql: "INSERT INTO jobs (gitlab, \(columns)) SELECT ?, \(columns) FROM jobs_before_3", arguments: [gitlab])
            try db.execute(sql: "DROP TABLE jobs_before_3")
        }
        migrator.registerMigration("4: executors") { db in
            try db.execute(
                sql: """
                    ALTER TABLE runners ADD COLUMN executor TEXT NOT NULL DEFAULT 'shell';
                    ALTER TABLE runners ADD COLUMN memory_limit INTEGER;
                    ALTER TABLE runners ADD COLUMN short_token TEXT;
                    """)
        }
        migrator.registerMigration("5: images") { db in
            try db.execute(
                sql: "CREATE TABLE images (host TEXT NOT NULL, image TEXT NOT NULL, last_used TEXT NOT NULL, PRIMARY KEY (host, image)) WITHOUT ROWID;")
        }
        migrator.registerMigration("6: kept logs") { db in
            // sqlite3 autogit.db "SELECT writefile('log.gz', gzip) FROM runner_logs WHERE runner = 'ID'"; zcat log.gz
            try db.execute(
                sql: """
                    CREATE TABLE runner_logs (
                        seq INTEGER PRIMARY KEY, runner TEXT NOT NULL UNIQUE, at TEXT NOT NULL, bytes INTEGER NOT NULL, gzip BLOB NOT NULL)
                    """)
        }
        migrator.registerMigration("7: architectures and GPUs") { db in
            try db.execute(
                sql: """
                    ALTER TABLE runners ADD COLUMN architecture TEXT;
                    ALTER TABLE runners ADD COLUMN emulated INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE runners ADD COLUMN gpu TEXT;
                    ALTER TABLE runners ADD COLUMN gpus TEXT NOT NULL DEFAULT '[]';
                    ALTER TABLE runners ADD COLUMN gpu_share INTEGER NOT NULL DEFAULT 1;
                    """)
        }
        migrator.registerMigration("8: looking back") { db in
            try db.execute(
                sql: """
                    CREATE INDEX jobs_running_at ON jobs (running_at);
                    CREATE INDEX jobs_finished_at ON jobs (finished_at);
                    CREATE INDEX runners_contacted_at ON runners (contacted_at);
                    CREATE INDEX runners_failed ON runners (removed_at) WHERE failed;
                    """)
        }
        migrator.registerMigration("9: what jobs used, and days") { db in
            try db.execute(
                sql: """
                    ALTER TABLE jobs ADD COLUMN cpu_seconds REAL;
                    ALTER TABLE jobs ADD COLUMN peak_memory INTEGER;
                    ALTER TABLE jobs ADD COLUMN memory_kills INTEGER;
                    ALTER TABLE jobs ADD COLUMN measured_seconds REAL;
                    ALTER TABLE jobs ADD COLUMN memory_limit INTEGER;
                    CREATE INDEX jobs_of_a_name ON jobs (gitlab, project_id, name, finished_at) WHERE peak_memory IS NOT NULL;
                    CREATE INDEX runners_gitlab_id ON runners (gitlab, gitlab_id);
                    CREATE TABLE job_days (
                        day TEXT NOT NULL, gitlab TEXT NOT NULL, pool TEXT NOT NULL, project TEXT NOT NULL, tags TEXT NOT NULL, jobs INTEGER NOT NULL,
                        succeeded INTEGER NOT NULL, failed INTEGER NOT NULL, run_seconds REAL NOT NULL, measured INTEGER NOT NULL,
                        cpu_seconds REAL NOT NULL, peak_memory INTEGER NOT NULL, waits TEXT NOT NULL,
                        PRIMARY KEY (day, gitlab, pool, project, tags)) WITHOUT ROWID;
                    CREATE TABLE runner_days (
                        day TEXT NOT NULL, pool TEXT NOT NULL, started INTEGER NOT NULL, failed INTEGER NOT NULL, seconds REAL NOT NULL,
                        busy_seconds REAL NOT NULL, spawns TEXT NOT NULL, PRIMARY KEY (day, pool)) WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("10: hosts") { db in
            try db.execute(
                sql: """
                    CREATE TABLE hosts (name TEXT PRIMARY KEY, drained INTEGER NOT NULL DEFAULT 0, engine TEXT) WITHOUT ROWID;
                    ALTER TABLE runners ADD COLUMN resources TEXT NOT NULL DEFAULT '{}';
                    """)
        }
        return migrator
    }
}
