import Synchronization

/// Waits for what somebody else brings about. When the test's time is over it throws, whoever hangs, so that a test that
/// fails ends.
/// - Parameter begin: is given what to call with the outcome; only the first call counts.
func waiting<Value: Sendable>(_ begin: (@escaping @Sendable (Result<Value, any Error>) -> Void) -> Void) async throws -> Value {
    let outcome = Outcome<Value>()
    return try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { waiter in
            outcome.wait(waiter)
            begin { outcome.finish($0) }
        }
    } onCancel: {
        outcome.finish(.failure(CancellationError()))
    }
}

/// What a call comes to that might not return.
func outcome<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value { try await outcome(of: Task { try await body() }) }

func outcome<Value: Sendable>(of task: Task<Value, any Error>) async throws -> Value {
    try await waiting { finish in Task { finish(await task.result) } }
}

private final class Outcome<Value: Sendable>: Sendable {
    private struct State {
        var waiter: CheckedContinuation<Value, any Error>?
        var result: Result<Value, any Error>?
    }

    private let state = Mutex(State())

    func wait(_ waiter: CheckedContinuation<Value, any Error>) {
        let known = state.withLock { state in
            if state.result == nil { state.waiter = waiter }
            return state.result
        }
        if let known { waiter.resume(with: known) }
    }

    func finish(_ result: Result<Value, any Error>) {
        let waiter = state.withLock { state -> CheckedContinuation<Value, any Error>? in
            guard state.result == nil else { return nil }
            state.result = result
            return state.waiter
        }
        waiter?.resume(with: result)
    }
}
