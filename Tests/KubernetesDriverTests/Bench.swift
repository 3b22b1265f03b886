import Fleet
import Foundation
import HTTPTransfer
import Logging
import TestBench
import Testing

@testable import KubernetesDriver

/// A driver before a double.
struct Bench {
    let cluster: ClusterDouble
    let clock = LeapingClock()
    let driver: KubernetesDriver

    init() throws {
        cluster = try ClusterDouble()
        driver = Bench.driver(KubeAPI(cluster.access, http: HTTPClient(), clock: clock), clock)
    }

    static func driver(_ api: KubeAPI, _ clock: LeapingClock, instance: String = "abc123") -> KubernetesDriver {
        KubernetesDriver(api, instance: instance, clock: clock, log: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    static func spec(_ runner: RunnerID = "abcd2345", _ change: (inout Pool) -> Void = { _ in }) -> RunnerSpec {
        var pool = Pool(name: "-a pool's name_")
        pool.image = "registry.example/runner:1"
        change(&pool)
        return RunnerSpec(runner: runner, instance: "abc123", pool: pool)
    }

    static let credentials = RunnerCredentials(RunnerAccess(url: "https://gitlab.example"), token: Secret("glrt-0123456789abcdefghij"))

    /// Makes a runner and lets it run.
    @discardableResult
    func launch(_ spec: RunnerSpec = Bench.spec()) async throws -> String {
        let id = try await driver.create(spec)
        try await driver.start(spec, credentials: Self.credentials)
        return id
    }

    func failure(_ body: () async throws -> Void) async throws -> KubernetesError {
        do { try await body() } catch { return try #require(error as? KubernetesError, "\(error)") }
        throw CocoaError(.featureUnsupported)
    }
}
