/// Everything the planner may know.
public struct Snapshot: Sendable {
    public var jobs: [Job]
    public var runners: [Runner]
    /// In the order of the configuration, which breaks ties.
    public var pools: [PoolState]
    public var budget: HostBudget
    public var now: Timestamp
    /// Jobs that no runner took that was there for them, and until when none is started for them again.
    public var holds: [JobID: Timestamp]
    public init(
        jobs: [Job], runners: [Runner], pools: [PoolState], budget: HostBudget, now: Timestamp, holds: [JobID: Timestamp] = [:]
    ) {
        self.holds = holds
        self.jobs = jobs
        self.runners = runners
        self.pools = pools
        self.budget = budget
        self.now = now
    }
}

public enum Action: Sendable, Equatable {
    case launch(pool: String, job: JobID?)
    /// Pause it in GitLab; it finishes the job it has.
    case drain(RunnerID, reason: String)
    /// It drains and has no job that we know of: verify that with GitLab, then ask it to quit.
    case stop(RunnerID)
    /// It was asked to quit and didn't: end it.
    case kill(RunnerID)
    /// Take container and registration away.
    case remove(RunnerID)
    /// It never made contact.
    case fail(RunnerID, reason: String)
    /// It is idle, and did not take a job that it could take and that waited all the while: let it go.
    case dismiss(RunnerID, ignored: JobID)
}

public struct Plan: Sendable, Equatable {
    public var actions: [Action] = []
    /// Why a pending job has no runner on the way.
    public var waiting: [JobID: String] = [:]
    /// When time alone will next change the plan.
    public var wakeAt: Timestamp?

    mutating func wake(at time: Timestamp) { wakeAt = min(wakeAt ?? time, time) }
}

/// Computes what should be done now. Pure: the same snapshot gives the same plan, and a plan that is
/// carried out twice, or not at all, is mended by the next one.
public enum Planner {
    /// O(j·t + r log r + s·p) for j pending jobs of t tags with s distinct tag sets, r runners and p pools.
    public static func plan(_ snapshot: Snapshot) -> Plan {
        var plan = Plan()
        let demand = demand(snapshot, into: &plan)
        var supply = Supply(snapshot, demand, into: &plan)

        endings(snapshot, into: &plan)
        serve(demand, snapshot, supply: &supply, into: &plan)
        keepWarm(snapshot, supply: &supply, into: &plan)
        coolDown(snapshot, supply: supply, into: &plan)
        return plan
    }

    /// The end of a life: each step needs the one before it to have happened.
    private static func endings(_ snapshot: Snapshot, into plan: inout Plan) {
        let pools = Dictionary(
            snapshot.pools.map { ($0.pool.name, $0.pool) }, uniquingKeysWith: { first, _ in first })
        for runner in snapshot.runners {
            let pool = pools[runner.pool]
            switch runner.phase {
            case .requested, .removed:
                break
            case .starting:
                guard !runner.isBusy, let pool, let started = runner.startedAt else { continue }
                let deadline = started + pool.startTimeout
                if snapshot.now >= deadline {
                    plan.actions.append(
                        .fail(runner.id, reason: "no contact with GitLab within \(pool.startTimeout.text)"))
                } else {
                    plan.wake(at: deadline)
                }
            case .ready:
                if pool == nil {
                    plan.actions.append(.drain(runner.id, reason: "its pool is no longer configured"))
                } else if let pool, pool.maxJobs > 0,
                    runner.jobsDone + (runner.isBusy ? 1 : 0) >= pool.maxJobs
                {
                    plan.actions.append(.drain(runner.id, reason: "max_jobs reached"))
                }
            case .draining:
                if !runner.isBusy { plan.actions.append(.stop(runner.id)) }
            case .stopping:
                guard !runner.isBusy, let since = runner.stoppingAt else { continue }
                let deadline = since + (pool?.stopTimeout ?? .seconds(3600))
                if snapshot.now >= deadline {
                    plan.actions.append(.kill(runner.id))
                } else {
                    plan.wake(at: deadline)
                }
            case .ended:
                plan.actions.append(.remove(runner.id))
            }
        }
    }

    /// The pending jobs that some pool could serve, the oldest first, each with the pools that could.
    private static func demand(_ snapshot: Snapshot, into plan: inout Plan) -> [Demand] {
        let index = PoolIndex(snapshot.pools.map(\.pool))
        var candidates: [[String]: [Int]] = [:]
        var demand: [Demand] = []
        let pending = snapshot.jobs.filter { $0.status == .pending }
            .sorted { ($0.pendingAt ?? $0.firstSeen, $0.id) < ($1.pendingAt ?? $1.firstSeen, $1.id) }
        for job in pending {
            // A job whose tags aren't known yet can't be matched; they are being asked for.
            guard let tags = job.tags else { continue }
            let fitting: [Int]
            if let known = candidates[tags] {
                fitting = known
            } else {
                fitting = index.pools(serving: tags)
                candidates[tags] = fitting
            }
            if fitting.isEmpty {
                plan.waiting[job.id] = index.whyNone(serves: tags)
            } else if let until = snapshot.holds[job.id], snapshot.now < until {
                plan.waiting[job.id] = "no runner that was there for it took it: is the pool's kind of runner allowed in its project?"
                plan.wake(at: until)
            } else {
                demand.append(Demand(job: job.id, since: job.pendingAt ?? job.firstSeen, pools: fitting))
            }
        }
        return demand
    }

    private static func serve(_ demand: [Demand], _ snapshot: Snapshot, supply: inout Supply, into plan: inout Plan) {
        for wanted in demand {
            if let pool = wanted.pools.first(where: { supply.free[$0] > 0 }) {
                supply.free[pool] -= 1
                continue
            }
            var reason: String?
            var launched = false
            for pool in wanted.pools {
                if let obstacle = supply.obstacle(toLaunchIn: pool, snapshot, wake: { plan.wake(at: $0) }) {
                    reason = reason ?? obstacle
                } else {
                    supply.launch(in: pool)
                    plan.actions.append(.launch(pool: snapshot.pools[pool].pool.name, job: wanted.job))
                    launched = true
                    break
                }
            }
            if !launched { plan.waiting[wanted.job] = reason ?? "no pool can start a runner" }
        }
    }

    private static func keepWarm(_ snapshot: Snapshot, supply: inout Supply, into plan: inout Plan) {
        for (index, state) in snapshot.pools.enumerated() {
            while supply.free[index] < state.pool.warm,
                supply.obstacle(toLaunchIn: index, snapshot, wake: { plan.wake(at: $0) }) == nil
            {
                supply.launch(in: index)
                supply.free[index] += 1
                plan.actions.append(.launch(pool: state.pool.name, job: nil))
            }
        }
    }

    /// Idle runners that no pending job needs and that have waited long enough, the longest idle first.
    private static func coolDown(_ snapshot: Snapshot, supply: Supply, into plan: inout Plan) {
        for (index, state) in snapshot.pools.enumerated() {
            var spare = supply.free[index] - state.pool.warm
            guard spare > 0 else { continue }
            let idle = supply.idle[index].sorted { ($0.since, $0.id) < ($1.since, $1.id) }
            for runner in idle where spare > 0 {
                let deadline = runner.since + state.pool.cooldown
                if snapshot.now >= deadline {
                    plan.actions.append(.drain(runner.id, reason: "idle for \(state.pool.cooldown.text)"))
                    spare -= 1
                } else {
                    plan.wake(at: deadline)
                    break
                }
            }
        }
    }
}

/// A job that waits, and the pools that could serve it, by index, the most specific first.
private struct Demand {
    var job: JobID
    var since: Timestamp
    var pools: [Int]
}

/// What there is to serve jobs with, and what may still be started; all by index of pool.
private struct Supply {
    /// Runners that may still take a job.
    var free: [Int]
    var idle: [[(id: RunnerID, since: Timestamp)]]
    private var count: [Int]
    private var memory: Int64 = 0
    private var cpus: Double = 0
    private let pools: [Pool]
    /// Pools that already got their one probe in this plan.
    private var probing: Set<Int> = []

    init(_ snapshot: Snapshot, _ demand: [Demand], into plan: inout Plan) {
        pools = snapshot.pools.map(\.pool)
        // The longest waiting job of each pool: demand has the oldest first.
        var oldest: [Demand?] = Array(repeating: nil, count: pools.count)
        for wanted in demand { for pool in wanted.pools where oldest[pool] == nil { oldest[pool] = wanted } }
        free = Array(repeating: 0, count: snapshot.pools.count)
        count = free
        idle = Array(repeating: [], count: snapshot.pools.count)
        var position: [String: Int] = [:]
        for (index, state) in snapshot.pools.enumerated() { position[state.pool.name] = index }
        for runner in snapshot.runners where runner.isLive {
            memory += runner.memory
            cpus += runner.cpus
            guard let index = position[runner.pool] else { continue }
            count[index] += 1
            let pool = snapshot.pools[index].pool
            let usedUp = pool.maxJobs > 0 && runner.jobsDone >= pool.maxJobs
            guard runner.isSupply, !usedUp else { continue }
            if runner.phase == .ready, let ignored = oldest[index] {
                // An idle runner asks GitLab every few seconds. One that had all this time is not of use to this job.
                let deadline = max(runner.idleSince ?? runner.lastSeen, ignored.since) + pool.startTimeout
                if snapshot.now >= deadline {
                    plan.actions.append(.dismiss(runner.id, ignored: ignored.job))
                    continue
                }
                plan.wake(at: deadline)
            }
            free[index] += 1
            if runner.phase == .ready {
                idle[index].append((runner.id, runner.idleSince ?? runner.lastSeen))
            }
        }
    }

    mutating func launch(in index: Int) {
        count[index] += 1
        memory += pools[index].memory
        cpus += pools[index].cpus
    }

    mutating func obstacle(
        toLaunchIn index: Int, _ snapshot: Snapshot, wake: (Timestamp) -> Void
    ) -> String? {
        let state = snapshot.pools[index]
        let pool = state.pool
        if state.paused { return "pool \(pool.name) is paused" }
        if let retryAt = state.retryAt, snapshot.now < retryAt {
            wake(retryAt)
            return "pool \(pool.name) waits after a failed start: \(state.lastError ?? "unknown error")"
        }
        // One probe at a time while starts fail.
        if state.failures > 0, free[index] > 0 || probing.contains(index) {
            return "pool \(pool.name) tries one runner after a failed start"
        }
        if count[index] >= pool.maxRunners {
            return "pool \(pool.name) is at max_runners (\(pool.maxRunners))"
        }
        if let bound = snapshot.budget.memory, memory + pool.memory > bound {
            return "the host's memory budget is used up (\(memory >> 20) of \(bound >> 20) MiB promised)"
        }
        if let bound = snapshot.budget.cpus, cpus + pool.cpus > bound + 1e-9 {
            return "the host's CPU budget is used up (\(cpus) of \(bound) promised)"
        }
        if state.failures > 0 { probing.insert(index) }
        return nil
    }
}

/// Which pools serve a set of tags, most specific first.
struct PoolIndex {
    private let tagSets: [Set<String>]
    private let pools: [Pool]
    /// Pools by how many tags they have, then by their place in the configuration.
    private let order: [Int]
    private let allTags: Set<String>

    init(_ pools: [Pool]) {
        self.pools = pools
        tagSets = pools.map { Set($0.tags) }
        let counts = tagSets.map(\.count)
        order = pools.indices.sorted { (counts[$0], $0) < (counts[$1], $1) }
        allTags = tagSets.reduce(into: []) { $0.formUnion($1) }
    }

    func pools(serving tags: [String]) -> [Int] {
        guard tags.allSatisfy(allTags.contains) else { return [] }
        return order.filter { index in
            tags.isEmpty ? pools[index].runUntagged : tags.allSatisfy(tagSets[index].contains)
        }
    }

    func whyNone(serves tags: [String]) -> String {
        if tags.isEmpty { return "no pool has run_untagged" }
        let unknown = tags.filter { !allTags.contains($0) }
        if !unknown.isEmpty { return "no pool has the tag \(unknown.joined(separator: ", "))" }
        return "no one pool has all of the tags \(tags.joined(separator: ", "))"
    }
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
