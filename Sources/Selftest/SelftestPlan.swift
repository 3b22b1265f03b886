import Fleet
import GitLab

/// What a self-test tries, decided before anything is made: a job for each pool that a new project can have one in.
public struct SelftestPlan: Sendable, Equatable {
    /// A job of the pipeline.
    public struct Job: Sendable, Equatable {
        /// The pool that it is for.
        public var pool: String
        /// Its key in the pipeline's file.
        public var name: String { "selftest \(pool)" }
        /// The pool's.
        public var tags: [String]
    }

    /// A pool that is not tried.
    public struct Left: Sendable, Equatable, Codable {
        /// Its name.
        public var pool: String
        /// Why, and what would try it.
        public var reason: String
    }

    /// How the daemon finds jobs.
    public struct Polling: Sendable {
        /// Zero: not by polling.
        public var interval: Duration
        /// The configured projects; empty for all that the token's user is a member of.
        public var projects: [String]
        /// An administrator's token sees the jobs of all projects.
        public var administrator: TokenFacts.Administrator

        /// As the configuration and GitLab have it.
        public init(interval: Duration, projects: [String], administrator: TokenFacts.Administrator) {
            self.interval = interval
            self.projects = projects
            self.administrator = administrator
        }

        /// Whether a project that is made now is polled.
        var findsNewProjects: Bool { interval > .zero && (administrator == .yes || projects.isEmpty) }
    }

    /// The group in which the project is made, as the configuration names it; nil: where the token's user has its own.
    public var group: String?
    /// At least one, in the configuration's order, unless nothing can be tried.
    public var jobs: [Job] = []
    /// The others that were chosen, in the configuration's order.
    public var left: [Left] = []
    /// The daemon doesn't poll the new project, so it has to have a hook.
    public var needsHook: Bool

    /// - Parameters:
    ///   - pools: as configured.
    ///   - chosen: names; empty for all.
    ///   - running: whether each pool that the daemon knows is paused, by name.
    public init(pools: [Pool], chosen: [String], running: [String: Bool], polling: Polling) {
        needsHook = !polling.findsNewProjects
        for name in chosen where !pools.contains(where: { $0.name == name }) {
            left.append(Left(pool: name, reason: "there is no such pool; the pools are \(pools.map(\.name).joined(separator: ", "))"))
        }
        for pool in pools where chosen.isEmpty || chosen.contains(pool.name) {
            if let reason = obstacle(pool, running) { left.append(Left(pool: pool.name, reason: reason)) } else { add(pool) }
        }
    }

    private func obstacle(_ pool: Pool, _ running: [String: Bool]) -> String? {
        switch running[pool.name] {
        case nil: return "the daemon doesn't know it yet: systemctl reload autogit"
        case true?: return "it is paused: autogitctl resume \(pool.name)"
        case false?: break
        }
        switch pool.register {
        case .instance: return nil
        case .project(let project):
            return "its runners are registered for the project \(project) and serve no other, such as the self-test's own: run a job with its tags there"
        case .group(let other):
            guard let group, group != other else { return nil }
            return "its runners serve the group \(other) only, and this self-test's project is in the group \(group): autogitctl selftest --pool \(pool.name)"
        }
    }

    private mutating func add(_ pool: Pool) {
        // A project in a group is served by the instance's runners, too.
        if case .group(let name) = pool.register { group = name }
        jobs.append(Job(pool: pool.name, tags: pool.tags))
    }

    /// The project's `.gitlab-ci.yml`.
    /// - Parameter script: what each job does.
    public func pipelineFile(script: [String]) -> String {
        var lines = ["# Made by AutoGit's self-test; the project goes when it is over.", "stages: [test]"]
        for job in jobs {
            lines += ["", "\(Self.quoted(job.name)):", "  stage: test"]
            // A job without tags goes to a pool with run_untagged.
            if !job.tags.isEmpty { lines.append("  tags: [\(job.tags.map(Self.quoted).joined(separator: ", "))]") }
            lines += ["  script:"] + script.map { "    - \(Self.quoted($0))" }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Says where it ran, and needs nothing but a shell.
    public static let script = ["echo \"AutoGit's self-test runs as $(id -un) on $(uname -s) $(uname -m)\"", "test -f .gitlab-ci.yml"]

    /// A YAML text in single quotes, in which only they mean something.
    private static func quoted(_ text: String) -> String { "'\(text.replacing("'", with: "''"))'" }
}
