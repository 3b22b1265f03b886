import Fleet
import TestBench
import Testing

@testable import Store

@Suite struct PastTests {
    private let scratch: ScratchFolder
    private let now = Timestamp(milliseconds: 1_764_000_000_000)

    init() throws { scratch = try ScratchFolder("past") }

    private func job(_ id: JobID, running: Double?, finished: Double?, _ status: JobStatus) -> Change {
        var job = Job(JobObservation(id: id, projectID: 1, status: status), of: .default, at: now + .seconds(-100_000))
        job.pendingAt = now + .seconds(-100_000)
        job.runningAt = running.map { now + .seconds($0) }
        job.finishedAt = finished.map { now + .seconds($0) }
        return .job(job)
    }

    private func runner(_ id: RunnerID, contacted: Double?, removed: Double?, failed: Bool) -> Change {
        var runner = Runner(id: id, pool: Pool(name: "p"), launchedFor: nil, at: now + .seconds(-50))
        runner.contactedAt = contacted.map { now + .seconds($0) }
        runner.removedAt = removed.map { now + .seconds($0) }
        if removed != nil { runner.phase = .removed }
        runner.failed = failed
        return .runner(runner)
    }

    @Test func arrivalsAreThoseOfJobsThatRanByThePoolOfTheirRunner() async throws {
        let store = try SQLiteStore(path: "\(scratch.path)/autogit.db")
        func ran(_ id: JobID, on runner: Int64?, pending: Double?, running: Double?) -> Change {
            var job = Job(JobObservation(id: id, projectID: 1, status: .success, runnerID: runner), of: .default, at: now + .seconds(-100_000))
            job.pendingAt = pending.map { now + .seconds($0) }
            job.runningAt = running.map { now + .seconds($0) }
            return .job(job)
        }
        func runner(_ id: RunnerID, _ number: Int64, pool: String) -> Change {
            var runner = Runner(id: id, pool: Pool(name: pool), launchedFor: nil, at: now + .seconds(-50))
            runner.gitlabID = number
            runner.phase = .removed
            return .runner(runner)
        }
        try await store.save([
            runner("a", 1, pool: "p"), runner("b", 2, pool: "q"), ran(1, on: 1, pending: -30, running: -20), ran(2, on: 1, pending: nil, running: -10),
            // Waited since before, and began before; without a runner of ours; never began.
            ran(3, on: 2, pending: -200, running: -90), ran(4, on: 2, pending: -200, running: -101), ran(5, on: 9, pending: -5, running: -4),
            ran(6, on: nil, pending: -5, running: nil),
        ])
        let arrivals = try await store.arrivals(since: now + .seconds(-100))
        #expect(arrivals.mapValues { $0.sorted() } == ["p": [now + .seconds(-30), now + .seconds(-10)], "q": [now + .seconds(-200)]])
    }

    @Test func whatRanEndedOrFailedIsFoundOnce() async throws {
        let store = try SQLiteStore(path: "\(scratch.path)/autogit.db")
        try await store.save([
            job(1, running: -10, finished: -5, .success), job(2, running: -200, finished: -1, .failed), job(3, running: nil, finished: -2, .canceled),
            job(4, running: -200, finished: -150, .success), job(5, running: nil, finished: nil, .pending), job(6, running: -3, finished: nil, .running),
            runner("a", contacted: -20, removed: nil, failed: false), runner("b", contacted: -200, removed: -1, failed: false),
            runner("c", contacted: nil, removed: -7, failed: true), runner("d", contacted: nil, removed: -500, failed: true),
            runner("e", contacted: nil, removed: nil, failed: true),
        ])
        let past = try await store.past(since: now + .seconds(-100), failures: 10)
        #expect(Set(past.runs.map(\.finishedAt)) == Set([-5, -1, -2, nil].map { $0.map { now + .seconds($0) } }))
        #expect(past.runs.count == 4)
        #expect(past.runs.first { $0.status == .success }?.runningAt == now + .seconds(-10))
        #expect(past.starts == [.init(requestedAt: now + .seconds(-50), contactedAt: now + .seconds(-20))])
        #expect(past.failures.map(\.id) == ["c", "d"])
        #expect(try await store.past(since: now, failures: 1) == Past(failures: Array(past.failures.prefix(1))))
    }

    @Test func whatJobsOfANameUsedComesBackTheNewestFirst() async throws {
        let store = try SQLiteStore(path: "\(scratch.path)/autogit.db")
        func measured(_ id: JobID, project: Int64 = 1, _ name: String, _ memory: Int64?) -> Change {
            var job = Job(JobObservation(id: id, projectID: project, name: name, status: .success), of: .default, at: now)
            job.finishedAt = now + .seconds(Double(id))
            job.usage = memory.map { JobUsage(cpuSeconds: 1.5, peakMemory: $0, memoryKills: id == 2 ? 1 : nil, measuredSeconds: 5, memoryLimit: 100) }
            return .job(job)
        }
        try await store.save([
            measured(1, "test", 10), measured(2, "test", 20), measured(3, "test", nil), measured(4, "build", 40), measured(5, project: 2, "test", 50),
            measured(6, "test", 60),
        ])
        let job = try #require(try await store.job(JobRef(.default, 2)))
        #expect(job.usage == JobUsage(cpuSeconds: 1.5, peakMemory: 20, memoryKills: 1, measuredSeconds: 5, memoryLimit: 100))
        #expect(try await store.usages(like: job, limit: 2).map(\.peakMemory) == [60, 20])
        #expect(try await store.job(JobRef(.default, 3))?.usage == nil)
    }

    /// A runner of four days with a job over midnight, and one that runs now.
    @Test func daysAreTheSameBeforeAndAfterTheyAreAddedUpAndOutliveTheirRows() async throws {
        let store = try SQLiteStore(path: "\(scratch.path)/autogit.db")
        let midnight = UsageDay.begin(now)
        func at(_ hours: Double) -> Timestamp { midnight + .seconds(hours * 3600) }
        func job(_ id: JobID, _ from: Double, _ to: Double?, project: String?) -> Change {
            var job = Job(
                JobObservation(id: id, projectID: 7, projectPath: project, status: to == nil ? .running : .success, tags: ["b", "a"], runnerID: 5),
                of: .default, at: at(from))
            job.pendingAt = at(from) + .seconds(-30)
            job.runningAt = at(from)
            job.finishedAt = to.map(at)
            job.usage = to.map { _ in JobUsage(cpuSeconds: 9, peakMemory: 11) }
            return .job(job)
        }
        var runner = Runner(id: "r", pool: Pool(name: "p"), launchedFor: nil, at: at(-50))
        runner.gitlabID = 5
        runner.startedAt = at(-49)
        runner.contactedAt = at(-49)
        // Its number is another's by now in another GitLab.
        var other = Job(JobObservation(id: 9, projectID: 7, status: .success, runnerID: 6), of: .default, at: at(-47))
        other.runningAt = at(-47)
        other.finishedAt = at(-46)
        try await store.save([.runner(runner), job(1, -49, -47, project: "a/b"), job(2, 1, nil, project: nil), .job(other)])
        let before = try await store.days(since: at(-72), now: at(2))
        #expect(before.map(\.date) == ["2025-11-21", "2025-11-22", "2025-11-23", "2025-11-24"])
        let first = try #require(before.first { !$0.jobs.isEmpty })
        #expect(first.jobs.map(\.kind) == [.init(forge: "gitlab", pool: "p", project: "a/b", tags: ["b", "a"])])
        #expect(first.jobs[0].cpuSeconds == 9 && first.jobs[0].peakMemory == 11 && first.jobs[0].waits.quantile(0.5) != nil)
        let busy = before.flatMap(\.runners).map(\.busySeconds).reduce(0, +)
        #expect(busy == 3 * 3600)
        try await store.rollUp(at: at(2))
        try await store.rollUp(at: at(2))
        #expect(try await store.days(since: at(-72), now: at(2)) == before)
        // A month later the rows are gone, but not the sums; after a year these are, too.
        var gone = runner
        gone.phase = .removed
        gone.removedAt = at(3)
        try await store.save([.runner(gone), job(2, 1, 2.5, project: nil)])
        let later = at(24 * 40)
        try await store.rollUp(at: later)
        try await store.forget(before: at(24 * 10))
        #expect(try await store.job(JobRef(.default, 1)) == nil)
        let kept = try await store.days(since: at(-72), now: later)
        #expect(kept.flatMap(\.jobs).map(\.jobs).reduce(0, +) == 2)
        #expect(kept.flatMap(\.runners).map(\.seconds).reduce(0, +) == 52 * 3600)
        try await store.rollUp(at: at(24 * 400))
        #expect(try await store.days(since: at(-72), now: at(24 * 400)) == [])
    }

    @Test func aClockThatWasAheadHidesNoDay() async throws {
        let store = try SQLiteStore(path: "\(scratch.path)/autogit.db")
        var runner = Runner(id: "r", pool: Pool(name: "p"), launchedFor: nil, at: now)
        runner.startedAt = now
        try await store.save([.runner(runner)])
        try await store.rollUp(at: now + .seconds(10 * 86_400))
        #expect(try await store.days(since: now, now: now + .seconds(60)).flatMap(\.runners).map(\.seconds) == [60])
    }
}
