import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOExtras
import NIOHTTPTypes
import NIOPosix
import ServiceLifecycle
import Synchronization

/// The address of a listener.
public enum ListeningAddress: Sendable {
    case tcp(host: String, port: Int)
    case unix(path: String)
    /// A socket that listens already, such as one passed by systemd (sd_listen_fds(3)). It outlives the process: connections made
    /// during a restart wait in its backlog.
    case inherited(descriptor: Int32)
}

extension ListeningAddress: CustomStringConvertible {
    /// As operators write it.
    public var description: String {
        switch self {
        case .tcp(let host, let port): "\(host):\(port)"
        case .unix(let path): path
        case .inherited(let descriptor): "the socket \(descriptor) from systemd"
        }
    }
}

/// A listener can't have its address.
public struct ListenError: Error, Sendable, CustomStringConvertible {
    /// The address, and what the system says.
    public var description: String
}

/// Serves HTTP on one socket. Hummingbird's own server can't take a socket that is open already, so this puts
/// its HTTP channel on SwiftNIO's bootstrap.
///
/// `run()` returns when a graceful shutdown, or cancellation because another service failed, has answered every request that
/// was under way. It throws `ListenError`.
struct Listener: Service {
    let address: ListeningAddress
    let respond: @Sendable (Request, any Channel) async throws -> Response
    let log: Logger
    let onRunning: @Sendable () async -> Void
    /// Answers that would not end by themselves.
    var streams = OpenStreams()

    /// Idle connections are closed after this.
    static let idleTimeout = TimeAmount.seconds(30)
    static let backlog = 1024

    func run() async throws {
        let limit = Limit.connections()
        let respond = respond
        let http = HTTP1Channel(
            responder: { request, writer, channel in
                var response = try await respond(request, channel)
                // Nothing follows its head (RFC 9110, section 9.3.2); the next answer would be taken for it.
                if request.method == .head { response = response.createHeadResponse() }
                response.headers[.date] = HTTPDate.now()
                response.headers[.server] = "autogitd"
                try await writer.write(response: response.head, body: response.body)
            },
            configuration: .init(
                additionalChannelHandlers: [ConnectionManners(limit: limit)], idleTimeout: Self.idleTimeout,
                // GitLab sends a dozen short headers.
                httpDecoderConfiguration: .init(maxHeaderFieldSize: 16 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 100)))
        let group = MultiThreadedEventLoopGroup.singleton
        let quiescing = ServerQuiescingHelper(group: group)
        let server: any Channel
        do { server = try await open(http, quiescing, group) } catch {
            throw ListenError(description: "cannot listen on \(address): \(error)")
        }
        let streams = streams
        let closed = server.eventLoop.makePromise(of: Void.self)
        let isEnding = Atomic(false)
        try await withTaskCancellationOrGracefulShutdownHandler {
            await onRunning()
            try await closed.futureResult.get()
        } onCancelOrGracefulShutdown: {
            guard isEnding.compareExchange(expected: false, desired: true, ordering: .relaxed).exchanged else { return }
            streams.endAll()
            // Stop accepting first, and let connections accepted just now finish their set-up: one that is still inside of the
            // server's channel when that closes would be reset.
            server.setOption(.autoRead, value: false).whenComplete { _ in
                server.eventLoop.scheduleTask(in: Self.acceptTime) { quiescing.initiateShutdown(promise: closed) }
            }
        }
    }

    private static let acceptTime = TimeAmount.milliseconds(50)

    /// Each connection is handled in a task that starts with its channel. An asynchronous sequence of connections would be shorter, but
    /// dropping an unhandled connection at shutdown would crash the process (NIOAsyncWriter requires an explicit finish).
    private func open(_ http: HTTP1Channel, _ quiescing: ServerQuiescingHelper, _ group: any EventLoopGroup) async throws -> any Channel {
        let log = log
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: Int32(Self.backlog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(quiescing.makeServerChannelHandler(channel: channel))
                }
            }
            .childChannelInitializer { channel in
                http.setup(channel: channel, logger: log).map { connection in
                    Task { await http.handle(value: connection, logger: log) }
                }
            }
        switch address {
        case .tcp(let host, let port): return try await bootstrap.bind(host: host, port: port).get()
        case .unix(let path): return try await bootstrap.bind(unixDomainSocketPath: path).get()
        case .inherited(let descriptor): return try await bootstrap.withBoundSocket(descriptor).get()
        }
    }
}
