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

    @Test func withoutAThreadToSpareThereIsAnErrorAndNoEnd() {
        let error = #expect(throws: ThreadError.self) { try startThread("a test", stackSize: Self.impossible) {} }
        #expect(error?.description.hasPrefix("no thread for a test: ") == true)
    }

    @Test func waitingForAThreadEndsWithTheTask() async {
        let task = Task { try await onThread("a test", stackSize: Self.impossible) { 1 } }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func pausesGrowUpToTheirBoundAndStartOver() {
        var pause = GrowingPause(first: .milliseconds(250), most: .seconds(30))
        #expect((0..<9).map { _ in pause.next() } == [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000].map { .milliseconds($0) })
        for _ in 0..<100 { _ = pause.next() }
        #expect(pause.next() == .seconds(30))
        pause.reset()
        #expect(pause.next() == .milliseconds(250) && pause.count == 1)
    }
}
