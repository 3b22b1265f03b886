import TestBench
import Testing

/// The simulation takes over Swift's scheduling for its whole process, so it runs in processes of its own.
@Suite struct SimulationTests {
    @Test func whatUsersReportedDoesNotHappen() async throws {
        let done = try await run(product("autogit-simulate"), ["--scenarios", "yes"])
        #expect(done.code == 0, "\(done.out)")
    }

    @Test func randomSeedsHoldTheRules() async throws {
        let done = try await run(product("autogit-simulate"), ["--seeds", "300"])
        #expect(done.code == 0, "\(done.out)")
    }
}
