import Fleet
import Foundation
import Testing

@testable import Store

@Suite struct StoreTests {
    private let path = NSTemporaryDirectory() + "autogit-store-\(UUID().uuidString).db"
    private let now = Timestamp(milliseconds: 1_764_000_000_123)

    @Test func whatWasSavedIsThereAfterReopening() async throws {
        var job = Job(JobObservation(id: 1, projectID: 2, projectPath: "a/b", status: .pending, tags: ["x", "y,z"]), at: now)
        job.waitingReason = "why"
        var runner = Runner(id: "abc", pool: Pool(name: "p"), launchedFor: 1, at: now)
        runner.gitlabID = 88
        runner.phase = .ready
        runner.idleSince = now
        let first = try SQLiteStore(path: path)
        let instance = try await first.load().instance
        try await first.save([
            .job(job), .runner(runner), .history(HistoryEntry(runner: "abc", at: now, event: "requested")),
            .pool(name: "p", paused: true),
        ])
        let memory = try await SQLiteStore(path: path).load()
        #expect(memory.instance == instance && !instance.isEmpty)
        #expect(memory.jobs == [job])
        #expect(memory.runners == [runner])
        #expect(memory.pausedPools == ["p"])
        #expect(try await first.history(of: "abc").map(\.event) == ["requested"])
    }

    @Test func savesMadeTogetherKeepTheirOrder() async throws {
        let store = try SQLiteStore(path: path)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for id in 1...200 {
                group.addTask {
                    try await store.save([.job(Job(JobObservation(id: JobID(id), projectID: 1, status: .pending), at: Timestamp(milliseconds: 1)))])
                }
            }
            try await group.waitForAll()
        }
        #expect(try await store.load().jobs.count == 200)
    }

    @Test func aFileThatIsNoDatabaseIsRefusedAndKept() throws {
        try "this is somebody's letter, not a database at all, and rather long".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: SQLiteStore.Unusable.self) { try SQLiteStore(path: path) }
        #expect(try String(contentsOfFile: path, encoding: .utf8).hasPrefix("this is somebody's letter"))
    }
}
