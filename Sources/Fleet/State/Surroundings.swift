/// One GitLab, as it shows itself.
public struct ForgeState: Sendable {
    /// Whether it answers.
    public internal(set) var reach = Reachability()
    /// Registering fails while other calls may work.
    var registering = Backoff()
    /// nil: at once.
    var pollAt: Timestamp?
    var pollBegan = Timestamp(milliseconds: 0)
    /// When the last webhook came that is on no disk, and that no poll since has answered.
    var unstoredAt: Timestamp?
    /// The omissions of the last poll, a sentence each.
    public internal(set) var remarks: [String] = []
    var sweepAt: Timestamp?
    var sweepBegan = Timestamp(milliseconds: 0)
    var sweepTrouble: String?
    /// Registrations that no runner owns.
    var ghosts: [Int64: Ghost] = [:]
    struct Ghost: Sendable {
        var description: String
        var backoff = Backoff()
    }
}

/// One engine or one user's systemd, as it shows itself.
public struct PlaceState: Sendable {
    /// Whether it answers.
    public internal(set) var reach = Reachability()
    /// nil: at once.
    var lookAt: Timestamp?
    var lookBegan = Timestamp(milliseconds: 0)
    /// Runners fail to be made there, for an outage, while looks may work.
    var creating = Backoff()
    /// It has been looked at in this life of the daemon.
    public internal(set) var isSeen = false
    /// It has been away for longer than its host may.
    public internal(set) var isLost = false
    /// Objects that carry our instance's id and that no runner owns.
    var orphans: [RunnerID: Backoff] = [:]
    /// Of an engine.
    public internal(set) var disk = DiskState()
    /// When its jobs are measured next; nil: at once.
    var sampleAt: Timestamp?
    var sampling = Backoff()
    /// When registries are asked for newer images.
    var refreshes: [WantedImage: Refresh] = [:]
    struct Refresh: Sendable {
        var at: Timestamp
        /// The last one failed, which is told once.
        var hasFailed = false
    }
}

extension FleetState {
    mutating func recall(_ memory: Memory, at now: Timestamp) {
        instance = memory.instance
        isRecovered = true
        // Of a GitLab that is no longer configured nothing will ever be heard.
        let forges = Set(pools.map(\.pool.forge)).union(memory.runners.map(\.forge))
        for var job in memory.jobs where job.status.isActive && forges.contains(job.id.forge) {
            job.waitingReason = nil
            job.keepTimes(within: now)
            var tracked = TrackedJob(job)
            tracked.askAt = now
            jobs[job.id] = tracked
        }
        for (job, createdAt) in memory.finishedJobs { finished.insert(job, createdAt: createdAt, at: now) }
        for var runner in memory.runners {
            runner.keepTimes(within: now)
            runners[runner.id] = runner
            progress[runner.id] = Progress()
            // Its start may be as unclear as the earlier life of the daemon knew it to be, until a look shows that it was started.
            if runner.phase == .starting, runner.contactedAt == nil { progress[runner.id]?.startTrouble = "the daemon stopped during its start" }
            // The daemon may have ended before it was read; one that was is read again.
            progress[runner.id]?.wantsLog = runner.phase == .ended && runner.failed && runner.startedAt != nil
            if let registration = runner.registration { owners[registration] = runner.id }
        }
        pausedPools = memory.pausedPools
        drainedHosts = memory.drainedHosts
        for use in memory.images {
            places[Place(use.host, .container), default: PlaceState()].disk.used[use.image] = .init(at: min(use.at, now), written: min(use.at, now))
        }
        configure(configuration, at: now)
        expireAt = now + Beat.firstExpire
        if !memory.runners.isEmpty || !memory.jobs.isEmpty { tell(.remembered(runners: memory.runners.count, jobs: jobs.count)) }
    }

    /// A pool's failures stay with its name. Runners of a pool that is gone leave with the next plan.
    mutating func configure(_ new: Configuration, at now: Timestamp) {
        let known = Dictionary(pools.map { ($0.pool.name, $0) }, uniquingKeysWith: { first, _ in first })
        configuration = new
        for (id, tracked) in jobs { jobs[id]?.priority = new.priority(of: tracked.job) }
        pools = new.pools.map { pool in
            var state = known[pool.name] ?? PoolState(pool)
            state.pool = pool
            state.hosts = new.candidates(of: pool)
            state.paused = pausedPools.contains(pool.name)
            return state
        }
        for place in placesInUse where places[place] == nil { places[place] = PlaceState() }
        for place in places.keys {
            let users = pools.filter { $0.pool.driver == .container && place.kind == .container && $0.hosts.contains(place.host) }.map(\.pool)
            let images = Set(users.filter { $0.pull == .newer }.map(\.wantedImage))
            let known = places[place]?.refreshes ?? [:]
            places[place]?.refreshes = Dictionary(uniqueKeysWithValues: images.map { ($0, known[$0] ?? .init(at: now + Beat.firstRefresh)) })
        }
        for forge in forgesInUse where forges[forge] == nil { forges[forge] = ForgeState() }
        // Another pool may learn now, or from another zone's weeks.
        learnAt = nil
        // Other pools may need to know more of them.
        for host in hosts.keys { hosts[host]?.surveyAt = nil }
        // Another reserve may be met already, or not be met any more.
        for place in places.keys { places[place]?.disk.measureAt = nil }
        // Switched on, or made faster: no need to wait for the time that was planned before.
        for id in forges.keys { forges[id]?.pollAt = nil }
    }

    // MARK: Reachability

    mutating func noteForge(_ id: ForgeID, _ trouble: Trouble?, at now: Timestamp) {
        guard let trouble, trouble.isOutage || trouble.tokenRefused else {
            // A refusal is an answer, too.
            if trouble?.isOfStore != true, forges[id, default: ForgeState()].reach.answered(at: now) { tell(.gitlabAnswers, subject: id.name) }
            return
        }
        if forges[id, default: ForgeState()].reach.failed(trouble, .forge, at: now, jitter: dice.unit()) {
            tell(.gitlabTrouble(trouble.text, tokenRefused: trouble.tokenRefused), subject: id.name)
        }
    }

    mutating func notePlace(_ place: Place, _ trouble: Trouble?, at now: Timestamp) {
        guard let trouble, trouble.isOutage else {
            guard trouble?.isOfStore != true else { return }
            let wasAway = places[place, default: PlaceState()].reach.answered(at: now)
            if wasAway { tell(.driverAnswers, subject: "\(place)") }
            answersAwake(place.host, wasAway: wasAway, at: now)
            foundAgain(place)
            return
        }
        if places[place, default: PlaceState()].reach.failed(trouble, .look, at: now, jitter: dice.unit()) {
            tell(isAsleep(place.host) ? .hostAsleep : .driverTrouble(trouble.text), subject: isAsleep(place.host) ? place.host.name : "\(place)")
        }
        if let retry = places[place]?.reach.backoff.until { places[place]?.lookAt = retry }
        doesNotAnswer(place.host, at: now)
    }

    mutating func noteStore(_ trouble: Trouble?, at now: Timestamp) {
        if let trouble {
            if store.failed(trouble, .store, at: now, jitter: dice.unit()) { tell(.storeTrouble(trouble.text)) }
            flushAt = store.backoff.until
        } else {
            if store.answered(at: now) { tell(.storeWorks) }
            flushAt = now + Beat.flush
        }
    }

    // MARK: Looks

    /// Has a place looked at by that time at the latest; nil, planned before, is at once and stays.
    mutating func look(at place: Place, by time: Timestamp) {
        guard let planned = places[place]?.lookAt, planned > time else { return }
        places[place]?.lookAt = time
    }

    mutating func sweep(_ forge: ForgeID, by time: Timestamp) {
        guard let planned = forges[forge]?.sweepAt, planned > time else { return }
        forges[forge]?.sweepAt = time
    }

    mutating func looked(at place: Place, _ objects: [DriverObject], at now: Timestamp) {
        let began = places[place]?.lookBegan ?? now
        places[place]?.isSeen = true
        let found = Dictionary(objects.map { ($0.runner, $0) }, uniquingKeysWith: { first, _ in first })
        for runner in runners.values.filter({ $0.place == place }).sorted(by: { $0.id < $1.id }) {
            compare(runner, with: found[runner.id], began: began, at: now)
        }
        // A creation that came after its time-out, and after the removal.
        for object in objects where runners[object.runner]?.phase == .ended {
            if let goneAt = progress[object.runner]?.containerGoneAt, goneAt < began { progress[object.runner]?.containerGone = false }
        }
        var orphans: [RunnerID: Backoff] = [:]
        for object in objects where isOrphan(object, since: began) {
            orphans[object.runner] = places[place]?.orphans[object.runner] ?? Backoff()
            if places[place]?.orphans[object.runner] == nil { tell(.orphan(place), subject: Runner.name(of: object.runner)) }
        }
        for (id, backoff) in places[place]?.orphans ?? [:] where isUnderWay(.orphan(id)) { orphans[id] = backoff }
        places[place]?.orphans = orphans
    }

    mutating func hear(_ event: DriverEvent, at place: Place, at now: Timestamp) {
        switch event {
        case .exited(let runner, let code): exited(runner, code: code, at: now)
        case .imageUsed(let image): usedImage(image, at: place, at: now)
        case .outOfMemory(let id, let isOfJob):
            guard let runner = runners[id] else { return }
            progress[id]?.meter?.heardOfKill()
            tell(.outOfMemory(limit: isOfJob ? jobLimit(in: runner.pool) : runner.memoryLimit), runner, job: runner.job.flatMap { jobs[$0]?.job })
        case .resync, .disconnected:
            // A look shows whether the place answers at all, and how its runners are by now.
            places[place, default: PlaceState()].lookAt = nil
            hosts[place.host]?.surveyAt = nil
            // Whom an engine has cut off that came back with another socket, the look at its own place shows.
            for other in Set(runners.values.filter { $0.engine == place }.map(\.place)) { places[other]?.lookAt = nil }
        }
    }

    mutating func swept(_ forge: ForgeID, _ registrations: [ForgeRunner], at now: Timestamp) {
        let began = forges[forge]?.sweepBegan ?? now
        forges[forge]?.sweepTrouble = nil
        var ghosts: [Int64: ForgeState.Ghost] = [:]
        for registration in registrations where isGhost(registration, of: forge, since: began) {
            if let known = forges[forge]?.ghosts[registration.id] {
                ghosts[registration.id] = known
            } else {
                ghosts[registration.id] = .init(description: registration.description)
                tell(.ghost, subject: "\(registration.description) (\(registration.id))")
            }
        }
        for (id, ghost) in forges[forge]?.ghosts ?? [:] where isUnderWay(.registration(RegistrationRef(forge, id))) { ghosts[id] = ghost }
        forges[forge]?.ghosts = ghosts
    }

    // MARK: Orders

    mutating func obey(_ order: Order, at now: Timestamp) {
        switch order {
        case .spawn(let pool): orders.append(pool)
        case .dismiss(let id, let force):
            guard let runner = runners[id] else { return }
            if force {
                tell(.dismissedByForce, runner)
                end(id, "removed by force", failed: false, at: now)
                forgetForced(id, at: now)
            } else if runner.phase == .starting || runner.phase == .ready {
                leave(id, "asked to leave", failed: false)
            }
        case .pause(let name, let paused):
            guard let index = index(ofPool: name), pools[index].paused != paused else { return }
            pools[index].paused = paused
            if paused { pausedPools.insert(name) } else { pausedPools.remove(name) }
            save(.pool(name: name, paused: paused))
            tell(paused ? .poolPaused : .poolResumed, pool: name)
        case .drain(let host, let drained): drain(host, drained)
        case .evacuate:
            isEvacuating = true
            tell(.evacuating)
        case .reconcile:
            // A look that is under way began too early to count.
            for place in places.keys {
                places[place]?.lookAt = nil
                places[place]?.lookBegan = Timestamp(milliseconds: 0)
                for id in places[place].map({ Array($0.orphans.keys) }) ?? [] { places[place]?.orphans[id] = Backoff() }
            }
            for forge in forges.keys {
                forges[forge]?.sweepAt = nil
                forges[forge]?.sweepBegan = Timestamp(milliseconds: 0)
                for id in forges[forge].map({ Array($0.ghosts.keys) }) ?? [] { forges[forge]?.ghosts[id]?.backoff.succeeded() }
            }
            for id in progress.keys {
                progress[id]?.step.succeeded()
                progress[id]?.verifiedAt = nil
            }
        }
    }

    /// Reports why each job waits when that changes. Other figures, or another error of the same kind, don't count as a change: ten thousand
    /// jobs that wait for one pool are not written at each of its failures.
    mutating func explain(_ reasons: [JobRef: WaitingReason]) {
        // A loop that stops plans nothing, and the reasons reported before remain true.
        guard isRecovered, !isStopping else { return }
        for (id, reason) in reasons where waiting[id] != reason {
            let tracked = jobs[id]
            guard let job = tracked?.job else { continue }
            let before = waiting[id]?.group
            guard before != reason.group || job.waitingReason == nil else { continue }
            jobs[id]?.job.waitingReason = reason.text
            save(.job(jobs[id]?.job ?? job))
            // A runner that becomes idle could be its own, until GitLab gives it another job: nothing new for whoever was told.
            if tracked?.toldGroup != reason.group { tell(.jobWaits(reason), job: job) }
            jobs[id]?.toldGroup = reason.group
        }
        for id in waiting.keys where reasons[id] == nil {
            guard jobs[id]?.job.waitingReason != nil else { continue }
            jobs[id]?.job.waitingReason = nil
            if let job = jobs[id]?.job { save(.job(job)) }
        }
        waiting = reasons
        orders = []
    }
}
