/// A cache, as `GET /caches` answers.
public struct CacheView: Codable, Sendable, Equatable {
    /// The pool that it was made for, which may be gone.
    public var pool: String
    /// `volume` or `s3`.
    public var kind: String
    /// The volume's or the bucket's name.
    public var name: String
    /// The only project whose jobs get it, as the configuration names it; absent where all of the pool's do.
    public var project: String?
    /// Absent for S3, and where the engine doesn't say.
    public var size_bytes: Int64?
    /// ISO 8601; absent for S3, and where the engine doesn't say.
    public var created_at: String?
    /// Names of the runners whose containers or whose jobs' have it mounted now, and of any other container that has. Empty for S3.
    public var used_by: [String]
    /// Whether a pool of the present configuration has it.
    public var configured: Bool

    public init(
        pool: String, kind: String, name: String, project: String? = nil, size_bytes: Int64? = nil, created_at: String? = nil, used_by: [String] = [],
        configured: Bool
    ) {
        self.pool = pool
        self.kind = kind
        self.name = name
        self.project = project
        self.size_bytes = size_bytes
        self.created_at = created_at
        self.used_by = used_by
        self.configured = configured
    }
}

/// The answer of `DELETE /caches/POOL`.
public struct ClearedCacheView: Codable, Sendable, Equatable {
    /// The pool's name.
    public var pool: String
    /// The volumes that were removed, by their names; empty when there was none.
    public var removed: [String]
    /// The bytes that they had; absent where the engine didn't say.
    public var freed_bytes: Int64?

    public init(pool: String, removed: [String], freed_bytes: Int64?) {
        self.pool = pool
        self.removed = removed
        self.freed_bytes = freed_bytes
    }
}
