/// The runners that can serve jobs, and the room for more; all by index of pool.
struct Supply {
    let state: FleetState
    let now: Timestamp
    /// What each pool goes by now.
    let targets: [PoolTargets]
    /// Runners that are ready and have nothing to do, the longest idle first.
    var idle: [[Idle]]
    /// When the runners that may still take a job were requested, the oldest first; those from `low` up to `high` are not spoken for.
    private var born: [[Timestamp]]
    var low: [Int]
    private var high: [Int]
    private var extra: [Int]
    /// Those that count against `max_runners`.
    private var count: [Int]
    /// What of each host's room is taken, in the order of the configuration.
    var rooms: [Room]
    private let roomIndex: [HostID: Int]
    /// How each pool prefers each host, by their places in `rooms`; empty where it prefers none.
    let ranks: [[Int]]
    /// The rooms of each pool's hosts, by their places in `rooms`.
    let roomsOfPools: [[Int]]
    /// Pools for whose jobs nobody can make room, by host.
    var hopeless: Set<Int> = []
    /// Runners with jobs of a project, and jobs of it that got one in this plan; by index of pool, for pools with a bound.
    private var ofProject: [Int: [Int64: Int]] = [:]
    var launching: [Place: Int] = [:]
    var placement = Placement()
    /// The same once those are gone that are on their way out without a job.
    var coming = Placement()
    private var dice: SplitMix
    private var positions: [String: Int] = [:]
    /// Runners of a pool on a host of which GitLab hasn't heard yet: where starts fail there is one at most.
    var unproven: [Int]
    /// The obstacle found in each pool, which stays for the rest of the plan.
    var blocked: [WaitingReason?]
    /// The same on each of its hosts.
    var blockedHosts: [WaitingReason?]
    /// Where nothing but room can be an obstacle in this plan.
    var settled: [Bool]
    /// Hosts that this plan calls.
    var called: Set<HostID> = []
    /// Pools with jobs that wait for one host and may yet take another.
    var undecided: Set<Int> = []
    /// Where the next runner of a pool would go, until one is launched anywhere.
    var choices: [Int: Choice] = [:]

    /// A pool on one of its hosts, as a number.
    func spot(_ pool: Int, _ room: Int) -> Int { pool * rooms.count + room }

    /// A runner that is ready and has nothing to do.
    struct Idle {
        var id: RunnerID
        var since: Timestamp
        /// The place of its host in `rooms`.
        var room: Int
        /// It has a GPU or another thing of its host's.
        var hasThings: Bool
    }

    /// What of a host is promised.
    struct Room {
        var host: Host
        var isDrained: Bool
        /// It sleeps, or is about to, or to wake: what is promised of it comes later.
        var isAsleep = false
        /// Bytes and CPUs that it has for runners, by its budget or else by what it is; nil where nobody knows.
        var whole: (memory: Double?, cpus: Double?)
        var memory: Int64 = 0
        var cpus = 0.0
        var runners = 0
        /// What of it is about to be free: idle runners on their way out, less the room of jobs that wait for it.
        var leaving = (memory: Int64(0), cpus: 0.0)
        /// The last of them.
        var lastLeaving: RunnerID?
    }

    init(_ state: FleetState, at now: Timestamp) {
        self.state = state
        self.now = now
        dice = state.dice
        targets = state.pools.map { state.targets(of: $0.pool, at: now) }
        let pools = state.pools.count
        idle = Array(repeating: [], count: pools)
        born = Array(repeating: [], count: pools)
        (low, high, extra, count) = (Array(repeating: 0, count: pools), [], Array(repeating: 0, count: pools), Array(repeating: 0, count: pools))
        blocked = Array(repeating: nil, count: pools)
        rooms = state.configuration.hosts.map { host in
            let facts = state.hosts[host.id]?.facts
            return Room(
                host: host, isDrained: state.isDrained(host.id),
                whole: ((host.budget.memory ?? facts?.memory).map(Double.init), host.budget.cpus ?? facts?.cpus.map(Double.init)))
        }
        let roomIndex = Dictionary(rooms.indices.map { (state.configuration.hosts[$0].id, $0) }, uniquingKeysWith: { first, _ in first })
        self.roomIndex = roomIndex
        roomsOfPools = state.pools.map { $0.hosts.compactMap { roomIndex[$0] } }
        ranks = state.pools.map { pool in
            pool.pool.choice.prefer.isEmpty ? [] : state.configuration.hosts.map(pool.pool.choice.rank)
        }
        unproven = Array(repeating: 0, count: pools * rooms.count)
        blockedHosts = Array(repeating: nil, count: pools * rooms.count)
        settled = Array(repeating: false, count: pools * rooms.count)
        let isAnybodyAway = state.places.values.contains { $0.reach.badSince != nil }
        for (index, pool) in state.pools.enumerated() { positions[pool.pool.name] = index }
        for runner in state.runners.values { add(runner, isAnybodyAway) }
        for index in idle.indices {
            idle[index].sort { ($0.since, $0.id) < ($1.since, $1.id) }
            born[index].sort()
        }
        high = born.map(\.count)
        for room in rooms.indices { rooms[room].isAsleep = isAsleep(rooms[room]) }
    }

    private mutating func add(_ runner: Runner, _ isAnybodyAway: Bool) {
        let progress = state.progress[runner.id]
        let room = roomIndex[runner.place.host]
        let isBeingMade = runner.phase == .requested && state.isUnderWay(runner)
        if isBeingMade { launching[runner.place, default: 0] += 1 }
        if progress?.containerGone != true {
            if let room {
                rooms[room].memory += runner.memory
                rooms[room].cpus += runner.cpus
                rooms[room].runners += 1
            }
            placement.hold(runner.equipment, by: runner.id, on: runner.place.host)
            coming.hold(runner.equipment, by: runner.id, on: runner.place.host)
            if runner.phase > .ready, !runner.isBusy, progress?.stuck == nil { leave(runner) }
        }
        // What has become of it nobody knows, and its place under `max_runners` is others' now.
        guard let index = positions[runner.pool], !isAnybodyAway || !state.isLost(runner.place) else { return }
        // Those on their way to a job are counted when it gets one.
        if state.pools[index].pool.maxPerProject > 0, let job = runner.job, let project = state.jobs[job]?.job.projectID { count(project, in: index) }
        // A runner that can't be removed keeps its share of the host, but not its place under `max_runners`.
        if progress?.containerGone != true, runner.phase < .ended || progress?.stuck == nil { count[index] += 1 }
        if runner.phase <= .starting, runner.contactedAt == nil, let room { unproven[spot(index, room)] += 1 }
        guard runner.isSupply, !runner.isSpent, progress?.stuck == nil, runner.isAsIn(state.pools[index]), !state.hasLostGPU(runner) else { return }
        guard progress?.wasLost != true, let room, !rooms[room].isDrained, !isAnybodyAway || !state.isUnknown(runner, at: now) else { return }
        // A start that an earlier life of the daemon began is not supply before its outcome is known.
        guard runner.phase != .requested || isBeingMade else { return }
        born[index].append(runner.requestedAt)
        guard runner.phase == .ready else { return }
        let hasThings = !runner.equipment.gpus.isEmpty || !runner.equipment.resources.isEmpty
        idle[index].append(Idle(id: runner.id, since: runner.idleSince ?? runner.lastSeen, room: room, hasThings: hasThings))
    }

    func index(of pool: String) -> Int? { positions[pool] }

    /// Runners that no job is waiting for.
    func free(_ pool: Int) -> Int { high[pool] - low[pool] + extra[pool] }

    mutating func addFree(in pool: Int) { extra[pool] += 1 }

    mutating func leave(_ runner: Runner) {
        guard let room = roomIndex[runner.place.host] else { return }
        coming.release(runner.equipment, by: runner.id, on: runner.place.host)
        rooms[room].leaving.memory += runner.memory
        rooms[room].leaving.cpus += runner.cpus
        rooms[room].lastLeaving = runner.id
    }

    /// Gives a job a runner. A job that runners did not take may only have one that was requested since then.
    mutating func take(in pool: Int, for wanted: Demand) -> Bool {
        guard low[pool] < high[pool], !isFull(pool, of: wanted.project) else { return false }
        if let refused = wanted.refusedAt {
            guard born[pool][high[pool] - 1] >= refused else { return false }
            high[pool] -= 1
        } else {
            low[pool] += 1
        }
        count(wanted.project, in: pool)
        return true
    }

    private func isFull(_ pool: Int, of project: Int64) -> Bool {
        let bound = state.pools[pool].pool.maxPerProject
        return bound > 0 && (ofProject[pool]?[project] ?? 0) >= bound
    }

    mutating func count(_ project: Int64, in pool: Int) {
        if state.pools[pool].pool.maxPerProject > 0 { ofProject[pool, default: [:]][project, default: 0] += 1 }
    }

    // MARK: Launching

    mutating func launch(in index: Int, on room: Int, for wanted: Demand, into plan: inout Plan) {
        count(wanted.project, in: index)
        launch(in: index, on: room, for: wanted.job, into: &plan)
    }

    mutating func launch(in index: Int, on room: Int, for job: JobRef?, into plan: inout Plan) {
        let pool = state.pools[index].pool
        let host = rooms[room].host.id
        guard case .fits(let equipment) = placement.place(pool, on: rooms[room].host, state.hosts[host]?.facts) else { return }
        hold(index, on: room)
        launching[Place(host, pool.driver), default: 0] += 1
        unproven[spot(index, room)] += 1
        let id = freshID()
        placement.hold(equipment, by: id, on: host)
        coming.hold(equipment, by: id, on: host)
        plan.actions.append(.launch(id, pool: pool.name, job: job, with: equipment, on: host))
    }

    /// Another runner of the pool has its share of the host.
    mutating func hold(_ index: Int, on room: Int) {
        choices.removeAll(keepingCapacity: true)
        count[index] += 1
        rooms[room].memory += state.pools[index].pool.reservedMemory
        rooms[room].cpus += state.pools[index].pool.reservedCPUs
        rooms[room].runners += 1
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

    /// Where a runner could be launched now, or why nowhere.
    enum Outlook {
        /// Its place in `rooms`.
        case host(Int)
        /// Nowhere yet: the host at that place in `rooms` sleeps. One that is awake may get room when an idle runner leaves.
        case sleeper(Int, isTight: Bool)
        case obstacle(WaitingReason)
    }

    /// - Parameters:
    ///   - wanted: the job that it is for; nil where no job waits, and so none has waited for a preferred host.
    ///   - ordered: an operator wants it: neither a pause nor failed starts stand in the way.
    mutating func outlook(in index: Int, for wanted: Demand? = nil, ordered: Bool = false, into plan: inout Plan) -> Outlook {
        if !ordered, let known = blocked[index] { return .obstacle(known) }
        if let wanted, isFull(index, of: wanted.project) {
            return .obstacle(.projectAtMaximum(pool: state.pools[index].pool.name, max: state.pools[index].pool.maxPerProject))
        }
        if let found = find(obstacleIn: index, ordered: ordered, into: &plan) {
            if !ordered { blocked[index] = found }
            return .obstacle(found)
        }
        return host(in: index, for: wanted, ordered: ordered, into: &plan)
    }

    /// The obstacle to any launch in the pool; nil when there is none.
    private func find(obstacleIn index: Int, ordered: Bool, into plan: inout Plan) -> WaitingReason? {
        let pool = state.pools[index].pool
        if state.isEvacuating { return .evacuating }
        if !ordered, state.pools[index].paused { return .poolPaused(pool.name) }
        if let trouble = state.store.trouble { return .storeNotWritable(trouble.text) }
        if let obstacle = state.obstacle(ofForge: pool.forge, at: now, registering: true) {
            if let until = state.forges[pool.forge]?.registering.until, until > now { plan.wake(at: until) }
            return obstacle
        }
        let most = targets[index].maxRunners
        if count[index] >= most { return .atMaximum(pool: pool.name, max: most) }
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
public struct PoolIndex: Sendable {
    private let tagSets: [Set<String>]
    private let pools: [Pool]
    /// Pools by how many tags they have, then by their place in the configuration.
    private let order: [Int]

    /// Of pools in the order of the configuration.
    public init(_ pools: [Pool]) {
        self.pools = pools
        tagSets = pools.map { Set($0.tags) }
        let counts = tagSets.map(\.count)
        order = pools.indices.sorted { (counts[$0], $0) < (counts[$1], $1) }
    }

    /// The pools whose runners may take a job with these tags, in the order in which they are tried; as their places in the configuration.
    public func pools(serving tags: [String], of forge: ForgeID) -> [Int] {
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
