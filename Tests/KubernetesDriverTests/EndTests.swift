import Fleet
import Foundation
import HTTPTransfer
import RunnerConfiguration
import TestBench
import Testing

@testable import KubernetesDriver

/// Signals, removals, lists and logs.
@Suite(.timeLimit(.minutes(10))) struct EndTests {
    private let bench: Bench
    private var cluster: ClusterDouble { bench.cluster }
    private var driver: KubernetesDriver { bench.driver }
    init() throws { bench = try Bench() }

    private func grace() -> [String] { cluster.bodies.all.filter { $0.hasPrefix("DELETE pods/one") } }

    @Test func aRunnerIsAskedToQuitAndItsJobKeepsTheExitCode() async throws {
        defer { cluster.stop() }
        cluster.obedience(.ends(code: 7))
        let id = try await bench.launch()
        try await driver.signal("abcd2345", "SIGQUIT")
        #expect(grace().count == 1 && !grace()[0].contains("gracePeriodSeconds"), "the pod's own, which is the pool's")
        // The pod is gone, and Kubernetes makes no other.
        #expect(cluster.things("pods").isEmpty && cluster.things("jobs").count == 1)
        #expect(try await driver.list() == [DriverObject(id: id, runner: "abcd2345", running: false, started: false, exitCode: 7)])
        try await driver.signal("abcd2345", "SIGQUIT")
        try await driver.remove("abcd2345")
        #expect(try await driver.list().isEmpty)
        #expect(cluster.things("secrets").isEmpty)
    }

    @Test func aRunnerThatEndsWithoutAnErrorHasTheCodeZero() async throws {
        defer { cluster.stop() }
        try await bench.launch()
        try await driver.signal("abcd2345", "SIGQUIT")
        #expect(try await driver.list().map(\.exitCode) == [0])
    }

    @Test func aRunnerIsKilledAtOnceAndAskedOnlyOnce() async throws {
        defer { cluster.stop() }
        cluster.obedience(.ignores)
        try await bench.launch()
        try await driver.signal("abcd2345", "SIGQUIT")
        #expect(try await driver.list().map(\.running) == [true], "it has its grace period")
        try await driver.signal("abcd2345", "SIGQUIT")
        #expect(grace().count == 1)
        try await driver.signal("abcd2345", "SIGKILL")
        #expect(grace().count == 2 && grace()[1].contains(#""gracePeriodSeconds":1"#))
        #expect(try await driver.list().map(\.exitCode) == [137])
    }

    @Test func anotherSignalThanThePodsIsRefused() async throws {
        defer { cluster.stop() }
        try await bench.launch()
        let error = try await bench.failure { try await driver.signal("abcd2345", "SIGUSR1") }
        #expect(!error.isOutage && error.message.contains("SIGUSR1") && error.message.contains("SIGQUIT"))
        try await driver.signal("gone2345", "SIGUSR1")
    }

    /// A removal leaves nothing, and takes no hour because the pod has one.
    @Test func aRunningRunnerAndItsJobsPodsAreRemoved() async throws {
        defer { cluster.stop() }
        cluster.obedience(.ignores)
        try await bench.launch()
        func ours(_ runner: RunnerID, _ instance: String = "abc123") -> [String: String] {
            [
                RunnerConfiguration.ownerLabel: instance, RunnerConfiguration.instanceLabel: instance, RunnerConfiguration.runnerLabel: runner,
            ]
        }
        cluster.put("pods", "job-1", labels: ours("abcd2345"))
        cluster.put("pods", "job-of-another", labels: ours("live2345"))
        cluster.put("pods", "job-of-another-autogit", labels: ours("abcd2345", "other"))
        cluster.put("pods", "nobodys", labels: [:])
        let begin = bench.clock.now()
        try await driver.remove(Remains("abcd2345"))
        #expect((bench.clock.now() - begin).inSeconds < 5)
        #expect(cluster.things("jobs").isEmpty && cluster.things("secrets").isEmpty)
        #expect(cluster.things("pods").compactMap { $0["metadata"]?["name"]?.text } == ["job-of-another", "job-of-another-autogit", "nobodys"])
        // Only its jobs' pods are left of this one: an orphan.
        let left = try await driver.list()
        #expect(left.map(\.runner) == ["live2345"] && left.allSatisfy { !$0.running && !$0.started })
        try await driver.remove("live2345")
        #expect(try await driver.list().isEmpty)
        try await driver.remove("live2345")
    }

    @Test func aPodOfANodeThatIsAwayIsForgottenAfterAWhile() async throws {
        defer { cluster.stop() }
        cluster.obedience(.away)
        try await bench.launch()
        let begin = bench.clock.now()
        try await driver.remove("abcd2345")
        let took = (bench.clock.now() - begin).inSeconds
        #expect(took >= 30 && took < 40, "\(took)")
        #expect(grace().contains { $0.contains(#""gracePeriodSeconds":0"#) })
        #expect(cluster.things("pods").isEmpty && cluster.things("jobs").isEmpty)
    }

    @Test func aRemovalThatDoesNotEndSaysWhatIsLeft() async throws {
        defer { cluster.stop() }
        try await bench.launch()
        cluster.answer("DELETE jobs/one", .init(200, "{}"))
        cluster.answer("DELETE pods/one", .init(200, "{}"))
        let error = try await bench.failure { try await driver.remove("abcd2345") }
        #expect(!error.isOutage && error.message.contains("the pod autogit-runner-abcd2345-"), "\(error)")
        #expect(error.message.contains("on the node node-1") && error.message.contains("batch.kubernetes.io/job-tracking"))
    }

    /// An account that may not remove is told so, and what is there stays known.
    @Test func aRemovalThatIsForbiddenSaysWhy() async throws {
        defer { cluster.stop() }
        try await bench.launch()
        cluster.answer("DELETE jobs/one", .init(403, reason: "Forbidden", "cannot delete resource jobs"))
        let error = try await bench.failure { try await driver.remove("abcd2345") }
        #expect(!error.isOutage && error.message.contains("cannot delete resource jobs") && error.message.contains("Role"))
        #expect(try await driver.list().map(\.running) == [true])
    }

    /// A new daemon of the same instance finds everything by its labels, page by page; another instance finds nothing.
    @Test func runnersAreAdoptedByTheirLabels() async throws {
        defer { cluster.stop() }
        for runner in ["aaaa2345", "bbbb2345", "cccc2345"] { try await bench.launch(Bench.spec(runner)) }
        let pod = try #require(cluster.pod("bbbb2345"))
        cluster.end(pod, code: 137, reason: "OOMKilled")
        cluster.state.withLock { $0.page = 2 }
        let api = KubeAPI(cluster.access, http: HTTPClient())
        let found = try await Bench.driver(api, bench.clock).list()
        #expect(found.map(\.runner) == ["aaaa2345", "bbbb2345", "cccc2345"] && found.map(\.exitCode) == [nil, 137, nil])
        #expect(found.map(\.running) == [true, false, true] && found.map(\.started) == [true, false, true])
        #expect(try await Bench.driver(api, bench.clock, instance: "other").list().isEmpty)
        // A list that changes faster than its pages are read is read again.
        cluster.answer("GET pods", .init(410, reason: "Expired", "the provided continue parameter is too old"), times: 2)
        #expect(try await driver.list().count == 3)
        cluster.answer("GET pods", .init(410, reason: "Expired", "the provided continue parameter is too old"))
        #expect(try await bench.failure { _ = try await driver.list() }.status == 410)
    }

    @Test func aPodThatNobodySawEndHasNoExitCode() async throws {
        defer { cluster.stop() }
        try await bench.launch()
        cluster.lose(try #require(cluster.pod("abcd2345")))
        #expect(try await driver.list().map(\.exitCode) == [nil])
        #expect(try await driver.list().map(\.running) == [false])
    }

    @Test func theOutputIsReadAndFollowed() async throws {
        defer { cluster.stop() }
        let (spec, driver) = (Bench.spec(), driver)
        #expect(try await driver.lastOutput("abcd2345", bytes: 100) == [])
        try await bench.launch(spec)
        let pod = try #require(cluster.pod("abcd2345"))
        cluster.log(pod, "one\ntwo\nthree\n")
        #expect(try await driver.lastOutput("abcd2345", bytes: 100) == Array("one\ntwo\nthree\n".utf8))
        #expect(try await driver.lastOutput("abcd2345", bytes: 12) == Array("two\nthree\n".utf8))
        var lines: [UInt8] = []
        for try await chunk in try await driver.log("abcd2345", lines: 2, follow: false) { lines += chunk }
        #expect(lines == Array("two\nthree\n".utf8))
        let stream = try await driver.log("abcd2345", lines: 1, follow: true)
        var iterator = stream.makeAsyncIterator()
        #expect(try await iterator.next() == Array("three\n".utf8))
        cluster.answer("GET pods/one/log", .init(500, reason: "InternalError", "Get https://node-1:10250: dial tcp: i/o timeout"))
        let error = try await bench.failure { _ = try await driver.lastOutput("abcd2345", bytes: 10) }
        #expect(!error.isOutage && error.message.contains("i/o timeout"))
    }

    @Test func aPodWithoutAContainerHasNoOutput() async throws {
        defer { cluster.stop() }
        cluster.fate(.waits(reason: "InvalidImageName", message: nil))
        let spec = Bench.spec()
        _ = try await driver.create(spec)
        _ = try await bench.failure { try await driver.start(spec, credentials: Bench.credentials) }
        #expect(try await driver.lastOutput("abcd2345", bytes: 100) == [])
    }
}
