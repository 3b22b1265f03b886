import Fleet
import FakeGitLab
import Testing

@testable import GitLab

@Suite struct JobPollerTests {
    @Test func anAdministratorPollsTheInstanceInPages() async throws {
        try await Rig.run { rig in
            let forge = await rig.forge()
            let project = try await rig.project("a/b")
            for _ in 0..<70 { try await rig.pipeline(project) }
            let poll = try await forge.activeJobs()
            #expect(poll.isComplete && poll.remarks.isEmpty && poll.jobs.count == 140 && poll.ids.count == 140)
            #expect(poll.jobs.filter { $0.tags == ["x"] }.count == 70 && poll.jobs.filter { $0.tags == [] }.count == 70)
            #expect(poll.jobs.allSatisfy { $0.projectPath == "a/b" && $0.status == .pending && $0.ref == "main" && $0.stage == "test" && $0.createdAt != nil })
            #expect(await rig.asked("GET /api/v4/projects") == 0)
        }
    }

    /// GitLab shows them an instance without jobs, and no error.
    @Test(arguments: [Rig.Person.member, .administratorWithoutMode]) func othersPollTheirProjectsAndNoOthers(person: Rig.Person) async throws {
        try await Rig.run { rig in
            let mine = try await rig.project("a/b")
            let forge = await rig.forge(person)
            let hidden = try await rig.project("c/d")
            let jobs = try await rig.pipeline(mine)
            try await rig.pipeline(hidden)
            let poll = try await forge.activeJobs()
            #expect(poll.ids == Set(jobs) && poll.isComplete && poll.remarks.isEmpty)
            #expect(poll.jobs.allSatisfy { $0.projectID == mine.id && $0.projectPath == "a/b" && $0.stage == "test" && $0.createdAt != nil })
            #expect(try await forge.job(project: hidden.id, id: 1) == nil)
            #expect(await rig.asked("POST /api/graphql") == 0)
        }
    }

    @Test func anUnchangedListIsTheWholeListAgain() async throws {
        try await Rig.run { rig in
            let project = try await rig.project("a/b")
            let jobs = try await rig.pipeline(project)
            let forge = await rig.forge(.member)
            let first = try await forge.activeJobs()
            // What GitLab has in its answer is not sent again, and what was odd in it still is.
            await rig.instance.inject(.answer(status: 304, type: "", body: ""), method: "GET", path: "/api/v4/projects/\(project.id)/jobs")
            #expect(try await forge.activeJobs() == first)
            #expect(first.ids == Set(jobs) && first.isComplete)
            await rig.instance.setOddity(.withoutStatus, ofJob: jobs[0])
            let odd = try await forge.activeJobs()
            #expect(odd.ids == [jobs[1]] && !odd.isComplete)
            #expect(try await forge.activeJobs() == odd)
        }
    }

    @Test(arguments: [Fault.badGateway, .noRoute, .loginPage]) func whenTheRightsAreUnknownTheProjectsArePolled(fault: Fault) async throws {
        try await Rig.run { rig in
            let jobs = try await rig.pipeline(try await rig.project("a/b"))
            let forge = await rig.forge()
            await rig.instance.inject(fault, path: "/api/v4/user")
            let poll = try await forge.activeJobs()
            #expect(poll.ids == Set(jobs) && !poll.isComplete && poll.remarks(about: "administrator").count == 1)
            #expect(try await forge.activeJobs().isComplete)
        }
    }

    @Test(arguments: [
        Fault.badGateway, .noRoute, .loginPage, .status(404), .status(403), .answer(status: 200, type: "application/json", body: #"{"data":{"jobs":null}}"#),
        .answer(status: 200, type: "application/json", body: #"{"errors":[{"message":"Timeout on validation of query"}]}"#),
        .answer(status: 200, type: "application/json", body: "[]"),
    ])
    func withoutTheInstanceQueryTheProjectsArePolled(fault: Fault) async throws {
        try await Rig.run { rig in
            let jobs = try await rig.pipeline(try await rig.project("a/b"))
            let forge = await rig.forge()
            await rig.instance.inject(fault, path: "/api/graphql", times: 2)
            let poll = try await forge.activeJobs()
            #expect(poll.ids == Set(jobs) && !poll.isComplete && poll.remarks.count == 1)
            #expect(try await forge.activeJobs() == poll)
            let healed = try await forge.activeJobs()
            #expect(healed.isComplete && healed.remarks.isEmpty)
        }
    }

    @Test func dataWithErrorsIsNotAll() async throws {
        try await Rig.run { rig in
            // The owner is a member of a/b only; the data has c/d's jobs, too.
            let mine = try await rig.project("a/b")
            let forge = await rig.forge()
            let jobs = try await rig.pipeline(mine) + rig.pipeline(try await rig.project("c/d"))
            await rig.instance.setGraphQLErrors(["Timeout in \(rig.secret(.administrator))"])
            let poll = try await forge.activeJobs()
            #expect(poll.ids == Set(jobs) && poll.jobs.count == 4 && !poll.isComplete)
            #expect(poll.remarks(about: "Timeout in [hidden]").count == 1)
        }
    }

    @Test(arguments: [Oddity.null, .text, .withoutID, .withoutStatus, .withoutPipeline], [Rig.Person.administrator, .member])
    func anOddElementCostsOnlyItself(oddity: Oddity, person: Rig.Person) async throws {
        try await Rig.run { rig in
            let projects = [try await rig.project("a/b"), try await rig.project("c/d"), try await rig.project("e/f")]
            let forge = await rig.forge(person)
            var jobs: [JobID] = []
            for project in projects { jobs += try await rig.pipeline(project) }
            await rig.instance.setOddity(oddity, ofJob: jobs[2])
            let poll = try await forge.activeJobs()
            if person == .member, oddity == .withoutPipeline {
                #expect(poll.ids == Set(jobs) && poll.isComplete)
                return
            }
            #expect(poll.ids == Set(jobs).subtracting([jobs[2]]) && !poll.isComplete && poll.remarks.count == 1)
            let remark = try #require(poll.remarks.first)
            if person == .member { #expect(remark.contains("project c/d")) }
            if [.withoutStatus, .withoutPipeline].contains(oddity) { #expect(remark.contains("\(jobs[2])")) } else { #expect(remark.contains("number ")) }
            #expect(try await forge.activeJobs() == poll)
        }
    }

    @Test(arguments: [Rig.Person.administrator, .member]) func oddFieldsAreUnknownAndTheJobIsThere(person: Rig.Person) async throws {
        try await Rig.run { rig in
            let project = try await rig.project("a/b")
            let forge = await rig.forge(person)
            let jobs = try await rig.pipeline(project)
            await rig.instance.setOddity(.withoutTags, ofJob: jobs[0])
            await rig.instance.setOddity(.oddTypes, ofJob: jobs[1])
            let poll = try await forge.activeJobs()
            #expect(poll.isComplete && poll.ids == Set(jobs))
            #expect(poll.jobs.first { $0.id == jobs[0] }?.tags == nil)
            let odd = try #require(poll.jobs.first { $0.id == jobs[1] })
            #expect(odd.tags == [] && odd.name == nil && odd.stage == nil && odd.ref == nil && odd.runnerID == nil && odd.createdAt == nil)
        }
    }

    @Test(arguments: [
        Fault.status(403), .status(404), .status(500), .badGateway, .noRoute, .loginPage, .cutShort, .redirect(to: "https://login.test/"),
        .answer(status: 200, type: "application/json", body: "{}"),
    ])
    func oneProjectsTroubleCostsOnlyItsJobs(fault: Fault) async throws {
        try await Rig.run { rig in
            let projects = [try await rig.project("a/b"), try await rig.project("c/d"), try await rig.project("e/f")]
            let forge = await rig.forge(.member)
            var jobs: [JobID] = []
            for project in projects { jobs += try await rig.pipeline(project) }
            await rig.instance.inject(fault, path: "/api/v4/projects/\(projects[1].id)/jobs", times: 2)
            let poll = try await forge.activeJobs()
            #expect(poll.ids == Set(jobs[0...1] + jobs[4...5]) && !poll.isComplete)
            #expect(poll.remarks.count == 1 && poll.remarks(about: "c/d").count == 1)
            #expect(try await forge.activeJobs() == poll)
            #expect(try await forge.activeJobs().ids == Set(jobs))
        }
    }

    @Test func aProjectWithoutCIIsNamedAndTheOthersArePolled() async throws {
        try await Rig.run { rig in
            let off = try await rig.project("a/off")
            let on = try await rig.project("a/on")
            let forge = await rig.forge(.member, projects: ["a/off", "a/none", "\(on.id)"])
            let jobs = try await rig.pipeline(on)
            await rig.instance.setCI(enabled: false, project: off.id)
            let poll = try await forge.activeJobs()
            #expect(poll.ids == Set(jobs) && !poll.isComplete)
            #expect(poll.remarks.count == 2 && poll.remarks(about: "a/off").count == 1 && poll.remarks(about: "a/none").count == 1)
            await rig.instance.setCI(enabled: true, project: off.id)
            #expect(try await forge.activeJobs().remarks.count == 1)
        }
    }

    @Test func aProjectThatWasMadeAgainIsFoundUnderItsPath() async throws {
        try await Rig.run { rig in
            let forge = await rig.forge(.administratorWithoutMode, projects: ["a/b"])
            let number = "/api/v4/projects/a%2Fb"
            await rig.instance.inject(.answer(status: 200, type: "application/json", body: #"{"id":4711}"#), path: number)
            let poll = try await forge.activeJobs()
            #expect(poll.jobs.isEmpty && !poll.isComplete)
            let project = try await rig.project("a/b")
            let jobs = try await rig.pipeline(project)
            await rig.instance.add(AccessToken(secret: rig.secret(.administratorWithoutMode), scopes: ["api"], isAdmin: false, projects: [project.id]))
            #expect(try await forge.activeJobs().ids == Set(jobs))
        }
    }

    /// GitLab answered, so it is there, and the operator has to be told why nothing is found.
    @Test func whenEveryProjectIsRefusedNothingIsThrown() async throws {
        try await Rig.run { rig in
            let project = try await rig.project("a/b")
            let forge = await rig.forge(.member)
            await rig.instance.setCI(enabled: false, project: project.id)
            let poll = try await forge.activeJobs()
            #expect(poll.jobs.isEmpty && !poll.isComplete && poll.remarks.count == 1)
            let scopeless = await rig.forge(.administratorWithoutMode, scopes: ["create_runner"])
            let refused = try await scopeless.activeJobs()
            #expect(refused.jobs.isEmpty && !refused.isComplete && refused.remarks.count == 1)
        }
    }

    @Test(arguments: [Fault.status(500), .badGateway, .noRoute, .loginPage, .redirect(to: "https://login.test/"), .status(429, retryAfter: 9)])
    func whenEveryProjectFailsThePollThrows(fault: Fault) async throws {
        try await Rig.run { rig in
            let projects = [try await rig.project("a/b"), try await rig.project("c/d")]
            let forge = await rig.forge(.member)
            _ = try await forge.activeJobs()
            for project in projects { await rig.instance.inject(fault, path: "/api/v4/projects/\(project.id)/jobs", times: 5) }
            let error = try #require(await gitLabError { _ = try await forge.activeJobs() })
            #expect(error.isOutage)
            if error.kind == .rateLimited { #expect(error.retryAfter == .seconds(9)) }
        }
    }

    @Test func aRefusedTokenIsThrownInTheMiddle() async throws {
        try await Rig.run { rig in
            let projects = [try await rig.project("a/b"), try await rig.project("c/d")]
            let forge = await rig.forge(.member)
            await rig.instance.inject(.status(401), path: "/api/v4/projects/\(projects[0].id)/jobs")
            #expect(await gitLabError { _ = try await forge.activeJobs() }?.tokenRefused == true)
        }
    }

    @Test func afterTooManyRequestsTheRestIsNotAsked() async throws {
        try await Rig.run { rig in
            var projects: [Project] = []
            for path in ["a/1", "a/2", "a/3"] { projects.append(try await rig.project(path)) }
            let forge = await rig.forge(.member)
            // The list has the newest project first.
            let jobs = try await rig.pipeline(projects[2])
            await rig.instance.inject(.status(429), path: "/api/v4/projects/\(projects[1].id)/jobs")
            let poll = try await forge.activeJobs()
            #expect(poll.ids == Set(jobs) && !poll.isComplete && poll.remarks(about: "after a/2").count == 1)
            #expect(await rig.asked("GET /api/v4/projects/\(projects[0].id)/jobs") == 0)
        }
    }

    @Test func aListThatEndsInTheMiddleKeepsItsBeginning() async throws {
        try await Rig.run { rig in
            let project = try await rig.project("a/b")
            for _ in 0..<60 { try await rig.pipeline(project) }
            let forge = await rig.forge(.member)
            let path = "/api/v4/projects/\(project.id)/jobs"
            // A delay of nothing lets the first page pass.
            await rig.instance.inject(.delay(.zero), path: path)
            await rig.instance.inject(.badGateway, path: path)
            let poll = try await forge.activeJobs()
            #expect(poll.jobs.count == 100 && !poll.isComplete && poll.remarks(about: "a/b ended early").count == 1)
            #expect(try await forge.activeJobs().jobs.count == 120)
        }
    }

    @Test func anOddProjectInTheListIsNamed() async throws {
        try await Rig.run { rig in
            let project = try await rig.project("a/b")
            let jobs = try await rig.pipeline(project)
            let forge = await rig.forge(.member)
            let list = #"[null,{"id":\#(project.id),"path_with_namespace":"a/b"},{"id":"x"}]"#
            await rig.instance.inject(.answer(status: 200, type: "application/json", body: list), path: "/api/v4/projects")
            let poll = try await forge.activeJobs()
            #expect(poll.ids == Set(jobs) && !poll.isComplete && poll.remarks.count == 2)
        }
    }
}
