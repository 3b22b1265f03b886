import ControlModel
import Coordinator
import HTTPTypes
import Hummingbird
import NIOCore

extension HTTPField.Name {
    static let lastEventID = HTTPField.Name("Last-Event-ID")!
    /// nginx's word for a proxy that is not to hold an answer back.
    static let accelBuffering = HTTPField.Name("X-Accel-Buffering")!
}

/// Which events a reader wants.
struct EventFilter: Sendable {
    var pool: String?
    var job: Int64?
    /// What can be asked for.
    static let kinds = EventView.Kind.allCases.map(\.rawValue)
    /// nil for all.
    var kinds: Set<String>?

    /// - Throws: a problem that names what may be asked for.
    init(_ query: Parameters) throws {
        pool = query["pool"].map(String.init)
        if let text = query["job"] {
            guard let number = Int64(text) else { throw ProblemError(.badRequest, "job must be the number of a job") }
            job = number
        }
        if let text = query["kind"] {
            let named = text.split(separator: ",").map(String.init)
            guard !named.isEmpty, named.allSatisfy(Self.kinds.contains) else {
                throw ProblemError(.badRequest, "kind must be one or more of \(Self.kinds.joined(separator: ", ")), with commas between them")
            }
            kinds = Set(named)
        }
    }

    func lets(_ event: EventView) -> Bool {
        (pool == nil || event.pool == pool) && (job == nil || event.job?.id == job) && (kinds?.contains(event.kind) ?? true)
    }
}

/// What happens, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
///
/// An event's id is its place in the feed. Who comes back with the last one it saw goes on from there; where that can't be, because it is too
/// long ago or of an earlier start of the daemon, it gets an event `reset`, upon which it reads the views again.
struct EventStream: Sendable {
    let feed: EventFeed
    let filter: EventFilter
    /// Whether it goes on with what happens next, and does not end with what has happened.
    var follows = true

    /// A reader hears something at least as often, which tells it and us, and a proxy between, that the other is there.
    static let keepAlive = TimeAmount.seconds(15)
    /// What happens within this time goes out together, because a write for each of a thousand events would cost more than the events.
    static let gather = Duration.milliseconds(50)
    /// Who has not taken what was sent in this time does not read, and is cut off.
    static let patience = TimeAmount.seconds(30)
    /// After a break a client is to wait that long, in milliseconds.
    private static let retry = 2000
    /// Readers at once of one listener.
    static let mostReaders = 200

    func run(from begin: EventFeed.Position, on stream: OpenStream, of channel: any Channel, _ write: (ByteBuffer) async throws -> Void) async throws {
        var position = begin
        try await send("retry: \(Self.retry)\nid: \(position)\n\n", channel, write)
        while !stream.hasEnded {
            switch feed.read(after: position) {
            case .events(let entries):
                var text = ByteBuffer()
                for entry in entries where filter.lets(entry.view) {
                    text.writeString("id: \(entry.position)\nevent: \(entry.view.kind)\ndata: ")
                    text.writeBytes(try entry.json())
                    text.writeString("\n\n")
                }
                position = entries.last?.position ?? position
                if text.readableBytes > 0 { try await send(text, channel, write) }
            case .reset(let now):
                position = now
                try await send("id: \(position)\nevent: reset\ndata: {}\n\n", channel, write)
            case nil:
                if !follows { return }
                let from = position
                let hasNews = try await stream.whileOpen { await feed.hasNews(after: from, within: Self.keepAlive, on: channel.eventLoop) }
                if hasNews == true { _ = try await stream.whileOpen { try await Task.sleep(for: Self.gather) } }
                // The events between may have been for others: a client that comes back begins here.
                if hasNews == false { try await send(": \nid: \(position)\n\n", channel, write) }
            }
        }
    }

    private func send(_ text: String, _ channel: any Channel, _ write: (ByteBuffer) async throws -> Void) async throws {
        try await send(ByteBuffer(string: text), channel, write)
    }

    private func send(_ bytes: ByteBuffer, _ channel: any Channel, _ write: (ByteBuffer) async throws -> Void) async throws {
        let cut = channel.eventLoop.scheduleTask(in: Self.patience) { channel.close(promise: nil) }
        defer { cut.cancel() }
        try await write(bytes)
    }
}

extension EventFeed {
    /// Waits for what happens next.
    /// - Returns: whether something has happened; false when the time is over, or the task is cancelled.
    func hasNews(after position: Position, within time: TimeAmount, on loop: any EventLoop) async -> Bool {
        let news = Task { await self.wait(after: position) }
        // The loop's timer, because a `Task.sleep` that is cancelled stays in its queue until its time is over: 50 readers of 10 events a second would keep
        // 7,500 of them, which is 8 MiB.
        let alarm = loop.scheduleTask(in: time) { news.cancel() }
        await withTaskCancellationHandler {
            await news.value
        } onCancel: {
            news.cancel()
        }
        alarm.cancel()
        return now != position
    }
}

extension WebAPI {
    /// Where a reader begins: after the last event that it saw, or with as many of the last ones as it wants; else with what happens next.
    private static func position(in feed: EventFeed, _ last: String?, _ query: Parameters) throws -> EventFeed.Position {
        // What is no id of ours is one of an earlier life.
        if let last = last ?? query["last_event_id"].map(String.init) { return EventFeed.Position(last) ?? EventFeed.unknown }
        guard query["recent"] != nil else { return feed.now }
        return feed.position(before: try query.number("recent", in: 0...EventFeed.size, or: 0))
    }

    func events(_ group: RouterGroup<APIContext>, _ streams: OpenStreams) {
        let feed = feed
        let readers = Limit(most: EventStream.mostReaders)
        group.get("/events") { request, context in
            let query = request.uri.queryParameters
            let events = EventStream(feed: feed, filter: try EventFilter(query), follows: try query.flag("follow", or: true))
            let begin = try Self.position(in: feed, request.headers[.lastEventID], query)
            guard readers.enter() else {
                readers.leave()
                throw ProblemError(.serviceUnavailable, "too many readers of events; try again later")
            }
            let stream = streams.open(on: context.channel)
            let channel = context.channel
            return Response(
                status: .ok, headers: [.contentType: "text/event-stream", .cacheControl: "no-store", .accelBuffering: "no"],
                body: .init { writer in
                    defer {
                        streams.close(stream)
                        readers.leave()
                    }
                    try await events.run(from: begin, on: stream, of: channel) { try await writer.write($0) }
                    try await writer.finish(nil)
                })
        }
    }
}
