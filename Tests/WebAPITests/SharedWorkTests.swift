import Synchronization
import Testing

@testable import WebAPI

@Suite(.timeLimit(.minutes(10))) struct SharedWorkTests {
    private struct Broken: Error {}

    private final class Count: Sendable {
        private let value = Atomic<Int>(0)
        func next() -> Int { value.add(1, ordering: .relaxed).newValue }
    }

    /// Whoever asks while work is under way gets the result of the next, which all of them share.
    @Test func thoseWhoAskMeanwhileShareTheNext() async throws {
        let shared = SharedWork<Int>()
        let runs = Count()
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let (begun, begin) = AsyncStream.makeStream(of: Void.self)
        let first = Task {
            try await shared.value {
                let run = runs.next()
                begin.finish()
                for await _ in gate {}
                return run
            }
        }
        for await _ in begun {}
        let others = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<20 { group.addTask { try await shared.value { runs.next() } } }
            while await shared.asked < 21 { await Task.yield() }
            open.finish()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(try await first.value == 1)
        #expect(others == Array(repeating: 2, count: 20))
        // One that comes later is not given an old result.
        #expect(try await shared.value { runs.next() } == 3)
    }

    @Test func aFailureIsOfThoseWhoSharedItAndNoOthers() async throws {
        let shared = SharedWork<Int>()
        await #expect(throws: Broken.self) { try await shared.value { throw Broken() } }
        #expect(try await shared.value { 7 } == 7)
    }
}
