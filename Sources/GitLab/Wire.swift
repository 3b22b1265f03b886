import FoundationEssentials
import Fleet

/// GitLab's JSON, read liberally: what we don't use is not declared, what may be absent is optional.
struct JobHookPayload: Decodable {
    var object_kind: String?
    var build_id: Int64?
    var build_name: String?
    var build_stage: String?
    var build_status: String?
    var build_failure_reason: String?
    var ref: String?
    var project_id: Int64?
    var project_name: String?
    var runner: RunnerReference?
    var project: ProjectReference?

    struct RunnerReference: Decodable { var id: Int64? }
    struct ProjectReference: Decodable { var path_with_namespace: String? }
}

struct JobResource: Decodable {
    var id: Int64
    var status: String
    var stage: String?
    var name: String?
    var ref: String?
    var tag_list: [String]?
    var failure_reason: String?
    var runner: JobHookPayload.RunnerReference?
    var pipeline: PipelineReference?

    struct PipelineReference: Decodable { var project_id: Int64? }

    func observation(project: Int64, path: String?) -> JobObservation {
        JobObservation(
            id: id, projectID: project, projectPath: path, name: name, stage: stage, ref: ref,
            status: JobStatus(rawValue: status), tags: tag_list ?? [], runnerID: runner?.id,
            failureReason: failure_reason)
    }
}

struct RunnerResource: Decodable {
    var id: Int64
    var description: String?
    var maintenance_note: String?
    var contacted_at: String?
    var status: String?

    var value: ForgeRunner {
        ForgeRunner(
            id: id, description: description ?? "", maintenanceNote: maintenance_note,
            hasContacted: contacted_at != nil || status == "online")
    }
}

struct NewRunnerResource: Decodable {
    var id: Int64
    var token: String
}

struct ProjectResource: Decodable {
    var id: Int64
    var path_with_namespace: String?
}

struct GraphQLJobs: Decodable {
    var data: Body?
    struct Body: Decodable { var jobs: Connection? }
    struct Connection: Decodable {
        var nodes: [Node]
        var pageInfo: PageInfo
    }
    struct PageInfo: Decodable {
        var hasNextPage: Bool
        var endCursor: String?
    }
    struct Node: Decodable {
        var id: String
        var name: String?
        var status: String
        var tags: [String]?
        var runner: Identified?
        var pipeline: Pipeline?
        struct Identified: Decodable { var id: String }
        struct Pipeline: Decodable { var project: Project? }
        struct Project: Decodable {
            var id: String
            var fullPath: String?
        }

        var observation: JobObservation? {
            guard let job = Self.number(id), let project = pipeline?.project,
                let projectID = Self.number(project.id)
            else { return nil }
            return JobObservation(
                id: job, projectID: projectID, projectPath: project.fullPath, name: name,
                status: JobStatus(rawValue: status), tags: tags ?? [], runnerID: runner.flatMap { Self.number($0.id) })
        }

        /// The number at the end of a global id such as `gid://gitlab/Ci::Build/1977`.
        static func number(_ globalID: String) -> Int64? {
            globalID.split(separator: "/").last.flatMap { Int64($0) }
        }
    }
}
