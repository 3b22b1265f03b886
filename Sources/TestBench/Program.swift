import Foundation

/// What came of a program that ran to its end.
public struct Ran: Sendable {
    /// Its exit code, or the number of the signal that ended it.
    public var code: Int32
    /// Whether it ended by itself.
    public var exited: Bool
    /// What it wrote to its standard output and error.
    public var out: String
}

/// Runs a program to its end. It doesn't hold one of Swift's threads meanwhile, which are as many as there are processors:
/// what the program talks to may be in this process.
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

/// Does what blocks on a thread of its own.
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

/// A folder that is gone with the last use of this value.
public final class ScratchFolder: Sendable {
    public let path: String

    public init(_ name: String) throws {
        path = NSTemporaryDirectory() + "autogit-\(name)-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
