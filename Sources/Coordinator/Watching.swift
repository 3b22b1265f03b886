import ControlModel
import Fleet
import Logging

/// What the coordinator looks at by itself: the past at start, the engine's events, GitLab by polling.
extension Coordinator {
    /// Loads what the store remembers and squares it with what there is. Must be over before anything else.
    /// - Throws: when the store can't be read.
    public func recover() async throws {
        var memory = try await store.load()
        let now = clock.now()
        for index in memory.jobs.indices { memory.jobs[index].keepTimes(within: now) }
        for index in memory.runners.indices { memory.runners[index].keepTimes(within: now) }
        instance = memory.instance
        for job in memory.jobs where job.status.isActive { jobs[job.id] = job }
        for id in memory.finishedJobs { finished.insert(id) }
        for runner in memory.runners {
            runners[runner.id] = runner
            if let gitlabID = runner.gitlabID { byGitLabID[gitlabID] = runner.id }
        }
        for index in pools.indices { pools[index].paused = memory.pausedPools.contains(pools[index].pool.name) }
        if !memory.runners.isEmpty || !memory.jobs.isEmpty {
            log.info("Found \(memory.runners.count) runners and \(memory.jobs.count) jobs from before")
        }
        await lookAtDrivers()
        await removeGhosts()
        for job in memory.jobs where job.status == .pending && job.tags == nil { askForTags(of: job.id) }
        await refresh(memory.jobs)
        // Those that were taken up just now are watched already.
        for runner in memory.runners where runner.phase == .starting { watchForContact(runner.id) }
        requestPlan()
    }

    /// Starts that an earlier life of the daemon began. One whose process was let go may have a job already, and is
    /// taken up. Any other can't be finished, because its registration's token went with that life.
    private func takeUpStarts(_ kind: DriverKind, _ objects: [DriverObject]) {
        let started = Dictionary(objects.map { ($0.runner, $0) }, uniquingKeysWith: { first, _ in first })
        for runner in runners.values where runner.driver == kind && runner.phase == .requested && !acting.contains(runner.id) {
            if let object = started[runner.id], object.started, object.running, runner.gitlabID != nil {
                update(runner.id, "found again", "started by an earlier life of the daemon") {
                    $0.phase = .starting
                    $0.startedAt = self.clock.now()
                    $0.containerID = $0.containerID ?? object.id
                }
                watchForContact(runner.id)
            } else {
                update(runner.id, "ended", "the daemon stopped during its start") {
                    $0.ended("the daemon stopped during its start", failed: true, at: self.clock.now())
                }
            }
        }
    }

    /// Everything of ours that the drivers have, against everything that should be there.
    func lookAtDrivers() async {
        for kind in driversInUse { await look(at: kind) }
    }

    private func look(at kind: DriverKind) async {
        let asked = expected(of: kind).map(\.id)
        let objects: [DriverObject]
        do {
            objects = try await driver(kind).list()
            noteDriver(kind, trouble: nil)
        } catch {
            noteDriver(kind, trouble: "\(error)")
            return
        }
        takeUpStarts(kind, objects)
        let started = Set(objects.filter(\.started).map(\.runner))
        for id in asked where !started.contains(id) { await exited(id, code: nil) }
        for object in objects where runners[object.runner] == nil {
            let metadata: Logger.Metadata = ["runner": "\(object.runner)"]
            log.warning("Removing an orphan of ours: \(Runner.name(of: object.runner))", metadata: metadata.with(.orphanRemoved))
            do { try await driver(kind).remove(object.runner) } catch {
                log.error("Cannot remove the orphan: \(error)", metadata: metadata)
            }
        }
        requestPlan()
    }

    /// Runners of a driver whose process should be there.
    private func expected(of kind: DriverKind) -> [Runner] {
        runners.values.filter { $0.driver == kind && $0.phase > .requested && $0.phase < .ended }
    }

    private var busyWithUnknownJobs: [(runner: Runner, job: JobID)] {
        runners.values.compactMap { runner in
            runner.currentJob.flatMap { job in jobs[job] == nil ? (runner, job) : nil }
        }
    }

    private func isGhost(_ registration: ForgeRunner) -> Bool {
        guard byGitLabID[registration.id] == nil else { return false }
        // One that is just being made has no id here yet.
        guard let id = Runner.id(ofName: registration.description), let runner = runners[id] else { return true }
        return runner.gitlabID != nil || runner.phase >= .ended
    }

    /// What is there and should not be, or should be and is not; and, unless it is only asked for, what is done.
    /// - Throws: what a driver or GitLab said: half a look is none.
    public func reconcile(dryRun: Bool) async throws -> [ReconcileView] {
        var found: [ReconcileView] = []
        for kind in driversInUse.sorted(by: { $0.rawValue < $1.rawValue }) {
            let objects = try await driver(kind).list()
            for object in objects where runners[object.runner] == nil {
                found.append(.init(what: kind.rawValue, name: Runner.name(of: object.runner), action: "remove", reason: "no runner owns it"))
            }
            let started = Set(objects.filter(\.started).map(\.runner))
            for runner in expected(of: kind) where !started.contains(runner.id) {
                found.append(.init(what: "runner", name: runner.name, action: "remove", reason: "its \(kind.rawValue) is gone"))
            }
        }
        for ghost in try await forge.registrations(instance: instance) where isGhost(ghost) {
            found.append(.init(what: "registration", name: "\(ghost.description) (\(ghost.id))", action: "remove", reason: "no runner owns it"))
        }
        for runner in runners.values where runner.phase == .ended && !acting.contains(runner.id) {
            found.append(.init(what: "runner", name: runner.name, action: "remove", reason: runner.reason ?? "it ended"))
        }
        for (runner, job) in busyWithUnknownJobs {
            found.append(.init(what: "runner", name: runner.name, action: "ask GitLab what it does", reason: "nothing is known of its job \(job)"))
        }
        if !dryRun {
            await lookAtDrivers()
            await removeGhosts()
            await verifyBusy()
            retryAfter = [:]
            requestPlan()
        }
        return found.sorted { ($0.what, $0.name) < ($1.what, $1.name) }
    }

    /// Registrations with our instance's id that no runner owns.
    func removeGhosts() async {
        do {
            for ghost in try await forge.registrations(instance: instance) where isGhost(ghost) {
                log.warning(
                    "Removing a registration that no runner owns: \(ghost.description)",
                    metadata: ["gitlab_id": "\(ghost.id)"].with(.orphanRemoved))
                try await forge.unregister(ghost.id)
            }
            ghostsSuspected = false
            health.gitlab = "ok"
        } catch {
            noteGitLabTrouble(error)
            // A look that failed has ruled nothing out.
            ghostsSuspected = true
        }
    }

    /// Looks at a driver when the launch that doubts it is over, so that its runner counts.
    func lookSoon(at kind: DriverKind) {
        Task {
            try? await self.clock.sleep(for: .seconds(1))
            await self.look(at: kind)
        }
    }

    private func exited(_ id: RunnerID, code: Int?) async {
        // While it is being made, the launch itself sees the failure.
        guard let runner = runners[id], runner.phase > .requested, runner.phase < .ended else { return }
        let expected = runner.phase == .stopping
        // What its start said, when that was the last that was heard of it.
        let trouble = code == nil && runner.contactedAt == nil ? startTroubles[id] : nil
        var text = trouble.map { "was not started: \($0)" } ?? code.map { "exited with code \($0)" } ?? "is gone"
        // 128 + SIGKILL. Podman does not tell when it was the kernel's memory killer.
        if code == 137 { text += " (killed; its memory limit is \(runner.memory >> 20) MiB)" }
        if expected {
            update(id, "exited", text) { $0.ended(text, failed: false, at: self.clock.now()) }
        } else {
            let pool = pools.first { $0.pool.name == runner.pool }?.pool
            let spent = (pool?.maxJobs ?? 0) > 0 && runner.jobsDone + (runner.isBusy ? 1 : 0) >= (pool?.maxJobs ?? 0)
            if runner.contactedAt == nil, !spent {
                await failContact(runner, reason: trouble == nil ? "the runner \(text) before it made contact" : text)
            }
            let lines = await lastLines(of: runner)
            guard runners[id]?.phase != .ended else { return requestPlan() }
            var metadata = fields(runner)
            if code != 0, !lines.isEmpty { metadata["last_lines"] = "\(lines.joined(separator: " | "))" }
            log.log(
                level: code == 0 || spent ? .info : .warning, "Runner \(runner.name) \(text) by itself", metadata: metadata)
            let job = runner.currentJob
            update(id, "exited", text) { $0.ended("\(text) by itself", failed: code != 0, at: self.clock.now()) }
            if let job { refreshLater(job) }
        }
        requestPlan()
    }

    private func refreshLater(_ id: JobID) {
        guard let job = jobs[id] else { return }
        Task { await self.refresh([job]) }
    }

    // MARK: Going away

    /// Begins nothing new and waits until what is under way is over, so that no start is cut in half; then until
    /// all of it is on disk. What takes longer is taken up again by the next start.
    public func settle(within time: Duration) async {
        isStopping = true
        if !acting.isEmpty {
            let alarm = Task {
                try? await clock.sleep(for: time)
                self.becameQuiet()
            }
            await withCheckedContinuation { waitingForQuiet.append($0) }
            alarm.cancel()
        }
        await flush()
    }

    func becameQuiet() {
        let waiters = waitingForQuiet
        waitingForQuiet = []
        for waiter in waiters { waiter.resume() }
    }

    // MARK: Loops

    /// Runs until the task is cancelled. Call `recover()` first.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            followDrivers()
            group.addTask { await self.poll() }
            group.addTask { await self.tidy() }
            await group.waitForAll()
            for task in following.values { task.cancel() }
        }
    }

    /// Events can be lost: on a slow beat everything is looked at again.
    private func tidy() async {
        for beat in 1... {
            do { try await clock.sleep(for: .seconds(60)) } catch { return }
            await flush()
            await lookAtDrivers()
            await verifyBusy()
            // Once a day, and early in a life that may not see the end of one.
            if beat % 1440 == 10 { await forgetOldThings() }
            if beat % 10 == 0 || ghostsSuspected { await removeGhosts() }
        }
    }

    /// What is kept of the past.
    static let retention = Duration.seconds(30 * 86_400)

    private func forgetOldThings() async {
        do { try await store.forget(before: clock.now() + Self.retention * -1) } catch { noteStoreTrouble(error) }
    }

    func followDrivers() {
        for kind in driversInUse where following[kind] == nil {
            guard let driver = try? driver(kind) else { continue }
            following[kind] = Task { await self.follow(kind, driver.events()) }
        }
    }

    private func follow(_ kind: DriverKind, _ events: AsyncStream<DriverEvent>) async {
        for await event in events {
            switch event {
            case .exited(let runner, let code): await exited(runner, code: code)
            case .outOfMemory(let runner): ranOutOfMemory(runner)
            case .resync: await look(at: kind)
            case .disconnected(let why): noteDriver(kind, trouble: why)
            }
        }
    }

    private func ranOutOfMemory(_ id: RunnerID) {
        guard let runner = runners[id] else { return }
        let text = "a process was killed at the memory limit of \(runner.memory >> 20) MiB"
        log.warning(
            "Runner \(runner.name): \(text)", metadata: fields(runner, job: runner.currentJob.flatMap { jobs[$0] }).with(.outOfMemory))
        remember([history(runner, "out of memory", text)])
    }

    /// Runners that we believe to have a job of which we know nothing, or that is over: no event of it may ever
    /// come, so GitLab is asked what they do.
    func verifyBusy() async {
        // Something may become known while another is asked about.
        for (runner, current) in busyWithUnknownJobs where jobs[current] == nil {
            guard let gitlabID = runner.gitlabID else { continue }
            do {
                let running = try await forge.runningJobs(ofRunner: gitlabID)
                guard runners[runner.id]?.currentJob == current, !running.contains(current) else { continue }
                update(runner.id, "job finished", "job \(current), as GitLab says") { $0.finishedJob(current, at: self.clock.now()) }
                if let next = running.first { update(runner.id, "job started", "job \(next)") { $0.tookJob(next, at: self.clock.now()) } }
                requestPlan()
            } catch {
                noteGitLabTrouble(error)
                return
            }
        }
    }

    private func poll() async {
        var failures = 0
        while !Task.isCancelled {
            var asked = Duration.zero
            do {
                if configuration.pollInterval > .zero { try await pollOnce() }
                failures = 0
            } catch {
                failures += 1
                asked = Self.retryAfter(error)
                noteGitLabTrouble(error)
            }
            let factor = failures == 0 ? 1.0 : Double(1 << min(failures, 5))
            // Without polling this only looks now and then whether a reload has switched it on.
            let interval = configuration.pollInterval > .zero ? configuration.pollInterval : .seconds(60)
            let wait = interval.inSeconds * min(factor, 20) * (0.9 + 0.2 * random())
            try? await clock.sleep(for: max(.milliseconds(Int64(wait * 1000)), asked))
        }
    }

    /// One look at all pending and running jobs.
    func pollOnce() async throws {
        let before = jobs
        let poll = try await forge.activeJobs()
        health.gitlab = "ok"
        var changes: [Change] = []
        for job in poll.jobs { changes += take(job) }
        remember(changes)
        requestPlan()
        // Also when the list has gaps: asking concludes nothing from absence, and gaps can last, as with a project whose CI is off.
        let present = Set(poll.jobs.map(\.id))
        await refresh(before.values.filter { !present.contains($0.id) })
    }

    /// Asks for jobs one by one that we believe active and that no list shows: they are over, or gone.
    func refresh(_ stale: [Job]) async {
        for job in stale where jobs[job.id]?.status.isActive == true {
            do {
                var seen = try await forge.job(project: job.projectID, id: job.id)
                if seen == nil {
                    seen = JobObservation(id: job.id, projectID: job.projectID, status: .canceled, failureReason: "gone from GitLab")
                    // A hook may be ahead of the API: only what has been there for a while is gone.
                    if clock.now() - job.firstSeen < .seconds(60) { continue }
                }
                if let seen { remember(take(seen)) }
            } catch {
                noteGitLabTrouble(error)
                return
            }
        }
        requestPlan()
    }
}
