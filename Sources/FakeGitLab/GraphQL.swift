import Foundation
import Hummingbird

extension Instance {
    /// The one query that is known here: all jobs of the instance. To others than administrators it shows an instance
    /// without jobs, and no error.
    func graphQL(_ call: Call) throws -> Response {
        let token = try access(call.secret, anyOf: ["read_api"])
        guard let query = call["query"]?.text,
            let match = query.firstMatch(of: /jobs\s*\(\s*statuses:\s*\[([A-Z_,\s]*)\]\s*,\s*first:\s*(\d+)(?:\s*,\s*after:\s*"([^"]*)")?\s*\)/)
        else {
            return respond(200, ["errors": [["message": "Parse error on query"]]])
        }
        let statuses = Set(match.1.split(separator: ",").map { $0.filter { !$0.isWhitespace }.lowercased() })
        let size = min(Int(match.2) ?? 100, 100)
        let after = match.3.flatMap { Int64($0) } ?? .max
        let visible = token.maySeeAll ? Array(jobs.values) : []
        let found = visible.filter { statuses.contains($0.status) && $0.id < after }.sorted { $0.id > $1.id }
        let part = found.prefix(size)
        let page: JSON = ["hasNextPage": .bool(found.count > part.count), "endCursor": JSON(part.last.map { String($0.id) })]
        var answer: [String: JSON] = ["data": ["jobs": ["nodes": .array(part.map { bent(node($0), id: $0.id) }), "pageInfo": page]]]
        if !disturbances.graphQLErrors.isEmpty { answer["errors"] = .array(disturbances.graphQLErrors.map { ["message": .string($0)] }) }
        return respond(200, .object(answer))
    }

    private func node(_ job: FakeJob) -> JSON {
        [
            "id": .string("gid://gitlab/Ci::Build/\(job.id)"), "name": .string(job.definition.name), "status": .string(job.status.uppercased()),
            "tags": .array(job.definition.tags.map { .string($0) }), "refName": .string(pipelines[job.pipelineID]?.ref ?? "main"),
            "stage": ["name": .string(job.definition.stage)], "createdAt": Self.isoWhole(job.createdAt), "queuedAt": Self.isoWhole(job.queuedAt),
            "runner": job.runnerID.map { ["id": .string("gid://gitlab/Ci::Runner/\($0)")] } ?? nil,
            "pipeline": ["project": ["id": .string("gid://gitlab/Project/\(job.projectID)"), "fullPath": JSON(projects[job.projectID]?.path)]],
        ]
    }
}
