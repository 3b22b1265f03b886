/// What an `image:` says, or a service's image. The shapes and complaints are those of GitLab's `Config::Entry::Imageable`.
public struct JobImage: Sendable, Equatable {
    /// As it is written: variables in it are the runner's matter.
    public var name: String
    /// nil: the image's own.
    public var entrypoint: [String]?
    /// Of `always`, `if-not-present` and `never`, tried in this order; nil: the runner's.
    public var pullPolicy: [String]?
    /// The user that the executor's container runs as.
    public var user: String?
    /// Such as `linux/arm64`.
    public var platform: String?

    static let keys: Set<String> = ["name", "entrypoint", "pull_policy", "docker"]
    /// Ports belong to web terminals, and the other executors' options to clusters.
    static let unsupportedKeys: Set<String> = ["ports", "kubernetes"]

    init(_ config: ConfigNode) throws {
        if let name = config.text {
            try self.init(name, config.place)
            return
        }
        guard config.node.mapping != nil else { throw config.refused("should be a hash or a string") }
        let hash = try config.hash()
        try hash.allow(Self.keys, unsupported: Self.unsupportedKeys)
        try self.init(hash)
    }

    private init(_ name: String, _ place: String) throws {
        if name.isEmpty { throw PipelineFile.Invalid(description: "\(place) name can't be blank") }
        self.name = name
    }

    init(_ hash: ConfigHash) throws {
        try self.init(try hash.text("name") ?? "", hash.place)
        entrypoint = try hash.texts("entrypoint")
        if let policy = hash["pull_policy"] {
            let words = ["always", "if-not-present", "never"]
            let named = policy.text.map { [$0] } ?? policy.texts ?? []
            guard !named.isEmpty, named.allSatisfy(words.contains) else { throw policy.refused("should be one of: \(words.joined(separator: ", "))") }
            pullPolicy = named
        }
        if let docker = try hash["docker"]?.hash() {
            try docker.allow(["user", "platform"])
            user = try docker.text("user")
            platform = try docker.text("platform")
        }
    }
}

/// A container that runs beside the job's.
public struct JobService: Sendable, Equatable {
    /// Its image, with how it is started.
    public var image: JobImage
    /// Names that the job finds it by, with commas or spaces between, besides those made of its image's name.
    public var alias: String?
    /// nil: the image's own.
    public var command: [String]?
    /// The service's own, in the file's order; the job's reach it as well.
    public var variables: [PipelineVariable]

    init(_ config: ConfigNode) throws {
        if config.text != nil {
            (image, variables) = (try JobImage(config), [])
            return
        }
        guard config.node.mapping != nil else { throw config.refused("should be a hash or a string") }
        let hash = try config.hash()
        try hash.allow(JobImage.keys.union(["alias", "command", "variables"]), unsupported: JobImage.unsupportedKeys)
        image = try JobImage(hash)
        alias = try hash.text("alias")
        command = try hash["command"]?.lines()
        variables = try hash["variables"].map { try PipelineVariable.all($0, allowing: []) } ?? []
    }

    static func all(_ config: ConfigNode) throws -> [JobService] {
        guard let sequence = config.node.sequence else { throw config.refused("should be a array") }
        return try sequence.compactMap { try ConfigNode($0, "\(config.place):service").map(JobService.init) }
    }
}
