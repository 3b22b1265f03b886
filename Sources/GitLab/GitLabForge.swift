import Fleet
import FoundationEssentials
import HTTPTransfer

/// The GitLab instance behind the `Forge` port: REST and GraphQL with a personal access token.
public final class GitLabForge: Forge {
    /// Where GitLab is, and how it is asked.
    public struct Configuration: Sendable {
        /// Without a trailing slash.
        public var url: String
        /// A personal access token.
        public var token: Secret
        /// Paths or ids to poll when the token may not ask for the whole instance; empty for all it is a member of.
        public var projects: [String]
        /// A CA bundle in place of the system's.
        public var caFile: String?
        /// How runners reach it.
        public var runnerAccess: RunnerAccess

        /// - Parameters:
        ///   - url: with or without a trailing slash.
        ///   - token: a personal access token.
        ///   - projects: paths or ids to poll; empty for all that the token's owner is a member of.
        ///   - caFile: a CA bundle in place of the system's.
        ///   - runnerAccess: how runners reach it; nil for as this daemon does.
        public init(url: String, token: Secret, projects: [String] = [], caFile: String? = nil, runnerAccess: RunnerAccess? = nil) {
            let url = url.hasSuffix("/") ? String(url.dropLast()) : url
            self.url = url
            self.token = token
            self.projects = projects
            self.caFile = caFile
            self.runnerAccess = runnerAccess ?? RunnerAccess(url: url)
        }
    }

    let connection: GitLabConnection
    let poller: JobPoller

    /// - Parameters:
    ///   - configuration: where GitLab is.
    ///   - http: makes all calls.
    ///   - told: told of each call at its end.
    public init(_ configuration: Configuration, http: HTTPClient, told: (@Sendable (FinishedCall) -> Void)? = nil) {
        connection = GitLabConnection(configuration: configuration, http: http, told: told)
        poller = JobPoller(connection)
    }

    /// How runners reach it: as this daemon does, unless the configuration says otherwise.
    public var runnerAccess: RunnerAccess { connection.configuration.runnerAccess }

    /// - Throws: `GitLabError`, also when the answer isn't GitLab's own.
    public func ping() async throws {
        _ = try await connection.get("version", as: VersionResource.self)
    }

    // MARK: Events

    /// - Throws: `MalformedEvent` for a body that is not a JSON object.
    public func decodeEvent(_ body: [UInt8]) throws -> DecodedEvent {
        try JobHook.decode(body, from: connection.configuration.url)
    }

    // MARK: Runners

    /// Registers a runner for the spec's pool.
    /// - Throws: `GitLabError`; after an outage the registration may exist, for only the answer may have been lost.
    public func register(_ spec: RunnerSpec) async throws -> Registration {
        struct Body: Encodable {
            var runner_type: String
            var group_id: Int64?
            var project_id: Int64?
            var description: String
            var tag_list: [String]
            var run_untagged: Bool
            var locked: Bool?
            var maintenance_note: String
        }
        var body = Body(
            runner_type: "instance_type", description: Runner.name(of: spec.runner), tag_list: spec.pool.tags,
            run_untagged: spec.pool.runUntagged, maintenance_note: Self.note(spec))
        switch spec.pool.register {
        case .instance: break
        case .group(let group):
            body.runner_type = "group_type"
            body.group_id = try await poller.number(of: group, kind: "groups")
        case .project(let project):
            body.runner_type = "project_type"
            body.project_id = try await poller.number(of: project, kind: "projects")
            // Else its maintainers could enable it for another project, whose jobs would get this one's cache.
            if spec.pool.cache.scope == .project { body.locked = true }
        }
        let json = try JSONEncoder().encode(body)
        let answer: GitLabConnection.Answer
        do {
            answer = try await connection.call("POST", "user/runners", json: json)
        } catch {
            if error.kind == .notFound { poller.forgetNumbers() }
            guard error.kind == .forbidden, spec.pool.register == .instance, !error.isOfScope else { throw error }
            throw error.advised(
                ". Instance runners need an administrator's token, with admin mode on one with the scope admin_mode, too")
        }
        let created = try connection.decode(NewRunnerResource.self, answer)
        return Registration(id: created.id, token: Secret(created.token))
    }

    private static func note(_ spec: RunnerSpec) -> String {
        "Made by AutoGit; instance=\(spec.instance) runner=\(spec.runner). It goes by itself."
    }

    /// Removes a registration; one that is already gone is no error.
    /// - Throws: `GitLabError`, also when the answer isn't GitLab's own: the registration may be there then.
    public func unregister(_ id: Int64) async throws {
        try await connection.unlessGone {
            let answer = try await connection.call("DELETE", "runners/\(id)")
            if answer.response.status != 204 { _ = try connection.decode(Identified.self, answer) }
        }
    }

    /// Pauses a runner or lets it go on; a registration that is gone is no error.
    /// - Throws: `GitLabError`; after an outage the runner may be paused.
    public func setPaused(_ id: Int64, _ paused: Bool) async throws {
        try await connection.unlessGone {
            let answer = try await connection.call("PUT", "runners/\(id)", json: Data("{\"paused\":\(paused)}".utf8))
            _ = try connection.decode(Identified.self, answer)
        }
    }

    /// - Returns: nil when GitLab itself says that there is no such runner.
    /// - Throws: `GitLabError`
    public func runner(_ id: Int64) async throws -> ForgeRunner? {
        try await connection.unlessGone { try await connection.get("runners/\(id)", as: RunnerResource.self).value }
    }

    /// The jobs that a runner has right now; none when GitLab itself says that there is no such runner.
    /// - Throws: `GitLabError`, also for a list with an odd element: whoever asks wants to know that the runner is free.
    public func runningJobs(ofRunner id: Int64) async throws -> [JobID] {
        let running = try await connection.unlessGone {
            try await connection.get("runners/\(id)/jobs?status=running&per_page=100", as: [Identified].self)
        }
        return running?.map(\.id) ?? []
    }

    /// All registrations whose maintenance note names this instance. One that GitLab doesn't show to the token is left out.
    /// - Throws: `GitLabError`
    public func registrations(instance: String) async throws -> [ForgeRunner] {
        let found: [Element<RunnerResource>]
        do {
            found = try await connection.list("runners/all?per_page=100", of: RunnerResource.self)
        } catch {
            guard error.kind == .forbidden else { throw error }
            found = try await connection.list("runners?per_page=100", of: RunnerResource.self)
        }
        var ours: [ForgeRunner] = []
        for candidate in found.values() where candidate.description?.hasPrefix(Runner.namePrefix) == true {
            // Lists leave the note out: only the runner itself says whose it is.
            if let whole = try await runner(candidate.id), whole.maintenanceNote?.contains("instance=\(instance) ") == true {
                ours.append(whole)
            }
        }
        return ours
    }

    // MARK: Jobs

    /// - Returns: nil when GitLab itself says that there is no such job, or that the token may not know of it.
    /// - Throws: `GitLabError`
    public func job(project: Int64, id: JobID) async throws -> JobObservation? {
        let job = try await connection.unlessGone { try await connection.get("projects/\(project)/jobs/\(id)", as: JobResource.self) }
        return job?.observation(project: project, path: nil)
    }

    /// Every pending and running job that the token may see.
    /// - Throws: `GitLabError` when the token is refused, or when nothing at all could be asked.
    public func activeJobs() async throws -> Poll { try await poller.activeJobs() }

    // MARK: Hooks

    /// Has GitLab send the project's job events to `url`, also where it has turned off a hook for that.
    /// - Throws: `GitLabError`
    public func installHook(project: String, url: String, secret: Secret) async throws -> HookInstallation {
        try await hooks(of: project, url, secret).install()
    }

    /// See `Forge.reviveHook`.
    /// - Throws: `GitLabError`
    public func reviveHook(project: String, url: String, secret: Secret) async throws -> Bool {
        do {
            return try await hooks(of: project, url, secret).revive()
        } catch let error as GitLabError where error.kind == .forbidden || error.kind == .notFound {
            // Hooks are for maintainers to see; the token's owner is none there.
            return false
        }
    }

    private func hooks(of project: String, _ url: String, _ secret: Secret) async throws -> ProjectHooks {
        ProjectHooks(connection: connection, project: try await poller.number(of: project, kind: "projects"), url: url, secret: secret)
    }
}
