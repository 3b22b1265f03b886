import CSystemd
import ControlModel
import Coordinator
import Fleet
import Logging
import ServiceLifecycle
import Settings
import Synchronization
import Systemd
import UnixSignals

/// The control loop as a service: it ends when the group shuts down, after what was under way.
struct ControlLoop: Service {
    let coordinator: Coordinator

    /// Starting a runner takes a second or two; pulling an image may take longer, and is begun again later.
    static let settleTime = Duration.seconds(20)

    func run() async throws {
        await cancelWhenGracefulShutdown { await coordinator.run() }
        await coordinator.settle(within: Self.settleTime)
    }
}

/// Counts the sockets that serve, so that readiness is told when all do.
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

/// Tells systemd that the daemon is ready, how it does, and that its control loop still makes plans. While the loop
/// hangs, on a lock or a disk, the watchdog is not fed, and systemd restarts the daemon. At each beat it also looks whether a logout would end the runners.
struct Heart: Service {
    let coordinator: Coordinator
    let manager: ServiceManager
    let serving: Serving
    let users: RunnerUsers
    let log: Logger

    /// How old the sentence in `systemctl status` may be.
    static let statusAge = Duration.seconds(20)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await serving.all()
            var warned: Set<String> = []
            func beat() async {
                let exposed = users.notLingering(for: await coordinator.driversInUse)
                for user in exposed where warned.insert(user.user.name).inserted {
                    log.warning("\(user.advice)", metadata: Incident.notLingering.field)
                }
                for name in warned.subtracting(exposed.map(\.user.name)) {
                    log.notice("Runners of the user \(name) no longer end at a logout")
                    warned.remove(name)
                }
                await coordinator.warn(exposed.map(\.advice))
                manager.status(await coordinator.heartbeat())
            }
            await beat()
            manager.ready()
            // Half of what is resident now is code that only the start ran.
            try? await Task.sleep(for: .seconds(2))
            autogit_forget_start_pages()
            // Nobody to tell.
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
        manager.status("stopping; runners and their jobs go on")
        manager.stopping()
    }
}

/// Takes over a changed configuration, at SIGHUP or over the control socket. One with errors changes nothing.
struct Reloader: Service {
    let file: SettingsFile
    let coordinator: Coordinator
    let running: Settings
    let manager: ServiceManager
    let log: Logger

    func run() async throws {
        let hangups = await UnixSignalsSequence(trapping: .sighup)
        for await _ in hangups.cancelOnGracefulShutdown() {
            // What is wrong was logged.
            _ = try? await reload()
        }
    }

    func reload() async throws -> ReloadView {
        manager.reloading()
        do {
            let settings = try await file.read()
            await coordinator.reload(.init(settings))
            let view = ReloadView(pools: settings.pools.map(\.name), needs_restart: running.needsRestart(for: settings))
            log.notice("Reloaded \(file.path): \(settings.pools.count) pools")
            if view.needs_restart {
                log.warning("Changes of [gitlab] url, token, secret or projects, [listen], [state] or [engine] need: systemctl restart autogit")
            }
            await tell()
            return view
        } catch {
            log.error("The configuration was not reloaded, the old one goes on: \(error)")
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
    /// Whether something differs that a reload doesn't take over.
    func needsRestart(for new: Settings) -> Bool {
        gitlab.url != new.gitlab.url || gitlab.token != new.gitlab.token || gitlab.webhookSecret != new.gitlab.webhookSecret
            || gitlab.projects != new.gitlab.projects || gitlab.caFile != new.gitlab.caFile || httpHost != new.httpHost || httpPort != new.httpPort
            || controlSocket != new.controlSocket || controlToken != new.controlToken || stateDirectory != new.stateDirectory
            || engineSocket != new.engineSocket
    }
}
