import Fleet
import FoundationEssentials
import TOMLKit

#if canImport(Glibc)
    import Glibc
#endif

/// Facts about the machine and the process, passed in so that reading a configuration depends on nothing else.
public struct SettingsEnvironment: Sendable {
    /// The machine's memory in bytes; nine tenths of it are the default of `host.memory`.
    public var machineMemory: Int64
    /// `$CREDENTIALS_DIRECTORY` (systemd.exec(5)), where `LoadCredential=` puts secrets; nil outside of systemd.
    public var credentialsDirectory: String?
    /// The machine's architecture; nil where it is one that we have no name for.
    public var architecture: Architecture?
    /// The process's own proxy variables, which jobs get unless the configuration has others.
    public var proxy: [String: String]
    /// Secrets that stand in the place of credentials, by their names.
    public var credentials: [String: Secret] = [:]
    /// Whether /etc/autogit/gitlab-token holds something, which systemd then was to pass on.
    public var hasTokenFile: Bool
    /// Where time zones are read from.
    public var zones = ZoneFiles()
    public init(
        machineMemory: Int64, credentialsDirectory: String?, architecture: Architecture? = nil, proxy: [String: String] = [:], hasTokenFile: Bool = false
    ) {
        self.hasTokenFile = hasTokenFile
        self.machineMemory = machineMemory
        self.credentialsDirectory = credentialsDirectory
        self.architecture = architecture
        self.proxy = proxy
    }
}

extension Settings {
    /// Reads and checks a configuration file and the files of secrets that it names. Ends the process on some texts: see `isTOML`.
    /// - Throws: `InvalidSettings` with all errors, also when the file can't be read; `NotConfigured` when it sets nothing.
    public static func read(path: String, environment: SettingsEnvironment) throws -> Settings {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            // Foundation leaves another reason in errno.
            let why = access(path, R_OK) == 0 ? "not a UTF-8 text file" : String(cString: strerror(errno))
            throw InvalidSettings(errors: [SettingsError(file: path, message: "cannot be read: \(why); choose another file with --config")])
        }
        return try parse(text, file: path, environment: environment)
    }

    /// Whether a text, or its first lines, are TOML.
    ///
    /// Ends the process on some broken texts, such as `[.x]` or `a = [,]`, which fail assertions of toml++, the parser that TOMLKit
    /// wraps. Try it in a child process first where that must not happen.
    /// - Parameter lines: how many lines to look at; nil for all.
    public static func isTOML(_ text: String, lines: Int? = nil) -> Bool {
        let part = lines.map { text.split(separator: "\n", omittingEmptySubsequences: false).prefix($0).joined(separator: "\n") } ?? text
        return (try? TOMLTable(string: part)) != nil
    }

    /// Checks the text of a configuration, and reads the files of secrets that it names.
    /// - Parameter file: for messages only.
    /// - Throws: `InvalidSettings` with all errors; `NotConfigured` when the text sets nothing.
    public static func parse(_ text: String, file: String, environment: SettingsEnvironment) throws -> Settings {
        let table: TOMLTable
        do {
            table = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            throw InvalidSettings(errors: [
                SettingsError(file: file, line: error.source.begin.line, message: "invalid TOML: \(error.description)")
            ])
        }
        if table.isEmpty { throw NotConfigured(file: file) }
        var reader = SettingsReader(file: file, lines: LineIndex(text), environment: environment)
        let settings = reader.settings(table)
        guard let settings, reader.errors.isEmpty else {
            throw InvalidSettings(errors: reader.errors.sorted { ($0.line ?? 0) < ($1.line ?? 0) })
        }
        return settings
    }
}

/// Walks the table and collects all errors.
struct SettingsReader {
    let file: String
    let lines: LineIndex
    let environment: SettingsEnvironment
    var errors: [SettingsError] = []
    /// Those that the service reads itself.
    var files: [ServiceFile] = []

    init(file: String, lines: LineIndex, environment: SettingsEnvironment) {
        self.file = file
        self.lines = lines
        self.environment = environment
    }

    mutating func settings(_ root: TOMLTable) -> Settings? {
        unknownKeys(
            root, in: Section(name: ""),
            allowed: SettingsSchema.sections.map(\.name) + [
                SettingsSchema.registrySection, SettingsSchema.notifySection, SettingsSchema.prioritySection, "pool",
            ])
        var draft = SettingsDraft()
        for part in SettingsSchema.sections {
            // Hosts in an array are read by themselves.
            let isArray = part.name == SettingsSchema.hostSection && root[part.name]?.array != nil
            let section = Section(name: part.name, table: isArray ? nil : table(root, part.name))
            read(part.keys, section, into: &draft)
            if part.name == "gitlab" { checkGitLab(draft, section) }
            if part.name == "listen" { checkReadAccess(draft, section) }
        }
        checkPrune(root)
        let hosts = hosts(root, draft)
        let registries = registries(root)
        let notify = notifyTargets(root)
        let priorities = priorities(root)
        let pools = pools(root, hosts)
        checkRunnerSockets(pools, hosts)
        checkClusters(pools, hosts)
        guard let url = draft.url, let token = draft.token else { return nil }
        return Settings(
            gitlab: .init(
                name: draft.gitlabName, url: url, token: token, webhookSecret: draft.webhookSecret, pollInterval: draft.pollInterval,
                projects: draft.projects, runnerURL: draft.runnerURL, cloneURL: draft.cloneURL, webhookURL: draft.webhookURL,
                proxy: draft.proxy.isEmpty ? environment.proxy : draft.proxy, caFile: draft.caFile,
                namesTokenFile: root["gitlab"]?.table?["token_file"] != nil,
                namesWebhookSecretFile: root["gitlab"]?.table?["webhook_secret_file"] != nil),
            httpHost: draft.http.host, httpPort: draft.http.port, namesHTTP: root["listen"]?.table?["http"] != nil, controlSocket: draft.controlSocket,
            controlToken: draft.controlToken, readAccess: draft.readAccess, metricsToken: draft.metricsToken,
            stateDirectory: draft.stateDirectory, engineSocket: draft.engineSocket, registries: registries, notify: notify, priorities: priorities,
            hosts: hosts.settings, diskReserve: hosts.hosts.first { $0.id == .local }?.diskReserve ?? draft.diskReserve, prune: draft.prune, cost: draft.cost,
            zone: environment.zones.machine(), pools: pools, files: files)
    }

    /// Reads all keys of a section from their table.
    /// - Parameter nested: tables within it, which are read by themselves.
    mutating func read<Target>(_ keys: [SettingKey<Target>], _ section: Section, and nested: [String] = [], into target: inout Target) {
        unknownKeys(section.table, in: section, allowed: keys.map(\.name) + nested)
        for key in keys { key.read(&self, section, &target) }
    }

    /// A table within a section.
    mutating func within(_ section: Section, _ name: String) -> Section {
        if let value = section.table?[name], value.table == nil { fail(section, name, "expected a section [\(section.name).\(name)]") }
        return section.nested(name)
    }

    /// One rule for all hosts.
    private mutating func checkPrune(_ root: TOMLTable) {
        let (host, engine) = (root[SettingsSchema.hostSection]?.table, root["engine"]?.table)
        guard let ofHost = host?["prune"]?.string, let ofEngine = engine?["prune"]?.string, ofHost != ofEngine else { return }
        fail(Section(name: SettingsSchema.hostSection, table: host), "prune", "is \"\(ofEngine)\" in [engine]: remove one of the two")
    }

    private mutating func checkGitLab(_ draft: SettingsDraft, _ section: Section) {
        guard section.table != nil else {
            fail(section, nil, "the section [gitlab] is missing; it needs at least url")
            return
        }
        if section.table?["url"] == nil { fail(section, "url", "is required, for example url = \"http://gitlab.example:3000\"") }
        if draft.token == nil, section.table?["token_file"] == nil {
            // systemd passes an empty one where there is no file.
            if environment.hasTokenFile {
                return fail(
                    section, "token_file",
                    "/etc/autogit/gitlab-token is there, but systemd does not pass it on: a drop-in clears LoadCredential= of autogit.service, as images of "
                        + "Incus and LXD have one (systemctl cat autogit shows it). Take it away, or name a file here that the user of the service can read: "
                        + "install -o 1000 -m 400 /etc/autogit/gitlab-token /etc/autogit/token-of-the-service")
            }
            fail(
                section, "token_file",
                "there is no GitLab token; put it into /etc/autogit/gitlab-token, which the unit passes as the credential gitlab-token, or name a "
                    + "file here that contains it")
        }
    }

    // MARK: Pools

    private mutating func pools(_ root: TOMLTable, _ hosts: HostsRead) -> [Pool] {
        guard let value = root["pool"] else {
            fail(Section(name: ""), nil, "no pool is configured; add a section [[pool]] with name and tags")
            return []
        }
        guard let array = value.array else {
            fail(Section(name: "pool"), nil, "expected a section [[pool]], with two brackets")
            return []
        }
        var pools: [Pool] = []
        for (index, entry) in array.enumerated() {
            let section = Section(name: "pool", index: index, table: entry.table)
            guard section.table != nil else {
                fail(section, nil, "expected sections [[pool]]")
                continue
            }
            var pool = Pool(name: "")
            let nested = SettingsSchema.poolSections.map(\.name) + [SettingsSchema.runnerSection, SettingsSchema.scheduleSection]
            read(SettingsSchema.pool, section, and: nested, into: &pool)
            for part in SettingsSchema.poolSections { read(part.keys, within(section, part.name), into: &pool) }
            pool.runnerSettings = anything(within(section, SettingsSchema.runnerSection))
            pool.schedules = schedules(section, of: pool)
            settle(&pool, section, on: pool.choice.candidates(of: hosts.hosts, pool.driver))
            check(pool, section)
            checkChoice(pool, section, hosts)
            checkExecutor(pool, section)
            if pools.contains(where: { $0.name == pool.name }) {
                fail(section, "name", "two pools have the name \"\(pool.name)\"; give each its own")
            }
            pools.append(pool)
        }
        return pools
    }

    /// Rules that involve more than one key.
    private mutating func check(_ pool: Pool, _ section: Section) {
        if section.table?["name"] == nil { fail(section, "name", "is required, for example name = \"default\"") }
        if pool.tags.isEmpty, !pool.runUntagged {
            fail(section, "tags", "a pool without tags takes no job; add tags, or set run_untagged = true")
        }
        for key in SettingsSchema.pool where section.table?[key.name] != nil {
            guard let need = key.need, !need.isMet(by: pool) else { continue }
            let way = need == .jobContainer ? "remove it, or set executor = \"docker\", which gives jobs containers" : "remove it"
            fail(section, key.name, "has no effect with driver = \"scope\": a runner in a scope uses the host's files and network; \(way)")
        }
        if pool.warm > pool.maxRunners { fail(section, "warm", "must not exceed max_runners (\(pool.maxRunners))") }
        checkWarmMax(pool, section)
    }
}
