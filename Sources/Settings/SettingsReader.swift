import Fleet
import FoundationEssentials
import TOMLKit

#if canImport(Glibc)
    import Glibc
#endif

/// What the reader needs to know of the machine.
public struct SettingsEnvironment: Sendable {
    /// Bytes of memory that the machine has.
    public var machineMemory: Int64
    /// `$CREDENTIALS_DIRECTORY` (systemd.exec(5)), where `LoadCredential=` puts secrets.
    public var credentialsDirectory: String?
    public init(machineMemory: Int64, credentialsDirectory: String?) {
        self.machineMemory = machineMemory
        self.credentialsDirectory = credentialsDirectory
    }
}

extension Settings {
    /// Reads and checks a configuration file with the secrets it names.
    /// - Throws: `InvalidSettings` with everything that is wrong, or `NotConfigured`.
    public static func read(path: String, environment: SettingsEnvironment) throws -> Settings {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            // What Foundation leaves in errno is not the reason.
            let why = access(path, R_OK) == 0 ? "it is no file with a text in UTF-8" : String(cString: strerror(errno))
            throw InvalidSettings(errors: [SettingsError(file: path, message: "cannot be read: \(why); name another file with --config")])
        }
        return try parse(text, file: path, environment: environment)
    }

    /// Whether the first lines of a text are TOML, or all of them. toml++, which TOMLKit wraps, has assertions that some
    /// broken texts fail, such as `[.x]` or `a = [,]`: then this ends the process. So whoever must not end asks in
    /// a process of its own first.
    public static func isTOML(_ text: String, lines: Int? = nil) -> Bool {
        let part = lines.map { text.split(separator: "\n", omittingEmptySubsequences: false).prefix($0).joined(separator: "\n") } ?? text
        return (try? TOMLTable(string: part)) != nil
    }

    /// - Throws: `InvalidSettings`, `NotConfigured`
    public static func parse(_ text: String, file: String, environment: SettingsEnvironment) throws -> Settings {
        let table: TOMLTable
        do {
            table = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            throw InvalidSettings(errors: [
                SettingsError(file: file, line: error.source.begin.line, message: "this is not TOML: \(error.description)")
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

/// Walks the table, collects what is wrong, and never stops at the first.
struct SettingsReader {
    let file: String
    let lines: LineIndex
    let environment: SettingsEnvironment
    var errors: [SettingsError] = []

    init(file: String, lines: LineIndex, environment: SettingsEnvironment) {
        self.file = file
        self.lines = lines
        self.environment = environment
    }

    mutating func settings(_ root: TOMLTable) -> Settings? {
        unknownKeys(root, in: Section(name: ""), allowed: ["gitlab", "listen", "state", "engine", "host", "pool"])
        let gitlab = gitlabSettings(table(root, "gitlab"))
        let listen = section(root, "listen", allowed: ["http", "control", "control_token_file"])
        let http = string(listen, "http") ?? "0.0.0.0:8080"
        let address = hostAndPort(http, listen)
        let control = string(listen, "control") ?? "/run/autogit/control.sock"
        let controlToken = string(listen, "control_token_file").flatMap { secret(path: $0, listen, "control_token_file") }
        let state = section(root, "state", allowed: ["directory"])
        let directory = string(state, "directory") ?? "/var/lib/autogit"
        let engine = section(root, "engine", allowed: ["socket"])
        let socket = string(engine, "socket")
        let host = section(root, "host", allowed: ["memory", "cpus"])
        let budget = HostBudget(
            memory: size(host, "memory") ?? environment.machineMemory / 10 * 9, cpus: number(host, "cpus"))
        let pools = poolSettings(root, budget: budget)
        guard let gitlab, let address else { return nil }
        return Settings(
            gitlab: gitlab, httpHost: address.host, httpPort: address.port, controlSocket: control,
            controlToken: controlToken, stateDirectory: directory, engineSocket: socket, budget: budget,
            pools: pools)
    }

    // MARK: Sections

    private mutating func gitlabSettings(_ table: TOMLTable?) -> Settings.GitLab? {
        let section = Section(name: "gitlab", table: table)
        guard let table else {
            fail(section, nil, "the section [gitlab] with url and token_file is missing")
            return nil
        }
        unknownKeys(
            table, in: section,
            allowed: ["url", "token_file", "webhook_secret_file", "poll_interval", "projects", "ca_file"])
        var url = string(section, "url")
        if url == nil, table["url"] == nil {
            fail(section, "url", "is missing; write url = \"http://gitlab.example:3000\"")
        }
        if let text = url, !Self.isWebURL(text) {
            fail(section, "url", "\(text) is no URL of the form http://HOST[:PORT] or https://HOST[:PORT]")
            url = nil
        }
        let token = secret(section, "token_file", credential: "gitlab-token")
        if token == nil, table["token_file"] == nil {
            fail(
                section, "token_file",
                "is missing; name a file that holds the GitLab token, or put it into /etc/autogit/gitlab-token, which the unit passes as the credential gitlab-token"
            )
        }
        let webhookSecret = secret(section, "webhook_secret_file", credential: "webhook-secret")
        let interval = duration(section, "poll_interval") ?? .seconds(30)
        if interval > .zero, interval < .seconds(1) {
            fail(section, "poll_interval", "is shorter than 1s; use 0 to switch polling off")
        }
        let projects = strings(section, "projects") ?? []
        let caFile = string(section, "ca_file")
        if let caFile, access(caFile, R_OK) != 0 {
            fail(section, "ca_file", "\(caFile) cannot be read: \(String(cString: strerror(errno)))")
        }
        guard let url, let token else { return nil }
        return Settings.GitLab(
            url: url, token: token, webhookSecret: webhookSecret, pollInterval: interval, projects: projects, caFile: caFile)
    }

    private static func isWebURL(_ text: String) -> Bool {
        guard let url = URL(string: text), let host = url.host(), !host.isEmpty else { return false }
        return (url.scheme == "http" || url.scheme == "https") && url.query() == nil && url.user() == nil
    }

    private mutating func poolSettings(_ root: TOMLTable, budget: HostBudget) -> [Pool] {
        guard let value = root["pool"] else {
            fail(Section(name: ""), nil, "there is no pool; add a [[pool]] section with name and tags")
            return []
        }
        guard let array = value.array else {
            fail(Section(name: "pool"), nil, "pools are written as [[pool]], with two brackets")
            return []
        }
        var pools: [Pool] = []
        for (index, entry) in array.enumerated() {
            let section = Section(name: "pool", index: index, table: entry.table)
            guard section.table != nil else {
                fail(section, nil, "pools are written as [[pool]] sections")
                continue
            }
            let pool = poolSettings(section, budget: budget)
            if pools.contains(where: { $0.name == pool.name }) {
                fail(section, "name", "two pools are called \(pool.name); give each its own name")
            }
            pools.append(pool)
        }
        return pools
    }

    private static let containerKeys = ["image", "network", "mounts", "cap_add", "cap_drop"]

    private mutating func poolSettings(_ section: Section, budget: HostBudget) -> Pool {
        unknownKeys(
            section.table, in: section,
            allowed: [
                "name", "tags", "run_untagged", "image", "command", "cpus", "memory", "pids", "max_runners", "warm",
                "cooldown", "max_jobs", "start_timeout", "stop_signal", "stop_timeout", "register", "network",
                "env", "mounts", "cap_add", "cap_drop", "driver", "io_weight",
            ])
        let name = string(section, "name") ?? ""
        if section.table?["name"] == nil {
            fail(section, "name", "is missing; every pool needs a name")
        } else if name.isEmpty || name.count > 63 || !name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }) {
            fail(section, "name", "may have up to 63 letters, digits, and - _ . only")
        }
        var pool = Pool(name: name)
        pool.tags = strings(section, "tags") ?? []
        if pool.tags.contains(where: { $0.isEmpty || $0.contains(",") }) { fail(section, "tags", "a tag may not be empty or hold a comma") }
        pool.runUntagged = bool(section, "run_untagged") ?? pool.runUntagged
        if pool.tags.isEmpty, !pool.runUntagged {
            fail(section, "tags", "a pool without tags needs run_untagged = true, or it could take no job")
        }
        if let text = string(section, "driver") {
            if let driver = DriverKind(rawValue: text) { pool.driver = driver } else { fail(section, "driver", "must be \"container\" or \"scope\"") }
        }
        if pool.driver == .scope {
            for key in Self.containerKeys where section.table?[key] != nil {
                fail(section, key, "is for containers; a runner in a scope uses the host's files and network")
            }
        }
        pool.image = string(section, "image") ?? pool.image
        if pool.image.isEmpty { fail(section, "image", "is empty") }
        pool.command = strings(section, "command") ?? []
        pool.cpus = number(section, "cpus") ?? pool.cpus
        pool.memory = size(section, "memory") ?? pool.memory
        if pool.memory < 16 << 20 { fail(section, "memory", "is less than 16MiB, too little for any runner") }
        if let bound = budget.memory, pool.memory > bound {
            fail(section, "memory", "one runner would need more than the host's memory budget (\(bound >> 20) MiB); lower it or raise host.memory")
        }
        if let bound = budget.cpus, pool.cpus > bound {
            fail(section, "cpus", "one runner would need more than the host's CPU budget (\(bound)); lower it or raise host.cpus")
        }
        pool.pids = count(section, "pids", from: 16) ?? pool.pids
        pool.ioWeight = count(section, "io_weight", from: 1) ?? pool.ioWeight
        if pool.ioWeight > 10_000 { fail(section, "io_weight", "must be from 1 to 10000") }
        pool.maxRunners = count(section, "max_runners", from: 1) ?? pool.maxRunners
        pool.warm = count(section, "warm", from: 0) ?? pool.warm
        if pool.warm > pool.maxRunners { fail(section, "warm", "is more than max_runners (\(pool.maxRunners))") }
        pool.cooldown = duration(section, "cooldown") ?? pool.cooldown
        pool.maxJobs = count(section, "max_jobs", from: 0) ?? pool.maxJobs
        pool.startTimeout = duration(section, "start_timeout") ?? pool.startTimeout
        if pool.startTimeout < .seconds(1) { fail(section, "start_timeout", "is shorter than 1s") }
        pool.stopSignal = string(section, "stop_signal") ?? pool.stopSignal
        if !pool.stopSignal.hasPrefix("SIG") || !pool.stopSignal.allSatisfy({ $0.isASCII && ($0.isUppercase || $0.isNumber) }) {
            fail(section, "stop_signal", "\(pool.stopSignal) is no signal; write it as \"SIGQUIT\"")
        }
        pool.stopTimeout = duration(section, "stop_timeout") ?? pool.stopTimeout
        if let text = string(section, "register") { pool.register = registration(text, section) }
        pool.network = string(section, "network")
        pool.env = environmentTable(section)
        pool.mounts = strings(section, "mounts") ?? []
        for mount in pool.mounts where mount.split(separator: ":", omittingEmptySubsequences: false).count < 2 || !mount.hasPrefix("/") {
            fail(section, "mounts", "\(mount) is not of the form /host/path:/container/path[:ro]")
        }
        pool.capabilitiesAdd = strings(section, "cap_add") ?? []
        pool.capabilitiesDrop = strings(section, "cap_drop") ?? []
        return pool
    }

    private mutating func registration(_ text: String, _ section: Section) -> Pool.Registration {
        if text == "instance" { return .instance }
        if text.hasPrefix("group:"), text.count > 6 { return .group(String(text.dropFirst(6))) }
        if text.hasPrefix("project:"), text.count > 8 { return .project(String(text.dropFirst(8))) }
        fail(section, "register", "must be \"instance\", \"group:ID\" or \"project:ID or PATH\"")
        return .instance
    }

    private mutating func environmentTable(_ section: Section) -> [String: String] {
        guard let value = section.table?["env"] else { return [:] }
        guard let table = value.table else {
            wrongType(section, "env", value, "a table such as { NAME = \"value\" }")
            return [:]
        }
        var env: [String: String] = [:]
        for key in table.keys {
            if let text = table[key]?.string { env[key] = text } else { fail(section, "env", "\(key) must be a text in quotes") }
        }
        return env
    }

    private mutating func hostAndPort(_ text: String, _ section: Section) -> (host: String, port: Int)? {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (1...65535).contains(port) else {
            fail(section, "http", "\(text) is not of the form HOST:PORT, such as \"0.0.0.0:8080\"")
            return nil
        }
        let host = text[..<colon].filter { $0 != "[" && $0 != "]" }
        return (host.isEmpty ? "0.0.0.0" : host, port)
    }

    // MARK: Secrets

    private mutating func secret(_ section: Section, _ key: String, credential: String) -> Secret? {
        if let path = string(section, key) { return secret(path: path, section, key) }
        guard section.table?[key] == nil, let directory = environment.credentialsDirectory else { return nil }
        let path = "\(directory)/\(credential)"
        // The unit falls back to an empty line for a file that isn't there.
        guard let text = try? String(contentsOfFile: path, encoding: .utf8), !text.allSatisfy(\.isWhitespace) else { return nil }
        return secret(path: path, section, key, checkMode: false)
    }

    /// - Parameter checkMode: systemd sees to the mode of its credentials itself.
    private mutating func secret(path: String, _ section: Section, _ key: String, checkMode: Bool = true) -> Secret? {
        var status = stat()
        guard stat(path, &status) == 0 else {
            fail(section, key, "\(path) cannot be read: \(String(cString: strerror(errno)))")
            return nil
        }
        if checkMode, status.st_mode & 0o007 != 0 {
            fail(section, key, "\(path) can be read by everybody; run: chmod 600 \(path)")
            return nil
        }
        guard status.st_size <= 64 << 10, let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            fail(section, key, "\(path) cannot be read as a text of at most 64 KiB by uid \(getuid())")
            return nil
        }
        let value = String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
        guard !value.isEmpty, !value.contains(where: \.isNewline) else {
            fail(section, key, "\(path) must hold the secret on one line, and nothing else")
            return nil
        }
        return Secret(value)
    }
}
