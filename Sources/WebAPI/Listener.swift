import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOExtras
import NIOHTTPTypes
import NIOPosix
import ServiceLifecycle

/// Where requests come from.
public enum ListeningAddress: Sendable {
    case tcp(host: String, port: Int)
    case unix(path: String)
    /// A socket that listens already, such as one passed by systemd (sd_listen_fds(3)). It outlives us: what
    /// connects while we are away waits in its backlog.
    case inherited(descriptor: Int32)
}

/// Serves HTTP on one socket. Hummingbird's own server can't take a socket that is open already, so this puts
/// its HTTP channel on SwiftNIO's bootstrap.
///
/// `run()` returns when a graceful shutdown has answered every request that was under way.
struct Listener: Service {
    let address: ListeningAddress
    let respond: @Sendable (Request, any Channel) async throws -> Response
    let log: Logger
    let onRunning: @Sendable () async -> Void

    /// Connections without a request are closed after this.
    static let idleTimeout = TimeAmount.seconds(30)
    static let backlog = 1024

    private typealias Connection = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    func run() async throws {
        let limit = ConnectionLimit()
        let respond = respond
        let http = HTTP1Channel(
            responder: { request, writer, channel in
                var response = try await respond(request, channel)
                response.headers[.date] = HTTPDate.now()
                response.headers[.server] = "autogitd"
                try await writer.write(response: response.head, body: response.body)
            },
            configuration: .init(
                additionalChannelHandlers: [ConnectionManners(limit: limit)], idleTimeout: Self.idleTimeout,
                // GitLab sends a dozen short headers.
                httpDecoderConfiguration: .init(maxHeaderFieldSize: 16 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 100)))
        let quiescing = ServerQuiescingHelper(group: MultiThreadedEventLoopGroup.singleton)
        let server = try await open(http, quiescing)
        try await withGracefulShutdownHandler {
            await onRunning()
            try await withThrowingDiscardingTaskGroup { group in
                try await server.executeThenClose { connections in
                    for try await connection in connections {
                        group.addTask { await http.handle(value: connection, logger: log) }
                    }
                }
            }
        } onGracefulShutdown: {
            quiescing.initiateShutdown(promise: nil)
        }
    }

    private func open(_ http: HTTP1Channel, _ quiescing: ServerQuiescingHelper) async throws -> NIOAsyncChannel<Connection, Never> {
        let log = log
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: Int32(Self.backlog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(quiescing.makeServerChannelHandler(channel: channel))
                }
            }
        let setUp = { @Sendable (channel: any Channel) in http.setup(channel: channel, logger: log) }
        switch address {
        case .tcp(let host, let port): return try await bootstrap.bind(host: host, port: port, childChannelInitializer: setUp)
        case .unix(let path): return try await bootstrap.bind(unixDomainSocketPath: path, childChannelInitializer: setUp)
        case .inherited(let descriptor): return try await bootstrap.bind(descriptor, childChannelInitializer: setUp)
        }
    }
}
