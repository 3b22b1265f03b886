import Fleet

/// What of an engine on another machine can't be seen from here.
public struct RemoteEngine: Sendable {
    /// The path over there of the engine's socket, which runners of the Docker executor are given; nil while it is not known.
    public var runnerSocket: @Sendable () -> String?
    /// Measures the file system that has a path over there.
    public var disk: @Sendable (String) async throws -> DiskSpace?
    /// - Parameter disk: by default nobody can look.
    public init(runnerSocket: @escaping @Sendable () -> String?, disk: @escaping @Sendable (String) async throws -> DiskSpace? = { _ in nil }) {
        self.runnerSocket = runnerSocket
        self.disk = disk
    }
}
