import Fleet
import FoundationEssentials

/// The body of a `Job Hook` webhook, GitLab 15 and up.
public enum JobHook {
    /// - Parameters:
    ///   - body: as it came.
    ///   - url: GitLab's URL, whose path is not a part of a project's; empty when GitLab is at the root of its host.
    /// - Throws: `MalformedEvent`. JSON that is not a usable job event is an answer, not an error: GitLab turns
    ///   a hook off that is refused too often.
    public static func decode(_ body: [UInt8], from url: String = "") throws(MalformedEvent) -> DecodedEvent {
        let payload: Payload
        do {
            payload = try JSONDecoder().decode(Payload.self, from: Data(body))
        } catch {
            throw MalformedEvent()
        }
        guard let kind = payload.kind else { return .unusable("it has no object_kind") }
        guard kind == "build" else { return .unusable("object_kind is not build") }
        guard let id = payload.id, let project = payload.projectID, let status = payload.status
        else { return .unusable("build_id, project_id or build_status is missing or unreadable") }
        guard id > 0, project > 0 else { return .unusable("build_id or project_id is not positive") }
        let parsed = JobStatus(rawValue: status)
        guard parsed.isKnown else { return .unusable("its build_status is unknown") }
        return .job(
            JobObservation(
                id: id, projectID: project, projectPath: payload.projectPath ?? payload.homepage.flatMap { path(of: $0, below: url) },
                name: payload.name, stage: payload.stage, ref: payload.ref, status: parsed, tags: nil, runnerID: payload.runner?.id,
                failureReason: parsed == .failed ? payload.failureReason : nil, createdAt: payload.createdAt))
    }

    /// A project's path, from the URL of its page: `group/name` of `https://gitlab.example.test/group/name`.
    private static func path(of homepage: String, below url: String) -> String? {
        func segments(_ url: String) -> [Substring]? {
            guard let scheme = url.firstRange(of: "://") else { return nil }
            let path = url[scheme.upperBound...].prefix { $0 != "?" && $0 != "#" }
            return path.split(separator: "/").dropFirst().map { $0 }
        }
        guard var path = segments(homepage) else { return nil }
        let root = segments(url) ?? []
        if path.starts(with: root) { path.removeFirst(root.count) }
        // A project is in a namespace: a single name is not a path.
        return path.count > 1 ? path.joined(separator: "/") : nil
    }

    /// The fields that are of use, each by itself: one of an odd type is as good as absent.
    private struct Payload: Decodable {
        var kind: String?
        var id: Int64?
        var name: String?
        var stage: String?
        var status: String?
        var failureReason: String?
        var ref: String?
        var projectID: Int64?
        var runner: RunnerReference?
        var projectPath: String?
        var homepage: String?
        var createdAt: Timestamp?

        private enum CodingKeys: String, CodingKey {
            case ref, runner, project, repository
            case kind = "object_kind"
            case id = "build_id"
            case name = "build_name"
            case stage = "build_stage"
            case status = "build_status"
            case failureReason = "build_failure_reason"
            case projectID = "project_id"
            case createdAt = "build_created_at"
            case createdAtISO = "build_created_at_iso"
        }

        private struct Project: Decodable {
            var path_with_namespace: String?
        }

        private struct Repository: Decodable {
            var homepage: String?
        }

        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            kind = fields.ifReadable(String.self, .kind)
            id = fields.ifReadable(Int64.self, .id)
            name = fields.ifReadable(String.self, .name)
            stage = fields.ifReadable(String.self, .stage)
            status = fields.ifReadable(String.self, .status)
            failureReason = fields.ifReadable(String.self, .failureReason)
            ref = fields.ifReadable(String.self, .ref)
            projectID = fields.ifReadable(Int64.self, .projectID)
            runner = fields.ifReadable(RunnerReference.self, .runner)
            projectPath = fields.ifReadable(Project.self, .project)?.path_with_namespace
            if projectPath == nil { homepage = fields.ifReadable(Repository.self, .repository)?.homepage }
            createdAt =
                fields.ifReadable(String.self, .createdAtISO).flatMap(WrittenTime.wholeSeconds)
                ?? fields.ifReadable(String.self, .createdAt).flatMap(WrittenTime.wholeSeconds)
        }
    }
}
