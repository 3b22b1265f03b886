import Fleet
import Logging

/// What the plan asks for, done. Each writes its intent to the store before it has an effect.
extension Coordinator {
    // MARK: Launching

    func launch(pool name: String, for job: JobID?) {
        guard let pool = pools.first(where: { $0.pool.name == name })?.pool else { return }
        let runner = Runner(id: newID(), pool: pool, launchedFor: job, at: clock.now())
        runners[runner.id] = runner
        acting.insert(runner.id)
        launching += 1
        spawns.count += 1
        if let job, let known = jobs[job] {
            log.info(
                "Dispatching job \(job) for project \(known.projectPath ?? String(known.projectID))",
                metadata: fields(runner, job: known))
        } else {
            log.info("Starting runner \(runner.name) for pool \(name)", metadata: fields(runner))
        }
        Task {
            await self.launch(runner, pool)
            self.launchEnded(runner.id)
        }
    }

    private func launchEnded(_ id: RunnerID) {
        launching -= 1
        acted(on: id)
    }

    private func launch(_ runner: Runner, _ pool: Pool) async {
        let spec = RunnerSpec(runner: runner.id, instance: instance, pool: pool)
        do {
            try await store.save([
                .runner(runner), history(runner, "requested", runner.launchedFor.map { "for job \($0)" }),
            ])
            // Registering and creating don't need each other; the slower of the two is what it costs.
            async let registering = register(spec)
            async let creating = create(spec)
            let (registered, created): (Result<Registration, any Error>, Result<Void, any Error>) =
                await (registering, creating)
            let registration = try registered.get()
            try created.get()
            // From here on it may take a job at any moment: a daemon that is killed now must find it again.
            try await store.flush()
            let credentials = RunnerCredentials(url: forge.runnerURL, token: registration.token)
            var trouble: (any Error)?
            do { try await driver(pool.driver).start(spec, credentials: credentials) } catch { trouble = error }
            // A start that failed may have taken effect all the same, and then the runner may have a job by now. So it
            // counts as started, and the next look at the engine, or the missing contact, tells better.
            update(runner.id, trouble == nil ? "started" : "start unclear", trouble.map { "\($0)" }) {
                if $0.phase == .requested { $0.phase = .starting }
                $0.startedAt = self.clock.now()
            }
            if let trouble {
                log.warning("It is unclear whether runner \(runner.name) was started: \(trouble)", metadata: fields(runner))
                startTroubles[runner.id] = "\(trouble)"
                lookSoon(at: pool.driver)
            }
            watchForContact(runner.id)
        } catch {
            await failLaunch(runner.id, error)
        }
    }

    private func register(_ spec: RunnerSpec) async -> Result<Registration, any Error> {
        do {
            let registration = try await forge.register(spec)
            byGitLabID[registration.id] = spec.runner
            update(spec.runner, "registered", "GitLab runner \(registration.id)") { $0.gitlabID = registration.id }
            if let runner = runners[spec.runner] {
                log.info(
                    "Runner registered successfully",
                    metadata: fields(runner).merging(["gitlab_id": "\(registration.id)"]) { a, _ in a })
            }
            health.gitlab = "ok"
            return .success(registration)
        } catch {
            // GitLab may have made it all the same.
            ghostsSuspected = true
            return .failure(error)
        }
    }

    private func create(_ spec: RunnerSpec) async -> Result<Void, any Error> {
        do {
            let container = try await driver(spec.pool.driver).create(spec)
            update(spec.runner, "created", String(container.prefix(12))) { $0.containerID = container }
            noteDriver(spec.pool.driver, trouble: nil)
            return .success(())
        } catch {
            return .failure(error)
        }
    }

    /// Changes a runner, keeps the change, and notes it in its history.
    func update(
        _ id: RunnerID, _ event: String? = nil, _ detail: String? = nil, _ change: (inout Runner) -> Void
    ) {
        guard var runner = runners[id] else { return }
        change(&runner)
        runners[id] = runner
        var changes: [Change] = [.runner(runner)]
        if let event { changes.append(history(runner, event, detail)) }
        remember(changes)
    }

    private func failLaunch(_ id: RunnerID, _ error: any Error) async {
        guard let runner = runners[id] else { return }
        let lines = runner.containerID == nil ? [] : await lastLines(of: runner)
        countFailure(of: runner, "\(error)", lines, retryAfter: Self.retryAfter(error))
        update(id, "failed", "\(error)") { $0.ended("start failed: \(error)", failed: true, at: self.clock.now()) }
    }

    func lastLines(of runner: Runner) async -> [String] {
        (try? await driver(runner.driver).logTail(runner.id, lines: 10)) ?? []
    }

    /// Its time is up. Only GitLab knows whether it has called after all, or has just taken a job.
    func missContact(_ runner: Runner, reason: String) async {
        guard let gitlabID = runner.gitlabID else { return await failContact(runner, reason: reason) }
        await attempt("give up on", runner) {
            try await self.forge.setPaused(gitlabID, true)
            if let seen = try await self.forge.runner(gitlabID), seen.hasContacted {
                try await self.forge.setPaused(gitlabID, false)
                self.contacted(runner.id)
            } else {
                await self.failContact(runner, reason: reason)
            }
        }
    }

    /// It did not take a job that it could have. Is the job still there? Then another runner may do better, and if that
    /// doesn't either, the job is left alone for a while, longer each time.
    func dismissIdle(_ runner: Runner, ignored id: JobID) async {
        guard let job = jobs[id] else { return }
        await refresh([job])
        guard jobs[id]?.status == .pending, runners[runner.id]?.isBusy == false else { return }
        let count = (ignored[id]?.count ?? 0) + 1
        let pause = count < 2 ? Duration.zero : min(.seconds(3600), .seconds(300) * (1 << min(count - 2, 4)))
        ignored[id] = (count, clock.now() + pause)
        log.warning("Runner \(runner.name) did not take job \(id), which waits for one of its kind", metadata: fields(runner, job: job))
        await drain(runner, reason: "took no job although job \(id) waited")
    }

    func failContact(_ runner: Runner, reason: String) async {
        let lines = await lastLines(of: runner)
        guard let current = runners[runner.id], current.phase == .starting, !current.isBusy else { return }
        countFailure(of: current, reason, lines, as: .noContact)
        update(runner.id, "failed", reason) { $0.ended(reason, failed: true, at: self.clock.now()) }
    }

    static func retryAfter(_ error: any Error) -> Duration { (error as? any ForgeFailure)?.retryAfter ?? .zero }

    private func countFailure(
        of runner: Runner, _ error: String, _ lines: [String], retryAfter: Duration = .zero, as incident: Incident = .spawnFailed
    ) {
        spawns.failed += 1
        if let index = pools.firstIndex(where: { $0.pool.name == runner.pool }) {
            pools[index].failed(error, at: clock.now(), jitter: random(), atLeast: retryAfter)
            if pools[index].failures == PoolState.quarantineAfter {
                log.error(
                    "Pool \(runner.pool) is in quarantine after \(PoolState.quarantineAfter) failed starts in a row: \(error)",
                    metadata: ["pool": "\(runner.pool)"].with(.poolQuarantined))
            }
        }
        var metadata = fields(runner).with(incident)
        if !lines.isEmpty { metadata["last_lines"] = "\(lines.joined(separator: " | "))" }
        log.error("Runner \(runner.name) could not be started: \(error)", metadata: metadata)
    }

    /// Asks GitLab whether the runner has called, at growing intervals; a job event may be faster.
    func watchForContact(_ id: RunnerID) {
        Task {
            var wait = Duration.milliseconds(500)
            while let runner = self.runners[id], runner.phase == .starting, let gitlabID = runner.gitlabID {
                try? await clock.sleep(for: wait)
                wait = min(wait * 2, .seconds(8))
                guard self.runners[id]?.phase == .starting else { return }
                if let seen = try? await self.forge.runner(gitlabID), seen.hasContacted {
                    self.contacted(id)
                }
            }
        }
    }

    private func contacted(_ id: RunnerID) {
        guard var runner = runners[id], runner.phase == .starting else { return }
        runner.contacted(at: clock.now())
        runners[id] = runner
        remember([.runner(runner)] + noteContact(runner))
        requestPlan()
    }

    // MARK: Leaving

    func drain(_ runner: Runner, reason: String) async {
        guard let gitlabID = runner.gitlabID else { return }
        await attempt("pause", runner) {
            try await self.forge.setPaused(gitlabID, true)
            self.update(runner.id, "drained", reason) {
                if $0.phase < .draining { $0.phase = .draining }
                $0.reason = reason
            }
        }
    }

    /// The runner is paused; only GitLab knows whether it took a job just before that.
    func stop(_ runner: Runner) async {
        guard let pool = pools.first(where: { $0.pool.name == runner.pool })?.pool ?? configuration.pools.first
        else { return }
        await attempt("stop", runner) {
            if let gitlabID = runner.gitlabID {
                let running = try await self.forge.runningJobs(ofRunner: gitlabID)
                if let job = running.first {
                    self.update(runner.id, "job started", "job \(job)") { $0.tookJob(job, at: self.clock.now()) }
                    return
                }
            }
            guard let current = self.runners[runner.id], current.phase == .draining, !current.isBusy else { return }
            self.log.info("Runner \(runner.name) finished, tearing down", metadata: self.fields(current))
            try await self.driver(runner.driver).signal(runner.id, pool.stopSignal)
            self.update(runner.id, "stopping", pool.stopSignal) {
                if $0.phase < .stopping { $0.phase = .stopping }
                $0.stoppingAt = self.clock.now()
            }
        }
    }

    func end(_ runner: Runner, _ reason: String, failed: Bool) async {
        update(runner.id, "ended", reason) { $0.ended(reason, failed: failed, at: self.clock.now()) }
    }

    /// Takes away what is left, in an order that a crash may cut anywhere: the store forgets last.
    func remove(_ runner: Runner) async {
        await attempt("remove", runner) {
            let driver = try self.driver(runner.driver)
            async let container: Void = driver.remove(runner.id)
            if let gitlabID = runner.gitlabID { try await self.forge.unregister(gitlabID) }
            try await container
            guard var gone = self.runners[runner.id] else { return }
            gone.phase = .removed
            gone.removedAt = self.clock.now()
            try await self.store.save([.runner(gone), self.history(gone, "removed", gone.reason)])
            self.runners[runner.id] = nil
            self.startTroubles[runner.id] = nil
            if let gitlabID = runner.gitlabID { self.byGitLabID[gitlabID] = nil }
            self.log.info(
                "Runner \(runner.name) removed: \(gone.reason ?? "done")", metadata: self.fields(gone))
        }
    }

    /// Runs one step of a runner's end. A failure is logged once, and the step is tried again later.
    private func attempt(_ step: String, _ runner: Runner, _ body: () async throws -> Void) async {
        do {
            try await body()
            retryAfter[runner.id] = nil
        } catch {
            let before = retryAfter[runner.id]?.wait
            let wait = max(min((before ?? .milliseconds(500)) * 2, .seconds(60)), Self.retryAfter(error))
            retryAfter[runner.id] = (clock.now() + wait, wait)
            if before == nil {
                log.warning(
                    "Cannot \(step) runner \(runner.name), trying again: \(error)", metadata: fields(runner))
            }
        }
    }

    func noteGitLabTrouble(_ error: any Error) {
        if health.gitlab == "ok" || health.gitlab == "unknown" {
            let incident: Incident = (error as? any ForgeFailure)?.tokenRefused == true ? .tokenRefused : .gitlabUnreachable
            log.error("GitLab trouble: \(error)", metadata: incident.field)
        }
        health.gitlab = "\(error)"
    }

    private func newID() -> RunnerID {
        let alphabet = Array("23456789abcdefghjkmnpqrstuvwxyz")
        while true {
            let id = String((0..<8).map { _ in alphabet[min(alphabet.count - 1, Int(random() * Double(alphabet.count)))] })
            if runners[id] == nil { return id }
        }
    }
}
