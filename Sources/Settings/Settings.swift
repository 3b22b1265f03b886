import Fleet

/// All of the configuration, checked.
public struct Settings: Sendable {
    public struct GitLab: Sendable {
        public var url: String
        public var token: Secret
        public var webhookSecret: Secret?
        /// Zero: no polling.
        public var pollInterval: Duration
        public var projects: [String]
        public var caFile: String?
    }
    public var gitlab: GitLab
    /// host and port.
    public var httpHost: String
    public var httpPort: Int
    public var controlSocket: String
    /// For writing calls on TCP.
    public var controlToken: Secret?
    public var stateDirectory: String
    /// nil: the first that answers of the usual ones.
    public var engineSocket: String?
    public var budget: HostBudget
    public var pools: [Pool]
}

/// One thing that is wrong, where, and what would be right.
public struct SettingsError: Error, Sendable, Equatable, CustomStringConvertible {
    public var file: String
    public var line: Int?
    public var key: String?
    public var message: String

    public init(file: String, line: Int? = nil, key: String? = nil, message: String) {
        self.file = file
        self.line = line
        self.key = key
        self.message = message
    }

    public var description: String {
        let place = line.map { "\(file):\($0)" } ?? file
        return key.map { "\(place): \($0): \(message)" } ?? "\(place): \(message)"
    }
}

/// All that is wrong.
public struct InvalidSettings: Error, Sendable, CustomStringConvertible {
    public var errors: [SettingsError]
    public init(errors: [SettingsError]) { self.errors = errors }
    public var description: String { errors.map(\.description).joined(separator: "\n") }
}

/// The file says nothing at all, as the one that the package installs.
public struct NotConfigured: Error, Sendable, CustomStringConvertible {
    public var file: String
    public var description: String {
        "not configured yet: set GitLab's url and a pool in \(file), and put the token into /etc/autogit/gitlab-token"
    }
}
