import ContainerDriver
import Coordinator
import Fleet
import FoundationEssentials
import GitLab
import Glibc
import HTTPTransfer
import Logging
import ServiceLifecycle
import Settings
import Store
import WebAPI

/// Puts the parts together.
struct Daemon {
    let settings: Settings
    let log = Logger(label: "autogit")

    init(_ settings: Settings) { self.settings = settings }

    func run() async throws {
        let store = try openStore()
        let http = HTTPClient()
        let engine = try await findEngine(http)
        let instance = try await store.load().instance
        let forge = GitLabForge(
            .init(
                url: settings.gitlab.url, token: settings.gitlab.token, projects: settings.gitlab.projects,
                caFile: settings.gitlab.caFile),
            http: http, log: log)
        let coordinator = Coordinator(
            .init(
                pools: settings.pools, budget: settings.budget, pollInterval: settings.gitlab.pollInterval,
                version: Autogitd.version),
            forge: forge, driver: ContainerDriver(engine: engine, instance: instance, log: log), store: store,
            log: log)
        try await coordinator.recover()
        if settings.gitlab.webhookSecret == nil {
            log.warning("No webhook secret is configured: webhooks are refused, and jobs are found by polling only")
        }
        let api = WebAPI(
            coordinator: coordinator,
            access: .init(webhookSecret: settings.gitlab.webhookSecret, controlToken: settings.controlToken),
            log: quiet)
        try prepareControlSocket()
        let address = "\(settings.httpHost):\(settings.httpPort)"
        let log = log
        let open = api.server(at: .tcp(host: settings.httpHost, port: settings.httpPort), trusted: false) {
            log.info("Listening on \(address)")
        }
        let controlPath = settings.controlSocket
        let closed = api.server(at: .unix(path: controlPath), trusted: true) {
            chmod(controlPath, 0o660)
            log.info("Listening on \(controlPath)")
        }
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: open), .init(service: closed),
                    .init(service: ControlLoop(coordinator: coordinator)),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet))
        log.info(
            "AutoGit \(Autogitd.version) serves \(settings.gitlab.url) with \(settings.pools.count) pools",
            metadata: ["instance": "\(instance)", "engine": "\(engine.socket)"])
        try await group.run()
        unlink(controlPath)
        log.info("Stopped; runners and their jobs go on")
    }

    /// The libraries' own chatter is for debugging.
    private var quiet: Logger {
        var quiet = log
        quiet.logLevel = max(log.logLevel, .warning)
        return quiet
    }

    private func openStore() throws -> SQLiteStore {
        let directory = settings.stateDirectory
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            return try SQLiteStore(path: directory + "/autogit.db")
        } catch let error as SQLiteStore.Unusable {
            throw StartError(message: error.description)
        } catch {
            throw StartError(message: "the state directory \(directory) cannot be made: \(String(cString: strerror(errno)))")
        }
    }

    private func findEngine(_ http: HTTPClient) async throws -> Engine {
        var candidates = ["/run/user/1000/podman/podman.sock"]
        if let host = ProcessInfo.processInfo.environment["DOCKER_HOST"], host.hasPrefix("unix://") {
            candidates.append(String(host.dropFirst(7)))
        }
        candidates.append("/run/user/1000/docker.sock")
        if let configured = settings.engineSocket {
            // Named by the operator: it may come up later, and nothing else will do.
            let engine = Engine(socket: configured, http: http)
            do { try await engine.ping() } catch { log.error("\(error)") }
            return engine
        }
        let (engine, complaints) = await Engine.firstAnswering(candidates, http: http)
        guard let engine else {
            throw StartError(
                message: "no container engine answers:\n  " + complaints.joined(separator: "\n  ")
                    + "\nStart one (systemctl --user enable --now podman.socket) or name its socket in [engine].")
        }
        return engine
    }

    private func prepareControlSocket() throws {
        let path = settings.controlSocket
        guard path.utf8.count < 108 else {
            throw StartError(message: "listen.control: \(path) is longer than a socket's path may be (107 bytes)")
        }
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try? FileManager.default.createDirectory(atPath: String(path[..<slash]), withIntermediateDirectories: true)
        }
        // Left by a killed daemon.
        unlink(path)
    }
}

/// The control loop as a service: it ends when the group shuts down.
struct ControlLoop: Service {
    let coordinator: Coordinator
    func run() async throws {
        await cancelWhenGracefulShutdown { await coordinator.run() }
    }
}
