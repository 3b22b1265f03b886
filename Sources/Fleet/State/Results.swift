/// The results of launches and of actions.
extension FleetState {
    mutating func launching(_ id: RunnerID, _ step: LaunchStep, at now: Timestamp) {
        guard let runner = runners[id] else { return }
        switch step {
        case .registered(let gitlabID, let shortToken):
            owners[RegistrationRef(runner.forge, gitlabID)] = id
            update(id) {
                $0.gitlabID = gitlabID
                $0.shortToken = shortToken
            }
            noteForge(runner.forge, nil, at: now)
            forges[runner.forge]?.registering.succeeded()
            tell(.registered, runners[id])
        case .registrationFailed(let trouble):
            noteForge(runner.forge, trouble, at: now)
            if trouble.isOutage {
                progress[id]?.isBlameless = true
                forges[runner.forge]?.registering.failed(.registering, at: now, jitter: dice.unit(), atLeast: trouble.retryAfter ?? .zero)
            } else if trouble.tokenRefused {
                progress[id]?.isBlameless = true
            }
            // GitLab may have made it all the same.
            sweep(runner.forge, by: now + Beat.sweepSoon)
        case .created(let container):
            // To make a scope before its start takes a folder, and an engine where its jobs have containers: nobody else is asked.
            let maker = runner.engine ?? runner.place
            notePlace(maker, nil, at: now)
            places[maker]?.creating.succeeded()
            update(id) { $0.containerID = container }
            if runner.place.kind == .container, let index = index(ofPool: runner.pool) {
                usedImage(pools[index].pool.wantedImage.localName, at: runner.place, at: now)
            }
            tell(.created, runners[id], subject: String(container.prefix(12)))
        case .creationFailed(let trouble):
            let maker = runner.engine ?? runner.place
            notePlace(maker, trouble, at: now)
            if trouble.isOutage {
                progress[id]?.isBlameless = true
                places[maker]?.creating.failed(.look, at: now, jitter: dice.unit())
            }
            // The engine may have made it all the same.
            look(at: runner.place, by: now + Beat.look)
        case .prepared: break
        case .started:
            started(id, trouble: nil, at: now)
        case .startUnclear(let trouble):
            notePlace(runner.place, trouble, at: now)
            started(id, trouble: trouble.text, at: now)
        }
    }

    /// A start that failed may have taken effect all the same, and then the runner may have a job by now. So it counts as
    /// started, and the next look at the engine, or the missing contact, tells better.
    private mutating func started(_ id: RunnerID, trouble: String?, at now: Timestamp) {
        update(id) {
            if $0.phase == .requested { $0.phase = .starting }
            $0.startedAt = now
            $0.keepContact()
        }
        guard let runner = runners[id] else { return }
        if let early = progress[id], early.exitedEarly {
            progress[id]?.exitedEarly = false
            tell(.started, runner)
            return exited(id, code: early.earlyCode, at: now)
        }
        progress[id, default: Progress()].contact.failed(.contact, at: now)
        guard let trouble, runner.contactedAt == nil else { return tell(.started, runner) }
        progress[id]?.startTrouble = trouble
        look(at: runner.place, by: max(now + Beat.lookSoon, places[runner.place]?.reach.backoff.until ?? now))
        tell(.startUnclear(trouble), runner)
    }

    mutating func finish(_ action: Action, _ result: Result<Answer, Trouble>, at now: Timestamp) {
        if let key = action.key { inFlight.remove(key) }
        if case .failure(let trouble) = result, trouble.isOfStore { noteStore(trouble, at: now) }
        switch (action, result) {
        case (.launch, .success): break
        case (.launch(let id, _, _, _, _), .failure(let trouble)):
            if trouble == .unwanted { return end(id, "it was not wanted any more", failed: false, at: now) }
            if trouble.isOfStore { progress[id]?.isBlameless = true }
            fail(id, "start failed: \(trouble.text)", as: .spawnFailed, atLeast: trouble.retryAfter ?? .zero, at: now)
        case (.checkContact(let id, let registration), _): checked(id, registration, result, at: now)
        case (.pause(let id, let registration), _): paused(id, registration, result, at: now)
        case (.verify(let id, let registration), .success(let answer)):
            if let registration { noteForge(registration.forge, nil, at: now) }
            stepWorked(id)
            if case .jobs(let running, let contacted) = answer {
                progress[id]?.missingSince = nil
                verified(id, running, contacted: contacted, at: now)
            } else {
                missing(id, at: now)
            }
        case (.verify(let id, let registration), .failure(let trouble)):
            if let registration { noteForge(registration.forge, trouble, at: now) }
            stepFailed(id, "ask GitLab about", trouble, at: now)
        case (.signal(let id, let place, _), .success):
            notePlace(place, nil, at: now)
            stepWorked(id)
            progress[id]?.isSignaled = true
        case (.signal(let id, let place, _), .failure(let trouble)):
            notePlace(place, trouble, at: now)
            signalRefused(id, trouble, at: now)
        case (.readLog(let id, let place), _): readLog(of: id, at: place, result, at: now)
        case (.remove(let id, let place, let registration), .success(.removal(let ofContainer, let ofRegistration))):
            removed(id, place, ofContainer, registration, ofRegistration, at: now)
        case (.remove(let id, _, _), .failure(let trouble)): stepFailed(id, "remove", trouble, at: now)
        case (.remove, .success): break
        case (.measure(let place), .success(.disk(let space))): measured(place, space, at: now)
        case (.listImages(let place), .success(.images(let images))): places[place]?.disk.images = images
        case (.removeImage(let place, let image), _): imageRemoved(image, at: place, result.trouble, at: now)
        case (.sweepStorage(let place), _): swept(place, result.trouble, at: now)
        case (.measure(let place), _), (.listImages(let place), _): notePlace(place, result.trouble, at: now)
        case (.weigh(let id, _), _): weighed(id, result, at: now)
        case (.sample(let place), _): sampled(place, result, at: now)
        case (.refresh(let place, let image), .success): refreshed(image, at: place, nil, at: now)
        case (.refresh(let place, let image), .failure(let trouble)): refreshed(image, at: place, trouble, at: now)
        case (.ask(let job, _), .success(let answer)):
            noteForge(job.forge, nil, at: now)
            if case .job(let seen) = answer { answered(about: job, seen, at: now) }
        case (.ask(let job, _), .failure(let trouble)):
            noteForge(job.forge, trouble, at: now)
            couldNotAsk(about: job, trouble, at: now)
        case (.poll(let forge), .success(let answer)):
            noteForge(forge, nil, at: now)
            if case .poll(let poll) = answer { polled(forge, poll, at: now) }
        case (.poll(let forge), .failure(let trouble)):
            noteForge(forge, trouble, at: now)
            if !trouble.isOutage, !trouble.tokenRefused, !trouble.isOfStore { remark(forge, ["jobs can't be listed: \(trouble.text)"], isComplete: false) }
            let retry = forges[forge]?.reach.backoff.until ?? now + max(configuration.pollInterval, .seconds(1))
            forges[forge]?.pollAt = retry
        case (.ping(let forge), _): noteForge(forge, result.trouble, at: now)
        case (.sweep(let forge), .success(let answer)):
            noteForge(forge, nil, at: now)
            if case .registrations(let found) = answer { swept(forge, found, at: now) }
        case (.sweep(let forge), .failure(let trouble)):
            noteForge(forge, trouble, at: now)
            // A look that failed has ruled nothing out.
            forges[forge]?.sweepAt = now + Beat.sweepSoon
            if !trouble.isOutage, !trouble.tokenRefused, forges[forge]?.sweepTrouble == nil { tell(.sweepTrouble(trouble.text), subject: forge.name) }
            forges[forge]?.sweepTrouble = trouble.text
        case (.unregister(let registration, _), _): unregistered(registration, result, at: now)
        case (.survey(let host), .success(let answer)): if case .host(let facts) = answer { surveyed(host, facts, at: now) }
        case (.survey(let host), .failure(let trouble)): hosts[host, default: HostState()].trouble = trouble.text
        case (.look(let place), .success(let answer)):
            notePlace(place, nil, at: now)
            if case .objects(let objects) = answer { looked(at: place, objects, at: now) }
        case (.look(let place), .failure(let trouble)):
            // Whatever it says, it can't be looked at.
            notePlace(place, Trouble(trouble.text, retryAfter: trouble.retryAfter, isOutage: true), at: now)
        case (.removeOrphan(let place, let id), _):
            if let trouble = result.trouble {
                if places[place]?.orphans[id]?.failures == 0 { tell(.orphanStays(trouble.text), subject: Runner.name(of: id)) }
                places[place]?.orphans[id]?.failed(.step, at: now, jitter: dice.unit())
            } else {
                places[place]?.orphans[id] = nil
                departed.insert(id, at: now)
            }
        case (.flush, _): if result.trouble == nil { noteStore(nil, at: now) }
        case (.expire, _): expireAt = now + Beat.expire
        case (.learn, .success(.demand(let history))):
            forecasts = history.mapValues { Forecast($0, at: calendar(now), zone: configuration.zone) }
        case (.learn, _): learnAt = now + Beat.learnAgain
        case (.wake(let host), _): called(host, result.trouble, at: now)
        case (.sleep(let host), _): sentToSleep(host, result.trouble, at: now)
        case (.leave, _), (.end, _), (.refuse, _), (.abandon, _), (.lose, _), (.forget, _), (.oversleep, _): break
        }
    }

    private mutating func checked(_ id: RunnerID, _ registration: RegistrationRef, _ result: Result<Answer, Trouble>, at now: Timestamp) {
        noteForge(registration.forge, result.trouble, at: now)
        progress[id, default: Progress()].contact.failed(.contact, at: now)
        if case .success(.contact(let seen)) = result, seen?.hasContacted == true { contacted(id, at: now) }
    }

    private mutating func paused(_ id: RunnerID, _ registration: RegistrationRef?, _ result: Result<Answer, Trouble>, at now: Timestamp) {
        if let registration { noteForge(registration.forge, result.trouble, at: now) }
        if let trouble = result.trouble { return stepFailed(id, "pause", trouble, at: now) }
        stepWorked(id)
        update(id) { if $0.phase == .pausing { $0.phase = .draining } }
    }

    /// A log that can't be kept, or that its place refuses to give, is no reason to leave a runner where it is.
    private mutating func readLog(of id: RunnerID, at place: Place, _ result: Result<Answer, Trouble>, at now: Timestamp) {
        if let trouble = result.trouble, trouble.isOutage {
            // Asked again when the place answers; but not for ever, where it answers everything but this.
            notePlace(place, trouble, at: now)
            progress[id]?.logFailures += 1
            if progress[id]?.logFailures ?? 0 < Self.stuckAfter { return }
        }
        progress[id]?.wantsLog = false
        guard let runner = runners[id], case .success(.lines(let lines, let notKept)) = result, !lines.isEmpty else { return }
        tell(.lastLines(lines), runner)
        if let notKept, keepingTrouble == nil { tell(.logNotKept(notKept.text), runner) }
        keepingTrouble = notKept?.text
    }

    private mutating func unregistered(_ registration: RegistrationRef, _ result: Result<Answer, Trouble>, at now: Timestamp) {
        noteForge(registration.forge, result.trouble, at: now)
        guard let ghost = forges[registration.forge]?.ghosts[registration.id] else { return }
        guard let trouble = result.trouble else {
            forges[registration.forge]?.ghosts[registration.id] = nil
            unregistered.insert(registration, at: now)
            return
        }
        if ghost.backoff.failures == 0 { tell(.ghostStays(trouble.text), subject: ghost.description) }
        forges[registration.forge]?.ghosts[registration.id]?.backoff.failed(.step, at: now, jitter: dice.unit())
    }
}

extension Result where Failure == Trouble {
    var trouble: Trouble? { if case .failure(let trouble) = self { trouble } else { nil } }
}
