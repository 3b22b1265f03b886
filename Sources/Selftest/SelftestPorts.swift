import GitLab

/// GitLab, as a self-test needs it. All calls throw errors with a description for operators.
public protocol SelftestGitLab: Sendable {
    /// See `GitLabForge.tokenFacts`.
    func tokenFacts() async throws -> TokenFacts
    /// See `ScratchProjects.namespace`.
    func namespace(group: String?) async throws -> ScratchProjects.Namespace
    /// See `ScratchProjects.create`.
    func create(name: String, in namespace: ScratchProjects.Namespace) async throws -> ScratchProjects.Made
    /// See `ScratchProjects.find`.
    func find(name: String, in namespace: ScratchProjects.Namespace) async throws -> ScratchProjects.Made?
    /// See `ScratchProjects.commit`.
    func commit(_ files: [String: String], to project: Int64) async throws
    /// See `ScratchProjects.startPipeline`.
    func startPipeline(in project: Int64) async throws -> Int64
    /// See `ScratchProjects.jobs`.
    func jobs(ofPipeline pipeline: Int64, in project: Int64) async throws -> [ScratchProjects.Job]
    /// See `ScratchProjects.lastLines`.
    func lastLines(ofJob job: Int64, in project: Int64, count: Int) async throws -> [String]
    /// See `ScratchProjects.cancel`.
    func cancel(job: Int64, in project: Int64) async throws
    /// See `ScratchProjects.remove`.
    func remove(_ project: Int64) async throws -> ScratchProjects.Removal
}

/// The daemon, as a self-test needs it.
public protocol SelftestDaemon: Sendable {
    /// Whether each pool is paused, by name.
    /// - Throws: an error with a description for operators when the daemon doesn't answer.
    func pools() async throws -> [String: Bool]
    /// Has GitLab send the project's job events to the daemon.
    /// - Throws: an error with a description for operators.
    func installHook(project: Int64) async throws
    /// Why jobs have no runner on its way, by GitLab's numbers; those of which the daemon knows nothing are left out.
    func waitingReasons(of jobs: [Int64]) async -> [Int64: String]
    /// Whether the daemon knows that a job is over, or never heard of it.
    func knowsTheEnd(of job: Int64) async -> Bool
    /// The pool of a runner of the daemon's; nil for another's.
    func pool(ofRunner name: String) async -> String?
}
