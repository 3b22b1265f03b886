import Coordinator
import Fleet
import Logging
import Synchronization
import Testing

@testable import autogitd

@Suite final class HookCareTests: Sendable {
    /// Sleeps no time, writes down how long it was to be, and ends its service after so many.
    private final class Naps: WallClock, Sendable {
        private let taken = Mutex<[Duration]>([])
        let most: Int
        init(_ most: Int) { self.most = most }
        var all: [Duration] { taken.withLock { $0 } }
        func now() -> Timestamp { Timestamp(milliseconds: 0) }
        func correction() -> Duration { .zero }
        func calendar() -> Timestamp { now() }
        func sleep(for time: Duration) async throws {
            let count = taken.withLock {
                $0.append(time)
                return $0.count
            }
            if count > most { throw CancellationError() }
        }
    }

    private final class Lines: LogHandler, Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
        var logLevel: Logger.Level {
            get { .trace }
            set {}
        }
        var metadata: Logger.Metadata {
            get { [:] }
            set {}
        }
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { nil }
            set {}
        }
        func log(event: LogEvent) { lines.withLock { $0.append("\(event.level): \(event.message)") } }
    }

    private struct NoWay: Error {}
    private let lines = Lines()
    private let asked = Mutex<[String]>([])

    /// - Parameter looks: what each look finds.
    private func care(_ naps: Naps, url: @escaping @Sendable () throws -> String, secret: Secret?, looks: [[Coordinator.HookFinding]]) async throws {
        let left = Mutex(looks)
        try await HookCare(
            revive: { url, secret in
                self.asked.withLock { $0.append(url) }
                return left.withLock { $0.isEmpty ? [] : $0.removeFirst() }
            }, url: { try url() }, secret: secret, clock: naps, log: Logger(label: "test") { [lines] _ in lines }
        ).run()
    }

    @Test func itLooksSoonAndThenOnceAnHourAndTellsWhatCameOfIt() async throws {
        let naps = Naps(3)
        try await care(
            naps, url: { "http://here:8080/webhook/job" }, secret: Secret("s"),
            looks: [[], [.revived(project: "root/a"), .failed(project: "root/b", "403 Forbidden")]])
        #expect(naps.all == [.seconds(300), .seconds(3600), .seconds(3600), .seconds(3600)])
        #expect(asked.withLock { $0 } == Array(repeating: "http://here:8080/webhook/job", count: 3))
        #expect(
            lines.all == [
                "warning: GitLab had turned the webhook of project root/a off after failures; it is on again",
                "warning: GitLab has turned the webhook of project root/b off after failures, and it can't be turned on again: 403 Forbidden",
            ])
    }

    /// Without a secret every webhook is refused; without an address there is none to give. The next hour may know it.
    @Test func withoutASecretOrAnAddressNothingIsAskedOfGitLab() async throws {
        try await care(Naps(2), url: { "http://here:8080/webhook/job" }, secret: nil, looks: [])
        let calls = Mutex(0)
        try await care(
            Naps(2),
            url: {
                let call = calls.withLock {
                    $0 += 1
                    return $0
                }
                if call == 1 { throw NoWay() }
                return "http://later:8080/webhook/job"
            }, secret: Secret("s"), looks: [])
        #expect(asked.withLock { $0 } == ["http://later:8080/webhook/job"] && lines.all.isEmpty)
    }
}
