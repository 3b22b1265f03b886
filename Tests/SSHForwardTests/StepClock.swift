import Fleet
import Synchronization
import TestBench

/// Short waits, for what another program does, pass by themselves and take no time; those of a second and more end when a test says so.
final class StepClock: WallClock {
    private struct State {
        var now = Timestamp(milliseconds: 1_764_000_000_000)
        var count = 0
        var sleepers: [Int: (until: Timestamp, done: CheckedContinuation<Void, any Error>)] = [:]
        var cancelled: Set<Int> = []
    }
    private let state = Mutex(State())
    /// The long waits that were begun.
    let waits = Happenings<Duration>()

    func now() -> Timestamp { state.withLock { $0.now } }

    func sleep(for time: Duration) async throws {
        guard time >= .seconds(1) else { return try await Task.sleep(for: .milliseconds(5)) }
        let id = state.withLock { state in
            state.count += 1
            return state.count
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { done in
                let isCancelled = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return true }
                    state.sleepers[id] = (state.now + time, done)
                    return false
                }
                if isCancelled { done.resume(throwing: CancellationError()) } else { waits.note(time) }
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

    /// Lets time pass, and wakes whoever waited until then.
    func advance(by time: Duration) {
        let awake = state.withLock { state in
            state.now = state.now + time
            let awake = state.sleepers.filter { $0.value.until <= state.now }
            for id in awake.keys { state.sleepers[id] = nil }
            return awake.values.map(\.done)
        }
        for sleeper in awake { sleeper.resume() }
    }
}
