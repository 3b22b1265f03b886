import CCurl

/// An HTTP client on the distribution's libcurl: connections are kept, Unix sockets and TLS work, and
/// security updates come with the distribution. One thread of its own drives all transfers with the
/// multi interface (libcurl-multi(3)); it sleeps while there is nothing to do. Names are resolved on threads of
/// libcurl's own (CURL_VERSION_ASYNCHDNS).
///
/// Redirects are not followed: they are answers like any other.
public final class HTTPClient: Sendable {
    private let loop: TransferLoop

    /// A client without connections. Its thread starts with its first request.
    public init() {
        _ = Self.initialized
        loop = TransferLoop()
    }

    deinit { loop.stop() }

    private static let initialized: Void = { _ = curl_global_init(Int(CURL_GLOBAL_ALL)) }()

    /// Sends and waits for the whole answer. A status such as 404 is an answer, not an error.
    /// - Throws: `TransferError`; cancelling the task ends the exchange, with the kind `.cancelled`.
    public func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        let id = loop.nextID()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { waiter in
                loop.submit(Transfer(id: id, request: request, delivery: .whole(waiter)))
                // A cancellation that came before found nothing to end.
                if Task.isCancelled { loop.cancel(id) }
            }
        } onCancel: {
            loop.cancel(id)
        }
    }

    /// Sends and returns with the answer's head; the body comes as it arrives, in chunks of at most 64 KiB.
    ///
    /// The body is only taken from the other side as fast as it is read here: at most 64 KiB wait in between. Dropping the
    /// stream, or cancelling the task that reads it, ends the exchange. It has one reader at a time, and throws
    /// `TransferError`, or `CancellationError` in a cancelled task.
    ///
    /// - Throws: `TransferError` when there is no head; cancelling the task ends the exchange, with the kind `.cancelled`.
    public func stream(_ request: HTTPRequest) async throws -> (head: HTTPResponse, chunks: AsyncThrowingStream<[UInt8], any Error>) {
        let id = loop.nextID()
        let loop = loop
        let body = BodyPipe(resume: { loop.resume(id) }, cancel: { loop.cancel(id) })
        let reader = BodyReader(body)
        let head = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { waiter in
                loop.submit(Transfer(id: id, request: request, delivery: .stream(head: waiter, body: body)))
                if Task.isCancelled { loop.cancel(id) }
            }
        } onCancel: {
            loop.cancel(id)
        }
        return (head, AsyncThrowingStream { try await reader.next() })
    }
}
