import FoundationEssentials
import HTTPTransfer

/// The engine refused, failed, or can't be reached.
public struct EngineError: Error, Sendable, CustomStringConvertible {
    /// The HTTP status; nil when there was no answer.
    public var status: Int?
    public var message: String
    public var description: String { message }
}

/// Bare calls to a Docker-compatible engine over its Unix socket. Paths carry API version 1.41, which
/// Podman 4 and Docker 20.10 and up serve.
public struct Engine: Sendable {
    public let socket: String
    private let http: HTTPClient

    public init(socket: String, http: HTTPClient) {
        self.socket = socket
        self.http = http
    }

    private func url(_ path: String) -> String { "http://engine/v1.41\(path)" }

    private func request(
        _ method: String, _ path: String, body: [UInt8]? = nil, type: String = "application/json",
        timeout: Duration? = .seconds(60)
    ) -> HTTPRequest {
        HTTPRequest(
            method, url(path), headers: body == nil ? [] : [("Content-Type", type)], body: body,
            unixSocket: socket, timeout: timeout)
    }

    /// - Parameter allowed: statuses of errors that are an answer here.
    @discardableResult
    public func call(
        _ method: String, _ path: String, body: [UInt8]? = nil, type: String = "application/json",
        allowed: Set<Int> = [], timeout: Duration = .seconds(60)
    ) async throws -> HTTPResponse {
        let answer: HTTPResponse
        do {
            answer = try await http.send(request(method, path, body: body, type: type, timeout: timeout))
        } catch let error as TransferError {
            throw EngineError(
                message: "the engine at \(socket) does not answer (\(error.message)): is its service running?")
        }
        guard answer.isSuccess || answer.status == 304 || allowed.contains(answer.status) else {
            throw EngineError(status: answer.status, message: Self.complaint(of: answer))
        }
        return answer
    }

    public func stream(_ method: String, _ path: String) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        let (head, chunks): (HTTPResponse, AsyncThrowingStream<[UInt8], any Error>)
        do {
            (head, chunks) = try await http.stream(request(method, path, timeout: nil))
        } catch let error as TransferError {
            throw EngineError(message: "the engine at \(socket) does not answer (\(error.message))")
        }
        guard head.isSuccess else {
            throw EngineError(status: head.status, message: "the engine answered \(head.status) to \(path.prefix(60))")
        }
        return chunks
    }

    private static func complaint(of answer: HTTPResponse) -> String {
        struct Complaint: Decodable {
            var message: String?
            var cause: String?
        }
        let said = try? JSONDecoder().decode(Complaint.self, from: Data(answer.body))
        return "the engine answered \(answer.status): \(said?.message ?? said?.cause ?? String(answer.text.prefix(300)))"
    }

    public func ping() async throws {
        try await call("GET", "/_ping", timeout: .seconds(5))
    }

    /// The first of the sockets behind which an engine answers, and what each of the others said.
    public static func firstAnswering(_ sockets: [String], http: HTTPClient) async -> (Engine?, [String]) {
        var complaints: [String] = []
        for socket in sockets {
            let engine = Engine(socket: socket, http: http)
            do {
                try await engine.ping()
                return (engine, complaints)
            } catch {
                complaints.append("\(socket): \(error)")
            }
        }
        return (nil, complaints)
    }

    // MARK: Containers

    public struct Summary: Decodable, Sendable {
        public var Id: String
        public var Names: [String]?
        public var Labels: [String: String]?
        public var State: String?
        public var Status: String?
    }

    public func containers(label: String) async throws -> [Summary] {
        let filters = percentEncoded(#"{"label":["\#(label)"]}"#)
        let answer = try await call("GET", "/containers/json?all=true&filters=\(filters)")
        return try decode([Summary].self, answer)
    }

    public func create(name: String, body: [UInt8]) async throws -> String {
        struct Created: Decodable { var Id: String }
        let answer = try await call("POST", "/containers/create?name=\(percentEncoded(name))", body: body)
        return try decode(Created.self, answer).Id
    }

    public func start(_ container: String) async throws {
        try await call("POST", "/containers/\(container)/start")
    }

    public func put(_ container: String, archive: [UInt8], at path: String) async throws {
        // Podman takes any other type for an empty archive and answers 200.
        try await call(
            "PUT", "/containers/\(container)/archive?path=\(percentEncoded(path))", body: archive,
            type: "application/x-tar")
    }

    /// - Returns: false when there is no such container, or it doesn't run.
    @discardableResult
    public func kill(_ container: String, signal: String) async throws -> Bool {
        let answer = try await call(
            "POST", "/containers/\(container)/kill?signal=\(percentEncoded(signal))", allowed: [404, 409])
        if answer.isSuccess { return true }
        // Podman says 500 for some of these states; `call` has thrown then.
        return false
    }

    public func remove(_ container: String) async throws {
        let answer = try await call("DELETE", "/containers/\(container)?force=true&v=true", allowed: [404, 409])
        // 409: a removal is already under way. It is over when the container can't be found.
        if answer.status == 409 {
            _ = try await call("POST", "/containers/\(container)/wait?condition=removed", allowed: [404], timeout: .seconds(30))
        }
    }

    public func imageExists(_ image: String) async throws -> Bool {
        try await call("GET", "/images/\(percentEncoded(image))/json", allowed: [404]).isSuccess
    }

    /// Log lines of both streams, without the engine's eight-byte frame headers.
    public func logTail(_ container: String, lines: Int) async throws -> [String] {
        let answer = try await call(
            "GET", "/containers/\(container)/logs?stdout=true&stderr=true&tail=\(lines)", allowed: [404])
        guard answer.isSuccess else { return [] }
        return LogFrames.lines(of: answer.body).suffix(lines)
    }

    /// The log as it is written, without frame headers.
    public func log(_ container: String, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        let chunks = try await stream("GET", "/containers/\(container)/logs?stdout=true&stderr=true&tail=\(lines)&follow=\(follow)")
        let (out, feed) = AsyncThrowingStream.makeStream(of: [UInt8].self)
        let task = Task {
            do {
                var frames = LogFrames()
                for try await chunk in chunks {
                    let text = frames.take(chunk)
                    if !text.isEmpty { feed.yield(text) }
                }
                feed.finish()
            } catch {
                feed.finish(throwing: error)
            }
        }
        feed.onTermination = { _ in task.cancel() }
        return out
    }

    func decode<T: Decodable>(_ type: T.Type, _ answer: HTTPResponse) throws -> T {
        do {
            return try JSONDecoder().decode(type, from: Data(answer.body))
        } catch {
            throw EngineError(status: answer.status, message: "the engine answered something unexpected: \(answer.text.prefix(200))")
        }
    }
}

/// Docker's multiplexed log stream: a header of stream (1), zeros (3) and big-endian length (4) before each piece,
/// cut into chunks anywhere. The log of a container with a terminal has no headers.
struct LogFrames {
    private var rest: [UInt8] = []
    private var isPlain = false

    mutating func take(_ chunk: [UInt8]) -> [UInt8] {
        if isPlain { return chunk }
        rest += chunk
        var text: [UInt8] = []
        var left = rest[...]
        while left.count >= 8 {
            let head = Array(left.prefix(8))
            guard head[0] <= 2, head[1] == 0, head[2] == 0, head[3] == 0 else {
                isPlain = true
                text += left
                left = []
                break
            }
            let length = head[4...].reduce(0) { $0 << 8 | Int($1) }
            guard left.count >= 8 + length else { break }
            text += left.dropFirst(8).prefix(length)
            left = left.dropFirst(8 + length)
        }
        rest = Array(left)
        return text
    }

    static func lines(of body: [UInt8]) -> [String] {
        var frames = LogFrames()
        let text = frames.take(body) + (frames.isPlain ? [] : frames.rest.dropFirst(8))
        return text.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    }
}
