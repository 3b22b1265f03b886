import Glibc

/// How the daemon asks for a fresh look: autogit-probe.path watches a file in a folder of the daemon's (`RuntimeDirectory=`), and has
/// autogit-probe.service write `ProbedHost.usualPath` anew, as root.
public enum ProbeRequest {
    /// The folder that the service's user owns.
    public static let folder = "/run/autogit/requests"
    /// The file that the unit watches.
    public static let usualPath = "\(folder)/probe"

    /// Asks, and returns at once. The answer is a file at `ProbedHost.usualPath` with a later time; a request during a look, or within the second after it,
    /// is not answered by another one.
    /// - Throws: `ProbeFileError` where the folder is missing, as without the units.
    public static func send(_ path: String = usualPath) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw ProbeFileError(path, errno) }
        defer { close(descriptor) }
        guard futimens(descriptor, nil) == 0 else { throw ProbeFileError(path, errno) }
    }

    /// The user that the daemon runs as, drop-ins included: the owner of the folder. nil where it is missing.
    public static func sender(folder: String = folder) -> UInt32? {
        var status = stat()
        guard lstat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
        return status.st_uid
    }
}
