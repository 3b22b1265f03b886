import ControlModel
import Foundation
import FakeGitLab
import Fleet
import HTTPTransfer
import HostProbe

/// The real daemon as a process, in a folder of its own.
public actor DaemonUnderTest {
    /// Contains its configuration, state, control socket and log.
    public nonisolated let directory: String
    /// The TCP port on 127.0.0.1.
    public nonisolated let port: Int
    /// Random for each daemon.
    public nonisolated let webhookSecret = "hook-secret-\(UInt64.random(in: 0 ... .max))"
    private let program: String
    private let environment: [String: String]
    private let http = HTTPClient()
    private var child: Child?

    /// Writes the configuration; `start` starts the daemon.
    /// - Parameters:
    ///   - settings: TOML that follows the sections `[gitlab]`, `[listen]`, `[state]` and `[engine]`.
    ///   - engine: the path of its socket; nil leaves the daemon to look for one.
    ///   - gitlabSettings: more keys of `[gitlab]`.
    ///   - listenSettings: more keys of `[listen]`.
    ///   - environment: added to our own.
    public init(
        program: String, directory: String, gitlab: String, token: String, engine: String?, pollInterval: String = "5s", settings: String,
        gitlabSettings: String = "", listenSettings: String = "", environment: [String: String] = [:]
    ) throws {
        self.program = program
        self.environment = environment
        self.directory = directory
        port = try freePort()
        let manager = FileManager.default
        try manager.createDirectory(atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        for (name, value) in [("gitlab-token", token), ("webhook-secret", webhookSecret)] {
            guard manager.createFile(atPath: "\(directory)/\(name)", contents: Data(value.utf8), attributes: [.posixPermissions: 0o600]) else {
                throw CocoaError(.fileWriteUnknown)
            }
        }
        let text = """
            [gitlab]
            url = "\(gitlab)"
            token_file = "\(directory)/gitlab-token"
            webhook_secret_file = "\(directory)/webhook-secret"
            poll_interval = "\(pollInterval)"
            \(gitlabSettings)
            [listen]
            http = "127.0.0.1:\(port)"
            control = "\(directory)/control.sock"
            \(listenSettings)
            [state]
            directory = "\(directory)/state"
            [engine]
            \(engine.map { "socket = \"\($0)\"" } ?? "")

            """
        try (text + settings + "\n").write(toFile: "\(directory)/autogit.toml", atomically: true, encoding: .utf8)
    }

    /// The root of its API, without a slash at the end.
    public nonisolated var url: String { "http://127.0.0.1:\(port)" }
    /// The file with all output of all its processes so far.
    public nonisolated var logPath: String { "\(directory)/daemon.log" }
    /// The content of that file.
    public nonisolated var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }
    /// What `probe` found, as root's units have it in /run/autogit.
    public nonisolated var hostFile: String { "\(directory)/host.json" }
    /// nil while it doesn't run.
    public var pid: Int32? { child?.pid }

    /// Starts it and waits until it answers.
    /// - Throws: `NotRunning` with the end of its log when it ends, or does not answer within five minutes.
    public func start() async throws {
        let probed = FileManager.default.fileExists(atPath: hostFile) ? ["--host-file", hostFile] : []
        let child = try await Child.start(program, ["--config", "\(directory)/autogit.toml"] + probed, environment: environment, log: logPath)
        self.child = child
        let deadline = ContinuousClock.now + .seconds(300)
        while true {
            let answer = try? await http.send(HTTPRequest("GET", "\(url)/runners", timeout: .seconds(2)))
            // It may want a token.
            if let answer, answer.isSuccess || answer.status == 401 { return }
            guard child.isRunning, ContinuousClock.now < deadline else {
                throw NotRunning(description: "autogitd did not start:\n\(log.suffix(3000))")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Has this machine looked at, as root's units do where there is systemd. Without it the daemon knows no emulators and GPUs.
    /// - Parameter kept: the GPUs that the daemon is told of; those of others who test on this machine come and go.
    /// - Returns: all that was found.
    @discardableResult
    public func probe(keeping kept: @Sendable (GPU) -> Bool = { _ in true }) async throws -> ProbedHost {
        let ran = try await run(program, ["--probe-host", hostFile])
        guard ran.exited, ran.code == 0 else { throw NotRunning(description: "autogitd --probe-host failed: \(ran.out)") }
        let found = try ProbedHost.read(path: hostFile)
        var told = found
        told.gpus.removeAll { !kept($0) }
        try told.write(to: hostFile)
        return found
    }

    /// The daemon did not come up.
    public struct NotRunning: Error, CustomStringConvertible {
        /// With the end of the daemon's log.
        public var description: String
        public init(description: String) { self.description = description }
    }

    /// Sends a signal and waits for its end.
    /// - Returns: the exit code or signal; nil when it did not run.
    @discardableResult
    public func stop(_ signal: Int32 = SIGTERM) async -> Int32? {
        defer { child = nil }
        return await child?.stop(signal)
    }

    /// Decodes the answer to a GET on the public address, whatever its status.
    public func get<T: Decodable & Sendable>(_ path: String, as type: T.Type) async throws -> T {
        let answer = try await http.send(HTTPRequest("GET", url + path, timeout: .seconds(60)))
        return try JSONDecoder().decode(type, from: Data(answer.body))
    }

    /// Any request, to anywhere.
    public func send(_ request: HTTPRequest) async throws -> HTTPResponse { try await http.send(request) }

    /// A call over the control socket.
    /// - Parameter body: JSON.
    public func control(_ method: String, _ path: String, body: String? = nil) async throws -> HTTPResponse {
        try await http.send(
            HTTPRequest(method, "http://autogit\(path)", body: body.map { Array($0.utf8) }, unixSocket: "\(directory)/control.sock", timeout: .seconds(30)))
    }

    /// Waits up to five minutes until the daemon has no runner left. GitLab forgets a runner shortly before the daemon does.
    /// - Returns: whether none is left.
    public func isEmptied() async throws -> Bool { try await hasRunners(within: .seconds(300), \.isEmpty) }

    /// Waits until the daemon's runners are as they are wanted.
    /// - Returns: whether they were.
    public func hasRunners(within time: Duration = .seconds(600), _ test: @Sendable ([RunnerView]) -> Bool) async throws -> Bool {
        let deadline = ContinuousClock.now + time
        while try await !test(runners()) {
            guard ContinuousClock.now < deadline else { return false }
            try await Task.sleep(for: .milliseconds(20))
        }
        return true
    }

    /// All live runners.
    public func runners() async throws -> [RunnerView] { try await get("/runners", as: [RunnerView].self) }
    /// The newest jobs.
    public func jobs() async throws -> [JobView] { try await get("/jobs", as: [JobView].self) }
}
