import Fleet
import Synchronization

/// Groups writes: while one is on its way to the disk, all that comes meanwhile waits for the next. So a burst of
/// webhooks costs few fsyncs, and the order of calls is the order on disk.
public final class WriteQueue: Sendable {
    private struct State {
        var pending: [Change] = []
        var waiters: [CheckedContinuation<Void, any Error>] = []
        var isWriting = false
        /// The changes of failed writes.
        var backlog = Backlog()
    }

    private let write: @Sendable ([Change]) async throws -> Void
    private let state = Mutex(State())

    /// - Parameter write: all of the changes or none.
    public init(_ write: @escaping @Sendable ([Change]) async throws -> Void) { self.write = write }

    /// As `StateStore.enqueue`.
    public func enqueue(_ changes: [Change]) {
        if changes.isEmpty { return }
        begin { $0.pending += changes }
    }

    /// As `StateStore.flush`.
    public func flush() async throws {
        try await withCheckedThrowingContinuation { waiter in begin { $0.waiters.append(waiter) } }
    }

    private func begin(_ change: (inout State) -> Void) {
        let start = state.withLock { state in
            change(&state)
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if start { Task { await self.drain() } }
    }

    private func drain() async {
        while let batch = next() {
            var failure: (any Error)?
            do {
                if !batch.changes.isEmpty { try await write(batch.changes) }
            } catch {
                failure = error
                // Whoever made the changes believes them already: they must get to the disk with a later write.
                state.withLock { $0.backlog.add(batch.changes) }
            }
            for waiter in batch.waiters {
                if let failure { waiter.resume(throwing: failure) } else { waiter.resume() }
            }
        }
    }

    private func next() -> (changes: [Change], waiters: [CheckedContinuation<Void, any Error>])? {
        state.withLock { state in
            guard !state.pending.isEmpty || !state.waiters.isEmpty else {
                state.isWriting = false
                return nil
            }
            defer {
                state.pending = []
                state.waiters = []
                state.backlog = Backlog()
            }
            return (state.backlog.changes + state.pending, state.waiters)
        }
    }
}
