/// Where jobs keep what their `cache:` names, and who can reach it.
public struct JobCache: Sendable, Equatable {
    /// Where it is.
    public enum Kind: String, Sendable, CaseIterable {
        /// In a volume of the engine, mounted at /cache in all jobs of a pool.
        case volume
        /// In the job's own container or in the runner's: it goes with it.
        case none
        /// In a bucket of an S3-compatible server, where gitlab-runner has a folder for each project.
        case s3
    }

    /// Who can read and change it.
    public enum Scope: String, Sendable, CaseIterable {
        /// All jobs that the pool runs, of whatever project.
        case pool
        /// Jobs of the project that stored it, and no others.
        case project
    }

    /// Where it is.
    public var kind = Kind.volume
    /// Who can read and change it.
    public var scope = Scope.pool
    /// The bucket; says nothing with another kind.
    public var s3 = S3Cache()

    public init(_ kind: Kind = .volume, scope: Scope = .pool) {
        self.kind = kind
        self.scope = scope
    }
}

/// A bucket for caches. The names are nearly those of gitlab-runner's `[runners.cache.s3]`
/// (docs.gitlab.com/runner/configuration/advanced-configuration).
public struct S3Cache: Sendable, Equatable {
    /// AWS's own, where gitlab-runner finds the address of the bucket's region by itself.
    public static let amazon = "s3.amazonaws.com"

    /// `HOST` or `HOST:PORT`, as runners reach it.
    public var serverAddress = amazon
    /// The bucket's name; nil only where none is configured.
    public var bucket: String?
    /// The bucket's region; nil to let gitlab-runner find it out, which it asks of AWS whatever the server.
    public var location: String?
    /// The id of the key that `secretKey` belongs to; nil for the role that the machine has from AWS (IAM).
    public var accessKey: Secret?
    /// What requests are signed with; there if and only if `accessKey` is.
    public var secretKey: Secret?
    /// Whether the server is reached by HTTP in place of HTTPS.
    public var insecure = false
    /// The folder of the bucket in which the projects' folders are; empty for the bucket itself.
    public var path = ""
    /// The most bytes of an archive that is stored; nil for no bound.
    public var maxArchiveSize: Int64?

    public init() {}

    /// Whether the server is AWS's.
    public var isAmazon: Bool {
        let host = serverAddress.prefix { $0 != ":" }.lowercased()
        return host == "amazonaws.com" || host.hasSuffix(".amazonaws.com") || host.hasSuffix(".amazonaws.com.cn")
    }
}

/// A volume of the engine that holds a pool's cache.
public struct CacheVolume: Sendable, Hashable {
    /// The pool whose jobs share it.
    public var pool: String
    /// The only project whose jobs get it, as `register` names it; nil where all of the pool's do.
    public var project: String?

    public init(pool: String, project: String? = nil) {
        self.pool = pool
        self.project = project
    }

    /// The engine's name of it: that of the pool, and of this AutoGit, for two may use one engine. A volume that one project has to itself
    /// has a name that no other volume of the pool ever had, because another project may have left something there.
    public func name(instance: String) -> String {
        guard let project else { return "\(Self.shared)\(instance)-\(pool)" }
        return "\(Self.separate)\(instance)-\(pool)-\(Self.digest(project))"
    }

    /// The pool of a volume; nil for one that isn't of this AutoGit. Names are enough: an engine makes a volume that a job's container wants and
    /// that isn't there, and such a volume has no labels.
    public static func pool(ofVolume name: String, instance: String) -> String? {
        func rest(_ prefix: String) -> Substring? { name.hasPrefix(prefix) ? name.dropFirst(prefix.count) : nil }
        if let pool = rest("\(shared)\(instance)-") { return pool.isEmpty ? nil : String(pool) }
        guard let rest = rest("\(separate)\(instance)-"), rest.count > digits + 1 else { return nil }
        return String(rest.dropLast(digits + 1))
    }

    private static let shared = "autogit-cache-"
    private static let separate = "autogit-project-cache-"
    private static let digits = 16

    /// FNV-1a: a path has characters that a volume's name can't have. Two projects of one pool's configurations, one after the other, that
    /// have the same are a matter of 2^64, and nobody but the operator chooses them.
    private static func digest(_ text: String) -> String {
        let hash = text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        let hex = String(hash, radix: 16)
        return String(repeating: "0", count: digits - hex.count) + hex
    }
}

/// A volume with a cache, as the engine has it.
public struct StoredCache: Sendable, Equatable {
    /// The engine's name of it.
    public var name: String
    /// The pool that it was made for, which may be gone.
    public var pool: String
    /// The only project whose jobs get it; nil for all, and where that is unknown.
    public var project: String?
    /// Bytes; nil where the engine doesn't say.
    public var size: Int64?
    /// nil where the engine doesn't say.
    public var createdAt: Timestamp?
    /// The runners whose containers, or whose jobs', have it now, by their names; another container by its own.
    public var users: [String]

    public init(name: String, pool: String, project: String? = nil, size: Int64? = nil, createdAt: Timestamp? = nil, users: [String] = []) {
        self.name = name
        self.pool = pool
        self.project = project
        self.size = size
        self.createdAt = createdAt
        self.users = users
    }
}
