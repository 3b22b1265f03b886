import Fleet
import FoundationEssentials
import Glibc
import JSONSchema
import TOMLKit

extension SettingsSchema {
    /// The section of this machine, or the array of all machines.
    static let hostSection = "host"

    /// The keys of `[[host]]`.
    public static let host: [SettingKey<HostDraft>] =
        [
            .string("name", \.name, example: .string("desktop1"), pattern: wordPattern, "of a machine; \"local\" is this one") {
                isName($0) ? nil : "\"\($0)\" is not a valid name: use 1 to 32 lower-case letters, digits and hyphens, for example desktop1"
            },
            SettingKey(
                "engine", "or unix:///PATH, tcp://HOST:PORT, swarm+unix:///PATH or kubernetes; of \"local\" it is that of [engine]",
                .string().matching(EngineAddress.pattern),
                example: .string("ssh://user@desktop1"),
                read: { reader, section, host in
                    guard let text = reader.string(section, "engine") else { return }
                    do throws(EngineAddress.Complaint) { host.engine = try EngineAddress(text) } catch { reader.fail(section, "engine", error.message) }
                }, show: { $0.engine == .usual ? .none : .string($0.engine.description) }),
            .size("memory", \.memory, example: 56 << 30, "the most that its runners' memory limits may add up to"),
            .number("cpus", \.cpus, example: 8, "the most that its runners' CPU limits may add up to"),
            .strings("labels", \.labels, example: ["fast"], of: .string().matching(wordPattern), "words by which pools may name it, too", check: wordComplaint),
            .counts("resources", \.resources, example: ["usb-jtag": 1], "how many it has of what a runner takes for itself, see needs"),
            .duration("lost_after", \.lostAfter, atLeast: Beat.elsewhere, "how long it may be away before its runners don't count"),
            .size("disk_reserve", \.diskReserve, atLeast: 0, example: 10 << 30, "what its engine's disk keeps free; absent: 2GiB"),
            .string(
                "runner_socket", \.runnerSocket, example: .string("/run/user/1000/podman/podman.sock"), pattern: #"^/[^\s:?#%]+$"#,
                "the engine's socket over there, for runners"
            ) { EngineAddress.complaint(aboutSocket: $0).map { "\($0), for example /run/user/1000/podman/podman.sock" } },
            .file("tls_ca", \.tlsCA, example: "/etc/autogit/desktop1/ca.pem", "for tcp: who signs the engine's certificate") {
                pemComplaint($0, has: "CERTIFICATE")
            },
            .file("tls_cert", \.tlsCert, example: "/etc/autogit/desktop1/cert.pem", "for tcp: AutoGit's certificate") {
                pemComplaint($0, has: "CERTIFICATE")
            },
            .file("tls_key", \.tlsKey, example: "/etc/autogit/desktop1/key.pem", "for tcp: the key of that certificate") {
                pemComplaint($0, has: "PRIVATE KEY")
            },
        ] + kubernetesPlace

    /// Names and labels of hosts, and names of what they have.
    static let wordPattern = "^[a-z0-9-]{1,32}$"

    static func wordComplaint(_ text: String) -> String? {
        isName(text) ? nil : "\"\(text)\" is not valid: use 1 to 32 lower-case letters, digits and hyphens, for example fast"
    }

    /// What is wrong with a file of TLS; nil when nothing is.
    /// - Parameter label: what the file's blocks are (RFC 7468), or the end of that.
    private static func pemComplaint(_ path: String, has label: String) -> String? {
        guard path.hasPrefix("/") else { return "\"\(path)\" is not the absolute path of a file" }
        var status = stat()
        guard stat(path, &status) == 0, access(path, R_OK) == 0 else { return "\(path) cannot be read: \(String(cString: strerror(errno)))" }
        if label == "PRIVATE KEY", status.st_mode & 0o007 != 0 { return "\(path) is accessible to every user; run: chmod 600 \(path)" }
        guard status.st_size <= 1 << 20, let text = try? String(contentsOfFile: path, encoding: .utf8), text.contains("-----BEGIN "),
            text.contains("\(label)-----")
        else { return "\(path) has no block in PEM that ends with \(label)-----, such as openssl writes" }
        return nil
    }
}

/// A host while it is read.
public struct HostDraft: Sendable {
    var name: String?
    var engine = EngineAddress.usual
    var memory: Int64?
    var cpus: Double?
    var labels: [String] = []
    var resources: [String: Int] = [:]
    var lostAfter = Duration.seconds(600)
    var diskReserve: Int64?
    var runnerSocket: String?
    var tlsCA: String?
    var tlsCert: String?
    var tlsKey: String?
    var kubernetes = KubernetesPlace()

    init() {}
}

/// All hosts of a configuration while its pools are read.
struct HostsRead {
    var settings: [HostSettings] = []
    /// Of each of them.
    var sections: [Section] = []
    /// From sections `[[host]]`.
    var areListed = false
    /// One had no name that could be used, so that nothing can be said of what is missing.
    var lacksSome = false

    var hosts: [Host] { settings.map(\.host) }
}

extension SettingKey {
    /// A table of numbers from 1 to 1000.
    static func counts(_ name: String, _ place: Place<Target, [String: Int]>, example: [String: Int], _ summary: String) -> Self {
        Self(
            name, summary, Schema.map(of: .integer().from(1, to: 1000)).adding("propertyNames", ["pattern": .string(SettingsSchema.wordPattern)]),
            example: .counts(example),
            read: { reader, section, target in if let value = reader.counts(section, name, in: 1...1000) { target[keyPath: place] = value } },
            show: { .counts($0[keyPath: place]) })
    }
}

/// The machines that runners are placed on.
extension SettingsReader {
    fileprivate mutating func counts(_ section: Section, _ key: String, in range: ClosedRange<Int>) -> [String: Int]? {
        guard let value = section.table?[key] else { return nil }
        guard let table = value.table else {
            wrongType(section, key, value, "a table, for example { usb-jtag = 1 }")
            return nil
        }
        var counts: [String: Int] = [:]
        for name in table.keys.sorted() {
            if let complaint = SettingsSchema.wordComplaint(name) {
                fail(section, key, complaint)
            } else if let entry = table[name], entry.type == .int, let count = entry.int, range.contains(count) {
                counts[name] = count
            } else {
                fail(section, key, "\(name) must be an integer from \(range.lowerBound) to \(range.upperBound)")
            }
        }
        return counts
    }

    /// Of the sections `[[host]]`; without them, this machine by the values of `[host]`.
    mutating func hosts(_ root: TOMLTable, _ draft: SettingsDraft) -> HostsRead {
        let name = SettingsSchema.hostSection
        let memory = environment.machineMemory / 10 * 9
        guard let array = root[name]?.array else {
            let budget = HostBudget(memory: draft.memory ?? memory, cpus: draft.cpus)
            return HostsRead(
                settings: [HostSettings(Host(.local, budget: budget), engine: .usual)], sections: [Section(name: name, table: root[name]?.table)])
        }
        var found = HostsRead(areListed: true)
        if array.isEmpty { fail(Section(name: ""), name, "expected a section [host], or sections [[host]]") }
        for (index, entry) in array.enumerated() {
            let section = Section(name: name, index: index, table: entry.table)
            guard section.table != nil else {
                fail(section, nil, "expected sections [[host]]")
                continue
            }
            var host = HostDraft()
            read(SettingsSchema.host, section, and: [SettingsSchema.powerSection], into: &host)
            let settings = settings(of: host, section, draft, machineMemory: memory)
            guard let settings, !found.hosts.contains(where: { $0.id == settings.host.id }) else {
                if let name = host.name, settings != nil { fail(section, "name", "two hosts have the name \"\(name)\"; give each its own") }
                found.lacksSome = found.lacksSome || settings == nil
                continue
            }
            checkEngine(settings, section, besides: found.settings, draft)
            found.settings.append(settings)
            found.sections.append(section)
        }
        checkLabels(found)
        found.lacksSome = found.lacksSome || found.settings.isEmpty
        return found
    }

    /// nil without a name. Rules that involve more than one key are checked, too.
    private mutating func settings(of host: HostDraft, _ section: Section, _ draft: SettingsDraft, machineMemory: Int64) -> HostSettings? {
        func has(_ key: String) -> Bool { section.table?[key] != nil }
        guard let name = host.name else {
            if !has("name") { fail(section, "name", "is required, for example name = \"desktop1\"; this machine is \"local\"") }
            return nil
        }
        let id = HostID(name)
        if id == .local {
            if has("engine") { fail(section, "engine", "of the host \"local\" is that of [engine]: remove it, and set socket in [engine]") }
            if has("lost_after") { fail(section, "lost_after", "has no effect on the host \"local\", which is never lost: remove it") }
        } else if !has("engine") {
            fail(section, "engine", "is required, for example engine = \"ssh://user@\(name)\"; only the host \"local\" has that of [engine]")
        }
        let engine = engine(of: host, section)
        // A bound that nobody can keep is none, unless the file says it: see Settings.notesOnDisks.
        let reserve = host.diskReserve ?? (id == .local || engine.showsDisk ? draft.diskReserve : 0)
        let power = power(within(section, SettingsSchema.powerSection), of: id)
        return HostSettings(
            Host(
                id, labels: host.labels, budget: HostBudget(memory: host.memory ?? (id == .local ? machineMemory : nil), cpus: host.cpus),
                resources: host.resources, diskReserve: reserve, lostAfter: id == .local ? nil : host.lostAfter,
                power: power?.0),
            engine: id == .local ? .usual : engine, runnerSocket: host.runnerSocket ?? engine.socket, power: power?.1)
    }

    /// The address, with its files where it has some. An engine that takes calls of everybody is root for everybody.
    private mutating func engine(of host: HostDraft, _ section: Section) -> EngineAddress {
        let place = ["kubeconfig", "context", "namespace"].filter { section.table?[$0] != nil }
        if case .kubernetes = host.engine {
            for key in ["tls_ca", "tls_cert", "tls_key", "runner_socket"] where section.table?[key] != nil {
                fail(section, key, "has no effect with engine = \"kubernetes\": remove it")
            }
            if host.kubernetes.context != nil, section.table?["kubeconfig"] == nil { fail(section, "context", "has no effect without kubeconfig: add that") }
            return .kubernetes(host.kubernetes)
        }
        if host.engine != .usual || section.table?["engine"] == nil {
            for key in place { fail(section, key, "has no effect without engine = \"kubernetes\": remove it") }
        }
        let files = [("tls_ca", host.tlsCA), ("tls_cert", host.tlsCert), ("tls_key", host.tlsKey)]
        let isSet = files.filter { section.table?[$0.0] != nil }
        guard case .tcp(let address, let port, _) = host.engine else {
            // An address that could not be read may have been one with TLS.
            if host.engine != .usual || section.table?["engine"] == nil {
                for (key, _) in isSet { fail(section, key, "has no effect without engine = \"tcp://HOST:PORT\": remove it") }
            }
            return host.engine
        }
        if let ca = host.tlsCA, let certificate = host.tlsCert, let key = host.tlsKey {
            return .tcp(address, port, tls: .init(ca: ca, certificate: certificate, key: key))
        }
        if !isSet.isEmpty {
            for (key, _) in files where section.table?[key] == nil {
                fail(section, key, "is required where one of tls_ca, tls_cert and tls_key is set: the path of a PEM file")
            }
        } else if !EngineAddress.isLoopback(address) {
            fail(
                section, "engine",
                "\(host.engine) is not protected: whoever reaches an engine without TLS is root on its host. Set tls_ca, tls_cert and tls_key, "
                    + "or use ssh://user@\(address)")
        }
        return host.engine
    }

    /// Two hosts with one engine would promise its memory twice.
    private mutating func checkEngine(_ settings: HostSettings, _ section: Section, besides others: [HostSettings], _ draft: SettingsDraft) {
        guard settings.engine != .usual else { return }
        if let other = others.first(where: { $0.engine == settings.engine }) {
            fail(section, "engine", "is that of the host \"\(other.host.id)\", too: give each host an engine of its own, or remove one of the two")
        } else if let socket = draft.engineSocket, settings.engine == .unix(socket) {
            fail(section, "engine", "is that of [engine], too: the host \"local\" has it, so name this one \"local\" and remove engine")
        }
    }

    /// A label means the same for all pools.
    private mutating func checkLabels(_ found: HostsRead) {
        let names = Set(found.hosts.map(\.id.name) + [HostID.local.name])
        for (host, section) in zip(found.hosts, found.sections) {
            for label in host.labels where label != host.id.name && names.contains(label) {
                fail(section, "labels", "\"\(label)\" is the name of \(label == HostID.local.name ? "this machine" : "a host"): use another word")
            }
        }
    }
}
