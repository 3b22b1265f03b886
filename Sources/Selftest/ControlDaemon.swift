import ControlModel
import Fleet
import FoundationEssentials
import Glibc
import HTTPTransfer

/// The daemon behind its control socket.
public struct ControlDaemon: SelftestDaemon {
    private let socket: String
    private let http: HTTPClient

    /// - Parameter socket: the path of the control socket.
    public init(socket: String, http: HTTPClient) {
        self.socket = socket
        self.http = http
    }

    /// The daemon doesn't answer, or refuses something.
    public struct Refusal: Error, CustomStringConvertible {
        /// With the next step.
        public var description: String
    }

    /// See `SelftestDaemon`.
    public func pools() async throws -> [String: Bool] {
        let pools = try await ask("GET", "/pools", as: [PoolView].self)
        return Dictionary(pools.map { ($0.name, $0.paused) }) { first, _ in first }
    }

    /// See `SelftestDaemon`.
    public func installHook(project: Int64) async throws {
        _ = try await ask("POST", "/hooks", body: try JSONEncoder().encode(HookRequest(project: "\(project)", url: nil)), as: HookView.self)
    }

    /// See `SelftestDaemon`.
    public func waitingReasons(of jobs: [Int64]) async -> [Int64: String] {
        var reasons: [Int64: String] = [:]
        for job in jobs { reasons[job] = (try? await ask("GET", "/jobs/\(job)", as: JobView.self))?.waiting_reason }
        return reasons
    }

    /// See `SelftestDaemon`.
    public func knowsTheEnd(of job: Int64) async -> Bool {
        guard let known = try? await ask("GET", "/jobs/\(job)", as: JobView.self) else { return true }
        return JobStatus(rawValue: known.status).isOver
    }

    /// See `SelftestDaemon`.
    public func pool(ofRunner name: String) async -> String? {
        try? await ask("GET", "/runners/\(percentEncoded(name))", as: RunnerView.self).pool
    }

    private func ask<Answer: Decodable>(_ method: String, _ path: String, body: Data? = nil, as type: Answer.Type) async throws -> Answer {
        let headers = body == nil ? [] : [(name: "Content-Type", value: "application/json")]
        let answer: HTTPResponse
        do {
            answer = try await http.send(
                HTTPRequest(method, "http://autogit\(path)", headers: headers, body: body.map { Array($0) }, unixSocket: socket, timeout: .seconds(90)))
        } catch {
            let isForbidden = access(socket, F_OK) == 0 && access(socket, W_OK) != 0
            throw Refusal(
                description: isForbidden
                    ? "no permission to use \(socket); run this with sudo" : "the daemon does not answer at \(socket) (\(error)); see: systemctl status autogit"
            )
        }
        guard answer.isSuccess else {
            let problem = try? JSONDecoder().decode(Problem.self, from: Data(answer.body))
            throw Refusal(description: problem?.detail ?? "the daemon answered \(answer.status) without a reason; see: journalctl -u autogit")
        }
        do { return try JSONDecoder().decode(type, from: Data(answer.body)) } catch {
            throw Refusal(description: "the daemon's answer has an unknown format; is another version running? systemctl restart autogit")
        }
    }
}
