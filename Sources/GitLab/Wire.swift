import Fleet
import FoundationEssentials

/// GitLab's JSON, read liberally: fields without a use are not declared, and only what nothing works without must be there.
struct JobResource: Decodable, Sendable {
    var id: Int64
    var status: String
    var stage: String?
    var name: String?
    var ref: String?
    /// nil when GitLab didn't say, which differs from a job without tags.
    var tagList: [String]?
    var failureReason: String?
    var createdAt: String?
    var runner: RunnerReference?

    private enum CodingKeys: String, CodingKey {
        case id, status, stage, name, ref, runner
        case tagList = "tag_list"
        case failureReason = "failure_reason"
        case createdAt = "created_at"
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        id = try fields.decode(Int64.self, forKey: .id)
        status = try fields.decode(String.self, forKey: .status)
        guard id > 0 else { throw DecodingError.dataCorruptedError(forKey: .id, in: fields, debugDescription: "not positive") }
        guard !status.isEmpty else { throw DecodingError.dataCorruptedError(forKey: .status, in: fields, debugDescription: "empty") }
        stage = fields.ifReadable(String.self, .stage)
        name = fields.ifReadable(String.self, .name)
        ref = fields.ifReadable(String.self, .ref)
        tagList = fields.ifReadable([String].self, .tagList)
        failureReason = fields.ifReadable(String.self, .failureReason)
        createdAt = fields.ifReadable(String.self, .createdAt)
        runner = fields.ifReadable(RunnerReference.self, .runner)
    }

    func observation(project: Int64, path: String?) -> JobObservation {
        JobObservation(
            id: id, projectID: project, projectPath: path, name: name, stage: stage, ref: ref, status: JobStatus(rawValue: status),
            tags: tagList, runnerID: runner?.id, failureReason: failureReason, createdAt: createdAt.flatMap(WrittenTime.wholeSeconds))
    }
}

/// The runner that has a job.
struct RunnerReference: Decodable, Sendable {
    var id: Int64
}

struct RunnerResource: Decodable, Sendable {
    var id: Int64
    var description: String?
    var maintenanceNote: String?
    var contactedAt: String?
    var status: String?

    private enum CodingKeys: String, CodingKey {
        case id, description, status
        case maintenanceNote = "maintenance_note"
        case contactedAt = "contacted_at"
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        id = try fields.decode(Int64.self, forKey: .id)
        description = fields.ifReadable(String.self, .description)
        maintenanceNote = fields.ifReadable(String.self, .maintenanceNote)
        contactedAt = fields.ifReadable(String.self, .contactedAt)
        status = fields.ifReadable(String.self, .status)
    }

    var value: ForgeRunner {
        ForgeRunner(
            id: id, description: description ?? "", maintenanceNote: maintenanceNote, hasContacted: contactedAt != nil || status == "online")
    }
}

struct NewRunnerResource: Decodable {
    var id: Int64
    var token: String
}

struct HookResource: Decodable, Sendable {
    var id: Int64
    var url: String
}

/// A project or a group.
struct NamedResource: Decodable, Sendable {
    var id: Int64
    var path: String?

    private enum CodingKeys: String, CodingKey {
        case id
        case path = "path_with_namespace"
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        id = try fields.decode(Int64.self, forKey: .id)
        path = fields.ifReadable(String.self, .path)
    }
}

struct UserResource: Decodable {
    /// GitLab tells it of administrators only.
    var isAdmin: Bool

    private enum CodingKeys: String, CodingKey {
        case id
        case isAdmin = "is_admin"
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        _ = try fields.decode(Int64.self, forKey: .id)
        isAdmin = fields.ifReadable(Bool.self, .isAdmin) ?? false
    }
}

struct VersionResource: Decodable {
    var version: String
}

/// Anything that has an id, of which no more is needed.
struct Identified: Decodable, Sendable {
    var id: Int64
}
