/// Who has which GPU and which other thing of a host, and whether a pool's runners can be placed there.
struct Placement {
    /// The runners that have a GPU, and the most that each of them allows.
    private struct Holding {
        var runners: [RunnerID] = []
        var most = Int.max
    }

    private var holdings: [HostID: [String: Holding]] = [:]
    /// What of a host's countable things runners have.
    private var taken: [HostID: [String: Int]] = [:]

    /// In place of a runner that is yet to be launched.
    static let nobody = ""

    enum Answer {
        case fits(Equipment)
        case misfit(WaitingReason)
    }

    /// It has them until its container is gone, whatever becomes of its job.
    mutating func hold(_ equipment: Equipment, by runner: RunnerID, on host: HostID) {
        for (thing, count) in equipment.resources { taken[host, default: [:]][thing, default: 0] += count }
        for gpu in equipment.gpus {
            var holding = holdings[host]?[gpu] ?? Holding()
            holding.runners.append(runner)
            holding.most = min(holding.most, equipment.share)
            holdings[host, default: [:]][gpu] = holding
        }
    }

    /// Its container is about to go.
    mutating func release(_ equipment: Equipment, by runner: RunnerID, on host: HostID) {
        for (thing, count) in equipment.resources { taken[host, default: [:]][thing, default: 0] -= count }
        for gpu in equipment.gpus {
            guard var holding = holdings[host]?[gpu], let index = holding.runners.firstIndex(of: runner) else { continue }
            holding.runners.remove(at: index)
            if holding.runners.isEmpty { holding.most = .max }
            holdings[host, default: [:]][gpu] = holding
        }
    }

    /// What a runner of the pool would be given, or why it can't be started there now.
    func place(_ pool: Pool, on host: Host, _ facts: HostFacts?) -> Answer {
        let needs = pool.hardware
        if let obstacle = missing(pool, on: host) { return .misfit(obstacle) }
        guard let facts, facts.isWhole else { return needs.isModest ? .fits(Equipment(resources: pool.choice.needs)) : .misfit(.startingUp) }
        var equipment = Equipment(architecture: facts.architecture, resources: pool.choice.needs)
        if let wanted = needs.architecture {
            guard let native = facts.architecture else { return .misfit(.hostUnfit(pool: pool.name, why: "the host's architecture is not known")) }
            if let obstacle = Self.emulate(wanted, on: native, facts, for: pool) { return .misfit(obstacle) }
            equipment.architecture = wanted
            equipment.isEmulated = !facts.runs(wanted)
        }
        if let vendor = needs.gpu {
            let all = facts.gpus.filter { $0.vendor == vendor }
            let count = if case .some(let count) = needs.gpus { count } else { max(1, all.count) }
            guard all.count >= count else { return .misfit(.noGPU(pool: pool.name, vendor: vendor, wanted: count, found: all.count)) }
            if let why = pool.whyNoGPU(vendor, facts.engine) { return .misfit(.hostUnfit(pool: pool.name, why: why)) }
            let held = holdings[host.id] ?? [:]
            // Those that nobody has come first, so that runners that may share don't crowd on one.
            let free = all.enumerated().filter { (held[$1.id]?.runners.count ?? 0) < min(held[$1.id]?.most ?? .max, needs.gpuShare) }
                .sorted { (held[$0.1.id]?.runners.count ?? 0, $0.0) < (held[$1.1.id]?.runners.count ?? 0, $1.0) }
            guard free.count >= count else {
                return .misfit(.gpusInUse(total: all.count, runners: Set(all.flatMap { held[$0.id]?.runners ?? [] }).subtracting([Self.nobody]).sorted()))
            }
            equipment.vendor = vendor
            // In the host's order, as their specifications are handed over.
            equipment.gpus = free.prefix(count).sorted { $0.0 < $1.0 }.map(\.1.id)
            equipment.share = needs.gpuShare
        }
        return .fits(equipment)
    }

    private func missing(_ pool: Pool, on host: Host) -> WaitingReason? {
        for (thing, wanted) in pool.choice.needs.sorted(by: { $0.key < $1.key }) {
            let all = host.resources[thing] ?? 0
            guard all >= wanted else {
                return .hostUnfit(pool: pool.name, why: "the host has \(all == 0 ? "no" : "\(all)") \(thing), and needs wants \(wanted)")
            }
            let taken = taken[host.id]?[thing] ?? 0
            if taken + wanted > all { return .resourceInUse(thing, taken: taken, of: all) }
        }
        return nil
    }

    private static func emulate(_ wanted: Architecture, on host: Architecture, _ facts: HostFacts, for pool: Pool) -> WaitingReason? {
        func unfit(_ why: String) -> WaitingReason { .hostUnfit(pool: pool.name, why: why) }
        if facts.runs(wanted) {
            return pool.hardware.emulation == .only ? unfit("emulation = \"only\", and the host is \(host) itself") : nil
        }
        if pool.driver == .scope { return unfit("processes of the host run as \(host), not as \(wanted)") }
        if pool.hardware.emulation == .deny { return unfit("the host is \(host), and emulation = \"deny\"") }
        if pool.executor == .docker { return unfit("executor = \"docker\" can't be emulated: \(Pool.whyNoEmulatedJobs)") }
        let emulators = facts.emulators.filter { Architecture(named: $0.architecture) == wanted && $0.isEnabled }
        if emulators.contains(where: \.reachesContainers) { return nil }
        return .noEmulator(wanted, host: host, isOutsideOnly: !emulators.isEmpty)
    }
}

extension Pool {
    /// Its runners need nothing of a host but CPUs and memory.
    var takesAnyHost: Bool { hardware.isModest && choice.needs.isEmpty }

    /// Why jobs in containers of their own are of the host's architecture.
    public static let whyNoEmulatedJobs = "gitlab-runner doesn't tell the engine which architecture a job's image is to have"

    /// Why its runners or their jobs can't be given GPUs by that engine; nil when they can, and while the engine is not known.
    public func whyNoGPU(_ vendor: GPUVendor, _ engine: EngineKind?) -> String? {
        if let engine, engine.isSwarm {
            if executor == .docker {
                return "which GPU a runner gets is the swarm's choice, so that it can't be handed on to the containers of jobs; "
                    + "executor = \"shell\" runs jobs in the runner's container, which has it"
            }
            return hardware.gpuShare > 1 ? "a swarm gives a GPU to one runner at a time: remove gpu_share" : nil
        }
        guard executor == .docker, vendor == .nvidia, let engine, engine.isPodman, !engine.isAtLeast(5, 4) else { return nil }
        return "\(engine) can't give GPUs to the containers of jobs, which gitlab-runner makes over its Docker-compatible endpoint; "
            + "executor = \"shell\" runs jobs in the runner's container, which has them"
    }
}
