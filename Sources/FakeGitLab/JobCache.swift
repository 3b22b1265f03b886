/// One entry of a `cache:`, with GitLab's defaults.
public struct JobCache: Sendable, Equatable {
    /// What a cache is found by.
    public enum Key: Sendable, Equatable {
        /// As it is written: variables in it are the runner's matter.
        case text(String)
        /// The contents of one or two files, or of all that match where the path has a `*`.
        case files([String], prefix: String?)
    }

    /// `default` when nothing is said.
    public var key: Key
    /// What is kept, relative to the project; nil: none are named.
    public var paths: [String]?
    /// Whether it holds what git doesn't track; nil: nothing is said about it.
    public var untracked: Bool?
    /// `pull-push`, `pull`, `push`, or a variable that says which.
    public var policy: String
    /// `on_success`, `on_failure` or `always`.
    public var when: String
    /// Asked for in this order where `key` finds nothing; at most five.
    public var fallbackKeys: [String]
    /// Protected branches share it with others.
    public var unprotect: Bool

    init(_ config: ConfigNode) throws {
        let hash = try config.hash()
        try hash.allow(["key", "paths", "untracked", "policy", "when", "fallback_keys", "unprotect"])
        key = try hash["key"].map(Self.key) ?? .text("default")
        paths = try hash.texts("paths")
        untracked = try hash.flag("untracked")
        policy = try hash.text("policy") ?? "pull-push"
        guard ["pull-push", "pull", "push"].contains(policy) || policy.hasPrefix("$") else {
            throw hash.refused("policy", "should be a variable or one of: pull-push, push, pull")
        }
        when = try hash.text("when", oneOf: ["on_success", "on_failure", "always"]) ?? "on_success"
        fallbackKeys = try hash.texts("fallback_keys") ?? []
        if fallbackKeys.count > 5 { throw hash.refused("fallback_keys", "has to many entries (maximum 5)") }
        unprotect = try hash.flag("unprotect") ?? false
    }

    /// One, or a list of up to four.
    static func all(_ config: ConfigNode) throws -> [JobCache] {
        guard let sequence = config.node.sequence else { return [try JobCache(config)] }
        if sequence.count > 4 { throw config.refused("no more than 4 caches can be created") }
        return try sequence.compactMap { try ConfigNode($0, config.place).map(JobCache.init) }
    }

    private static func key(_ config: ConfigNode) throws -> Key {
        if let text = config.text {
            if text.contains("/") || text.lowercased().contains("%2f") { throw config.refused("cannot contain the \"/\" character") }
            if [".", "..", "%2e", "%2e%2e"].contains(text.lowercased()) { throw config.refused("cannot be \".\" or \"..\"") }
            return .text(text)
        }
        guard config.node.mapping != nil else { throw config.refused("should be a hash, a string or a symbol") }
        let hash = try config.hash()
        try hash.allow(["files", "prefix"], unsupported: ["files_commits"])
        guard let files = hash["files"] else { throw config.refused("missing required keys: files") }
        guard let paths = files.texts else { throw files.refused("should be an array of strings") }
        if paths.isEmpty { throw files.refused("requires at least 1 item") }
        if paths.count > 2 { throw files.refused("has too many items (maximum is 2)") }
        return .files(paths, prefix: try hash.text("prefix"))
    }
}
