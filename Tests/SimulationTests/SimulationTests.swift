import Foundation
import TestBench
import Testing

/// The simulation takes over Swift's scheduling for its whole process, so it runs in processes of its own.
///
/// Under a sanitizer few seeds: one is many times slower, has one thread, and nothing in it is unsafe.
@Suite struct SimulationTests {
    private static let isSanitized = ProcessInfo.processInfo.environment["AUTOGIT_SANITIZED"] != nil

    @Test(.disabled(if: isSanitized, "ten minutes under a sanitizer, of code that the random seeds run too"))
    func whatUsersReportedDoesNotHappen() async throws {
        let done = try await run(product("autogit-simulate"), ["--scenarios", "yes"])
        #expect(done.code == 0, "\(done.out)")
    }

    /// Three seeds; `scripts/simulate --warm whole` has all twenty, and the table.
    @Test(.disabled(if: isSanitized, "minutes under a sanitizer, of code that the random seeds run too"))
    func learnedWarmRunnersAreWorthTheirMinutes() async throws {
        let done = try await run(product("autogit-simulate"), ["--warm", "short", "--seeds", "3"])
        #expect(done.code == 0, "\(done.out)")
    }

    @Test func randomSeedsHoldTheRules() async throws {
        let done = try await run(product("autogit-simulate"), ["--seeds", Self.isSanitized ? "15" : "300"])
        #expect(done.code == 0, "\(done.out)")
    }
}
