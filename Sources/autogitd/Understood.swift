import Fleet
import FoundationEssentials
import Settings

/// The output of `--check`: the whole configuration as understood, without secrets.
struct Understood: CustomStringConvertible {
    let settings: Settings
    /// Problems outside of the file, each with its remedy.
    let warnings: [String]

    init(_ settings: Settings, warnings: [String]) {
        self.settings = settings
        self.warnings = warnings
    }

    var description: String {
        var lines = [
            "configuration is valid",
            "gitlab    \(settings.gitlab.url), named \(settings.gitlab.name), token set, webhook secret "
                + (settings.gitlab.webhookSecret == nil ? "not set" : "set"),
            "runners   reach it at \(settings.gitlab.runnerURL ?? settings.gitlab.url)"
                + (settings.gitlab.cloneURL.map { ", clone from \($0)" } ?? "")
                + (settings.gitlab.proxy.isEmpty ? "" : ", get \(settings.gitlab.proxy.keys.sorted().joined(separator: ", "))"),
            "polling   \(settings.gitlab.pollInterval == .zero ? "off" : "every " + settings.gitlab.pollInterval.text)"
                + (settings.gitlab.projects.isEmpty ? "" : " of " + settings.gitlab.projects.joined(separator: ", ")),
            "listen    \(settings.httpHost):\(settings.httpPort) and \(settings.controlSocket)",
            "state     \(settings.stateDirectory)",
            "engine    \(settings.engineSocket ?? "the first that answers")",
            "budget    memory \((settings.budget.memory ?? 0) >> 20) MiB, CPUs \(settings.budget.cpus.map { "\($0)" } ?? "unbounded")",
            "disk      \(settings.diskReserve == 0 ? "no reserve" : "\(settings.diskReserve >> 20) MiB stay free, prune \(settings.prune.rawValue)")",
        ]
        if !settings.registries.isEmpty {
            lines.append("logins    \(settings.registries.map { "\($0.username) at \($0.registry)" }.joined(separator: ", "))")
        }
        for pool in settings.pools {
            lines.append("pool      \(pool.name): " + keys(of: pool).map { "\($0.name) \(text($0.value))" }.joined(separator: ", "))
        }
        lines += settings.notes.map { "note      \($0)" } + warnings.map { "warning   \($0)" }
        return lines.joined(separator: "\n")
    }

    /// The keys of a pool that say something: not its name, and nothing empty.
    private func keys(of pool: Pool) -> [(name: String, value: SettingValue)] {
        Self.sections(of: pool).flatMap { prefix, keys in keys.map { (prefix + $0.name, $0.value(in: pool)) } }
            .filter { name, value in name != "name" && ![.none, .strings([]), .table([:]), .string("")].contains(value) }
            + pool.runnerSettings.keys.sorted().map { ("runner.\($0)", .string("(set)")) }
    }

    /// The keys that have an effect in the pool, with what stands before their names.
    fileprivate static func sections(of pool: Pool) -> [(prefix: String, keys: [SettingKey<Pool>])] {
        // Keys of the other executor, which say nothing here.
        let idle: Set = pool.executor == .shell ? ["runner_cpus", "runner_memory"] : ["disk_max"]
        let main = SettingsSchema.pool.filter { ($0.driver ?? pool.driver) == pool.driver && !idle.contains($0.name) }.map { key in
            // Shown as it is in effect, and not as it was configured.
            key.name == "executor" ? key.showing { _ in .string(pool.executor.rawValue) } : key
        }
        let nested = SettingsSchema.poolSections.filter { $0.name != "docker" || pool.executor == .docker }
        let ofBucket = Set(pool.cache.kind == .s3 ? [] : SettingsSchema.s3.map(\.name))
        return [("", main)] + nested.map { section in ("\(section.name).", section.keys.filter { section.name != "cache" || !ofBucket.contains($0.name) }) }
    }

    private func text(_ value: SettingValue) -> String {
        switch value {
        case .string(let text): text
        case .strings(let texts): texts.joined(separator: " ")
        case .size, .duration: String(value.toml.dropFirst().dropLast())
        // The values may be secrets.
        case .table(let entries): entries.keys.sorted().joined(separator: " ")
        case .flag, .count, .number, .none: value.toml
        }
    }

    /// The same for programs: sizes in bytes, times in seconds.
    func json() throws -> String {
        let document = Document(
            url: settings.gitlab.url, gitlab_name: settings.gitlab.name, webhook_secret: settings.gitlab.webhookSecret != nil,
            poll_interval: settings.gitlab.pollInterval.inSeconds, projects: settings.gitlab.projects, http: "\(settings.httpHost):\(settings.httpPort)",
            control: settings.controlSocket, state: settings.stateDirectory, engine: settings.engineSocket, memory_budget_bytes: settings.budget.memory,
            cpu_budget: settings.budget.cpus, disk_reserve_bytes: settings.diskReserve, prune: settings.prune.rawValue,
            registries: settings.registries.map(\.registry), pools: settings.pools.map(PoolDocument.init),
            notes: settings.notes, warnings: warnings)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }

    private struct Document: Encodable {
        var valid = true
        var url: String
        var gitlab_name: String
        var webhook_secret: Bool
        var poll_interval: Double
        var projects: [String]
        var http: String
        var control: String
        var state: String
        var engine: String?
        var memory_budget_bytes: Int64?
        var cpu_budget: Double?
        var disk_reserve_bytes: Int64
        var prune: String
        var registries: [String]
        var pools: [PoolDocument]
        var notes: [String]
        var warnings: [String]
    }

    /// Every key that a pool's driver takes, by its name in the file; a size has `_bytes` at its end.
    private struct PoolDocument: Encodable {
        let pool: Pool

        struct Name: CodingKey {
            var stringValue: String
            var intValue: Int? { nil }
            init(_ name: String) { stringValue = name }
            init(stringValue: String) { self.init(stringValue) }
            init?(intValue: Int) { nil }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Name.self)
            for (prefix, keys) in Understood.sections(of: pool) {
                if prefix.isEmpty {
                    try encode(keys, into: &container)
                } else {
                    var nested = container.nestedContainer(keyedBy: Name.self, forKey: Name(String(prefix.dropLast())))
                    try encode(keys, into: &nested)
                }
            }
            // The values may be secrets.
            if !pool.runnerSettings.isEmpty { try container.encode(pool.runnerSettings.keys.sorted(), forKey: Name("runner")) }
        }

        private func encode(_ keys: [SettingKey<Pool>], into container: inout KeyedEncodingContainer<Name>) throws {
            for key in keys {
                switch key.value(in: pool) {
                case .string(let text): try container.encode(text, forKey: Name(key.name))
                case .strings(let texts): try container.encode(texts, forKey: Name(key.name))
                case .flag(let value): try container.encode(value, forKey: Name(key.name))
                case .count(let value): try container.encode(value, forKey: Name(key.name))
                case .number(let value): try container.encode(value, forKey: Name(key.name))
                case .size(let bytes): try container.encode(bytes, forKey: Name("\(key.name)_bytes"))
                case .duration(let time): try container.encode(time.inSeconds, forKey: Name(key.name))
                // The values may be secrets.
                case .table(let entries): try container.encode(entries.keys.sorted(), forKey: Name(key.name))
                case .none: break
                }
            }
        }
    }
}
