import CSystemd
import ControlModel
import Coordinator
import Fleet
import Glibc
import Logging
import Notify
import ServiceLifecycle
import Settings
import Synchronization
import Systemd
import Telemetry
import Threads
import UnixSignals

/// The control loop as a service. It ends when the group shuts down, once the actions in flight have ended.
struct ControlLoop: Service {
    let coordinator: Coordinator

    /// Enough for a start, which takes a second or two. Pulling an image may take longer; the next start of the daemon repeats it.
    static let settleTime = Duration.seconds(20)

    func run() async throws {
        await cancelWhenGracefulShutdown { await coordinator.run() }
        await coordinator.settle(within: Self.settleTime)
    }
}

/// Waits until all listeners serve.
final class Serving: Sendable {
    private let missing: Mutex<Int>
    private let (stream, out) = AsyncStream.makeStream(of: Void.self)

    init(count: Int) { missing = Mutex(count) }

    func oneMore() {
        let all = missing.withLock { count in
            count -= 1
            return count == 0
        }
        if all { out.finish() }
    }

    func all() async { for await _ in stream {} }
}

/// Reports readiness and status to systemd, and feeds its watchdog as long as the control loop makes plans. A loop that hangs, on a lock, a
/// disk or a full journal, stops feeding the watchdog, and systemd restarts the daemon. Each beat also checks whether a logout would end the
/// runners.
struct Heart: Service {
    let coordinator: Coordinator
    let manager: ServiceManager
    let serving: Serving
    /// The engine's, as far as one was found.
    let engineSocket: @Sendable () -> String
    let log: Logger

    /// The greatest age of the line in `systemctl status`.
    static let statusAge = Duration.seconds(20)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await serving.all()
            var warned: Set<String> = []
            var users: (socket: String, found: RunnerUsers)?
            func beat() async {
                let socket = engineSocket()
                if users?.socket != socket {
                    // A directory service may be asked.
                    let found = try? await onThread("looking users up") { RunnerUsers(engineSocket: socket, serviceUser: getuid()) }
                    users = found.map { (socket, $0) }
                }
                let exposed = users?.found.notLingering(for: await coordinator.driversInUse) ?? []
                for user in exposed where warned.insert(user.user.name).inserted {
                    log.warning("\(user.advice)", metadata: Incident.notLingering.field)
                }
                for name in warned.subtracting(exposed.map(\.user.name)) {
                    log.notice("Runners of the user \(name) no longer end at a logout")
                    warned.remove(name)
                }
                await coordinator.warn(exposed.map(\.advice), from: "lingering")
                manager.status(await coordinator.heartbeat())
            }
            await beat()
            manager.ready()
            // Half of the resident pages are code that only start-up runs.
            try? await Task.sleep(for: .seconds(2))
            autogit_forget_start_pages()
            // GitLab and the engine have answered by now, most often, and the first line did not know.
            if !Task.isCancelled { await beat() }
            // No watchdog without systemd.
            guard manager.isListening else {
                try? await gracefulShutdown()
                return
            }
            let interval = min(Self.statusAge, manager.watchdogInterval.map { $0 / 3 } ?? Self.statusAge)
            while !Task.isCancelled {
                manager.alive()
                try? await Task.sleep(for: interval)
                if !Task.isCancelled { await beat() }
            }
        }
        manager.status("stopping; runners and their jobs keep running")
        manager.stopping()
    }
}

/// Applies a changed configuration, on SIGHUP or a call. One with errors changes nothing.
struct Reloader: Service {
    let file: SettingsFile
    let coordinator: Coordinator
    let metrics: FleetMetrics
    let notifier: Notifier
    let bell: Bell
    let running: Settings
    let manager: ServiceManager
    let log: Logger

    /// What `Settings.needsRestart` compares.
    static let restarted =
        "[gitlab] except poll_interval, [listen], [metrics], [state], socket of [engine], [registry], and name, engine, tls_ca, tls_cert, tls_key, kubeconfig, "
        + "context, namespace and runner_socket of [[host]], and wake, sleep and timeout of [host.power]"

    func run() async throws {
        let hangups = await UnixSignalsSequence(trapping: .sighup)
        for await _ in hangups.cancelOnGracefulShutdown() {
            // The error was logged.
            _ = try? await reload()
        }
    }

    func reload() async throws -> ReloadView {
        manager.reloading()
        do {
            let settings = try await file.read()
            await coordinator.reload(.init(settings, started: running.hosts))
            metrics.prepare(settings.pools)
            await notifier.replace(settings.notify)
            bell.ring()
            let view = ReloadView(pools: settings.pools.map(\.name), needs_restart: running.needsRestart(for: settings))
            log.notice("Reloaded \(file.path): \(settings.pools.count) pools")
            if view.needs_restart {
                log.warning("Some changes take effect after a restart only (\(Self.restarted)): systemctl restart autogit")
            }
            await tell()
            return view
        } catch {
            log.error("The configuration has errors and was not reloaded; the old one stays in effect: \(error)")
            await tell()
            throw error
        }
    }

    private func tell() async {
        manager.status(await coordinator.heartbeat())
        manager.ready()
    }
}

extension Settings {
    /// Whether a setting differs that only a restart applies.
    func needsRestart(for new: Settings) -> Bool {
        gitlab.name != new.gitlab.name || gitlab.url != new.gitlab.url || gitlab.token != new.gitlab.token || gitlab.webhookSecret != new.gitlab.webhookSecret
            || gitlab.runnerURL != new.gitlab.runnerURL || gitlab.cloneURL != new.gitlab.cloneURL || gitlab.webhookURL != new.gitlab.webhookURL
            || gitlab.proxy != new.gitlab.proxy
            || gitlab.projects != new.gitlab.projects || gitlab.caFile != new.gitlab.caFile || httpHost != new.httpHost || httpPort != new.httpPort
            || controlSocket != new.controlSocket || controlToken != new.controlToken || readAccess != new.readAccess || metricsToken != new.metricsToken
            || stateDirectory != new.stateDirectory
            || engineSocket != new.engineSocket || registries != new.registries || links != new.links
    }

    /// How each host is reached. Its budget, labels and resources are the planner's, and it learns them by a reload.
    private var links: [HostID: Link] {
        Dictionary(hosts.map { ($0.host.id, Link(engine: $0.engine, runnerSocket: $0.runnerSocket, power: $0.power)) }) { first, _ in first }
    }

    private struct Link: Equatable {
        var engine: EngineAddress
        var runnerSocket: String?
        var power: PowerSettings?
    }
}
