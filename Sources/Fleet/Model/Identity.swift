/// The name of a GitLab in the configuration (`[gitlab] name`). Never its URL, which people change.
public struct ForgeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let name: String
    public init(_ name: String) { self.name = name }
    /// Where the configuration names none.
    public static let `default` = ForgeID("gitlab")
    public var description: String { name }
    public static func < (a: Self, b: Self) -> Bool { a.name < b.name }
}

/// The name of a machine that runners are placed on.
public struct HostID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let name: String
    public init(_ name: String) { self.name = name }
    /// The machine that the daemon itself runs on.
    public static let local = HostID("local")
    public var description: String { name }
    public static func < (a: Self, b: Self) -> Bool { a.name < b.name }
}

/// GitLab's id of a job, unique in one GitLab for as long as that GitLab is not installed afresh.
public typealias JobID = Int64

/// A job: the GitLab it belongs to, and its id there. Two jobs with one reference are told apart by their creation
/// times, because a new installation counts from 1 again.
public struct JobRef: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let forge: ForgeID
    public let id: JobID
    public init(_ forge: ForgeID, _ id: JobID) {
        self.forge = forge
        self.id = id
    }
    public var description: String { "\(forge)/\(id)" }
    public static func < (a: Self, b: Self) -> Bool { (a.id, a.forge) < (b.id, b.forge) }
}

/// A registration: the GitLab it was made in, and GitLab's id of the runner.
public struct RegistrationRef: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let forge: ForgeID
    public let id: Int64
    public init(_ forge: ForgeID, _ id: Int64) {
        self.forge = forge
        self.id = id
    }
    public var description: String { "\(forge)/\(id)" }
    public static func < (a: Self, b: Self) -> Bool { (a.id, a.forge) < (b.id, b.forge) }
}

/// Where runners are run, and how: the engine of a host, or its user's systemd.
public struct Place: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let host: HostID
    public let kind: DriverKind
    public init(_ host: HostID, _ kind: DriverKind) {
        self.host = host
        self.kind = kind
    }
    public var description: String { host == .local ? kind.rawValue : "\(kind.rawValue) on \(host)" }
    public static func < (a: Self, b: Self) -> Bool { (a.host, a.kind.rawValue) < (b.host, b.kind.rawValue) }
}
