import FoundationEssentials
import Glibc

/// The files of a runner and of its jobs.
enum RunnerFolder {
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
