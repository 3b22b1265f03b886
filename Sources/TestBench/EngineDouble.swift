import Foundation
import Synchronization

/// An engine that answers as a test wants, and tells what it saw. It runs nothing: a started container runs until it is
/// removed.
public final class EngineDouble: Sendable {
    /// What came to it, in order.
    public enum Event: Sendable, Equatable {
        /// A request, without version, query or container's name, such as `DELETE /containers`.
        case called(String)
        /// Somebody follows a log.
        case followed
        /// The reader of a log has taken nothing for a while, after this many bytes.
        case stalled(bytes: Int)
        /// The reader of a log took all that the engine would send.
        case swallowed(bytes: Int)
        /// The reader of a log has left.
        case left
        /// The engine's event stream is read.
        case watched
    }

    /// How the log of a container goes on while it is followed.
    public enum Log: Sendable {
        /// One line, and then nothing.
        case silent
        /// As much as the reader takes, up to a bound in bytes.
        case endless(bound: Int)
    }

    /// An answer in place of the usual one.
    public struct Answer: Sendable {
        public var status: Int
        public var body: String
        public init(_ status: Int, _ body: String) {
            self.status = status
            self.body = body
        }
    }

    private struct Container {
        var name: String
        var labels: [String: String]
        var isRunning = false
    }
    private struct State {
        var containers: [Container] = []
        var answers: [String: Answer] = [:]
        var hanging: Set<String> = []
        var log = Log.silent
        var eventStreamsThatEnd = 0
        var speaks: ClosedRange<Int>?
    }

    /// Where it listens.
    public let socket: String
    public let seen = Happenings<Event>()
    /// The versions of the API in which it was called, such as `1.41`.
    public let versions = Happenings<String>()
    private let state = Mutex(State())
    private let server = Mutex<BareServer?>(nil)

    public init(socket: String) throws {
        self.socket = socket
        let server = try BareServer(path: socket) { [weak self] request, connection in self?.serve(request, connection) }
        self.server.withLock { $0 = server }
    }

    /// Cuts all connections and listens no more.
    public func stop() { server.withLock { $0 }?.stop() }

    /// What followed logs hold from now on.
    public func setLog(_ log: Log) { state.withLock { $0.log = log } }

    /// Answers a call, named as in `Event.called`, in this way from now on; nil answers as usual again.
    public func answer(_ call: String, with answer: Answer?) { state.withLock { $0.answers[call] = answer } }

    /// Answers a call, named as in `Event.called`, not at all from now on.
    public func hang(_ call: String) { state.withLock { _ = $0.hanging.insert(call) } }

    /// This many of the event streams that are opened from now on end at once.
    public func endEventStreams(_ count: Int) { state.withLock { $0.eventStreamsThatEnd = count } }

    /// Speaks these versions of the API from now on, and tells so: 44...52 for 1.44 to 1.52. A call in another is refused in Docker's words. As
    /// long as this was not called, it takes any and tells none.
    public func speak(_ versions: ClosedRange<Int>) { state.withLock { $0.speaks = versions } }

    private func serve(_ request: BareServer.Request, _ connection: BareConnection) {
        let target = request.target.split(separator: "?", maxSplits: 1)
        let query = target.count > 1 ? String(target[1]) : ""
        var parts = target[0].split(separator: "/").map(String.init)
        let version = parts.first?.hasPrefix("v1.") == true ? String(parts.removeFirst().dropFirst()) : nil
        let name = parts.count > 1 ? parts[1] : ""
        let verb = parts.count > 2 ? parts[2] : ""
        let call = "\(request.method) /\(parts.first ?? "")" + (verb.isEmpty ? (["create", "json"].contains(name) ? "/\(name)" : "") : "/\(verb)")
        seen.note(.called(call))
        if let version { versions.note(version) }
        let speaks = state.withLock { $0.speaks }
        if let speaks {
            connection.headers = ["Api-Version: 1.\(speaks.upperBound)"]
            if let refusal = version.flatMap({ Self.refusal(of: $0, speaks) }) { return _ = connection.answer(400, refusal) }
        }
        if let answer = state.withLock({ $0.answers[call] }) {
            connection.answer(answer.status, answer.body)
            return
        }
        if state.withLock({ $0.hanging.contains(call) }) { return connection.waitForEnd() }
        switch call {
        case "GET /_ping": connection.answer(200, "OK")
        case "GET /version" where speaks != nil:
            connection.answer(200, #"{"ApiVersion":"1.\#(speaks?.upperBound ?? 0)","MinAPIVersion":"1.\#(speaks?.lowerBound ?? 0)"}"#)
        case "GET /images/json": connection.answer(200, #"{"Id":"sha256:0"}"#)
        case "POST /volumes/create": connection.answer(201, "{}")
        case "POST /containers/create": create(request, name: query, connection)
        case "PUT /containers/archive", "POST /containers/kill": connection.answer(200)
        case "POST /containers/start": change(name, connection) { $0.isRunning = true }
        case "DELETE /containers":
            state.withLock { $0.containers.removeAll { $0.name == name } }
            connection.answer(204)
        case "GET /containers/json": list(connection)
        case "GET /containers/logs": log(follow: query.contains("follow=true"), connection)
        case "GET /events": events(connection)
        default: connection.answer(404, #"{"message":"the double knows no \#(call)"}"#)
        }
    }

    /// The words of dockerd's version middleware; nil where the version will do.
    private static func refusal(of version: String, _ speaks: ClosedRange<Int>) -> String? {
        guard let minor = Int(version.dropFirst(2)), !speaks.contains(minor) else { return nil }
        let words =
            minor < speaks.lowerBound
            ? "client version \(version) is too old. Minimum supported API version is 1.\(speaks.lowerBound), please upgrade your client to a newer version"
            : "client version \(version) is too new. Maximum supported API version is 1.\(speaks.upperBound)"
        return #"{"message":"\#(words)"}"#
    }

    private func create(_ request: BareServer.Request, name query: String, _ connection: BareConnection) {
        struct Body: Decodable { var Labels: [String: String]? }
        let name = query.split(separator: "&").first { $0.hasPrefix("name=") }.map { String($0.dropFirst(5)) } ?? ""
        let labels = (try? JSONDecoder().decode(Body.self, from: Data(request.body)))?.Labels ?? [:]
        state.withLock { $0.containers.append(Container(name: name, labels: labels)) }
        connection.answer(201, #"{"Id":"id-\#(name)"}"#)
    }

    private func change(_ name: String, _ connection: BareConnection, _ body: (inout Container) -> Void) {
        let found = state.withLock { state -> Bool in
            guard let index = state.containers.firstIndex(where: { $0.name == name }) else { return false }
            body(&state.containers[index])
            return true
        }
        connection.answer(found ? 204 : 404, found ? "" : #"{"message":"no such container"}"#)
    }

    private func list(_ connection: BareConnection) {
        struct Entry: Encodable {
            var Id: String
            var Names: [String]
            var Labels: [String: String]
            var State: String
        }
        let entries = state.withLock { state in
            state.containers.map { Entry(Id: "id-\($0.name)", Names: ["/\($0.name)"], Labels: $0.labels, State: $0.isRunning ? "running" : "created") }
        }
        connection.answer(200, (try? JSONEncoder().encode(entries)).map { String(decoding: $0, as: UTF8.self) } ?? "[]")
    }

    private func log(follow: Bool, _ connection: BareConnection) {
        connection.head(200)
        func frame(_ text: [UInt8]) -> [UInt8] { [1, 0, 0, 0] + (0..<4).map { UInt8(truncatingIfNeeded: text.count >> (24 - 8 * $0)) } + text }
        connection.send(frame(Array("the first line\n".utf8)))
        guard follow else { return connection.end() }
        seen.note(.followed)
        if case .endless(let bound) = state.withLock({ $0.log }) {
            let piece = frame([UInt8](repeating: UInt8(ascii: "x"), count: 32 << 10))
            var sent = 0
            while sent < bound {
                guard let count = connection.send(piece, patience: .seconds(1)) else { return seen.note(.left) }
                sent += count
                if count < piece.count {
                    seen.note(.stalled(bytes: sent))
                    break
                }
            }
            if sent >= bound { seen.note(.swallowed(bytes: sent)) }
        }
        connection.waitForEnd()
        seen.note(.left)
    }

    private func events(_ connection: BareConnection) {
        connection.head(200)
        let ends = state.withLock { state -> Bool in
            state.eventStreamsThatEnd -= 1
            return state.eventStreamsThatEnd >= 0
        }
        if ends { return connection.end() }
        seen.note(.watched)
        connection.waitForEnd()
    }
}
