import Synchronization

/// The body of an answer on its way from the client's thread to its one reader. It holds at most `bound` bytes: while it is
/// full the transfer pauses, and the kernel then slows the other side down.
final class BodyPipe: Sendable {
    /// Bytes that may wait for the reader. A chunk that curl delivers has at most 16 KiB (CURL_MAX_WRITE_SIZE).
    static let bound = 64 << 10

    enum Answer { case taken, full, abandoned }

    private struct State {
        var buffer: [UInt8] = []
        var waiter: CheckedContinuation<[UInt8]?, any Error>?
        /// Set by the end of the transfer; what is in the buffer still comes before it.
        var end: Result<Void, TransferError>?
        var isPaused = false
        var isAbandoned = false
    }

    private let state = Mutex(State())
    private let resumeTransfer: @Sendable () -> Void
    private let cancelTransfer: @Sendable () -> Void

    /// - Parameters:
    ///   - resume: called when there is room again after `offer` said `.full`.
    ///   - cancel: called when the reader has left before the end.
    init(resume: @escaping @Sendable () -> Void, cancel: @escaping @Sendable () -> Void) {
        resumeTransfer = resume
        cancelTransfer = cancel
    }

    // MARK: The client's thread

    /// Takes a chunk, all of it or nothing.
    func offer(_ chunk: UnsafeRawBufferPointer) -> Answer {
        let (answer, waiter) = state.withLock { state -> (Answer, CheckedContinuation<[UInt8]?, any Error>?) in
            if state.isAbandoned { return (.abandoned, nil) }
            if let waiter = state.waiter {
                state.waiter = nil
                return (.taken, waiter)
            }
            // A chunk larger than the bound must get through an empty pipe, or nothing ever would.
            guard state.buffer.isEmpty || state.buffer.count + chunk.count <= Self.bound else {
                state.isPaused = true
                return (.full, nil)
            }
            state.buffer.append(contentsOf: chunk)
            return (.taken, nil)
        }
        waiter?.resume(returning: Array(chunk))
        return answer
    }

    func finish(_ end: Result<Void, TransferError>) {
        let waiter = state.withLock { state -> CheckedContinuation<[UInt8]?, any Error>? in
            state.end = end
            defer { state.waiter = nil }
            return state.waiter
        }
        guard let waiter else { return }
        switch end {
        case .success: waiter.resume(returning: nil)
        case .failure(let error): waiter.resume(throwing: error)
        }
    }

    // MARK: The reader

    /// All that waits, or what comes next; nil at the end.
    /// - Throws: `TransferError`; `CancellationError` when the calling task is cancelled, which also ends the transfer.
    func next() async throws -> [UInt8]? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { waiter in
                var resumes = false
                let answer = state.withLock { state -> Result<[UInt8]?, any Error>? in
                    if state.isAbandoned { return .failure(CancellationError()) }
                    if !state.buffer.isEmpty {
                        resumes = state.isPaused
                        state.isPaused = false
                        defer { state.buffer = [] }
                        return .success(state.buffer)
                    }
                    if let end = state.end { return end.map { nil }.mapError { $0 } }
                    if state.waiter != nil { return .failure(TransferError(kind: .other, message: "a body has one reader at a time")) }
                    state.waiter = waiter
                    return nil
                }
                if resumes { resumeTransfer() }
                if let answer { waiter.resume(with: answer) }
            }
        } onCancel: {
            abandon()
        }
    }

    /// The reader leaves. Ends the transfer if it is still under way.
    func abandon() {
        let (waiter, isUnderWay) = state.withLock { state -> (CheckedContinuation<[UInt8]?, any Error>?, Bool) in
            let wasAbandoned = state.isAbandoned
            state.isAbandoned = true
            state.buffer = []
            defer { state.waiter = nil }
            return (state.waiter, state.end == nil && !wasAbandoned)
        }
        waiter?.resume(throwing: CancellationError())
        if isUnderWay { cancelTransfer() }
    }
}

/// The reader's end: whoever holds it may read, and when nobody does any more the transfer ends.
final class BodyReader: Sendable {
    private let pipe: BodyPipe

    init(_ pipe: BodyPipe) { self.pipe = pipe }
    deinit { pipe.abandon() }

    func next() async throws -> [UInt8]? { try await pipe.next() }
}
