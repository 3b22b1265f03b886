import Fleet
import GitLab
import Testing

@testable import Selftest

@Suite struct SelftestProgressTests {
    private func progress(timeout: Duration = .seconds(600)) -> SelftestProgress {
        var pool = Pool(name: "p")
        pool.tags = ["x"]
        let plan = SelftestPlan(
            pools: [pool], chosen: [], running: ["p": false], polling: .init(interval: .seconds(30), projects: [], administrator: .yes))
        return SelftestProgress(plan, timeout: timeout)
    }

    private func job(_ status: JobStatus, id: Int64 = 1, runner: String? = nil, why: String? = nil) -> ScratchProjects.Job {
        .init(id: id, name: "selftest p", status: status, runner: runner, failureReason: why)
    }

    /// A status, what is told of it, and whether that is the end.
    @Test(
        arguments: [
            ("created", nil, "waits for a runner", nil), ("pending", nil, "waits for a runner", nil), ("waiting_for_resource", nil, "waits for a runner", nil),
            ("running", "r", "the runner r has the job", nil), ("canceling", "r", "waits for a runner", nil),
            ("success", "r", "success, after 0.0 s", .succeeded), ("failed", "r", "failed (script_failure)", .failed("failed (script_failure)")),
            ("canceled", nil, "canceled", .failed("canceled")), ("sleeping", nil, "waits for a runner", nil),
        ] as [(String, String?, String, SelftestProgress.Outcome?)])
    func eachStatusIsTold(status: String, runner: String?, words: String, outcome: SelftestProgress.Outcome?) {
        var progress = progress()
        let lines = progress.take([job(JobStatus(rawValue: status), runner: runner, why: status == "failed" ? "script_failure" : nil)], at: .seconds(5))
        #expect(lines.contains { $0.contains(words) }, "\(lines)")
        #expect(progress.jobs[0].outcome == outcome && progress.isOver == (outcome != nil))
        // Told once.
        #expect(progress.take([job(JobStatus(rawValue: status), runner: runner)], at: .seconds(6)).isEmpty)
    }

    @Test func othersJobsAreNotOurs() {
        var progress = progress()
        #expect(progress.take([.init(id: 3, name: "build", status: .success)], at: .zero).isEmpty)
        #expect(progress.jobs[0].id == nil && progress.pending.isEmpty)
    }

    @Test func theTimeRunsFromWhenGitLabShowsTheJob() {
        var progress = progress(timeout: .seconds(60))
        _ = progress.take([job(.pending)], at: .seconds(50))
        #expect(progress.giveUp(at: .seconds(109)).isEmpty)
        #expect(progress.take(waiting: [1: "the disk is full"]) == ["pool p: the disk is full"])
        #expect(progress.take(waiting: [1: "the disk is full"]).isEmpty)
        #expect(progress.giveUp(at: .seconds(110)) == ["pool p: given up after 60.0 s, the job is pending; the daemon says: the disk is full"])
        #expect(progress.isOver && progress.jobs[0].outcome == .timedOut("pending"))
        #expect(progress.giveUp(at: .seconds(999)).isEmpty)
        // What GitLab never shows has the same time.
        var never = self.progress(timeout: .seconds(60))
        #expect(never.giveUp(at: .seconds(60)).first?.contains("the job is not there") == true)
    }

    @Test func aReasonIsOfNoUseOnceARunnerHasTheJob() {
        var progress = progress()
        _ = progress.take([job(.running, runner: "r")], at: .zero)
        #expect(progress.take(waiting: [1: "old news"]).isEmpty && progress.pending.isEmpty)
    }

    @Test(arguments: [(0, "0.0"), (49, "0.0"), (50, "0.1"), (12_345, "12.3"), (600_000, "600.0"), (-5, "0.0")]) func timesHaveOneDigit(
        milliseconds: Int, text: String
    ) {
        #expect(Duration.milliseconds(milliseconds).tenths == text)
    }
}
