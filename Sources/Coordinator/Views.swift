import ControlModel
import Fleet

/// The state as the API shows it.
extension FleetState {
    func healthView() -> HealthView {
        let fine = ["ok", "unknown"]
        let healthy = fine.contains(gitlabWord) && fine.contains(engineWord) && store.trouble == nil
        return HealthView(
            status: healthy ? "healthy" : "degraded", gitlab: gitlabWord, engine: engineWord, store: store.trouble?.text ?? "ok", warnings: allWarnings)
    }

    /// Conditions that will end runners later, the omissions of polls, and stuck runners.
    var allWarnings: [String] {
        warnings
            + forges.sorted { $0.key < $1.key }.flatMap { id, forge in
                forge.remarks.prefix(5).map { "polling leaves something out: \($0)" }
                    + (forge.remarks.count > 5 ? ["polling leaves out \(forge.remarks.count - 5) more: see journalctl -u autogit"] : [])
            }
            + placesInUse.compactMap { shortage(at: $0) }.map {
                "the engine's disk has \($0.free >> 20) MiB left, less than disk_reserve (\(configuration.diskReserve >> 20) MiB): no runner is started"
            }
            + stuckRunners.map { "the runner \($0.runner.name) is stuck while it is \($0.runner.phase.rawValue): \($0.reason)" }
    }

    var gitlabWord: String { word(forgesInUse.map { ($0.name, forges[$0]?.reach.word ?? "unknown") }, always: false) }
    var engineWord: String { word(placesInUse.map { ("\($0)", places[$0]?.reach.word ?? "unknown") }, always: true) }

    /// One word when all is well, else the trouble of each that has any.
    private func word(_ words: [(name: String, word: String)], always: Bool) -> String {
        let bad = words.filter { $0.word != "ok" && $0.word != "unknown" }
        if bad.isEmpty { return words.isEmpty || words.contains { $0.word == "unknown" } ? "unknown" : "ok" }
        return bad.map { always || words.count > 1 ? "\($0.name): \($0.word)" : $0.word }.joined(separator: "; ")
    }

    /// One line on how things stand, for `systemctl status`.
    func statusLine() -> String {
        let busy = runners.values.count(where: \.isBusy)
        let pending = jobs.values.count { $0.job.status == .pending }
        var parts = [
            runners.isEmpty ? "no runners" : "\(runners.count) runner\(runners.count == 1 ? "" : "s"), \(busy) busy",
            pending == 0 ? "no job waits" : "\(pending) job\(pending == 1 ? " waits" : "s wait")",
            ["ok", "unknown"].contains(gitlabWord) ? "GitLab \(gitlabWord)" : "GitLab: \(gitlabWord.prefix(120))",
        ]
        if let trouble = store.trouble { parts.append("store: \(trouble.text.prefix(120))") }
        if engineWord != "ok", engineWord != "unknown" { parts.append(String(engineWord.prefix(120))) }
        let paused = pools.filter(\.paused).map(\.pool.name)
        if !paused.isEmpty { parts.append("paused: \(paused.joined(separator: ", "))") }
        return (parts + allWarnings).joined(separator: "; ")
    }

    func statusView(version: String, startedAt: Timestamp, counts: [String: Int]) -> StatusView {
        let (good, bad) = (counts["success"] ?? 0, counts["failed"] ?? 0)
        return StatusView(
            version: version, instance: instance, started_at: startedAt.iso8601, gitlab: gitlabWord, engine: engineWord, warnings: allWarnings,
            runners: countByStatus(runners.values), jobs: counts,
            waiting: Dictionary(waiting.map { ("\($0.key.id)", $0.value.text) }, uniquingKeysWith: { first, _ in first }),
            spawns: .init(
                count: spawns.count, failed: spawns.failed, last_seconds: spawns.last,
                mean_seconds: spawns.contacted == 0 ? nil : spawns.sum / Double(spawns.contacted)),
            success_rate: good + bad == 0 ? nil : Double(good) / Double(good + bad),
            memory_promised_bytes: promised.memory, cpus_promised: promised.cpus)
    }

    private func countByStatus(_ runners: some Sequence<Runner>) -> [String: Int] { runners.reduce(into: [:]) { $0[$1.status, default: 0] += 1 } }

    func runnerViews(at now: Timestamp) -> [RunnerView] {
        runners.values.sorted { ($0.requestedAt, $0.id) < ($1.requestedAt, $1.id) }.map { view($0, at: now) }
    }

    func view(_ runner: Runner, at now: Timestamp) -> RunnerView {
        let pool = pools.first { $0.pool.name == runner.pool }?.pool
        var view = RunnerView(
            id: runner.id, name: runner.name, status: runner.status, phase: runner.phase.rawValue, pool: runner.pool, driver: runner.driver.rawValue,
            architecture: Self.architecture, gpu_enabled: false, tags: runner.terms.tags ?? pool?.tags ?? [], jobs_done: runner.jobsDone, cpus: runner.cpus,
            memory_bytes: runner.memory, requested_at: runner.requestedAt.iso8601, last_seen: runner.lastSeen.iso8601)
        view.gitlab_id = runner.gitlabID
        view.container_id = runner.containerID
        view.current_job = runner.currentJob
        view.started_at = runner.startedAt?.iso8601
        view.contacted_at = runner.contactedAt?.iso8601
        view.idle_since = runner.idleSince?.iso8601
        if runner.status == "idle", let since = runner.idleSince, let pool { view.cooldown_left = max(0, (since + pool.cooldown - now).inSeconds) }
        view.spawn_seconds = runner.contactedAt.map { ($0 - runner.requestedAt).inSeconds }
        view.reason = runner.reason
        view.stuck = stuckReason(of: runner.id)
        return view
    }

    #if arch(arm64)
        static let architecture = "arm64"
    #else
        static let architecture = "amd64"
    #endif

    func view(_ job: Job) -> JobView {
        var view = JobView(id: job.id.id, project_id: job.projectID, status: job.status.rawValue)
        view.project = job.projectPath
        view.name = job.name
        view.stage = job.stage
        view.ref = job.ref
        view.tags = job.tags
        view.gitlab_runner_id = job.runnerID
        view.runner = job.runnerID.flatMap { owner(of: RegistrationRef(job.id.forge, $0)) }
        view.failure_reason = job.failureReason
        view.waiting_reason = waiting[job.id]?.text ?? job.waitingReason
        view.pending_at = job.pendingAt?.iso8601
        view.running_at = job.runningAt?.iso8601
        view.finished_at = job.finishedAt?.iso8601
        if let from = job.pendingAt, let to = job.runningAt { view.wait_seconds = (to - from).inSeconds }
        return view
    }

    func poolViews() -> [PoolView] {
        pools.map { state in
            var view = PoolView(
                name: state.pool.name, driver: state.pool.driver.rawValue, tags: state.pool.tags, run_untagged: state.pool.runUntagged,
                image: state.pool.driver == .container ? state.pool.image : nil, paused: state.paused, max_runners: state.pool.maxRunners,
                warm: state.pool.warm, cooldown: state.pool.cooldown.inSeconds, max_jobs: state.pool.maxJobs, cpus: state.pool.cpus,
                memory_bytes: state.pool.memory, runners: countByStatus(runners.values.filter { $0.pool == state.pool.name }),
                failures: state.failures, retry_at: state.retryAt?.iso8601, last_error: state.lastError)
            view.executor = state.pool.executor.rawValue
            view.reserved_memory_bytes = state.pool.reservedMemory
            view.requests_per_second = 1 / state.pool.requestInterval.inSeconds
            return view
        }
    }
}
