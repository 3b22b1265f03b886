import Foundation

/// The outcome of a program.
public struct Ran: Sendable {
    /// Its exit code, or the number of the signal that ended it.
    public var code: Int32
    /// False when a signal ended it.
    public var exited: Bool
    /// Its standard output and error, interleaved.
    public var out: String
}

/// Runs a program to its end, without blocking one of Swift's few cooperative threads: the server that the program talks to may be in
/// this process.
/// - Throws: when the program can't be started; a failure of the program is in the result.
public func run(_ program: String, _ arguments: [String]) async throws -> Ran {
    try await onAThread {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let out = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Ran(code: process.terminationStatus, exited: process.terminationReason == .exit, out: out)
    }
}

/// Runs blocking code on a thread of its own.
public func onAThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { done in
        Thread { done.resume(with: Result(catching: body)) }.start()
    }
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
