import Fleet
import FoundationEssentials
import HTTPTransfer
import Logging
import Synchronization

/// The GitLab instance behind the `Forge` port: REST and GraphQL with a personal access token.
public final class GitLabForge: Forge {
    public struct Configuration: Sendable {
        /// Without a trailing slash.
        public var url: String
        public var token: Secret
        /// Paths or ids to poll when the token may not ask for the whole instance; empty for all it is a member of.
        public var projects: [String]
        public var caFile: String?
        public init(url: String, token: Secret, projects: [String] = [], caFile: String? = nil) {
            self.url = url.hasSuffix("/") ? String(url.dropLast()) : url
            self.token = token
            self.projects = projects
            self.caFile = caFile
        }
    }

    private struct PollMemory {
        /// The instance-wide query was refused: ask project by project for so many polls, then try it again, for
        /// GitLab refuses in the same words what the token may not do and what took it too long.
        var pollsByProject = 0
        var etags: [String: (etag: String, jobs: [JobObservation])] = [:]
        var groups: [String: Int64] = [:]
    }

    private static let pollsByProject = 120
    private let configuration: Configuration
    private let http: HTTPClient
    private let log: Logger
    private let memory = Mutex(PollMemory())

    public init(_ configuration: Configuration, http: HTTPClient, log: Logger) {
        self.configuration = configuration
        self.http = http
        self.log = log
    }

    public var runnerURL: String { configuration.url }

    // MARK: Events

    public func decodeEvent(_ body: [UInt8]) throws -> DecodedEvent {
        try JobHook.decode(body)
    }

    // MARK: Runners

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
            body.group_id = try await number(of: group, kind: "groups")
        case .project(let project):
            body.runner_type = "project_type"
            body.project_id = try await number(of: project, kind: "projects")
        }
        let answer = try await call("POST", "user/runners", json: try JSONEncoder().encode(body))
        let created = try decode(NewRunnerResource.self, answer)
        return Registration(id: created.id, token: Secret(created.token))
    }

    private static func note(_ spec: RunnerSpec) -> String {
        "Made by AutoGit; instance=\(spec.instance) runner=\(spec.runner). It goes by itself."
    }

    /// A group or project is named by number or path; GitLab wants the number.
    private func number(of name: String, kind: String) async throws -> Int64 {
        if let number = Int64(name) { return number }
        let key = "\(kind)/\(name)"
        if let known = memory.withLock({ $0.groups[key] }) { return known }
        let answer = try await call("GET", "\(kind)/\(percentEncoded(name))")
        let id = try decode(ProjectResource.self, answer).id
        memory.withLock { $0.groups[key] = id }
        return id
    }

    public func unregister(_ id: Int64) async throws {
        do {
            _ = try await call("DELETE", "runners/\(id)")
        } catch let error as GitLabError where error.kind == .notFound {}
    }

    public func setPaused(_ id: Int64, _ paused: Bool) async throws {
        do {
            _ = try await call("PUT", "runners/\(id)", json: Data("{\"paused\":\(paused)}".utf8))
        } catch let error as GitLabError where error.kind == .notFound {}
    }

    public func runner(_ id: Int64) async throws -> ForgeRunner? {
        do {
            return try decode(RunnerResource.self, try await call("GET", "runners/\(id)")).value
        } catch let error as GitLabError where error.kind == .notFound {
            return nil
        }
    }

    public func runningJobs(ofRunner id: Int64) async throws -> [JobID] {
        struct Reference: Decodable { var id: Int64 }
        do {
            let answer = try await call("GET", "runners/\(id)/jobs?status=running&per_page=100")
            return try decode([Reference].self, answer).map(\.id)
        } catch let error as GitLabError where error.kind == .notFound {
            return []
        }
    }

    public func registrations(instance: String) async throws -> [ForgeRunner] {
        var found: [RunnerResource] = []
        do {
            found = try await pages("runners/all?per_page=100", of: RunnerResource.self)
        } catch let error as GitLabError where error.kind == .forbidden {
            found = try await pages("runners?per_page=100", of: RunnerResource.self)
        }
        var ours: [ForgeRunner] = []
        for candidate in found where candidate.description?.hasPrefix(Runner.namePrefix) == true {
            // Lists leave the note out: only the runner itself says whose it is.
            if let whole = try await runner(candidate.id),
                whole.maintenanceNote?.contains("instance=\(instance) ") == true
            {
                ours.append(whole)
            }
        }
        return ours
    }

    // MARK: Jobs

    public func job(project: Int64, id: JobID) async throws -> JobObservation? {
        do {
            let answer = try await call("GET", "projects/\(project)/jobs/\(id)")
            return try decode(JobResource.self, answer).observation(project: project, path: nil)
        } catch let error as GitLabError where error.kind == .notFound {
            return nil
        }
    }

    public func activeJobs() async throws -> Poll {
        let byProject = memory.withLock { box -> Bool in
            box.pollsByProject -= box.pollsByProject > 0 ? 1 : 0
            return box.pollsByProject > 0
        }
        if !byProject {
            if let jobs = try await instanceJobs() { return Poll(jobs: jobs, isComplete: true) }
            memory.withLock { $0.pollsByProject = Self.pollsByProject }
            log.info("The token may not list the instance's jobs; polling project by project")
        }
        return try await jobsByProject()
    }

    /// nil when the token may not ask.
    private func instanceJobs() async throws -> [JobObservation]? {
        var jobs: [JobObservation] = []
        var cursor: String?
        for _ in 0..<200 {
            let after = cursor.map { ", after:\"\($0)\"" } ?? ""
            let query =
                "{ jobs(statuses:[PENDING,RUNNING], first:100\(after)) { nodes { id name status tags "
                + "runner { id } pipeline { project { id fullPath } } } pageInfo { hasNextPage endCursor } } }"
            let answer: HTTPResponse
            do {
                answer = try await call(
                    "POST", "graphql", json: try JSONEncoder().encode(["query": query]), base: "/api/")
            } catch let error as GitLabError where error.kind == .forbidden || error.kind == .notFound {
                return nil
            }
            // A refusal is a 200 with `errors`, or with `jobs: null`.
            guard let page = try decode(GraphQLJobs.self, answer).data?.jobs else { return nil }
            jobs += page.nodes.compactMap(\.observation)
            guard page.pageInfo.hasNextPage, let next = page.pageInfo.endCursor else { return jobs }
            cursor = next
        }
        return jobs
    }

    private func jobsByProject() async throws -> Poll {
        var projects: [(path: String, id: Int64?)] = configuration.projects.map { ($0, nil) }
        if projects.isEmpty {
            projects = try await pages(
                "projects?membership=true&simple=true&per_page=100", of: ProjectResource.self
            ).map { ($0.path_with_namespace ?? String($0.id), $0.id) }
        }
        var all: [JobObservation] = []
        var complete = true
        var changed = false
        for project in projects {
            do {
                let id: Int64
                if let known = project.id { id = known } else { id = try await number(of: project.path, kind: "projects") }
                let (jobs, fresh) = try await jobs(ofProject: id, path: project.path)
                all += jobs
                changed = changed || fresh
            } catch let error as GitLabError where !error.isTransient && error.kind != .badToken {
                complete = false
                log.warning("Cannot poll the project \(project.path): \(error)", metadata: ["project": "\(project.path)"])
            }
        }
        _ = changed
        return Poll(jobs: all, isComplete: complete)
    }

    private func jobs(ofProject id: Int64, path: String) async throws -> ([JobObservation], fresh: Bool) {
        let first = "projects/\(id)/jobs?scope[]=pending&scope[]=running&per_page=100"
        let known = memory.withLock { $0.etags[first] }
        let answer = try await call("GET", first, headers: known.map { [("If-None-Match", $0.etag)] } ?? [])
        if answer.status == 304, let known { return (known.jobs, false) }
        let more = try await pages(following: answer, of: JobResource.self)
        let jobs = (try decode([JobResource].self, answer) + more).map {
            $0.observation(project: id, path: Int64(path) == nil ? path : nil)
        }
        memory.withLock { box in
            box.etags[first] = more.isEmpty ? answer.header("etag").map { ($0, jobs) } : nil
        }
        return (jobs, true)
    }

    public func ping() async throws { _ = try await call("GET", "version") }

    // MARK: Hooks

    public func installHook(project: String, url: String, secret: Secret) async throws -> HookInstallation {
        struct Body: Encodable {
            var url: String
            var token: String
            var job_events = true
            var push_events = false
            var enable_ssl_verification: Bool
        }
        struct Hook: Decodable {
            var id: Int64
            var url: String
        }
        let id = try await number(of: project, kind: "projects")
        let body = try JSONEncoder().encode(Body(url: url, token: secret.reveal(), enable_ssl_verification: url.hasPrefix("https:")))
        if let old = try await pages("projects/\(id)/hooks?per_page=100", of: Hook.self).first(where: { $0.url == url }) {
            _ = try await call("PUT", "projects/\(id)/hooks/\(old.id)", json: body)
            return HookInstallation(id: old.id, isNew: false)
        }
        do {
            let made = try decode(Hook.self, try await call("POST", "projects/\(id)/hooks", json: body))
            return HookInstallation(id: made.id, isNew: true)
        } catch var error as GitLabError where error.status == 422 {
            error.message +=
                ". Most likely GitLab may not send requests to the local network: as administrator, in Admin, Settings, Network, Outbound requests, "
                + "allow requests to the local network from webhooks, or add this host to the allow list there; then try again"
            throw error
        }
    }

    // MARK: Calls

    private func pages<Item: Decodable>(_ path: String, of: Item.Type) async throws -> [Item] {
        let first = try await call("GET", path)
        return try decode([Item].self, first) + (try await pages(following: first, of: Item.self))
    }

    private func pages<Item: Decodable>(following first: HTTPResponse, of: Item.Type) async throws -> [Item] {
        var items: [Item] = []
        var next = Paging.next(after: first, base: configuration.url)
        for _ in 0..<1000 {
            guard let path = next else { return items }
            let page = try await call("GET", path, base: "")
            items += try decode([Item].self, page)
            next = Paging.next(after: page, base: configuration.url)
        }
        return items
    }

    private func call(
        _ method: String, _ path: String, headers: [(String, String)] = [], json: Data? = nil,
        base: String = "/api/v4/"
    ) async throws -> HTTPResponse {
        var all: [(name: String, value: String)] = [
            ("PRIVATE-TOKEN", configuration.token.reveal()), ("Accept", "application/json"),
            ("User-Agent", "autogit"),
        ]
        if json != nil { all.append(("Content-Type", "application/json")) }
        all += headers.map { (name: $0.0, value: $0.1) }
        let request = HTTPRequest(
            method, configuration.url + base + path, headers: all, body: json.map { Array($0) },
            caFile: configuration.caFile)
        let answer: HTTPResponse
        do {
            answer = try await http.send(request)
        } catch let error as TransferError {
            throw GitLabError(
                kind: .unreachable, message: "GitLab at \(configuration.url) cannot be reached: \(error.message)")
        }
        if answer.isSuccess || answer.status == 304 { return answer }
        throw Self.refusal(of: "\(method) \(path.prefix { $0 != "?" })", answer)
    }

    private static func refusal(of call: String, _ answer: HTTPResponse) -> GitLabError {
        let said = answer.text.prefix(300)
        let wait = answer.header("retry-after").flatMap { Int64($0) }.map { Duration.seconds(min(max($0, 0), 3600)) }
        let (kind, hint): (GitLabError.Kind, String) =
            switch answer.status {
            case 401: (.badToken, "the token is wrong, expired or revoked: make a new one and put it into token_file")
            case 403: (.forbidden, "the token's scope or role does not allow it")
            case 404: (.notFound, "not there, or the token may not know of it")
            case 429: (.rateLimited, "too many requests; waiting")
            case 500...: (.serverError, "GitLab has a problem of its own")
            default: (.refused, "GitLab refused it")
            }
        return GitLabError(
            kind: kind, status: answer.status, message: "\(call): \(answer.status), \(hint) (\(said))",
            retryAfter: wait)
    }

    private func decode<T: Decodable>(_ type: T.Type, _ answer: HTTPResponse) throws -> T {
        do {
            return try JSONDecoder().decode(type, from: Data(answer.body))
        } catch {
            throw GitLabError(
                kind: .badAnswer, status: answer.status,
                message: "GitLab answered something that is no \(type): is \(configuration.url) GitLab's own URL?")
        }
    }
}

enum Paging {
    /// The path of the next page, from `Link: <…>; rel="next"`, relative to GitLab's URL. A link to
    /// another host is followed on ours: behind a proxy GitLab may not know its own name, and the token
    /// must not go elsewhere.
    static func next(after answer: HTTPResponse, base: String) -> String? {
        guard let link = answer.header("link") else { return nil }
        for part in link.split(separator: ",") where part.contains("rel=\"next\"") {
            guard let open = part.firstIndex(of: "<"), let close = part[open...].firstIndex(of: ">") else { continue }
            let url = part[part.index(after: open)..<close]
            guard let api = url.firstRange(of: "/api/v4/") else { continue }
            return String(url[api.lowerBound...])
        }
        return nil
    }
}
