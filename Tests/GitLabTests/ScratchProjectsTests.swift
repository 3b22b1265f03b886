import Fleet
import FakeGitLab
import Foundation
import HTTPTransfer
import Testing

@testable import GitLab

/// Projects that are made for a test and removed again.
@Suite struct ScratchProjectsTests {
    private func scratch(_ rig: Rig, _ person: Rig.Person = .administrator, scopes: Set<String> = ["api"]) async -> ScratchProjects {
        _ = await rig.forge(person, scopes: scopes)
        return ScratchProjects(.init(url: rig.gitlab.url, token: Secret(rig.secret(person))), http: HTTPClient())
    }

    @Test func aProjectIsMadeAndItsPipelineRunsOnce() async throws {
        try await Rig.run { rig in
            let scratch = await scratch(rig, .member)
            let namespace = try await scratch.namespace(group: nil)
            #expect(namespace == .init(group: nil, path: "someone"))
            #expect(try await scratch.find(name: "t", in: namespace) == nil)
            let made = try await scratch.create(name: "t", in: namespace)
            #expect(made.path == "someone/t" && made.page == "\(rig.gitlab.url)/someone/t")
            #expect(try await scratch.find(name: "t", in: namespace) == made)
            #expect(await gitLabError { _ = try await scratch.startPipeline(in: made.id) }?.kind == .refused)
            try await scratch.commit([".gitlab-ci.yml": Rig.yaml], to: made.id)
            let pipeline = try await scratch.startPipeline(in: made.id)
            let jobs = try await scratch.jobs(ofPipeline: pipeline, in: made.id)
            #expect(jobs.map(\.name).sorted() == ["a", "b"] && jobs.allSatisfy { $0.status == .pending && $0.runner == nil })
            // The commit itself started none.
            #expect(await rig.instance.jobs.count == 2)
            try await scratch.cancel(job: jobs[0].id, in: made.id)
            #expect(try await scratch.jobs(ofPipeline: pipeline, in: made.id)[0].status == .canceled)
            #expect(try await scratch.lastLines(ofJob: jobs[0].id, in: made.id, count: 5).isEmpty)
            #expect(try await scratch.remove(made.id) == .gone)
            #expect(await rig.instance.projects.isEmpty)
            #expect(await rig.instance.jobs.isEmpty)
            #expect(try await scratch.remove(made.id) == .gone)
        }
    }

    @Test func inAGroupItIsTheGroups() async throws {
        try await Rig.run { rig in
            let group = await rig.instance.addGroup(path: "family/kids")
            let scratch = await scratch(rig)
            for name in ["family/kids", "\(group)"] {
                #expect(try await scratch.namespace(group: name) == .init(group: group, path: "family/kids"))
            }
            let made = try await scratch.create(name: "t", in: .init(group: group, path: "family/kids"))
            #expect(made.path == "family/kids/t")
        }
    }

    @Test func onceRemovedIsEnoughForOldVersions() async throws {
        try await Rig.run { rig in
            await rig.instance.setProjectDeletion(.atOnce)
            let scratch = await scratch(rig)
            let made = try await scratch.create(name: "t", in: .init(group: nil, path: "root"))
            #expect(try await scratch.remove(made.id) == .gone)
            #expect(await rig.asked("DELETE /api/v4/projects/\(made.id)") == 1)
        }
    }

    /// Only administrators see for how many days.
    @Test(arguments: [Rig.Person.administrator, .member]) func whatGitLabKeepsIsToldWithItsDay(person: Rig.Person) async throws {
        try await Rig.run { rig in
            await rig.instance.setProjectDeletion(.afterRetention(days: 7))
            let scratch = await scratch(rig, person)
            let made = try await scratch.create(name: "t", in: .init(group: nil, path: "x"))
            let before = Date()
            let removal = try await scratch.remove(made.id)
            guard case .kept(let path, let until) = removal else {
                Issue.record("\(removal)")
                return
            }
            let days = [before, Date()].map { ($0 + 7 * 86_400).formatted(.iso8601.year().month().day()) }
            #expect(path == "\(made.path)-deletion_scheduled-\(made.id)")
            #expect(person == .administrator ? days.contains(until ?? "") : until == nil)
            // The same after a try whose answer was lost.
            let again = try await scratch.remove(made.id)
            #expect(again == removal)
        }
    }

    @Test func aMarkThatIsThereIsTakenFurther() async throws {
        try await Rig.run { rig in
            let scratch = await scratch(rig)
            let made = try await scratch.create(name: "t", in: .init(group: nil, path: "root"))
            await rig.instance.inject(.dropAnswer, method: "DELETE")
            #expect(await gitLabError { _ = try await scratch.remove(made.id) }?.isOutage == true)
            #expect(try await scratch.remove(made.id) == .gone)
            #expect(await rig.instance.projects.isEmpty)
        }
    }

    @Test func whoMayNotIsTold() async throws {
        try await Rig.run { rig in
            let reader = await scratch(rig, .member, scopes: ["read_api", "create_runner", "manage_runner"])
            let scope = await gitLabError { _ = try await reader.create(name: "t", in: .init(group: nil, path: "someone")) }
            #expect(scope?.message.contains("lacks the scope for that, which is api") == true, "\(scope?.message ?? "")")
            await rig.instance.setAllowsPersonalProjects(false)
            let member = await scratch(rig, .member)
            let limit = await gitLabError { _ = try await member.create(name: "t", in: .init(group: nil, path: "someone")) }
            #expect(limit?.kind == .refused && limit?.message.contains("Personal project creation is not allowed") == true, "\(limit?.message ?? "")")
            await rig.instance.inject(.status(403), method: "POST", path: "/api/v4/projects")
            let role = await gitLabError { _ = try await member.create(name: "t", in: .init(group: nil, path: "someone")) }
            #expect(role?.kind == .forbidden && role?.message.contains("use the token of one who may") == true, "\(role?.message ?? "")")
        }
    }
}
