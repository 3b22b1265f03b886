import FoundationEssentials
import Glibc
import HTTPTransfer

/// Calls to the daemon over its control socket. All of them throw `Failure`.
struct ControlClient {
    let socket: String
    private let http = HTTPClient()

    init(socket: String) { self.socket = socket }

    /// - Parameters:
    ///   - body: sent as JSON.
    ///   - timeout: for the whole call.
    /// - Returns: the body of the answer.
    func call(_ method: String, _ path: String, body: (any Encodable)? = nil, timeout: Duration = .seconds(90)) async throws -> [UInt8] {
        let json = try body.map { Array(try JSONEncoder().encode($0)) }
        let answer: HTTPResponse
        do {
            answer = try await http.send(
                HTTPRequest(
                    method, "http://autogit\(path)", headers: json == nil ? [] : [("Content-Type", "application/json")], body: json, unixSocket: socket,
                    timeout: timeout))
        } catch let error as TransferError {
            throw unreachable(error)
        }
        if answer.isSuccess { return answer.body }
        throw Failure.refused(status: answer.status, body: answer.body)
    }

    /// - Returns: the answer as a value, and as it came, for `--json`.
    func get<T: Decodable>(_ path: String, as type: T.Type) async throws -> (value: T, raw: [UInt8]) {
        let body = try await call("GET", path)
        return (try decode(type, body), body)
    }

    func decode<T: Decodable>(_ type: T.Type, _ body: [UInt8]) throws -> T {
        do { return try JSONDecoder().decode(type, from: Data(body)) } catch {
            throw Failure(
                "the daemon's answer has an unknown format; autogitctl and autogitd may have different versions, compare: autogitctl --version, "
                    + "autogitd --version", .failure)
        }
    }

    /// Passes the body of an answer on as it arrives, until it ends.
    func stream(_ path: String, _ take: ([UInt8]) -> Void) async throws {
        do {
            let (head, chunks) = try await http.stream(HTTPRequest("GET", "http://autogit\(path)", unixSocket: socket, timeout: nil))
            var body: [UInt8] = []
            for try await chunk in chunks {
                if head.isSuccess { take(chunk) } else { body += chunk }
            }
            if !head.isSuccess { throw Failure.refused(status: head.status, body: body) }
        } catch let error as TransferError {
            throw unreachable(error)
        }
    }

    private func unreachable(_ error: TransferError) -> Failure {
        .unreachable(socket: socket, reason: error.message, isForbidden: access(socket, F_OK) == 0 && access(socket, W_OK) != 0)
    }
}

func writeAll(_ text: String, to descriptor: Int32 = 1) { writeAll(Array(text.utf8), to: descriptor) }

func writeAll(_ bytes: [UInt8], to descriptor: Int32 = 1) {
    var rest = bytes[...]
    while !rest.isEmpty {
        let written = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        // The reader of a pipe may leave early, such as the head of `autogitctl jobs | head`.
        if written <= 0 { exit(written < 0 && errno == EPIPE ? 0 : 1) }
        rest = rest.dropFirst(written)
    }
}
