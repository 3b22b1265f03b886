import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Testing

@testable import WebAPI

/// On a virtual clock: nothing here waits.
@Suite struct ConnectionMannersTests {
    /// Notes what reaches the handler that counts requests.
    private final class Behind: ChannelInboundHandler {
        typealias InboundIn = HTTPRequestPart
        var quiesced = 0
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) { if event is ChannelShouldQuiesceEvent { quiesced += 1 } }
    }

    private let channel: EmbeddedChannel
    private let behind = Behind()
    private let limit = Limit.connections()

    init() throws {
        channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandlers([ConnectionManners(limit: limit), behind])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    private let head = HTTPRequestPart.head(HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/webhook/job"))

    @Test func aBodyThatTricklesIsCutOff() throws {
        try channel.writeInbound(head)
        for _ in 0..<9 {
            channel.embeddedEventLoop.advanceTime(by: .seconds(1))
            try channel.writeInbound(HTTPRequestPart.body(ByteBuffer(string: "x")))
        }
        #expect(channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!channel.isActive)
    }

    @Test func aRequestInTimeIsLeftAlone() throws {
        for _ in 0..<3 {
            try channel.writeInbound(head)
            try channel.writeInbound(HTTPRequestPart.end(nil))
            channel.embeddedEventLoop.advanceTime(by: .seconds(20))
        }
        #expect(channel.isActive)
        try channel.close().wait()
    }

    @Test func atShutdownAConnectionWithoutARequestGetsAMoment() throws {
        channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        #expect(behind.quiesced == 0)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(500))
        #expect(behind.quiesced == 1)
        try channel.close().wait()
    }

    @Test func theRequestThatWasInFlightIsTakenAndThenTheConnectionEnds() throws {
        channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        try channel.writeInbound(head)
        #expect(behind.quiesced == 1)
        try channel.writeInbound(HTTPRequestPart.end(nil))
        channel.embeddedEventLoop.advanceTime(by: .seconds(2))
        #expect(behind.quiesced == 1)
        try channel.close().wait()
    }

    @Test func aRequestThatIsBeingReadIsNotKeptFromTheCounter() throws {
        try channel.writeInbound(head)
        channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        #expect(behind.quiesced == 1)
        try channel.close().wait()
    }

    @Test func oneConnectionTooManyIsClosed() throws {
        let full = Limit(most: 3)
        for _ in 0..<3 { #expect(full.enter()) }
        let late = EmbeddedChannel()
        try late.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        try late.pipeline.syncOperations.addHandler(ConnectionManners(limit: full))
        #expect(!late.isActive)
        #expect(full.enter() == false)
    }

    @Test func datesAreHTTPs() {
        #expect(HTTPDate.text(of: 784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }
}
