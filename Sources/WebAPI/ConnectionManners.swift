import NIOCore
import NIOHTTPTypes
import Synchronization

/// How many of something there may be at once.
final class Limit: Sendable {
    let most: Int
    private let inside = Atomic<Int>(0)

    init(most: Int) { self.most = most }

    /// - Returns: whether there is room for one more. Each call is answered by one `leave()`.
    func enter() -> Bool { inside.add(1, ordering: .relaxed).newValue <= most }
    func leave() { inside.subtract(1, ordering: .relaxed) }
}

extension Limit {
    /// Connections of one listener.
    static func connections() -> Limit { Limit(most: 1024) }
    /// Webhooks whose bodies are held.
    static func webhooks() -> Limit { Limit(most: 256) }
}

/// What a connection may do: send a request's body within a bound of time, be one of a bounded number, and,
/// when the daemon stops, still have a request answered that is on its way.
final class ConnectionManners: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    /// From a request's head to its end; GitLab itself gives up after 10 s.
    static let bodyTimeout = TimeAmount.seconds(10)
    /// How long a connection without a request is kept open at shutdown: one that was accepted just before may
    /// have its request in flight.
    static let lastRequestTimeout = TimeAmount.milliseconds(500)

    private let limit: Limit
    private var bodyDeadline: Scheduled<Void>?
    private var lastChance: Scheduled<Void>?
    private var isReading = false

    init(limit: Limit) { self.limit = limit }

    func handlerAdded(context: ChannelHandlerContext) {
        if !limit.enter() { context.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        limit.leave()
        bodyDeadline?.cancel()
        lastChance?.cancel()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        switch part {
        case .head:
            isReading = true
            bodyDeadline = after(Self.bodyTimeout, context) { $0.close(promise: nil) }
        case .body: break
        case .end:
            isReading = false
            bodyDeadline?.cancel()
            bodyDeadline = nil
        }
        context.fireChannelRead(data)
        if case .head = part, let chance = lastChance {
            // The request that was waited for. What counts requests stands behind us and has seen it now.
            chance.cancel()
            lastChance = nil
            context.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is ChannelShouldQuiesceEvent, !isReading, lastChance == nil else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        lastChance = after(Self.lastRequestTimeout, context) { context in
            self.lastChance = nil
            context.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
    }

    private func after(_ time: TimeAmount, _ context: ChannelHandlerContext, _ body: @escaping (ChannelHandlerContext) -> Void) -> Scheduled<Void> {
        context.eventLoop.assumeIsolated().scheduleTask(in: time) { body(context) }
    }
}
