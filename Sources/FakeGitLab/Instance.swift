import Fleet
import Foundation
import HTTPTransfer

/// The fake GitLab's state, and what can be done to it. As strict as GitLab where a client could get
/// something wrong.
public actor Instance {
    /// As clients reach it; set when the server is up.
    public internal(set) var url = ""
    /// By id.
    public internal(set) var projects: [Int64: Project] = [:]
    /// Projects made by calls so far.
    public internal(set) var projectsMade = 0
    /// Paths by id.
    var groups: [Int64: String] = [:]
    var projectDeletion = ProjectDeletion.inTwoSteps
    var allowsPersonalProjects = true
    /// Runners that are registered now, by id.
    public internal(set) var runners: [Int64: RegisteredRunner] = [:]
    /// All jobs ever made, by id.
    public internal(set) var jobs: [Int64: FakeJob] = [:]
    var pipelines: [Int64: Pipeline] = [:]
    var hooks: [Int64: Hook] = [:]
    private var tokens: [String: AccessToken] = [:]
    private var revoked: Set<String> = []
    /// false: as before 15.5, no token can be asked about itself.
    var showsTokens = true
    /// Pending jobs in the order in which they were queued.
    var queue: [Int64] = []
    /// Runners ever registered.
    public internal(set) var registered = 0
    /// Changes with each queued job; what `X-GitLab-Last-Update` carries.
    var queueVersion = 1
    /// What goes wrong with deliveries.
    public var hookFaults = HookFaults()
    /// Test calls by hook.
    var hookTests: [Int64: Int] = [:]
    /// An administrator allowed hooks to the local network.
    public var allowsLocalHooks = true
    /// Deliveries tried so far.
    public private(set) var hooksSent = 0
    /// Deliveries by the status that answered them; 0 stands for no answer.
    public private(set) var hooksAnswered: [Int: Int] = [:]
    /// Calls so far by method and path, such as `GET /api/v4/version`, with those that met a fault.
    public internal(set) var requests: [String: Int] = [:]
    /// The largest artifact that is taken, in bytes; 100 MiB as in a GitLab that was just installed.
    public private(set) var maximumArtifactSize = 100 << 20
    /// Artifacts can be switched off for all of an instance.
    public private(set) var takesArtifacts = true
    /// Host and port of the container registry, as jobs reach it; nil: there is none.
    public private(set) var registry: String?
    var disturbances = Disturbances()
    private var random: SplitMix
    private var lastID: Int64 = 0
    private var waiters: [Int: (condition: @Sendable (isolated Instance) -> Bool, done: CheckedContinuation<Bool, Never>)] = [:]
    private var lastWaiter = 0
    private let http = HTTPClient()
    let directory: String

    /// - Parameters:
    ///   - directory: for the repositories.
    ///   - seed: of secrets, ids of events and chances.
    public init(directory: String, seed: UInt64 = 1) {
        self.directory = directory
        random = SplitMix(seed: seed)
    }

    func newID() -> Int64 {
        repeat { lastID += 1 } while projects[lastID] != nil || hooks[lastID] != nil || groups[lastID] != nil
        return lastID
    }

    /// GitLab installed afresh: jobs and runners are gone and ids count from 1 again. Projects and hooks are made again
    /// with the ids they had.
    public func startOver() {
        (jobs, pipelines, runners, queue, lastID) = ([:], [:], [:], [], 0)
        changed()
    }

    func newSecret(_ prefix: String) -> String {
        let alphabet = Array("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789")
        return prefix + String((0..<20).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] })
    }

    // MARK: Setting it up

    /// From now on the token is good, with these rights; one with the same secret is replaced.
    public func add(_ token: AccessToken) {
        tokens[token.secret] = token
        revoked.remove(token.secret)
    }
    /// From now on the token is refused with 401.
    public func revoke(_ secret: String) {
        tokens[secret] = nil
        revoked.insert(secret)
    }
    /// Whether tokens can be asked about themselves, as from 15.5 on.
    public func setShowsTokens(_ shown: Bool) { showsTokens = shown }
    /// From now on this goes wrong with deliveries.
    public func setHookFaults(_ faults: HookFaults) { hookFaults = faults }
    /// Whether hooks to the local network may be made.
    public func setAllowsLocalHooks(_ allowed: Bool) { allowsLocalHooks = allowed }

    /// From now on larger ones are refused with 413.
    /// - Parameter bytes: of the file itself.
    public func setMaximumArtifactSize(_ bytes: Int) { maximumArtifactSize = bytes }
    /// Whether artifacts are taken; if not, uploads are refused with 405.
    public func setTakesArtifacts(_ taken: Bool) { takesArtifacts = taken }
    /// Jobs get credentials for it, and its variables.
    /// - Parameter registry: host and port; nil for none.
    public func setRegistry(_ registry: String?) { self.registry = registry }

    /// A project whose repository holds this `.gitlab-ci.yml`.
    /// - Parameters:
    ///   - withRepository: false leaves it without one: nothing can be cloned.
    ///   - variables: the project's own, which go before the file's.
    ///   - files: what else is in the repository, by path.
    public func addProject(
        path: String, pipelineFile: String, withRepository: Bool = true, acceptsUnquotedColons: Bool = false, variables: [String: String] = [:],
        files: [String: String] = [:]
    ) async throws -> Project {
        let id = newID()
        var project = Project(
            id: id, path: path, name: path.split(separator: "/").last.map(String.init) ?? path, repository: nil,
            sha: String(repeating: "0", count: 39) + "1", pipelineFile: pipelineFile, acceptsUnquotedColons: acceptsUnquotedColons, variables: variables)
        if withRepository {
            let repository = "\(directory)/repositories/\(id).git"
            // gitlab-python-runner reads the file of the repository, too.
            let readable = acceptsUnquotedColons ? PipelineFile.quotingColons(pipelineFile) : pipelineFile
            let all = ["README.md": "# \(project.name)\n", ".gitlab-ci.yml": readable].merging(files) { $1 }
            (project.sha, project.blobs) = try await GitRepository.make(at: repository, files: all)
            project.repository = repository
        }
        projects[id] = project
        return project
    }

    /// A hook for job events, made without a call.
    /// - Returns: its id.
    public func addHook(project: Int64, url: String, secret: String?) -> Int64 {
        let id = newID()
        hooks[id] = Hook(id: id, projectID: project, url: url, secret: secret, jobEvents: true)
        return id
    }

    func project(named name: String) -> Project? {
        if let id = Int64(name) { return projects[id] }
        return projects.values.first { $0.path == name }
    }

    func repository(path: String) -> (Project, String)? {
        guard let project = projects.values.first(where: { $0.path == path }), let repository = project.repository else { return nil }
        return (project, repository)
    }

    // MARK: Access

    /// Whoever makes a project is its owner.
    func letSee(_ project: Int64, _ secret: String?) {
        if let secret { tokens[secret]?.projects.insert(project) }
    }

    /// - Throws: 401 without a valid token.
    func access(_ secret: String?) throws -> AccessToken {
        if let secret, revoked.contains(secret) { throw Refused.invalidToken("Token was revoked. You have to re-authorize from the user.") }
        guard let secret, let token = tokens[secret] else { throw Refused.unauthorized() }
        if token.isExpired(at: Date()) { throw Refused.invalidToken("Token is expired. You can either do re-authorization or token refresh.") }
        return token
    }

    /// - Throws: 401 without a valid token, 403 without one of the scopes.
    func access(_ secret: String?, anyOf scopes: [String]) throws -> AccessToken {
        let token = try access(secret)
        guard token.scopes.contains("api") || scopes.contains(where: token.scopes.contains) else {
            throw Refused.scope(scopes.joined(separator: " "))
        }
        return token
    }

    // MARK: Waiting, for tests

    /// Waits for the condition, looking again after each change.
    /// - Returns: whether it came true within `seconds`.
    public func wait(seconds: Double, until condition: @escaping @Sendable (isolated Instance) -> Bool) async -> Bool {
        if condition(self) { return true }
        lastWaiter += 1
        let id = lastWaiter
        return await withCheckedContinuation { done in
            waiters[id] = (condition, done)
            Task {
                try? await Task.sleep(for: .seconds(seconds))
                self.giveUp(id)
            }
        }
    }

    private func giveUp(_ id: Int) {
        if let waiter = waiters.removeValue(forKey: id) { waiter.done.resume(returning: waiter.condition(self)) }
    }

    func changed() {
        for (id, waiter) in waiters where waiter.condition(self) {
            waiters[id] = nil
            waiter.done.resume(returning: true)
        }
    }

    // MARK: Hooks

    func announce(_ id: Int64) {
        changed()
        guard let job = jobs[id] else { return }
        for hook in hooks.values where hook.projectID == job.projectID && hook.jobEvents {
            if hook.isOff(at: Date()) { continue }
            if Double.random(in: 0..<1, using: &random) < hookFaults.lost { continue }
            let payload = hookPayload(job)
            let event = newSecret("event-")
            for _ in 0..<(Double.random(in: 0..<1, using: &random) < hookFaults.doubled ? 2 : 1) {
                let delay = Double.random(in: hookFaults.delay, using: &random)
                Task { await self.deliver(payload, to: hook, event: event, after: delay) }
            }
        }
    }

    private func deliver(_ payload: JSON, to hook: Hook, event: String, after delay: Double) async {
        if delay > 0 { try? await Task.sleep(for: .seconds(delay)) }
        _ = await send(payload, to: hook, event: event)
    }

    /// One delivery, which is not repeated whatever comes of it.
    /// - Returns: whether it was taken.
    func send(_ payload: JSON, to hook: Hook, event: String) async -> Bool {
        guard let body = try? JSONEncoder().encode(payload) else { return false }
        var headers: [(name: String, value: String)] = [
            ("Content-Type", "application/json"), ("User-Agent", "GitLab/18.5.0"), ("X-Gitlab-Event", "Job Hook"), ("X-Gitlab-Instance", url),
            ("X-Gitlab-Webhook-UUID", "hook-\(hook.id)"), ("X-Gitlab-Event-UUID", event), ("Idempotency-Key", event),
        ]
        if let secret = hook.secret { headers.append(("X-Gitlab-Token", secret)) }
        hooksSent += 1
        let answer = try? await http.send(HTTPRequest("POST", hook.url, headers: headers, body: Array(body), timeout: .seconds(10)))
        hooksAnswered[answer?.status ?? 0, default: 0] += 1
        let isTaken = answer?.isSuccess == true
        if isTaken { hooks[hook.id]?.succeeded() } else { hooks[hook.id]?.failed(at: Date()) }
        changed()
        return isTaken
    }
}
