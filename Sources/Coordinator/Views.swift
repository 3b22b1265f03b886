import ControlModel
import Fleet

/// Why an order from outside was not carried out.
public struct Refusal: Error, Sendable {
    public enum Kind: Sendable { case notFound, conflict }
    public var kind: Kind
    public var message: String
}

/// Being asked, and being told.
extension Coordinator {
    public nonisolated func healthView() -> HealthView { healthBoard.withLock { $0 } }

    func publishHealth() {
        let fine = ["ok", "unknown"]
        let healthy = fine.contains(health.gitlab) && fine.contains(engineHealth) && health.store == "ok"
        let view = HealthView(
            status: healthy ? "healthy" : "degraded", gitlab: health.gitlab, engine: engineHealth, store: health.store, warnings: health.warnings)
        healthBoard.withLock { $0 = view }
    }

    /// Replaces what `/health`, `/status` and the status line warn of. It changes no state of health.
    public func warn(_ warnings: [String]) {
        if health.warnings != warnings { health.warnings = warnings }
    }

    /// Of the drivers in use: one word when all is well, else what is wrong with which.
    private var engineHealth: String {
        let words = driversInUse.map { (kind: $0.rawValue, word: health.drivers[$0] ?? "unknown") }
        let bad = words.filter { $0.word != "ok" && $0.word != "unknown" }
        if bad.isEmpty { return words.contains { $0.word == "unknown" } ? "unknown" : "ok" }
        return bad.sorted { $0.kind < $1.kind }.map { "\($0.kind): \($0.word)" }.joined(separator: "; ")
    }

    /// One line on how things stand, for `systemctl status`.
    public func statusLine() -> String {
        let busy = runners.values.filter(\.isBusy).count
        let pending = jobs.values.filter { $0.status == .pending }.count
        var parts = [
            runners.isEmpty ? "no runners" : "\(runners.count) runner\(runners.count == 1 ? "" : "s"), \(busy) busy",
            pending == 0 ? "no job waits" : "\(pending) job\(pending == 1 ? " waits" : "s wait")",
            ["ok", "unknown"].contains(health.gitlab) ? "GitLab \(health.gitlab)" : "GitLab: \(health.gitlab.prefix(120))",
        ]
        let engine = engineHealth
        if health.store != "ok" { parts.append("store: \(health.store.prefix(120))") }
        if engine != "ok", engine != "unknown" { parts.append(String(engine.prefix(120))) }
        let paused = pools.filter(\.paused).map(\.pool.name)
        if !paused.isEmpty { parts.append("paused: \(paused.joined(separator: ", "))") }
        return (parts + health.warnings).joined(separator: "; ")
    }

    public func statusView() async throws -> StatusView {
        let counts = try await store.jobCounts()
        let good = counts["success"] ?? 0
        let bad = counts["failed"] ?? 0
        return StatusView(
            version: configuration.version, instance: instance, started_at: startedAt.iso8601,
            gitlab: health.gitlab, engine: engineHealth, warnings: health.warnings, runners: countByStatus(runners.values), jobs: counts,
            waiting: Dictionary(uniqueKeysWithValues: waiting.map { (String($0.key), $0.value) }),
            spawns: .init(
                count: spawns.count, failed: spawns.failed, last_seconds: spawns.last,
                mean_seconds: spawns.contacted == 0 ? nil : spawns.sum / Double(spawns.contacted)),
            success_rate: good + bad == 0 ? nil : Double(good) / Double(good + bad),
            memory_promised_bytes: runners.values.reduce(0) { $0 + $1.memory },
            cpus_promised: runners.values.reduce(0) { $0 + $1.cpus })
    }

    private func countByStatus(_ runners: some Sequence<Runner>) -> [String: Int] {
        runners.reduce(into: [:]) { $0[$1.status, default: 0] += 1 }
    }

    public func runnerViews() -> [RunnerView] {
        runners.values.sorted { ($0.requestedAt, $0.id) < ($1.requestedAt, $1.id) }.map(view)
    }

    public func runnerView(_ id: RunnerID) async throws -> RunnerView? {
        let id = bare(id)
        let stored = try await store.runner(id)
        guard let runner = runners[id] ?? stored else { return nil }
        var whole = view(runner)
        whole.history = try await store.history(of: id).map {
            .init(at: $0.at.iso8601, event: $0.event, detail: $0.detail)
        }
        return whole
    }

    private func view(_ runner: Runner) -> RunnerView {
        let pool = pools.first { $0.pool.name == runner.pool }?.pool
        var view = RunnerView(
            id: runner.id, name: runner.name, status: runner.status, phase: runner.phase.rawValue,
            pool: runner.pool, driver: runner.driver.rawValue, architecture: Self.architecture, gpu_enabled: false, tags: pool?.tags ?? [],
            jobs_done: runner.jobsDone, cpus: runner.cpus, memory_bytes: runner.memory,
            requested_at: runner.requestedAt.iso8601, last_seen: runner.lastSeen.iso8601)
        view.gitlab_id = runner.gitlabID
        view.container_id = runner.containerID
        view.current_job = runner.currentJob
        view.started_at = runner.startedAt?.iso8601
        view.contacted_at = runner.contactedAt?.iso8601
        view.idle_since = runner.idleSince?.iso8601
        if runner.status == "idle", let since = runner.idleSince, let pool {
            view.cooldown_left = max(0, (since + pool.cooldown - clock.now()).inSeconds)
        }
        view.spawn_seconds = runner.contactedAt.map { ($0 - runner.requestedAt).inSeconds }
        view.reason = runner.reason
        return view
    }

    #if arch(arm64)
        static let architecture = "arm64"
    #else
        static let architecture = "amd64"
    #endif

    public func jobViews() async throws -> [JobView] {
        try await store.recentJobs(limit: 500).map { view(jobs[$0.id] ?? $0) }
    }

    public func jobView(_ id: JobID) async throws -> JobView? {
        let stored = try await store.job(id)
        return (jobs[id] ?? stored).map(view)
    }

    private func view(_ job: Job) -> JobView {
        var view = JobView(id: job.id, project_id: job.projectID, status: job.status.rawValue)
        view.project = job.projectPath
        view.name = job.name
        view.stage = job.stage
        view.ref = job.ref
        view.tags = job.tags
        view.gitlab_runner_id = job.runnerID
        view.runner = job.runnerID.flatMap { byGitLabID[$0] }
        view.failure_reason = job.failureReason
        view.waiting_reason = job.waitingReason
        view.pending_at = job.pendingAt?.iso8601
        view.running_at = job.runningAt?.iso8601
        view.finished_at = job.finishedAt?.iso8601
        if let from = job.pendingAt, let to = job.runningAt { view.wait_seconds = (to - from).inSeconds }
        return view
    }

    public func poolViews() -> [PoolView] {
        pools.map { state in
            PoolView(
                name: state.pool.name, driver: state.pool.driver.rawValue, tags: state.pool.tags, run_untagged: state.pool.runUntagged,
                image: state.pool.driver == .container ? state.pool.image : nil, paused: state.paused, max_runners: state.pool.maxRunners,
                warm: state.pool.warm, cooldown: state.pool.cooldown.inSeconds, max_jobs: state.pool.maxJobs,
                cpus: state.pool.cpus, memory_bytes: state.pool.memory,
                runners: countByStatus(runners.values.filter { $0.pool == state.pool.name }),
                failures: state.failures, retry_at: state.retryAt?.iso8601, last_error: state.lastError)
        }
    }

    // MARK: Orders

    /// Starts a runner at an operator's wish, within the pool's and the host's bounds.
    public func spawn(pool name: String) throws -> RunnerView {
        guard let state = pools.first(where: { $0.pool.name == name }) else {
            throw Refusal(kind: .notFound, message: "there is no pool \(name); the pools are \(pools.map(\.pool.name).joined(separator: ", "))")
        }
        let live = runners.values.filter { $0.pool == name }.count
        if live >= state.pool.maxRunners {
            throw Refusal(kind: .conflict, message: "pool \(name) is at max_runners (\(state.pool.maxRunners))")
        }
        let promised = runners.values.reduce((memory: Int64(0), cpus: 0.0)) { ($0.memory + $1.memory, $0.cpus + $1.cpus) }
        if let bound = configuration.budget.memory, promised.memory + state.pool.memory > bound {
            throw Refusal(kind: .conflict, message: "the host's memory budget is used up")
        }
        if let bound = configuration.budget.cpus, promised.cpus + state.pool.cpus > bound {
            throw Refusal(kind: .conflict, message: "the host's CPU budget is used up")
        }
        let before = Set(runners.keys)
        launch(pool: name, for: nil)
        guard let new = runners.values.first(where: { !before.contains($0.id) }) else {
            throw Refusal(kind: .conflict, message: "the runner could not be started")
        }
        return view(new)
    }

    /// Drains a runner; with `force` it ends at once, job or not.
    public func dismiss(_ id: RunnerID, force: Bool) async throws -> RunnerView {
        let id = bare(id)
        guard let runner = runners[id] else { throw Refusal(kind: .notFound, message: "there is no live runner \(id)") }
        if force {
            log.warning("Runner \(runner.name) is removed by force", metadata: fields(runner))
            update(id, "ended", "removed by force") { $0.ended("removed by force", failed: false, at: self.clock.now()) }
        } else if runner.phase < .draining {
            guard runner.phase != .requested else {
                throw Refusal(kind: .conflict, message: "the runner is just being made; try again in a moment or use force")
            }
            await drain(runner, reason: "asked to leave")
        }
        requestPlan()
        return view(runners[id] ?? runner)
    }

    /// What a live runner wrote.
    public func log(of id: RunnerID, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        guard let runner = runners[bare(id)] else { throw Refusal(kind: .notFound, message: "there is no live runner \(id)") }
        return try await driver(runner.driver).log(runner.id, lines: lines, follow: follow)
    }

    /// Runners are known by id; people copy names.
    private func bare(_ id: RunnerID) -> RunnerID { Runner.id(ofName: id) ?? id }

    public func installHook(project: String, url: String, secret: Secret) async throws -> HookInstallation {
        do {
            let hook = try await forge.installHook(project: project, url: url, secret: secret)
            log.notice("\(hook.isNew ? "Installed" : "Updated") the job hook of \(project)", metadata: ["project": "\(project)"])
            return hook
        } catch let error as any ForgeFailure & CustomStringConvertible {
            throw Refusal(kind: .conflict, message: error.description)
        }
    }

    /// Removes all runners at once, and starts none from now on: AutoGit is being removed.
    /// - Returns: those that are still there after `time`.
    public func evacuate(within time: Duration) async -> [RunnerView] {
        log.notice("Removing all runners; none is started until the daemon is restarted")
        isEvacuating = true
        // One that is just being made can't be taken away in the middle: it goes when it is there.
        let end = clock.now() + time
        while !runners.isEmpty, clock.now() < end {
            for runner in runners.values where runner.phase > .requested && runner.phase < .ended {
                update(runner.id, "ended", "all runners are removed") { $0.ended("all runners are removed", failed: false, at: self.clock.now()) }
            }
            requestPlan()
            try? await clock.sleep(for: .milliseconds(100))
        }
        await removeGhosts()
        return runnerViews()
    }

    public func setPaused(pool name: String, _ paused: Bool) async throws {
        guard let index = pools.firstIndex(where: { $0.pool.name == name }) else {
            throw Refusal(kind: .notFound, message: "there is no pool \(name)")
        }
        pools[index].paused = paused
        log.notice("Pool \(name) \(paused ? "paused" : "resumed")", metadata: ["pool": "\(name)"])
        requestPlan()
        try await store.save([.pool(name: name, paused: paused)])
    }
}
