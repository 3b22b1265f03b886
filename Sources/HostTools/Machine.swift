import FoundationEssentials
import Glibc
import Subprocess
import SystemPackage

/// What is asked of the machine: programs, and files. Doubles answer in tests, so that a fault can be planted without breaking a machine.
public protocol Machine: Sendable {
    /// Runs a program to its end.
    /// - Parameters:
    ///   - words: its name, looked up in the usual folders, and its arguments; never secrets.
    ///   - input: for its standard input; the place for secrets.
    ///   - limit: after which it is killed.
    func run(_ words: [String], input: String?, limit: Duration) async -> ProgramRun
    /// Looks at a file without following what it says.
    func file(_ path: String) -> FileLook
}

extension Machine {
    /// A program without input that gets 15 s.
    public func run(_ words: [String]) async -> ProgramRun { await run(words, input: nil, limit: .seconds(15)) }
}

/// How a program ended.
public enum ProgramRun: Sendable, Equatable {
    /// Its exit code, and what it wrote to its standard output and error.
    case ended(Int32, output: String, errors: String)
    /// It is not installed.
    case missing
    /// It could not be started, was killed, or took too long; in words.
    case failed(String)

    /// What it wrote, when it succeeded.
    public var output: String? {
        if case .ended(0, let output, _) = self { output } else { nil }
    }

    /// What it wrote when it succeeded, or why nobody knows.
    /// - Parameter name: the program's.
    public func seen(_ name: String) -> Seen<String> {
        switch self {
        case .ended(0, let output, _): .seen(output)
        case .ended(let code, let output, let errors):
            .unseen("\(name) failed (\(code)): \(Self.firstLine(errors.isEmpty ? output : errors))")
        case .missing: .unseen("\(name) is not installed")
        case .failed(let reason): .unseen("\(name) \(reason)")
        }
    }

    private static func firstLine(_ text: String) -> Substring { text.split(whereSeparator: \.isNewline).first ?? "without a word" }
}

/// A file as it was found.
public enum FileLook: Sendable, Equatable {
    /// Its text, as far as it is UTF-8 (the first 256 KiB), the permission bits, and the owner.
    case text(String, mode: UInt32, owner: UInt32)
    /// It is a folder, a socket, a device or a pipe.
    case other(mode: UInt32, owner: UInt32)
    case missing
    /// The reason, such as "Permission denied".
    case unreadable(String)

    /// The text of a file that has one.
    public var text: String? {
        if case .text(let text, _, _) = self { text } else { nil }
    }
    /// Whether there is anything of this name.
    public var exists: Bool { self != .missing }
}

/// Something that was looked for.
public enum Seen<Value: Sendable>: Sendable {
    case seen(Value)
    /// Why it couldn't be looked at.
    case unseen(String)

    /// The value, where there is one.
    public var value: Value? {
        if case .seen(let value) = self { value } else { nil }
    }

    /// The same of another value.
    public func map<Other: Sendable>(_ change: (Value) -> Other) -> Seen<Other> {
        switch self {
        case .seen(let value): .seen(change(value))
        case .unseen(let reason): .unseen(reason)
        }
    }
}

extension Seen: Equatable where Value: Equatable {}

/// The machine that this program runs on.
public struct ThisMachine: Machine {
    private static let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin"]

    /// Takes no part of the environment over but the terminal's: what is seen must not depend on who asks.
    public init() {}

    public func run(_ words: [String], input: String?, limit: Duration) async -> ProgramRun {
        guard let program = Self.path(of: words[0]) else { return .missing }
        return await withTaskGroup(of: ProgramRun?.self) { group in
            group.addTask { await Self.start(program, Array(words.dropFirst()), input: input ?? "") }
            group.addTask {
                do { try await Task.sleep(for: limit) } catch { return nil }
                return .failed("did not end within \(limit.components.seconds) s")
            }
            let first = await group.next() ?? nil
            // Kills the program, where it is the time that was up.
            group.cancelAll()
            return first ?? .failed("was interrupted")
        }
    }

    private static func path(of name: String) -> String? {
        if name.hasPrefix("/") { return access(name, X_OK) == 0 ? name : nil }
        return folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    private static func start(_ program: String, _ arguments: [String], input: String) async -> ProgramRun {
        do {
            let done = try await Subprocess.run(
                .path(FilePath(program)), arguments: Arguments(arguments),
                environment: .custom(["PATH": folders.joined(separator: ":"), "LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"]),
                input: .string(input), output: .string(limit: 4 << 20), error: .string(limit: 1 << 20))
            switch done.terminationStatus {
            case .exited(let code): return .ended(code, output: done.standardOutput, errors: done.standardError)
            case .signaled(let signal): return .failed("was ended by signal \(signal)")
            }
        } catch {
            return .failed("could not be run: \(error)")
        }
    }

    public func file(_ path: String) -> FileLook {
        var status = stat()
        guard stat(path, &status) == 0 else { return errno == ENOENT || errno == ENOTDIR ? .missing : .unreadable(String(cString: strerror(errno))) }
        guard status.st_mode & S_IFMT == S_IFREG else { return .other(mode: status.st_mode & 0o7777, owner: status.st_uid) }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return .unreadable(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count < 1 << 18 {
            let count = read(descriptor, &piece, piece.count)
            // Files of the kernel may end in an error.
            if count <= 0 { break }
            bytes += piece[..<count]
        }
        return .text(String(decoding: bytes, as: UTF8.self), mode: status.st_mode & 0o7777, owner: status.st_uid)
    }

}

extension String {
    /// Without the white space around it.
    public var trimmed: String { String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed()) }
}

/// A size for people, with one decimal.
public func gibibytes(_ bytes: Int64) -> String { "\((Double(bytes) / Double(1 << 30) * 10).rounded() / 10) GiB" }
