/// What an `artifacts:` says of the archive. Reports are accepted and not asked of the runner.
public struct JobArtifacts: Sendable, Equatable {
    /// Of the archive, without `.zip`; variables in it are the runner's matter. nil: the runner's choice.
    public var name: String?
    /// What is kept, relative to the project; nil: none are named.
    public var paths: [String]?
    /// Of what `paths` name, what isn't kept.
    public var exclude: [String]
    /// Whether it holds what git doesn't track; nil: nothing is said about it.
    public var untracked: Bool?
    /// `on_success`, `on_failure` or `always`; nil: nothing is said about it.
    public var when: String?
    /// Such as `1 week` or `never`, as it is written.
    public var expireIn: String?

    init(_ config: ConfigNode) throws {
        let hash = try config.hash()
        try hash.allow(["name", "paths", "exclude", "untracked", "when", "expire_in", "reports"], unsupported: ["expose_as", "public", "access"])
        name = try hash.text("name")
        paths = try hash.texts("paths")
        exclude = try hash.texts("exclude") ?? []
        untracked = try hash.flag("untracked")
        when = try hash.text("when", oneOf: ["on_success", "on_failure", "always"])
        expireIn = try hash.text("expire_in")
        if let expireIn, WrittenDuration(expireIn) == nil { throw hash.refused("expire_in", "should be a duration") }
        if let reports = hash["reports"], reports.node.mapping == nil { throw hash.refused("reports", "should be a hash") }
    }
}
