import Fleet
import FoundationEssentials

/// Whether GitLab sends a project's job events to this daemon.
public enum HookCondition: Sendable, Equatable {
    /// The project has no hook that leads here.
    case none
    /// - Parameter lastAnswer: what the newest delivery was answered with, such as `200` or `internal error`; nil where GitLab doesn't tell.
    case on(lastAnswer: String?)
    /// After failures, for now or for good.
    case off(lastAnswer: String?)
}

/// Questions of `autogitctl doctor`, which the daemon itself never asks. They change nothing.
extension GitLabForge {
    /// - Parameter url: the webhook's address as `hook install` gives it; any other that ends like a webhook of AutoGit counts, too.
    /// - Throws: `GitLabError`, also where the token's owner may not see hooks.
    public func hookCondition(project: String, url: String?) async throws -> HookCondition {
        let path = "projects/\(try await poller.number(of: project, kind: "projects"))/hooks"
        let hooks = try await connection.list("\(path)?per_page=100", of: HookResource.self).values()
            .filter { $0.url == url || $0.url.hasSuffix("/webhook/job") }
        guard let hook = hooks.first(where: { $0.url == url }) ?? hooks.first else { return .none }
        let state = try await connection.get("\(path)/\(hook.id)", as: HookState.self)
        let last = await lastAnswer("\(path)/\(hook.id)")
        return state.isOff ? .off(lastAnswer: last) : .on(lastAnswer: last)
    }

    /// GitLab has deliveries in its API since 17.3, for some roles: without them nothing is known.
    private func lastAnswer(_ hook: String) async -> String? {
        struct Delivery: Decodable, Sendable {
            var response_status: String?
            init(from decoder: any Decoder) throws {
                enum Key: String, CodingKey { case response_status }
                let fields = try decoder.container(keyedBy: Key.self)
                response_status = fields.ifReadable(String.self, .response_status) ?? fields.ifReadable(Int.self, .response_status).map { "\($0)" }
            }
        }
        let page = try? await connection.get("\(hook)/events?per_page=1", as: [Element<Delivery>].self)
        return page?.first?.value?.response_status.map(connection.printable)
    }

    /// Runners of the project that are online and not ours, which take jobs that AutoGit then starts a runner for in vain.
    /// - Returns: a name and number for each.
    /// - Throws: `GitLabError`
    public func otherRunners(project: String) async throws -> [String] {
        let number = try await poller.number(of: project, kind: "projects")
        return try await connection.list("projects/\(number)/runners?status=online&per_page=100", of: RunnerResource.self).values()
            .filter { $0.description?.hasPrefix(Runner.namePrefix) != true }
            .map { "\(connection.printable($0.description ?? "")) (\($0.id))" }
    }
}
