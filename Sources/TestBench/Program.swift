import Foundation
import Subprocess
import SystemPackage

/// The outcome of a program.
public struct Ran: Sendable {
    /// Its exit code, or the number of the signal that ended it.
    public var code: Int32
    /// False when a signal ended it.
    public var exited: Bool
    /// Its standard output and error, interleaved.
    public var out: String
}

/// Runs a program to its end. A cancellation kills it.
/// - Parameter program: its path.
/// - Throws: `SubprocessError` when the program can't be started; a failure of the program is in the result.
public func run(_ program: String, _ arguments: [String]) async throws -> Ran {
    let done = try await Subprocess.run(
        .path(FilePath(program)), arguments: Arguments(arguments), output: .string(limit: .max), error: .combinedWithOutput)
    return switch done.terminationStatus {
    case .exited(let code): Ran(code: code, exited: true, out: done.standardOutput)
    case .signaled(let signal): Ran(code: signal, exited: false, out: done.standardOutput)
    }
}

/// The processes that a process has started, and theirs.
public func descendants(of pid: Int32) -> [Int32] {
    let text = (try? String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)) ?? ""
    let children = text.split(separator: " ").compactMap { Int32($0) }
    return children + children.flatMap(descendants(of:))
}

/// The path of a program of this package, as it was built with the tests.
public func product(_ name: String) -> String {
    let beside = Bundle.main.executableURL?.deletingLastPathComponent().appending(path: name).path ?? ""
    if FileManager.default.fileExists(atPath: beside) { return beside }
    return URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: ".build/debug/\(name)").path
}

/// A temporary folder, removed with the last reference to this value.
public final class ScratchFolder: Sendable {
    /// Absolute, mode 0700.
    public let path: String

    /// - Parameter name: a word for people who find the folder.
    public init(_ name: String) throws {
        path = NSTemporaryDirectory() + "autogit-\(name)-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
