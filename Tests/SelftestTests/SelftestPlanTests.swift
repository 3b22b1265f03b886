import Fleet
import FakeGitLab
import GitLab
import Testing

@testable import Selftest

@Suite struct SelftestPlanTests {
    private func pool(_ name: String, tags: [String] = ["x"], _ registration: Pool.Registration = .instance) -> Pool {
        var pool = Pool(name: name)
        pool.tags = tags
        pool.runUntagged = tags.isEmpty
        pool.register = registration
        return pool
    }

    private func plan(
        _ pools: [Pool], chosen: [String] = [], paused: [String] = [], unknown: [String] = [], interval: Duration = .seconds(30), projects: [String] = [],
        administrator: TokenFacts.Administrator = .yes
    ) -> SelftestPlan {
        let known = pools.map(\.name).filter { !unknown.contains($0) }
        return SelftestPlan(
            pools: pools, chosen: chosen, running: Dictionary(uniqueKeysWithValues: known.map { ($0, paused.contains($0)) }),
            polling: .init(interval: interval, projects: projects, administrator: administrator))
    }

    @Test func eachChosenPoolHasAJobWithItsTags() {
        let pools = [pool("a"), pool("b", tags: ["y", "z"]), pool("c", tags: [])]
        #expect(plan(pools).jobs == [.init(pool: "a", tags: ["x"]), .init(pool: "b", tags: ["y", "z"]), .init(pool: "c", tags: [])])
        #expect(plan(pools, chosen: ["c", "a"]).jobs.map(\.pool) == ["a", "c"])
        #expect(plan(pools).left.isEmpty && plan(pools).group == nil)
    }

    @Test func poolsThatANewProjectCanNotTryAreNamedWithTheReason() {
        let pools = [
            pool("a"), pool("p", .project("root/web")), pool("g", .group("family")), pool("h", .group("work")), pool("i", .group("family")), pool("z"),
            pool("n"),
        ]
        let plan = plan(pools, paused: ["z"], unknown: ["n"])
        // The instance's runners serve a group's projects, too.
        #expect(plan.group == "family" && plan.jobs.map(\.pool) == ["a", "g", "i"])
        let reasons = Dictionary(uniqueKeysWithValues: plan.left.map { ($0.pool, $0.reason) })
        #expect(reasons["p"]?.contains("registered for the project root/web and serve no other") == true)
        #expect(reasons["h"]?.contains("autogitctl selftest --pool h") == true)
        #expect(reasons["z"]?.contains("autogitctl resume z") == true)
        #expect(reasons["n"]?.contains("systemctl reload autogit") == true)
        #expect(reasons.count == 4)
        #expect(self.plan(pools, chosen: ["h"]).group == "work")
        #expect(self.plan(pools, chosen: ["nosuch"]).left.first?.reason.contains("the pools are a, p, g") == true)
    }

    @Test(
        arguments: [
            (30, [], .no, false), (30, [], .unknown, false), (30, ["a/b"], .no, true), (30, ["a/b"], .withoutAdminMode, true), (30, ["a/b"], .unknown, true),
            (30, ["a/b"], .yes, false), (0, [], .yes, true), (0, [], .no, true),
        ] as [(Int, [String], TokenFacts.Administrator, Bool)])
    func aProjectThatIsNotPolledNeedsAHook(interval: Int, projects: [String], administrator: TokenFacts.Administrator, needsHook: Bool) {
        #expect(plan([pool("a")], interval: .seconds(interval), projects: projects, administrator: administrator).needsHook == needsHook)
    }

    /// GitLab's rules for the file, as far as the fake one knows them.
    @Test func theFileSaysThatToGitLab() throws {
        let pools = [pool("a"), pool("it.is_odd-1", tags: ["it's", "y: z", "#w", "true"]), pool("c", tags: [])]
        let file = try PipelineFile(plan(pools).pipelineFile(script: SelftestPlan.script))
        #expect(file.jobs.map(\.name) == ["selftest a", "selftest it.is_odd-1", "selftest c"])
        #expect(file.jobs.map(\.tags) == pools.map(\.tags))
        #expect(file.jobs.allSatisfy { $0.script == SelftestPlan.script && $0.stage == "test" })
    }
}
