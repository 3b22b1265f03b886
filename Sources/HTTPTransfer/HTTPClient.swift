import CCurl
import Synchronization
import Threads

/// An HTTP client on the distribution's libcurl: connections are kept, Unix sockets and TLS work, and
/// security updates come with the distribution. One thread of its own drives all transfers with the
/// multi interface (libcurl-multi(3)); it sleeps while there is nothing to do.
public final class HTTPClient: Sendable {
    private let loop: TransferLoop

    public init() {
        _ = Self.initialized
        loop = TransferLoop()
        loop.start()
    }

    deinit { loop.stop() }

    private static let initialized: Void = { _ = curl_global_init(Int(CURL_GLOBAL_ALL)) }()

    /// Sends and waits for the whole answer. A status such as 404 is an answer, not an error.
    /// - Throws: `TransferError`; cancelling the task ends the exchange.
    public func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        let id = loop.nextID()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { waiter in
                loop.submit(Transfer(id: id, request: request, delivery: .whole(waiter)))
            }
        } onCancel: {
            loop.cancel(id)
        }
    }

    /// Sends and returns with the answer's head; the body comes as it arrives. Dropping the stream ends
    /// the exchange.
    public func stream(_ request: HTTPRequest) async throws -> (
        head: HTTPResponse, chunks: AsyncThrowingStream<[UInt8], any Error>
    ) {
        let id = loop.nextID()
        let loop = loop
        let (chunks, continuation) = AsyncThrowingStream.makeStream(of: [UInt8].self)
        continuation.onTermination = { _ in loop.cancel(id) }
        let head = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { waiter in
                loop.submit(
                    Transfer(
                        id: id, request: request, delivery: .stream(head: waiter, chunks: continuation)))
            }
        } onCancel: {
            loop.cancel(id)
        }
        return (head, chunks)
    }
}

/// The thread and what it is told to do.
private final class TransferLoop: @unchecked Sendable {
    private struct Inbox {
        var submitted: [Transfer] = []
        var cancelled: [UInt64] = []
        var stopping = false
        var lastID: UInt64 = 0
    }
    private let inbox = Mutex(Inbox())
    /// Only `curl_multi_wakeup` is called on it from other threads, which libcurl allows.
    private let multi = curl_multi_init()

    func nextID() -> UInt64 {
        inbox.withLock {
            $0.lastID += 1
            return $0.lastID
        }
    }

    func submit(_ transfer: Transfer) {
        let refused = inbox.withLock { box in
            if box.stopping { return true }
            box.submitted.append(transfer)
            return false
        }
        if refused { transfer.fail(TransferError(kind: .cancelled, message: "the client is closed")) }
        curl_multi_wakeup(multi)
    }

    func cancel(_ id: UInt64) {
        inbox.withLock { $0.cancelled.append(id) }
        curl_multi_wakeup(multi)
    }

    func stop() {
        inbox.withLock { $0.stopping = true }
        curl_multi_wakeup(multi)
    }

    func start() {
        startThread("http-client") { self.run() }
    }

    private func run() {
        var active: [UInt64: Transfer] = [:]
        while true {
            let (submitted, cancelled, stopping) = inbox.withLock { box in
                defer {
                    box.submitted = []
                    box.cancelled = []
                }
                return (box.submitted, box.cancelled, box.stopping)
            }
            for transfer in submitted {
                guard transfer.prepare(), let handle = transfer.handle else {
                    transfer.fail(TransferError(kind: .other, message: "curl has no memory left"))
                    continue
                }
                active[transfer.id] = transfer
                curl_multi_add_handle(multi, handle)
            }
            for id in cancelled {
                guard let transfer = active.removeValue(forKey: id) else { continue }
                curl_multi_remove_handle(multi, transfer.handle)
                transfer.fail(TransferError(kind: .cancelled, message: "cancelled"))
            }
            if stopping {
                for transfer in active.values {
                    curl_multi_remove_handle(multi, transfer.handle)
                    transfer.fail(TransferError(kind: .cancelled, message: "the client is closed"))
                }
                active = [:]
                curl_multi_cleanup(multi)
                return
            }
            var running: Int32 = 0
            curl_multi_perform(multi, &running)
            reap(&active)
            // An hour: submissions, cancellations and sockets end the wait, and curl shortens it by its
            // own timers.
            curl_multi_poll(multi, nil, 0, 3_600_000, nil)
        }
    }

    private func reap(_ active: inout [UInt64: Transfer]) {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle else {
                continue
            }
            let result = autogit_curl_message_result(message)
            var context: UnsafeMutableRawPointer?
            autogit_curl_private(handle, &context)
            curl_multi_remove_handle(multi, handle)
            guard let context else { continue }
            let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            active.removeValue(forKey: transfer.id)
            transfer.finish(result)
        }
    }
}
