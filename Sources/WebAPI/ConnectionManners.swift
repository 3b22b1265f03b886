import NIOCore
import NIOHTTPTypes
import Synchronization

/// Bounds the number of concurrent users of a resource.
final class Limit: Sendable {
    let most: Int
    private let inside = Atomic<Int>(0)

    init(most: Int) { self.most = most }

    /// - Returns: whether there was room. Every call, whatever it returned, is followed by one `leave()`.
    func enter() -> Bool { inside.add(1, ordering: .relaxed).newValue <= most }
    func leave() { inside.subtract(1, ordering: .relaxed) }
}

extension Limit {
    /// For the connections of one listener.
    static func connections() -> Limit { Limit(most: 1024) }
    /// For webhooks whose bodies are in memory.
    static func webhooks() -> Limit { Limit(most: 256) }
}

/// The rules of a connection: it is one of a bounded number, sends the body of a request in bounded time, and at shutdown still gets an
/// answer to a request that is in flight.
final class ConnectionManners: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    /// From the head of a request to its end. GitLab's webhooks give up after 10 s (https://docs.gitlab.com/user/project/integrations/webhooks/).
    static let bodyTimeout = TimeAmount.seconds(10)
    /// How long a connection without a request stays open at shutdown: if it was accepted just before, its request may be in flight.
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
            // The awaited request. The handler that counts requests is behind us in the pipeline and has seen it.
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
