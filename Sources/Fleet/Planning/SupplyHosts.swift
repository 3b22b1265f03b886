/// Which of a pool's hosts its next runner goes to.
extension Supply {
    /// Where a pool's next runner goes.
    struct Choice {
        var best: Option?
        /// The same among hosts that sleep.
        var sleeper: Option?
        /// The rank of the first host that is well and full, or not looked at yet.
        var full = Int.max
        /// A host that is awake has too little room left.
        var isTight = false
        /// Where there is no best.
        var why: WaitingReason

        struct Option {
            /// Its place in `rooms`.
            var room: Int
            var rank: Int
            var isEmulated: Bool
        }
    }

    /// A host that is well, and full or not looked at yet, keeps those that are less preferred out of reach of jobs that have not waited for it.
    mutating func host(in index: Int, for wanted: Demand?, ordered: Bool, into plan: inout Plan) -> Outlook {
        let pool = state.pools[index].pool
        let choice: Choice
        if !ordered, let known = choices[index] { choice = known } else { choice = choose(in: index, ordered: ordered, into: &plan) }
        if !ordered, choice.best != nil || choice.sleeper != nil { choices[index] = choice }
        if let sleeper = choice.sleeper, isWorthWaiting(for: sleeper, rather: choice.best, pool, wanted, into: &plan) {
            undecided.insert(index)
            return .sleeper(sleeper.room, isTight: choice.isTight)
        }
        guard let best = choice.best else {
            if !ordered { blocked[index] = choice.why }
            return .obstacle(choice.why)
        }
        if let wanted, best.rank > choice.full {
            let after = pool.choice.overflowAfter * (best.rank - choice.full)
            if now < wanted.since + after {
                plan.wake(at: wanted.since + after)
                undecided.insert(index)
                return .obstacle(.preferredFull(pool: pool.name, after: after))
            }
        }
        return .host(best.room)
    }

    /// Native before emulated, then as preferred, then by room.
    private mutating func choose(in index: Int, ordered: Bool, into plan: inout Plan) -> Choice {
        let pool = state.pools[index].pool
        var choice = Choice(why: .noHost(pool: pool.name))
        var obstacles: [WaitingReason.HostObstacle] = []
        var least: (awake: (Int, Int, Double, Int)?, asleep: (Int, Int, Double, Int)?)
        let isSpread = pool.choice.strategy == .spread
        for room in roomsOfPools[index] {
            let rank = ranks[index].isEmpty ? 0 : ranks[index][room]
            if let obstacle = find(obstacleOn: room, of: index, ordered: ordered, into: &plan) {
                obstacles.append(.init(host: rooms[room].host.id, reason: obstacle))
                if obstacle.passes { choice.full = min(choice.full, rank) }
                if obstacle.isRoom, !rooms[room].isAsleep { choice.isTight = true }
                continue
            }
            let isEmulated = pool.hardware.architecture.map { wanted in state.hosts[rooms[room].host.id]?.facts?.runs(wanted) != true } ?? false
            let option = Choice.Option(room: room, rank: rank, isEmulated: isEmulated)
            let order = (isEmulated ? 1 : 0, rank, isSpread ? load(of: room) : -load(of: room), room)
            if rooms[room].isAsleep {
                // One after the other: whoever is called already comes first.
                let order = (order.0, rank, isBeingCalled(room) ? -1 : 0.0, room)
                if least.asleep.map({ order < $0 }) ?? true { (least.asleep, choice.sleeper) = (order, option) }
            } else if least.awake.map({ order < $0 }) ?? true {
                (least.awake, choice.best) = (order, option)
            }
        }
        if obstacles.count == 1 { choice.why = obstacles[0].reason } else if !obstacles.isEmpty { choice.why = .noHostTakes(pool: pool.name, obstacles) }
        return choice
    }

    /// The share of what it has that is promised, of whatever is scarcer; by the number of runners where it is not known what it has.
    private func load(of room: Int) -> Double {
        let whole = rooms[room].whole
        let memory = whole.memory.map { Double(rooms[room].memory) / max(1, $0) }
        let cpus = whole.cpus.map { rooms[room].cpus / max(1e-9, $0) }
        if let memory, let cpus { return max(memory, cpus) }
        return memory ?? cpus ?? Double(rooms[room].runners)
    }

    /// The obstacle to a launch on one of the pool's hosts; nil when there is none.
    private mutating func find(obstacleOn room: Int, of index: Int, ordered: Bool, into plan: inout Plan) -> WaitingReason? {
        let spot = spot(index, room)
        if ordered { return lasting(index, room, ordered: true, into: &plan) ?? passing(index, room, ordered: true) }
        if let known = blockedHosts[spot] { return known }
        var found: WaitingReason?
        if !settled[spot] {
            found = lasting(index, room, ordered: false, into: &plan)
            settled[spot] = found == nil
        }
        found = found ?? passing(index, room, ordered: false)
        blockedHosts[spot] = found
        return found
    }

    /// What no launch of this plan changes.
    private func lasting(_ index: Int, _ room: Int, ordered: Bool, into plan: inout Plan) -> WaitingReason? {
        let host = rooms[room].host.id
        if rooms[room].isDrained { return .hostDrained(host) }
        let pool = state.pools[index].pool
        let place = Place(host, pool.driver)
        if rooms[room].isAsleep {
            if let obstacle = staysAsleep(host, into: &plan) { return obstacle }
        } else if let obstacle = find(obstacleAt: place, into: &plan) {
            return obstacle
        }
        if let engine = place.engine(for: pool.executor), engine != place, let obstacle = find(obstacleAt: engine, into: &plan) { return obstacle }
        if let obstacle = tooSmall(rooms[room].host.budget, for: pool) { return obstacle }
        guard !ordered, let until = state.pools[index].retryAt(on: host), now < until else { return nil }
        plan.wake(at: until)
        let error = state.pools[index].error(on: host) ?? "unknown error"
        return state.pools[index].isQuarantined(on: host) ? .quarantined(pool: pool.name, error: error) : .backingOff(pool: pool.name, error: error)
    }

    private func tooSmall(_ budget: HostBudget, for pool: Pool) -> WaitingReason? {
        if let bound = budget.memory, pool.reservedMemory > bound {
            let why = "a runner with its job may use \(pool.reservedMemory >> 20) MiB, more than the host's budget (\(bound >> 20) MiB)"
            return .hostUnfit(pool: pool.name, why: why)
        }
        if let bound = budget.cpus, pool.reservedCPUs > bound {
            return .hostUnfit(pool: pool.name, why: "a runner with its job may use \(pool.reservedCPUs) CPUs, more than the host's budget (\(bound))")
        }
        return nil
    }

    /// What other launches of this plan may bring about.
    private func passing(_ index: Int, _ room: Int, ordered: Bool) -> WaitingReason? {
        let host = rooms[room].host.id
        // What is left on a host that sleeps is cleared away once it is awake, and it is not woken for that alone.
        let isAsleep = rooms[room].isAsleep
        if !state.pools[index].pool.takesAnyHost,
            case .misfit(let reason) = (isAsleep ? coming : placement).place(state.pools[index].pool, on: rooms[room].host, state.hosts[host]?.facts),
            // Whoever has slept since the daemon started has to be seen first.
            !(isAsleep && reason == .startingUp)
        {
            return reason
        }
        // One probe at a time while starts fail.
        if !ordered, unproven[spot(index, room)] > 0, state.pools[index].failures(on: host) > 0 { return .probing(pool: state.pools[index].pool.name) }
        let (memory, cpus) = (state.pools[index].pool.reservedMemory, state.pools[index].pool.reservedCPUs)
        let budget = rooms[room].host.budget
        let promised = (
            memory: rooms[room].memory - (isAsleep ? rooms[room].leaving.memory : 0), cpus: rooms[room].cpus - (isAsleep ? rooms[room].leaving.cpus : 0)
        )
        if let bound = budget.memory, promised.memory + memory > bound { return .memoryBudget(promised: promised.memory, bound: bound) }
        if let bound = budget.cpus, promised.cpus + cpus > bound + 1e-9 { return .cpuBudget(promised: promised.cpus, bound: bound) }
        let bound = state.configuration.maxLaunches
        return launching[Place(host, state.pools[index].pool.driver), default: 0] >= bound ? .launchesAtBound(bound) : nil
    }

    private func find(obstacleAt place: Place, into plan: inout Plan) -> WaitingReason? {
        let known = state.places[place]
        if let trouble = known?.reach.trouble { return .engineDown(place, trouble.text) }
        if known?.isSeen != true { return .startingUp }
        if let creating = known?.creating, creating.isWaiting(at: now), let until = creating.until {
            plan.wake(at: until)
            return .engineDown(place, "it failed to make a runner just now")
        }
        if let space = state.shortage(at: place) { return .diskReserve(free: space.free, reserve: state.configuration.diskReserve(of: place.host)) }
        return nil
    }
}
