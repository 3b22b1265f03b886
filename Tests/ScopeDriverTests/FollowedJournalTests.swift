import Synchronization
import Systemd
import Testing

@testable import ScopeDriver

@Suite(.timeLimit(.minutes(10))) struct FollowedJournalTests {
    /// A journal of numbered lines, in pages of two.
    private final class Journal: Sendable {
        struct State {
            var lines: [String] = []
            var reads = 0
            var isRunning = true
            var isReadable = true
            var onRead: @Sendable (inout State) -> Void = { _ in }
        }
        let state = Mutex(State())

        func read(_ place: JournalTail.Place) -> JournalTail.Page? {
            state.withLock { state in
                state.reads += 1
                state.onRead(&state)
                guard state.isReadable else { return nil }
                let start =
                    switch place {
                    case .newest(let count): max(0, state.lines.count - count)
                    case .after(let cursor): cursor.flatMap { Int($0) } ?? 0
                    }
                let lines = Array(state.lines[start...].prefix(2))
                return .init(lines: lines, next: .after("\(start + lines.count)"))
            }
        }
    }
    private let journal = Journal()

    private func followed(lines: Int) -> FollowedJournal {
        let journal = journal
        var followed = FollowedJournal(identifier: "x", lines: lines) { journal.state.withLock { $0.isRunning } }
        followed.read = { _, place, _ in journal.read(place) }
        return followed
    }

    private func text(_ stream: AsyncThrowingStream<[UInt8], any Error>) async throws -> String {
        var text = ""
        for try await chunk in stream { text += String(decoding: chunk, as: UTF8.self) }
        return text
    }

    @Test func theLastLinesOfOneThatHasEndedAndTheEnd() async throws {
        journal.state.withLock {
            $0.lines = (1...7).map { "\($0)" }
            $0.isRunning = false
        }
        #expect(try await text(followed(lines: 5).stream) == "3\n4\n5\n6\n7\n")
    }

    @Test func whatComesIsToldUpToTheLastLineBeforeTheEnd() async throws {
        journal.state.withLock {
            $0.lines = ["1"]
            $0.onRead = { state in
                if (2..<9).contains(state.reads) { state.lines.append("\(state.reads)") }
                // The process writes once more, and ends while nobody looks.
                if state.reads == 9 {
                    state.lines.append("last")
                    state.isRunning = false
                }
            }
        }
        #expect(try await text(followed(lines: 10).stream) == "1\n2\n3\n4\n5\n6\n7\n8\nlast\n")
    }

    @Test func aJournalThatCannotBeReadIsTheEnd() async throws {
        journal.state.withLock { $0.isReadable = false }
        #expect(try await text(followed(lines: 10).stream).isEmpty)
    }

    /// Nothing is read that nobody asks for, and nothing after the reader has left.
    @Test func theReaderSetsThePace() async throws {
        journal.state.withLock { $0.lines = (1...100).map { "\($0)" } }
        var iterator = followed(lines: 100).stream.makeAsyncIterator()
        for expected in 1...3 {
            _ = try await iterator.next()
            #expect(journal.state.withLock { $0.reads } == expected)
        }
        journal.state.withLock { $0.lines = [] }
        let reading = Task { [followed = followed(lines: 1)] in try await text(followed.stream) }
        reading.cancel()
        _ = try? await reading.value
        // It came back, though the process runs for ever.
    }
}
