import Synchronization

/// What the fakes were asked, in the order in which it came, and what they do when they are asked: answer, hang or fail.
/// A call is a line such as `create 7f3k`; everything here goes by the beginning of the line.
final class Script: Sendable {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private struct Watch {
        var word: String
        var count: Int
        var done: @Sendable (Result<Void, any Error>) -> Void
    }

    private struct State {
        var lines: [String] = []
        /// How many of the next calls of a kind hang.
        var holds: [String: Int] = [:]
        var hanging: [(line: String, go: CheckedContinuation<Void, Never>)] = []
        var failures: [String: any Error] = [:]
        var watches: [Watch] = []
    }

    private let state = Mutex(State())

    // MARK: For the fakes

    /// Notes a call; returns at once, or when it is let go, or throws what it was told to.
    func call(_ line: String) async throws {
        await withCheckedContinuation { go in
            let isHeld = state.withLock { state in
                note(line, in: &state)
                guard let hold = state.holds.first(where: { line.isCall($0.key) && $0.value > 0 }) else { return false }
                state.holds[hold.key] = hold.value - 1
                state.hanging.append((line, go))
                return true
            }
            if !isHeld { go.resume() }
        }
        if let failure = state.withLock({ $0.failures.first { line.isCall($0.key) }?.value }) { throw failure }
    }

    func note(_ line: String) { state.withLock { note(line, in: &$0) } }

    private func note(_ line: String, in state: inout State) {
        state.lines.append(line)
        let (lines, watches) = (state.lines, state.watches)
        state.watches = watches.filter { watch in lines.count { $0.isCall(watch.word) } < watch.count }
        for watch in watches where lines.count(where: { $0.isCall(watch.word) }) >= watch.count { watch.done(.success(())) }
    }

    // MARK: For tests

    func hold(_ word: String, next count: Int = .max) { state.withLock { $0.holds[word] = count } }

    /// Lets those go that hang, and holds no more.
    func release(_ word: String) {
        let free = state.withLock { state in
            state.holds[word] = nil
            let free = state.hanging.filter { $0.line.isCall(word) }
            state.hanging.removeAll { $0.line.isCall(word) }
            return free
        }
        for call in free { call.go.resume() }
    }

    func fail(_ word: String, _ error: any Error = Failure(description: "boom")) { state.withLock { $0.failures[word] = error } }
    func mend(_ word: String) { state.withLock { $0.failures[word] = nil } }

    /// Returns when so many calls of a kind have been made since the beginning.
    func until(_ word: String, count: Int = 1) async throws {
        try await waiting { done in
            let isSo = state.withLock { state in
                if state.lines.count(where: { $0.isCall(word) }) >= count { return true }
                state.watches.append(Watch(word: word, count: count, done: done))
                return false
            }
            if isSo { done(.success(())) }
        }
    }

    var lines: [String] { state.withLock { $0.lines } }
    func lines(about id: String) -> [String] { lines.filter { $0.split(separator: " ").contains { $0 == id } } }
    func count(_ word: String) -> Int { lines.count { $0.isCall(word) } }
    func first(_ word: String) -> String? { lines.first { $0.isCall(word) } }
    func index(of word: String) -> Int? { lines.firstIndex { $0.isCall(word) } }
}

extension String {
    fileprivate func isCall(_ word: String) -> Bool { self == word || hasPrefix(word + " ") }
}
