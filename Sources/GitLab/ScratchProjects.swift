import Fleet
import FoundationEssentials
import HTTPTransfer

/// Projects that AutoGit makes for itself and removes again, as the self-test does. All of it takes a token with the scope `api`.
public struct ScratchProjects: Sendable {
    /// Where a project is made.
    public struct Namespace: Sendable, Equatable {
        /// GitLab's number of the group; nil for the user's own namespace.
        public var group: Int64?
        /// The path, without slashes at its ends.
        public var path: String
        /// As a test or GitLab has it.
        public init(group: Int64?, path: String) {
            self.group = group
            self.path = path
        }
    }

    /// A project.
    public struct Made: Sendable, Equatable {
        /// GitLab's number of it.
        public var id: Int64
        /// With its namespace.
        public var path: String
        /// Its page; nil where GitLab doesn't say.
        public var page: String?
        /// As a test or GitLab has it.
        public init(id: Int64, path: String, page: String?) {
            self.id = id
            self.path = path
            self.page = page
        }
    }

    /// A job of a project's pipeline.
    public struct Job: Sendable, Equatable {
        /// GitLab's number of it.
        public var id: Int64
        /// The key in the pipeline's file.
        public var name: String
        /// As GitLab has it.
        public var status: JobStatus
        /// The description of the runner that took it; nil while none has.
        public var runner: String?
        /// GitLab's word for why it failed.
        public var failureReason: String?
        /// As a test or GitLab has it.
        public init(id: Int64, name: String, status: JobStatus, runner: String? = nil, failureReason: String? = nil) {
            self.id = id
            self.name = name
            self.status = status
            self.runner = runner
            self.failureReason = failureReason
        }
    }

    /// What became of a removal.
    public enum Removal: Sendable, Equatable {
        /// GitLab knows the project no more.
        case gone
        /// GitLab has taken the order, and still shows the project.
        case underWay
        /// GitLab keeps projects for some time, and this instance allows nobody to shorten that.
        /// - Parameters:
        ///   - path: as it is called meanwhile.
        ///   - until: the day on which GitLab removes it, such as `2027-01-31`; nil where GitLab doesn't tell this token.
        case kept(path: String, until: String?)
    }

    private let connection: GitLabConnection

    /// - Parameters:
    ///   - configuration: where GitLab is.
    ///   - http: makes all calls.
    public init(_ configuration: GitLabForge.Configuration, http: HTTPClient) {
        connection = GitLabConnection(configuration: configuration, http: http)
    }

    /// - Parameter group: its path or number; nil for the namespace of the token's user.
    /// - Throws: `GitLabError`
    public func namespace(group: String?) async throws -> Namespace {
        guard let group else { return Namespace(group: nil, path: try await connection.get("user", as: UserName.self).username) }
        let found = try await connection.get("groups/\(percentEncoded(group))", as: GroupResource.self)
        return Namespace(group: found.id, path: found.full_path)
    }

    /// Makes an empty private project.
    /// - Throws: `GitLabError`; after an outage the project may be there, which `find` tells.
    public func create(name: String, in namespace: Namespace) async throws -> Made {
        struct Body: Encodable {
            var name: String
            var path: String
            var namespace_id: Int64?
            var visibility = "private"
            var description = "Made by AutoGit's self-test, which removes it when it is over."
            // New projects may be without, and then no instance runner serves them.
            var shared_runners_enabled = true
        }
        let body = try JSONEncoder().encode(Body(name: name, path: name, namespace_id: namespace.group))
        do {
            return try connection.decode(ProjectResource.self, try await connection.call("POST", "projects", json: body)).made
        } catch {
            guard error.kind == .forbidden, !error.isOfScope else { throw error }
            throw error.advised(". The self-test makes a project of its own in \(namespace.path): the token's user may not, so use the token of one who may")
        }
    }

    /// - Returns: the project; nil when GitLab says that there is none.
    /// - Throws: `GitLabError`
    public func find(name: String, in namespace: Namespace) async throws -> Made? {
        try await connection.unlessGone {
            try await connection.get("projects/\(percentEncoded("\(namespace.path)/\(name)"))", as: ProjectResource.self).made
        }
    }

    /// Makes the first commit, which starts no pipeline.
    /// - Throws: `GitLabError`
    public func commit(_ files: [String: String], to project: Int64) async throws {
        struct Action: Encodable {
            var action = "create"
            var file_path: String
            var content: String
        }
        struct Body: Encodable {
            var branch = "main"
            var commit_message = "Add the self-test's pipeline [skip ci]"
            var actions: [Action]
        }
        let actions = files.sorted { $0.key < $1.key }.map { Action(file_path: $0.key, content: $0.value) }
        _ = try await connection.call("POST", "projects/\(project)/repository/commits", json: try JSONEncoder().encode(Body(actions: actions)))
    }

    /// - Returns: GitLab's number of the pipeline.
    /// - Throws: `GitLabError`
    public func startPipeline(in project: Int64) async throws -> Int64 {
        try connection.decode(Identified.self, try await connection.call("POST", "projects/\(project)/pipeline", json: Data(#"{"ref":"main"}"#.utf8))).id
    }

    /// - Throws: `GitLabError`, also for a job that can't be read.
    public func jobs(ofPipeline pipeline: Int64, in project: Int64) async throws -> [Job] {
        let answer = try await connection.call("GET", "projects/\(project)/pipelines/\(pipeline)/jobs?per_page=100")
        let listing = try await connection.pages(of: PipelineJobResource.self, startingWith: answer)
        if let error = listing.cutShort { throw error }
        return listing.elements.values().map { job in
            Job(
                id: job.id, name: job.name, status: JobStatus(rawValue: job.status), runner: job.runner?.description.map(connection.printable),
                failureReason: job.failure_reason.map(connection.printable))
        }
    }

    /// The last lines of a job's log, fit for a terminal.
    /// - Throws: `GitLabError`
    public func lastLines(ofJob job: Int64, in project: Int64, count: Int) async throws -> [String] {
        let answer = try await connection.call("GET", "projects/\(project)/jobs/\(job)/trace")
        return TraceText.lastLines(answer.response.body, count: count).map { connection.printable($0, atMost: 500) }
    }

    /// Has a job end.
    /// - Throws: `GitLabError`
    public func cancel(job: Int64, in project: Int64) async throws {
        _ = try await connection.call("POST", "projects/\(project)/jobs/\(job)/cancel")
    }

    /// Removes a project with all that is in it. Done twice, or for one that is gone, it is no error.
    ///
    /// Up to GitLab 17 a DELETE removes it. From 18 on that renames it and sets a day for its end; a second DELETE that repeats its new path
    /// removes it at once, unless an administrator has forbidden that (18.5 on).
    /// - Throws: `GitLabError` when it stays.
    public func remove(_ project: Int64) async throws -> Removal {
        var refusal: GitLabError?
        do { _ = try await connection.call("DELETE", "projects/\(project)") } catch {
            if error.kind == .notFound { return .gone }
            // It may be marked already, by an earlier try whose answer was lost.
            guard error.kind == .refused else { throw error }
            refusal = error
        }
        guard let marked = try await look(project) else { return .gone }
        guard marked.isMarked else {
            if let refusal { throw refusal }
            return .underWay
        }
        do {
            _ = try await connection.call("DELETE", "projects/\(project)?permanently_remove=true&full_path=\(percentEncoded(marked.path_with_namespace))")
        } catch {
            guard [.refused, .forbidden, .notFound].contains(error.kind) else { throw error }
            guard let kept = try await look(project) else { return .gone }
            return .kept(path: kept.path_with_namespace, until: await lastDay(of: kept))
        }
        return try await look(project) == nil ? .gone : .underWay
    }

    private func look(_ project: Int64) async throws -> ProjectResource? {
        try await connection.unlessGone { try await connection.get("projects/\(project)", as: ProjectResource.self) }
    }

    /// GitLab shows the day on which a project was marked, and to administrators for how many days it is kept from then on.
    private func lastDay(of project: ProjectResource) async -> String? {
        struct ApplicationSettings: Decodable { var deletion_adjourned_period: Int64 }
        guard let day = project.marked_for_deletion_on ?? project.marked_for_deletion_at, let marked = TokenFacts.Expiry(day: String(day.prefix(10))),
            let settings = try? await connection.get("application/settings", as: ApplicationSettings.self)
        else { return nil }
        return String((marked.at + .seconds(settings.deletion_adjourned_period * 86_400)).iso8601.prefix(10))
    }
}

private struct UserName: Decodable {
    var username: String
}

private struct GroupResource: Decodable {
    var id: Int64
    var full_path: String
}

private struct ProjectResource: Decodable {
    var id: Int64
    var path_with_namespace: String
    var web_url: String?
    /// The older name of the next.
    var marked_for_deletion_at: String?
    var marked_for_deletion_on: String?

    var isMarked: Bool { marked_for_deletion_on != nil || marked_for_deletion_at != nil }
    var made: ScratchProjects.Made { .init(id: id, path: path_with_namespace, page: web_url) }
}

private struct PipelineJobResource: Decodable, Sendable {
    struct Taker: Decodable {
        var description: String?
    }
    var id: Int64
    var name: String
    var status: String
    var runner: Taker?
    var failure_reason: String?
}
