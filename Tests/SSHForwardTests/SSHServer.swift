import Foundation
import Glibc
import FakeGitLab
import TestBench

@testable import SSHForward

/// A real sshd on a port of 127.0.0.1, as our own user, with a key for the host and one that may log in.
final class SSHServer {
    static let program = "/usr/sbin/sshd"
    /// CI must not pass by skipping.
    static let isWanted = FileManager.default.isExecutableFile(atPath: program) || ProcessInfo.processInfo.environment["AUTOGIT_STRICT"] == "1"

    let scratch: ScratchFolder
    private(set) var port = 0
    private var child: SSHChild?
    private let log = Happenings<String>()

    var path: String { scratch.path }
    var identity: String { "\(path)/id" }
    var knownHosts: String { "\(path)/known" }

    struct Failure: Error { var message: String }

    init() async throws {
        scratch = try ScratchFolder("ssh")
        // Debian's init script makes it, for the part of sshd that has no privileges.
        if getuid() == 0 { mkdir("/run/sshd", 0o755) }
        for name in ["host", "id"] {
            let made = try await run("/usr/bin/ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", "\(path)/\(name)"])
            guard made.code == 0 else { throw Failure(message: made.out) }
        }
        try authorize()
        // sshd takes no port 0. A free one may be taken before sshd has it.
        for _ in 0..<20 {
            port = try freePort()
            if try await start() { break }
        }
        guard child != nil else { throw Failure(message: log.all.joined(separator: "\n")) }
        try trust("host")
    }

    /// Lets the key in.
    /// - Parameter command: what it runs whatever is asked for; empty for that.
    func authorize(command: String = "", key: String = "id") throws {
        let line = try String(contentsOfFile: "\(path)/\(key).pub", encoding: .utf8)
        try Data("\(command.isEmpty ? "" : "command=\"\(command)\" ")\(line)".utf8).write(to: URL(filePath: "\(path)/authorized"))
    }

    /// Writes which key the host has, for the client; nil for none.
    func trust(_ key: String?) throws {
        let line = try key.map { "[127.0.0.1]:\(port) \(try String(contentsOfFile: "\(path)/\($0).pub", encoding: .utf8))" } ?? ""
        try Data(line.utf8).write(to: URL(filePath: knownHosts))
    }

    /// - Returns: false when the port is taken.
    func start() async throws -> Bool {
        try Data(
            """
            Port \(port)
            ListenAddress 127.0.0.1
            HostKey \(path)/host
            AuthorizedKeysFile \(path)/authorized
            UsePAM no
            StrictModes no
            PidFile none
            PasswordAuthentication no
            KbdInteractiveAuthentication no

            """.utf8
        ).write(to: URL(filePath: "\(path)/config"))
        let (log, before) = (log, log.all.count)
        let started = try SSHChild(Self.program, ["-D", "-e", "-f", "\(path)/config"], environment: ["PATH=/usr/bin:/bin"]) { log.note($0) }
        Task {
            _ = await started.exit()
            log.note("over")
        }
        _ = await log.wait { $0.dropFirst(before).contains { $0.hasPrefix("Server listening") || $0 == "over" } }
        guard log.all.dropFirst(before).contains(where: { $0.hasPrefix("Server listening") }) else { return false }
        child = started
        return true
    }

    /// With all its connections, and without a word to them.
    func kill() async {
        guard let child else { return }
        // Each of sshd's connections has a session, and so a process group, of its own.
        let pids = child.pid.map(descendants(of:)) ?? []
        for pid in pids { Glibc.kill(pid, SIGKILL) }
        child.signal(SIGKILL)
        _ = await child.exit()
        self.child = nil
    }

    deinit {
        for pid in child?.pid.map(descendants(of:)) ?? [] { Glibc.kill(pid, SIGKILL) }
        child?.signal(SIGKILL)
    }
}
