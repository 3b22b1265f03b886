/// What can be wrong for so long that a person should hear of it, by the words that `on` in `[[notify]]` has for it.
public enum ConcernKind: String, Sendable, Hashable, CaseIterable, Codable {
    /// A pool whose starts fail.
    case quarantine
    /// A job that nothing serves.
    case waiting
    /// GitLab does not answer.
    case gitlab
    /// GitLab refuses the access token, or it ends soon, or may too little.
    case token
    /// A container engine or a user's systemd does not answer.
    case engine
    /// The engine's storage has less room than it is to keep.
    case disk
    /// A GPU that was there is gone.
    case gpu
    /// A runner that can't be removed.
    case stuck
    /// The database can't be written.
    case store

    /// Without it nothing works.
    public var isCritical: Bool { [.gitlab, .token, .engine, .store].contains(self) }
}

/// Who is told when something goes wrong: a section `[[notify]]`.
public struct NotifyTarget: Sendable, Equatable {
    /// How a notification gets there.
    public enum Kind: String, Sendable, CaseIterable {
        /// ntfy's API for publishing (docs.ntfy.sh/publish).
        case ntfy
        /// A POST of JSON, signed where there is a secret.
        case webhook
        /// A program of this host.
        case command
    }

    /// The most notifications within any span of a length.
    public struct Rate: Sendable, Equatable {
        /// At least 1.
        public var count: Int
        /// Longer than zero.
        public var span: Duration

        /// - Parameters:
        ///   - count: at least 1.
        ///   - span: longer than zero.
        public init(count: Int, span: Duration) {
            self.count = count
            self.span = span
        }

        private static let units: [(name: String, span: Duration)] = [("m", .seconds(60)), ("h", .seconds(3600)), ("d", .seconds(86_400))]

        /// Reads what `description` writes: a number from 1 to 1000, a slash, and m, h or d; nil for anything else.
        public init?(_ text: String) {
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 2, let count = Int(parts[0]), (1...1000).contains(count),
                let unit = Self.units.first(where: { $0.name == parts[1] })
            else { return nil }
            self.init(count: count, span: unit.span)
        }

        /// Such as `10/h`.
        public var description: String { "\(count)/\(Self.units.first { $0.span == span }?.name ?? "\(span.inSeconds) s")" }
    }

    /// The word in `on` for the ends of troubles.
    public static let recovered = "recovered"
    /// All that `on` may have.
    public static let topics = ConcernKind.allCases.map(\.rawValue) + [recovered]

    /// By which people know it; each target its own.
    public var name: String
    public var kind: Kind
    /// Where it is POSTed to. A secret, because whoever knows the topic of ntfy can read and write it. nil for a command.
    public var url: Secret?
    /// The program and its arguments, never through a shell; empty for others.
    public var command: [String]
    /// Words of `topics`.
    public var on: [String]
    /// Signs webhooks; nil leaves them unsigned.
    public var secret: Secret?
    /// Sent as `Authorization: Bearer`; nil sends none.
    public var token: Secret?
    /// CA certificates in place of the system's.
    public var caFile: String?
    public var rate: Rate
    /// How long a job waits, with nothing that serves it, before it is told.
    public var waitingAfter: Duration
    /// How long any other trouble must last before it is told, and be over before its end is told.
    public var settle: Duration
    /// How long one try may take.
    public var timeout: Duration

    /// With the defaults of the configuration.
    public init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
        url = nil
        command = []
        on = Self.topics
        rate = Rate(count: 10, span: .seconds(3600))
        waitingAfter = .seconds(600)
        settle = .seconds(30)
        timeout = .seconds(30)
    }

    /// Whether it is told of troubles of that kind.
    public func wants(_ kind: ConcernKind) -> Bool { on.contains(kind.rawValue) }
    /// Whether it is told of their ends.
    public var wantsEnds: Bool { on.contains(Self.recovered) }

    /// For logs and answers: of a URL nothing but scheme, host and port; of a command the program.
    public var address: String {
        guard let url = url?.reveal() else { return command.first ?? "" }
        let parts = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count > 2 else { return "" }
        let host = parts[2].prefix { $0 != "?" && $0 != "#" }
        // What stands before an @ is somebody's name and password.
        return "\(parts[0])//\(host.split(separator: "@").last ?? "")"
    }
}
