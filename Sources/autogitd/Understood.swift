import Fleet
import FoundationEssentials
import Settings

/// What `--check` prints: the whole configuration as understood, without secrets.
struct Understood: CustomStringConvertible {
    let settings: Settings
    /// What is wrong outside of the file, each with what to do.
    let warnings: [String]

    init(_ settings: Settings, warnings: [String]) {
        self.settings = settings
        self.warnings = warnings
    }

    var description: String {
        var lines = [
            "configuration is valid",
            "gitlab    \(settings.gitlab.url), token set, webhook secret \(settings.gitlab.webhookSecret == nil ? "not set" : "set")",
            "polling   \(settings.gitlab.pollInterval == .zero ? "off" : "every " + settings.gitlab.pollInterval.text)"
                + (settings.gitlab.projects.isEmpty ? "" : " of " + settings.gitlab.projects.joined(separator: ", ")),
            "listen    \(settings.httpHost):\(settings.httpPort) and \(settings.controlSocket)",
            "state     \(settings.stateDirectory)",
            "engine    \(settings.engineSocket ?? "the first that answers")",
            "budget    memory \((settings.budget.memory ?? 0) >> 20) MiB, CPUs \(settings.budget.cpus.map { "\($0)" } ?? "unbounded")",
        ]
        for pool in settings.pools {
            lines.append(
                "pool      \(pool.name): tags \(pool.tags.joined(separator: ","))\(pool.runUntagged ? " and untagged" : ""), "
                    + (pool.driver == .container ? "image \(pool.image)" : "in scopes")
                    + ", \(pool.cpus) CPUs, \(pool.memory >> 20) MiB, at most \(pool.maxRunners), "
                    + "warm \(pool.warm), cooldown \(pool.cooldown.text), max_jobs \(pool.maxJobs)")
        }
        lines += warnings.map { "warning   \($0)" }
        return lines.joined(separator: "\n")
    }

    /// The same for programs.
    func json() throws -> String {
        struct Document: Encodable {
            struct Entry: Encodable {
                var name: String
                var driver: String
                var tags: [String]
                var run_untagged: Bool
                var image: String?
                var cpus: Double
                var memory_bytes: Int64
                var max_runners: Int
                var warm: Int
                var cooldown: Double
                var max_jobs: Int
            }
            var valid = true
            var url: String
            var webhook_secret: Bool
            var poll_interval: Double
            var projects: [String]
            var http: String
            var control: String
            var state: String
            var engine: String?
            var memory_budget_bytes: Int64?
            var cpu_budget: Double?
            var pools: [Entry]
            var warnings: [String]
        }
        let document = Document(
            url: settings.gitlab.url, webhook_secret: settings.gitlab.webhookSecret != nil, poll_interval: settings.gitlab.pollInterval.inSeconds,
            projects: settings.gitlab.projects, http: "\(settings.httpHost):\(settings.httpPort)", control: settings.controlSocket,
            state: settings.stateDirectory, engine: settings.engineSocket, memory_budget_bytes: settings.budget.memory,
            cpu_budget: settings.budget.cpus,
            pools: settings.pools.map { pool in
                .init(
                    name: pool.name, driver: pool.driver.rawValue, tags: pool.tags, run_untagged: pool.runUntagged,
                    image: pool.driver == .container ? pool.image : nil, cpus: pool.cpus, memory_bytes: pool.memory, max_runners: pool.maxRunners,
                    warm: pool.warm, cooldown: pool.cooldown.inSeconds, max_jobs: pool.maxJobs)
            }, warnings: warnings)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }
}
