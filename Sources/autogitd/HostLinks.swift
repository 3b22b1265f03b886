import ContainerDriver
import Fleet
import FoundationEssentials
import HTTPTransfer
import KubernetesDriver
import Logging
import Notify
import SSHForward
import ServiceLifecycle
import Settings
import SwarmDriver
import Synchronization

/// How the engines of hosts beside this machine's usual one are reached: those of the configuration, and those that were taken out of it while runners
/// of ours were there, which still have to be removed.
struct HostLinks {
    private(set) var drivers: [Place: any RunnerDriver] = [:]
    private(set) var surveyors: [HostID: any HostSurveyor] = [:]
    private(set) var forwards: [SSHForward] = []
    private(set) var switches: [HostID: any PowerSwitch] = [:]
    /// To be remembered, for when they are taken out.
    private(set) var addresses: [Change] = []

    private let http: HTTPClient
    private let instance: String
    private let registries: RegistryAccess
    private let folder: String
    private let key: String?
    private let knownHosts: [String]
    private let log: Logger

    /// In the folder of the configuration, in place of what the service's user has.
    static let knownHosts = "known_hosts"
    private static let mostDiskWords = 4096
    /// Of a swarm that was taken out of the configuration: for its nodes.
    private static let usualLoss = Duration.seconds(600)

    /// - Parameters:
    ///   - stateDirectory: for the sockets of forwards.
    ///   - commands: by which hosts are woken and sent to sleep.
    ///   - key: the path of the private key for ssh; nil for those that the service's user has.
    ///   - file: the path of the configuration.
    init(
        _ settings: [HostSettings], _ memory: Memory, http: HTTPClient, registries: RegistryAccess, commands: any CommandRunner, stateDirectory: String,
        key: String?, file: String, log: Logger
    ) {
        let known = URL(filePath: file).deletingLastPathComponent().appending(path: Self.knownHosts).path
        knownHosts = FileManager.default.isReadableFile(atPath: known) ? [known] : []
        self.http = http
        instance = memory.instance
        self.registries = registries
        self.key = key
        self.log = log
        folder = stateDirectory + "/hosts"
        for host in settings where host.engine != .usual {
            link(host.host.id, host.engine, host.runnerSocket, lostAfter: host.host.lostAfter, complaints: host.power == nil ? .warning : .info)
            let left = memory.runners.count { $0.place.host == host.host.id }
            if left > 0, let before = memory.engines[host.host.id].flatMap(EngineAddress.init(remembered:)), !before.isWhere(host.engine) {
                log.warning(
                    "A host has another engine than before. What is left at the old one is not found any more: give the new one another name",
                    metadata: ["host": "\(host.host.id)", "before": "\(before)", "now": "\(host.engine)", "runners": "\(left)"])
            }
            addresses.append(.engine(host: host.host.id.name, address: host.engine.remembered))
            guard let power = host.power, let time = host.host.power?.wakeTime else { continue }
            let forward = forwards.last { $0.socket == socket(of: host.host.id) }
            switches[host.host.id] = HostSwitch(host: host.host.id, settings: power, commands: commands) { forward?.hurry(for: time * 2) }
        }
        let configured = Set(settings.map(\.host.id))
        for host in Set(memory.runners.map(\.place.host)).subtracting(configured).sorted() where host != .local {
            guard let address = memory.engines[host].flatMap(EngineAddress.init(remembered:)) else {
                log.warning("Runners are left on a host that is not configured any more, and it is not known how to reach it", metadata: ["host": "\(host)"])
                continue
            }
            link(host, address, nil, lostAfter: Self.usualLoss, complaints: .warning)
        }
    }

    /// - Parameter level: of what ssh complains of: one that may sleep need not answer.
    private mutating func link(
        _ host: HostID, _ address: EngineAddress, _ runnerSocket: String?, lostAfter: Duration?, complaints level: Logger.Level
    ) {
        switch address {
        case .usual: break
        case .swarm(let path):
            let engine = Engine(socket: path, http: http)
            drivers[Place(host, .container)] = SwarmDriver(
                engine: engine, socket: runnerSocket ?? path, instance: instance, registries: registries, lostAfter: lostAfter, log: log)
            surveyors[host] = SwarmFacts(engine: engine)
        case .kubernetes(let place):
            do {
                let api = KubeAPI(try place.access(), http: http)
                drivers[Place(host, .container)] = KubernetesDriver(api, instance: instance, log: log)
                surveyors[host] = KubernetesFacts(api)
            } catch {
                log.error("A cluster can't be reached: \(error)", metadata: ["host": "\(host)"])
            }
        case .unix(let path): add(host, Engine(socket: path, http: http), nil)
        case .tcp(let name, let port, let tls):
            let end = name.contains(":") ? "[\(name)]:\(port)" : "\(name):\(port)"
            add(host, Engine(url: "\(tls == nil ? "http" : "https")://\(end)", tls: tls, http: http), RemoteEngine(runnerSocket: { runnerSocket }))
        case .ssh(let url):
            do { try forward(host, SSHAddress(url), runnerSocket, complaints: level) } catch {
                log.error("A host can't be reached: \(error)", metadata: ["host": "\(host)"])
            }
        }
    }

    private func socket(of host: HostID) -> String { "\(folder)/\(host).sock" }

    private mutating func forward(_ host: HostID, _ address: SSHAddress, _ runnerSocket: String?, complaints level: Logger.Level) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let log = log
        // The first of several equal complaints is enough, however often it is tried again.
        let last = Mutex("")
        let forward = try SSHForward(address, socket: socket(of: host), identity: key, knownHosts: knownHosts, clock: SystemClock()) { event in
            switch event {
            case .opened(let socket):
                last.withLock { $0 = "" }
                log.notice("Reached the host by ssh", metadata: ["host": "\(host)", "engine": "\(socket)"])
            case .refused(let reason), .closed(let reason):
                let isNew = last.withLock { words in
                    defer { words = reason }
                    return words != reason
                }
                if isNew { log.log(level: level, "Cannot reach the host by ssh; trying again", metadata: ["host": "\(host)", "reason": "\(reason)"]) }
            }
        }
        forwards.append(forward)
        let engine = Engine(forwarded: forward.socket, http: http) { Self.obstacle(forward.state, refusal: forward.refusal, host, $0) }
        add(
            host, engine,
            RemoteEngine(
                runnerSocket: {
                    if let runnerSocket { return runnerSocket }
                    if case .open(let socket, _) = forward.state { return socket }
                    return nil
                },
                disk: { path in
                    let script = "df -P -k -- '\(path.replacing("'", with: #"'\''"#))'\n"
                    return Self.space(try await forward.output(of: "sh -s", input: Array(script.utf8), limit: Self.mostDiskWords, timeout: .seconds(60)))
                }), SSHSurveyor(engine: engine, forward: forward, clock: SystemClock()))
    }

    private mutating func add(_ host: HostID, _ engine: Engine, _ remote: RemoteEngine?, _ surveyor: (any HostSurveyor)? = nil) {
        drivers[Place(host, .container)] = ContainerDriver(engine: engine, remote: remote, instance: instance, registries: registries, log: log)
        surveyors[host] = surveyor ?? EngineSurveyor(engine: engine)
    }

    /// Why the engine behind a forward gave no answer.
    /// - Parameters:
    ///   - refusal: of the forward's other end.
    ///   - error: of the call.
    static func obstacle(_ state: SSHForwardState, refusal: String?, _ host: HostID, _ error: TransferError) -> String? {
        switch state {
        // Who is connected and waits in vain was not refused.
        case .open(let socket, _):
            (error.kind == .timeout ? nil : refusal) ?? "the engine of \(host), at \(socket) there, does not answer (\(error.message)): is its service running?"
        case .opening: "ssh is connecting to \(host)"
        case .closed(let reason, _): "\(host) can't be reached by ssh: \(reason)"
        }
    }

    /// What `df -P -k` of POSIX writes; nil for anything else.
    static func space(_ output: [UInt8]) -> DiskSpace? {
        let lines = String(decoding: output, as: UTF8.self).split(separator: "\n")
        guard lines.count == 2 else { return nil }
        // The name of a file system may have blanks; what follows it has none, but for the place where it is mounted.
        let words = lines[1].split(separator: " ").map(String.init)
        guard let share = words.firstIndex(where: { $0.hasSuffix("%") && Int($0.dropLast()) != nil }), share >= 4,
            let total = Int64(words[share - 3]), let free = Int64(words[share - 1]), (0...(Int64.max >> 10)).contains(total),
            (0...(Int64.max >> 10)).contains(free)
        else { return nil }
        return DiskSpace(free: free << 10, total: total << 10)
    }
}

/// A machine of which only its engine tells.
struct EngineSurveyor: HostSurveyor {
    let engine: Engine

    func survey(usesEngine: Bool) async throws -> HostFacts {
        var facts = try await engine.facts()
        facts.remarks.append("only its engine tells of this host: emulators, GPUs and cgroup controllers are not known")
        return facts
    }
}

/// Keeps the forwards open for as long as the daemon runs.
struct Forwarding: Service {
    let forwards: [SSHForward]

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                for forward in forwards { group.addTask { await forward.run() } }
                // A service that returns ends the daemon.
                if forwards.isEmpty { group.addTask { try? await gracefulShutdown() } }
            }
        }
    }
}

extension HostLinks {
    /// What of the clusters' access can be seen to be wrong without asking them.
    static func warnings(for settings: Settings) -> [String] {
        let unreached: [String] = settings.hosts.compactMap { host in
            guard case .kubernetes(let place) = host.engine else { return nil }
            do {
                _ = try place.access()
                return nil
            } catch {
                return "the host \(host.host.id) can't be reached: \(error)"
            }
        }
        return unreached + settings.pools.compactMap { warning(for: $0, on: settings.hosts.clusters(for: $0)) }
    }

    /// Runners of the executor `kubernetes` act as their pod's account. A pod template may name it, too.
    private static func warning(for pool: Pool, on clusters: [HostID]) -> String? {
        guard pool.executor == .docker, !clusters.isEmpty, pool.kubernetes.serviceAccount == nil else { return nil }
        if pool.kubernetes.podTemplate?.contains("\"serviceAccountName\"") == true { return nil }
        return "runners of the pool \(pool.name) make pods for their jobs on \(clusters.map(\.name).joined(separator: ", ")) as the account default of their "
            + "namespace, which may do nothing as a rule: make an account with the Role in /usr/share/doc/autogit/hosts.md, and name it with service_account in "
            + "[pool.kubernetes]"
    }
}

extension KubernetesPlace {
    /// - Throws: `KubeAccess.Unusable` with the next step.
    func access() throws -> KubeAccess {
        var access =
            try kubeconfig.map { try Kubeconfig(path: $0).access(context: context) } ?? KubeAccess.inCluster(environment: ProcessInfo.processInfo.environment)
        if let namespace { access.namespace = namespace }
        return access
    }
}
