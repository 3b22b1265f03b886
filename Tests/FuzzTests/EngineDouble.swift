import Foundation
import Hummingbird
import Logging
import ServiceLifecycle
import Synchronization

/// As much of a container engine as a daemon needs to start runners: containers are names in a list, and their logs never end.
final class EngineDouble: Sendable {
    private struct State {
        var labels: [String: [String: String]] = [:]
        var followers = 0
        var followed = 0
    }
    private final class Shelf: Sendable { let state = Mutex(State()) }

    private let shelf = Shelf()
    private let group: ServiceGroup
    private let running: Task<Void, any Error>

    /// Log streams that are open now.
    var followers: Int { shelf.state.withLock(\.followers) }
    /// Log streams that were opened in all.
    var followed: Int { shelf.state.withLock(\.followed) }

    /// Listens on a Unix socket and returns once it does.
    init(socket: String) async throws {
        var quiet = Logger(label: "engine-double")
        quiet.logLevel = .critical
        let router = Router()
        Self.route(router.group("v1.41"), shelf)
        let (ready, announce) = AsyncStream.makeStream(of: Void.self)
        let server = Application(
            router: router, configuration: .init(address: .unixDomainSocket(path: socket)), onServerRunning: { _ in announce.finish() }, logger: quiet)
        let group = ServiceGroup(configuration: .init(services: [server], logger: quiet))
        self.group = group
        running = Task {
            defer { announce.finish() }
            try await group.run()
        }
        for await _ in ready {}
    }

    func stop() async {
        await group.triggerGracefulShutdown()
        running.cancel()
        _ = await running.result
    }

    private struct Created: Decodable { var Labels: [String: String]? }

    private static func route(_ engine: RouterGroup<BasicRequestContext>, _ shelf: Shelf) {
        engine.get("_ping") { _, _ in "OK" }
        engine.get("images/**") { _, _ in #"{"Id":"sha256:0"}"# }
        engine.post("volumes/create") { _, _ in Response(status: .created, body: .init(byteBuffer: ByteBuffer(string: "{}"))) }
        for list in ["networks", "volumes"] { engine.get("\(list)") { _, _ in list == "volumes" ? "{}" : "[]" } }
        engine.get("events") { _, _ in
            Response(status: .ok, body: .init { writer in while true { try await beat(&writer, Array("{}\n".utf8)) } })
        }
        engine.post("containers/create") { request, _ in
            let name = request.uri.queryParameters["name"].map(String.init) ?? ""
            let body = try await request.body.collect(upTo: 1 << 20)
            let labels = (try? JSONDecoder().decode(Created.self, from: Data(buffer: body)))?.Labels ?? [:]
            shelf.state.withLock { $0.labels[name] = labels }
            return Response(status: .created, body: .init(byteBuffer: ByteBuffer(string: #"{"Id":"\#(name)"}"#)))
        }
        engine.put("containers/{name}/archive") { _, _ in HTTPResponse.Status.ok }
        for call in ["start", "kill", "wait"] { engine.post("containers/{name}/\(call)") { _, _ in HTTPResponse.Status.noContent } }
        engine.delete("containers/{name}") { _, context in
            let name = try context.parameters.require("name")
            shelf.state.withLock { $0.labels[name] = nil }
            return HTTPResponse.Status.noContent
        }
        engine.get("containers/json") { _, _ in
            let list = shelf.state.withLock { state in
                state.labels.map { name, labels in
                    let pairs = labels.map { #""\#($0.key)":"\#($0.value)""# }.joined(separator: ",")
                    return #"{"Id":"\#(name)","Names":["\#(name)"],"Labels":{\#(pairs)},"State":"running"}"#
                }
            }
            return "[\(list.joined(separator: ","))]"
        }
        engine.get("containers/{name}/logs") { request, _ in
            let follows = request.uri.queryParameters["follow"] == "true"
            return Response(
                status: .ok,
                body: .init { writer in
                    guard follows else {
                        try await writer.write(ByteBuffer(bytes: line))
                        return try await writer.finish(nil)
                    }
                    shelf.state.withLock { ($0.followers, $0.followed) = ($0.followers + 1, $0.followed + 1) }
                    defer { shelf.state.withLock { $0.followers -= 1 } }
                    while true { try await beat(&writer, line) }
                })
        }
    }

    /// «line» and a line break, in a frame of Docker's multiplexed stream.
    private static let line: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 5] + Array("line\n".utf8)

    /// Writing fails once the reader is gone, which ends the stream.
    private static func beat(_ writer: inout any ResponseBodyWriter, _ bytes: [UInt8]) async throws {
        try await writer.write(ByteBuffer(bytes: bytes))
        try await Task.sleep(for: .milliseconds(20))
    }
}
