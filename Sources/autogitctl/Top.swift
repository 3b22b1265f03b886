import ArgumentParser
import ControlModel
import FoundationEssentials
import Glibc

struct Top: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show waiting jobs, pools and runners live; pause, drain and read logs by key.",
        discussion: """
            Keys: up/down or j/k select, p pauses or resumes the pool, d drains the runner, l shows its log, ? lists the keys, q quits. Without a \
            terminal, or with --json, it prints the present state once.
            """)
    @OptionGroup var common: Common

    func run() async throws {
        let daemon = common.daemon
        if common.json { return writeAll(try await Self.json(daemon)) }
        // Before the full screen, so that a failure stays readable in the shell.
        let views = try await daemon.topViews()
        guard TopTerminal.isUsable else { return writeAll(Self.frame(views, at: Date())) }
        guard let signal = try await TopSession(daemon, views).run() else { return }
        // The parent sees which signal ended the program.
        Glibc.signal(signal, SIG_DFL)
        // Threads of libdispatch block signals.
        var only = sigset_t()
        sigemptyset(&only)
        sigaddset(&only, signal)
        pthread_sigmask(SIG_UNBLOCK, &only, nil)
        raise(signal)
    }

    /// One frame with all rows.
    static func frame(_ views: TopViews, at now: Date) -> String {
        let size = TopSize(columns: terminalWidth() ?? 160, rows: .max)
        let lines = TopScreen.lines(TopModel(views, size: size, at: now), isPrinted: true)
        return lines.map { $0.terminalText(isColoured: false) + "\n" }.joined()
    }

    /// The daemon's answers as they are, in one line, with fields that this version may not know.
    private static func json(_ daemon: ControlClient) async throws -> [UInt8] {
        var line: [UInt8] = []
        for name in ["status", "jobs", "pools", "runners"] {
            line += Array("\(line.isEmpty ? "{" : ",")\"\(name)\":".utf8)
            // JSON has line ends between values only.
            line += try await daemon.call("GET", "/\(name)").filter { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        }
        return line + Array("}\n".utf8)
    }
}

extension ControlClient {
    /// - Throws: `Failure`, also when the daemon takes longer than a few seconds.
    func topViews() async throws -> TopViews {
        async let status = topView("/status", as: StatusView.self)
        async let jobs = topView("/jobs", as: [JobView].self)
        async let pools = topView("/pools", as: [PoolView].self)
        async let runners = topView("/runners", as: [RunnerView].self)
        return try await TopViews(status: status, jobs: jobs, pools: pools, runners: runners)
    }

    private func topView<T: Decodable>(_ path: String, as type: T.Type) async throws -> T {
        try decode(type, try await call("GET", path, timeout: .seconds(5)))
    }
}
