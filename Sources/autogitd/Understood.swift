import Fleet
import FoundationEssentials
import Settings

/// The output of `--check`: the whole configuration as understood, without secrets.
struct Understood: CustomStringConvertible {
    let settings: Settings
    /// Where the service really listens.
    let listening: WebhookAddress
    /// Problems outside of the file, each with its remedy.
    let warnings: [String]

    init(_ settings: Settings, listening: WebhookAddress? = nil, warnings: [String]) {
        self.settings = settings
        self.listening = listening ?? WebhookAddress(settings, inherited: nil)
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
            "listen    \(listening.words), and \(settings.controlSocket)",
            "state     \(settings.stateDirectory)",
        ]
        if let told = listening.told { lines.append("webhooks  GitLab reaches this at \(told)") }
        if settings.hosts.contains(where: { $0.host.id == .local }) {
            lines.append("engine    \(settings.engineSocket ?? "the first that answers")")
        }
        if settings.hasSeveralHosts {
            lines += settings.hosts.map { "host      \(Self.text($0))" }
        } else {
            lines.append("budget    memory \((settings.budget.memory ?? 0) >> 20) MiB, CPUs \(settings.budget.cpus.map { "\($0)" } ?? "unbounded")")
        }
        lines.append(
            "disk      \(settings.diskReserve == 0 ? "no reserve" : "\(settings.diskReserve >> 20) MiB stay free, prune \(settings.prune.rawValue)")")
        if !settings.registries.isEmpty {
            lines.append("logins    \(settings.registries.map { "\($0.username) at \($0.registry)" }.joined(separator: ", "))")
        }
        for rule in settings.priorities {
            let patterns = [("project", rule.project), ("ref", rule.ref), ("job", rule.job)].compactMap { name, pattern in pattern.map { "\(name) \($0)" } }
            lines.append("priority  \(rule.priority) for \(patterns.isEmpty ? "all jobs" : patterns.joined(separator: ", "))")
        }
        for target in settings.notify {
            lines.append(
                "notify    \(target.name): \(target.kind.rawValue) to \(target.address), on \(target.on.joined(separator: " ")), rate \(target.rate.description), "
                    + "waiting_after \(target.waitingAfter.text), settle \(target.settle.text), timeout \(target.timeout.text)"
                    + (target.kind == .webhook ? ", signature \(target.secret == nil ? "none" : "set")" : "") + (target.token == nil ? "" : ", token set"))
        }
        for pool in settings.pools {
            lines.append("pool      \(pool.name): " + keys(of: pool).map { "\($0.name) \(text($0.value))" }.joined(separator: ", "))
            lines += pool.schedules.map { schedule in
                "schedule  \(pool.name), \(schedule): " + Self.values(of: schedule).map { "\($0.name) \(text($0.value))" }.joined(separator: ", ")
            }
        }
        lines += settings.notes.map { "note      \($0)" } + warnings.map { "warning   \($0)" }
        return lines.joined(separator: "\n")
    }

    private static func text(_ settings: HostSettings) -> String {
        let host = settings.host
        var parts = ["engine \(settings.engine)"]
        switch settings.engine {
        case .tcp(_, _, let tls): parts[0] += tls == nil ? " without TLS" : " with TLS"
        case .kubernetes(let place):
            parts.append(place.kubeconfig.map { "kubeconfig \($0)" } ?? "by the service account of AutoGit's pod")
            parts += [place.context.map { "context \($0)" }, place.namespace.map { "namespace \($0)" }].compactMap { $0 }
        case .usual, .unix, .ssh, .swarm: break
        }
        if let socket = settings.runnerSocket { parts.append("runner_socket \(socket)") }
        parts.append("memory \(host.budget.memory.map { "\($0 >> 20) MiB" } ?? "unbounded"), CPUs \(host.budget.cpus.map { "\($0)" } ?? "unbounded")")
        if !host.labels.isEmpty { parts.append("labels \(host.labels.joined(separator: " "))") }
        if !host.resources.isEmpty { parts.append("resources \(text(counts: host.resources))") }
        if settings.engine.showsDisk, let reserve = host.diskReserve { parts.append(reserve == 0 ? "no disk_reserve" : "disk_reserve \(reserve >> 20) MiB") }
        if let after = host.lostAfter { parts.append("lost_after \(after.text)") }
        if let power = settings.power, let times = host.power {
            parts.append("woken by \(text(power.wake)) within about \(times.wakeTime.text)")
            if let sleep = power.sleep, let idle = times.idle { parts.append("sent to sleep after \(idle.text) by \(sleep[0])") }
        }
        return "\(host.id): \(parts.joined(separator: ", "))"
    }

    static func text(_ wake: PowerSettings.Wake) -> String {
        switch wake {
        case .lan(let address): "a packet to \(address)"
        case .command(let command): command[0]
        }
    }

    private static func text(counts: [String: Int]) -> String { counts.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ") }

    /// The keys of a pool that say something: not its name, and nothing empty.
    private func keys(of pool: Pool) -> [(name: String, value: SettingValue)] {
        // With one host there is nothing to choose, and nothing overflows that no host is preferred for.
        let idle: Set =
            settings.hosts.count == 1 ? ["placement", "prefer", "overflow_after"] : pool.choice.prefer.isEmpty ? ["overflow_after"] : []
        let hasCluster = settings.hosts.contains { if case .kubernetes = $0.engine { true } else { false } }
        return Self.sections(of: pool, hasCluster: hasCluster).flatMap { prefix, keys in keys.map { (prefix + $0.name, $0.value(in: pool)) } }
            .filter { name, value in
                name != "name" && !idle.contains(name) && ![.none, .strings([]), .table([:]), .counts([:]), .string("")].contains(value)
            }
            + pool.runnerSettings.keys.sorted().map { ("runner.\($0)", .string("(set)")) }
    }

    /// The keys that have an effect in the pool, with what stands before their names.
    fileprivate static func sections(of pool: Pool, hasCluster: Bool) -> [(prefix: String, keys: [SettingKey<Pool>])] {
        // Keys of the other executor, which say nothing here.
        let idle: Set = pool.executor == .shell ? ["runner_cpus", "runner_memory"] : ["disk_max"]
        let main = SettingsSchema.pool.filter { $0.need?.isMet(by: pool) != false && !idle.contains($0.name) }.map { key in
            // Shown as it is in effect, and not as it was configured.
            key.name == "executor" ? key.showing { _ in .string(pool.executor.rawValue) } : key
        }
        let nested = SettingsSchema.poolSections.filter {
            ($0.name != "docker" || pool.executor == .docker) && ($0.name != "kubernetes" || hasCluster)
        }
        let ofBucket = Set(pool.cache.kind == .s3 ? [] : SettingsSchema.s3.map(\.name))
        return [("", main)] + nested.map { section in ("\(section.name).", section.keys.filter { section.name != "cache" || !ofBucket.contains($0.name) }) }
    }

    /// What a schedule changes, by the names of the file.
    fileprivate static func values(of schedule: Schedule) -> [(name: String, value: SettingValue)] {
        var values: [(String, SettingValue)] = []
        switch schedule.warm {
        case .fixed(let count): values.append(("warm", .count(count)))
        case .auto: values.append(("warm", .string("auto")))
        case nil: break
        }
        if let most = schedule.warmMax { values.append(("warm_max", .count(most))) }
        if let most = schedule.maxRunners { values.append(("max_runners", .count(most))) }
        if let time = schedule.cooldown { values.append(("cooldown", .duration(time))) }
        return values
    }

    private func text(_ value: SettingValue) -> String {
        switch value {
        case .string(let text): text
        case .strings(let texts): texts.joined(separator: " ")
        case .size, .duration: String(value.toml.dropFirst().dropLast())
        // The values may be secrets.
        case .table(let entries): entries.keys.sorted().joined(separator: " ")
        case .counts(let entries): Self.text(counts: entries)
        case .flag, .count, .number, .none: value.toml
        }
    }

    /// The same for programs: sizes in bytes, times in seconds.
    func json() throws -> String {
        let document = Document(
            url: settings.gitlab.url, gitlab_name: settings.gitlab.name, webhook_secret: settings.gitlab.webhookSecret != nil,
            poll_interval: settings.gitlab.pollInterval.inSeconds, projects: settings.gitlab.projects, http: "\(listening.listening)",
            control: settings.controlSocket, state: settings.stateDirectory, engine: settings.engineSocket, memory_budget_bytes: settings.budget.memory,
            cpu_budget: settings.budget.cpus, hosts: settings.hosts.map(HostDocument.init), disk_reserve_bytes: settings.diskReserve,
            prune: settings.prune.rawValue,
            registries: settings.registries.map(\.registry), priorities: settings.priorities.map(PriorityDocument.init),
            notify: settings.notify.map(NotifyDocument.init), pools: settings.pools.map(PoolDocument.init),
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
        var hosts: [HostDocument]
        var disk_reserve_bytes: Int64
        var prune: String
        var registries: [String]
        var priorities: [PriorityDocument]
        var notify: [NotifyDocument]
        var pools: [PoolDocument]
        var notes: [String]
        var warnings: [String]
    }

    private struct PriorityDocument: Encodable {
        var project: String?
        var ref: String?
        var job: String?
        var value: Int

        init(_ rule: PriorityRule) { (project, ref, job, value) = (rule.project, rule.ref, rule.job, rule.priority) }
    }

    private struct NotifyDocument: Encodable {
        var name: String
        var kind: String
        /// Of a URL scheme and host, because the rest may be a secret.
        var to: String
        var on: [String]
        var rate: String
        var waiting_after: Double
        var settle: Double
        var timeout: Double
        var signed: Bool

        init(_ target: NotifyTarget) {
            name = target.name
            kind = target.kind.rawValue
            to = target.address
            on = target.on
            rate = target.rate.description
            waiting_after = target.waitingAfter.inSeconds
            settle = target.settle.inSeconds
            timeout = target.timeout.inSeconds
            signed = target.secret != nil
        }
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
            for (prefix, keys) in Understood.sections(of: pool, hasCluster: true) {
                if prefix.isEmpty {
                    try encode(keys, into: &container)
                } else {
                    var nested = container.nestedContainer(keyedBy: Name.self, forKey: Name(String(prefix.dropLast())))
                    try encode(keys, into: &nested)
                }
            }
            if !pool.schedules.isEmpty {
                var schedules = container.nestedUnkeyedContainer(forKey: Name("schedule"))
                for schedule in pool.schedules {
                    var entry = schedules.nestedContainer(keyedBy: Name.self)
                    try entry.encode("\(schedule.days)", forKey: Name("days"))
                    try entry.encode(Schedule.clock(schedule.from), forKey: Name("from"))
                    try entry.encode(Schedule.clock(schedule.to), forKey: Name("to"))
                    try entry.encode(schedule.zone.name, forKey: Name("time_zone"))
                    for (name, value) in Understood.values(of: schedule) { try encode(value, as: name, into: &entry) }
                }
            }
            // The values may be secrets.
            if !pool.runnerSettings.isEmpty { try container.encode(pool.runnerSettings.keys.sorted(), forKey: Name("runner")) }
        }

        private func encode(_ keys: [SettingKey<Pool>], into container: inout KeyedEncodingContainer<Name>) throws {
            for key in keys { try encode(key.value(in: pool), as: key.name, into: &container) }
        }

        private func encode(_ value: SettingValue, as name: String, into container: inout KeyedEncodingContainer<Name>) throws {
            switch value {
            case .string(let text): try container.encode(text, forKey: Name(name))
            case .strings(let texts): try container.encode(texts, forKey: Name(name))
            case .flag(let value): try container.encode(value, forKey: Name(name))
            case .count(let value): try container.encode(value, forKey: Name(name))
            case .number(let value): try container.encode(value, forKey: Name(name))
            case .size(let bytes): try container.encode(bytes, forKey: Name("\(name)_bytes"))
            case .duration(let time): try container.encode(time.inSeconds, forKey: Name(name))
            // The values may be secrets.
            case .table(let entries): try container.encode(entries.keys.sorted(), forKey: Name(name))
            case .counts(let entries): try container.encode(entries, forKey: Name(name))
            case .none: break
            }
        }
    }
}
