import Fleet

/// What the simulated host is: an amd64 machine with GPUs that come and go, and an emulator that an administrator removes now and then.
final class SimulatedHardware {
    unowned let world: World
    /// As it is when nothing is missing.
    var whole = HostFacts(architecture: .amd64, engine: EngineKind(name: "Podman Engine", version: "4.3.1"))
    private var missing: [String: Timestamp] = [:]
    private var emulatorsGoneUntil = Timestamp(milliseconds: 0)
    /// Since when pools of that name want what they want now.
    private var changed: [String: Timestamp] = [:]

    static let emulator = Emulator(architecture: "arm64", interpreter: "/usr/bin/qemu-aarch64-static", flags: "OCF")

    init(world: World) { self.world = world }

    static func gpu(_ index: Int) -> GPU { GPU(id: "GPU-\(index)", vendor: .nvidia, name: "Simulated", cdi: "nvidia.com/gpu=\(index)", index: index) }

    var facts: HostFacts {
        var facts = whole
        facts.gpus.removeAll { missing[$0.id].map { world.now < $0 } == true }
        if world.now < emulatorsGoneUntil { facts.emulators = [] }
        return facts
    }

    var isFine: Bool { facts == whole }

    func loseGPU(for time: Duration) {
        guard !whole.gpus.isEmpty else { return }
        world.count("GPU gone for a while")
        missing[whole.gpus[world.random.below(whole.gpus.count)].id] = world.now + time
    }

    func loseEmulators(for time: Duration) {
        world.count("emulator removed for a while")
        emulatorsGoneUntil = world.now + time
    }

    func reconfigured(_ pools: [Pool], was: [Pool]) {
        for pool in pools where was.first(where: { $0.name == pool.name })?.hardware != pool.hardware { changed[pool.name] = world.now }
    }

    func changedAt(_ pool: String) -> Timestamp { changed[pool] ?? World.start }

    // MARK: The oracle's questions

    /// Whether a runner of the pool could be placed there now.
    func hasRoom(for pool: Pool) -> Bool {
        let needs = pool.hardware
        if let wanted = needs.architecture, wanted != .amd64, facts.emulators.isEmpty { return false }
        guard needs.gpu != nil else { return true }
        let count = if case .some(let count) = needs.gpus { count } else { max(1, facts.gpus.count) }
        let free = facts.gpus.count { gpu in
            let holders = world.engine.containers.values.filter { $0.spec.equipment.gpus.contains(gpu.id) }
            // Who doesn't share it keeps those out who would.
            return holders.count < min(needs.gpuShare, holders.map(\.spec.equipment.share).min() ?? .max)
        }
        return free >= count
    }

    /// A runner's container was made.
    func check(_ made: RunnerSpec, among owned: [RunnerSpec]) {
        guard made.pool.host == .local else { return }
        let wanted = made.pool.hardware
        let architecture = wanted.architecture ?? .amd64
        world.check(
            (made.equipment.architecture ?? .amd64) == architecture && made.equipment.isEmulated == (architecture != .amd64),
            "11: the runner \(made.runner) of a pool for \(architecture) was placed as \(made.equipment)")
        let count = if case .some(let count) = wanted.gpus, wanted.gpu != nil { count } else { 0 }
        world.check(
            made.equipment.gpus.count == count && made.gpus.map(\.id) == made.equipment.gpus, "12: the runner \(made.runner) was given \(made.equipment.gpus)")
        for gpu in made.equipment.gpus {
            let holders = owned.filter { $0.equipment.gpus.contains(gpu) }
            world.check(
                holders.count <= holders.map(\.equipment.share).min() ?? 1,
                "12: the GPU \(gpu) was given to \(holders.map(\.runner)), who don't share it so far")
        }
    }
}

extension Simulation.Plan {
    /// One or two GPUs, and pools of which some want them and some are emulated.
    mutating func addHardware(_ seed: SplitMix) {
        var dice = seed
        gpus = 1 + dice.below(2)
        rates.lostHardware = 2
        for index in pools.indices where pools[index].driver == .container {
            if dice.chance(0.4) {
                pools[index].hardware.gpu = .nvidia
                pools[index].hardware.gpus = gpus == 2 && dice.chance(0.3) ? .some(2) : .some(1)
                pools[index].hardware.gpuShare = dice.chance(0.3) ? 2 : 1
            }
            if dice.chance(0.4) { pools[index].hardware.architecture = .arm64 }
            pools[index].configuredExecutor = .shell
        }
    }
}

/// The host as one life of the daemon looks at it.
struct SimulatedSurveyor: HostSurveyor, @unchecked Sendable {
    let world: World
    let engine: SimulatedEngine
    let life: Int

    init(world: World, engine: SimulatedEngine) {
        (self.world, self.engine) = (world, engine)
        life = world.generation
    }

    func survey(usesEngine: Bool) async throws -> HostFacts {
        try await world.call("survey", of: life, outage: engine.outage) { [world, engine] in
            engine.host == .local ? world.hardware.facts : world.hosts.facts(of: engine.host)
        }
    }
}
