import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#endif

/// How the engine's socket gets into the containers of runners that have the engine make containers for their jobs.
///
/// A container that was given the socket's file keeps that file. An engine that is restarted may make another, which it can't see then. So
/// the socket's folder is given where that gives nothing else away; its content can't be changed through it, and sockets can be
/// connected to all the same.
struct SocketMount: Sendable, Equatable {
    /// The socket's path in the container.
    let path: String
    /// In the engine's notation.
    let bind: String
    /// Changes when a container that has the mount can no longer reach the engine through it.
    let identity: String

    /// Where it is in the container. Not `/run` itself, in which images and engines have files of their own.
    private static let directory = "/run/engine"

    /// Where the runner finds the engine's socket, however it is mounted.
    static func path(of socket: String) -> String { directory + "/" + split(socket).name }

    /// - Parameter socket: on this machine.
    /// - Returns: nil when there is no such file.
    init?(_ socket: String) {
        guard let file = Self.identity(ofFile: socket) else { return nil }
        let (folder, name) = Self.split(socket)
        path = Self.path(of: socket)
        // Only names are looked at, for what else a folder of sockets holds is nobody's business either.
        if (try? FileManager.default.contentsOfDirectory(atPath: folder)) == [name], let found = Self.identity(ofFolder: folder) {
            bind = "\(folder):\(Self.directory):ro"
            identity = found
        } else {
            bind = "\(socket):\(path)"
            identity = file
        }
    }

    /// Whether a mount with that identity still leads to the engine's socket. A socket that is not there now may come back as it was.
    static func leads(_ identity: String, to socket: String) -> Bool {
        guard let file = Self.identity(ofFile: socket) else { return true }
        return identity == file || identity == Self.identity(ofFolder: split(socket).folder)
    }

    private static func split(_ socket: String) -> (folder: String, name: String) {
        let end = socket.lastIndex(of: "/") ?? socket.startIndex
        return (end == socket.startIndex ? "/" : String(socket[..<end]), String(socket[end...].dropFirst()))
    }

    /// With the time at which the socket was made, because file systems on disks use numbers again at once.
    private static func identity(ofFile path: String) -> String? {
        found(path).map { "file:\($0.st_dev):\($0.st_ino):\($0.st_mtim.tv_sec).\($0.st_mtim.tv_nsec)" }
    }

    private static func identity(ofFolder path: String) -> String? { found(path).map { "folder:\($0.st_dev):\($0.st_ino)" } }

    private static func found(_ path: String) -> stat? {
        var found = stat()
        return stat(path, &found) == 0 ? found : nil
    }
}
