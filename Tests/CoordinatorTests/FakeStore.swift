import Fleet
import Synchronization

/// A disk that writes as late as it may: nothing is on it that was not flushed.
final class FakeStore: StateStore {
    struct Disk: Sendable {
        var jobs: [JobRef: Job] = [:]
        var runners: [RunnerID: Runner] = [:]
        var history: [HistoryEntry] = []
        var paused: Set<String> = []
        var drained: Set<HostID> = []
        var logs: [RunnerID: KeptLog] = [:]
    }

    private struct State {
        var disk = Disk()
        var arrivals: [String: [Timestamp]] = [:]
        var pending: [Change] = []
    }

    private let script: Script
    private let memory: Memory
    private let state = Mutex(State())

    init(_ script: Script, _ memory: Memory) { (self.script, self.memory) = (script, memory) }

    var disk: Disk { state.withLock { $0.disk } }
    /// What the disk has of a runner, in a word.
    func phase(_ id: RunnerID) -> String { disk.runners[id]?.phase.rawValue ?? "-" }

    func enqueue(_ changes: [Change]) { state.withLock { $0.pending += changes } }

    func flush() async throws {
        try await script.call("flush")
        let written = state.withLock { state in
            let changes = state.pending
            state.pending = []
            for change in changes {
                switch change {
                case .job(let job): state.disk.jobs[job.id] = job
                case .runner(let runner): state.disk.runners[runner.id] = runner
                case .history(let entry): state.disk.history.append(entry)
                case .pool(let name, let paused): if paused { state.disk.paused.insert(name) } else { state.disk.paused.remove(name) }
                case .host(let name, let drained): if drained { state.disk.drained.insert(HostID(name)) } else { state.disk.drained.remove(HostID(name)) }
                case .image, .imageGone, .engine: break
                }
            }
            let ids = Set(changes.compactMap { if case .runner(let runner) = $0 { runner.id } else { nil } })
            return ids.compactMap { state.disk.runners[$0] }
        }
        for runner in written {
            let made = [runner.gitlabID.map { "\($0)" }, runner.containerID].compactMap { $0 }
            script.note((["write", runner.id, runner.phase.rawValue] + made).joined(separator: " "))
        }
    }

    func keep(_ log: KeptLog) async throws {
        try await script.call("keep \(log.runner)")
        state.withLock { $0.disk.logs[log.runner] = log }
    }
    func keptLog(of runner: RunnerID) async throws -> KeptLog? { disk.logs[runner] }
    func keptLogs(of runner: RunnerID?) async throws -> [KeptLog.Entry] {
        let disk = disk
        return disk.logs.values.filter { runner == nil || $0.runner == runner }.sorted { $0.at > $1.at }.map {
            let owner = disk.runners[$0.runner]
            return KeptLog.Entry(runner: $0.runner, at: $0.at, bytes: $0.output.count, pool: owner?.pool, reason: owner?.reason)
        }
    }

    func forget(before time: Timestamp) async throws { try await script.call("forget") }
    func load() async throws -> Memory { memory }
    func history(of runner: RunnerID) async throws -> [HistoryEntry] { disk.history.filter { $0.runner == runner } }
    func recentJobs(limit: Int) async throws -> [Job] { Array(disk.jobs.values.sorted { $0.id > $1.id }.prefix(limit)) }
    func endedJobs(limit: Int) async throws -> [Job] {
        Array(disk.jobs.values.filter(\.status.isOver).sorted { ($0.finishedAt ?? $0.firstSeen) > ($1.finishedAt ?? $1.firstSeen) }.prefix(limit))
    }
    func job(_ id: JobRef) async throws -> Job? { disk.jobs[id] }
    func runner(_ id: RunnerID) async throws -> Runner? { disk.runners[id] }
    func past(since time: Timestamp, failures: Int) async throws -> Past {
        let (jobs, runners) = (disk.jobs.values, disk.runners.values)
        return Past(
            runs: jobs.filter { max($0.runningAt ?? time + .seconds(-1), $0.finishedAt ?? time + .seconds(-1)) >= time }.map {
                .init(pendingAt: $0.pendingAt, runningAt: $0.runningAt, finishedAt: $0.finishedAt, status: $0.status)
            },
            starts: runners.compactMap { runner in
                runner.contactedAt.flatMap { $0 >= time ? .init(requestedAt: runner.requestedAt, contactedAt: $0) : nil }
            },
            failures: Array(
                runners.filter { $0.failed && $0.removedAt != nil }.sorted { $0.lastSeen > $1.lastSeen }.prefix(failures)))
    }
    func arrivals(since: Timestamp) async throws -> [String: [Timestamp]] {
        try await script.call("arrivals")
        return state.withLock { $0.arrivals }.mapValues { $0.filter { $0 >= since } }
    }
    func remember(_ arrivals: [String: [Timestamp]]) { state.withLock { $0.arrivals = arrivals } }
    func jobCounts() async throws -> [String: Int] { disk.jobs.values.reduce(into: [:]) { $0[$1.status.rawValue, default: 0] += 1 } }
}
