import Coordinator
import Fleet
import Logging
import ServiceLifecycle

/// Turns hooks on again that GitLab has turned off after failures: nobody else would notice, as polling finds the jobs, only later.
struct HookCare: Service {
    /// Looks at the hooks of the projects that have had jobs, as `Coordinator.reviveHooks`.
    let revive: @Sendable (_ url: String, _ secret: Secret) async -> [Coordinator.HookFinding]
    /// The webhook's address as GitLab reaches it.
    let url: @Sendable () async throws -> String
    /// nil: webhooks are refused anyway.
    let secret: Secret?
    var clock: any WallClock = SystemClock()
    let log: Logger

    /// Each project is looked at once in this time, and not right after a start, of which there may be many.
    static let interval = Duration.seconds(3600)
    static let first = Duration.seconds(300)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var wait = Self.first
            while true {
                do { try await clock.sleep(for: wait) } catch { return }
                wait = Self.interval
                guard let secret, let url = try? await url() else { continue }
                for finding in await revive(url, secret) {
                    switch finding {
                    case .revived(let project): log.warning("GitLab had turned the webhook of project \(project) off after failures; it is on again")
                    case .failed(let project, let why):
                        log.warning("GitLab has turned the webhook of project \(project) off after failures, and it can't be turned on again: \(why)")
                    }
                }
            }
        }
    }
}
