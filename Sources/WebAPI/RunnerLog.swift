import Coordinator
import Hummingbird
import NIOCore

extension WebAPI {
    /// A runner's log is for those who may write: a job may print what others must not read.
    func runnerLog(_ group: RouterGroup<APIContext>, _ streams: OpenStreams) {
        let coordinator = coordinator
        group.get("/runners/{id}/log") { request, context in
            let id = try context.parameters.require("id")
            let query = request.uri.queryParameters
            let lines = try query.number("lines", in: APIBounds.logLines, or: 100)
            let follow = try query.flag("follow", or: false)
            let stream = streams.open(on: context.channel)
            do {
                guard let source = try await stream.whileOpen({ try await refusing { try await coordinator.log(of: id, lines: lines, follow: follow) } })
                else { throw ProblemError(.serviceUnavailable, "the daemon is stopping; runners and their jobs go on") }
                let chunks = stream.chunks(of: source)
                return Response(
                    status: .ok, headers: [.contentType: "text/plain; charset=utf-8"],
                    body: .init { writer in
                        defer { streams.close(stream) }
                        for try await chunk in chunks { try await writer.write(ByteBuffer(bytes: chunk)) }
                        try await writer.finish(nil)
                    })
            } catch {
                streams.close(stream)
                throw error
            }
        }
    }
}

/// What a request's handler knows besides the request.
struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The connection that the request came on.
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}
