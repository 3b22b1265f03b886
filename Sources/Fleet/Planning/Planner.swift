/// Decides on the actions for now. Pure: the same state at the same time gives the same plan, and a plan that is carried
/// out twice, or not at all, is mended by the next one.
///
/// A plan is made of three parts: the end of lives (`Lives`), jobs and the runners for them (here), and looks and questions (`Upkeep`).
public enum Planner {
    /// O(j·t + j log j + r log r + s·p + h) for j jobs of t tags with s distinct tag sets, r runners, p pools and h schedules.
    public static func plan(_ state: FleetState, at now: Timestamp) -> Plan {
        var plan = Plan()
        guard state.isRecovered, !state.isStopping else { return plan }
        upkeep(state, at: now, into: &plan)
        let demand = demand(state, at: now, into: &plan)
        lives(state, at: now, into: &plan)
        var supply = Supply(state, at: now)
        refusals(demand, supply, state, at: now, into: &plan)
        serve(demand, supply: &supply, into: &plan)
        obey(state.orders, supply: &supply, into: &plan)
        keepWarm(supply: &supply, into: &plan)
        coolDown(supply: supply, at: now, into: &plan)
        power(supply, state, at: now, into: &plan)
        for time in supply.targets.compactMap(\.wakeAt) { plan.wake(at: time) }
        return plan
    }

    // MARK: Jobs

    /// The jobs that some pool could serve, the oldest first, each with the pools that could; all others are explained.
    private static func demand(_ state: FleetState, at now: Timestamp, into plan: inout Plan) -> [Demand] {
        struct Wish: Hashable {
            var forge: ForgeID
            var tags: [String]
            func hash(into hasher: inout Hasher) { hasher.combine(tags) }
        }
        let index = PoolIndex(state.pools.map(\.pool))
        var candidates: [Wish: [Int]] = [:]
        var demand: [Demand] = []
        var questions = Questions(state, at: now)
        plan.waiting.reserveCapacity(state.jobs.count)
        demand.reserveCapacity(state.jobs.count)
        for (id, tracked) in state.jobs {
            questions.consider(id, tracked)
            guard tracked.job.status == .pending else { continue }
            if state.isEvacuating {
                plan.waiting[id] = .evacuating
                continue
            }
            guard let tags = tracked.job.tags else {
                plan.waiting[id] = state.obstacle(ofForge: id.forge, at: now) ?? tracked.refusal.map { .gitlabRefuses($0) } ?? .tagsUnknown
                continue
            }
            let wish = Wish(forge: id.forge, tags: tags)
            let fitting: [Int]
            if let known = candidates[wish] {
                fitting = known
            } else {
                fitting = index.pools(serving: tags, of: id.forge)
                candidates[wish] = fitting
            }
            if fitting.isEmpty {
                plan.waiting[id] = index.whyNone(serves: tags, of: id.forge)
            } else if tracked.confirmedAt == nil {
                plan.waiting[id] = state.obstacle(ofForge: id.forge, at: now) ?? tracked.refusal.map { .gitlabRefuses($0) } ?? .startingUp
            } else if tracked.hold.isWaiting(at: now), let until = tracked.hold.until {
                plan.waiting[id] = .held
                plan.wake(at: until)
            } else {
                demand.append(
                    Demand(
                        job: id, project: tracked.job.projectID, priority: tracked.priority ?? state.pools[fitting[0]].pool.priority,
                        since: tracked.job.pendingAt ?? tracked.job.firstSeen, refusedAt: tracked.refusedAt, pools: fitting))
            }
        }
        questions.ask(into: &plan)
        demand.sort {
            $0.priority != $1.priority ? $0.priority > $1.priority : $0.since != $1.since ? $0.since < $1.since : $0.job < $1.job
        }
        return demand
    }

    private static func serve(_ demand: [Demand], supply: inout Supply, into plan: inout Plan) {
        var short: [(wanted: Demand, pool: Int?, sleeps: Bool)] = []
        for wanted in demand where !wanted.pools.contains(where: { supply.take(in: $0, for: wanted) }) {
            var reason: WaitingReason?
            var launched = false
            var tight: Int?
            var sleeps = false
            for pool in wanted.pools {
                switch supply.outlook(in: pool, for: wanted, into: &plan) {
                case .obstacle(let obstacle):
                    if obstacle.isRoom { tight = tight ?? pool }
                    reason = reason ?? obstacle
                case .sleeper(_, let isTight):
                    if isTight { tight = tight ?? pool }
                    sleeps = true
                case .host(let room):
                    supply.launch(in: pool, on: room, for: wanted, into: &plan)
                    launched = true
                }
                if launched { break }
            }
            if launched { continue }
            plan.waiting[wanted.job] = reason
            if tight != nil || sleeps { short.append((wanted, tight, sleeps)) }
        }
        // After all others: who could have had an idle runner has one by now. What an idle runner leaves is there sooner than a host that sleeps.
        for (wanted, pool, sleeps) in short {
            if let pool, let runner = supply.makeRoom(in: pool, for: wanted, into: &plan) {
                plan.waiting[wanted.job] = .makingRoom(by: runner)
            } else if sleeps {
                plan.waiting[wanted.job] = call(for: wanted, supply: &supply, into: &plan) ?? plan.waiting[wanted.job]
            }
        }
    }

    /// Has a host called that sleeps and has room for the job; the reason why it waits.
    private static func call(for wanted: Demand, supply: inout Supply, into plan: inout Plan) -> WaitingReason? {
        var reason: WaitingReason?
        for pool in wanted.pools {
            switch supply.outlook(in: pool, for: wanted, into: &plan) {
            case .sleeper(let room, _): return supply.reserve(in: pool, on: room, for: wanted.project, into: &plan)
            case .obstacle(let obstacle): reason = reason ?? obstacle
            case .host(let room):
                // It is full for those that come first only, which have room elsewhere by now.
                supply.launch(in: pool, on: room, for: wanted, into: &plan)
                plan.waiting[wanted.job] = nil
                return nil
            }
        }
        return reason
    }

    /// An idle runner asks GitLab every few seconds. One that was idle for the whole start timeout while a job of its kind
    /// waited will not take it: the longest idle one goes, and a new one is tried. That GitLab was away does not count, and
    /// GitLab must have confirmed both, the job's waiting and the runner's idleness.
    private static func refusals(_ demand: [Demand], _ supply: Supply, _ state: FleetState, at now: Timestamp, into plan: inout Plan) {
        var seen: Set<Int> = []
        for wanted in demand {
            for pool in wanted.pools where seen.insert(pool).inserted {
                // A runner from before the job's last refusal doesn't count for another.
                let idle = supply.idle[pool].first { one in (state.runners[one.id]?.requestedAt).map { $0 >= wanted.refusedAt ?? $0 } ?? false }
                guard let idle, !state.isUnderWay(.runner(idle.id)), let runner = state.runners[idle.id] else { continue }
                guard let forge = state.forges[runner.forge], let good = forge.reach.goodSince, let registration = runner.registration else { continue }
                let since = [idle.since, wanted.since, wanted.refusedAt ?? idle.since, good].max() ?? now
                let deadline = since + runner.terms.startTimeout
                guard now >= deadline else {
                    plan.wake(at: deadline)
                    continue
                }
                let (tracked, progress) = (state.jobs[wanted.job], state.progress[idle.id])
                if let asking = tracked?.asking, asking.isWaiting(at: now), let until = asking.until {
                    plan.wake(at: until)
                } else if let step = progress?.step, step.isWaiting(at: now), let until = step.until {
                    plan.wake(at: until)
                } else if (tracked?.confirmedAt).map({ $0 < deadline }) ?? true {
                    plan.ask(wanted.job, state)
                } else if (progress?.verifiedAt).map({ $0 < deadline }) ?? true {
                    plan.actions.append(.verify(idle.id, registration))
                } else {
                    plan.actions.append(.refuse(wanted.job, by: idle.id))
                }
            }
            if seen.count == state.pools.count { return }
        }
    }

    // MARK: Pools

    private static func obey(_ orders: [String], supply: inout Supply, into plan: inout Plan) {
        for name in orders {
            guard let pool = supply.index(of: name) else { continue }
            switch supply.outlook(in: pool, ordered: true, into: &plan) {
            case .obstacle(let obstacle): plan.refusals[name] = obstacle
            case .sleeper(let room, _): plan.refusals[name] = supply.reserve(in: pool, on: room, for: nil, into: &plan)
            case .host(let room): supply.launch(in: pool, on: room, for: nil, into: &plan)
            }
        }
    }

    private static func keepWarm(supply: inout Supply, into plan: inout Plan) {
        for (index, target) in supply.targets.enumerated() where target.warm > 0 {
            fill: while supply.free(index) < target.warm {
                switch supply.outlook(in: index, into: &plan) {
                case .host(let room): supply.launch(in: index, on: room, for: nil, into: &plan)
                case .sleeper(let room, _): _ = supply.reserve(in: index, on: room, for: nil, into: &plan)
                case .obstacle: break fill
                }
                supply.addFree(in: index)
            }
        }
    }

    /// Idle runners that no pending job needs and that have waited long enough, the longest idle first.
    private static func coolDown(supply: Supply, at now: Timestamp, into plan: inout Plan) {
        for (index, target) in supply.targets.enumerated() {
            var spare = supply.free(index) - target.warm
            for runner in supply.idle[index] where spare > 0 {
                let deadline = runner.since + target.cooldown
                guard now >= deadline else {
                    plan.wake(at: deadline)
                    break
                }
                plan.actions.append(.leave(runner.id, reason: "idle for \(target.cooldown.text)", failed: false))
                spare -= 1
            }
        }
    }
}

/// A job that waits, and the pools that could serve it, by index, the most specific first.
struct Demand {
    var job: JobRef
    var project: Int64
    /// The greater, the earlier.
    var priority: Int
    var since: Timestamp
    var refusedAt: Timestamp?
    var pools: [Int]
}

extension Duration {
    /// As written in the configuration, such as `5m` or `1.5s`.
    public var text: String {
        let ms = milliseconds
        if ms % 3_600_000 == 0, ms > 0 { return "\(ms / 3_600_000)h" }
        if ms % 60_000 == 0, ms > 0 { return "\(ms / 60_000)m" }
        if ms % 1000 == 0 { return "\(ms / 1000)s" }
        return "\(ms)ms"
    }
}
