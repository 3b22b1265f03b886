import Fleet

/// The GraphQL query for all pending and running jobs of an instance, and a page of its answer.
struct InstanceJobs: Decodable {
    var nodes: [Element<Node>]
    /// Where the next page begins; nil at the end.
    var cursor: String?
    /// Why this is not all there is; nil when it is.
    var trouble: String?

    /// - Parameter cursor: where the page begins; nil for the first one.
    static func query(after cursor: String?) -> String {
        let after = cursor.map { ", after:\"\($0)\"" } ?? ""
        return "{ jobs(statuses:[PENDING,RUNNING], first:100\(after)) { "
            + "nodes { id name status tags refName createdAt stage { name } runner { id } pipeline { project { id fullPath } } } "
            + "pageInfo { hasNextPage endCursor } } }"
    }

    private enum CodingKeys: String, CodingKey { case data, errors }
    private enum DataKeys: String, CodingKey { case jobs }
    private enum JobsKeys: String, CodingKey { case nodes, pageInfo }

    /// - Throws: when it is not a GraphQL answer at all. A refusal is one: it comes with 200 and `errors`, or without jobs.
    init(from decoder: any Decoder) throws {
        let answer = try decoder.container(keyedBy: CodingKeys.self)
        guard answer.contains(.data) || answer.contains(.errors) else {
            throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "neither data nor errors"))
        }
        if let errors = answer.ifReadable([Element<Complaint>].self, .errors) {
            if !errors.isEmpty { trouble = errors.values().first?.message ?? "errors without a message" }
        } else if answer.contains(.errors), (try? answer.decodeNil(forKey: .errors)) != true {
            trouble = "unreadable errors"
        }
        guard let jobs = try? answer.nestedContainer(keyedBy: DataKeys.self, forKey: .data).nestedContainer(keyedBy: JobsKeys.self, forKey: .jobs),
            let nodes = jobs.ifReadable([Element<Node>].self, .nodes)
        else {
            self.nodes = []
            trouble = trouble ?? "no jobs in the answer"
            return
        }
        self.nodes = nodes
        guard let page = jobs.ifReadable(PageInfo.self, .pageInfo) else {
            trouble = trouble ?? "no page information in the answer"
            return
        }
        guard page.hasNextPage else { return }
        // It goes into the next query as it is.
        guard let end = page.endCursor, !end.isEmpty, end.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") })
        else {
            trouble = trouble ?? "no usable cursor for the next page"
            return
        }
        cursor = end
    }

    private struct Complaint: Decodable, Sendable {
        var message: String
    }

    private struct PageInfo: Decodable {
        var hasNextPage: Bool
        var endCursor: String?
    }

    /// A job.
    struct Node: Decodable, Sendable {
        var observation: JobObservation

        private enum CodingKeys: String, CodingKey { case id, name, status, tags, refName, createdAt, stage, runner, pipeline }
        private enum PipelineKeys: String, CodingKey { case project }
        private enum ProjectKeys: String, CodingKey { case id, fullPath }

        init(from decoder: any Decoder) throws {
            let job = try decoder.container(keyedBy: CodingKeys.self)
            guard let id = Self.number(try job.decode(String.self, forKey: .id)) else {
                throw DecodingError.dataCorruptedError(forKey: .id, in: job, debugDescription: "not a global id")
            }
            let status = try job.decode(String.self, forKey: .status)
            guard !status.isEmpty else { throw DecodingError.dataCorruptedError(forKey: .status, in: job, debugDescription: "empty") }
            guard let pipeline = try? job.nestedContainer(keyedBy: PipelineKeys.self, forKey: .pipeline),
                let project = try? pipeline.nestedContainer(keyedBy: ProjectKeys.self, forKey: .project),
                let projectID = project.ifReadable(String.self, .id).flatMap(Self.number)
            else { throw DecodingError.dataCorruptedError(forKey: .pipeline, in: job, debugDescription: "no project") }
            observation = JobObservation(
                id: id, projectID: projectID, projectPath: project.ifReadable(String.self, .fullPath), name: job.ifReadable(String.self, .name),
                stage: job.ifReadable(Named.self, .stage)?.name, ref: job.ifReadable(String.self, .refName), status: JobStatus(rawValue: status),
                tags: job.ifReadable([String].self, .tags), runnerID: job.ifReadable(GlobalID.self, .runner).flatMap { Self.number($0.id) },
                createdAt: job.ifReadable(String.self, .createdAt).flatMap(WrittenTime.wholeSeconds))
        }

        /// The number at the end of a global id such as `gid://gitlab/Ci::Build/1977`; nil unless positive.
        private static func number(_ globalID: String) -> Int64? {
            globalID.split(separator: "/").last.flatMap { Int64($0) }.flatMap { $0 > 0 ? $0 : nil }
        }

        private struct Named: Decodable { var name: String? }
        private struct GlobalID: Decodable { var id: String }
    }
}
