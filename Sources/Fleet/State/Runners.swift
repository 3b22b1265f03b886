/// The lives of runners.
extension FleetState {
    mutating func decide(_ action: Action, at now: Timestamp) {
        if let key = action.key { inFlight.insert(key) }
        switch action {
        case .leave(let id, let reason, let failed): leave(id, reason, failed: failed)
        case .end(let id, let reason, let failed): end(id, reason, failed: failed, at: now)
        case .abandon(let id):
            if let runner = runners[id] {
                tell(.startInterrupted("the daemon stopped during its start"), runner)
                // Its registration may have been made all the same, or is yet to be.
                sweep(runner.forge, by: now + Beat.sweepSoon)
            }
            end(id, "the daemon stopped during its start", failed: true, at: now)
        case .refuse(let job, let runner): refused(job, by: runner, at: now)
        case .lose(let place): lose(place, at: now)
        case .forget(let id): forget(id, at: now)
        case .wake(let host), .sleep(let host), .oversleep(let host): decide(power: action, of: host, at: now)
        case .launch(let id, let pool, let job, let equipment, let host): launch(id, pool: pool, for: job, with: equipment, on: host, at: now)
        // The next is planned when one begins, so that whoever wants another soon is not forgotten over the answer to this one.
        case .look(let place):
            places[place, default: PlaceState()].lookBegan = now
            places[place]?.lookAt = now + Beat.look
        case .poll(let forge): forges[forge, default: ForgeState()].pollBegan = now
        case .sweep(let forge):
            forges[forge, default: ForgeState()].sweepBegan = now
            forges[forge]?.sweepAt = now + Beat.sweep
        case .survey(let host): hosts[host, default: HostState()].surveyAt = now + surveyBeat(host)
        case .measure(let place): places[place, default: PlaceState()].disk.measureAt = now + Beat.look
        case .sample(let place): places[place]?.sampleAt = now + Beat.sample
        case .weigh(let id, _): progress[id]?.weighedJobs = runners[id]?.jobsDone
        case .refresh(let place, let image): places[place]?.refreshes[image]?.at = now + Beat.refresh
        case .ask(let job, _): jobs[job]?.askedAt = now
        case .verify(let id, _): progress[id]?.verifyBegan = sequence
        case .checkContact, .pause, .signal, .readLog, .remove, .ping, .unregister, .removeOrphan, .listImages, .removeImage, .sweepStorage, .flush, .expire:
            break
        case .learn: learnAt = now + Beat.learn
        }
    }

    private mutating func launch(
        _ id: RunnerID, pool name: String, for job: JobRef?, with equipment: Equipment, on host: HostID, at now: Timestamp
    ) {
        guard let index = index(ofPool: name) else { return }
        // The planner drew the id from a copy of the dice.
        _ = dice.next()
        let runner = Runner(id: id, pool: pools[index].pool.on(host), launchedFor: job?.id, with: equipment, at: now)
        runners[id] = runner
        progress[id] = Progress()
        spawns.count += 1
        save(.runner(runner))
        if let job, let known = jobs[job]?.job { tell(.jobDispatched, runner, job: known) } else { tell(.requested, runner) }
    }

    /// It did not take a job that it could have. Another runner may do better; if that doesn't either, the job is left
    /// alone for a while, longer each time.
    private mutating func refused(_ id: JobRef, by runner: RunnerID, at now: Timestamp) {
        guard var tracked = jobs[id] else { return }
        tracked.refusals += 1
        tracked.refusedAt = now
        if tracked.refusals > 1 { tracked.hold.failed(.refusal, at: now) }
        jobs[id] = tracked
        tell(.jobRefused, runners[runner], job: tracked.job)
        leave(runner, "took no job although job \(id.id) waited", failed: false)
    }

    // MARK: Phases

    mutating func leave(_ id: RunnerID, _ reason: String, failed: Bool) {
        guard let runner = runners[id], runner.phase < .pausing else { return }
        update(id) {
            $0.phase = .pausing
            $0.reason = reason
            $0.failed = failed
        }
        tell(.leaving, runners[id])
    }

    mutating func end(_ id: RunnerID, _ reason: String, failed: Bool, at now: Timestamp) {
        guard let runner = runners[id], runner.phase < .ended else { return }
        if let job = runner.job { jobs[job]?.askAt = now }
        // It may have failed before it is ended for another reason.
        progress[id]?.wantsLog = (failed || runner.failed) && runner.startedAt != nil
        update(id) { $0.ended(reason, failed: failed, at: now) }
        tell(.ended, runners[id])
    }

    /// It never worked: it ends, and its pool waits before the next start.
    mutating func fail(_ id: RunnerID, _ reason: String, as incident: Incident, atLeast: Duration = .zero, at now: Timestamp) {
        guard let runner = runners[id], runner.phase < .ended else { return }
        spawns.failed += 1
        progress[id, default: Progress()].wantsLog = runner.containerID != nil
        tell(.startFailed(reason, incident), runner)
        if progress[id]?.isBlameless != true, let index = index(ofPool: runner.pool) {
            let host = runner.place.host
            let wasQuarantined = pools[index].isQuarantined(on: host)
            pools[index].failed(reason, on: host, at: now, jitter: dice.unit(), atLeast: atLeast)
            if pools[index].isQuarantined(on: host), !wasQuarantined { tell(.quarantined(reason), pool: runner.pool) }
        }
        update(id) {
            $0.reason = reason
            $0.ended(reason, failed: true, at: now)
        }
    }

    /// GitLab has heard from it.
    mutating func contacted(_ id: RunnerID, at now: Timestamp) {
        guard let runner = runners[id], runner.contactedAt == nil, runner.phase < .ended else { return }
        update(id) { $0.contacted(at: now) }
        noteContact(id, at: now)
    }

    mutating func noteContact(_ id: RunnerID, at now: Timestamp) {
        guard let runner = runners[id] else { return }
        progress[id]?.startTrouble = nil
        // Whatever was held against it was wrong.
        if runner.failed { update(id) { $0.failed = false } }
        let seconds = (now - runner.requestedAt).inSeconds
        spawns.contacted += 1
        spawns.last = seconds
        spawns.sum += seconds
        tell(.contacted, runner)
        guard let index = index(ofPool: runner.pool) else { return }
        if pools[index].isQuarantined(on: runner.place.host) { tell(.poolRecovered, pool: runner.pool) }
        pools[index].succeeded(on: runner.place.host)
    }

    /// Its process is over, or is not there; why it never ran is what its start said.
    mutating func exited(_ id: RunnerID, code: Int?, at now: Timestamp) {
        guard let runner = runners[id], runner.phase < .ended else { return }
        guard runner.phase > .requested else {
            // The answer to its start is still on its way.
            progress[id]?.exitedEarly = true
            progress[id]?.earlyCode = code
            return
        }
        var text = code.map { "exited with code \($0)" } ?? "is gone"
        // 128 + SIGKILL. Podman does not tell when it was the kernel's memory killer.
        if code == 137 { text += " (killed; its memory limit is \(runner.memoryLimit >> 20) MiB)" }
        progress[id, default: Progress()].wantsLog = runner.failed || code != 0 && runner.phase != .stopping
        if runner.phase == .stopping {
            tell(.exited(text, expected: true), runner)
            update(id) { $0.ended(text, failed: false, at: now) }
        } else if runner.contactedAt == nil, !runner.isSpent, runner.phase <= .ready || runner.failed {
            let why = (code == nil ? progress[id]?.startTrouble : nil) ?? "the runner \(text) before it made contact"
            fail(id, runner.failed ? runner.reason ?? text : why, as: .noContact, at: now)
        } else {
            tell(.exited(text, expected: code == 0 || runner.isSpent), runner, job: runner.job.flatMap { jobs[$0]?.job })
            if let job = runner.job { jobs[job]?.askAt = now }
            update(id) { $0.ended("\(text) by itself", failed: code != 0, at: now) }
        }
    }

    /// Compares a runner with the object that a look found of it, if any.
    mutating func compare(_ runner: Runner, with object: DriverObject?, began: Timestamp, at now: Timestamp) {
        if let object { progress[runner.id]?.retirement = object.retirement }
        if runner.phase == .requested {
            guard !isUnderWay(.runner(runner.id)) else { return }
            if let object, object.started, object.running, runner.gitlabID != nil {
                // An earlier life of the daemon let it go, and it may have a job already.
                update(runner.id) {
                    $0.phase = .starting
                    $0.startedAt = now
                    $0.containerID = $0.containerID ?? object.id
                    $0.keepContact()
                }
                tell(.foundAgain, runners[runner.id])
            } else {
                decide(.abandon(runner.id), at: now)
            }
            return
        }
        if object?.started == true {
            progress[runner.id]?.startTrouble = nil
            // An engine that lists an ended container as such is not believed to run it.
            if object?.running == true { return }
        }
        guard runner.phase < .ended, let started = runner.startedAt, started < began else { return }
        if let trouble = progress[runner.id]?.startTrouble, object?.running != false, runner.phase <= .ready {
            // It was not started so far. The start can take effect yet, so it is to get no job before it is taken away.
            return leave(runner.id, "was not started: \(trouble)", failed: true)
        }
        // While it is being paused, a start that was late may still come; nothing can come of it any more afterwards.
        if progress[runner.id]?.startTrouble != nil, runner.phase < .stopping, object?.running != false { return }
        exited(runner.id, code: object?.exitCode, at: now)
    }

    // MARK: Results of steps

    /// GitLab says that it does not know the runner, which may also mean that we are not allowed to know. Said twice, and
    /// apart, it is believed: the runner has no job and gets none.
    mutating func missing(_ id: RunnerID, at now: Timestamp) {
        guard let runner = runners[id], runner.phase < .ended, var state = progress[id] else { return }
        let since = state.missingSince ?? now
        state.missingSince = since
        if now - since < Beat.gone { state.step.failed(.step, at: now, atLeast: Beat.gone) }
        progress[id] = state
        guard now - since >= Beat.gone else { return }
        verified(id, [], contacted: runner.contactedAt != nil, at: now)
        leave(id, "its registration is gone from GitLab", failed: false)
    }

    mutating func verified(_ id: RunnerID, _ running: [JobID], contacted: Bool, at now: Timestamp) {
        guard let runner = runners[id], runner.phase < .ended else { return }
        if let changed = progress[id]?.jobChangedAt, let began = progress[id]?.verifyBegan, changed > began {
            // The question is older than our knowledge.
            progress[id]?.verifiedAt = nil
            progress[id]?.verifyBegan = nil
            progress[id]?.step.failed(.step, at: now)
            return
        }
        progress[id, default: Progress()].verifiedAt = now
        if contacted { self.contacted(id, at: now) }
        if let current = runner.currentJob, !running.contains(current) {
            update(id) { $0.finishedJob(current, at: now) }
            progress[id]?.jobChangedAt = nil
            let job = JobRef(runner.forge, current)
            // How it ended only the job itself says, and is asked.
            if jobs[job] != nil { jobs[job]?.askAt = now } else { tell(.jobFinished, runners[id], subject: "\(current)") }
        }
        if let next = running.first, runners[id]?.isBusy == false {
            tookJob(id, next, at: now)
            tell(.jobStarted, runners[id], job: jobs[JobRef(runner.forge, next)]?.job, subject: "\(next)")
        }
        guard let runner = runners[id], runner.phase == .draining, !runner.isBusy else { return }
        if runner.failed, runner.contactedAt == nil {
            fail(id, runner.reason ?? "it never made contact", as: .noContact, at: now)
        } else {
            update(id) {
                $0.phase = .stopping
                $0.stoppingAt = now
            }
            tell(.drained, runners[id])
        }
    }

    /// - Parameters: the halves that were tried, each with the trouble that it met.
    mutating func removed(
        _ id: RunnerID, _ place: Place?, _ ofContainer: Trouble?, _ registration: RegistrationRef?, _ ofRegistration: Trouble?, at now: Timestamp
    ) {
        guard var runner = runners[id], var state = progress[id] else { return }
        if let place {
            notePlace(place, ofContainer, at: now)
            state.containerGone = ofContainer == nil
            state.containerGoneAt = ofContainer == nil ? now : nil
        }
        if let registration {
            noteForge(registration.forge, ofRegistration, at: now)
            state.registrationGone = ofRegistration == nil
        }
        progress[id] = state
        // A refusal says more than an outage.
        let troubles = [ofContainer, ofRegistration].compactMap { $0 }
        if let trouble = troubles.first(where: { !$0.isOutage }) ?? troubles.first { return stepFailed(id, "remove", trouble, at: now) }
        guard state.containerGone, state.registrationGone || runner.registration == nil else { return }
        runner.phase = .removed
        runner.removedAt = now
        save(.runner(runner))
        tell(.removed, runner)
        leftUnused(runner.place.host, at: now)
        runners[id] = nil
        progress[id] = nil
        departed.insert(id, at: now)
        // A GitLab that was installed afresh may have given the number to another runner since.
        if let registration = runner.registration, owners[registration] == id {
            owners[registration] = nil
            unregistered.insert(registration, at: now)
        }
    }

    mutating func stepWorked(_ id: RunnerID) {
        progress[id]?.step.succeeded()
        progress[id]?.refusals = 0
        progress[id]?.stuck = nil
    }

    /// Refusals in a row of the steps of a runner's end, after which the runner is reported as stuck.
    static let stuckAfter = 3

    mutating func stepFailed(_ id: RunnerID, _ step: String, _ trouble: Trouble, at now: Timestamp) {
        guard let runner = runners[id] else { return }
        var state = progress[id] ?? Progress()
        if state.step.failures == 0 { tell(.stepFailed(step, trouble.text), runner) }
        state.step.failed(.step, at: now, jitter: dice.unit(), atLeast: trouble.retryAfter ?? .zero)
        if !trouble.isOutage, !trouble.isOfStore, !trouble.tokenRefused { state.refusals += 1 }
        if state.refusals >= Self.stuckAfter, state.stuck != trouble.text {
            if state.stuck == nil { tell(.stuck(trouble.text), runner) }
            state.stuck = trouble.text
        }
        progress[id] = state
    }

    mutating func signalRefused(_ id: RunnerID, _ trouble: Trouble, at now: Timestamp) {
        stepFailed(id, "stop", trouble, at: now)
        guard let runner = runners[id], runner.phase == .stopping, !runner.isBusy, (progress[id]?.refusals ?? 0) >= Self.stuckAfter else { return }
        // It has no job, and will get none: there is nothing to lose.
        stepWorked(id)
        end(id, "its stop signal \(runner.terms.stopSignal) was refused: \(trouble.text)", failed: false, at: now)
    }
}
