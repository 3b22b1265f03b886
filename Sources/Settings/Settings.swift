import Fleet

/// The whole configuration, checked: whoever has a value of this type has a configuration that works.
public struct Settings: Sendable {
    /// The section `[gitlab]`.
    public struct GitLab: Sendable {
        /// The name by which AutoGit knows this GitLab in its database, never by its URL, which people change: 1 to 32 lower-case
        /// letters, digits and hyphens.
        public var name: String
        /// GitLab's address as this daemon reaches it, `http` or `https`, without a query or a user.
        public var url: String
        /// An access token with the scope `api`, or `read_api`, `create_runner` and `manage_runner`.
        public var token: Secret
        /// The value that GitLab sends as `X-Gitlab-Token`; nil when none is configured, and then webhooks are refused.
        public var webhookSecret: Secret?
        /// The time between two polls, at least a second; zero switches polling off.
        public var pollInterval: Duration
        /// Paths or ids of the projects to poll when the token is not an administrator's; empty for all that it is a member of.
        public var projects: [String]
        /// GitLab's address as runners reach it; nil for `url`.
        public var runnerURL: String?
        /// GitLab's address for git in jobs; nil for the one that GitLab names.
        public var cloneURL: String?
        /// The address of this daemon's webhook as GitLab reaches it; nil for the one that the daemon finds.
        public var webhookURL: String?
        /// Proxy variables of jobs, by their lower-case names. Values may hold passwords.
        public var proxy: [String: String]
        /// A bundle of CA certificates in PEM, in place of the system's.
        public var caFile: String?
        /// The configuration names the token's file, and systemd's credential is not used.
        public var namesTokenFile: Bool
        /// The webhooks' secret is in a file that the configuration names.
        public var namesWebhookSecretFile: Bool
    }
    /// The GitLab to serve.
    public var gitlab: GitLab
    /// The address to listen on without systemd's sockets: a name, or an IPv4 or IPv6 address without brackets.
    public var httpHost: String
    /// From 1 to 65535.
    public var httpPort: Int
    /// The configuration names that address, and does not only have it by default.
    public var namesHTTP: Bool
    /// The path of the control socket.
    public var controlSocket: String
    /// The bearer token that allows writing calls on TCP; nil when only the control socket takes them.
    public var controlToken: Secret?
    /// Who may read on TCP; with `token` there is a control token.
    public var readAccess: ReadAccess
    /// What `GET /metrics` wants; nil when it is as open as the rest.
    public var metricsToken: Secret?
    /// The folder of the database and of the files of runners in scopes.
    public var stateDirectory: String
    /// The socket of a Docker-compatible engine; nil to use the first of the usual ones that answers.
    public var engineSocket: String?
    /// Logins for registries of images; each registry once.
    public var registries: [RegistryLogin]
    /// Who is told of troubles; each with a name of its own.
    public var notify: [NotifyTarget]
    /// Which jobs come first.
    public var priorities: [PriorityRule]
    /// The machines that runners are placed on, at least one, each with a name of its own; without sections `[[host]]` this machine alone.
    public var hosts: [HostSettings]
    /// Bytes that the engine's storage of a host keeps free that has no number of its own, and of this machine; zero for none.
    public var diskReserve: Int64
    /// What is removed when it has less.
    public var prune: ImagePrune
    /// Prices for reports.
    public var cost: Cost
    /// The machine's time zone, by which weeks are learned from.
    public var zone: TimeZoneRules
    /// At least one, each with a name of its own.
    public var pools: [Pool]
    /// The files that the service reads as its own user, but for the credentials that systemd passes on.
    public var files: [ServiceFile]

    /// Facts about the configuration that people are surprised by, a sentence each.
    public var notes: [String] { notesOnExecutors + notesOnClusters + notesOnDisks }

    private var notesOnExecutors: [String] {
        let shell = pools.filter { $0.executor == .shell }
        return shell.map { pool in
            "pool \(pool.name) runs jobs with the shell executor, which ignores image: and services: of a job"
                + "; executor = \"docker\" gives them their own containers"
        }
            + pools.filter { $0.executor == .docker && $0.pids != Pool(name: "").pids }.map { pool in
                "pids of pool \(pool.name) bounds the runner's own \(pool.driver.rawValue); the containers of jobs have the engine's default, "
                    + "for GitLab Runner has no setting for it"
            }
            + shell.filter { $0.cache.kind == .s3 && $0.cache.s3.accessKey != nil }.map {
                "jobs of pool \($0.name) can read the keys of its cache's bucket, because they run as their runner does; let these keys open that bucket only"
            }
    }
}

/// One error in the configuration: where it is, and what is expected there instead.
public struct SettingsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The path as it was given.
    public var file: String
    /// Counted from 1; nil when the error belongs to no line.
    public var line: Int?
    /// The full name of the key, such as `pool[0].memory`.
    public var key: String?
    /// What is wrong and what is expected, without the place. Contains no secret.
    public var message: String

    public init(file: String, line: Int? = nil, key: String? = nil, message: String) {
        self.file = file
        self.line = line
        self.key = key
        self.message = message
    }

    /// `FILE:LINE: KEY: MESSAGE`, as compilers print it.
    public var description: String {
        let place = line.map { "\(file):\($0)" } ?? file
        return key.map { "\(place): \($0): \(message)" } ?? "\(place): \(message)"
    }
}

/// All errors of a configuration, never only the first.
public struct InvalidSettings: Error, Sendable, CustomStringConvertible {
    /// At least one, in the order of their lines.
    public var errors: [SettingsError]
    public init(errors: [SettingsError]) { self.errors = errors }
    /// One error a line.
    public var description: String { errors.map(\.description).joined(separator: "\n") }
}

/// The configuration sets nothing, like the file that the package installs. Not an error of the operator: the daemon waits for a reload.
public struct NotConfigured: Error, Sendable, CustomStringConvertible {
    /// The path as it was given.
    public var file: String
    /// With the next step.
    public var description: String {
        "not configured yet: run autogitctl setup, or set url in [gitlab] and add a [[pool]] in \(file), and put the GitLab token into /etc/autogit/gitlab-token"
    }
}
