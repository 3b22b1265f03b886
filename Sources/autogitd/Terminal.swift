import Glibc
import Setup
import Synchronization

/// Ctrl-C, as far as it is to undo something instead of ending the process at once.
enum Interruption {
    private static let count = Atomic<Int>(0)

    /// From now on it is only noted, and ends the question that waits for an answer.
    static func note() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in Interruption.count.wrappingAdd(1, ordering: .relaxed) }
        // Without SA_RESTART, so that a read of the terminal ends.
        action.sa_flags = 0
        for signal in [SIGINT, SIGTERM, SIGHUP] { sigaction(signal, &action, nil) }
    }

    static var isNoted: Bool { count.load(ordering: .relaxed) > 0 }
}

/// Questions on the terminal.
struct TerminalConsole: Console {
    /// False when flags alone are to answer.
    let isInteractive: Bool

    func say(_ line: String) { FileHandles.standardOutput(line + "\n") }

    func ask(_ question: String, usual: String?) -> String? {
        if Interruption.isNoted { return nil }
        let hint = usual.map { $0.isEmpty ? "" : " [\($0)]" } ?? ""
        FileHandles.standardError("\(question)\(hint): ")
        return Interruption.isNoted ? nil : Self.line()
    }

    func askSecret(_ question: String) -> String? {
        if Interruption.isNoted { return nil }
        FileHandles.standardError(question)
        var before = termios()
        guard tcgetattr(0, &before) == 0 else { return Self.line() }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(0, TCSAFLUSH, &silent)
        defer {
            tcsetattr(0, TCSAFLUSH, &before)
            FileHandles.standardError("\n")
        }
        return Self.line()
    }

    /// Not `readLine`, which goes on after a signal.
    static func line() -> String? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while true {
            let count = read(0, &byte, 1)
            if count < 0 { return nil }
            if count == 0 { return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self) }
            if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
            if bytes.count < 1 << 16 { bytes.append(byte) }
        }
    }
}
