import ContainerDriver
import ControlModel
import Coordinator
import Fleet
import FoundationEssentials
import GitLab
import Glibc
import HTTPTransfer
import Logging
import ScopeDriver
import ServiceLifecycle
import Settings
import Store
import Systemd
import Threads
import WebAPI

/// Assembles the parts and runs them.
struct Daemon {
    let settings: Settings
    let file: SettingsFile
    /// The sockets that systemd passed, by name.
    let sockets: [String: Int32]
    let manager: ServiceManager
    let log = Logger(label: "autogit")

    init(_ settings: Settings, file: SettingsFile, sockets: [String: Int32], manager: ServiceManager) {
        self.settings = settings
        self.file = file
        self.sockets = sockets
        self.manager = manager
    }

    func run() async throws {
        let store = try openStore()
        let memory = try await store.load()
        let http = HTTPClient()
        let engine = try await findEngine(http, isNeeded: settings.pools.contains { $0.driver == .container })
        let forge = GitLabForge(
            .init(
                url: settings.gitlab.url, token: settings.gitlab.token, projects: settings.gitlab.projects,
                caFile: settings.gitlab.caFile, runnerAccess: try runnerAccess()),
            http: http)
        let coordinator = Coordinator(
            .init(settings), forges: [ForgeID(settings.gitlab.name): forge],
            drivers: [
                Place(.local, .container): ContainerDriver(
                    engine: engine, instance: memory.instance,
                    registries: RegistryAccess(
                        settings.registries, files: RegistryAccess.files(ofUser: getuid(), environment: ProcessInfo.processInfo.environment)), log: log),
                Place(.local, .scope): ScopeDriver(
                    manager: UnitManager(address: "unix:path=/run/user/\(getuid())/bus"), stateDirectory: settings.stateDirectory,
                    instance: memory.instance),
            ], store: store, log: log)
        for note in settings.notes { log.notice("Note: \(note)") }
        // Version 4 of the database is 0.4.0's, the first with executors. The next start finds it, and says nothing.
        if let version = store.upgradedFrom, version < 4 {
            for pool in settings.pools where pool.configuredExecutor == nil && pool.executor == .docker {
                log.notice(
                    """
                    The pool runs its jobs in containers of their own images now, which cpus, memory, env, mounts and cap_add are for; \
                    executor = "shell" has them run in the runner's container as before
                    """,
                    metadata: ["pool": "\(pool.name)"])
            }
        }
        try await recover(coordinator)
        if settings.gitlab.webhookSecret == nil {
            log.warning(
                "No webhook secret is configured: webhooks are refused, and jobs are found by polling only. Put one into /etc/autogit/webhook-secret")
        }
        let reloader = Reloader(file: file, coordinator: coordinator, running: settings, manager: manager, log: log)
        let settings = settings
        let api = WebAPI(
            coordinator: coordinator,
            access: .init(webhookSecret: settings.gitlab.webhookSecret, controlToken: settings.controlToken),
            operations: .init(
                reload: reloader.reload,
                webhookURL: { "http://\(try await LocalAddress.towards(settings.gitlab.url)):\(settings.httpPort)/webhook/job" }),
            log: log.quiet)
        // A directory service may be asked.
        let users = try await onThread("looking users up") { RunnerUsers(engineSocket: engine.socket, serviceUser: getuid()) }
        let serving = Serving(count: 2)
        let (open, closed) = try (httpService(api, serving), controlService(api, serving))
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    // They end in reverse order: first the listeners, then the loop.
                    .init(service: ControlLoop(coordinator: coordinator)),
                    .init(
                        service: Heart(
                            coordinator: coordinator, manager: manager, serving: serving,
                            users: users, log: log)),
                    .init(service: reloader),
                    .init(service: closed), .init(service: open),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: log.quiet))
        log.info(
            "AutoGit \(autogitVersion) serves \(settings.gitlab.url) with \(settings.pools.count) pools",
            metadata: ["instance": "\(memory.instance)", "engine": "\(engine.socket)"])
        do { try await group.run() } catch let error as ListenError {
            throw StartError(message: "\(error). Stop the program that has this address, or name another under [listen].")
        }
        if sockets["control"] == nil { unlink(settings.controlSocket) }
        log.info("Stopped; runners and their jobs keep running")
    }

    // MARK: Starting

    private func runnerAccess() throws -> RunnerAccess {
        let gitlab = settings.gitlab
        var certificates: String?
        if let file = gitlab.caFile {
            do { certificates = try String(contentsOfFile: file, encoding: .utf8) } catch {
                throw StartError(message: "gitlab.ca_file: \(file) cannot be read as text: it has to hold certificates in PEM")
            }
        }
        // Programs disagree on the case of these names (curl reads http_proxy in lower case only).
        let proxy = gitlab.proxy.flatMap { [($0.key, $0.value), ($0.key.uppercased(), $0.value)] }
        return RunnerAccess(
            url: gitlab.runnerURL ?? gitlab.url, cloneURL: gitlab.cloneURL, certificates: certificates,
            environment: Dictionary(uniqueKeysWithValues: proxy))
    }

    private func openStore() throws -> SQLiteStore {
        let directory = settings.stateDirectory
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            return try SQLiteStore(path: directory + "/autogit.db", gitlab: settings.gitlab.name)
        } catch let error as SQLiteStore.Unusable {
            throw StartError(message: error.description)
        } catch {
            throw StartError(message: "the state directory \(directory) cannot be created: \(String(cString: strerror(errno)))")
        }
    }

    /// Recovery can take long, when an engine hangs or there is much to remove. It has no bound; systemd's start timeout is extended
    /// meanwhile.
    private func recover(_ coordinator: Coordinator) async throws {
        let manager = manager
        manager.status("recovering the state before the last stop")
        let pacemaker = Task {
            while !Task.isCancelled {
                manager.extendTimeout(.seconds(30))
                try? await Task.sleep(for: .seconds(10))
            }
        }
        defer { pacemaker.cancel() }
        try await coordinator.recover()
    }

    static let usualEngine = "/run/user/1000/podman/podman.sock"

    private func findEngine(_ http: HTTPClient, isNeeded: Bool) async throws -> Engine {
        var candidates = [Self.usualEngine]
        if let host = ProcessInfo.processInfo.environment["DOCKER_HOST"], host.hasPrefix("unix://") {
            candidates.append(String(host.dropFirst(7)))
        }
        candidates.append("/run/user/1000/docker.sock")
        // Named by the operator: it may come up later, and no other will do.
        if let configured = settings.engineSocket { return Engine(socket: configured, http: http) }
        guard isNeeded else { return Engine(socket: Self.usualEngine, http: http) }
        let (engine, complaints) = await Engine.firstAnswering(candidates, http: http)
        guard let engine else {
            throw StartError(
                message: "no container engine answers (\(complaints.joined(separator: "; "))). "
                    + "Start one, for example with systemctl --user enable --now podman.socket, or set socket in [engine].")
        }
        return engine
    }

    // MARK: Listening

    private func httpService(_ api: WebAPI, _ serving: Serving) -> some Service {
        let address: ListeningAddress
        let words: String
        if let descriptor = sockets["http"] {
            (address, words) = (.inherited(descriptor: descriptor), "the socket from systemd")
        } else {
            (address, words) = (.tcp(host: settings.httpHost, port: settings.httpPort), "\(settings.httpHost):\(settings.httpPort)")
        }
        let log = log
        return api.server(at: address, trusted: false) {
            log.info("Listening on \(words)")
            serving.oneMore()
        }
    }

    private func controlService(_ api: WebAPI, _ serving: Serving) throws -> some Service {
        let log = log
        if let descriptor = sockets["control"] {
            return api.server(at: .inherited(descriptor: descriptor), trusted: true) { serving.oneMore() }
        }
        let path = settings.controlSocket
        guard path.utf8.count < 108 else {
            throw StartError(message: "listen.control: \(path) exceeds the 107 bytes of a socket's path (unix(7)); choose a shorter one")
        }
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try? FileManager.default.createDirectory(atPath: String(path[..<slash]), withIntermediateDirectories: true)
        }
        // A killed daemon leaves its socket behind.
        unlink(path)
        return api.server(at: .unix(path: path), trusted: true) {
            chmod(path, 0o660)
            log.info("Listening on \(path)")
            serving.oneMore()
        }
    }
}

extension Coordinator.Configuration {
    init(_ settings: Settings) {
        // Every pool serves the one GitLab that there is.
        let pools = settings.pools.map { pool in
            var pool = pool
            pool.forge = ForgeID(settings.gitlab.name)
            return pool
        }
        self.init(
            .init(
                pools: pools, budget: settings.budget, pollInterval: settings.gitlab.pollInterval, diskReserve: settings.diskReserve,
                prune: settings.prune), version: autogitVersion)
    }
}
