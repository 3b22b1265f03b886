import Fleet
import FoundationEssentials
import HTTPTransfer
import Synchronization

/// Bare calls to a Docker-compatible engine over its Unix socket, in the newest version of the API that both sides know.
public struct Engine: Sendable {
    let http: HTTPClient
    let link: EngineLink
    /// Why it gave no answer, where somebody knows more of that than the error says; nil otherwise.
    var explain: @Sendable (TransferError) -> String? = { _ in nil }

    /// The socket's path. Of several, the first as long as no engine has answered behind any, and then for good the one behind which one has.
    public var socket: String { link.chosen ?? link.candidates[0] }

    /// An engine that may be there or not: nothing is called yet.
    public init(socket: String, http: HTTPClient) { self.init(sockets: [socket], http: http) }

    /// An engine behind the first of several sockets where one answers. They are tried with each call until one has.
    /// - Parameters:
    ///   - sockets: at least one.
    ///   - found: told of the one that was chosen of several, once.
    public init(sockets: [String], http: HTTPClient, found: @escaping @Sendable (String) -> Void = { _ in }) {
        precondition(!sockets.isEmpty)
        self.http = http
        link = EngineLink(candidates: sockets, found: found)
    }

    /// An engine on another machine.
    /// - Parameters:
    ///   - url: `http` or `https`, with a host and a port, and nothing behind.
    ///   - tls: who may answer, and who we are; nil for `http`.
    public init(url: String, tls: EngineTLS?, http: HTTPClient) {
        self.http = http
        link = EngineLink(candidates: [url], tls: tls, found: { _ in })
    }

    /// An engine of another machine, behind a socket of ours that somebody else forwards.
    /// - Parameter explain: why it gave no answer, in place of the words about that socket, where its service is not; nil to leave it at these.
    public init(forwarded socket: String, http: HTTPClient, explain: @escaping @Sendable (TransferError) -> String?) {
        self.init(socket: socket, http: http)
        self.explain = explain
    }

    /// Calls the engine and waits for the whole answer.
    /// - Parameters:
    ///   - headers: beside that of the body's type.
    ///   - allowed: statuses of errors that are an answer here.
    ///   - timeout: bound on the whole call.
    /// - Throws: `EngineError` for any other status and for no answer; `CancellationError`.
    @discardableResult
    public func call(
        _ method: String, _ path: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil, type: String = "application/json",
        allowed: Set<Int> = [], timeout: Duration = .seconds(60)
    ) async throws -> HTTPResponse {
        let answer = try await exchange { address in
            (try await http.send(address.request(method, path, headers: headers, body: body, type: type, timeout: timeout)), ())
        }.head
        guard answer.isSuccess || answer.status == 304 || allowed.contains(answer.status) else { throw EngineError(answer) }
        return answer
    }

    /// Calls the engine and returns the body of its answer as it comes, only as fast as it is read. It ends with its reader:
    /// see `HTTPClient.stream`.
    /// - Throws: `EngineError` for a status that is an error, in the engine's own words, and for no answer; `CancellationError`.
    public func stream(
        _ method: String, _ path: String, headers: [(String, String)] = []
    ) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        let (head, chunks) = try await exchange { address in
            var (head, chunks) = try await http.stream(address.request(method, path, headers: headers, timeout: nil))
            if !head.isSuccess { head.body = await HTTPClient.complaint(in: chunks) }
            return (head, chunks)
        }
        guard head.isSuccess else { throw EngineError(head) }
        return AsyncThrowingStream {
            var iterator = chunks.makeAsyncIterator()
            do { return try await iterator.next() } catch let error as TransferError {
                throw noAnswer(error)
            }
        }
    }

    /// Asks for a sign of life.
    /// - Throws: `EngineError` when there is none within 30 s.
    public func ping() async throws {
        let socket = try await findSocket()
        do {
            let answer = try await http.send(End(place: socket, tls: link.tls).request("GET", "/_ping", timeout: Self.firstAnswer))
            guard answer.isSuccess else { throw EngineError(answer) }
            link.heard(answer)
        } catch let error as TransferError {
            throw noAnswer(error)
        }
    }

    /// The names of the engine's parts, such as `Podman Engine`.
    public func product() async throws -> String {
        struct Version: Decodable {
            struct Component: Decodable { var Name: String? }
            var Components: [Component]?
        }
        return try decode(Version.self, try await call("GET", "/version")).Components?.compactMap(\.Name).joined(separator: ", ") ?? ""
    }

    // MARK: Containers

    /// A container as the engine lists it; see the API's reference for its fields.
    public struct Summary: Decodable, Sendable {
        /// The container's id.
        public var Id: String
        /// With a slash before each.
        public var Names: [String]?
        /// All labels.
        public var Labels: [String: String]?
        /// The id of the image that it was made of.
        public var ImageID: String?
        /// Such as `created`, `running` or `exited`.
        public var State: String?
        /// When it was created, in seconds since 1970.
        public var Created: Int64?
        /// The state in words for people.
        public var Status: String?
        /// Its name for people; its id where it has none.
        var name: String { Names?.first.map { String($0.drop { $0 == "/" }) } ?? Id }
        /// What is mounted in it.
        public var Mounts: [Mount]?

        /// A mount as the engine lists it.
        public struct Mount: Decodable, Sendable {
            /// A volume's name; nil for a folder of the host.
            public var Name: String?
        }
    }

    /// All containers with certain labels, running or not.
    /// - Parameter labels: `key=value` each; a container has all of them.
    public func containers(labels: [String] = []) async throws -> [Summary] {
        let filter = labels.isEmpty ? "" : "&filters=\(Self.filter(labels: labels))"
        return try decode([Summary].self, try await call("GET", "/containers/json?all=true\(filter)"))
    }

    package static func filter(labels: [String]) -> String {
        let list = labels.map { "\"\($0)\"" }.joined(separator: ",")
        return percentEncoded("{\"label\":[\(list)]}")
    }

    /// Creates a container from the JSON body that the API's reference describes.
    /// - Returns: its id.
    /// - Throws: `EngineError`, with status 404 when the image isn't there.
    public func create(name: String, body: [UInt8]) async throws -> String {
        struct Created: Decodable { var Id: String }
        let answer = try await call("POST", "/containers/create?name=\(percentEncoded(name))", body: body)
        return try decode(Created.self, answer).Id
    }

    /// The same by Podman's own endpoint, which the body is for.
    func createOverLibpod(_ body: [UInt8]) async throws -> String {
        struct Created: Decodable { var Id: String }
        let answer = try await exchange { address in
            let request = address.end.request(
                "POST", "/v4.0.0/libpod/containers/create", headers: [("Content-Type", "application/json")], body: body, timeout: .seconds(60))
            return (try await http.send(request), ())
        }.head
        guard answer.isSuccess else { throw EngineError(answer) }
        return try decode(Created.self, answer).Id
    }

    /// Starts a created container. One that runs already is no error.
    public func start(_ container: String) async throws {
        try await call("POST", "/containers/\(container)/start")
    }

    /// Unpacks a tar archive into a container, running or not.
    public func put(_ container: String, archive: [UInt8], at path: String) async throws {
        // Podman takes any other type for an empty archive and answers 200.
        try await call(
            "PUT", "/containers/\(container)/archive?path=\(percentEncoded(path))", body: archive,
            type: "application/x-tar")
    }

    /// Sends a signal to the container's first process.
    /// - Returns: false when there is no such container, or it doesn't run.
    /// - Throws: `EngineError` with the engine's words, such as for a signal that it doesn't know.
    @discardableResult
    public func kill(_ container: String, signal: String) async throws -> Bool {
        let answer = try await call(
            "POST", "/containers/\(container)/kill?signal=\(percentEncoded(signal))", allowed: [404, 409])
        if answer.isSuccess { return true }
        // Podman says 500 for some of these states; `call` has thrown then.
        return false
    }

    /// Kills and removes a container with its volumes, and waits until it is gone. One that isn't there is no error.
    /// - Throws: `EngineError` with the engine's words when it can't remove the container.
    public func remove(_ container: String) async throws {
        let answer = try await call("DELETE", "/containers/\(container)?force=true&v=true", allowed: [404, 409])
        guard answer.status == 409 else { return }
        // A removal is already under way. It is over when the container can't be found.
        let wait = try await exchange { address in
            do {
                return (try await http.send(address.request("POST", "/containers/\(container)/wait?condition=removed", timeout: .seconds(30))), ())
            } catch let error as TransferError where error.kind == .timeout {
                // The engine did answer: that it can't remove this one.
                throw EngineError(status: 409, message: "\(EngineError(answer).message) (and that removal was not over after 30 s)")
            }
        }.head
        guard wait.isSuccess || wait.status == 404 else { throw EngineError(wait) }
    }

    /// Whether the engine has the image, under any of its names.
    public func imageExists(_ image: String) async throws -> Bool { try await self.image(ImageName(image)) != nil }

    /// The image of that name; nil where there is none.
    func image(_ name: ImageName) async throws -> Images.Image? {
        struct Inspected: Decodable {
            struct Config: Decodable { var User: String? }
            var Id: String
            var Config: Config?
            var Architecture: String?
        }
        // Podman answers 500 about an image that goes while it is looked at.
        let answer = try await call("GET", "/images/\(percentEncoded("\(name)"))/json", allowed: [404, 500])
        guard answer.isSuccess else {
            if answer.status == 500, !answer.text.contains("image not known") { throw EngineError(answer) }
            return nil
        }
        let found = try decode(Inspected.self, answer)
        return Images.Image(id: found.Id, user: found.Config?.User ?? "", architecture: found.Architecture.flatMap { Architecture(named: $0) })
    }

    /// The content of a file of a container, running or not; nil when there is no such file.
    func file(_ path: String, of container: String) async throws -> [UInt8]? {
        let answer = try await call("GET", "/containers/\(container)/archive?path=\(percentEncoded(path))", allowed: [404])
        return answer.isSuccess ? Tar.firstFile(answer.body) : nil
    }

    /// The last lines of the log, and with `follow` what comes until the container ends, without frame headers. Only as fast
    /// as it is read; it ends with its reader.
    public func log(_ container: String, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        try await log(at: "/containers/\(container)", lines: lines, follow: follow)
    }

    /// The same of whatever has a log at that path of the API.
    package func log(at path: String, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        let chunks = try await stream("GET", "\(path)/logs?stdout=true&stderr=true&tail=\(lines)&follow=\(follow)")
        let frames = Mutex(LogFrames())
        // Asked for each chunk, so that nothing piles up here.
        return AsyncThrowingStream {
            var iterator = chunks.makeAsyncIterator()
            while let chunk = try await iterator.next() {
                let text = frames.withLock { $0.take(chunk) }
                if !text.isEmpty { return text }
            }
            return nil
        }
    }

    /// Lines that are asked for: as many as fill 256 KiB when they are as short as 16 bytes.
    private static let lastLines = 16_384

    /// The end of a log; empty when there is none.
    /// - Parameter open: opens the log for so many lines.
    /// - Throws: `EngineError`, also when it takes longer than that time.
    package func tail(
        bytes: Int, within time: Duration, _ open: @escaping @Sendable (Int) async throws -> AsyncThrowingStream<[UInt8], any Error>
    ) async throws -> [UInt8] {
        try await withThrowingTaskGroup(of: [UInt8].self) { group in
            group.addTask {
                var tail = OutputTail(most: bytes)
                do {
                    for try await chunk in try await open(Self.lastLines) { tail.take(chunk) }
                } catch let error as EngineError where error.status == 404 {
                    return []
                }
                return tail.output
            }
            group.addTask {
                try await Task.sleep(for: time)
                throw EngineError(message: "the engine took longer than \(time.text) to give a log")
            }
            defer { group.cancelAll() }
            return try await group.next() ?? []
        }
    }

    package func decode<T: Decodable>(_ type: T.Type, _ answer: HTTPResponse) throws -> T {
        do {
            return try JSONDecoder().decode(type, from: Data(answer.body))
        } catch {
            throw EngineError(status: answer.status, message: "the engine answered something unexpected: \(answer.text.prefix(200))")
        }
    }
}
