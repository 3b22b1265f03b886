import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#endif

/// How the engine's socket gets to runners that have the engine make containers for their jobs, the same for every driver.
///
/// Whoever was given the socket's file keeps that file. An engine that is restarted may make another, which they can't see then. So
/// the socket's folder is given where that gives nothing else away; its content can't be changed through it, and sockets can be
/// connected to all the same.
public struct SocketMount: Sendable, Equatable {
    /// What is given: the folder or the socket.
    public let source: String
    /// Whether the folder is given, which is to be read-only.
    public let isFolder: Bool
    /// Changes when whoever has the mount can no longer reach the engine through it.
    public let identity: String
    private let name: String

    /// - Parameter socket: on this machine.
    /// - Returns: nil when there is no such file.
    public init?(_ socket: String) {
        guard let file = Self.identity(ofFile: socket) else { return nil }
        let (folder, name) = Self.split(socket)
        self.name = name
        // Only names are looked at, for what else a folder of sockets holds is nobody's business either.
        if (try? FileManager.default.contentsOfDirectory(atPath: folder)) == [name], let found = Self.identity(ofFolder: folder) {
            (source, isFolder, identity) = (folder, true, found)
        } else {
            (source, isFolder, identity) = (socket, false, file)
        }
    }

    /// A socket of another machine, where nobody can look. Podman's has a folder of its own; of any other the file is given, and a runner loses the
    /// engine when that makes another.
    public init(remote socket: String) {
        let (folder, name) = Self.split(socket)
        self.name = name
        isFolder = folder.hasSuffix("/podman") && name == "podman.sock"
        source = isFolder ? folder : socket
        identity = "remote:\(socket)"
    }

    /// Where the source is mounted, so that the socket is in `directory` as the runner sees it.
    public func destination(in directory: String) -> String { isFolder ? directory : "\(directory)/\(name)" }

    /// Where the runner finds the engine's socket, however it is mounted.
    /// - Parameter directory: as the runner sees it.
    public static func path(of socket: String, in directory: String) -> String { "\(directory)/\(split(socket).name)" }

    /// Whether a mount with that identity still leads to the engine's socket. A socket that is not there now may come back as it was.
    public static func leads(_ identity: String, to socket: String) -> Bool {
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
