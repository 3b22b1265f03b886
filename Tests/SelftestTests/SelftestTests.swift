import Fleet
import Testing

@testable import GitLab
@testable import Selftest

/// The whole run, with a GitLab and a daemon that do as the test wants.
@Suite struct SelftestTests {
    private let stage = Stage()
    private let told = Told()
    private let clock = SleepClock()

    private func options(_ registration: Pool.Registration = .instance, projects: [String] = []) -> Selftest.Options {
        let pools = ["p", "q"].map { name in
            var pool = Pool(name: name)
            pool.tags = [name]
            pool.register = registration
            return pool
        }
        return Selftest.Options(pools: pools, chosen: [], pollInterval: .seconds(30), projects: projects)
    }

    private var selftest: Selftest {
        let told = told
        return Selftest(gitlab: stage, daemon: stage, clock: clock, suffix: "abc") { told.add($0) }
    }

    private static func job(_ id: Int64, _ status: JobStatus, runner: String? = nil, why: String? = nil) -> ScratchProjects.Job {
        .init(id: id, name: id == 1 ? "selftest p" : "selftest q", status: status, runner: runner, failureReason: why)
    }

    private static let good = [job(1, .success, runner: "autogit-runner-1"), job(2, .success, runner: "autogit-runner-2")]

    private func outage(_ text: String = "no route") -> GitLabError { GitLabError(kind: .unreachable, message: text, summary: text) }

    @Test func eachStepIsToldWithItsTime() async throws {
        await stage.set {
            $0.looks = [
                [], [Self.job(1, .created), Self.job(2, .pending)], [Self.job(1, .pending), Self.job(2, .running, runner: "autogit-runner-2")],
                [Self.job(1, .running, runner: "autogit-runner-1"), Self.good[1]], Self.good,
            ]
        }
        let report = await selftest.run(options())
        #expect(report.ok && report.trouble == nil && report.removal == "gone" && report.project == "me/autogit-selftest-abc" && report.seconds == 4)
        #expect(report.jobs.map(\.result) == ["success", "success"] && report.jobs.map(\.runner) == ["autogit-runner-1", "autogit-runner-2"])
        #expect(report.jobs.map(\.wait_seconds) == [2, 1] && report.jobs.map(\.run_seconds) == [1, 1])
        let expected = ["pools", "token", "namespace", "create me/autogit-selftest-abc", "commit .gitlab-ci.yml README.md", "pipeline"]
        #expect(await stage.calls == expected + Array(repeating: "jobs", count: 5) + ["remove 7"])
        for line in [
            "    0.0 s  project me/autogit-selftest-abc made", "    1.0 s  pool p: job 1 waits for a runner",
            "    3.0 s  pool p: the runner autogit-runner-1 has the job, 2.0 s after it began to wait", "    4.0 s  pool p: success, after 1.0 s",
            "    4.0 s  project me/autogit-selftest-abc: gone",
        ] { #expect(told.lines.contains(line), "\(told.lines)") }
    }

    @Test func aJobThatFailsShowsTheEndOfItsLogAndTheProjectGoes() async throws {
        await stage.set { $0.looks = [[Self.job(1, .failed, runner: "autogit-runner-1", why: "script_failure"), Self.good[1]]] }
        let report = await selftest.run(options())
        #expect(!report.ok && report.removal == "gone" && report.jobs.map(\.result) == ["failed", "success"])
        #expect(report.jobs[0].reason == "failed (script_failure)" && report.jobs[0].log == ["$ exit 3", "ERROR: Job failed"])
        #expect(told.lines.contains("            | ERROR: Job failed"))
    }

    @Test func aJobThatNobodyTakesIsGivenUpWithTheDaemonsReason() async throws {
        await stage.set {
            $0.looks = [[Self.job(1, .pending), Self.good[1]]]
            $0.reasons = [1: "the engine does not answer"]
        }
        let report = await selftest.run(options())
        #expect(!report.ok && report.seconds == 600 && report.removal == "gone")
        #expect(report.jobs[0].result == "timed out" && report.jobs[0].reason == "the engine does not answer" && report.jobs[0].log == nil)
        #expect(await stage.calls.suffix(2) == ["cancel 1", "remove 7"])
        #expect(told.lines.filter { $0.contains("pool p: the engine does not answer") }.count == 1)
    }

    @Test func aTokenThatMayNotMakesNothing() async throws {
        for (facts, word) in [
            (TokenFacts(scopes: ["read_api", "create_runner", "manage_runner"], administrator: .yes), "the scope api"),
            (TokenFacts(scopes: ["api"], administrator: .withoutAdminMode), "admin_mode"),
        ] {
            await stage.set {
                $0.facts = facts
                $0.calls = []
            }
            let report = await selftest.run(options())
            #expect(!report.ok && report.trouble?.contains(word) == true && report.removal == nil, "\(report)")
            #expect(await stage.calls == ["pools", "token"])
        }
        // Runners of a group take no administrator.
        await stage.set {
            $0.facts = TokenFacts(scopes: ["api"], administrator: .no)
            $0.looks = [Self.good]
        }
        let report = await selftest.run(options(.group("family")))
        #expect(report.ok && report.project == "family/autogit-selftest-abc", "\(report)")
    }

    @Test func withoutTheDaemonNothingIsMade() async throws {
        await stage.set { $0.errors["pools"] = [ControlDaemon.Refusal(description: "the daemon does not answer")] }
        let report = await selftest.run(options())
        #expect(report.trouble == "the daemon does not answer" && report.removal == nil)
        #expect(await stage.calls == ["pools"])
    }

    @Test func runnersOfAProjectSayWhyTheyCanNotBeTried() async throws {
        let report = await selftest.run(options(.project("root/web")))
        #expect(!report.ok && report.trouble == "no pool can be tried" && report.left.map(\.pool) == ["p", "q"])
        #expect(await stage.calls == ["pools", "token"])
        #expect(told.lines.contains { $0.contains("pool p is not tried: its runners are registered for the project root/web") })
    }

    @Test func aProjectThatIsNotPolledGetsAHookBeforeItsPipeline() async throws {
        await stage.set {
            $0.facts = TokenFacts(scopes: ["api"], administrator: .no)
            $0.looks = [Self.good]
        }
        #expect(await selftest.run(options(.group("family"), projects: ["family/web"])).ok)
        let order = await stage.calls.filter { ["hook 7", "pipeline"].contains($0) }
        #expect(order == ["hook 7", "pipeline"])
        await stage.set {
            $0.errors["hook"] = [ControlDaemon.Refusal(description: "requests to the local network")]
            $0.calls = []
        }
        let report = await selftest.run(options(.group("family"), projects: ["family/web"]))
        #expect(report.trouble == "requests to the local network" && report.removal == "gone")
        #expect(await stage.calls.last == "remove 7")
    }

    /// Whichever call fails: what was made goes.
    @Test(arguments: ["commit", "pipeline"]) func whateverFailsTheProjectGoes(call: String) async throws {
        let error = outage()
        await stage.set { $0.errors[call] = [error] }
        let report = await selftest.run(options())
        #expect(!report.ok && report.trouble == "no route" && report.removal == "gone")
        #expect(await stage.calls.last == "remove 7")
    }

    @Test func aProjectWhoseAnswerWasLostIsFoundAndGoes() async throws {
        let error = outage()
        await stage.set { $0.errors["create"] = [error] }
        let report = await selftest.run(options())
        #expect(report.trouble == "no route" && report.removal == "gone")
        #expect(await stage.calls.suffix(2) == ["find autogit-selftest-abc", "remove 7"])
        await stage.set {
            $0.errors["create"] = [error]
            $0.isMade = false
            $0.calls = []
        }
        #expect(await selftest.run(options()).removal == nil)
        #expect(await stage.calls.last == "find autogit-selftest-abc")
    }

    /// At any call that an interruption can come in.
    @Test(arguments: ["create", "commit", "pipeline", "jobs", "remove"]) func anInterruptionEndsTheJobsAndTheProjectGoes(call: String) async throws {
        await stage.set { $0.looks = call == "remove" ? [Self.good] : [[Self.job(1, .running, runner: "autogit-runner-1"), Self.job(2, .pending)]] }
        let (selftest, options) = (selftest, options())
        let (starting, start) = AsyncStream.makeStream(of: Void.self)
        let test = Task {
            for await _ in starting {}
            return await selftest.run(options)
        }
        await stage.set { $0.meanwhile = (call, call == "jobs" ? 2 : 1, { test.cancel() }) }
        start.finish()
        let report = await test.value
        #expect(await stage.calls.last == "remove 7")
        #expect(report.removal == "gone")
        #expect(report.interrupted == (call != "remove") && report.ok == (call == "remove"), "\(report)")
        if call == "jobs" {
            #expect(report.jobs.map(\.result) == ["interrupted", "interrupted"])
            #expect(await stage.calls.suffix(3) == ["cancel 1", "cancel 2", "remove 7"])
        }
    }

    @Test func gitLabsSilenceIsToldOnceAndTheJobsGoOn() async throws {
        let errors: [any Error] = [outage("502"), outage("502"), outage("502")]
        await stage.set {
            $0.errors["jobs"] = errors
            $0.looks = [Self.good]
        }
        let report = await selftest.run(options())
        #expect(report.ok && report.seconds == 3 && told.lines.filter { $0.hasSuffix("502") }.count == 1, "\(told.lines)")
    }

    @Test func aTokenThatIsRevokedMeanwhileEndsIt() async throws {
        let refused = GitLabError(kind: .badToken, message: "the token was revoked", summary: "")
        await stage.set {
            $0.looks = [[Self.job(1, .pending), Self.job(2, .pending)]]
            $0.errors["jobs"] = [refused]
            $0.errors["remove"] = [refused]
        }
        let report = await selftest.run(options())
        #expect(!report.ok && !report.interrupted && report.trouble == "the token was revoked" && report.jobs.map(\.result) == ["unknown", "unknown"])
        #expect(report.removal?.hasPrefix("stays: remove me/autogit-selftest-abc by hand") == true, "\(report)")
        // Asking again would not help.
        #expect(await stage.calls.filter { $0 == "remove 7" }.count == 1)
    }

    /// Else it believes for a minute that its runners have the jobs of a project that is gone.
    @Test func theDaemonHasItsTimeToHearOfTheEnd() async throws {
        await stage.set {
            $0.looks = [Self.good]
            $0.unaware = 5
        }
        #expect(await selftest.run(options()).seconds == 5)
        await stage.set { $0.unaware = 1_000_000 }
        let report = await selftest.run(options())
        #expect(report.ok && report.seconds == 60 && report.removal == "gone")
    }

    @Test func aRemovalIsTriedAgainAndWhatStaysIsTold() async throws {
        let error = outage()
        await stage.set {
            $0.looks = [Self.good]
            $0.errors["remove"] = [error, error]
        }
        #expect(await selftest.run(options()).removal == "gone")
        await stage.set { $0.errors["remove"] = Array(repeating: error, count: 4) }
        let stays = await selftest.run(options())
        #expect(!stays.ok && stays.removal?.contains("remove me/autogit-selftest-abc by hand") == true && stays.trouble != nil)
        await stage.set { $0.removals = [.kept(path: "me/x-deletion_scheduled-7", until: "2027-01-31")] }
        let kept = await selftest.run(options())
        #expect(kept.ok && kept.removal?.contains("kept as me/x-deletion_scheduled-7 until 2027-01-31") == true, "\(kept)")
        await stage.set { $0.removals = [.kept(path: "me/x-deletion_scheduled-7", until: nil)] }
        #expect(await selftest.run(options()).removal?.contains("30 days unless changed") == true)
    }

    @Test(arguments: [("their-runner", "not AutoGit's"), ("autogit-runner-2", "a runner of the pool q")]) func anotherRunnerSaysNothingOfThePool(
        runner: String, words: String
    ) async throws {
        await stage.set { $0.looks = [[Self.job(1, .success, runner: runner), Self.good[1]]] }
        let report = await selftest.run(options())
        #expect(!report.ok && report.jobs.map(\.result) == ["elsewhere", "success"] && report.jobs[0].reason?.contains(words) == true, "\(report)")
    }
}
