/// The kept log of a runner that failed to start or died, as `GET /logs` lists it. `GET /runners/ID/log` has its text.
public struct KeptLogView: Codable, Sendable, Equatable {
    /// AutoGit's id of the runner.
    public var runner: String
    /// Its name.
    public var name: String
    /// When it was read, which is when the runner had ended.
    public var at: String
    /// Its length.
    public var bytes: Int
    /// The runner's pool; absent where the runner is forgotten.
    public var pool: String?
    /// Why the runner ended; absent where that is not known.
    public var reason: String?

    public init(runner: String, name: String, at: String, bytes: Int, pool: String?, reason: String?) {
        self.runner = runner
        self.name = name
        self.at = at
        self.bytes = bytes
        self.pool = pool
        self.reason = reason
    }
}
