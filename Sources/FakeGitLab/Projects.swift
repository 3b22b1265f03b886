import Foundation
import Hummingbird

/// What a DELETE does to a project.
public enum ProjectDeletion: Sendable {
    /// It is gone, as up to GitLab 17.
    case atOnce
    /// It is renamed and marked, and a second DELETE that repeats its new path removes it, as from GitLab 18 on.
    case inTwoSteps
    /// It is renamed and marked, and stays for so many days, as where an administrator has forbidden to remove at once (18.5 on).
    case afterRetention(days: Int)
}

/// Projects that are made, filled and removed by calls.
extension Instance {
    /// What a DELETE does from now on; in two steps unless it is set.
    public func setProjectDeletion(_ deletion: ProjectDeletion) { projectDeletion = deletion }
    /// Whether people may make projects in their own namespaces.
    public func setAllowsPersonalProjects(_ allowed: Bool) { allowsPersonalProjects = allowed }

    /// A group, which projects of its path are in.
    /// - Returns: its id.
    public func addGroup(path: String) -> Int64 {
        let id = newID()
        groups[id] = path
        return id
    }

    func showUser(_ call: Call) throws -> Response {
        let token = try access(call.secret, anyOf: ["read_api", "read_user"])
        return respond(200, token.isAdmin ? ["id": 1, "username": "root", "is_admin": true] : ["id": 2, "username": "someone"])
    }

    func showGroup(_ call: Call) throws -> Response {
        _ = try access(call.secret, anyOf: ["read_api"])
        let name = call.path["id"] ?? ""
        guard let (id, path) = groups.first(where: { $0.value == name || "\($0.key)" == name }) else { throw Refused.notFound("Group") }
        return respond(200, ["id": .int(id), "path": JSON(path.split(separator: "/").last.map(String.init)), "full_path": .string(path)])
    }

    /// For administrators only.
    func showSettings(_ call: Call) throws -> Response {
        guard try access(call.secret, anyOf: ["read_api"]).maySeeAll else { throw Refused.forbidden() }
        var days: Int64 = 30
        if case .afterRetention(let kept) = projectDeletion { days = Int64(kept) }
        return respond(200, ["id": 1, "deletion_adjourned_period": .int(days), "signup_enabled": false])
    }

    func createProject(_ call: Call) throws -> Response {
        let token = try access(call.secret, anyOf: ["api"])
        guard let name = call["name"]?.text ?? call["path"]?.text else {
            throw Refused.bad("name, path are missing, at least one parameter must be provided")
        }
        let slug = call["path"]?.text ?? name
        guard slug.wholeMatch(of: /[a-zA-Z0-9_][a-zA-Z0-9_.\-]*/) != nil else {
            throw Refused(status: 400, body: ["message": ["path": ["can contain only letters, digits, '_', '-' and '.'."]]])
        }
        if let visibility = call["visibility"]?.text, !["private", "internal", "public"].contains(visibility) {
            throw Refused.bad("visibility does not have a valid value")
        }
        var namespace = token.isAdmin ? "root" : "someone"
        if let id = call["namespace_id"]?.number {
            guard let group = groups[id] else { throw Refused(status: 400, body: ["message": ["namespace": ["is not valid"]]]) }
            namespace = group
        } else if !allowsPersonalProjects {
            throw Refused(
                status: 400,
                body: ["message": ["limit_reached": ["Personal project creation is not allowed. Please contact your administrator with questions"]]])
        }
        let path = "\(namespace)/\(slug)"
        guard project(named: path) == nil else {
            throw Refused(status: 400, body: ["message": ["name": ["has already been taken"], "path": ["has already been taken"]]])
        }
        let project = Project(
            id: newID(), path: path, name: name, repository: nil, sha: String(repeating: "0", count: 40), pipelineFile: "", acceptsUnquotedColons: false,
            variables: [:])
        projects[project.id] = project
        projectsMade += 1
        letSee(project.id, call.secret)
        changed()
        return respond(201, resource(project))
    }

    /// The first commit of an empty repository; of others it makes none.
    func commit(_ call: Call) async throws -> Response {
        let project = try visibleProject(call, scope: "api")
        for name in ["branch", "commit_message", "actions"] where call[name] == nil { throw Refused.bad("\(name) is missing") }
        guard case .array(let actions)? = call["actions"] else { throw Refused.bad("actions is invalid") }
        var files: [String: String] = [:]
        for action in actions {
            guard let kind = action["action"]?.text else { throw Refused.bad("actions[0][action] is missing") }
            guard let path = action["file_path"]?.text else { throw Refused.bad("actions[0][file_path] is missing") }
            guard ["create", "update", "move", "delete", "chmod"].contains(kind) else { throw Refused.bad("actions[0][action] does not have a valid value") }
            guard kind == "create" else { throw Refused(status: 400, body: ["message": "A file with this name doesn't exist"]) }
            files[path] = action["content"]?.text ?? ""
        }
        guard project.repository == nil else { throw Refused(status: 400, body: ["message": "A file with this name already exists"]) }
        let repository = "\(directory)/repositories/\(project.id).git"
        let (sha, blobs) = try await GitRepository.make(at: repository, files: files)
        projects[project.id]?.repository = repository
        projects[project.id]?.sha = sha
        projects[project.id]?.blobs = blobs
        projects[project.id]?.pipelineFile = files[".gitlab-ci.yml"] ?? ""
        let message = call["commit_message"]?.text ?? ""
        // A push starts a pipeline.
        if files[".gitlab-ci.yml"] != nil, message.firstMatch(of: /\[(ci skip|skip ci)\]/.ignoresCase()) == nil { try createPipeline(project: project.id) }
        return respond(201, ["id": .string(sha), "short_id": .string(String(sha.prefix(8))), "title": .string(message), "message": .string(message)])
    }

    func startPipeline(_ call: Call) throws -> Response {
        let project = try visibleProject(call, scope: "api")
        guard let ref = call["ref"]?.text else { throw Refused.bad("ref is missing") }
        guard project.markedAt == nil else { throw Refused.forbidden() }
        guard ref == "main", !project.pipelineFile.isEmpty else { throw Refused(status: 400, body: ["message": ["base": ["Reference not found"]]]) }
        let made = try createPipeline(project: project.id, ref: ref)
        let id = jobs[made[0]]?.pipelineID
        return respond(
            201,
            [
                "id": JSON(id), "project_id": .int(project.id), "status": "created", "source": "api", "ref": .string(ref), "sha": .string(project.sha),
                "web_url": .string("\(url)/\(project.path)/-/pipelines/\(id ?? 0)"),
            ])
    }

    func jobsOfPipeline(_ call: Call) throws -> Response {
        let project = try visibleProject(call)
        guard let pipeline = pipelines[call.job], pipeline.projectID == project.id else { throw Refused.notFound() }
        return try page(pipeline.jobs.sorted(by: >).compactMap { jobs[$0] }.map { bent(resource($0), id: $0.id) }, call)
    }

    func removeProject(_ call: Call) throws -> Response {
        let project = try visibleProject(call, scope: "api")
        let wantsAll = call["permanently_remove"]?.flag ?? false
        func refused(_ why: String) -> Refused { Refused(status: 400, body: ["message": .string(why)]) }
        switch projectDeletion {
        case .atOnce: erase(project)
        case .inTwoSteps where wantsAll:
            guard project.markedAt != nil else { throw refused("Project must be marked for deletion first.") }
            guard call["full_path"]?.text == project.path else {
                throw refused("`full_path` is incorrect. You must enter the complete path for the project.")
            }
            erase(project)
        case .afterRetention where wantsAll: throw refused("`permanently_remove` option is not available anymore")
        case .inTwoSteps, .afterRetention:
            guard project.markedAt == nil else { throw refused("Project has been already marked for deletion") }
            projects[project.id]?.markedAt = Date()
            projects[project.id]?.path += "-deletion_scheduled-\(project.id)"
            projects[project.id]?.name += "-deletion_scheduled-\(project.id)"
        }
        changed()
        return respond(202, ["message": "202 Accepted"])
    }

    private func erase(_ project: Project) {
        for job in jobs.values where job.projectID == project.id {
            queue.removeAll { $0 == job.id }
            jobs[job.id] = nil
        }
        pipelines = pipelines.filter { $0.value.projectID != project.id }
        hooks = hooks.filter { $0.value.projectID != project.id }
        runners = runners.filter { $0.value.projectID != project.id }
        projects[project.id] = nil
        if let repository = project.repository { try? FileManager.default.removeItem(atPath: repository) }
    }
}
