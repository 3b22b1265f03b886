import Fleet
import FakeGitLab
import Foundation
import HTTPTransfer
import Testing

@testable import GitLab

/// A GitLab at https://home/gitlab: the path belongs to each call, and to no project's path.
@Suite struct RelativeRootTests {
    private func run(_ body: (Rig) async throws -> Void) async throws {
        try await Rig.run(root: "/gitlab", body)
    }

    @Test(arguments: ["", "/"]) func eachCallGoesBelowIt(slash: String) async throws {
        try await run { rig in
            let project = try await rig.project("a/b")
            let jobs = try await rig.pipeline(project)
            let forge = await rig.forge(url: rig.gitlab.url + slash)
            #expect(rig.gitlab.url.hasSuffix("/gitlab") && forge.runnerAccess.url == rig.gitlab.url)
            try await forge.ping()
            #expect(try await forge.activeJobs().ids == Set(jobs))
            #expect(try await forge.job(project: project.id, id: jobs[0])?.name == "a")
            let hook = try await forge.installHook(project: "a/b", url: "http://autogit.test/webhook/job", secret: Secret("s"))
            #expect(await rig.instance.hooks(ofProject: project.id) == [hook.id])
            #expect(try await !forge.reviveHook(project: "a/b", url: "http://autogit.test/webhook/job", secret: Secret("s")))
            var pool = Pool(name: "p")
            pool.tags = ["x"]
            let registration = try await forge.register(RunnerSpec(runner: "abcd2345", instance: "inst", pool: pool))
            #expect(try await forge.registrations(instance: "inst").map(\.id) == [registration.id])
            try await forge.setPaused(registration.id, true)
            try await forge.unregister(registration.id)
            #expect(await rig.instance.runners.isEmpty)
            #expect(try await forge.tokenFacts().scopes == ["api"])
        }
    }

    /// GitLab names the next page by its own URL.
    @Test func pagesFollowEachOther() async throws {
        try await run { rig in
            for number in 1...101 { _ = try await rig.project("many/p\(number)") }
            let forge = await rig.forge(.member)
            #expect(try await forge.activeJobs().isComplete)
            #expect(await rig.asked("GET /api/v4/projects") == 2)
        }
    }

    @Test func aHookOfOldNamesTheProjectWithoutIt() async throws {
        try await run { rig in
            let jobs = try await rig.pipeline(try await rig.project("a/b"))
            await rig.instance.setHooksLikeGitLab15(true)
            let body = try JSONEncoder().encode(try #require(await rig.instance.hookPayload(ofJob: jobs[0])))
            guard case .job(let seen) = try await rig.forge().decodeEvent(Array(body)) else { return #expect(Bool(false)) }
            #expect(seen.projectPath == "a/b")
        }
    }

    @Test func withoutThePathTheAnswerNamesIt() async throws {
        try await run { rig in
            let error = await gitLabError { try await rig.forge(url: String(rig.gitlab.url.dropLast("/gitlab".count))).ping() }
            #expect(error?.kind == .badAnswer && error?.message.contains("below a path") == true, "\(error?.message ?? "")")
        }
    }
}
