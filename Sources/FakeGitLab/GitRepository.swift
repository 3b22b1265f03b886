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
