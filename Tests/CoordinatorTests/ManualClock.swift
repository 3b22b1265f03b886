import Fleet
import Synchronization

/// Time that passes when a test says so.
final class ManualClock: WallClock {
    private struct State {
        var now = Timestamp(milliseconds: 1_764_000_000_000)
        var ahead = Duration.zero
        var count = 0
        var sleepers: [Int: (until: Timestamp, done: CheckedContinuation<Void, any Error>)] = [:]
        /// Were cancelled before they slept.
        var cancelled: Set<Int> = []
        var watches: [(until: Timestamp, done: @Sendable (Result<Void, any Error>) -> Void)] = []
    }

    private let state = Mutex(State())

    func now() -> Timestamp { state.withLock { $0.now } }
    func calendar() -> Timestamp { state.withLock { $0.now + $0.ahead } }
    /// Somebody sets the calendar, or the machine slept.
    func setCalendar(ahead: Duration) { state.withLock { $0.ahead = ahead } }

    func sleep(for time: Duration) async throws {
        let id = state.withLock { state in
            state.count += 1
            return state.count
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { done in
                let isCancelled = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return true }
                    let until = state.now + time
                    state.sleepers[id] = (until, done)
                    for watch in state.watches where watch.until == until { watch.done(.success(())) }
                    state.watches.removeAll { $0.until == until }
                    return false
                }
                if isCancelled { done.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            let sleeper = state.withLock { state in
                let sleeper = state.sleepers.removeValue(forKey: id)
                if sleeper == nil { state.cancelled.insert(id) }
                return sleeper
            }
            sleeper?.done.resume(throwing: CancellationError())
        }
    }

    /// Lets time pass, and wakes whoever slept until then.
    func advance(by time: Duration) {
        let awake = state.withLock { state in
            state.now = state.now + time
            let awake = state.sleepers.filter { $0.value.until <= state.now }
            for id in awake.keys { state.sleepers[id] = nil }
            return awake.values.map(\.done)
        }
        for sleeper in awake { sleeper.resume() }
    }

    /// Returns when somebody sleeps for so long from now.
    func sleeper(for time: Duration) async throws {
        try await waiting { done in
            let isThere = state.withLock { state in
                let until = state.now + time
                if state.sleepers.values.contains(where: { $0.until == until }) { return true }
                state.watches.append((until, done))
                return false
            }
            if isThere { done(.success(())) }
        }
    }
}
