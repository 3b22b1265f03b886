import Fleet

/// Several machines, of which all but the daemon's own are cut off now and then.
final class SimulatedHosts {
    unowned let world: World
    /// As configured; none for the daemon's machine alone.
    var all: [Host] = []
    /// What those of them are that are not a single machine.
    var kinds: [HostID: Orchestration] = [:]
    /// Since when each is drained or not.
    private var drained: [HostID: Timestamp] = [:]
    /// Since when each has no section in the configuration any more.
    private var takenOut: [HostID: Timestamp] = [:]

    static let lostAfter = Duration.seconds(600)

    init(world: World) { self.world = world }

    func host(_ id: HostID) -> Host? { all.first { $0.id == id } }

    func facts(of host: HostID) -> HostFacts {
        HostFacts(architecture: .amd64, cpus: 4, memory: 8 << 30, engine: kinds[host]?.engine ?? EngineKind(name: "Podman Engine", version: "4.3.1"))
    }

    func begin(_ hosts: [Host], kinds: [HostID: Orchestration]) {
        all = hosts
        self.kinds = kinds
        world.remote = hosts.filter { $0.id != .local }.map { host in
            let engine = SimulatedEngine(world: world, host: host.id)
            engine.budget = host.budget
            return engine
        }
    }

    var configured: [Host] { all.filter { takenOut[$0.id] == nil } }
    func takeOut(_ host: HostID) { if takenOut[host] == nil { takenOut[host] = world.now } }

    /// An operator's order was carried out a while ago, so that starts that were under way are over.
    func isDrained(_ host: HostID) -> Bool { [drained[host], takenOut[host]].contains { $0.map { world.now - $0 > .seconds(120) } ?? false } }
    func drain(_ host: HostID, _ isDrained: Bool) { drained[host] = isDrained ? world.now : nil }
    /// A daemon that is killed knows those that it has written.
    func forgetOrders() { drained = drained.filter { world.disk.drainedHosts.contains($0.key) } }

    // MARK: The oracle's questions

    private func candidates(_ pool: Pool) -> [Host] {
        all.isEmpty ? [Host(.local, budget: world.engine.budget)] : pool.choice.candidates(of: configured, pool.driver)
    }

    /// Whether some host of the configuration is big enough for one runner of the pool, if nothing else is there.
    func hasHost(for pool: Pool) -> Bool {
        candidates(pool).contains { host in
            pool.reservedMemory <= host.budget.memory ?? .max && pool.choice.needs.allSatisfy { $1 <= host.resources[$0] ?? 0 }
        }
    }

    /// Whether a runner of the pool could be placed on some host now.
    func hasRoom(for pool: Pool) -> Bool {
        candidates(pool).contains { host in
            guard let engine = world.engines.first(where: { $0.host == host.id }), engine.isFine, drained[host.id] == nil else { return false }
            if let nodes = engine.orchestrator?.nodes, !nodes.hasReady { return false }
            guard !world.disk.drainedHosts.contains(host.id) else { return false }
            let there = engine.containers.values.map(\.spec)
            let memory = there.reduce(pool.reservedMemory) { $0 + $1.pool.reservedMemory }
            let isFree = pool.choice.needs.allSatisfy { thing, count in
                there.reduce(count) { $0 + ($1.equipment.resources[thing] ?? 0) } <= host.resources[thing] ?? 0
            }
            return isFree && memory <= host.budget.memory ?? .max && (host.id != .local || world.hardware.hasRoom(for: pool))
        }
    }

    /// A runner's container was made.
    func check(_ made: RunnerSpec, among owned: [RunnerSpec]) {
        guard let host = host(made.pool.host) else { return }
        let choice = made.pool.choice
        world.check(
            choice.hosts.isEmpty || choice.hosts.contains(where: host.isMeant),
            "13: the runner \(made.runner) is made on \(host.id), and its pool wants \(choice.hosts)")
        for (thing, count) in host.resources {
            let taken = owned.reduce(0) { $0 + ($1.equipment.resources[thing] ?? 0) }
            world.check(taken <= count, "13: \(taken) of \(count) \(thing) of \(host.id) are given to runners")
        }
    }
}

/// A host's switch in the hands of one life of the daemon.
struct SimulatedSwitch: PowerSwitch, @unchecked Sendable {
    let world: World
    let engine: SimulatedEngine
    let power: HostPower
    let life: Int

    init(world: World, engine: SimulatedEngine, power: HostPower) {
        (self.world, self.engine, self.power) = (world, engine, power)
        life = world.generation
    }

    func wake() async throws {
        try await world.call("wake", of: life) {
            guard !world.strikes("call that a host did not hear", world.rates.failBefore > 0 ? 0.2 : 0) else { return }
            world.after(world.random.between(1000, Int(power.wakeTime.milliseconds) * 12 / 10)) { engine.wakeUp() }
        }
    }

    func sleep() async throws {
        try await world.call("sleep", of: life) {
            // It is too late for it then.
            guard !world.isLate else { return }
            let runners = engine.containers.values.filter { world.disk.runners[$0.spec.runner]?.isLive == true }
            world.check(runners.isEmpty, "14: the host \(engine.host) is sent to sleep with the runner \(runners.first?.spec.runner ?? "")")
            if world.strikes("host that stays awake", world.rates.failBefore > 0 ? 0.2 : 0) { throw SimulatedFailure(description: "not now") }
            engine.sendToSleep()
        }
    }
}

extension World {
    func drained(_ host: HostID) -> Bool { hosts.isDrained(host) }
}

extension Simulation.Plan {
    /// Five to seven hosts with budgets, labels and things of their own, and pools that choose among them.
    mutating func addHosts(_ seed: SplitMix) {
        var dice = seed
        hosts = [Host(.local, labels: ["near"], budget: budget)]
        for index in 1..<5 + dice.below(3) {
            var host = Host(HostID("h\(index)"), labels: [["fast", "slow"][dice.below(2)]], lostAfter: SimulatedHosts.lostAfter)
            host.budget.memory = dice.chance(0.7) ? Int64(2 + dice.below(3)) << 30 : nil
            host.resources = dice.chance(0.3) ? ["jtag": 1 + dice.below(2)] : [:]
            hosts.append(host)
        }
        let things = hosts.contains { !$0.resources.isEmpty }
        for index in pools.indices where pools[index].driver == .container {
            var choice = HostChoice()
            if dice.chance(0.3) { choice.hosts = [["fast", "slow", "h1", "local"][dice.below(4)]] }
            if !hosts.contains(where: { host in choice.hosts.contains(where: host.isMeant) }) { choice.hosts = [] }
            if dice.chance(0.4) { choice.prefer = [["fast", "slow", "h2"][dice.below(3)]] }
            if things, choice.hosts.isEmpty, dice.chance(0.2) { choice.needs = ["jtag": 1] }
            choice.strategy = dice.chance(0.5) ? .pack : .spread
            pools[index].choice = choice
            pools[index].maxRunners += dice.below(6)
        }
        rates.cuts = 1
        addPower(SplitMix(seed: dice.next()))
        addOrchestrators(SplitMix(seed: dice.next()))
    }

    /// A third of the other hosts that don't sleep are swarms, and a third are clusters.
    private mutating func addOrchestrators(_ seed: SplitMix) {
        var dice = seed
        for host in hosts.dropFirst() where host.power == nil && dice.chance(0.67) { kinds[host.id] = dice.chance(0.5) ? .swarm : .kubernetes }
        for index in pools.indices where pools[index].driver == .container && dice.chance(0.3) { pools[index].configuredExecutor = .docker }
    }

    /// Half of the other hosts may sleep.
    private mutating func addPower(_ seed: SplitMix) {
        var dice = seed
        for index in hosts.indices.dropFirst() where dice.chance(0.5) {
            hosts[index].power = HostPower(wakeTime: dice.between(10_000, 120_000), idle: dice.chance(0.8) ? dice.between(60_000, 1_200_000) : nil)
        }
    }
}
