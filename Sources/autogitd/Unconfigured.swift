import Glibc
import Logging
import ServiceLifecycle
import Settings
import Synchronization
import Systemd
import UnixSignals
import WebAPI

/// An installation without a configuration: answers every request with 503 and the next step, and waits for a reload.
struct Unconfigured {
    let file: SettingsFile
    let sockets: [String: Int32]
    let manager: ServiceManager

    /// - Returns: the settings of the first valid reload, or nil when the daemon is stopped before.
    func wait(_ missing: NotConfigured) async throws -> Settings? {
        let log = Logger(label: "autogit")
        let text = "\(missing); then: systemctl reload autogit"
        log.notice("AutoGit is \(text)")
        manager.status(text)
        let reader = WaitForReload(file: file, log: log)
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = [
            .init(service: reader, successTerminationBehavior: .gracefullyShutdownGroup)
        ]
        for descriptor in sockets.values {
            // A copy, because closing it must leave the socket open for the configured daemon.
            services.append(.init(service: WebAPI.unavailable(text, on: .inherited(descriptor: dup(descriptor)), log: log)))
        }
        manager.ready()
        try await ServiceGroup(configuration: .init(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: log.quiet)).run()
        guard let settings = reader.settings else {
            manager.stopping()
            return nil
        }
        log.notice("Configured; starting")
        manager.reloading()
        return settings
    }
}

private final class WaitForReload: Service {
    private let file: SettingsFile
    private let log: Logger
    private let found = Mutex<Settings?>(nil)

    init(file: SettingsFile, log: Logger) {
        self.file = file
        self.log = log
    }

    var settings: Settings? { found.withLock { $0 } }

    func run() async throws {
        let hangups = await UnixSignalsSequence(trapping: .sighup)
        for await _ in hangups.cancelOnGracefulShutdown() {
            do {
                let settings = try await file.read()
                found.withLock { $0 = settings }
                return
            } catch {
                log.error("\(error)")
            }
        }
    }
}

extension Logger {
    /// For libraries: warnings and errors only.
    var quiet: Logger {
        var quiet = self
        quiet.logLevel = max(logLevel, .warning)
        return quiet
    }
}
