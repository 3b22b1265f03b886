import Coordinator
import Fleet
import Logging
import Synchronization
import TestBench
import Testing

@testable import autogitd

@Suite final class HookCareTests: Sendable {
    private struct NoWay: Error {}
    private let book = LogBook()
    private let asked = Mutex<[String]>([])

    /// The service ends in its sleep of that number.
    private func clock(ending last: Int) -> LeapingClock { LeapingClock { if $0 == last { throw CancellationError() } } }

    /// - Parameter looks: what each look finds.
    private func care(_ clock: LeapingClock, url: @escaping @Sendable () throws -> String, secret: Secret?, looks: [[Coordinator.HookFinding]]) async throws {
        let left = Mutex(looks)
        try await HookCare(
            revive: { url, secret in
                self.asked.withLock { $0.append(url) }
                return left.withLock { $0.isEmpty ? [] : $0.removeFirst() }
            }, url: { try url() }, secret: secret, clock: clock, log: book.logger
        ).run()
    }

    @Test func itLooksSoonAndThenOnceAnHourAndTellsWhatCameOfIt() async throws {
        let clock = clock(ending: 4)
        try await care(
            clock, url: { "http://here:8080/webhook/job" }, secret: Secret("s"),
            looks: [[], [.revived(project: "root/a"), .failed(project: "root/b", "403 Forbidden")]])
        #expect(clock.sleeps.all == [.seconds(300), .seconds(3600), .seconds(3600), .seconds(3600)])
        #expect(asked.withLock { $0 } == Array(repeating: "http://here:8080/webhook/job", count: 3))
        #expect(
            book.lines.map { "\($0.level): \($0.message)" } == [
                "warning: GitLab had turned the webhook of project root/a off after failures; it is on again",
                "warning: GitLab has turned the webhook of project root/b off after failures, and it can't be turned on again: 403 Forbidden",
            ])
    }

    /// Without a secret every webhook is refused; without an address there is none to give. The next hour may know it.
    @Test func withoutASecretOrAnAddressNothingIsAskedOfGitLab() async throws {
        try await care(clock(ending: 3), url: { "http://here:8080/webhook/job" }, secret: nil, looks: [])
        let calls = Mutex(0)
        try await care(
            clock(ending: 3),
            url: {
                let call = calls.withLock {
                    $0 += 1
                    return $0
                }
                if call == 1 { throw NoWay() }
                return "http://later:8080/webhook/job"
            }, secret: Secret("s"), looks: [])
        #expect(asked.withLock { $0 } == ["http://later:8080/webhook/job"] && book.lines.isEmpty)
    }
}
