import Foundation

/// A bare repository served over git's smart HTTP protocol by git itself (gitprotocol-http(5)).
enum GitRepository {
    /// - Returns: the commit that `main` points to, and the ids of its files' contents by path.
    static func make(at path: String, files: [String: String]) async throws -> (sha: String, blobs: [String: String]) {
        let tree = path + ".tree"
        let manager = FileManager.default
        try manager.createDirectory(atPath: tree, withIntermediateDirectories: true)
        for (name, content) in files {
            let file = URL(fileURLWithPath: "\(tree)/\(name)")
            try manager.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try content.write(to: file, atomically: false, encoding: .utf8)
        }
        let identity = ["-c", "user.name=Administrator", "-c", "user.email=root@example.test", "-c", "init.defaultBranch=main"]
        for arguments in [["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "Add CI configuration"]] {
            _ = try await Command.run("git", identity + ["-C", tree] + arguments)
        }
        _ = try await Command.run("git", ["clone", "--quiet", "--bare", tree, path])
        let sha = try await Command.run("git", ["-C", path, "rev-parse", "main"])
        let listed = try await Command.run("git", ["-C", path, "ls-tree", "-r", "-z", "main"])
        try manager.removeItem(atPath: tree)
        // Each is `<mode> blob <id><tab><path>`.
        let entries = String(decoding: listed, as: UTF8.self).split(separator: "\0").map { $0.split(separator: "\t", maxSplits: 1) }
        let blobs = entries.filter { $0.count == 2 }.map { (String($0[1]), $0[0].split(separator: " ").last.map(String.init) ?? "") }
        return (String(decoding: sha, as: UTF8.self).filter { !$0.isWhitespace }, Dictionary(blobs) { $1 })
    }

    static func advertise(_ path: String, version: String?) async throws -> [UInt8] {
        let refs = try await Command.run("git", ["upload-pack", "--stateless-rpc", "--advertise-refs", path], environment: environment(version))
        return Array("001e# service=git-upload-pack\n0000".utf8) + refs
    }

    static func uploadPack(_ path: String, request: [UInt8], gzipped: Bool, version: String?) async throws -> [UInt8] {
        let body = gzipped ? try await Command.run("gzip", ["-dc"], input: request) : request
        return try await Command.run("git", ["upload-pack", "--stateless-rpc", path], input: body, environment: environment(version))
    }

    private static func environment(_ version: String?) -> [String: String] {
        version.map { ["GIT_PROTOCOL": $0] } ?? [:]
    }
}

/// Runs a program to its end.
public enum Command {
    /// A program of git's ended with an error.
    public struct Failed: Error, CustomStringConvertible {
        /// The command and its words.
        public var description: String
        /// - Parameter description: the command and its words.
        public init(description: String) { self.description = description }
    }

    @discardableResult
    public static func run(
        _ program: String, _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:]
    ) async throws -> [UInt8] {
        try await withCheckedThrowingContinuation { done in
            Thread.detachNewThread {
                do { done.resume(returning: try runAndWait(program, arguments, input, environment)) } catch { done.resume(throwing: error) }
            }
        }
    }

    private static func runAndWait(_ program: String, _ arguments: [String], _ input: [UInt8], _ environment: [String: String]) throws -> [UInt8] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let (stdin, stdout, stderr) = (Pipe(), Pipe(), Pipe())
        process.standardInput = stdin
        process.standardOutput = stdout
        process.standardError = stderr
        try process.run()
        let complaints = Box()
        let reader = Thread {
            complaints.bytes = Array(stderr.fileHandleForReading.readDataToEndOfFile())
            complaints.ready.signal()
        }
        reader.start()
        let writer = Thread {
            try? stdin.fileHandleForWriting.write(contentsOf: Data(input))
            try? stdin.fileHandleForWriting.close()
        }
        writer.start()
        let output = stdout.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        complaints.ready.wait()
        guard process.terminationStatus == 0 else {
            let said = String(decoding: complaints.bytes, as: UTF8.self)
            throw Failed(description: "\(program) \(arguments.prefix(2).joined(separator: " ")) ended with \(process.terminationStatus): \(said)")
        }
        return Array(output)
    }

    /// Written by one thread before the signal, read by another after it.
    private final class Box: @unchecked Sendable {
        var bytes: [UInt8] = []
        let ready = DispatchSemaphore(value: 0)
    }
}
