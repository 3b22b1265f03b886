import Fleet
import FoundationEssentials

/// The body of a `Job Hook` webhook, GitLab 15 and up.
public enum JobHook {
    /// - Throws: `MalformedEvent`. JSON that is not a usable job event is an answer, not an error: GitLab turns
    ///   a hook off that is refused too often.
    public static func decode(_ body: [UInt8]) throws -> DecodedEvent {
        let payload: JobHookPayload
        do {
            payload = try JSONDecoder().decode(JobHookPayload.self, from: Data(body))
        } catch {
            guard body.first(where: { $0 > 0x20 }) == UInt8(ascii: "{"),
                (try? JSONDecoder().decode(AnyObjectShape.self, from: Data(body))) != nil
            else { throw MalformedEvent() }
            return .unusable("a field has an unexpected type")
        }
        guard let kind = payload.object_kind else { return .unusable("it has no object_kind") }
        guard kind == "build" else { return .unusable("object_kind is not build") }
        guard let id = payload.build_id, let project = payload.project_id, let status = payload.build_status
        else { return .unusable("build_id, project_id or build_status is missing") }
        guard id > 0, project > 0 else { return .unusable("build_id or project_id is not positive") }
        let parsed = JobStatus(rawValue: status)
        guard parsed.isKnown else { return .unusable("its build_status is unknown") }
        return .job(
            JobObservation(
                id: id, projectID: project, projectPath: payload.project?.path_with_namespace,
                name: payload.build_name, stage: payload.build_stage, ref: payload.ref, status: parsed,
                tags: nil, runnerID: payload.runner?.id,
                failureReason: parsed == .failed ? payload.build_failure_reason : nil))
    }

    private struct AnyObjectShape: Decodable {
        init(from decoder: any Decoder) throws {
            struct AnyKey: CodingKey {
                var stringValue: String
                var intValue: Int? { nil }
                init(stringValue: String) { self.stringValue = stringValue }
                init?(intValue: Int) { nil }
            }
            _ = try decoder.container(keyedBy: AnyKey.self)
        }
    }
}
