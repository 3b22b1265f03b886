import Fleet
import Foundation
import GitLabSimulator
import HTTPTransfer
import Logging
import Testing

@testable import GitLab

/// The client against the simulator, over real sockets.
@Suite struct ForgeTests {
    private let yaml = "a:\n  script: [\"true\"]\n  tags: [x]\nb:\n  script: [\"true\"]\n"

    private func simulator() async throws -> GitLabSimulator {
        try await GitLabSimulator.start(directory: "/tmp/autogit-forge-tests-\(getpid())")
    }

    private func forge(_ gitlab: GitLabSimulator, _ token: AccessToken, projects: [String] = []) async -> GitLabForge {
        await gitlab.instance.add(token)
        return GitLabForge(.init(url: gitlab.url, token: Secret(token.secret), projects: projects), http: HTTPClient(), log: Logger(label: "test"))
    }

    private func spec(tags: [String] = ["x"]) -> RunnerSpec {
        var pool = Pool(name: "p")
        pool.tags = tags
        return RunnerSpec(runner: "abcd2345", instance: "inst", pool: pool)
    }

    @Test func aRegistrationCarriesOursAndGoesTwiceWithoutComplaint() async throws {
        let gitlab = try await simulator()
        let forge = await forge(gitlab, AccessToken(secret: "admin", scopes: ["api"], isAdmin: true))
        let registration = try await forge.register(spec())
        #expect(registration.token.reveal().hasPrefix("glrt-"))
        let seen = try #require(try await forge.runner(registration.id))
        #expect(seen.description == "autogit-runner-abcd2345" && !seen.hasContacted)
        #expect(try await forge.registrations(instance: "inst").map(\.id) == [registration.id])
        #expect(try await forge.registrations(instance: "ins").isEmpty)
        try await forge.setPaused(registration.id, true)
        #expect(await gitlab.instance.runners[registration.id]?.paused == true)
        try await forge.unregister(registration.id)
        try await forge.unregister(registration.id)
        #expect(try await forge.runner(registration.id) == nil)
        await gitlab.stop()
    }

    @Test func whatGitLabRefusesIsNamed() async throws {
        let gitlab = try await simulator()
        let reader = await forge(gitlab, AccessToken(secret: "reader", scopes: ["read_api"], isAdmin: true))
        let scope = await #expect(throws: GitLabError.self) { _ = try await reader.register(spec()) }
        #expect(scope?.kind == .forbidden)
        let member = await forge(gitlab, AccessToken(secret: "member", scopes: ["api"], isAdmin: false))
        #expect(await #expect(throws: GitLabError.self) { _ = try await member.register(spec()) }?.kind == .forbidden)
        await gitlab.instance.revoke("member")
        let revoked = await #expect(throws: GitLabError.self) { _ = try await member.register(spec()) }
        #expect(revoked?.kind == .badToken)
        #expect(revoked?.message.contains("member") == false)
        await gitlab.instance.inject(.status(429, retryAfter: 7), method: "GET", path: "/api/v4/projects")
        #expect(await #expect(throws: GitLabError.self) { _ = try await reader.job(project: 1, id: 1) }?.retryAfter == .seconds(7))
        await gitlab.instance.inject(.loginPage, method: "GET", path: "/api/v4/runners")
        #expect(await #expect(throws: GitLabError.self) { _ = try await reader.runner(1) }?.kind == .badAnswer)
        await gitlab.stop()
        #expect(await #expect(throws: GitLabError.self) { _ = try await reader.runner(1) }?.kind == .unreachable)
    }

    @Test func anAdministratorPollsTheInstanceInPages() async throws {
        let gitlab = try await simulator()
        let forge = await forge(gitlab, AccessToken(secret: "admin", scopes: ["api"], isAdmin: true))
        let project = try await gitlab.instance.addProject(path: "a/b", pipelineFile: yaml, withRepository: false)
        for _ in 0..<70 { try await gitlab.instance.createPipeline(project: project.id) }
        guard case .jobs(let jobs, true) = try await forge.activeJobs() else {
            Issue.record("not a complete list")
            return
        }
        #expect(Set(jobs.map(\.id)).count == 140)
        #expect(jobs.filter { $0.tags == ["x"] }.count == 70 && jobs.allSatisfy { $0.projectPath == "a/b" && $0.status == .pending })
        await gitlab.stop()
    }

    @Test func aMemberPollsItsProjectsAndAnUnchangedListIsNotSentAgain() async throws {
        let gitlab = try await simulator()
        let project = try await gitlab.instance.addProject(path: "a/b", pipelineFile: yaml, withRepository: false)
        let hidden = try await gitlab.instance.addProject(path: "c/d", pipelineFile: yaml, withRepository: false)
        let forge = await forge(gitlab, AccessToken(secret: "member", scopes: ["api"], isAdmin: false, projects: [project.id]))
        try await gitlab.instance.createPipeline(project: project.id)
        try await gitlab.instance.createPipeline(project: hidden.id)
        guard case .jobs(let jobs, true) = try await forge.activeJobs() else {
            Issue.record("not a complete list")
            return
        }
        #expect(jobs.count == 2 && jobs.allSatisfy { $0.projectID == project.id })
        guard case .unchanged = try await forge.activeJobs() else {
            Issue.record("the second look is not a 304")
            return
        }
        #expect(try await forge.job(project: hidden.id, id: 1) == nil)
        await gitlab.stop()
    }
}
