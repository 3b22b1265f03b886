import Fleet
import JSONSchema

extension SettingsSchema {
    /// The keys of a pool about where its runners are placed.
    static let choice: [SettingKey<Pool>] = [
        .strings(
            "hosts", \.choice.hosts, example: ["desktop1"], of: .string().matching(wordPattern), "names or labels of [[host]]; absent: any",
            check: wordComplaint),
        .counts("needs", \.choice.needs, example: ["usb-jtag": 1], "what each runner takes of its host's resources"),
        .parsed(
            "placement", \.choice.strategy, .word(of: HostChoice.Strategy.self), "or \"pack\": on the host with the most room, or with the least",
            hint: "expected \"spread\" or \"pack\"", parse: HostChoice.Strategy.init(rawValue:), print: \.rawValue),
        .strings(
            "prefer", \.choice.prefer, example: ["fast"], of: .string().matching(wordPattern), "hosts that come before all others, in this order",
            check: wordComplaint),
        .duration("overflow_after", \.choice.overflowAfter, "how long a job waits for room on those before the next are used"),
    ]
}

/// Rules between pools and hosts.
extension SettingsReader {
    /// Words, needs, and that one runner at least has room somewhere.
    mutating func checkChoice(_ pool: Pool, _ section: Section, _ known: HostsRead) {
        if pool.choice.prefer.isEmpty, section.table?["overflow_after"] != nil {
            fail(section, "overflow_after", "has no effect without prefer, for example prefer = [\"fast\"]")
        }
        guard !known.lacksSome, haveWords(of: pool, section, known) else { return }
        let candidates = pool.choice.candidates(of: known.hosts, pool.driver)
        guard !candidates.isEmpty else { return noCandidate(pool, section, known) }
        let fitting = candidates.filter { host in pool.choice.needs.allSatisfy { host.resources[$0.key, default: 0] >= $0.value } }
        if fitting.isEmpty { unmet(pool, section, candidates) } else { checkRoom(pool, section, fitting, known) }
    }

    /// Whether all names and labels are some host's.
    private mutating func haveWords(of pool: Pool, _ section: Section, _ known: HostsRead) -> Bool {
        let names = known.hosts.map(\.id.name)
        let labels = Set(known.hosts.flatMap(\.labels)).subtracting(names).sorted()
        let words = "known are \(names.joined(separator: ", "))" + (labels.isEmpty ? "" : ", and by label \(labels.joined(separator: ", "))")
        let before = errors.count
        for (key, wanted) in [("hosts", pool.choice.hosts), ("prefer", pool.choice.prefer)] {
            // What can't be a name was told already.
            for word in wanted where SettingsSchema.wordComplaint(word) == nil && !known.hosts.contains(where: { $0.isMeant(by: word) }) {
                fail(section, key, "no host has the name or label \"\(word)\"; \(words)" + (known.areListed ? "" : ". Other machines have sections [[host]]"))
            }
        }
        return errors.count == before && pool.choice.hosts.allSatisfy { SettingsSchema.wordComplaint($0) == nil }
    }

    /// Every word is known, so it is the driver that none of them fits.
    private mutating func noCandidate(_ pool: Pool, _ section: Section, _ known: HostsRead) {
        if !known.hosts.contains(where: { $0.id == .local }) {
            return fail(
                section, "driver",
                "\"scope\" makes processes of this machine, which is none of the hosts: add a section [[host]] with name = \"local\", "
                    + "or set driver = \"container\"")
        }
        fail(
            section, "hosts",
            "no host is left: driver = \"scope\" makes processes of the host \"local\", which is not among them. Add \"local\", or set driver = \"container\"")
    }

    /// No candidate has what a runner needs.
    private mutating func unmet(_ pool: Pool, _ section: Section, _ candidates: [Host]) {
        let names = candidates.map(\.id.name).joined(separator: ", ")
        let needs = pool.choice.needs.sorted { $0.key < $1.key }
        var isTold = false
        for (name, count) in needs {
            let most = candidates.map { $0.resources[name, default: 0] }.max() ?? 0
            guard most < count else { continue }
            isTold = true
            fail(
                section, "needs",
                most == 0
                    ? "none of its hosts (\(names)) has \(name): add resources = { \(name) = \(count) } to the [[host]] that has it"
                    : "\(count) of \(name) are more than any of its hosts (\(names)) has, which is \(most): lower it, or raise resources of a [[host]]")
        }
        if !isTold {
            let all = needs.map { "\($0.key) = \($0.value)" }.joined(separator: ", ")
            fail(section, "needs", "none of its hosts (\(names)) has all of \(all): a runner takes them on one host")
        }
    }

    /// - Parameter hosts: at least one.
    private mutating func checkRoom(_ pool: Pool, _ section: Section, _ hosts: [Host], _ known: HostsRead) {
        // With containers of its own for each job and its services, one runner is more than its memory.
        let services = pool.executor == .docker ? pool.docker.servicesLimit : 0
        let way = services > 0 ? "lower it or services_limit in [pool.docker]" : "lower it"
        func parts(_ job: String, _ service: String) -> String {
            pool.executor == .docker ? " with its job (\(job)) and \(services) services (\(service))" : ""
        }
        func bound(_ what: String, _ key: String, _ largest: (host: HostID, text: String)) -> String {
            if !known.areListed { return "the host's \(what) budget (\(largest.text)); \(way), or raise host.\(key)" }
            let whose =
                hosts.count == 1 ? "of the host \(largest.host) (\(largest.text))" : "of any of its hosts (the largest is \(largest.host)'s, \(largest.text))"
            return "the \(what) budget \(whose); \(way), or raise \(key) in [[host]]"
        }
        let memories = hosts.compactMap { host in host.budget.memory.map { (host.id, $0) } }
        let cpus = hosts.compactMap { host in host.budget.cpus.map { (host.id, $0) } }
        // A host without a bound has room.
        let memory = memories.count == hosts.count ? memories.max { $0.1 < $1.1 } : nil
        let cpu = cpus.count == hosts.count ? cpus.max { $0.1 < $1.1 } : nil
        var isTold = false
        if let (host, most) = memory, pool.reservedMemory > most {
            isTold = true
            fail(
                section, "memory",
                "one runner\(parts("memory", "service_memory")) may use \(pool.reservedMemory >> 20) MiB, more than "
                    + bound("memory", "memory", (host, "\(most >> 20) MiB")))
        }
        if let (host, most) = cpu, pool.reservedCPUs > most {
            isTold = true
            fail(
                section, "cpus",
                "one runner\(parts("cpus", "service_cpus")) may use \(pool.reservedCPUs) CPUs, more than " + bound("CPU", "cpus", (host, "\(most)")))
        }
        let hasRoom = hosts.contains { host in
            host.budget.memory.map { pool.reservedMemory <= $0 } ?? true && host.budget.cpus.map { pool.reservedCPUs <= $0 } ?? true
        }
        if !isTold, !hasRoom {
            fail(
                section, "memory",
                "one runner may use \(pool.reservedMemory >> 20) MiB and \(pool.reservedCPUs) CPUs, and none of its hosts has room for both: lower one of "
                    + "the two, or raise memory and cpus in [[host]]")
        }
    }

    /// A runner of the Docker executor has its engine's socket from its host, and the address of an engine at a port doesn't say where that is.
    mutating func checkRunnerSockets(_ pools: [Pool], _ known: HostsRead) {
        for (host, section) in zip(known.settings, known.sections) {
            guard case .tcp = host.engine, host.runnerSocket == nil, section.table?["runner_socket"] == nil else { continue }
            let needing = pools.first { pool in
                pool.driver == .container && pool.executor == .docker && pool.choice.candidates(of: [host.host], pool.driver) != []
            }
            guard let needing else { continue }
            fail(
                section, "runner_socket",
                "is required with engine = \"tcp://...\", because runners of the pool \"\(needing.name)\" (executor = \"docker\") are given the engine's "
                    + "socket: its path on \(host.host.id), for example /run/user/1000/podman/podman.sock")
        }
    }
}
