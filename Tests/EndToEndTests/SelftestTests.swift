import Foundation
import FakeGitLab
import Fleet
import GitLab
import HTTPTransfer
import Selftest
import TestBench
import Testing

/// The self-test against the real daemon with a real engine. GitLab is simulated, and as strict as it is about the calls.
extension EndToEndTests {
    private func selftest(_ rig: Rig, _ arguments: String...) async throws -> Ran {
        try await run(product("autogitd"), ["selftest", "--config", "\(rig.daemon.directory)/autogit.toml"] + arguments)
    }

    private func isGone(_ rig: Rig) async -> Bool {
        let (projects, made) = await (rig.gitlab.instance.projects, rig.gitlab.instance.projectsMade)
        return made == 1 && projects.keys.sorted() == [rig.project.id]
    }

    @Test func aGitLabBelowAPathIsServedToTheEnd() async throws {
        let rig = try await rig(root: "/gitlab")
        try await runToTheEnd(rig)
        #expect(rig.gitlab.url.hasSuffix("/gitlab"))
        #expect(try await rig.daemon.jobs().allSatisfy { $0.project == "root/e2e" })
        try await rig.end()
    }

    @Test func theSelftestRunsAJobInARunnerOfThePoolAndLeavesNothing() async throws {
        // Below a path, as with a relative URL root: each call, the runner's and git's go there.
        let rig = try await rig(hooks: false, poll: "1s", root: "/gitlab")
        let ran = try await run(product("autogitctl"), ["selftest", "--config", "\(rig.daemon.directory)/autogit.toml"])
        #expect(ran.exited && ran.code == 0, "\(ran.out)\n\(rig.daemon.log)")
        for words in [
            "project root/autogit-selftest-", "pool p: job ", "pool p: the runner autogit-runner-", "pool p: success, after ", ": gone",
            "The self-test succeeded: 1 of 1 pool.",
        ] { #expect(ran.out.contains(words), "\(words)\n\(ran.out)") }
        #expect(!ran.out.contains(rig.token))
        #expect(await isGone(rig))
        #expect(try await rig.daemon.isEmptied())
        try await rig.end()
    }

    /// With polling off the daemon hears of the job by the hook that it installs.
    @Test func withoutPollingItInstallsAHookAndSaysAllAsJSON() async throws {
        let rig = try await rig(hooks: false, poll: "0s")
        await rig.gitlab.instance.setProjectDeletion(.atOnce)
        let ran = try await run(
            "/bin/sh",
            ["-c", "'\(product("autogitd"))' selftest --json --pool p --config '\(rig.daemon.directory)/autogit.toml' 2>'\(rig.daemon.directory)/progress'"])
        #expect(ran.exited && ran.code == 0, "\(ran.out)\n\(rig.daemon.log)")
        let report = try JSONDecoder().decode(SelftestReport.self, from: Data(ran.out.utf8))
        #expect(report.ok && report.jobs.map(\.pool) == ["p"] && report.removal == "gone" && report.jobs[0].runner?.hasPrefix(Runner.namePrefix) == true)
        #expect(try String(contentsOfFile: "\(rig.daemon.directory)/progress", encoding: .utf8).contains("hook installed"))
        #expect(await isGone(rig))
        #expect(try await rig.daemon.isEmptied())
        try await rig.end()
    }

    @Test func aSelftestWhoseJobFailsShowsItsLog() async throws {
        let rig = try await rig(hooks: false, poll: "1s")
        var pool = Pool(name: "p")
        pool.tags = ["x"]
        var options = Selftest.Options(pools: [pool], chosen: [], pollInterval: .seconds(1), projects: [])
        options.script = ["echo the disk is full", "exit 3"]
        let http = HTTPClient()
        let report = await Selftest(
            gitlab: LiveGitLab(.init(url: rig.gitlab.url, token: Secret(rig.token)), http: http),
            daemon: ControlDaemon(socket: "\(rig.daemon.directory)/control.sock", http: http), clock: SystemClock(), suffix: "failing"
        ) { _ in }.run(options)
        #expect(!report.ok && report.trouble == nil && report.jobs.map(\.result) == ["failed"] && report.removal == "gone", "\(report)\n\(rig.daemon.log)")
        #expect(report.jobs.first?.log?.contains { $0.contains("the disk is full") } == true, "\(report)")
        #expect(await isGone(rig))
        #expect(try await rig.daemon.isEmptied())
        try await rig.end()
    }

    /// While the job waits, because the pool's only runner is not let near GitLab's queue.
    @Test(arguments: [SIGINT, SIGTERM]) func aSelftestThatIsInterruptedLeavesNothing(signal: Int32) async throws {
        let rig = try await rig(hooks: false, poll: "1s", command: ["/bin/sleep", "3600"])
        let log = "\(rig.daemon.directory)/selftest.log"
        let child = try await Child.start(product("autogitd"), ["selftest", "--config", "\(rig.daemon.directory)/autogit.toml"], log: log)
        #expect(await rig.gitlab.instance.wait(seconds: 60) { gitlab in gitlab.jobs.values.contains { $0.status == "pending" } })
        #expect(await rig.gitlab.instance.wait(seconds: 60) { gitlab in gitlab.requests.keys.contains { $0.contains("/pipelines/") } })
        let code = await child.stop(signal)
        let out = try String(contentsOfFile: log, encoding: .utf8)
        #expect(code == 130 && out.contains("interrupted; removing the project") && out.contains(": gone"), "\(code)\n\(out)")
        #expect(await isGone(rig))
        // The runner never speaks to GitLab, and would have its start_timeout.
        _ = try await rig.daemon.control("POST", "/evacuate")
        #expect(try await rig.daemon.isEmptied())
        try await rig.end()
    }

    @Test func aTokenThatMayNotMakeProjectsIsToldAndMakesNone() async throws {
        let rig = try await rig(hooks: false, poll: "1s")
        await rig.gitlab.instance.add(AccessToken(secret: rig.token, scopes: ["read_api", "create_runner", "manage_runner"], isAdmin: true))
        let ran = try await selftest(rig)
        #expect(ran.exited && ran.code == 1 && ran.out.contains("the access token lacks the scope api"), "\(ran.out)")
        #expect(await rig.gitlab.instance.projectsMade == 0)
        try await rig.end()
    }
}
