import ArgumentParser
import ControlModel
import FoundationEssentials
import Glibc
import HTTPTransfer

/// The codes that scripts can tell apart; those above 63 are sysexits.h(3head)'s.
extension ExitCode {
    static let notFound = ExitCode(3)
    static let conflict = ExitCode(4)
    static let unavailable = ExitCode(69)
    static let noPermission = ExitCode(77)
}

/// Calls the daemon over its control socket. What goes wrong is said on standard error, with the next step, and
/// leaves as an exit code.
struct ControlClient {
    let socket: String
    private let http = HTTPClient()

    init(socket: String) { self.socket = socket }

    func call(
        _ method: String, _ path: String, body: (any Encodable)? = nil, accepting: Set<Int> = [], timeout: Duration = .seconds(90)
    ) async throws -> [UInt8] {
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
        if answer.isSuccess || accepting.contains(answer.status) { return answer.body }
        throw refusal(answer.status, answer.body)
    }

    func get<T: Decodable>(_ path: String, as type: T.Type, accepting: Set<Int> = []) async throws -> (value: T, raw: [UInt8]) {
        let body = try await call("GET", path, accepting: accepting)
        return (try decode(type, body), body)
    }

    func decode<T: Decodable>(_ type: T.Type, _ body: [UInt8]) throws -> T {
        do { return try JSONDecoder().decode(type, from: Data(body)) } catch {
            throw fail("the daemon answered something unexpected: is autogitctl of the same version as autogitd?", .failure)
        }
    }

    func stream(_ path: String, _ take: ([UInt8]) -> Void) async throws {
        do {
            let (head, chunks) = try await http.stream(HTTPRequest("GET", "http://autogit\(path)", unixSocket: socket, timeout: nil))
            var body: [UInt8] = []
            for try await chunk in chunks {
                if head.isSuccess { take(chunk) } else { body += chunk }
            }
            if !head.isSuccess { throw refusal(head.status, body) }
        } catch let error as TransferError {
            throw unreachable(error)
        }
    }

    private func refusal(_ status: Int, _ body: [UInt8]) -> ExitCode {
        let problem = try? JSONDecoder().decode(Problem.self, from: Data(body))
        let code: ExitCode =
            switch status {
            case 404: .notFound
            case 409: .conflict
            case 503: .unavailable
            default: .failure
            }
        return fail(problem?.detail ?? "the daemon answered \(status)", code)
    }

    private func unreachable(_ error: TransferError) -> ExitCode {
        if access(socket, F_OK) == 0, access(socket, W_OK) != 0 {
            return fail("you may not use \(socket): run this with sudo, or join the group autogit (adduser $USER autogit, and log in anew)", .noPermission)
        }
        return fail("the daemon does not answer at \(socket) (\(error.message)): systemctl status autogit.socket autogit-control.socket autogit", .unavailable)
    }
}

func fail(_ text: String, _ code: ExitCode) -> ExitCode {
    writeAll("autogitctl: \(printable(text))\n", to: 2)
    return code
}

func writeAll(_ text: String, to descriptor: Int32 = 1) { writeAll(Array(text.utf8), to: descriptor) }

func writeAll(_ bytes: [UInt8], to descriptor: Int32 = 1) {
    var rest = bytes[...]
    while !rest.isEmpty {
        let written = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        // A closed pipe, as of `autogitctl jobs | head`.
        if written <= 0 { exit(written < 0 && errno == EPIPE ? 0 : 1) }
        rest = rest.dropFirst(written)
    }
}
