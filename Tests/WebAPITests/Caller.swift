import ControlModel
import Coordinator
import Fleet
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOEmbedded
import Store
import Telemetry
import TestBench

@testable import WebAPI

/// Calls the API of a daemon that has nothing, without a connection.
struct Caller {
    private let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder("caller") }

    /// - Parameter trusted: the control socket, and not TCP with the control token `t`.
    func router(trusted: Bool) throws -> Router<APIContext> {
        let api = WebAPI(
            coordinator: Coordinator(
                .init(.init(pools: []), version: "test"), forges: [:], drivers: [:], store: try SQLiteStore(path: "\(scratch.path)/db"), log: Logger(label: "x")
            ),
            access: .init(webhookSecret: nil, controlToken: Secret("t")),
            operations: .init(reload: { ReloadView(pools: [], needs_restart: false) }, webhookURL: { "" }), feed: EventFeed(),
            metrics: FleetMetrics(version: "test", pools: []), log: Logger(label: "x"))
        return api.router(trusted: trusted, streams: OpenStreams())
    }

    struct Answered {
        var status: Int
        var headers: HTTPFields
        var text: String
        /// nil where the body is something else.
        var problem: Problem? { try? JSONDecoder().decode(Problem.self, from: Data(text.utf8)) }
    }

    func answer(_ method: HTTPRequest.Method, _ path: String, _ headers: HTTPFields = [:], trusted: Bool = true) async throws -> Answered {
        let request = Request(
            head: .init(method: method, scheme: "http", authority: "x", path: path, headerFields: headers), body: .init(buffer: ByteBuffer()))
        let context = APIContext(source: .init(channel: NIOAsyncTestingChannel(), logger: Logger(label: "x")))
        let answer = try await APIResponder(router(trusted: trusted)).respond(to: request, context: context)
        let writer = Collector()
        try await answer.body.write(writer)
        let bytes = await writer.bytes.value
        return Answered(status: answer.status.code, headers: answer.headers, text: String(buffer: bytes))
    }

    private actor Bytes {
        private(set) var value = ByteBuffer()
        func add(_ more: ByteBuffer) { value.writeImmutableBuffer(more) }
    }
    private struct Collector: ResponseBodyWriter {
        let bytes = Bytes()
        mutating func write(_ buffer: ByteBuffer) async throws { await bytes.add(buffer) }
        consuming func finish(_ trailers: HTTPFields?) async throws {}
    }
}
