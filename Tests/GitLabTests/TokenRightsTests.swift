import Fleet
import FakeGitLab
import Testing

@testable import GitLab

/// What `JobPoller` believes of the token's rights, and for how long.
@Suite struct TokenRightsTests {
    @Test func theTokensRightsAreRememberedAndAskedForAgain() async throws {
        try await Rig.run { rig in
            let project = try await rig.project("a/b")
            let forge = await rig.forge(.member)
            for _ in 0..<120 { _ = try await forge.activeJobs() }
            #expect(await rig.asked("GET /api/v4/user") == 1)
            // Made an administrator meanwhile.
            await rig.instance.add(AccessToken(secret: rig.secret(.member), scopes: ["api"], isAdmin: true, projects: [project.id]))
            _ = try await forge.activeJobs()
            #expect(await rig.asked("GET /api/v4/user") == 2)
            #expect(await rig.asked("POST /api/graphql") == 1)
        }
    }

    @Test func aRefusedTokenIsAskedForItsRightsAgain() async throws {
        try await Rig.run { rig in
            try await rig.pipeline(try await rig.project("a/b"))
            let forge = await rig.forge()
            _ = try await forge.activeJobs()
            await rig.instance.inject(.status(401), path: "/api/graphql")
            #expect(await gitLabError { _ = try await forge.activeJobs() }?.tokenRefused == true)
            #expect(try await forge.activeJobs().isComplete)
            #expect(await rig.asked("GET /api/v4/user") == 2)
            await rig.instance.inject(.status(403), path: "/api/graphql")
            #expect(try await !forge.activeJobs().isComplete)
            #expect(try await forge.activeJobs().isComplete)
            #expect(await rig.asked("GET /api/v4/user") == 3)
        }
    }

    /// A token that loses its rights sees an empty instance: nothing is believed for as long as jobs are.
    @Test func anEmptyInstanceIsDoubtedSooner() async throws {
        try await Rig.run { rig in
            let project = try await rig.project("a/b")
            let forge = await rig.forge()
            _ = try await forge.activeJobs()
            await rig.instance.add(AccessToken(secret: rig.secret(.administrator), scopes: ["api"], isAdmin: true, hasAdminMode: false, projects: [project.id]))
            let jobs = try await rig.pipeline(project)
            var polls = 0
            while try await forge.activeJobs().jobs.isEmpty, polls < 20 { polls += 1 }
            #expect(polls < 13)
            #expect(try await forge.activeJobs().ids == Set(jobs))
        }
    }
}
