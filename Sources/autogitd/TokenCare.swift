import Coordinator
import Fleet
import FoundationEssentials
import GitLab
import Logging
import ServiceLifecycle

/// Asks GitLab about the token now and then, and warns before it expires, and of scopes that it lacks: nobody would notice before jobs wait.
struct TokenCare: Service {
    let coordinator: Coordinator
    let ask: @Sendable () async throws -> TokenFacts
    /// Told of what is known after each look.
    let told: @Sendable (TokenFacts?) -> Void
    let log: Logger
    /// The calendar's time, which NTP may set while the daemon runs.
    var now: @Sendable () -> Timestamp = { Timestamp(Date()) }

    /// From one look at the calendar to the next; GitLab is asked far less often.
    static let beat = Duration.seconds(600)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var watch = TokenWatch()
            while !Task.isCancelled {
                await look(&watch)
                do { try await Task.sleep(for: Self.beat) } catch { return }
            }
        }
    }

    func look(_ watch: inout TokenWatch) async {
        // When GitLab can't be asked, or refuses the token, others say so.
        if watch.wantsFacts(at: now()) { watch.take(try? await ask(), at: now()) }
        told(watch.facts)
        let needs = TokenNeeds(instanceRunners: await coordinator.registersInstanceRunners)
        for warning in watch.news(for: needs, at: now()) {
            log.log(
                level: warning.kind == .expired ? .error : .warning, "\(warning.text.prefix(1).uppercased() + warning.text.dropFirst())",
                metadata: warning.incident.field)
        }
        await coordinator.warn(watch.warnings(for: needs, at: now()).map(\.text), from: "token")
    }
}
