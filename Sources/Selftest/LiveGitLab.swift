import GitLab
import HTTPTransfer

/// The configured GitLab.
public struct LiveGitLab: SelftestGitLab {
    private let forge: GitLabForge
    private let projects: ScratchProjects

    /// - Parameters:
    ///   - configuration: where GitLab is, and the token.
    ///   - http: makes all calls.
    public init(_ configuration: GitLabForge.Configuration, http: HTTPClient) {
        forge = GitLabForge(configuration, http: http)
        projects = ScratchProjects(configuration, http: http)
    }

    /// See `SelftestGitLab`.
    public func tokenFacts() async throws -> TokenFacts { try await forge.tokenFacts() }
    /// See `SelftestGitLab`.
    public func namespace(group: String?) async throws -> ScratchProjects.Namespace { try await projects.namespace(group: group) }
    /// See `SelftestGitLab`.
    public func create(name: String, in namespace: ScratchProjects.Namespace) async throws -> ScratchProjects.Made {
        try await projects.create(name: name, in: namespace)
    }
    /// See `SelftestGitLab`.
    public func find(name: String, in namespace: ScratchProjects.Namespace) async throws -> ScratchProjects.Made? {
        try await projects.find(name: name, in: namespace)
    }
    /// See `SelftestGitLab`.
    public func commit(_ files: [String: String], to project: Int64) async throws { try await projects.commit(files, to: project) }
    /// See `SelftestGitLab`.
    public func startPipeline(in project: Int64) async throws -> Int64 { try await projects.startPipeline(in: project) }
    /// See `SelftestGitLab`.
    public func jobs(ofPipeline pipeline: Int64, in project: Int64) async throws -> [ScratchProjects.Job] {
        try await projects.jobs(ofPipeline: pipeline, in: project)
    }
    /// See `SelftestGitLab`.
    public func lastLines(ofJob job: Int64, in project: Int64, count: Int) async throws -> [String] {
        try await projects.lastLines(ofJob: job, in: project, count: count)
    }
    /// See `SelftestGitLab`.
    public func cancel(job: Int64, in project: Int64) async throws { try await projects.cancel(job: job, in: project) }
    /// See `SelftestGitLab`.
    public func remove(_ project: Int64) async throws -> ScratchProjects.Removal { try await projects.remove(project) }
}
