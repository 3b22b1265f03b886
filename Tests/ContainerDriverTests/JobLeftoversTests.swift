import Fleet
import Foundation
import HTTPTransfer
import Logging
import RunnerConfiguration
import TestBench
import Testing

@testable import ContainerDriver

/// What a runner left is found by its marks, and nothing of anybody else is touched. The engine is a real Podman.
@Suite(.serialized) struct JobLeftoversTests {
    private let token = "com.gitlab.gitlab-runner.runner.id"
    private let instance = "left\(UInt32.random(in: 0 ... .max))"

    /// - Returns: its id.
    private func container(_ engine: TestEngine, labels: [String: String]) async throws -> String {
        let body: [String: Any] = ["Image": TestEngine.busybox, "Cmd": ["sleep", "600"], "Labels": labels, "HostConfig": ["NetworkMode": "host"]]
        let name = "leftover-\(UInt64.random(in: 0 ... .max))"
        return try await engine.engine.create(name: name, body: Array(try JSONSerialization.data(withJSONObject: body)))
    }

    private func ours(_ runner: RunnerID, instance other: String? = nil) -> [String: String] {
        [RunnerConfiguration.instanceLabel: other ?? instance, RunnerConfiguration.runnerLabel: runner]
    }

    private func left(_ engine: TestEngine, _ ids: [String]) async throws -> [String] {
        let all = try await engine.engine.containers(labels: []).map(\.Id)
        return ids.filter(all.contains)
    }

    @Test func onlyWhatTheRunnerMadeGoes() async throws {
        let engine = try await TestEngine.shared.value
        try await engine.ensureBusybox()
        let short = "tok\(UInt16.random(in: 1000...9999))ab"
        let gone = [
            try await container(engine, labels: ours("gone2345").merging([token: short]) { $1 }),
            // A helper, which has none of our labels.
            try await container(engine, labels: [token: short]),
        ]
        let kept = [
            try await container(engine, labels: ours("live2345").merging([token: "other1234"]) { $1 }),
            // Another AutoGit's, whose runner's token begins alike.
            try await container(engine, labels: ours("gone2345", instance: "another").merging([token: short]) { $1 }),
            try await container(engine, labels: [token: "glrt-t1_"]), try await container(engine, labels: [:]),
        ]
        let volume = "leftover-\(short)"
        try await engine.engine.createVolume(volume, labels: [token: short])
        let driver = ContainerDriver(engine: engine.engine, instance: instance, log: Logger(label: "test"))
        #expect(try await Set(driver.list().map(\.runner)) == ["gone2345", "live2345"])
        // Nothing is known of it but its id: its own container tells the rest.
        try await driver.remove("gone2345")
        #expect(try await left(engine, gone) == [])
        #expect(try await left(engine, kept) == kept)
        #expect(try await engine.engine.volumes(label: "\(token)=\(short)").isEmpty)
        #expect(try await driver.list().map(\.runner) == ["live2345"])
        for id in kept { try await engine.engine.remove(id) }
    }

    /// For a runner in a scope, which is no container: it is prepared for and cleared up by the same driver.
    @Test func aRunnerThatIsNoContainerHasItsJobsClearedUpToo() async throws {
        let engine = try await TestEngine.shared.value
        try await engine.ensureBusybox()
        let driver = ContainerDriver(engine: engine.engine, instance: instance, log: Logger(label: "test"))
        var pool = Pool(name: "p")
        (pool.driver, pool.configuredExecutor) = (.scope, .docker)
        try await driver.prepareJobs(of: RunnerSpec(runner: "scop2345", instance: instance, pool: pool))
        let cache = try #require(pool.cacheVolume).name(instance: instance)
        #expect(try await driver.caches().map(\.name) == [cache])
        let ids = [try await container(engine, labels: ours("scop2345")), try await container(engine, labels: ours("live2345"))]
        try await driver.removeLeftovers(of: Remains("scop2345"))
        #expect(try await left(engine, ids) == [ids[1]])
        try await driver.removeLeftovers(of: Remains("live2345"))
        #expect(try await left(engine, ids) == [])
        #expect(try await driver.caches().map(\.name) == [cache], "the pool's cache stays")
        _ = try await driver.removeCache(cache)
        let none = ContainerDriver(engine: Engine(socket: "/nowhere/e.sock", http: HTTPClient()), instance: instance, log: Logger(label: "test"))
        pool.cache = JobCache(.none)
        let error = await #expect(throws: EngineError.self) { try await none.prepareJobs(of: RunnerSpec(runner: "scop2345", instance: instance, pool: pool)) }
        #expect(error?.isOutage == true)
    }

    /// A token's beginning alone: older things are of an earlier runner whose token began alike.
    @Test func whatIsOlderThanTheRunnerStays() async throws {
        let engine = try await TestEngine.shared.value
        try await engine.ensureBusybox()
        let short = "tok\(UInt16.random(in: 1000...9999))cd"
        let id = try await container(engine, labels: [token: short])
        let driver = ContainerDriver(engine: engine.engine, instance: instance, log: Logger(label: "test"))
        let now = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
        try await driver.remove(Remains("gone2345", shortToken: short, since: now + .seconds(60)))
        #expect(try await left(engine, [id]) == [id])
        try await driver.remove(Remains("gone2345", shortToken: short, since: now + .seconds(-3600)))
        #expect(try await left(engine, [id]) == [])
    }

    /// An older gitlab-runner puts no labels of ours on what it makes. What nobody at work can want is shown; nothing goes.
    @Test func whatIsDoubtfulIsShownAndStays() async throws {
        let engine = try await TestEngine.shared.value
        try await engine.ensureBusybox()
        let managed = "com.gitlab.gitlab-runner.managed"
        let (gone, live, busy) = ("gone\(UInt32.random(in: 0 ... .max))", "live\(UInt32.random(in: 0 ... .max))", "busy\(UInt32.random(in: 0 ... .max))")
        let container = try await container(engine, labels: [managed: "true", token: gone])
        let others = [
            try await self.container(engine, labels: [managed: "true", token: live]), try await self.container(engine, labels: [token: gone]),
            try await self.container(engine, labels: ours("x").merging([managed: "true", token: gone]) { $1 }),
            try await self.container(engine, labels: [managed: "true", token: busy]), try await self.container(engine, labels: [managed: "true"]),
        ]
        try await engine.engine.start(others[3])
        try await engine.engine.createVolume("volume-\(gone)", labels: [managed: "true", token: gone])
        try await engine.engine.createVolume("volume-\(busy)", labels: [managed: "true", token: busy])
        let driver = ContainerDriver(engine: engine.engine, instance: instance, log: Logger(label: "test"))
        // Other suites have such things at the same time.
        let names = [container] + others
        let known = try await engine.engine.containers().filter { names.contains($0.Id) }.flatMap { $0.Names ?? [] }.map { String($0.drop { $0 == "/" }) }
        let found = try await driver.doubtful(except: [live]).filter { known.contains($0.name) || $0.name.hasSuffix(gone) || $0.name.hasSuffix(busy) }
        #expect(found.map(\.what) == ["container", "volume"] && found.last?.name == "volume-\(gone)", "\(found)")
        #expect(try await left(engine, names) == names)
        for id in names { try await engine.engine.remove(id) }
        for volume in ["volume-\(gone)", "volume-\(busy)"] { try await engine.engine.removeVolume(volume) }
    }
}
