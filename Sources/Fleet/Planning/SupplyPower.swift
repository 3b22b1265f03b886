/// Hosts that sleep: room that comes later.
extension Supply {
    func isAsleep(_ room: Room) -> Bool {
        guard room.host.power != nil else { return false }
        if case .fallingAsleep = state.powerStep(of: room.host.id) { return true }
        guard let since = state.awaySince(Place(room.host.id, .container)) else { return false }
        // What runs there nobody knows for a while; after that, it is off with all that it had.
        return room.runners == 0 || now >= since + Beat.elsewhere
    }

    func isBeingCalled(_ room: Int) -> Bool {
        let host = rooms[room].host.id
        if case .waking = state.powerStep(of: host) { return true }
        return called.contains(host)
    }

    func staysAsleep(_ host: HostID, into plan: inout Plan) -> WaitingReason? {
        guard case .none = state.powerStep(of: host), let power = state.hosts[host]?.power, power.backoff.isWaiting(at: now), let until = power.backoff.until
        else { return nil }
        plan.wake(at: until)
        return .hostStaysAsleep(host, power.trouble ?? "unknown error")
    }

    /// Where another host has room now, one that sleeps is only worth the time that it takes to wake if a preferred one that is full would be worth it,
    /// too, or if the other would emulate.
    func isWorthWaiting(
        for sleeper: Choice.Option, rather awake: Choice.Option?, _ pool: Pool, _ wanted: Demand?, into plan: inout Plan
    ) -> Bool {
        guard let awake else { return true }
        if awake.isEmulated != sleeper.isEmulated { return awake.isEmulated }
        guard let wanted, sleeper.rank < awake.rank, let power = rooms[sleeper.room].host.power else { return false }
        let after = pool.choice.overflowAfter * (awake.rank - sleeper.rank)
        guard power.wakeTime <= after, now < wanted.since + after else { return false }
        plan.wake(at: wanted.since + after)
        return true
    }

    private func mayBeCalled(_ host: HostID, into plan: inout Plan) -> Bool {
        guard state.awaySince(Place(host, .container)) != nil, !state.isUnderWay(.power(host)), !state.isEvacuating else { return false }
        guard case .fallingAsleep(let since, _) = state.powerStep(of: host), now < since + Beat.callAgain else { return true }
        plan.wake(at: since + Beat.callAgain)
        return false
    }

    /// Keeps room on a host that sleeps, and calls it, unless it was called already.
    mutating func reserve(in index: Int, on room: Int, for project: Int64?, into plan: inout Plan) -> WaitingReason {
        let pool = state.pools[index].pool
        let host = rooms[room].host.id
        if let project { count(project, in: index) }
        hold(index, on: room)
        if case .fits(let equipment) = coming.place(pool, on: rooms[room].host, state.hosts[host]?.facts) {
            placement.hold(equipment, by: Placement.nobody, on: host)
            coming.hold(equipment, by: Placement.nobody, on: host)
        }
        if mayBeCalled(host, into: &plan), !isBeingCalled(room) {
            called.insert(host)
            plan.actions.append(.wake(host))
        }
        return .hostWaking(host, within: rooms[room].host.power?.wakeTime ?? .zero)
    }
}

extension Planner {
    /// Calls that were not answered, and hosts that nobody has needed for long enough.
    static func power(_ supply: Supply, _ state: FleetState, at now: Timestamp, into plan: inout Plan) {
        guard !state.isEvacuating else { return }
        let undecided = Set(supply.undecided.flatMap { supply.roomsOfPools[$0] })
        for (index, room) in supply.rooms.enumerated() {
            guard let power = room.host.power, !state.isUnderWay(.power(room.host.id)) else { continue }
            switch state.powerStep(of: room.host.id) {
            case .waking(let since, let calls):
                let deadline = since + power.wakeTime * calls
                if now < deadline {
                    plan.wake(at: deadline)
                } else {
                    plan.actions.append(calls < Beat.wakeCalls ? .wake(room.host.id) : .oversleep(room.host.id))
                }
            case .fallingAsleep: break
            case .none: if !undecided.contains(index) { rest(room, power, state, at: now, into: &plan) }
            }
        }
    }

    private static func rest(_ room: Supply.Room, _ power: HostPower, _ state: FleetState, at now: Timestamp, into plan: inout Plan) {
        let host = room.host.id
        guard let idle = power.idle, !room.isAsleep, !room.isDrained, room.runners == 0, let known = state.hosts[host]?.power else { return }
        let place = Place(host, .container)
        guard let there = state.places[place], there.reach.isGood, there.isSeen, there.orphans.isEmpty else { return }
        guard let since = known.unusedSince, !state.isUsed(place) else { return }
        let time = max(since + idle, known.backoff.until ?? since)
        if now < time { plan.wake(at: time) } else { plan.actions.append(.sleep(host)) }
    }
}
