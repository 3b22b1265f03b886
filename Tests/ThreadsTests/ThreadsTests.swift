import Testing

@testable import Threads

@Suite struct ThreadsTests {
    /// More stack than there are addresses, so that the system has no thread for it.
    private static let impossible = 1 << 50

    @Test func workRunsAndItsErrorsArriveAsTheyAre() async throws {
        struct Broken: Error {}
        #expect(try await onThread("a test") { 6 * 7 } == 42)
        await #expect(throws: Broken.self) { try await onThread("a test") { throw Broken() } }
    }

    /// More at once than Swift has threads, each of which waits for all others: on Swift's own threads none would end.
    @Test func workThatBlocksHoldsNoneOfSwiftsThreads() async throws {
        let count = 100
        let arrived = Monitor(0)
        let sum = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 1...count {
                group.addTask {
                    try await onThread("a test") {
                        arrived.withLock { $0 += 1 }
                        return arrived.wait { $0 == count ? number : nil } ?? 0
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(sum == count * (count + 1) / 2)
    }

    @Test func waitingForAStateEndsWithItsTime() async throws {
        let state = Monitor(1)
        #expect(try await onThread("a test") { state.wait(atMost: .milliseconds(1)) { $0 == 2 ? true : nil } } == nil)
        #expect(try await onThread("a test") { state.wait(atMost: .milliseconds(1)) { $0 == 1 ? true : nil } } == true)
    }

    @Test func withoutAThreadToSpareThereIsAnErrorAndNoEnd() {
        let error = #expect(throws: ThreadError.self) { try startThread("a test", stackSize: Self.impossible) {} }
        #expect(error?.description.hasPrefix("no thread for a test: ") == true)
    }

    @Test func waitingForAThreadEndsWithTheTask() async {
        let task = Task { try await onThread("a test", stackSize: Self.impossible) { 1 } }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
