/// Room for jobs that idle runners take.
extension Supply {
    /// Has an idle runner of another pool leave at once, so that there is room for the job's, unless enough is on its way out already. None of a pool
    /// that comes before the job.
    /// - Returns: the runner that leaves for it; nil when nothing makes room.
    mutating func makeRoom(in index: Int, for wanted: Demand, into plan: inout Plan) -> RunnerID? {
        for room in roomsOfPools[index] where blockedHosts[spot(index, room)]?.isRoom == true {
            if let runner = makeRoom(in: index, on: room, for: wanted, into: &plan) { return runner }
        }
        return nil
    }

    private mutating func makeRoom(in index: Int, on room: Int, for wanted: Demand, into plan: inout Plan) -> RunnerID? {
        // Jobs come by their priority, so what none could give to one that came before, none can give to this one.
        guard !hopeless.contains(spot(index, room)) else { return nil }
        let pool = state.pools[index].pool
        let host = rooms[room].host.id
        var trial = self
        var gone: [Runner] = []
        while let lack = trial.lack(of: pool, on: room) {
            let others = trial.idle.indices.compactMap { other -> Candidate? in
                guard other != index, trial.free(other) > 0, state.pools[other].pool.priority <= wanted.priority else { return nil }
                let place = trial.idle[other].firstIndex { idle in
                    idle.room == room && (lack == .budget || idle.hasThings && state.runners[idle.id]?.equipment.hasWhat(pool) == true)
                }
                return place.map { Candidate(pool: other, index: $0, priority: state.pools[other].pool.priority, idle: trial.idle[other][$0]) }
            }
            // Of those that come last the one that has been idle for longest.
            guard let other = others.min(by: { $0.yields(before: $1) }), let runner = state.runners[other.idle.id] else {
                hopeless.insert(spot(index, room))
                return nil
            }
            trial.idle[other.pool].remove(at: other.index)
            trial.low[other.pool] += 1
            trial.leave(runner)
            gone.append(runner)
        }
        trial.rooms[room].leaving.memory -= pool.reservedMemory
        trial.rooms[room].leaving.cpus -= pool.reservedCPUs
        if !pool.takesAnyHost, case .fits(let equipment) = trial.coming.place(pool, on: rooms[room].host, state.hosts[host]?.facts) {
            trial.coming.hold(equipment, by: Placement.nobody, on: host)
        }
        self = trial
        for runner in gone { plan.actions.append(.leave(runner.id, reason: "its room is needed for job \(wanted.job.id)", failed: false)) }
        return rooms[room].lastLeaving
    }

    /// An idle runner that could leave.
    private struct Candidate {
        var pool: Int
        /// Among the pool's idle ones.
        var index: Int
        var priority: Int
        var idle: Idle

        func yields(before other: Candidate) -> Bool {
            priority != other.priority ? priority < other.priority : (idle.since, idle.id) < (other.idle.since, other.idle.id)
        }
    }

    private enum Lack { case things, budget }

    /// What a host lacks for a runner of the pool, once those are gone that are on their way out.
    private func lack(of pool: Pool, on index: Int) -> Lack? {
        let room = rooms[index]
        if !pool.takesAnyHost, case .misfit = coming.place(pool, on: room.host, state.hosts[room.host.id]?.facts) { return .things }
        if let bound = room.host.budget.memory, room.memory - room.leaving.memory + pool.reservedMemory > bound { return .budget }
        if let bound = room.host.budget.cpus, room.cpus - room.leaving.cpus + pool.reservedCPUs > bound + 1e-9 { return .budget }
        return nil
    }
}

extension Equipment {
    /// Whether it has a GPU or another thing of a kind that the pool's runners need.
    fileprivate func hasWhat(_ pool: Pool) -> Bool {
        !gpus.isEmpty && vendor == pool.hardware.gpu || pool.choice.needs.keys.contains { resources[$0] ?? 0 > 0 }
    }
}
