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
            + placesInUse.compactMap { place in shortage(at: place).map { (place.host, $0) } }.map { host, space in
                let reserve = configuration.diskReserve(of: host) >> 20
                return "the engine's disk\(host == .local ? "" : " of \(host)") has \(space.free >> 20) MiB left, less than disk_reserve (\(reserve) MiB): "
                    + "no runner is started"
            }
            + hosts.sorted { $0.key < $1.key }.flatMap { host in
                host.value.lost.values.map { "the GPU \($0.gpu.name) (\($0.gpu.id)) is not there any more: see journalctl -k" }.sorted()
            }
            + (hosts.values.contains { $0.facts?.lacksMemoryController == true } && pools.contains { $0.pool.limitsMemory }
                ? [HostFacts.noMemoryController] : [])
            + stuckRunners.map { "the runner \($0.runner.name) is stuck while it is \($0.runner.phase.rawValue): \($0.reason)" }
    }

    var gitlabWord: String { word(forgesInUse.map { ($0.name, forges[$0]?.reach.word ?? "unknown") }, always: false) }
    var engineWord: String { word(placesInUse.filter { !isExpectedAway($0) }.map { ("\($0)", places[$0]?.reach.word ?? "unknown") }, always: true) }

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
            version: version, instance: instance, started_at: shownTimes.text(startedAt), gitlab: gitlabWord, engine: engineWord, warnings: allWarnings,
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
            architecture: runner.equipment.architecture?.rawValue ?? hosts[runner.place.host]?.facts?.architecture?.rawValue ?? "unknown",
            gpu_enabled: !runner.equipment.gpus.isEmpty, tags: runner.terms.tags ?? pool?.tags ?? [], jobs_done: runner.jobsDone, cpus: runner.cpus,
            memory_bytes: runner.memory, requested_at: shownTimes.text(runner.requestedAt), last_seen: shownTimes.text(runner.lastSeen))
        view.host = runner.place.host.name
        view.emulated = runner.equipment.isEmulated
        view.gpus = runner.equipment.gpus
        view.gitlab_id = runner.gitlabID
        view.container_id = runner.containerID
        view.current_job = runner.currentJob
        view.started_at = runner.startedAt.map(shownTimes.text)
        view.contacted_at = runner.contactedAt.map(shownTimes.text)
        view.idle_since = runner.idleSince.map(shownTimes.text)
        if runner.status == "idle", let since = runner.idleSince, let pool {
            view.cooldown_left = max(0, (since + targets(of: pool, at: now).cooldown - now).inSeconds)
        }
        view.spawn_seconds = runner.contactedAt.map { ($0 - runner.requestedAt).inSeconds }
        view.reason = runner.reason
        view.stuck = stuckReason(of: runner.id)
        return view
    }

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
        view.waiting_code = waiting[job.id]?.code
        view.pending_at = job.pendingAt.map(shownTimes.text)
        view.running_at = job.runningAt.map(shownTimes.text)
        view.finished_at = job.finishedAt.map(shownTimes.text)
        if let from = job.pendingAt, let to = job.runningAt { view.wait_seconds = (to - from).inSeconds }
        view.usage = usage(of: job).map {
            .init(
                cpu_seconds: $0.cpuSeconds, peak_memory_bytes: $0.peakMemory, memory_limit_bytes: $0.memoryLimit, memory_kills: $0.memoryKills,
                measured_seconds: $0.measuredSeconds)
        }
        return view
    }

    func poolViews(at now: Timestamp) -> [PoolView] {
        pools.map { state in
            let target = targets(of: state.pool, at: now)
            var view = PoolView(
                name: state.pool.name, driver: state.pool.driver.rawValue, tags: state.pool.tags, run_untagged: state.pool.runUntagged,
                image: state.pool.driver == .container ? state.pool.image : nil, paused: state.paused, max_runners: target.maxRunners,
                warm: target.warm, cooldown: target.cooldown.inSeconds, max_jobs: state.pool.maxJobs, cpus: state.pool.cpus,
                memory_bytes: state.pool.memory, runners: countByStatus(runners.values.filter { $0.pool == state.pool.name }),
                failures: state.failures, retry_at: state.retryAt.map(shownTimes.text), last_error: state.lastError)
            view.executor = state.pool.executor.rawValue
            view.architecture = state.pool.hardware.architecture?.rawValue
            view.gpu = state.pool.hardware.gpu?.rawValue
            view.reserved_memory_bytes = state.pool.reservedMemory
            view.schedule = target.schedule.map { "\($0)" }
            view.warm_reason = warmReason(of: state.pool, at: now)
            view.schedule_until = target.until.map { calendar($0).iso8601 }
            view.requests_per_second = 1 / state.pool.requestInterval.inSeconds
            return view
        }
    }
}
