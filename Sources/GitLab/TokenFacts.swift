import Fleet

/// What GitLab tells of the access token that it is asked with.
public struct TokenFacts: Sendable, Equatable {
    /// Whether the token acts as an administrator.
    public enum Administrator: Sendable, Equatable {
        /// It does.
        case yes
        /// Its owner is one, and the token may not act as one: admin mode is on, and the token lacks the scope `admin_mode`.
        case withoutAdminMode
        /// GitLab doesn't show that it is one's. With admin mode on, some versions say as little of an administrator's token.
        case no
        /// The token may not ask.
        case unknown
    }

    /// When a token stops working.
    public struct Expiry: Sendable, Equatable {
        /// As GitLab shows it, such as `2027-01-31`.
        public var day: String
        /// The beginning of that day in UTC.
        public var at: Timestamp

        /// - Parameter day: a date; anything else is nil.
        public init?(day: String) {
            guard let at = WrittenTime.wholeSeconds("\(day)T00:00:00Z") else { return nil }
            (self.day, self.at) = (day, at)
        }
    }

    /// What its owner calls it; nil where GitLab doesn't say.
    public var name: String?
    /// nil where GitLab doesn't say: it is older than 15.5, or this is no personal, project or group access token.
    public var scopes: Set<String>?
    /// nil: it never expires, or GitLab doesn't say.
    public var expiry: Expiry?
    /// Whether its owner or an administrator took it back; nil where GitLab doesn't say.
    public var isRevoked: Bool?
    /// Whether it acts as an administrator.
    public var administrator: Administrator

    /// Facts as a test or another source has them; by default nothing is known.
    public init(
        name: String? = nil, scopes: Set<String>? = nil, expiry: Expiry? = nil, isRevoked: Bool? = nil, administrator: Administrator = .unknown
    ) {
        self.name = name
        self.scopes = scopes
        self.expiry = expiry
        self.isRevoked = isRevoked
        self.administrator = administrator
    }

    /// What the token lacks for a use; empty when it lacks nothing, or when that can't be known.
    public func lacks(for needs: TokenNeeds) -> [TokenLack] {
        var lacks: [TokenLack] = []
        if isRevoked == true { lacks.append(.revoked) }
        // A fine-grained token shows only that it is one.
        if let scopes, !scopes.contains("api"), !scopes.contains("granular") {
            let missing = needs.writesProjects ? ["api"] : ["read_api", "create_runner", "manage_runner"].filter { !scopes.contains($0) }
            if !missing.isEmpty { lacks.append(.scopes(missing)) }
        }
        if needs.instanceRunners {
            switch administrator {
            case .yes, .unknown: break
            case .withoutAdminMode: lacks.append(.adminMode)
            case .no: lacks.append(.administrator(mayBeAdminMode: scopes?.contains("admin_mode") != true))
            }
        }
        return lacks
    }
}

/// What a configuration needs the token for.
public struct TokenNeeds: Sendable, Equatable {
    /// Some pool's runners are registered for the whole instance.
    public var instanceRunners: Bool
    /// Hooks or projects are to be made, which no scope but `api` allows.
    public var writesProjects: Bool

    /// Polling, and runners of groups and projects, need the least.
    public init(instanceRunners: Bool, writesProjects: Bool = false) {
        self.instanceRunners = instanceRunners
        self.writesProjects = writesProjects
    }
}

/// Something that the token lacks for the configured use.
public enum TokenLack: Sendable, Equatable {
    /// These scopes.
    case scopes([String])
    /// It isn't an administrator's, as far as GitLab shows.
    /// - Parameter mayBeAdminMode: the scope `admin_mode` may be all that is missing.
    case administrator(mayBeAdminMode: Bool)
    /// The scope `admin_mode`, for an administrator's token.
    case adminMode
    /// It was revoked.
    case revoked

    /// What is missing, without the next step.
    public var what: String {
        switch self {
        case .scopes(["api"]): "the access token lacks the scope api"
        case .scopes(let scopes): "the access token lacks the scope api (or, of the narrower ones, also \(scopes.joined(separator: ", ")))"
        case .administrator(let mayBeAdminMode):
            "pools register instance runners, which takes an administrator's access token, and GitLab doesn't show this one to be one's"
                + (mayBeAdminMode ? "; if it is and admin mode is on, the token needs the scope admin_mode, too" : "")
        case .adminMode:
            "the access token is an administrator's, but admin mode is on, and the token lacks the scope admin_mode, so it registers no instance runners"
        case .revoked: "the access token was revoked"
        }
    }

    /// A sentence with the next step.
    public var text: String {
        let other = if case .administrator = self { ", or give the pools register = \"group:ID\" or \"project:PATH\"" } else { "" }
        return "\(what): \(TokenAdvice.renew)\(other)"
    }
}

/// The next step, in the same words everywhere.
public enum TokenAdvice {
    /// The end of a sentence.
    public static let renew =
        "make another (in GitLab: your avatar, Edit profile, Access tokens), and put it in with: autogitctl token set"
}

extension GitLabForge {
    /// Asks GitLab about the token. What it doesn't tell of this token, or not in this version, is unknown, and no error.
    /// - Throws: `GitLabError` when GitLab can't be asked, or refuses the token.
    public func tokenFacts() async throws -> TokenFacts {
        var facts = TokenFacts()
        do {
            let token = try await connection.get("personal_access_tokens/self", as: TokenResource.self)
            facts.name = token.name.map(connection.printable)
            facts.scopes = token.scopes.map(Set.init)
            facts.expiry = token.expiresAt.flatMap(TokenFacts.Expiry.init)
            facts.isRevoked = token.revoked
        } catch {
            // GitLab before 15.5 has no such call, and for tokens of other kinds it answers 400.
            guard [.notFound, .forbidden, .refused].contains(error.kind) else { throw error }
        }
        facts.administrator = try await poller.administrator()
        return facts
    }
}

/// An access token as it shows itself; all of it is good to have only.
private struct TokenResource: Decodable {
    var name: String?
    var scopes: [String]?
    var expiresAt: String?
    var revoked: Bool?

    private enum CodingKeys: String, CodingKey {
        case name, scopes, revoked
        case expiresAt = "expires_at"
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        name = fields.ifReadable(String.self, .name)
        scopes = fields.ifReadable([String].self, .scopes)
        expiresAt = fields.ifReadable(String.self, .expiresAt)
        revoked = fields.ifReadable(Bool.self, .revoked)
    }
}
