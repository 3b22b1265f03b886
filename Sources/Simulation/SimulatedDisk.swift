import Fleet
import Store

/// What survives a killed daemon.
final class SimulatedDisk {
    unowned let world: World
    var jobs: [JobRef: Job] = [:]
    var runners: [RunnerID: Runner] = [:]
    var pausedPools: Set<String> = []
    var drainedHosts: Set<HostID> = []
    var logs: [RunnerID: KeptLog] = [:]
    private var fullUntil = Timestamp(milliseconds: 0)
    var isFine: Bool { world.now >= fullUntil }
    let instance = "0123456789ab"

    init(world: World) { self.world = world }

    func write(_ changes: [Change]) throws {
        try meetFullness()
        for change in changes {
            switch change {
            case .job(let job): jobs[job.id] = job
            case .runner(let runner): runners[runner.id] = runner
            case .pool(let name, let paused): if paused { pausedPools.insert(name) } else { pausedPools.remove(name) }
            case .host(let name, let drained): if drained { drainedHosts.insert(HostID(name)) } else { drainedHosts.remove(HostID(name)) }
            case .history, .image, .imageGone, .engine: break
            }
        }
    }

    func keep(_ log: KeptLog) throws {
        // Trouble that keeps the log from the disk lets the removal go on.
        do { try meetFullness() } catch {
            lostLogs.insert(log.runner)
            throw error
        }
        logs[log.runner] = log
    }

    /// Runners whose logs the disk had no room for.
    private(set) var lostLogs: Set<RunnerID> = []

    private func meetFullness() throws {
        if world.now < fullUntil {
            world.count("write to a full disk")
            throw SimulatedFailure(description: "the disk is full")
        }
        if world.strikes("disk full", world.rates.diskFull) {
            fullUntil = world.now + world.random.between(1000, 120_000)
            throw SimulatedFailure(description: "the disk is full")
        }
    }

    var liveRunners: [Runner] { runners.values.filter(\.isLive).sorted { $0.id < $1.id } }
}

/// The disk as one life of the daemon sees it, through the shipped write queue.
final class SimulatedStore: StateStore {
    private let world: World
    private let life: Int
    private let queue: WriteQueue

    init(world: World) {
        self.world = world
        let life = world.generation
        self.life = life
        queue = WriteQueue { changes in
            await world.pause(life, world.random.between(0, 8))
            // A write is whole or not at all; the power can go just before or just after.
            if world.rates.crash > 0, world.random.chance(world.rates.crash) {
                world.crash("before a write")
                await world.never()
            }
            try world.disk.write(changes)
            if world.rates.crash > 0, world.random.chance(world.rates.crash) {
                world.crash("after a write")
                await world.never()
            }
        }
    }

    func enqueue(_ changes: [Change]) { if life == world.generation { queue.enqueue(changes) } }
    func flush() async throws { try await queue.flush() }

    func keep(_ log: KeptLog) async throws {
        await world.pause(life, world.random.between(0, 8))
        if world.rates.crash > 0, world.random.chance(world.rates.crash) {
            world.crash("before a log is kept")
            await world.never()
        }
        try world.disk.keep(log)
        if world.rates.crash > 0, world.random.chance(world.rates.crash) {
            world.crash("after a log was kept")
            await world.never()
        }
    }
    func keptLog(of runner: RunnerID) async throws -> KeptLog? { await read { $0.logs[runner] } }
    func keptLogs(of runner: RunnerID?) async throws -> [KeptLog.Entry] { [] }

    func forget(before time: Timestamp) async throws {
        await world.pause(life, .milliseconds(5))
        world.disk.runners = world.disk.runners.filter { $0.value.isLive || ($0.value.removedAt ?? time) >= time }
        world.disk.jobs = world.disk.jobs.filter { !$0.value.status.isOver || ($0.value.finishedAt ?? time) >= time }
    }

    private func read<T>(_ body: (SimulatedDisk) -> T) async -> T {
        await world.pause(life, .milliseconds(1))
        return body(world.disk)
    }

    func load() async throws -> Memory {
        await read { disk in
            Memory(
                instance: disk.instance, jobs: disk.jobs.values.filter(\.status.isActive).sorted { $0.id < $1.id }, runners: disk.liveRunners,
                finishedJobs: disk.jobs.values.filter { $0.status.isOver && $0.failureReason != Job.goneReason }.map { ($0.id, $0.createdAt) }
                    .sorted { $0.job < $1.job }, pausedPools: disk.pausedPools,
                drainedHosts: disk.drainedHosts)
        }
    }
    func history(of runner: RunnerID) async throws -> [HistoryEntry] { [] }
    func recentJobs(limit: Int) async throws -> [Job] { await read { Array($0.jobs.values.sorted { $0.id > $1.id }.prefix(limit)) } }
    /// Nobody looks back in the simulation.
    func endedJobs(limit: Int) async throws -> [Job] { [] }
    func job(_ id: JobRef) async throws -> Job? { await read { $0.jobs[id] } }
    func runner(_ id: RunnerID) async throws -> Runner? { await read { $0.runners[id] } }
    /// Nobody looks back in the simulation.
    func past(since time: Timestamp, failures: Int) async throws -> Past { Past() }
    func jobCounts() async throws -> [String: Int] { await read { $0.jobs.values.reduce(into: [:]) { $0[$1.status.rawValue, default: 0] += 1 } } }
}
