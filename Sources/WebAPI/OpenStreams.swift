import NIOCore
import Synchronization

/// The answers of one listener that go on until somebody ends them, such as a log that is followed. They end with their
/// reader, and with the listener: nothing else would keep a shutdown waiting for ever.
final class OpenStreams: Sendable {
    /// What a reader that reads gets to take the end of its answer. One that does not is cut off then.
    static let lastChunkTime = TimeAmount.seconds(2)

    private struct State {
        var open: [ObjectIdentifier: (stream: OpenStream, channel: any Channel)] = [:]
        var isEnding = false
    }
    private let state = Mutex(State())

    /// Opens a stream for the reader at the other end of a channel. In a listener that ends it has ended already.
    func open(on channel: any Channel) -> OpenStream {
        let stream = OpenStream()
        let isEnding = state.withLock { state in
            state.open[ObjectIdentifier(stream)] = (stream, channel)
            return state.isEnding
        }
        channel.closeFuture.whenComplete { [weak self] _ in
            stream.end()
            self?.close(stream)
        }
        if isEnding { stream.end() }
        return stream
    }

    /// The answer is complete.
    func close(_ stream: OpenStream) { state.withLock { _ = $0.open.removeValue(forKey: ObjectIdentifier(stream)) } }

    /// The listener ends.
    func endAll() {
        let open = state.withLock { state in
            state.isEnding = true
            return Array(state.open.values)
        }
        for (stream, channel) in open {
            stream.end()
            channel.eventLoop.scheduleTask(in: Self.lastChunkTime) { [weak self] in
                let isOpen = self?.state.withLock { $0.open[ObjectIdentifier(stream)] != nil } ?? false
                if isOpen { channel.close(promise: nil) }
            }
        }
    }
}

/// An answer that goes on until it is ended.
final class OpenStream: Sendable {
    private struct State {
        var hasEnded = false
        var cancel: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())

    /// Does one thing after the other for the stream: gets its source, or its next chunk.
    /// - Returns: nil when the stream was ended before, or meanwhile; `body` is cancelled then.
    func whileOpen<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T? {
        let task = Task { try await body() }
        let hasEnded = state.withLock { state in
            state.cancel = { task.cancel() }
            return state.hasEnded
        }
        if hasEnded { task.cancel() }
        defer { state.withLock { $0.cancel = nil } }
        do {
            return try await withTaskCancellationHandler {
                try await task.value
            } onCancel: {
                task.cancel()
            }
        } catch  where self.hasEnded {
            // What was cancelled says so in one way or another.
            return nil
        }
    }

    /// The chunks, up to the end of the source or of the stream. Each is only asked for when the one before was taken.
    func chunks(of source: AsyncThrowingStream<[UInt8], any Error>) -> AsyncThrowingStream<[UInt8], any Error> {
        AsyncThrowingStream {
            try await self.whileOpen {
                var iterator = source.makeAsyncIterator()
                return try await iterator.next()
            } ?? nil
        }
    }

    var hasEnded: Bool { state.withLock { $0.hasEnded } }

    /// Ends it now. May be said again.
    func end() {
        let cancel = state.withLock { state in
            state.hasEnded = true
            return state.cancel
        }
        cancel?()
    }
}
