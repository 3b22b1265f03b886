import Fleet
import Foundation
import HTTPTransfer

/// The simulated GitLab's state, and what can be done to it. As strict as GitLab where a client could get
/// something wrong.
public actor Instance {
    /// As clients reach it; set when the server is up.
    public internal(set) var url = ""
    /// By id.
    public private(set) var projects: [Int64: Project] = [:]
    /// Runners that are registered now, by id.
    public internal(set) var runners: [Int64: RegisteredRunner] = [:]
    /// All jobs ever made, by id.
    public internal(set) var jobs: [Int64: SimulatedJob] = [:]
    var pipelines: [Int64: Pipeline] = [:]
    var hooks: [Int64: Hook] = [:]
    private var tokens: [String: AccessToken] = [:]
    /// Pending jobs in the order in which they were queued.
    var queue: [Int64] = []
    /// Runners ever registered.
    public internal(set) var registered = 0
    /// Changes with each queued job; what `X-GitLab-Last-Update` carries.
    var queueVersion = 1
    /// What goes wrong with deliveries.
    public var hookFaults = HookFaults()
    /// An administrator allowed hooks to the local network.
    public var allowsLocalHooks = true
    /// Deliveries tried so far.
    public private(set) var hooksSent = 0
    /// Deliveries by the status that answered them; 0 stands for no answer.
    public private(set) var hooksAnswered: [Int: Int] = [:]
    /// Calls so far by method and path, such as `GET /api/v4/version`, with those that met a fault.
    public internal(set) var requests: [String: Int] = [:]
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
        repeat { lastID += 1 } while projects[lastID] != nil || hooks[lastID] != nil
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
    public func add(_ token: AccessToken) { tokens[token.secret] = token }
    /// From now on the token is refused with 401.
    public func revoke(_ secret: String) { tokens[secret] = nil }
    /// From now on this goes wrong with deliveries.
    public func setHookFaults(_ faults: HookFaults) { hookFaults = faults }
    /// Whether hooks to the local network may be made.
    public func setAllowsLocalHooks(_ allowed: Bool) { allowsLocalHooks = allowed }

    /// A project whose repository holds this `.gitlab-ci.yml`; without files it has no repository.
    public func addProject(
        path: String, pipelineFile: String, withRepository: Bool = true, acceptsUnquotedColons: Bool = false, variables: [String: String] = [:]
    ) async throws -> Project {
        let id = newID()
        var project = Project(
            id: id, path: path, name: path.split(separator: "/").last.map(String.init) ?? path, repository: nil,
            sha: String(repeating: "0", count: 39) + "1", pipelineFile: pipelineFile, acceptsUnquotedColons: acceptsUnquotedColons, variables: variables)
        if withRepository {
            (project.repository, project.sha) = try await GitRepository.make(
                at: "\(directory)/repositories/\(id).git", files: ["README.md": "# \(project.name)\n", ".gitlab-ci.yml": pipelineFile])
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

    /// - Throws: 401 without a valid token, 403 without one of the scopes.
    func access(_ secret: String?, anyOf scopes: [String]) throws -> AccessToken {
        guard let secret, let token = tokens[secret] else { throw Refused.unauthorized() }
        guard token.scopes.contains("api") || scopes.contains(where: token.scopes.contains) else {
            throw Refused.scope(scopes.joined(separator: " "))
        }
        return token
    }

    // MARK: Pipelines

    /// Makes a pipeline of the project's file, as a push to `main` does.
    @discardableResult
    public func createPipeline(project id: Int64, ref: String = "main") throws -> [Int64] {
        guard let project = projects[id] else { throw Refused.notFound("Project") }
        let file = try PipelineFile(project.pipelineFile, acceptingUnquotedColons: project.acceptsUnquotedColons)
        let pipelineID = newID()
        var ids: [Int64] = []
        for job in file.jobs.sorted(by: { (file.stages.firstIndex(of: $0.stage) ?? 0) < (file.stages.firstIndex(of: $1.stage) ?? 0) }) {
            let jobID = newID()
            jobs[jobID] = SimulatedJob(
                id: jobID, pipelineID: pipelineID, projectID: id, definition: job,
                variables: project.variables.merging(file.variables) { $1 }.merging(job.variables) { $1 },
                status: "created", token: newSecret("glcbt-64_"), createdAt: Date())
            ids.append(jobID)
        }
        pipelines[pipelineID] = Pipeline(id: pipelineID, projectID: id, ref: ref, file: file, jobs: ids)
        for jobID in ids { announce(jobID) }
        advance(pipelineID)
        return ids
    }

    /// Queues what may run now, and skips what never will.
    func advance(_ id: Int64) {
        guard let pipeline = pipelines[id] else { return }
        var moved = true
        while moved {
            moved = false
            for jobID in pipeline.jobs {
                guard let job = jobs[jobID], job.status == "created" else { continue }
                let before = prerequisites(of: job, in: pipeline).compactMap { jobs[$0] }
                let good = before.allSatisfy { $0.status == "success" || $0.isOver && $0.definition.allowFailure }
                let hopeless = before.contains { $0.isOver && $0.status != "success" && !$0.definition.allowFailure }
                if hopeless {
                    finish(jobID, "skipped")
                    moved = true
                } else if good {
                    setStatus(jobID, job.definition.manual ? "manual" : "pending")
                    moved = true
                }
            }
        }
    }

    private func prerequisites(of job: SimulatedJob, in pipeline: Pipeline) -> [Int64] {
        let stage = pipeline.file.stages.firstIndex(of: job.definition.stage) ?? 0
        return pipeline.jobs.filter { id in
            guard let other = jobs[id], id != job.id else { return false }
            if let needs = job.definition.needs { return needs.contains(other.definition.name) }
            return (pipeline.file.stages.firstIndex(of: other.definition.stage) ?? 0) < stage && !other.definition.manual
        }
    }

    func setStatus(_ id: Int64, _ status: String) {
        guard var job = jobs[id] else { return }
        job.status = status
        if status == "pending" {
            job.queuedAt = Date()
            queue.append(id)
            queueVersion += 1
        } else {
            queue.removeAll { $0 == id }
        }
        if status == "running" { job.startedAt = Date() }
        if job.isOver { job.finishedAt = Date() }
        jobs[id] = job
        announce(id)
    }

    func finish(_ id: Int64, _ status: String, reason: String? = nil) {
        jobs[id]?.failureReason = reason
        setStatus(id, status)
        if let pipeline = jobs[id]?.pipelineID { advance(pipeline) }
    }

    /// As a person does in the web page: a running job's runner hears of it with its next call.
    public func cancel(_ id: Int64) {
        guard let job = jobs[id], !job.isOver else { return }
        finish(id, "canceled")
    }

    /// A new job in the old one's place, as GitLab does it.
    @discardableResult
    public func retry(_ id: Int64) throws -> Int64 {
        guard let old = jobs[id], old.isOver, var pipeline = pipelines[old.pipelineID] else { throw Refused.forbidden("403 Forbidden - Job is not retryable") }
        let new = newID()
        jobs[new] = SimulatedJob(
            id: new, pipelineID: old.pipelineID, projectID: old.projectID, definition: old.definition, variables: old.variables, status: "created",
            token: newSecret("glcbt-64_"), createdAt: Date())
        pipeline.jobs = pipeline.jobs.map { $0 == id ? new : $0 }
        pipelines[old.pipelineID] = pipeline
        announce(new)
        setStatus(new, "pending")
        // What was skipped because of the old job gets another chance, under the id it had.
        for skipped in pipeline.jobs where jobs[skipped]?.status == "skipped" {
            jobs[skipped]?.finishedAt = nil
            setStatus(skipped, "created")
        }
        advance(old.pipelineID)
        return new
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

    private func announce(_ id: Int64) {
        changed()
        guard let job = jobs[id] else { return }
        for hook in hooks.values where hook.projectID == job.projectID && hook.jobEvents {
            if let until = hook.disabledUntil, Date() < until { continue }
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
        guard let body = try? JSONEncoder().encode(payload) else { return }
        var headers: [(name: String, value: String)] = [
            ("Content-Type", "application/json"), ("User-Agent", "GitLab/18.5.0"), ("X-Gitlab-Event", "Job Hook"), ("X-Gitlab-Instance", url),
            ("X-Gitlab-Webhook-UUID", "hook-\(hook.id)"), ("X-Gitlab-Event-UUID", event), ("Idempotency-Key", event),
        ]
        if let secret = hook.secret { headers.append(("X-Gitlab-Token", secret)) }
        hooksSent += 1
        let answer = try? await http.send(HTTPRequest("POST", hook.url, headers: headers, body: Array(body), timeout: .seconds(10)))
        hooksAnswered[answer?.status ?? 0, default: 0] += 1
        if answer?.isSuccess == true {
            hooks[hook.id]?.failuresInARow = 0
        } else {
            let failures = (hooks[hook.id]?.failuresInARow ?? 0) + 1
            hooks[hook.id]?.failuresInARow = failures
            // A minute after the fourth failure in a row, then twice as long with each, up to a day.
            if failures >= 4 { hooks[hook.id]?.disabledUntil = Date() + min(86_400, 60 * pow(2, Double(failures - 4))) }
        }
        changed()
    }

    /// Whether failures have switched the hook off for now.
    public func isHookDisabled(_ id: Int64) -> Bool { hooks[id]?.disabledUntil.map { Date() < $0 } ?? false }
}
