import Foundation
import Hummingbird
import HTTPTypes

/// The REST calls that people and AutoGit make, with a personal access token.
extension Instance {
    func visibleProject(_ call: Call, scope: String = "read_api") throws -> Project {
        let token = try access(call.secret, anyOf: [scope])
        // Not allowed to know and not there look the same.
        guard let project = project(named: call.path["id"] ?? ""), token.maySeeAll || token.projects.contains(project.id) else {
            throw Refused.notFound("Project")
        }
        return project
    }

    /// A token of whatever scope may ask about itself, if it is of the right kind.
    func showToken(_ call: Call) throws -> Response {
        guard showsTokens else { throw Refused(status: 404, body: ["error": "404 Not Found"]) }
        let token = try access(call.secret)
        guard token.isPersonal else {
            throw Refused(status: 400, body: ["message": "400 Bad request - This endpoint requires token type to be a personal access token"])
        }
        return respond(
            200,
            [
                "id": 7, "name": "autogit", "revoked": false, "created_at": "2026-01-01T10:00:00.000Z", "description": nil,
                "scopes": .array(token.scopes.sorted().map { .string($0) }), "user_id": token.isAdmin ? 1 : 2, "last_used_at": Self.isoWhole(Date()),
                "active": true, "expires_at": JSON(token.expiresAt), "last_used_ips": ["127.0.0.1"],
            ])
    }

    func visibleJob(_ call: Call, scope: String = "read_api") throws -> FakeJob {
        let project = try visibleProject(call, scope: scope)
        guard let job = jobs[call.job], job.projectID == project.id else { throw Refused.notFound() }
        return job
    }

    func visibleRunner(_ call: Call, scopes: [String]) throws -> RegisteredRunner {
        let token = try access(call.secret, anyOf: scopes)
        guard let runner = runners[call.id] else { throw Refused.notFound("Runner") }
        guard token.maySeeAll || runner.projectID.map(token.projects.contains) ?? false else { throw Refused.forbidden() }
        return runner
    }

    func listProjects(_ call: Call) throws -> Response {
        let token = try access(call.secret, anyOf: ["read_api"])
        let onlyMember = call["membership"]?.flag ?? false
        let visible = projects.values.filter { token.projects.contains($0.id) || (token.maySeeAll && !onlyMember) }.sorted { $0.id > $1.id }
        return try page(visible.map(resource), call)
    }

    func listJobs(_ call: Call) throws -> Response {
        let project = try visibleProject(call)
        guard !disturbances.projectsWithoutCI.contains(project.id) else { throw Refused.forbidden() }
        let scopes = Set(call.all("scope[]"))
        let known: Set<String> = [
            "created", "waiting_for_resource", "preparing", "pending", "running", "success", "failed", "canceling", "canceled", "skipped", "manual",
            "scheduled",
        ]
        guard scopes.isSubset(of: known) else { throw Refused.bad("scope does not have a valid value") }
        let found = jobs.values.filter { $0.projectID == project.id && (scopes.isEmpty || scopes.contains($0.status)) }.sorted { $0.id > $1.id }
        return try page(found.map { bent(resource($0), id: $0.id) }, call)
    }

    /// One page, with `Link`, and a 304 when the client has it already.
    func page(_ items: [JSON], _ call: Call) throws -> Response {
        let size = Int(call["per_page"]?.number ?? 20)
        let number = Int(call["page"]?.number ?? 1)
        guard size > 0, number > 0 else { throw Refused.bad("page does not have a valid value") }
        let start = (number - 1) * min(size, 100)
        let part = Array(items.dropFirst(start).prefix(min(size, 100)))
        var headers: [(String, String)] = [("X-Page", "\(number)"), ("X-Per-Page", "\(min(size, 100))")]
        if start + part.count < items.count {
            let query = Call.pairs(call.request.uri.query ?? "").filter { $0.0 != "page" } + [("page", "\(number + 1)")]
            let text = query.map { "\($0.0.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")=\($0.1)" }.joined(separator: "&")
            let path = call.request.uri.path
            let root = path.firstRange(of: "/api/v4/").map { path[..<$0.lowerBound].count } ?? 0
            headers.append(("Link", "<\(url)\(path.dropFirst(root))?\(text)>; rel=\"next\""))
            headers.append(("X-Next-Page", "\(number + 1)"))
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let body = try encoder.encode(JSON.array(part))
        let tag = "W/\"\(body.reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 })\""
        headers.append(("ETag", tag))
        if call.request.headers[.ifNoneMatch] == tag { return respond(304, headers: headers) }
        return respond(200, .array(part), headers: headers)
    }

    // MARK: Runners

    func createRunner(_ call: Call) throws -> Response {
        let token = try access(call.secret, anyOf: ["create_runner"])
        guard let type = call["runner_type"]?.text, ["instance_type", "group_type", "project_type"].contains(type) else {
            throw Refused.bad("runner_type does not have a valid value")
        }
        let tags = call["tag_list"]?.list ?? []
        let untagged = call["run_untagged"]?.flag ?? true
        switch type {
        case "instance_type":
            guard token.maySeeAll else { throw Refused.forbidden("403 Forbidden - Insufficient permissions") }
        case "project_type":
            guard let id = call["project_id"]?.number else { throw Refused.bad("project_id is missing") }
            guard projects[id] != nil, token.maySeeAll || token.projects.contains(id) else { throw Refused.notFound("Project") }
        default:
            guard call["group_id"]?.number != nil else { throw Refused.bad("group_id is missing") }
        }
        if tags.isEmpty, !untagged {
            throw Refused(status: 400, body: ["message": ["tags_list": ["can not be empty when runner is not allowed to pick untagged jobs"]]])
        }
        if let longest = call["maximum_timeout"]?.number, longest < 600 {
            throw Refused(status: 400, body: ["message": ["maximum_timeout": ["needs to be at least 10 minutes"]]])
        }
        if (call["maintenance_note"]?.text ?? "").count > 1024 {
            throw Refused(status: 400, body: ["message": ["maintenance_note": ["is too long (maximum is 1024 characters)"]]])
        }
        let id = newID()
        registered += 1
        let secret = newSecret("glrt-")
        runners[id] = RegisteredRunner(
            id: id, token: secret, type: type, projectID: call["project_id"]?.number, groupID: call["group_id"]?.number,
            description: call["description"]?.text ?? "", tags: tags, runUntagged: untagged, paused: call["paused"]?.flag ?? false,
            locked: call["locked"]?.flag ?? false,
            maintenanceNote: call["maintenance_note"]?.text)
        changed()
        return respond(201, ["id": .int(id), "token": .string(secret), "token_expires_at": nil])
    }

    func listRunners(_ call: Call) throws -> Response {
        let token = try access(call.secret, anyOf: ["read_api"])
        let visible = runners.values.filter { token.maySeeAll || $0.projectID.map(token.projects.contains) ?? false }.sorted { $0.id > $1.id }
        return try page(visible.map { resource($0, whole: false) }, call)
    }

    func updateRunner(_ call: Call) throws -> Response {
        let runner = try visibleRunner(call, scopes: ["manage_runner"])
        if let paused = call["paused"]?.flag { runners[runner.id]?.paused = paused }
        if let description = call["description"]?.text { runners[runner.id]?.description = description }
        changed()
        return respond(200, resource(runners[runner.id] ?? runner, whole: true))
    }

    /// As GitLab does: a job on it is not ended, but its runner can't speak for it any more once it asks anew.
    public func removeRunner(_ id: Int64) {
        runners[id] = nil
        changed()
    }

    func jobsOfRunner(_ call: Call) throws -> Response {
        let runner = try visibleRunner(call, scopes: ["read_api"])
        if let status = call["status"]?.text, !["running", "success", "failed", "canceled"].contains(status) {
            throw Refused.bad("status does not have a valid value")
        }
        let found = jobs.values.filter { job in job.runnerID == runner.id && call["status"]?.text.map { $0 == job.status } ?? true }
        return try page(found.sorted { $0.id > $1.id }.map(resource), call)
    }

    // MARK: Git

    /// Basic authentication with the token of a running job of the project, as GitLab wants it of a private project.
    func repositoryForJob(_ call: Call) throws -> String {
        let name = "\(call.path["namespace"] ?? "")/\(call.path["project"] ?? "")"
        let path = name.hasSuffix(".git") ? String(name.dropLast(4)) : name
        let secret = call.request.headers[.authorization].flatMap { header -> String? in
            guard header.hasPrefix("Basic "), let data = Data(base64Encoded: String(header.dropFirst(6))) else { return nil }
            return String(decoding: data, as: UTF8.self).split(separator: ":", maxSplits: 1).last.map(String.init)
        }
        guard let secret else {
            throw Refused(status: 401, body: ["message": "HTTP Basic: Access denied"], headers: [("WWW-Authenticate", "Basic realm=\"GitLab\"")])
        }
        guard let (project, repository) = repository(path: path) else { throw Refused.notFound("Project") }
        guard jobs.values.contains(where: { $0.token == secret && $0.projectID == project.id && $0.status == "running" }) else {
            throw Refused.forbidden("403 Forbidden")
        }
        return repository
    }
}
