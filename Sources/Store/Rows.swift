import Fleet
import FoundationEssentials
import GRDB

/// Values to rows and back.
enum Rows {
    static func write(_ change: Change, _ db: Database) throws {
        switch change {
        case .job(let job):
            try statement(
                db,
                """
                INSERT OR REPLACE INTO jobs (gitlab, id, project_id, project, name, stage, ref, status, tags, runner_id,
                failure_reason, created_at, first_seen, pending_at, running_at, finished_at, waiting_reason, cpu_seconds, peak_memory, memory_kills,
                measured_seconds, memory_limit)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    job.id.forge.name, job.id.id, job.projectID, job.projectPath, job.name, job.stage, job.ref, job.status.rawValue,
                    job.tags.map(encode), job.runnerID, job.failureReason, job.createdAt?.iso8601, job.firstSeen.iso8601,
                    job.pendingAt?.iso8601, job.runningAt?.iso8601, job.finishedAt?.iso8601, job.waitingReason, job.usage?.cpuSeconds,
                    job.usage?.peakMemory, job.usage?.memoryKills, job.usage?.measuredSeconds, job.usage?.memoryLimit,
                ])
        case .runner(let runner):
            try statement(
                db,
                """
                INSERT OR REPLACE INTO runners (id, name, pool, driver, status, phase, gitlab_id, container_id, launched_for,
                current_job, jobs_done, cpus, memory, requested_at, started_at, contacted_at, idle_since,
                stopping_at, removed_at, last_seen, reason, failed, gitlab, host, start_timeout_ms, stop_timeout_ms, stop_signal, max_jobs, tags, run_untagged,
                executor, memory_limit, short_token, architecture, emulated, gpu, gpus, gpu_share, resources)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    runner.id, runner.name, runner.pool, runner.driver.rawValue, runner.status, runner.phase.rawValue, runner.gitlabID,
                    runner.containerID, runner.launchedFor, runner.currentJob, runner.jobsDone, runner.cpus,
                    runner.memory, runner.requestedAt.iso8601, runner.startedAt?.iso8601,
                    runner.contactedAt?.iso8601, runner.idleSince?.iso8601, runner.stoppingAt?.iso8601,
                    runner.removedAt?.iso8601, runner.lastSeen.iso8601, runner.reason, runner.failed, runner.forge.name, runner.place.host.name,
                    runner.terms.startTimeout.milliseconds, runner.terms.stopTimeout.milliseconds, runner.terms.stopSignal, runner.terms.maxJobs,
                    runner.terms.tags.map(encode), runner.terms.runUntagged, runner.terms.executor.rawValue, runner.terms.memoryLimit, runner.shortToken,
                    runner.equipment.architecture?.rawValue, runner.equipment.isEmulated, runner.equipment.vendor?.rawValue,
                    encode(runner.equipment.gpus), runner.equipment.share, encode(runner.equipment.resources),
                ])
        case .history(let entry):
            try statement(
                db, "INSERT INTO runner_history (runner, at, event, detail) VALUES (?, ?, ?, ?)",
                [entry.runner, entry.at.iso8601, entry.event, entry.detail])
        case .pool(let name, let paused):
            try statement(db, "INSERT OR REPLACE INTO pools (name, paused) VALUES (?, ?)", [name, paused])
        case .host(let name, let drained):
            try statement(
                db, "INSERT INTO hosts (name, drained) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET drained = excluded.drained", [name, drained])
        case .engine(let host, let address):
            try statement(
                db, "INSERT INTO hosts (name, engine) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET engine = excluded.engine", [host, address])
        case .image(let use):
            try statement(db, "INSERT OR REPLACE INTO images (host, image, last_used) VALUES (?, ?, ?)", [use.host.name, use.image, use.at.iso8601])
        case .imageGone(let host, let image):
            try statement(db, "DELETE FROM images WHERE host = ? AND image = ?", [host.name, image])
        }
    }

    private static func statement(_ db: Database, _ sql: String, _ values: StatementArguments) throws {
        try db.cachedStatement(sql: sql).execute(arguments: values)
    }

    static func job(_ row: Row) -> Job {
        let seen = JobObservation(
            id: row["id"], projectID: row["project_id"], projectPath: row["project"], name: row["name"],
            stage: row["stage"], ref: row["ref"], status: JobStatus(rawValue: row["status"]),
            tags: (row["tags"] as String?).flatMap(decode), runnerID: row["runner_id"],
            failureReason: row["failure_reason"], createdAt: time(row["created_at"]))
        var job = Job(seen, of: ForgeID(row["gitlab"]), at: time(row["first_seen"]) ?? Timestamp(milliseconds: 0))
        job.pendingAt = time(row["pending_at"])
        job.runningAt = time(row["running_at"])
        job.finishedAt = time(row["finished_at"])
        job.waitingReason = row["waiting_reason"]
        job.usage = usage(row)
        return job
    }

    /// nil where the job was not measured.
    static func usage(_ row: Row) -> JobUsage? {
        guard let memory = row["peak_memory"] as Int64? else { return nil }
        return JobUsage(
            cpuSeconds: row["cpu_seconds"] ?? 0, peakMemory: memory, memoryKills: row["memory_kills"], measuredSeconds: row["measured_seconds"] ?? 0,
            memoryLimit: row["memory_limit"])
    }

    static func runner(_ row: Row) -> Runner {
        var runner = Runner(
            id: row["id"], pool: row["pool"], forge: ForgeID(row["gitlab"]),
            place: Place(HostID(row["host"]), DriverKind(rawValue: row["driver"]) ?? .container),
            terms: .init(
                startTimeout: .milliseconds(row["start_timeout_ms"] as Int64), stopTimeout: .milliseconds(row["stop_timeout_ms"] as Int64),
                stopSignal: row["stop_signal"], maxJobs: row["max_jobs"], tags: (row["tags"] as String?).flatMap(decode), runUntagged: row["run_untagged"],
                executor: Executor(rawValue: row["executor"]) ?? .shell, memoryLimit: row["memory_limit"]),
            phase: Runner.Phase(rawValue: row["phase"]) ?? .ended,
            cpus: row["cpus"], memory: row["memory"],
            requestedAt: time(row["requested_at"]) ?? Timestamp(milliseconds: 0))
        runner.equipment = Equipment(
            architecture: (row["architecture"] as String?).flatMap(Architecture.init(rawValue:)), isEmulated: row["emulated"],
            vendor: (row["gpu"] as String?).flatMap(GPUVendor.init(rawValue:)), gpus: decode(row["gpus"]) ?? [], share: row["gpu_share"],
            resources: decode(row["resources"]) ?? [:])
        runner.gitlabID = row["gitlab_id"]
        runner.shortToken = row["short_token"]
        runner.containerID = row["container_id"]
        runner.launchedFor = row["launched_for"]
        runner.currentJob = row["current_job"]
        runner.jobsDone = row["jobs_done"]
        runner.startedAt = time(row["started_at"])
        runner.contactedAt = time(row["contacted_at"])
        runner.idleSince = time(row["idle_since"])
        runner.stoppingAt = time(row["stopping_at"])
        runner.removedAt = time(row["removed_at"])
        runner.lastSeen = time(row["last_seen"]) ?? runner.requestedAt
        runner.reason = row["reason"]
        runner.failed = row["failed"]
        return runner
    }

    static func time(_ text: String?) -> Timestamp? { text.flatMap { Timestamp(iso8601: $0) } }

    /// A JSON array, because a tag may hold any character.
    static func encode(_ value: some Encodable) -> String {
        // Names and numbers: they always can be.
        (try? JSONEncoder().encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
    }

    static func decode<T: Decodable>(_ text: String) -> T? { try? JSONDecoder().decode(T.self, from: Data(text.utf8)) }
}
