/// The end of a runner's life: each step needs the one before it to have happened.
extension Planner {
    static func lives(_ state: FleetState, at now: Timestamp, into plan: inout Plan) {
        let pools = Dictionary(state.pools.map { ($0.pool.name, $0) }, uniquingKeysWith: { first, _ in first })
        for runner in state.runners.values where !state.isUnderWay(.runner(runner.id)) {
            step(runner, of: pools[runner.pool], state, at: now, into: &plan)
        }
    }

    private static func step(_ runner: Runner, of pool: PoolState?, _ state: FleetState, at now: Timestamp, into plan: inout Plan) {
        let progress = state.progress[runner.id] ?? Progress()
        let forge = state.forges[runner.forge]?.reach
        let canAskForge = forge != nil && forge?.trouble == nil
        let canAskPlace = state.places[runner.place].map { $0.reach.trouble == nil } ?? true
        if state.isEvacuating, runner.phase > .requested, runner.phase < .ended {
            return plan.actions.append(.end(runner.id, reason: "all runners are removed", failed: false))
        }
        let mayStep = !progress.step.isWaiting(at: now)
        if !mayStep, let until = progress.step.until { plan.wake(at: until) }
        switch runner.phase {
        case .requested, .removed: break
        case .starting:
            if let reason = unwanted(runner, progress, pool, state, at: now) { return plan.actions.append(.leave(runner.id, reason: reason, failed: false)) }
            // Whether it was started at all nobody can look.
            if state.registrationStays(of: runner) != nil { return }
            awaitContact(runner, progress, goodSince: canAskForge ? forge?.goodSince : nil, at: now, into: &plan)
        case .ready:
            if let reason = unwanted(runner, progress, pool, state, at: now) {
                plan.actions.append(.leave(runner.id, reason: reason, failed: false))
            } else if runner.isSpent {
                plan.actions.append(.leave(runner.id, reason: "max_jobs reached", failed: false))
            } else if canAskPlace, isToBeWeighed(runner, progress, pool?.pool) {
                plan.actions.append(.weigh(runner.id, runner.place))
            } else if canAskForge, mayStep {
                verifyUnknownJob(of: runner, progress, state, at: now, into: &plan)
            }
        case .pausing:
            if mayStep, canAskForge || runner.registration == nil { plan.actions.append(.pause(runner.id, runner.registration)) }
        case .draining:
            guard mayStep, canAskForge || runner.registration == nil else { return }
            if runner.isBusy {
                verifyUnknownJob(of: runner, progress, state, at: now, into: &plan)
            } else {
                plan.actions.append(.verify(runner.id, runner.registration))
            }
        case .stopping:
            if runner.isBusy {
                if canAskForge, mayStep { verifyUnknownJob(of: runner, progress, state, at: now, into: &plan) }
                return
            }
            let deadline = (runner.stoppingAt ?? runner.lastSeen) + runner.terms.stopTimeout
            if state.isGivenUp(runner.place, at: now) {
                plan.actions.append(.end(runner.id, reason: runner.reason ?? "its host has been away for a day", failed: runner.failed))
            } else if now >= deadline {
                plan.actions.append(.end(runner.id, reason: "did not quit in time", failed: true))
            } else {
                plan.wake(at: deadline)
                if !progress.isSignaled, mayStep, canAskPlace { plan.actions.append(.signal(runner.id, runner.place, runner.terms.stopSignal)) }
            }
        case .ended:
            guard mayStep else { return }
            if state.isToBeForgotten(runner, at: now) { return plan.actions.append(.forget(runner.id)) }
            if progress.wantsLog, canAskPlace { return plan.actions.append(.readLog(runner.id, runner.place)) }
            let place = !progress.containerGone && canAskPlace && !waitsForEngine(runner, progress, state) ? runner.place : nil
            let stays = state.registrationStays(of: runner).flatMap { now < $0 ? $0 : nil }
            if let stays { plan.wake(at: stays) }
            let mayUnregister = !progress.registrationGone && canAskForge && stays == nil && !state.isUnseen(runner.place)
            let registration = mayUnregister ? runner.registration : nil
            let isLast = progress.containerGone && (progress.registrationGone || runner.registration == nil)
            if place != nil || registration != nil || isLast { plan.actions.append(.remove(runner.id, place, registration)) }
        }
    }

    /// GitLab gives it jobs by the tags that it was registered with, so a runner that is unlike its pool now has to go. A job that it has may
    /// well end by itself even when it is cut off from its engine.
    private static func unwanted(_ runner: Runner, _ progress: Progress, _ pool: PoolState?, _ state: FleetState, at now: Timestamp) -> String? {
        guard let pool else { return "its pool is no longer configured" }
        if state.isDrained(runner.place.host) { return "its host is drained" }
        if !runner.isAsIn(pool) { return "its pool is another now" }
        if progress.wasLost { return "its host was lost for a while" }
        if state.isGivenUp(runner.place, at: now), !runner.isBusy { return "its host has been away for a day" }
        if state.hasLostGPU(runner) { return "its GPU is not there any more" }
        return switch progress.retirement {
        case .cutOff: "the engine was restarted with another socket"
        case .imageReplaced: "there is a newer image"
        case .evicted: "its cluster is ending it"
        case nil: nil
        }
    }

    /// A scope goes at once, also while its engine is in trouble; what its jobs had there can't, and then there is no use in asking again before
    /// the engine answers.
    private static func waitsForEngine(_ runner: Runner, _ progress: Progress, _ state: FleetState) -> Bool {
        guard progress.step.failures > 0, let engine = runner.engine else { return false }
        return state.places[engine]?.reach.trouble != nil
    }

    /// Once after each job. With the Docker executor jobs write into containers of their own, which go with them.
    private static func isToBeWeighed(_ runner: Runner, _ progress: Progress, _ pool: Pool?) -> Bool {
        guard runner.driver == .container, runner.terms.executor == .shell, pool?.diskMax != nil, !runner.isBusy, runner.jobsDone > 0 else { return false }
        return progress.weighedJobs != runner.jobsDone
    }

    /// Only GitLab knows whether it has called. While GitLab is away, a runner can't call and nobody can ask, so that
    /// time does not count.
    private static func awaitContact(
        _ runner: Runner, _ progress: Progress, goodSince: Timestamp?, at now: Timestamp, into plan: inout Plan
    ) {
        guard !runner.isBusy, let started = runner.startedAt, let goodSince else { return }
        let deadline = max(started, goodSince) + runner.terms.startTimeout
        if now >= deadline {
            return plan.actions.append(
                .leave(runner.id, reason: "no contact with GitLab within \(runner.terms.startTimeout.text)", failed: true))
        }
        plan.wake(at: deadline)
        guard let registration = runner.registration else { return }
        if progress.contact.isWaiting(at: now), let until = progress.contact.until {
            plan.wake(at: until)
        } else {
            plan.actions.append(.checkContact(runner.id, registration))
        }
    }

    /// A runner that is marked busy with a job that is not tracked: no event of it may ever come.
    private static func verifyUnknownJob(of runner: Runner, _ progress: Progress, _ state: FleetState, at now: Timestamp, into plan: inout Plan) {
        guard runner.isBusy, !state.followsJob(of: runner), let registration = runner.registration else { return }
        let due = progress.verifiedAt.map { $0 + Beat.verify } ?? now
        if now >= due { plan.actions.append(.verify(runner.id, registration)) } else { plan.wake(at: due) }
    }
}
