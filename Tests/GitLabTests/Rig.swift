import Fleet
import Foundation
import FakeGitLab
import HTTPTransfer

@testable import GitLab

/// A fake GitLab and the tokens of people with different rights.
struct Rig {
    enum Person: CaseIterable {
        case administrator
        /// An administrator whose token can't switch admin mode on.
        case administratorWithoutMode
        /// A member of the projects that were there when the forge was made.
        case member
    }

    static let yaml = "a:\n  script: [\"true\"]\n  tags: [x]\nb:\n  script: [\"true\"]\n"

    let gitlab: FakeGitLabServer
    var instance: Instance { gitlab.instance }

    /// Runs the body with a fake GitLab that is stopped in the end.
    /// - Parameter root: the path below which it is.
    static func run(root: String = "", _ body: (Rig) async throws -> Void) async throws {
        // Each has its own: projects have the same numbers.
        let directory = "/tmp/autogit-gitlab-tests-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let gitlab = try await FakeGitLabServer.start(directory: directory, root: root)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        do {
            try await body(Rig(gitlab: gitlab))
        } catch {
            await gitlab.stop()
            throw error
        }
        await gitlab.stop()
    }

    func forge(_ person: Person = .administrator, scopes: Set<String> = ["api"], projects: [String] = [], url: String? = nil) async -> GitLabForge {
        let token = AccessToken(
            secret: secret(person), scopes: scopes, isAdmin: person != .member, hasAdminMode: person == .administrator,
            projects: Set(await instance.projects.keys))
        await instance.add(token)
        return GitLabForge(.init(url: url ?? gitlab.url, token: Secret(token.secret), projects: projects), http: HTTPClient())
    }

    func secret(_ person: Person) -> String { "glpat-SECRET-of-\(person)" }

    func project(_ path: String) async throws -> Project {
        try await instance.addProject(path: path, pipelineFile: Self.yaml, withRepository: false)
    }

    /// Two pending jobs: `a` with the tag x, `b` without tags.
    @discardableResult
    func pipeline(_ project: Project) async throws -> [JobID] { try await instance.createPipeline(project: project.id) }

    func asked(_ call: String) async -> Int { await instance.requests[call] ?? 0 }
}

extension Poll {
    var ids: Set<JobID> { Set(jobs.map(\.id)) }

    func remarks(about word: String) -> [String] { remarks.filter { $0.contains(word) } }
}

/// The error that a call throws; nil when it throws none or another.
func gitLabError(_ body: () async throws -> Void) async -> GitLabError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? GitLabError
    }
}
