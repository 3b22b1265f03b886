import Fleet
import Foundation
import GRDB
import TestBench
import Testing

@testable import Store

@Suite struct StoreTests {
    private let scratch: ScratchFolder
    private var path: String { "\(scratch.path)/autogit.db" }
    private let now = Timestamp(milliseconds: 1_764_000_000_123)

    init() throws { scratch = try ScratchFolder("store") }

    @Test func whatWasSavedIsThereAfterReopening() async throws {
        var job = Job(
            JobObservation(
                id: 1, projectID: 2, projectPath: "a/b", status: .pending, tags: ["x", "y,z"], createdAt: Timestamp(milliseconds: 1_764_000_000_000)),
            of: ForgeID("home"), at: now)
        job.waitingReason = "why"
        var runner = Runner(id: "abc", pool: Pool(name: "p"), launchedFor: 1, at: now)
        runner.gitlabID = 88
        runner.phase = .pausing
        runner.idleSince = now
        runner.terms = .init(
            startTimeout: .milliseconds(1500), stopTimeout: .seconds(7), stopSignal: "SIGTERM", maxJobs: 3, tags: ["a", "b,c"], runUntagged: true,
            executor: .docker, memoryLimit: 77)
        runner.shortToken = "abcdef123"
        runner.equipment = Equipment(architecture: .arm64, isEmulated: true, vendor: .nvidia, gpus: ["GPU-1,2", "GPU-3"], share: 2, resources: ["usb-jtag": 1])
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

    /// Each half of what is known of a host stays when the other is written.
    @Test func hostsAreRememberedDrainedAndByHowTheyWereReached() async throws {
        let first = try SQLiteStore(path: path)
        try await first.save([.host(name: "a", drained: true), .engine(host: "b", address: "ssh://b")])
        try await first.save([.engine(host: "a", address: "ssh://old"), .engine(host: "a", address: "ssh://a"), .host(name: "b", drained: true)])
        try await first.save([.host(name: "b", drained: false)])
        let memory = try await SQLiteStore(path: path).load()
        #expect(memory.drainedHosts == [HostID("a")])
        #expect(memory.engines == [HostID("a"): "ssh://a", HostID("b"): "ssh://b"])
    }

    /// Writers whose changes share batches: the order in which each made its own is the order on disk.
    @Test func savesMadeTogetherKeepTheirOrder() async throws {
        let store = try SQLiteStore(path: path)
        let now = now
        await withTaskGroup(of: Void.self) { group in
            for writer in 1...4 {
                group.addTask {
                    for step in 1...100 {
                        store.enqueue([.history(HistoryEntry(runner: "r\(writer)", at: now, event: "\(step)"))])
                        // Lets the other writers, and the one to the disk, come in between.
                        await Task.yield()
                    }
                }
            }
        }
        try await store.flush()
        for writer in 1...4 { #expect(try await store.history(of: "r\(writer)").map(\.event) == (1...100).map { "\($0)" }) }
    }

    @Test func aFileThatIsNoDatabaseIsRefusedAndKept() throws {
        try "this is somebody's letter, not a database at all, and rather long".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: SQLiteStore.Unusable.self) { try SQLiteStore(path: path) }
        #expect(try String(contentsOfFile: path, encoding: .utf8).hasPrefix("this is somebody's letter"))
    }

    /// A webhook that was answered 2xx is on disk, also when the write of an earlier one had failed.
    @Test func whatCouldNotBeWrittenIsWrittenWithTheNextSave() async throws {
        let store = try SQLiteStore(path: path)
        let other = try DatabaseQueue(path: path)
        func job(_ id: JobID) -> Change { .job(Job(JobObservation(id: id, projectID: 1, status: .pending), of: .default, at: now)) }
        try await other.write { try $0.execute(sql: "ALTER TABLE jobs RENAME TO away") }
        await #expect(throws: (any Error).self) { try await store.save([job(1)]) }
        // A doubled event changes nothing, and must not be taken for saved.
        await #expect(throws: (any Error).self) { try await store.save([]) }
        try await other.write { try $0.execute(sql: "ALTER TABLE away RENAME TO jobs") }
        try await store.save([])
        try await store.save([job(2)])
        #expect(try await store.load().jobs.map(\.id.id).sorted() == [1, 2])
    }

    @Test func anOlderDatabaseIsCopiedBeforeItIsChanged() async throws {
        let old = try DatabaseQueue(path: path)
        try Schema.migrator(gitlab: "").migrate(old, upTo: "1: jobs, runners, pools")
        try await old.write { db in
            try db.execute(
                sql: """
                    INSERT INTO jobs (id, project_id, status, tags, first_seen, pending_at)
                    VALUES (7, 3, 'pending', '["a"]', '2026-11-24T09:10:00.102Z', '2026-11-24T09:10:00.102Z');
                    INSERT INTO jobs (id, project_id, status, first_seen) VALUES (6, 3, 'success', '2026-11-24T09:10:00.102Z');
                    INSERT INTO runners (id, name, pool, status, phase, jobs_done, cpus, memory, requested_at, last_seen, failed)
                    VALUES ('abc', 'n', 'p', 'idle', 'ready', 0, 1, 1, '2026-11-24T09:10:00.102Z', '2026-11-24T09:10:00.102Z', 0)
                    """)
        }
        try old.close()
        // A copy that was cut short.
        #expect(FileManager.default.createFile(atPath: path + ".before-2.part", contents: Data("SQLite".utf8)))
        let store = try SQLiteStore(path: path, gitlab: "home")
        #expect(store.upgradedFrom == 1)
        let memory = try await store.load()
        let home = ForgeID("home")
        #expect(memory.runners.map(\.place) == [Place(.local, .container)] && memory.runners.map(\.forge) == [home])
        let terms = Runner.Terms(startTimeout: .seconds(120), stopTimeout: .seconds(3600), stopSignal: "SIGQUIT", maxJobs: 0)
        #expect(memory.runners.map(\.terms) == [terms])
        // What was there is there, under the GitLab's name, and its creation time is unknown.
        #expect(memory.jobs.map(\.id) == [JobRef(home, 7)] && memory.jobs[0].tags == ["a"] && memory.jobs[0].createdAt == nil)
        #expect(memory.finishedJobs.map(\.job) == [JobRef(home, 6)] && memory.finishedJobs[0].createdAt == nil)
        #expect(!FileManager.default.fileExists(atPath: path + ".before-2.part"))
        let copy = try DatabaseQueue(path: path + ".before-2")
        let columns = try await copy.read { try $0.columns(in: "runners").map(\.name) }
        #expect(columns.contains("phase") && !columns.contains("driver"))
        // A second start has nothing to change, says so, and makes no copy.
        #expect(try SQLiteStore(path: path).upgradedFrom == nil)
        #expect(!FileManager.default.fileExists(atPath: path + ".before-3"))
    }

    /// Two GitLabs count their jobs from 1 each; the guide's SELECT still finds plain ids.
    @Test func jobsOfTwoGitLabsAreTwo() async throws {
        let store = try SQLiteStore(path: path)
        let forges = [ForgeID("home"), ForgeID("work")]
        try await store.save(forges.map { .job(Job(JobObservation(id: 1, projectID: 1, name: $0.name, status: .pending), of: $0, at: now)) })
        #expect(try await store.load().jobs.map(\.id).sorted() == forges.map { JobRef($0, 1) })
        #expect(try await store.job(JobRef(forges[1], 1))?.name == "work")
        let ids = try await DatabaseQueue(path: path).read { try Int64.fetchAll($0, sql: "SELECT id FROM jobs WHERE status = 'pending'") }
        #expect(ids == [1, 1])
    }

    @Test func aJobThatGitLabDidNotKnowIsNotFinishedForGood() async throws {
        let store = try SQLiteStore(path: path)
        var gone = Job(JobObservation(id: 1, projectID: 1, status: .canceled), of: .default, at: now)
        gone.failureReason = Job.goneReason
        let skipped = Job(JobObservation(id: 2, projectID: 1, status: .skipped), of: .default, at: now)
        let over = Job(JobObservation(id: 3, projectID: 1, status: .canceled), of: .default, at: now)
        try await store.save([.job(gone), .job(skipped), .job(over)])
        #expect(try await store.load().finishedJobs.map(\.job.id) == [3])
    }

    @Test func jobsThatEndedAreReadTheLastOneFirst() async throws {
        let store = try SQLiteStore(path: path)
        let ends: [Int64: Timestamp?] = [1: now + .seconds(30), 2: nil, 3: now + .seconds(10), 4: now + .seconds(20)]
        try await store.save(
            ends.map { id, end in
                var job = Job(JobObservation(id: id, projectID: 1, status: end == nil ? .running : .success), of: .default, at: now)
                job.finishedAt = end
                return .job(job)
            })
        #expect(try await store.endedJobs(limit: 2).map(\.id.id) == [1, 4])
        #expect(try await store.endedJobs(limit: 10).map(\.id.id) == [1, 4, 3])
    }

    @Test func whatIsOldIsForgottenAndWhatLivesIsNot() async throws {
        let store = try SQLiteStore(path: path)
        var old = Job(JobObservation(id: 1, projectID: 1, status: .success), of: .default, at: now)
        old.finishedAt = now
        let waiting = Job(JobObservation(id: 2, projectID: 1, status: .pending), of: .default, at: now)
        let new = Job(JobObservation(id: 3, projectID: 1, status: .success), of: .default, at: now + .seconds(100))
        var gone = Runner(id: "gone", pool: Pool(name: "p"), launchedFor: nil, at: now)
        gone.phase = .removed
        gone.removedAt = now
        let live = Runner(id: "live", pool: Pool(name: "p"), launchedFor: nil, at: now)
        try await store.save([
            .job(old), .job(waiting), .job(new), .runner(gone), .runner(live), .history(HistoryEntry(runner: "gone", at: now, event: "x")),
            .history(HistoryEntry(runner: "live", at: now, event: "x")),
        ])
        try await store.forget(before: now + .seconds(50))
        #expect(try await store.recentJobs(limit: 10).map(\.id.id) == [3, 2])
        let histories = try await [store.history(of: "gone").count, store.history(of: "live").count]
        #expect(histories == [0, 1])
        #expect(try await store.runner("gone") == nil)
        #expect(try await store.runner("live") != nil)
    }
}
