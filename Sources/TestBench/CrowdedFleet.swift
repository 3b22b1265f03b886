import Fleet

/// A fleet with many jobs and runners, for how long a plan takes.
public enum CrowdedFleet {
    /// As the loop has it after so many webhooks and launches, taken in one by one.
    /// - Parameters:
    ///   - hosts: with several, half of the pools prefer one that is full, and their jobs wait for it.
    ///   - isFull: no host has room for another runner, and idle ones have to make it.
    public static func state(jobs: Int, runners: Int, pools: Int, hosts: Int, isFull: Bool = false) -> (FleetState, Timestamp) {
        let now = Timestamp(milliseconds: 1_764_000_000_000)
        let all = (0..<pools).map { index -> Pool in
            var pool = Pool(name: "pool\(index)")
            pool.tags = ["common", "tag\(index)"]
            pool.maxRunners = 10_000
            switch index % 10 {
            case 3: pool.hardware.architecture = .arm64
            case 6: pool.hardware.architecture = .riscv64
            case 9: pool.hardware.gpu = .nvidia
            default: break
            }
            if !pool.hardware.isModest { pool.configuredExecutor = .shell }
            if hosts > 1, index % 2 == 0 { pool.choice.prefer = ["h0"] }
            return pool
        }
        let machines = (0..<hosts).map { index in
            Host(
                hosts == 1 ? .local : HostID("h\(index)"), budget: HostBudget(memory: isFull || (index == 0 && hosts > 1) ? 8 << 30 : nil),
                lostAfter: .seconds(600))
        }
        let live = (0..<runners).map { index -> Runner in
            let pool = all[index % pools]
            var equipment = Equipment(architecture: pool.hardware.architecture ?? .amd64, isEmulated: pool.hardware.architecture != nil)
            // Each GPU has a runner, and there are more runners that had one.
            if pool.hardware.gpu != nil { (equipment.vendor, equipment.gpus) = (.nvidia, ["GPU-\(index % 8)"]) }
            var runner = Runner(id: "r\(index)", pool: pool.on(machines[index % hosts].id), launchedFor: nil, with: equipment, at: now)
            runner.phase = .ready
            runner.gitlabID = Int64(index)
            runner.startedAt = now
            runner.idleSince = now
            return runner
        }
        var state = FleetState(.init(pools: all, hosts: machines), seed: 1)
        _ = state.take(.remembered(Memory(instance: "i", jobs: [], runners: live, finishedJobs: [], pausedPools: [])), at: now)
        for machine in machines {
            let objects = live.filter { $0.place.host == machine.id }.map {
                DriverObject(id: $0.id, runner: $0.id, running: true, started: true, exitCode: nil)
            }
            _ = state.take(.done(.look(Place(machine.id, .container)), .success(.objects(objects))), at: now)
        }
        let facts = HostFacts(
            architecture: .amd64, engine: EngineKind(name: "Podman Engine", version: "5.4.2"),
            emulators: ["arm64", "riscv64"].map { Emulator(architecture: $0, interpreter: "/qemu", flags: "OCF") },
            gpus: (0..<8).map { GPU(id: "GPU-\($0)", vendor: .nvidia, name: "RTX", cdi: "nvidia.com/gpu=\($0)") })
        for machine in machines { _ = state.take(.done(.survey(machine.id), .success(.host(facts))), at: now) }
        let pending = (0..<jobs).map { index in
            JobObservation(id: Int64(index + 1), projectID: 1, status: .pending, tags: ["common", "tag\(index % pools)"])
        }
        _ = state.take(.done(.poll(.default), .success(.poll(Poll(jobs: pending, isComplete: true)))), at: now)
        return (state, now)
    }
}
