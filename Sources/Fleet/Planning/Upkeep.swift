/// Looks and questions that no event asked for, because events can be lost.
extension Planner {
    static func upkeep(_ state: FleetState, at now: Timestamp, into plan: inout Plan) {
        for place in state.placesInUse {
            away(place, state, at: now, into: &plan)
            look(at: place, state, at: now, into: &plan)
        }
        for host in state.hostsInUse { due(state.hosts[host]?.surveyAt, .survey(host), state, at: now, into: &plan) }
        for forge in state.forgesInUse { ask(forge, state, at: now, into: &plan) }
        due(state.flushAt, .flush, state, at: now, into: &plan)
        if let expireAt = state.expireAt { due(expireAt, .expire, state, at: now, into: &plan) }
        if state.pools.contains(where: { $0.pool.learns }) { due(state.learnAt, .learn, state, at: now, into: &plan) }
    }

    /// Plans an action for its time, unless it is under way; nil is at once.
    private static func due(_ time: Timestamp?, _ action: Action, _ state: FleetState, at now: Timestamp, into plan: inout Plan) {
        if let key = action.key, state.isUnderWay(key) { return }
        if let time, now < time { plan.wake(at: time) } else { plan.actions.append(action) }
    }

    /// Time alone makes its runners unknown, and then lost.
    private static func away(_ place: Place, _ state: FleetState, at now: Timestamp, into plan: inout Plan) {
        guard let since = state.awaySince(place) else { return }
        if let next = [Beat.elsewhere, Beat.keepRegistrations].map({ since + $0 }).first(where: { now < $0 }) { plan.wake(at: next) }
        guard !state.isLost(place), !state.isExpectedAway(place), let lostAt = state.lostAt(place) else { return }
        if now < lostAt { plan.wake(at: lostAt) } else { plan.actions.append(.lose(place)) }
    }

    private static func look(at place: Place, _ state: FleetState, at now: Timestamp, into plan: inout Plan) {
        let known = state.places[place] ?? PlaceState()
        due(known.lookAt, .look(place), state, at: now, into: &plan)
        guard known.reach.trouble == nil else { return }
        for (id, backoff) in known.orphans.sorted(by: { $0.key < $1.key }) { due(backoff.until, .removeOrphan(place, id), state, at: now, into: &plan) }
        disk(of: place, state, at: now, into: &plan)
        if state.isBusy(place) { due([known.sampleAt, known.sampling.until].compactMap { $0 }.max(), .sample(place), state, at: now, into: &plan) }
        for (image, refresh) in known.refreshes.sorted(by: { $0.key < $1.key }) { due(refresh.at, .refresh(place, image: image), state, at: now, into: &plan) }
    }

    private static func ask(_ id: ForgeID, _ state: FleetState, at now: Timestamp, into plan: inout Plan) {
        let forge = state.forges[id] ?? ForgeState()
        let polls = state.configuration.pollInterval > .zero
        guard forge.reach.trouble == nil else {
            // One question at a time, until it is answered.
            return due(forge.reach.backoff.until, polls ? .poll(id) : .ping(id), state, at: now, into: &plan)
        }
        if polls {
            due(forge.pollAt, .poll(id), state, at: now, into: &plan)
        } else if !forge.reach.isKnown {
            due(nil, .ping(id), state, at: now, into: &plan)
        }
        due(forge.sweepAt, .sweep(id), state, at: now, into: &plan)
        for (number, ghost) in forge.ghosts.sorted(by: { $0.key < $1.key }) {
            due(ghost.backoff.until, .unregister(RegistrationRef(id, number), name: ghost.description), state, at: now, into: &plan)
        }
    }
}

/// Jobs that GitLab is to be asked about: their tags are in no event, a list misses them, or nothing was heard of them for
/// long. However many they are, a GitLab gets few questions at a time, and none while it is in trouble.
struct Questions {
    /// Questions under way at once.
    static let atOnce = 8

    private let state: FleetState
    private let now: Timestamp
    /// Longer ago is too long for news of a job that runs, and of one that waits.
    private let running: Staleness
    private let pending: Staleness
    private var oldest: (running: Timestamp?, pending: Timestamp?)
    private var room: [ForgeID: Int] = [:]
    private var due: [ForgeID: [(at: Timestamp, job: JobRef)]] = [:]
    private var next: Timestamp?

    private struct Staleness {
        let after: Duration
        let cut: Timestamp
        init(_ after: Duration, at now: Timestamp) { (self.after, cut) = (after, now + after * -1) }
    }

    init(_ state: FleetState, at now: Timestamp) {
        self.state = state
        self.now = now
        let polls = state.configuration.pollInterval * 2
        running = Staleness(max(Beat.verify, polls), at: now)
        pending = Staleness(max(Beat.recheck, polls), at: now)
        for (id, forge) in state.forges where forge.reach.trouble == nil { room[id] = Self.atOnce }
        for case .job(let job) in state.inFlight { room[job.forge, default: 1] -= 1 }
    }

    mutating func consider(_ id: JobRef, _ tracked: TrackedJob) {
        if let at = tracked.askAt ?? (tracked.asking.isWaiting(at: now) ? tracked.asking.until : nil) {
            if at <= now { add(id, at) } else { next = min(next ?? at, at) }
        } else if let confirmed = tracked.confirmedAt {
            let waits = tracked.job.status == .pending
            if confirmed <= (waits ? pending.cut : running.cut) {
                add(id, confirmed)
            } else if waits {
                oldest.pending = min(oldest.pending ?? confirmed, confirmed)
            } else {
                oldest.running = min(oldest.running ?? confirmed, confirmed)
            }
        }
    }

    private mutating func add(_ id: JobRef, _ at: Timestamp) {
        guard let room = room[id.forge], room > 0 else { return }
        let most = due[id.forge]
        if let last = most?.last, most?.count == room, last.at < at || (last.at == at && last.job < id) { return }
        if state.isUnderWay(.job(id)) { return }
        var list = most ?? []
        let place = list.firstIndex { ($0.at, $0.job) > (at, id) } ?? list.count
        list.insert((at, id), at: place)
        if list.count > room { list.removeLast() }
        due[id.forge] = list
    }

    func ask(into plan: inout Plan) {
        if let next { plan.wake(at: next) }
        if let running = oldest.running { plan.wake(at: running + self.running.after) }
        if let pending = oldest.pending { plan.wake(at: pending + self.pending.after) }
        for (_, list) in due.sorted(by: { $0.key < $1.key }) { for question in list { plan.ask(question.job, state) } }
    }
}

extension Plan {
    /// Once, however many want to know.
    mutating func ask(_ job: JobRef, _ state: FleetState) {
        guard let project = state.jobs[job]?.job.projectID, !state.isUnderWay(.job(job)) else { return }
        let action = Action.ask(job, project: project)
        if !actions.contains(action) { actions.append(action) }
    }
}
