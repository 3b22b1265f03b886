import ContainerDriver
import ControlModel
import Coordinator
import Fleet
import FoundationEssentials
import GitLab
import Glibc
import HTTPTransfer
import Logging
import Notify
import ScopeDriver
import ServiceLifecycle
import Settings
import Store
import Systemd
import Telemetry
import Threads
import WebAPI

/// Assembles the parts and runs them.
struct Daemon {
    let settings: Settings
    let file: SettingsFile
    /// The sockets that systemd passed, by name.
    let sockets: [String: Int32]
    let manager: ServiceManager
    /// With what root's probe found.
    let hostFile: String
    let log = Logger(label: "autogit")

    init(_ settings: Settings, file: SettingsFile, sockets: [String: Int32], manager: ServiceManager, hostFile: String) {
        self.hostFile = hostFile
        self.settings = settings
        self.file = file
        self.sockets = sockets
        self.manager = manager
    }

    func run() async throws {
        let metrics = FleetMetrics(version: autogitVersion, pools: settings.pools)
        let store = try openStore(metrics)
        let memory = try await store.load()
        let http = HTTPClient()
        let engine = engine(http)
        let forge = GitLabForge(
            .init(
                url: settings.gitlab.url, token: settings.gitlab.token, projects: settings.gitlab.projects,
                caFile: settings.gitlab.caFile, runnerAccess: try runnerAccess()),
            http: http, told: { metrics.asked($0.endpoint, status: $0.status, remaining: $0.remaining, within: $0.time) })
        let feed = EventFeed()
        let bell = Bell()
        let units = UnitManager(address: "unix:path=/run/user/\(getuid())/bus")
        let notifier = Notifier(
            settings.notify, from: .here, by: Carriers(http: http, commands: CommandUnits(manager: units)),
            memory: .file(in: settings.stateDirectory), log: log)
        let registries = RegistryAccess(
            settings.registries, files: RegistryAccess.files(ofUser: getuid(), environment: ProcessInfo.processInfo.environment))
        let containers = ContainerDriver(engine: engine, instance: memory.instance, registries: registries, log: log)
        let links = HostLinks(
            settings.hosts, memory, http: http, registries: registries,
            commands: CommandUnits(manager: units, identifier: "autogit-power", description: "AutoGit's switch of a host"),
            stateDirectory: settings.stateDirectory, key: Self.sshKey(), file: file.path, log: log)
        store.enqueue(links.addresses)
        let coordinator = Coordinator(
            .init(settings), forges: [ForgeID(settings.gitlab.name): forge],
            drivers: [
                Place(.local, .container): containers,
                Place(.local, .scope): ScopeDriver(
                    manager: units, stateDirectory: settings.stateDirectory, instance: memory.instance, engine: containers),
            ].merging(links.drivers) { _, other in other },
            surveyors: [.local: LocalSurveyor(engine: engine, file: hostFile)].merging(links.surveyors) { _, other in other }, switches: links.switches,
            store: store, log: log, audiences: [feed, metrics, bell])
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
        let reloader = Reloader(
            file: file, coordinator: coordinator, metrics: metrics, notifier: notifier, bell: bell, running: settings, manager: manager, log: log)
        let settings = settings
        let webhooks = WebhookAddress(settings, inherited: sockets["http"].flatMap { SocketAddress(of: $0) })
        if let warning = webhooks.warning { log.warning("\(warning)") }
        let api = WebAPI(
            coordinator: coordinator,
            access: .init(
                webhookSecret: settings.gitlab.webhookSecret, controlToken: settings.controlToken, readingNeedsToken: settings.readAccess == .token,
                metricsToken: settings.metricsToken),
            operations: .init(
                reload: reloader.reload,
                webhookURL: { try await webhooks.url(forGitLabAt: settings.gitlab.url) }, gitlab: settings.gitlab.url,
                testNotifications: { await notifier.test($0).map { $0.map(NotifyTestView.init) } }),
            feed: feed, metrics: metrics, log: log.quiet)
        let serving = Serving(count: 2)
        let (open, closed) = try (httpService(api, webhooks, serving), controlService(api, serving))
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    // They end in reverse order: first the listeners, then the loop, and the ways to hosts last.
                    .init(service: Forwarding(forwards: links.forwards)),
                    .init(service: ControlLoop(coordinator: coordinator)),
                    .init(
                        service: Heart(
                            coordinator: coordinator, manager: manager, serving: serving,
                            engineSocket: { engine.socket }, log: log)),
                    .init(service: reloader),
                    .init(
                        service: HookCare(
                            revive: { await coordinator.reviveHooks(url: $0, secret: $1) },
                            url: { try await webhooks.url(forGitLabAt: settings.gitlab.url) }, secret: settings.gitlab.webhookSecret, log: log)),
                    .init(
                        service: TokenCare(
                            coordinator: coordinator, ask: { try await forge.tokenFacts() },
                            told: { metrics.tokenExpires(at: $0?.expiry.map { Double($0.at.milliseconds) / 1000 }) }, log: log)),
                    .init(
                        service: NotifyCare(
                            coordinator: coordinator, notifier: notifier, bell: bell, gitlab: settings.gitlab.url,
                            page: { (try? await LocalAddress.towards(settings.gitlab.url)).flatMap { webhooks.page(route: $0) } })),
                    .init(service: closed), .init(service: open),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: log.quiet))
        log.info(
            "AutoGit \(autogitVersion) serves \(settings.gitlab.url) with \(settings.pools.count) pools",
            metadata: ["instance": "\(memory.instance)", "engine": "\(settings.engineSocket ?? "the first that answers")"])
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

    private func openStore(_ metrics: FleetMetrics) throws -> SQLiteStore {
        let directory = settings.stateDirectory
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            return try SQLiteStore(path: directory + "/autogit.db", gitlab: settings.gitlab.name, wrote: { metrics.wrote(within: $0) })
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

    /// systemd passes a line break where there is no file.
    private static func sshKey() -> String? {
        guard let folder = ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"] else { return nil }
        let path = folder + "/ssh-key"
        var found = stat()
        return stat(path, &found) == 0 && found.st_size > 1 ? path : nil
    }

    static let usualEngine = "/run/user/1000/podman/podman.sock"

    /// Where an engine is looked for when the configuration names none, in this order.
    static func engineCandidates(_ environment: [String: String]) -> [String] {
        let named = environment["DOCKER_HOST"].flatMap { $0.hasPrefix("unix://") ? String($0.dropFirst(7)) : nil }
        return [usualEngine, named, "/run/user/1000/docker.sock"].compactMap { $0 }
    }

    /// It is looked for when it is needed: it may come up later than this daemon.
    private func engine(_ http: HTTPClient) -> Engine {
        // Named by the operator: no other will do.
        if let configured = settings.engineSocket { return Engine(socket: configured, http: http) }
        let log = log
        return Engine(sockets: Self.engineCandidates(ProcessInfo.processInfo.environment), http: http) { socket in
            log.notice("Found a container engine", metadata: ["engine": "\(socket)"])
        }
    }

    // MARK: Listening

    private func httpService(_ api: WebAPI, _ webhooks: WebhookAddress, _ serving: Serving) -> some Service {
        let address = sockets["http"].map { ListeningAddress.inherited(descriptor: $0) } ?? .tcp(host: settings.httpHost, port: settings.httpPort)
        let log = log
        return api.server(at: address, trusted: false) {
            log.info("Listening on \(webhooks.words)")
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

/// Runners in scopes have the same engine make the containers of their jobs that runs the others.
extension ContainerDriver: JobEngine {}

extension Coordinator.Configuration {
    /// - Parameter started: the hosts that the daemon can reach, which it learns at its start; nil for all. Others get no runners until the next
    ///   start.
    init(_ settings: Settings, started: [HostSettings]? = nil) {
        let known = started.map { Dictionary($0.map { ($0.host.id, $0) }) { first, _ in first } }
        let hosts = settings.hosts.map(\.host).compactMap { host in
            guard let known else { return host }
            guard let before = known[host.id] else { return nil }
            var host = host
            // The daemon that runs has no switch for one that had none when it started.
            if before.power == nil { host.power = nil }
            return host
        }
        // Every pool serves the one GitLab that there is.
        let pools = settings.pools.map { pool in
            var pool = pool
            pool.forge = ForgeID(settings.gitlab.name)
            return pool
        }
        self.init(
            .init(
                pools: pools, hosts: hosts, pollInterval: settings.gitlab.pollInterval, diskReserve: settings.diskReserve,
                prune: settings.prune, priorities: settings.priorities, zone: settings.zone), version: autogitVersion, cost: settings.cost)
    }
}
