import Fleet
import FoundationEssentials
import HTTPTransfer

/// The job hooks of a project. GitLab turns a hook off after failures: four in a row for a minute, then twice as long each time, forty in a row
/// for good. Changing it does not turn it on again: a new hook does, and a successful test call.
struct ProjectHooks: Sendable {
    let connection: GitLabConnection
    let project: Int64
    /// Where our hooks lead: one with this URL is ours.
    let url: String
    let secret: Secret

    /// Has one hook of ours that is on, and none that is off.
    /// - Throws: `GitLabError`
    func install() async throws -> HookInstallation {
        let ours = try await look(at: try await list().filter { $0.url == url })
        if let works = ours.first(where: { !$0.isOff }) {
            let answer = try await connection.call("PUT", "\(path)/\(works.id)", json: try body([:]), hiding: [secret])
            _ = try connection.decode(Identified.self, answer)
            // Of an earlier try, whose end was lost.
            for old in ours where old.isOff { try await remove(old) }
            return HookInstallation(id: works.id, isNew: false)
        }
        return HookInstallation(id: try await replace(ours), isNew: ours.isEmpty, wasOff: !ours.isEmpty)
    }

    /// Turns on again what GitLab has turned off: ours, and what leads to a webhook of AutoGit by an address of the operator's, such as a
    /// proxy's, which only GitLab's test call can turn on.
    /// - Returns: whether there was one.
    /// - Throws: `GitLabError`, also when the test call fails.
    func revive() async throws -> Bool {
        let all = try await list()
        let ours = try await look(at: all.filter { $0.url == url })
        if !ours.isEmpty {
            guard ours.allSatisfy(\.isOff) else { return false }
            _ = try await replace(ours)
            return true
        }
        let others = try await look(at: all.filter { $0.url.hasSuffix("/webhook/job") }).filter { $0.isOff && $0.hasJobEvents }
        for other in others { _ = try await connection.call("POST", "\(path)/\(other.id)/test/job_events") }
        return !others.isEmpty
    }

    private var path: String { "projects/\(project)/hooks" }

    private func list() async throws -> [HookResource] { try await connection.list("\(path)?per_page=100", of: HookResource.self).values() }

    /// Only the hook itself is certain to say whether it is on.
    private func look(at listed: [HookResource]) async throws -> [HookState] {
        var found: [HookState] = []
        for hook in listed {
            if let state = try await connection.unlessGone({ try await connection.get("\(path)/\(hook.id)", as: HookState.self) }) { found.append(state) }
        }
        return found
    }

    /// The new one first: what goes wrong in between leaves one too many, and not one too few.
    private func replace(_ old: [HookState]) async throws -> Int64 {
        let body = try body(old.last?.settings ?? [:])
        let id: Int64
        do {
            let answer = try await connection.call("POST", path, json: body, hiding: [secret])
            id = try connection.decode(HookResource.self, answer).id
        } catch {
            guard error.status == 422 else { throw error }
            throw error.advised(
                ". Most likely GitLab may not send requests to the local network: as administrator, in Admin, Settings, Network, Outbound requests, "
                    + "allow requests to the local network from webhooks, or add this host to the allow list there; then try again")
        }
        for hook in old { try await remove(hook) }
        return id
    }

    private func remove(_ hook: HookState) async throws {
        try await connection.unlessGone {
            let answer = try await connection.call("DELETE", "\(path)/\(hook.id)")
            if answer.response.status != 204 { _ = try connection.decode(Identified.self, answer) }
        }
    }

    /// - Parameter settings: that the hook is to have beside ours.
    private func body(_ settings: [String: HookState.Setting]) throws -> Data {
        var all = settings
        all["push_events"] = settings["push_events"] ?? .flag(false)
        all["url"] = .text(url)
        all["token"] = .text(secret.reveal())
        all["job_events"] = .flag(true)
        all["enable_ssl_verification"] = settings["enable_ssl_verification"] ?? .flag(url.hasPrefix("https:"))
        return try JSONEncoder().encode(all)
    }
}

/// A hook as GitLab shows it: everything but its secret.
struct HookState: Decodable, Sendable {
    /// Values of the settings that are carried over.
    enum Setting: Encodable, Sendable, Equatable {
        case flag(Bool)
        case text(String)

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .flag(let value): try container.encode(value)
            case .text(let value): try container.encode(value)
            }
        }
    }

    var id: Int64
    /// GitLab sends nothing to it, for now or for good. Versions that don't say turn none off.
    var isOff: Bool
    /// Which events it gets, and how it is called.
    var settings: [String: Setting] = [:]
    var hasJobEvents: Bool { settings["job_events"] == .flag(true) }

    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// The last is a switch, and the others are texts.
    private static let texts: Set = ["name", "description", "push_events_branch_filter", "branch_filter_strategy", "custom_webhook_template"]

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        id = try fields.decode(Int64.self, forKey: Key(stringValue: "id"))
        isOff = fields.ifReadable(String.self, Key(stringValue: "alert_status")).map { $0 != "executable" } ?? false
        for key in fields.allKeys {
            let name = key.stringValue
            if name.hasSuffix("_events") || name == "enable_ssl_verification", let value = fields.ifReadable(Bool.self, key) { settings[name] = .flag(value) }
            if Self.texts.contains(name), let value = fields.ifReadable(String.self, key), !value.isEmpty { settings[name] = .text(value) }
        }
    }
}
