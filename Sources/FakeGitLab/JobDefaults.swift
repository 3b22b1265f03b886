import Yams

/// What jobs inherit: the members of `default:`, and the five of them that may stand at the top of the file instead.
struct JobDefaults {
    private var members: [String: ConfigNode] = [:]

    /// Tags at the top are no defaults: GitLab takes them for a job of that name.
    private static let atTheTop = ["image", "services", "cache", "before_script", "after_script"]
    private static let keys: Set<String> = Set(atTheTop).union(["hooks", "tags", "timeout", "artifacts"])
    private static let unsupportedKeys: Set<String> = ["interruptible", "retry", "id_tokens", "identity"]

    /// - Throws: for what is wrong in them, used or not, and for what is in both places.
    init(_ file: [String: Node]) throws {
        let hash = try ConfigNode(file["default"], "default")?.hash()
        try hash?.allow(Self.keys, unsupported: Self.unsupportedKeys)
        for key in Self.keys { members[key] = hash?[key] }
        for key in Self.atTheTop {
            guard let top = ConfigNode(file[key], key) else { continue }
            if members[key] != nil { throw PipelineFile.Invalid(description: "\(key) is defined in top-level and `default:` entry") }
            members[key] = top
        }
        try check()
    }

    subscript(key: String) -> ConfigNode? { members[key] }

    private func check() throws {
        for key in ["before_script", "after_script"] { _ = try self[key]?.lines() }
        _ = try self["image"].map(JobImage.init)
        _ = try self["services"].map(JobService.all)
        _ = try self["cache"].map(JobCache.all)
        _ = try self["artifacts"].map(JobArtifacts.init)
        _ = try self["hooks"].map(Self.hooks)
        _ = try self["tags"].map(Self.tags)
        _ = try self["timeout"].map(Self.timeout)
    }

    static func hooks(_ config: ConfigNode) throws -> [String] {
        let hash = try config.hash()
        try hash.allow(["pre_get_sources_script"])
        return try hash["pre_get_sources_script"]?.lines() ?? []
    }

    static func tags(_ config: ConfigNode) throws -> [String] {
        guard let tags = config.texts else { throw config.refused("should be an array of strings") }
        return tags
    }

    /// - Returns: seconds, a month of them at most.
    static func timeout(_ config: ConfigNode) throws -> Int {
        guard let seconds = config.text.flatMap({ WrittenDuration($0) })?.seconds else { throw config.refused("should be a duration") }
        if seconds > 2_592_000 { throw config.refused("should not exceed the limit") }
        return Int(seconds)
    }
}

/// A job's `inherit:`.
struct Inheritance {
    /// nil: all of them.
    private var defaults: Set<String>?
    private var variables: Set<String>?

    init(_ config: ConfigNode?) throws {
        guard let hash = try config?.hash() else { return }
        try hash.allow(["default", "variables"])
        defaults = try Self.names(hash["default"])
        variables = try Self.names(hash["variables"])
    }

    func takesDefault(_ key: String) -> Bool { defaults?.contains(key) ?? true }
    func takesVariable(_ key: String) -> Bool { variables?.contains(key) ?? true }

    private static func names(_ config: ConfigNode?) throws -> Set<String>? {
        guard let config else { return nil }
        if let flag = config.flag { return flag ? nil : [] }
        guard let names = config.texts else { throw config.refused("should be a bool or an array of strings") }
        return Set(names)
    }
}
