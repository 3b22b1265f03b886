import Fleet
import GitLab
import Synchronization

@testable import Selftest

/// Time that passes by sleeping.
final class SleepClock: WallClock {
    private let time = Mutex(Timestamp(milliseconds: 1_764_000_000_000))
    func now() -> Timestamp { time.withLock { $0 } }
    func sleep(for time: Duration) async throws {
        try Task.checkCancellation()
        self.time.withLock { $0 = $0 + time }
    }
}

/// A GitLab and a daemon as a test wants them.
actor Stage: SelftestGitLab, SelftestDaemon {
    /// All calls, in their order, with what they are about.
    var calls: [String] = []
    var facts = TokenFacts(scopes: ["api"], administrator: .yes)
    var knownPools = ["p": false, "q": false]
    /// The jobs at each look, the last for all that follow.
    var looks: [[ScratchProjects.Job]] = []
    /// Errors by call, each thrown once.
    var errors: [String: [any Error]] = [:]
    /// The project is made all the same when `create` fails.
    var isMade = true
    var removals: [ScratchProjects.Removal] = [.gone]
    var reasons: [Int64: String] = [:]
    var runnerPools = ["autogit-runner-1": "p", "autogit-runner-2": "q"]
    var meanwhile: (call: String, time: Int, run: @Sendable () -> Void)?

    func set(_ change: @Sendable (isolated Stage) -> Void) { change(self) }

    private func called(_ call: String, _ detail: String = "") throws {
        calls.append(detail.isEmpty ? call : "\(call) \(detail)")
        if let meanwhile, meanwhile.call == call, calls.count(where: { $0.hasPrefix(call) }) == meanwhile.time {
            self.meanwhile = nil
            meanwhile.run()
        }
        // As a transfer does.
        try Task.checkCancellation()
        if errors[call]?.isEmpty == false, let error = errors[call]?.removeFirst() { throw error }
    }

    func pools() throws -> [String: Bool] {
        try called("pools")
        return knownPools
    }
    func tokenFacts() throws -> TokenFacts {
        try called("token")
        return facts
    }
    func namespace(group: String?) throws -> ScratchProjects.Namespace {
        try called("namespace", group ?? "")
        return .init(group: group == nil ? nil : 9, path: group ?? "me")
    }
    func create(name: String, in namespace: ScratchProjects.Namespace) throws -> ScratchProjects.Made {
        try called("create", "\(namespace.path)/\(name)")
        return .init(id: 7, path: "\(namespace.path)/\(name)", page: nil)
    }
    func find(name: String, in namespace: ScratchProjects.Namespace) throws -> ScratchProjects.Made? {
        try called("find", name)
        return isMade ? .init(id: 7, path: "\(namespace.path)/\(name)", page: nil) : nil
    }
    func commit(_ files: [String: String], to project: Int64) throws { try called("commit", files.keys.sorted().joined(separator: " ")) }
    func installHook(project: Int64) throws { try called("hook", "\(project)") }
    func startPipeline(in project: Int64) throws -> Int64 {
        try called("pipeline")
        return 70
    }
    func jobs(ofPipeline pipeline: Int64, in project: Int64) throws -> [ScratchProjects.Job] {
        try called("jobs")
        return looks.count > 1 ? looks.removeFirst() : looks.first ?? []
    }
    func lastLines(ofJob job: Int64, in project: Int64, count: Int) throws -> [String] {
        try called("trace", "\(job)")
        return ["$ exit 3", "ERROR: Job failed"]
    }
    func cancel(job: Int64, in project: Int64) throws { try called("cancel", "\(job)") }
    func remove(_ project: Int64) throws -> ScratchProjects.Removal {
        try called("remove", "\(project)")
        return removals.count > 1 ? removals.removeFirst() : removals.first ?? .gone
    }
    func waitingReasons(of jobs: [Int64]) -> [Int64: String] { reasons.filter { jobs.contains($0.key) } }
    /// Questions until the daemon knows an end.
    var unaware = 0
    func knowsTheEnd(of job: Int64) -> Bool {
        unaware -= 1
        return unaware < 0
    }
    func pool(ofRunner name: String) -> String? { runnerPools[name] }
}

/// What a self-test told, line by line.
final class Told: Sendable {
    private let box = Mutex<[String]>([])
    var lines: [String] { box.withLock { $0 } }
    func add(_ line: String) { box.withLock { $0.append(line) } }
}
