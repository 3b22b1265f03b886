import Foundation

/// A personal access token and what its owner may do.
public struct AccessToken: Sendable {
    /// The token itself.
    public var secret: String
    /// Such as `api`, `read_api`, `create_runner`.
    public var scopes: Set<String>
    /// Its owner is an administrator.
    public var isAdmin: Bool
    /// false: an administrator has to switch admin mode on for more than others may, and this token can't.
    public var hasAdminMode: Bool
    /// Ids of the projects its owner is a member of.
    public var projects: Set<Int64>
    /// From the beginning of that day in UTC on it is refused, such as `2027-01-31`; nil: never.
    public var expiresAt: String?
    /// Whether it is a personal, project or group access token; of other kinds, such as OAuth's, GitLab tells nothing.
    public var isPersonal: Bool

    /// - Parameters:
    ///   - secret: the token itself.
    ///   - scopes: such as `api` and `read_api`.
    ///   - isAdmin: whether its owner is an administrator.
    ///   - hasAdminMode: false for an administrator without admin mode.
    ///   - projects: ids of the projects its owner is a member of.
    ///   - expiresAt: the day on which it is refused first, such as `2027-01-31`; nil: never.
    ///   - isPersonal: false for a token of which GitLab tells nothing.
    public init(
        secret: String, scopes: Set<String>, isAdmin: Bool, hasAdminMode: Bool = true, projects: Set<Int64> = [], expiresAt: String? = nil,
        isPersonal: Bool = true
    ) {
        self.expiresAt = expiresAt
        self.isPersonal = isPersonal
        self.hasAdminMode = hasAdminMode
        self.secret = secret
        self.scopes = scopes
        self.isAdmin = isAdmin
        self.projects = projects
    }

    var maySeeAll: Bool { isAdmin && hasAdminMode }

    func isExpired(at time: Date) -> Bool {
        guard let expiresAt, let midnight = try? Date("\(expiresAt)T00:00:00Z", strategy: .iso8601) else { return false }
        return midnight <= time
    }
}

/// A project and its pipeline's file.
public struct Project: Sendable {
    public var id: Int64
    /// With its namespace, such as `root/demo`.
    public var path: String
    public var name: String
    /// The bare repository; nil when the project has none.
    public var repository: String?
    /// The commit that pipelines run for.
    public var sha: String
    /// The text of its `.gitlab-ci.yml`.
    public var pipelineFile: String
    /// Takes script lines with a colon that YAML reads as a mapping.
    public var acceptsUnquotedColons: Bool
    /// The project's own CI variables.
    public var variables: [String: String]
    /// Ids of the files' contents in git, by path.
    var blobs: [String: String] = [:]
    /// When it was marked for deletion; nil unless it is.
    public internal(set) var markedAt: Date?
}

/// A runner that was registered.
public struct RegisteredRunner: Sendable {
    public var id: Int64
    public var token: String
    /// `instance_type`, `group_type` or `project_type`.
    public var type: String
    public var projectID: Int64?
    public var groupID: Int64?
    public var description: String
    public var tags: [String]
    /// Whether it takes jobs without tags.
    public var runUntagged: Bool
    public var paused: Bool
    /// Whether a project's can't be enabled for other projects.
    public var locked: Bool
    public var maintenanceNote: String?
    /// When it last asked for a job or wrote a log; nil until it has.
    public var contactedAt: Date?
    /// By user token, or by the runner itself with its own.
    public internal(set) var jobsTaken = 0
}

/// A job, from its making to its end.
public struct FakeJob: Sendable {
    public var id: Int64
    public var pipelineID: Int64
    public var projectID: Int64
    /// Its part of the pipeline's file.
    public var definition: PipelineFile.Job
    /// The project's own and the file's.
    public var variables: [PipelineVariable]
    /// As GitLab names it, in lower case.
    public var status: String
    public var token: String
    public var runnerID: Int64?
    /// Its log so far.
    public var trace: [UInt8] = []
    public var failureReason: String?
    /// With milliseconds; hooks tell whole seconds.
    public var createdAt: Date
    public var queuedAt: Date?
    public var startedAt: Date?
    public var finishedAt: Date?
    /// What its runner left, by type, such as `archive`.
    public internal(set) var artifacts: [String: StoredArtifact] = [:]

    /// Whether it has ended. A skipped job comes back when an earlier one is retried.
    public var isOver: Bool { ["success", "failed", "canceled", "skipped"].contains(status) }
    /// Its log as text.
    public var traceText: String { String(decoding: trace, as: UTF8.self) }
}

struct Pipeline: Sendable {
    var id: Int64
    var projectID: Int64
    var ref: String
    var file: PipelineFile
    var jobs: [Int64]
}

struct Hook: Sendable {
    var id: Int64
    var projectID: Int64
    var url: String
    var secret: String?
    var jobEvents: Bool
    /// Everything else that a hook was made with, such as `note_events` and `name`.
    var settings: [String: JSON] = [:]
    var failuresInARow = 0
    var disabledUntil: Date?

    /// After forty failures in a row it stays off.
    var isOffForGood: Bool { failuresInARow >= 40 }
    func isOff(at time: Date) -> Bool { isOffForGood || disabledUntil.map { time < $0 } ?? false }

    /// A minute after the fourth failure in a row, then twice as long with each, up to a day.
    mutating func failed(at time: Date) {
        failuresInARow += 1
        if failuresInARow >= 4 { disabledUntil = time + min(86_400, 60 * pow(2, Double(failuresInARow - 4))) }
    }

    mutating func succeeded() { (failuresInARow, disabledUntil) = (0, nil) }
}

/// What goes wrong with job hooks; chances from 0 to 1, drawn from one seed.
public struct HookFaults: Sendable {
    /// The chance that a delivery isn't made.
    public var lost: Double
    /// The chance that it is made twice.
    public var doubled: Double
    /// Seconds that each delivery is late by, which also reorders them.
    public var delay: ClosedRange<Double>
    /// - Parameters:
    ///   - lost: from 0 to 1.
    ///   - doubled: from 0 to 1.
    ///   - delay: in seconds.
    public init(lost: Double = 0, doubled: Double = 0, delay: ClosedRange<Double> = 0...0) {
        self.lost = lost
        self.doubled = doubled
        self.delay = delay
    }
}

/// GitLab says no.
struct Refused: Error {
    var status: Int
    var body: JSON
    var headers: [(String, String)] = []

    static func unauthorized() -> Refused { Refused(status: 401, body: ["message": "401 Unauthorized"]) }
    /// A token that was good once (RFC 6750, 3.1).
    static func invalidToken(_ why: String) -> Refused {
        Refused(status: 401, body: ["error": "invalid_token", "error_description": .string(why)])
    }
    static func forbidden(_ why: String = "403 Forbidden") -> Refused { Refused(status: 403, body: ["message": .string(why)]) }
    static func scope(_ needed: String) -> Refused {
        Refused(
            status: 403,
            body: [
                "error": "insufficient_scope", "error_description": "The request requires higher privileges than provided by the access token.",
                "scope": .string(needed),
            ])
    }
    static func notFound(_ what: String? = nil) -> Refused {
        Refused(status: 404, body: ["message": .string(what.map { "404 \($0) Not Found" } ?? "404 Not Found")])
    }
    static func bad(_ why: String) -> Refused { Refused(status: 400, body: ["error": .string(why)]) }
}
