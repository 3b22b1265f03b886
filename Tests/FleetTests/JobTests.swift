import Testing

@testable import Fleet

@Suite struct JobTests {
    private let now = Timestamp(milliseconds: 1_000)

    private func seen(_ status: JobStatus, runner: Int64? = nil) -> JobObservation {
        JobObservation(id: 1, projectID: 2, status: status, runnerID: runner)
    }

    @Test func lateAndDoubledEventsChangeNothing() {
        var job = Job(seen(.running, runner: 9), of: .default, at: now)
        let before = job
        let moved = [
            job.merge(seen(.running, runner: 9), at: now + .seconds(1)),
            job.merge(seen(.pending), at: now + .seconds(2)),
        ]
        #expect(moved == [false, false])
        #expect(job == before)
    }

    @Test func whatIsOverStaysOver() {
        var job = Job(seen(.failed), of: .default, at: now)
        let moved = job.merge(seen(.success), at: now)
        #expect(!moved)
        #expect(job.status == .failed)
    }

    /// Hooks have whole seconds, REST milliseconds: both are cut before they come here. What is absent is unknown.
    @Test(arguments: [(5, 5, true), (5, 6, false), (nil, 5, true), (5, nil, true), (nil, nil, true)] as [(Int?, Int?, Bool)])
    func aJobIsTheSameIfItsCreationTimeIs(ours: Int?, theirs: Int?, same: Bool) {
        func observation(_ seconds: Int?) -> JobObservation {
            JobObservation(id: 1, projectID: 2, status: .pending, createdAt: seconds.map { Timestamp(milliseconds: Int64($0) * 1000) })
        }
        #expect(Job(observation(ours), of: .default, at: now).isSame(as: observation(theirs)) == same)
    }

    @Test func aLaterEventCorrectsTheRunnersID() {
        var job = Job(seen(.pending, runner: 8), of: .default, at: now)
        _ = job.merge(seen(.running, runner: 9), at: now)
        #expect(job.runnerID == 9)
        // An old one that comes late does not.
        _ = job.merge(seen(.pending, runner: 8), at: now)
        #expect(job.runnerID == 9)
    }

    @Test func timesThatLieAheadAreNow() {
        let (late, early) = (now + .seconds(3600), Timestamp(milliseconds: 10))
        var runner = Runner(id: "a", pool: Pool(name: "p"), launchedFor: nil, at: late)
        runner.startedAt = early
        runner.idleSince = late
        runner.keepTimes(within: now)
        #expect(runner.idleSince == now && runner.requestedAt == now && runner.lastSeen == now && runner.startedAt == early)
        #expect(runner.contactedAt == nil && runner.stoppingAt == nil)
        var job = Job(seen(.pending), of: .default, at: late)
        job.keepTimes(within: now)
        #expect(job.firstSeen == now && job.pendingAt == now && job.runningAt == nil)
    }

    @Test func unknownStatusIsKeptAndNotRunnable() {
        let status = JobStatus(rawValue: "on_the_moon")
        #expect(!status.isKnown && !status.isActive)
        #expect(status.rawValue == "on_the_moon")
    }

    @Test func secretsDoNotPrint() {
        let secret = Secret("glpat-very-secret")
        #expect(!"\(secret) \(String(reflecting: secret)) \([secret])".contains("very"))
        #expect(secret.matches("glpat-very-secret"))
        #expect(!secret.matches("glpat-very-secre") && !secret.matches("") && !secret.matches("glpat-very-secretx"))
    }

    @Test func whatAPoolsRunnersHaveInTheirEnvironmentDoesNotPrint() {
        var pool = Pool(name: "p")
        pool.env = ["PASSWORD": "very-secret"]
        let spec = RunnerSpec(runner: "abc", instance: "i", pool: pool)
        #expect(!"\(pool) \(String(reflecting: pool)) \(spec) \(PoolState(pool))".contains("very"))
    }

    @Test func timesReadBackAsWritten() {
        let time = Timestamp(milliseconds: 1_764_000_000_123)
        #expect(Timestamp(iso8601: time.iso8601) == time)
        #expect(time.iso8601.hasSuffix("Z"))
    }
}
