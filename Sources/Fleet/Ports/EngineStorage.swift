/// A file system.
public struct DiskSpace: Sendable, Equatable {
    /// Bytes that a user without privileges may still write.
    public var free: Int64
    /// Bytes that it has in all.
    public var total: Int64
    public init(free: Int64, total: Int64) {
        self.free = free
        self.total = total
    }
}

/// An image that an engine has.
public struct EngineImage: Sendable, Hashable {
    /// The engine's, such as `sha256:…`.
    public var id: String
    /// With their tags, as the engine writes them; none for an image whose names are another's now.
    public var names: [String]
    /// Bytes, also those that it shares with others.
    public var bytes: Int64
    /// Some container, of whomever, is made of it.
    public var isUsed: Bool
    public init(id: String, names: [String], bytes: Int64, isUsed: Bool) {
        self.id = id
        self.names = names
        self.bytes = bytes
        self.isUsed = isUsed
    }

    /// All by which it may be known; see `ImageName.key`.
    public var keys: [String] { (names + [id]).map(ImageName.key) }
}

/// When something of ours last used an image.
public struct ImageUse: Sendable, Equatable {
    /// The machine whose engine has it.
    public var host: HostID
    /// By its key; see `ImageName.key`.
    public var image: String
    /// Up to an hour ago.
    public var at: Timestamp
    public init(host: HostID, image: String, at: Timestamp) {
        self.host = host
        self.image = image
        self.at = at
    }
}

/// An image on its way.
public struct Pull: Sendable, Equatable {
    /// Its name, with its tag.
    public var image: String
    /// Bytes so far.
    public var received: Int64
    /// Bytes of all parts that are known so far, which may become more; nil before any is.
    public var total: Int64?
    public init(image: String, received: Int64, total: Int64?) {
        self.image = image
        self.received = received
        self.total = total
    }

    /// For people.
    public var text: String { total.map { "\(received >> 20) of \($0 >> 20) MiB" } ?? "waiting for the registry" }
}
