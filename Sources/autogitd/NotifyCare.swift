import ControlModel
import Coordinator
import Fleet
import FoundationEssentials
import Glibc
import Notify
import ServiceLifecycle
import Synchronization
import Threads

/// Looks at what is wrong, when something may have changed and now and then, and has it told to those who want to know.
struct NotifyCare: Service {
    let coordinator: Coordinator
    let notifier: Notifier
    let bell: Bell
    /// GitLab's address, for links to jobs.
    let gitlab: String
    /// The status page as others most likely reach it.
    let page: @Sendable () async -> String?

    /// What time alone brings on, such as a job that waits too long, is seen by then.
    static let beat = Duration.seconds(10)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await notifier.begin(page: await page())
            var alarm: Task<Void, Never>?
            defer { alarm?.cancel() }
            bell.ring()
            for await _ in bell.rings {
                // A reload that configures somebody rings, too.
                if await notifier.isIdle { continue }
                let gitlab = gitlab
                let seen = await coordinator.lookAtShown { state, now in
                    Seen(concerns: state.concerns(gitlab: gitlab), unsure: state.unsureConcerns, at: now, shown: state.shownTimes)
                }
                let next = await notifier.consider(seen.concerns, unsure: seen.unsure, at: seen.at, shown: seen.shown)
                alarm?.cancel()
                let wait = max(.milliseconds(10), min(Self.beat, next.map { $0 - seen.at } ?? Self.beat))
                alarm = Task {
                    try? await Task.sleep(for: wait)
                    if !Task.isCancelled { bell.ring() }
                }
            }
        }
        await notifier.end()
    }

    private struct Seen: Sendable {
        var concerns: [Concern]
        var unsure: Set<ConcernKind>
        var at: Timestamp
        var shown: ShownTimes
    }
}

/// Rings when something may have begun or ended that people are told of. Several rings before somebody hears them are one.
final class Bell: FleetAudience {
    let rings: AsyncStream<Void>
    private let out: AsyncStream<Void>.Continuation

    init() { (rings, out) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1)) }

    func ring() { out.yield() }
    func happened(_ events: [FleetEvent], in state: FleetState) { if events.contains(where: \.mayConcern) { ring() } }
    func planned(within time: Duration) {}
}

extension Notifier.Memory {
    /// A file of the state directory. It is replaced as a whole, and not waited for: what a power cut takes is told again.
    static func file(in directory: String) -> Self {
        let path = "\(directory)/notifications.json"
        return Self(
            load: { try? await onThread("reading what was told") { (try? Data(contentsOf: URL(filePath: path))).map { Array($0) } } ?? nil },
            save: { bytes in
                try? await onThread("keeping what was told") {
                    let new = path + ".new"
                    let descriptor = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
                    guard descriptor >= 0 else { return }
                    var rest = bytes[...]
                    while !rest.isEmpty {
                        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
                        guard count > 0 else { break }
                        rest = rest.dropFirst(count)
                    }
                    close(descriptor)
                    if rest.isEmpty { rename(new, path) } else { unlink(new) }
                }
            })
    }
}

extension Sender {
    /// This host and this daemon.
    static var here: Sender {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return Sender(host: host.isEmpty ? "localhost" : host, version: autogitVersion)
    }
}

extension NotifyTestView {
    init(_ trial: Notifier.Trial) {
        let target = trial.target
        self.init(name: target.name, kind: target.kind.rawValue, to: target.address, delivered: trial.outcome == .delivered)
        switch trial.outcome {
        case .delivered: break
        case .failed(let why, _), .refused(let why): error = why
        }
    }
}
