/// The name of a GitLab in the configuration (`[gitlab] name`). Never its URL, which people change.
public struct ForgeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// 1 to 32 lower-case letters, digits and hyphens, as the configuration checks; not checked here.
    public let name: String
    public init(_ name: String) { self.name = name }
    /// Where the configuration names none.
    public static let `default` = ForgeID("gitlab")
    /// The name alone.
    public var description: String { name }
    /// By name, so that "the first GitLab" is the same one each time.
    public static func < (a: Self, b: Self) -> Bool { a.name < b.name }
}

/// The name of a machine that runners are placed on.
public struct HostID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Unique among the machines of one daemon.
    public let name: String
    public init(_ name: String) { self.name = name }
    /// The machine that the daemon itself runs on.
    public static let local = HostID("local")
    /// The name alone.
    public var description: String { name }
    /// By name.
    public static func < (a: Self, b: Self) -> Bool { a.name < b.name }
}

/// GitLab's id of a job, unique in one GitLab for as long as that GitLab is not installed afresh.
public typealias JobID = Int64

/// A job: the GitLab it belongs to, and its id there. Two jobs with one reference are told apart by their creation
/// times, because a new installation counts from 1 again.
public struct JobRef: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The GitLab that runs the job's pipeline.
    public let forge: ForgeID
    /// GitLab's id of the job.
    public let id: JobID
    public init(_ forge: ForgeID, _ id: JobID) {
        self.forge = forge
        self.id = id
    }
    /// Such as `gitlab/1977`.
    public var description: String { "\(forge)/\(id)" }
    /// By id, which is the order of creation within one GitLab, then by the GitLab's name.
    public static func < (a: Self, b: Self) -> Bool { a.id != b.id ? a.id < b.id : a.forge < b.forge }
    /// Ids hardly ever meet, and names of GitLabs are the same for thousands of jobs.
    public func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

/// A registration: the GitLab it was made in, and GitLab's id of the runner.
public struct RegistrationRef: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The GitLab that made the registration.
    public let forge: ForgeID
    /// GitLab's id of the runner; a GitLab that is installed afresh gives it out again.
    public let id: Int64
    public init(_ forge: ForgeID, _ id: Int64) {
        self.forge = forge
        self.id = id
    }
    /// Such as `gitlab/12`.
    public var description: String { "\(forge)/\(id)" }
    /// By id, then by the GitLab's name.
    public static func < (a: Self, b: Self) -> Bool { a.id != b.id ? a.id < b.id : a.forge < b.forge }
    /// Ids hardly ever meet, and names of GitLabs are the same for thousands of jobs.
    public func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

/// Where runners are run, and how: the engine of a host, or its user's systemd.
public struct Place: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The machine.
    public let host: HostID
    /// The kind of driver that runs them there.
    public let kind: DriverKind
    public init(_ host: HostID, _ kind: DriverKind) {
        self.host = host
        self.kind = kind
    }
    /// `container` or `scope`; with the host's name unless it is the daemon's own machine.
    public var description: String { host == .local ? kind.rawValue : "\(kind.rawValue) on \(host)" }
    /// The engine that runners here need, for themselves or for the containers of their jobs; nil where they need none.
    public func engine(for executor: Executor) -> Place? { kind == .container || executor == .docker ? Place(host, .container) : nil }
    /// By host, then by kind.
    public static func < (a: Self, b: Self) -> Bool { (a.host, a.kind.rawValue) < (b.host, b.kind.rawValue) }
}
