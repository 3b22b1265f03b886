import Synchronization

/// What a test double saw, in order. A test waits for what must happen, and counts what has happened.
public final class Happenings<Event: Sendable & Equatable>: Sendable {
    private struct State {
        var events: [Event] = []
        var waiters: [UInt64: (matches: @Sendable ([Event]) -> Bool, done: CheckedContinuation<Bool, Never>)] = [:]
        var lastID: UInt64 = 0
    }
    private let state = Mutex(State())

    public init() {}

    /// All so far.
    public var all: [Event] { state.withLock { $0.events } }

    /// Notes one more.
    public func note(_ event: Event) {
        let ready = state.withLock { state in
            state.events.append(event)
            let ids = state.waiters.filter { $0.value.matches(state.events) }.map(\.key)
            return ids.compactMap { state.waiters.removeValue(forKey: $0)?.done }
        }
        for waiter in ready { waiter.resume(returning: true) }
    }

    /// Waits until the events so far match.
    /// - Parameter hang: after this long it counts as never; generous, because no verdict depends on a machine's speed.
    /// - Returns: false when it hung.
    public func wait(hang: Duration = .seconds(600), until matches: @escaping @Sendable ([Event]) -> Bool) async -> Bool {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        let alarm = Task {
            try await Task.sleep(for: hang)
            self.state.withLock { $0.waiters.removeValue(forKey: id) }?.done.resume(returning: false)
        }
        defer { alarm.cancel() }
        return await withCheckedContinuation { done in
            let now = state.withLock { state -> Bool in
                if matches(state.events) { return true }
                state.waiters[id] = (matches, done)
                return false
            }
            if now { done.resume(returning: true) }
        }
    }

    /// Waits until an event has happened.
    public func wait(for event: Event, hang: Duration = .seconds(600)) async -> Bool { await wait(hang: hang) { $0.contains(event) } }
}
