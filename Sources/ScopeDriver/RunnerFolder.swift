import FoundationEssentials
import Glibc

/// The files of a runner and of its jobs.
enum RunnerFolder {
    /// Makes a folder that only its owner may read, and those around it; one that is there is no error.
    /// - Throws: what the file system says.
    static func make(_ folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    /// Writes a file that only its owner may read.
    /// - Throws: `ScopeError`
    static func write(_ text: String, to path: String) throws(ScopeError) {
        guard FileManager.default.createFile(atPath: path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]) else {
            throw ScopeError(description: "\(path) cannot be written: is the disk full?")
        }
    }

    /// Removes a folder with all that is in it; one that isn't there is no error. Blocks for as long as that takes.
    /// - Throws: what the file system says, when something can't be removed.
    static func remove(_ folder: String) throws {
        guard access(folder, F_OK) == 0 else { return }
        do { try FileManager.default.removeItem(atPath: folder) } catch {
            makeRemovable(folder)
            try FileManager.default.removeItem(atPath: folder)
        }
    }

    /// A job may have taken the permissions away from its own folders. Never follows a link out of them.
    private static func makeRemovable(_ folder: String) {
        chmod(folder, 0o700)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            let path = "\(folder)/\(name)"
            var about = stat()
            if lstat(path, &about) == 0, about.st_mode & S_IFMT == S_IFDIR { makeRemovable(path) }
        }
    }
}
