import Fleet
import Foundation
import FakeGitLab
import HTTPTransfer
import Testing

@testable import GitLab

/// The client against the fake GitLab, over real sockets.
@Suite struct GitLabForgeTests {
    private func spec(tags: [String] = ["x"]) -> RunnerSpec {
        var pool = Pool(name: "p")
        pool.tags = tags
        return RunnerSpec(runner: "abcd2345", instance: "inst", pool: pool)
    }

    /// Whose cache a pool's runners have, decides who may get them.
    @Test func aRunnerWithAProjectsOwnCacheIsLockedToIt() async throws {
        try await Rig.run { rig in
            let project = try await rig.instance.addProject(path: "root/own", pipelineFile: Rig.yaml)
            let forge = await rig.forge()
            for (scope, locked) in [(JobCache.Scope.pool, false), (.project, true)] {
                var spec = spec()
                spec.pool.register = .project("root/own")
                spec.pool.cache.scope = scope
                let registration = try await forge.register(spec)
                let runner = try #require(await rig.instance.runners[registration.id])
                #expect(runner.type == "project_type" && runner.projectID == project.id && runner.locked == locked)
            }
        }
    }

    @Test func aRegistrationCarriesOursAndGoesTwiceWithoutComplaint() async throws {
        try await Rig.run { rig in
            let forge = await rig.forge()
            let registration = try await forge.register(spec())
            #expect(registration.token.reveal().hasPrefix("glrt-"))
            let seen = try #require(try await forge.runner(registration.id))
            #expect(seen.description == "autogit-runner-abcd2345" && !seen.hasContacted)
            #expect(try await forge.registrations(instance: "inst").map(\.id) == [registration.id])
            #expect(try await forge.registrations(instance: "ins").isEmpty)
            try await forge.setPaused(registration.id, true)
            #expect(await rig.instance.runners[registration.id]?.paused == true)
            try await forge.unregister(registration.id)
            try await forge.unregister(registration.id)
            try await forge.setPaused(registration.id, true)
            #expect(try await forge.runner(registration.id) == nil)
            #expect(try await forge.runningJobs(ofRunner: registration.id).isEmpty)
            #expect(try await forge.job(project: 1, id: 1) == nil)
        }
    }

    @Test func whatGitLabRefusesIsNamed() async throws {
        try await Rig.run { rig in
            let reader = await rig.forge(.administratorWithoutMode, scopes: ["read_api"])
            #expect(await gitLabError { _ = try await reader.register(spec()) }?.kind == .forbidden)
            let member = await rig.forge(.member)
            #expect(await gitLabError { _ = try await member.register(spec()) }?.kind == .forbidden)
            await rig.instance.revoke(rig.secret(.member))
            let revoked = await gitLabError { _ = try await member.register(spec()) }
            #expect(revoked?.kind == .badToken && revoked?.tokenRefused == true && revoked?.isOutage == false)
            await rig.instance.inject(.status(429, retryAfter: 7), method: "GET", path: "/api/v4/projects")
            #expect(await gitLabError { _ = try await reader.job(project: 1, id: 1) }?.retryAfter == .seconds(7))
            await rig.gitlab.stop()
            #expect(await gitLabError { _ = try await reader.runner(1) }?.kind == .unreachable)
        }
    }

    static let foreign: [(Fault, GitLabError.Kind)] = [
        (.noRoute, .badAnswer), (.noRoutePage, .badAnswer), (.noRouteJSON, .badAnswer), (.loginPage, .badAnswer), (.badGateway, .serverError),
        (.redirect(to: "https://login.test/"), .badAnswer), (.redirect(301, to: "/users/sign_in"), .badAnswer), (.cutShort, .badAnswer),
        (.echo(status: 404), .badAnswer), (.echo(status: 403), .badAnswer), (.echo(status: 401), .badAnswer), (.echo(status: 200), .badAnswer),
        (.answer(status: 200, type: "application/json", body: "null"), .badAnswer), (.answer(status: 200, type: "application/json", body: ""), .badAnswer),
        (.answer(status: 304, type: "", body: ""), .badAnswer),
    ]

    /// Whoever answers in GitLab's place: nothing is taken for an answer, by no call.
    @Test(arguments: foreign.indices) func anAnswerThatIsNotGitLabsIsTrouble(index: Int) async throws {
        let (fault, kind) = Self.foreign[index]
        try await Rig.run { rig in
            let forge = await rig.forge()
            let project = try await rig.project("a/b")
            let jobs = try await rig.pipeline(project)
            let registration = try await forge.register(spec())
            await rig.instance.inject(fault, times: .max)
            let calls: [(String, () async throws -> Void)] = [
                ("ping", { try await forge.ping() }), ("register", { _ = try await forge.register(spec()) }),
                ("unregister", { try await forge.unregister(registration.id) }), ("setPaused", { try await forge.setPaused(registration.id, true) }),
                ("runner", { _ = try await forge.runner(registration.id) }), ("runningJobs", { _ = try await forge.runningJobs(ofRunner: registration.id) }),
                ("job", { _ = try await forge.job(project: project.id, id: jobs[0]) }), ("activeJobs", { _ = try await forge.activeJobs() }),
                ("registrations", { _ = try await forge.registrations(instance: "inst") }),
                ("installHook", { _ = try await forge.installHook(project: "a/b", url: "http://h/", secret: Secret("the hook's secret")) }),
            ]
            for (name, call) in calls {
                let error = try #require(await gitLabError(call), "\(name) took it")
                #expect(error.kind == kind && error.isOutage && !error.tokenRefused, "\(name): \(error)")
                for text in [error.message, error.summary, "\(error)", String(reflecting: error)] {
                    #expect(!text.contains("SECRET") && !text.contains("hook's") && !text.contains("glrt-"), "\(name): \(text)")
                }
            }
            await rig.instance.healFaults()
            #expect(await rig.instance.runners[registration.id]?.paused == false)
            try await forge.ping()
        }
    }

    /// In place of GitLab's 204 to a removal.
    @Test func aLoginPageIsNoRemoval() async throws {
        try await Rig.run { rig in
            let forge = await rig.forge()
            let registration = try await forge.register(spec())
            for fault in [Fault.loginPage, .noRoute, .answer(status: 200, type: "", body: "")] {
                await rig.instance.inject(fault, method: "DELETE")
                #expect(await gitLabError { try await forge.unregister(registration.id) }?.kind == .badAnswer)
            }
            try await forge.unregister(registration.id)
        }
    }

    @Test func redirectsAreNotFollowed() async throws {
        try await Rig.run { elsewhere in
            try await Rig.run { rig in
                let forge = await rig.forge()
                for status in [301, 302, 307, 308] {
                    await rig.instance.inject(.redirect(status, to: elsewhere.gitlab.url + "/api/v4/version"))
                    let error = await gitLabError { try await forge.ping() }
                    #expect(error?.status == status && error?.message.contains(elsewhere.gitlab.url) == true)
                }
                #expect(await elsewhere.instance.requests.isEmpty)
            }
        }
    }

    @Test func aProxysEchoOfAHooksSecretIsNotRepeated() async throws {
        try await Rig.run { rig in
            let project = try await rig.project("a/b")
            let forge = await rig.forge()
            let body = #"{"message":"refused: {\"token\":\"the-hook-secret\"} for \#(rig.secret(.administrator))"}"#
            await rig.instance.inject(.answer(status: 422, type: "application/json", body: body), method: "POST")
            let error = try #require(
                await gitLabError { _ = try await forge.installHook(project: "\(project.id)", url: "http://h/", secret: Secret("the-hook-secret")) })
            #expect(error.kind == .refused && error.message.contains("Outbound requests") && error.message.contains("refused: "))
            #expect(!error.message.contains("the-hook-secret") && !error.message.contains("SECRET"))
            #expect(try await forge.installHook(project: "a/b", url: "http://h/", secret: Secret("s")).isNew)
            #expect(try await !forge.installHook(project: "a/b", url: "http://h/", secret: Secret("s")).isNew)
        }
    }

    @Test(arguments: [Oddity.null, .text, .withoutID, .withoutStatus]) func anOddJobIsNotAGoneJob(oddity: Oddity) async throws {
        try await Rig.run { rig in
            let project = try await rig.project("a/b")
            let job = try await rig.pipeline(project)[0]
            let forge = await rig.forge()
            await rig.instance.setOddity(oddity, ofJob: job)
            #expect(await gitLabError { _ = try await forge.job(project: project.id, id: job) }?.kind == .badAnswer)
        }
    }

    /// REST, GraphQL and the hook tell the same time in three formats.
    @Test(arguments: [false, true]) func aJobsCreationTimeIsTheSameFromAllSides(isOld: Bool) async throws {
        try await Rig.run { rig in
            let project = try await rig.project("a/b")
            await rig.instance.setHooksLikeGitLab15(isOld)
            let id = try await rig.pipeline(project)[0]
            let made = try #require(await rig.instance.jobs[id]?.createdAt)
            let second = Timestamp(milliseconds: Int64(made.timeIntervalSince1970.rounded(.down)) * 1000)
            let forge = await rig.forge()
            #expect(try await forge.job(project: project.id, id: id)?.createdAt == second)
            let polled = try #require(try await forge.activeJobs().jobs.first { $0.id == id })
            #expect(polled.createdAt == second && polled.ref == "main" && polled.stage == "test")
            let payload = Array(try JSONEncoder().encode(try #require(await rig.instance.hookPayload(ofJob: id))))
            guard case .job(let hooked) = try forge.decodeEvent(payload) else {
                Issue.record("the hook was not taken")
                return
            }
            #expect(hooked.createdAt == second && hooked.projectPath == "a/b" && hooked.tags == nil)
        }
    }
}
