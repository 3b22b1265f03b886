import Fleet
import Foundation
import HTTPTransfer
import TestBench
import Testing

@testable import KubernetesDriver

/// The driver before somebody else's idea of Kubernetes: `Tests/System/kubernetes_driver.py kmock` runs it.
@Suite(.timeLimit(.minutes(10))) struct KmockTests {
    private static let url = ProcessInfo.processInfo.environment["AUTOGIT_KMOCK"]

    @Test(.enabled(if: url != nil, "AUTOGIT_KMOCK has no URL of a kmock server")) func aRunnerLivesAndDies() async throws {
        let url = try #require(Self.url)
        let clock = LeapingClock()
        let driver = Bench.driver(KubeAPI(KubeAccess(server: url, namespace: "ci"), http: HTTPClient(), clock: SystemClock()), clock)
        #expect(try await driver.list().isEmpty)
        try await driver.remove("abcd2345")
        let spec = Bench.spec()
        let id = try await driver.create(spec)
        #expect(try await driver.list() == [DriverObject(id: id, runner: "abcd2345", running: true, started: false, exitCode: nil)])
        let patient = KubernetesDriver(
            KubeAPI(KubeAccess(server: url, namespace: "ci"), http: HTTPClient()), instance: "abc123", log: driver.log)
        try await patient.start(spec, credentials: Bench.credentials)
        #expect(try await driver.list().map(\.started) == [true])
        let told = Happenings<DriverEvent>()
        let events = driver.events()
        let reading = Task { for await event in events { told.note(event) } }
        #expect(await told.wait(for: .resync))
        try await driver.signal("abcd2345", "SIGQUIT")
        // It has no controllers: a pod that is removed is gone, and nobody saw it end.
        #expect(await told.wait(for: .exited(runner: "abcd2345", exitCode: nil)))
        #expect(try await driver.lastOutput("abcd2345", bytes: 100) == [])
        try await driver.remove("abcd2345")
        #expect(try await driver.list().isEmpty)
        reading.cancel()
    }
}
