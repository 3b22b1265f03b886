import Fleet
import Glibc
import HTTPTransfer
import Synchronization

/// How an engine is reached: what all copies of an `Engine` know of it together.
final class EngineLink: Sendable {
    /// In the order in which they are tried until an engine answers behind one.
    let candidates: [String]
    /// Of an engine that is reached by TCP: its one candidate is its URL.
    let tls: EngineTLS?

    private struct State {
        var socket: String?
        var hasAnswered = false
        var version: APIVersion?
        /// What the engine said of itself when the version was agreed on.
        var offered: String?
    }
    private let state: Mutex<State>
    private let found: @Sendable (String) -> Void

    /// - Parameters:
    ///   - candidates: paths of sockets, at least one. A single one is not tried first.
    ///   - found: told of the one that was chosen of several.
    init(candidates: [String], tls: EngineTLS? = nil, found: @escaping @Sendable (String) -> Void) {
        self.candidates = candidates
        self.tls = tls
        self.found = found
        state = Mutex(State(socket: candidates.count == 1 ? candidates[0] : nil))
    }

    /// The socket to use; nil as long as no engine has answered behind any of several.
    var chosen: String? { state.withLock { $0.socket } }
    /// An engine has answered in this life of the daemon.
    var hasAnswered: Bool { state.withLock { $0.hasAnswered } }
    /// As agreed on; nil when it has to be agreed on again.
    var version: APIVersion? { state.withLock { $0.version } }

    /// The first choice stays.
    func choose(_ socket: String) -> String {
        let (chosen, isNew) = state.withLock { state in
            let isNew = state.socket == nil
            state.socket = state.socket ?? socket
            state.hasAnswered = true
            return (state.socket ?? socket, isNew)
        }
        if isNew { found(chosen) }
        return chosen
    }

    func agree(on version: APIVersion, offered: String?) {
        state.withLock { state in
            (state.version, state.offered) = (version, offered)
            state.hasAnswered = true
        }
    }

    /// Docker and Podman say with each answer what the newest version is that they know. One that says another than before is another engine.
    func heard(_ answer: HTTPResponse) {
        let told = answer.header("Api-Version")
        state.withLock { state in
            state.hasAnswered = true
            if let told, let offered = state.offered, told != offered { state.version = nil }
        }
    }

    /// Another engine may answer next.
    func forgetVersion() { state.withLock { $0.version = nil } }
}

extension Engine {
    /// Where a call goes, and in which version of the API.
    struct Address: Sendable {
        var end: End
        var version: APIVersion

        func request(
            _ method: String, _ path: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil, type: String = "application/json",
            timeout: Duration?
        ) -> HTTPRequest {
            end.request(
                method, "/v\(version)\(path)", headers: (body == nil ? [] : [("Content-Type", type)]) + headers, body: body, timeout: timeout)
        }
    }

    /// A socket, or the URL of an engine that is reached by TCP.
    struct End: Sendable {
        var place: String
        var tls: EngineTLS?

        func request(
            _ method: String, _ path: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil, timeout: Duration?,
            maxBody: Int = 32 << 20
        ) -> HTTPRequest {
            let isSocket = place.hasPrefix("/")
            var request = HTTPRequest(
                method, (isSocket ? "http://engine" : place) + path, headers: headers, body: body, unixSocket: isSocket ? place : nil, caFile: tls?.ca,
                timeout: timeout, maxBody: maxBody)
            request.clientCertificate = tls.map { ClientCertificate(certificate: $0.certificate, key: $0.key) }
            return request
        }
    }

    private func end(_ place: String) -> End { End(place: place, tls: link.tls) }

    /// Longest that an engine may take for a sign of life. One that systemd starts for it needs its time on a host that is booting.
    static let firstAnswer = Duration.seconds(30)

    /// Makes a call where an engine answers, in the newest version of the API that both sides know. One that is refused for its version was
    /// not done: it is made again in the version that the engine knows now.
    /// - Throws: `EngineError` when there is no answer; `CancellationError`; what `ask` throws.
    func exchange<More>(_ ask: (Address) async throws -> (head: HTTPResponse, more: More)) async throws -> (head: HTTPResponse, more: More) {
        do {
            let answer = try await ask(try await address())
            link.heard(answer.head)
            guard APIVersion.isRefused(in: answer.head) else { return answer }
            link.forgetVersion()
            return try await ask(try await address(inFull: true))
        } catch let error as TransferError {
            throw noAnswer(error)
        }
    }

    /// - Parameter inFull: ask for the oldest version that the engine takes, too. Podman needs a second for that answer.
    private func address(inFull: Bool = false) async throws -> Address {
        let socket = try await findSocket()
        if let known = link.version { return Address(end: end(socket), version: known) }
        var offer = APIVersion.Offer(ApiVersion: inFull ? nil : try await ask("/_ping", at: socket)?.header("Api-Version"))
        // What stands before an engine may not let this one through.
        if offer.ApiVersion == nil, let answer = try await ask("/version", at: socket), let told = try? decode(APIVersion.Offer.self, answer) { offer = told }
        let version = try offer.inCommon()
        link.agree(on: version, offered: offer.ApiVersion)
        return Address(end: end(socket), version: version)
    }

    /// nil for an error, and for more than any engine says here: the call itself shows what that is.
    private func ask(_ path: String, at socket: String) async throws -> HTTPResponse? {
        do {
            let answer = try await http.send(end(socket).request("GET", path, timeout: Self.firstAnswer, maxBody: 1 << 20))
            return answer.isSuccess ? answer : nil
        } catch let error as TransferError where error.kind == .tooLarge {
            return nil
        }
    }

    /// The socket behind which an engine has answered. Of several, all are asked each time until one has.
    func findSocket() async throws -> String {
        if let chosen = link.chosen { return chosen }
        var complaints: [String] = []
        for socket in link.candidates {
            do {
                let answer = try await http.send(end(socket).request("GET", "/_ping", timeout: Self.firstAnswer))
                if answer.isSuccess { return link.choose(socket) }
                complaints.append("\(socket): \(EngineError(answer).message)")
            } catch let error as TransferError where error.kind != .cancelled {
                complaints.append("\(socket): \(Self.obstacle(at: socket) ?? error.message)")
            }
        }
        throw EngineError(
            message: "\(Self.waiting): none answers yet (\(complaints.joined(separator: "; "))). Start one, for example with "
                + "systemctl --user enable --now podman.socket as the user of autogit.service, or name its socket in [engine]")
    }

    /// curl has one sentence for all of these.
    private static func obstacle(at socket: String) -> String? {
        access(socket, W_OK) == 0 ? nil : String(cString: strerror(errno))
    }

    /// In the journal, in `/health` and in the status line as long as none has answered.
    private static let waiting = "waiting for a container engine"

    func noAnswer(_ error: TransferError) -> any Error {
        // The caller has lost interest, and the engine has done nothing wrong.
        if error.kind == .cancelled { return CancellationError() }
        // It may come back as another.
        link.forgetVersion()
        let words = explain(error) ?? "the engine at \(socket) does not answer (\(error.message)): is its service running?"
        return EngineError(message: link.hasAnswered ? words : "\(Self.waiting): \(words)")
    }
}
