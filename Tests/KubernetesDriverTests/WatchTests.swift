import Fleet
import Foundation
import RunnerConfiguration
import TestBench
import Testing

@testable import KubernetesDriver

@Suite(.timeLimit(.minutes(10))) struct WatchTests {
    private let bench: Bench
    private let told = Happenings<DriverEvent>()
    private var cluster: ClusterDouble { bench.cluster }
    init() throws { bench = try Bench() }

    private func read() -> Task<Void, Never> {
        let (events, told) = (bench.driver.events(), told)
        return Task { for await event in events { told.note(event) } }
    }

    private func watches(_ count: Int) async -> Bool { await cluster.seen.wait { $0.count { $0 == "watching pods" } >= count } }

    @Test func endsAndKillsAtTheMemoryLimitAreToldOnce() async throws {
        defer { cluster.stop() }
        for runner in ["aaaa2345", "bbbb2345", "cccc2345"] { try await bench.launch(Bench.spec(runner)) }
        let reading = read()
        #expect(await watches(1))
        cluster.end(try #require(cluster.pod("aaaa2345")), code: 3)
        cluster.end(try #require(cluster.pod("bbbb2345")), code: 137, reason: "OOMKilled")
        cluster.put(
            "pods", "job-1",
            labels: [
                RunnerConfiguration.ownerLabel: "abc123", RunnerConfiguration.instanceLabel: "abc123", RunnerConfiguration.runnerLabel: "cccc2345",
            ])
        cluster.end("job-1", code: 137, reason: "OOMKilled", container: "build")
        cluster.lose(try #require(cluster.pod("cccc2345")))
        #expect(await told.wait { $0.count >= 6 })
        try await bench.driver.remove("aaaa2345")
        #expect(
            told.all == [
                .resync, .exited(runner: "aaaa2345", exitCode: 3), .outOfMemory(runner: "bbbb2345"), .exited(runner: "bbbb2345", exitCode: 137),
                .outOfMemory(runner: "cccc2345", inContainerOfJob: true), .exited(runner: "cccc2345", exitCode: nil),
            ])
        reading.cancel()
    }

    /// The exit code is seen although the pod is gone right after.
    @Test func theEndOfARunnerThatWasAskedToQuitIsToldWithItsCode() async throws {
        defer { cluster.stop() }
        cluster.obedience(.ends(code: 5))
        try await bench.launch()
        let reading = read()
        #expect(await watches(1))
        try await bench.driver.signal("abcd2345", "SIGQUIT")
        #expect(await told.wait(for: .exited(runner: "abcd2345", exitCode: 5)))
        reading.cancel()
    }

    /// Nothing is lost between two watches, and nothing is told of that.
    @Test func aWatchThatEndsAsItWasAskedToGoesOn() async throws {
        defer { cluster.stop() }
        try await bench.launch()
        let reading = read()
        #expect(await watches(1))
        cluster.insert(#"{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"\#(cluster.state.withLock { $0.version })"}}}"#)
        cluster.endWatches()
        #expect(await watches(2))
        cluster.end(try #require(cluster.pod("abcd2345")), code: 1)
        #expect(await told.wait { $0.count >= 2 })
        #expect(told.all == [.resync, .exited(runner: "abcd2345", exitCode: 1)])
        #expect(cluster.seen.all.count { $0 == "GET pods" } <= 4, "the start's, and one of the watch")
        reading.cancel()
    }

    /// Both ways in which Kubernetes says that it has forgotten the past: a status, and a line of an answer without error.
    @Test(arguments: [true, false]) func aPastThatIsForgottenIsLookedAtAgain(isStatus: Bool) async throws {
        defer { cluster.stop() }
        try await bench.launch()
        let reading = read()
        #expect(await watches(1))
        cluster.insert(#"{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"7"}}}"#)
        if isStatus {
            cluster.answer("WATCH pods", .init(410, reason: "Expired", "too old resource version"), times: 1)
        } else {
            cluster.compact()
        }
        cluster.endWatches()
        #expect(await watches(2))
        #expect(await told.wait { $0.count >= 2 })
        #expect(told.all == [.resync, .resync], "without a disconnection")
        cluster.end(try #require(cluster.pod("abcd2345")), code: 1)
        #expect(await told.wait(for: .exited(runner: "abcd2345", exitCode: 1)))
        reading.cancel()
    }

    /// Six watches that end at once are one disconnection, and the pauses between them grow.
    @Test func watchesThatEndAtOnceAreOpenedWithGrowingPausesAndToldOnce() async throws {
        defer { cluster.stop() }
        cluster.state.withLock { $0.watchesThatEnd = 6 }
        let reading = read()
        #expect(await watches(1))
        #expect(bench.clock.sleeps.all == [250, 500, 1000, 2000, 4000, 8000].map { .milliseconds($0) })
        #expect(told.all == [.resync, .disconnected("the watch of pods ended at once")])
        // One that delivers something is told again.
        cluster.insert(#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"500"}}}"#)
        #expect(await told.wait { $0.count == 3 && $0.last == .resync })
        reading.cancel()
    }

    @Test func aClusterThatRefusesIsToldOnceAndAskedAgain() async throws {
        defer { cluster.stop() }
        cluster.answer("GET pods", .init(403, reason: "Forbidden", "cannot list resource pods"), times: 3)
        let reading = read()
        #expect(await watches(1))
        #expect(await told.wait { $0.count == 2 })
        guard case .disconnected(let words)? = told.all.first else { throw CocoaError(.coderReadCorrupt) }
        #expect(words.contains("cannot list resource pods") && told.all.last == .resync)
        #expect(bench.clock.sleeps.all == [250, 500, 1000].map { .milliseconds($0) })
        reading.cancel()
    }

    /// What can't be read might have been an end, so everything is looked at.
    @Test func aLineThatCannotBeReadIsNotPassedOver() async throws {
        defer { cluster.stop() }
        let reading = read()
        #expect(await watches(1))
        cluster.insert(#"{"type":"MODIFIED","object":{"metadata":{}}}"#)
        #expect(await watches(2))
        // The next one has to prove itself first.
        cluster.insert(#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"500"}}}"#)
        #expect(await told.wait { $0.count >= 3 })
        guard case .disconnected(let words) = told.all[1] else { throw CocoaError(.coderReadCorrupt) }
        #expect(words.contains("can't be read") && told.all[0] == .resync && told.all[2] == .resync)
        reading.cancel()
    }

    @Test func linesComeInAnyChunks() throws {
        let text = Array("{\"a\":1}\n{\"b\":2}\n\n{\"c\"".utf8)
        for size in 1...text.count {
            var lines = WatchLines()
            var got: [[UInt8]] = []
            for start in stride(from: 0, to: text.count, by: size) { got += try lines.take(Array(text[start..<min(start + size, text.count)])) }
            #expect(got.map { String(decoding: $0, as: UTF8.self) } == ["{\"a\":1}", "{\"b\":2}"])
        }
        var lines = WatchLines()
        #expect(throws: KubernetesError.self) { _ = try lines.take([UInt8](repeating: 97, count: WatchLines.longest + 1)) }
    }
}
