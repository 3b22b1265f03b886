/// The runners that can serve jobs, and the room for more; all by index of pool.
struct Supply {
    let state: FleetState
    private let now: Timestamp
    /// Runners that are ready and have nothing to do, the longest idle first.
    private(set) var idle: [[(id: RunnerID, since: Timestamp)]]
    /// When the runners that may still take a job were requested, the oldest first; those from `low` up to `high` are not spoken for.
    private var born: [[Timestamp]]
    private var low: [Int]
    private var high: [Int]
    private var extra: [Int]
    /// Those that count against `max_runners`.
    private var count: [Int]
    private var memory: Int64 = 0
    private var cpus: Double = 0
    private var launching: [Place: Int] = [:]
    private var dice: SplitMix
    private var positions: [String: Int] = [:]
    /// Pools that already got their one probe in this plan.
    private var probing: Set<Int> = []
    /// The obstacle found in each pool, which stays for the rest of the plan.
    private var blocked: [WaitingReason?]

    init(_ state: FleetState, at now: Timestamp) {
        self.state = state
        self.now = now
        dice = state.dice
        let pools = state.pools.count
        idle = Array(repeating: [], count: pools)
        born = Array(repeating: [], count: pools)
        (low, high, extra, count) = (Array(repeating: 0, count: pools), [], Array(repeating: 0, count: pools), Array(repeating: 0, count: pools))
        blocked = Array(repeating: nil, count: pools)
        for (index, pool) in state.pools.enumerated() { positions[pool.pool.name] = index }
        for runner in state.runners.values { add(runner) }
        for index in idle.indices {
            idle[index].sort { ($0.since, $0.id) < ($1.since, $1.id) }
            born[index].sort()
        }
        high = born.map(\.count)
    }

    private mutating func add(_ runner: Runner) {
        let progress = state.progress[runner.id]
        let isBeingMade = runner.phase == .requested && state.isUnderWay(runner)
        if isBeingMade { launching[runner.place, default: 0] += 1 }
        if progress?.containerGone != true {
            memory += runner.memory
            cpus += runner.cpus
        }
        guard let index = positions[runner.pool] else { return }
        // A runner that can't be removed keeps its share of the host, but not its place under `max_runners`.
        if progress?.containerGone != true, runner.phase < .ended || progress?.stuck == nil { count[index] += 1 }
        guard runner.isSupply, !runner.isSpent, progress?.stuck == nil, runner.isAsIn(state.pools[index].pool) else { return }
        // A start that an earlier life of the daemon began is not supply before its outcome is known.
        guard runner.phase != .requested || isBeingMade else { return }
        born[index].append(runner.requestedAt)
        if runner.phase == .ready { idle[index].append((runner.id, runner.idleSince ?? runner.lastSeen)) }
    }

    func index(of pool: String) -> Int? { positions[pool] }

    /// Runners that no job is waiting for.
    func free(_ pool: Int) -> Int { high[pool] - low[pool] + extra[pool] }

    mutating func addFree(in pool: Int) { extra[pool] += 1 }

    /// Gives a job a runner. A job that runners did not take may only have one that was requested since `refused`.
    mutating func take(in pool: Int, newerThan refused: Timestamp?) -> Bool {
        guard low[pool] < high[pool] else { return false }
        guard let refused else {
            low[pool] += 1
            return true
        }
        guard born[pool][high[pool] - 1] >= refused else { return false }
        high[pool] -= 1
        return true
    }

    mutating func launch(in index: Int, for job: JobRef?, into plan: inout Plan) {
        let pool = state.pools[index].pool
        count[index] += 1
        launching[pool.place, default: 0] += 1
        memory += pool.reservedMemory
        cpus += pool.reservedCPUs
        if state.pools[index].failures > 0 { probing.insert(index) }
        plan.actions.append(.launch(freshID(), pool: pool.name, job: job))
    }

    /// Eight characters, without those that look alike.
    private mutating func freshID() -> RunnerID {
        let alphabet = Array("23456789abcdefghjkmnpqrstuvwxyz")
        while true {
            var letters = SplitMix(seed: dice.next())
            let id = String((0..<8).map { _ in alphabet[letters.below(alphabet.count)] })
            if state.runners[id] == nil { return id }
        }
    }

    /// The obstacle to a launch; nil when there is none.
    /// - Parameter ordered: an operator wants it: neither a pause nor failed starts stand in the way.
    mutating func obstacle(toLaunchIn index: Int, ordered: Bool = false, into plan: inout Plan) -> WaitingReason? {
        if !ordered, let known = blocked[index] { return known }
        let found = find(obstacleIn: index, ordered: ordered, into: &plan)
        if !ordered { blocked[index] = found }
        return found
    }

    private func find(obstacleIn index: Int, ordered: Bool, into plan: inout Plan) -> WaitingReason? {
        let (pool, place) = (state.pools[index].pool, state.places[state.pools[index].pool.place])
        if state.isEvacuating { return .evacuating }
        if !ordered, state.pools[index].paused { return .poolPaused(pool.name) }
        if let trouble = state.store.trouble { return .storeNotWritable(trouble.text) }
        if let obstacle = state.obstacle(ofForge: pool.forge, at: now, registering: true) {
            if let until = state.forges[pool.forge]?.registering.until, until > now { plan.wake(at: until) }
            return obstacle
        }
        if let trouble = place?.reach.trouble { return .engineDown(pool.place, trouble.text) }
        if place?.isSeen != true { return .startingUp }
        if let creating = place?.creating, creating.isWaiting(at: now), let until = creating.until {
            plan.wake(at: until)
            return .engineDown(pool.place, "it failed to make a runner just now")
        }
        if let space = state.shortage(at: pool.place) { return .diskReserve(free: space.free, reserve: state.configuration.diskReserve) }
        if !ordered, let obstacle = afterFailures(index, into: &plan) { return obstacle }
        if count[index] >= pool.maxRunners { return .atMaximum(pool: pool.name, max: pool.maxRunners) }
        let budget = state.configuration.budget
        if let bound = budget.memory, memory + pool.reservedMemory > bound { return .memoryBudget(promised: memory, bound: bound) }
        if let bound = budget.cpus, cpus + pool.reservedCPUs > bound + 1e-9 { return .cpuBudget(promised: cpus, bound: bound) }
        if launching[pool.place, default: 0] >= state.configuration.maxLaunches { return .launchesAtBound(state.configuration.maxLaunches) }
        return nil
    }

    private func afterFailures(_ index: Int, into plan: inout Plan) -> WaitingReason? {
        let state = state.pools[index]
        if state.starts.isWaiting(at: now), let until = state.retryAt {
            plan.wake(at: until)
            let error = state.lastError ?? "unknown error"
            return state.isQuarantined ? .quarantined(pool: state.pool.name, error: error) : .backingOff(pool: state.pool.name, error: error)
        }
        // One probe at a time while starts fail.
        if state.failures > 0, free(index) > 0 || probing.contains(index) { return .probing(pool: state.pool.name) }
        return nil
    }
}

extension FleetState {
    /// Why nothing that needs a GitLab is done now.
    func obstacle(ofForge id: ForgeID, at now: Timestamp, registering: Bool = false) -> WaitingReason? {
        guard let forge = forges[id] else { return .gitlabAway("it is no longer configured") }
        if let trouble = forge.reach.trouble { return trouble.tokenRefused ? .tokenRefused(trouble.text) : .gitlabAway(trouble.text) }
        if registering, forge.registering.isWaiting(at: now) { return .gitlabAway("it failed to register a runner just now") }
        return nil
    }
}

/// Which pools serve a set of tags, most specific first.
struct PoolIndex {
    private let tagSets: [Set<String>]
    private let pools: [Pool]
    /// Pools by how many tags they have, then by their place in the configuration.
    private let order: [Int]

    init(_ pools: [Pool]) {
        self.pools = pools
        tagSets = pools.map { Set($0.tags) }
        let counts = tagSets.map(\.count)
        order = pools.indices.sorted { (counts[$0], $0) < (counts[$1], $1) }
    }

    func pools(serving tags: [String], of forge: ForgeID) -> [Int] {
        order.filter { index in
            guard pools[index].forge == forge else { return false }
            return tags.isEmpty ? pools[index].runUntagged : tags.allSatisfy(tagSets[index].contains)
        }
    }

    func whyNone(serves tags: [String], of forge: ForgeID) -> WaitingReason {
        if tags.isEmpty { return .noPoolForUntagged }
        let unknown = tags.filter { tag in !pools.indices.contains { pools[$0].forge == forge && tagSets[$0].contains(tag) } }
        return unknown.isEmpty ? .noPoolHasAllTags(tags) : .noPoolHasTags(unknown)
    }
}
