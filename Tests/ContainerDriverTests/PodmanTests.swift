import Fleet
import Foundation
import HTTPTransfer
import Logging
import Testing
import TestBench

@testable import ContainerDriver

/// The driver against a real Podman.
@Suite(.serialized) struct PodmanTests {
    private func driver() async throws -> (ContainerDriver, TestEngine, String) {
        let engine = try await TestEngine.shared.value
        try await engine.ensureBusybox()
        let instance = "test\(UInt32.random(in: 0 ... .max))"
        return (ContainerDriver(engine: engine.engine, instance: instance, log: Logger(label: "test")), engine, instance)
    }

    private func spec(_ instance: String, _ command: [String]) -> RunnerSpec {
        var pool = Pool(name: "p")
        pool.image = TestEngine.busybox
        pool.command = command
        pool.cpus = 0.5
        pool.memory = 64 << 20
        pool.pids = 50
        pool.network = "host"
        return RunnerSpec(runner: "t\(UInt32.random(in: 0 ... .max))", instance: instance, pool: pool)
    }

    private func lastLines(_ driver: ContainerDriver, _ spec: RunnerSpec) async throws -> [String] {
        try await driver.lastOutput(spec.runner, bytes: 64 << 10).split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    }

    private let credentials = RunnerCredentials(.init(url: "http://127.0.0.1:9"), token: Secret("glrt-very-secret"))

    @Test func aLifeWithLimitsFilesEventsAndNoTokenInInspect() async throws {
        let (driver, engine, instance) = try await driver()
        let events = driver.events()
        var iterator = events.makeAsyncIterator()
        #expect(await iterator.next() == .resync)
        var spec = spec(
            instance,
            ["/bin/sh", "-c", "ls -ln /run/autogit/token; cat /run/autogit/name; trap 'exit 7' QUIT; while :; do sleep 0.1; done"])
        spec.pool.cache = JobCache(.s3)
        spec.pool.cache.s3.accessKey = Secret("id-very-secret")
        spec.pool.cache.s3.secretKey = Secret("key-very-secret")
        let id = try await driver.create(spec)
        // A container that waits for its start is not an ended one.
        #expect(try await driver.list().map(\.running) == [true])
        try await driver.start(spec, credentials: credentials)

        let inspect = try await engine.engine.call("GET", "/containers/\(id)/json").text
        #expect(!inspect.contains("very-secret"))
        struct Inspect: Decodable {
            struct Host: Decodable {
                var NanoCpus: Int64
                var Memory: Int64
                var PidsLimit: Int64
                var CapAdd: [String]?
                var SecurityOpt: [String]?
            }
            var HostConfig: Host
        }
        let host = try JSONDecoder().decode(Inspect.self, from: Data(inspect.utf8)).HostConfig
        #expect(host.NanoCpus == 500_000_000 && host.Memory == 64 << 20 && host.PidsLimit == 50)

        // The trap is set when the name was printed.
        var lines: [String] = []
        let deadline = ContinuousClock.now + .seconds(300)
        while lines.count < 2, ContinuousClock.now < deadline { lines = try await lastLines(driver, spec) }
        #expect(lines.first?.hasPrefix("-rw-------") == true)
        #expect(lines.last == Runner.name(of: spec.runner))

        try await driver.signal(spec.runner, "SIGQUIT")
        #expect(await iterator.next() == .imageUsed(TestEngine.busybox))
        #expect(await iterator.next() == .exited(runner: spec.runner, exitCode: 7))
        // Podman tells of the end a moment before its list does.
        let patience = ContinuousClock.now + .seconds(600)
        while try await driver.list().map(\.running) != [false], ContinuousClock.now < patience {}
        #expect(try await driver.list().map(\.running) == [false])
        try await driver.signal(spec.runner, "SIGQUIT")
        try await driver.remove(spec.runner)
        try await driver.remove(spec.runner)
        #expect(try await driver.list().isEmpty)
    }

    /// A runner that writes all day fills no disk, and its last words can be read when it has ended, whatever the engine's own setting is.
    @Test func aLongLogIsBoundedAndItsEndIsRead() async throws {
        let (driver, engine, instance) = try await driver()
        try await longLog(driver, engine, instance, isPodman: true)
    }

    @Test(.enabled(if: TestEngine.isDockerInstalled, "Docker Engine isn't installed: apt-get install docker.io"))
    func theSameOnDockerEngine() async throws {
        let docker = try await TestEngine.startDocker(storage: "docker-driver")
        do {
            try await docker.ensureBusybox()
            let instance = "test\(UInt32.random(in: 0 ... .max))"
            try await longLog(ContainerDriver(engine: docker.engine, instance: instance, log: Logger(label: "test")), docker, instance, isPodman: false)
        } catch {
            await docker.stop()
            throw error
        }
        await docker.stop()
    }

    private func longLog(_ driver: ContainerDriver, _ engine: TestEngine, _ instance: String, isPodman: Bool) async throws {
        let events = driver.events()
        var iterator = events.makeAsyncIterator()
        #expect(await iterator.next() == .resync)
        // 12 MB. The bound of Podman's file is 4 MiB, the ones of Docker's two are 4 MiB each.
        let spec = spec(
            instance, ["/bin/sh", "-c", "s=$(printf %01000d 7); i=0; while [ $i -lt 12000 ]; do echo $s; i=$((i+1)); done; echo its last words; exit 3"])
        let id = try await driver.create(spec)
        try await driver.start(spec, credentials: credentials)
        #expect(await iterator.next() == .imageUsed(TestEngine.busybox))
        let ended = await iterator.next()
        #expect(ended == .exited(runner: spec.runner, exitCode: 3))
        let inspect = try await engine.engine.call("GET", "/containers/\(id)/json").text
        #expect(inspect.contains(#""Type":"json-file""#), "\(inspect)")
        var whole = 0
        for try await chunk in try await driver.log(spec.runner, lines: 100_000, follow: false) { whole += chunk.count }
        #expect(whole > 0 && whole < 10_000_000, "\(whole) bytes of 12 MB")
        let output = try await driver.lastOutput(spec.runner, bytes: 3000)
        let lines = output.split(separator: UInt8(ascii: "\n"))
        #expect(output.count <= 3000 && String(decoding: lines.last ?? [], as: UTF8.self) == "its last words")
        let texts = lines.dropLast().map { String(decoding: $0, as: UTF8.self) }
        if isPodman {
            // Where its monitor read a line in two pieces, Podman 4.3 gives the break back in another place (1368 and 632 bytes for two lines of 1000).
            #expect(texts.allSatisfy { $0.allSatisfy("07".contains) } && !texts.isEmpty, "\(texts)")
        } else {
            // Whole lines, of which the first was not cut.
            #expect(texts.allSatisfy { $0.count == 1000 && $0.allSatisfy("07".contains) } && !texts.isEmpty, "\(texts)")
        }
        try await driver.remove(spec.runner)
        #expect(try await driver.lastOutput(spec.runner, bytes: 3000) == [])
    }

    @Test func aMissingImageIsAnErrorThatNamesIt() async throws {
        let (driver, _, instance) = try await driver()
        var spec = spec(instance, [])
        spec.pool.image = "localhost:1/no/such:image"
        let spec2 = spec
        let error = await #expect(throws: EngineError.self) { try await driver.create(spec2) }
        #expect(error?.message.contains("localhost:1/no/such") == true)
        #expect(try await driver.list().isEmpty)
    }

    /// A cache is listed with its size and its users, goes only when nobody has it, and is made again, by us with our labels and by the engine
    /// without.
    @Test func aCacheIsListedRemovedAndMadeAgain() async throws {
        let engine = try await TestEngine.shared.value
        try await aCacheOn(engine)
    }

    @Test(.enabled(if: TestEngine.isDockerInstalled, "Docker Engine isn't installed: apt-get install docker.io"))
    func aCacheOnDockerEngine() async throws {
        let docker = try await TestEngine.startDocker(storage: "docker-driver-caches")
        do { try await aCacheOn(docker) } catch {
            await docker.stop()
            throw error
        }
        await docker.stop()
    }

    private func aCacheOn(_ engine: TestEngine) async throws {
        try await engine.ensureBusybox()
        let instance = "test\(UInt32.random(in: 0 ... .max))"
        let driver = ContainerDriver(engine: engine.engine, instance: instance, log: Logger(label: "test"))
        #expect(try await driver.caches().isEmpty)
        let volume = "autogit-cache-\(instance)-p"
        let events = driver.events()
        var iterator = events.makeAsyncIterator()
        #expect(await iterator.next() == .resync)

        let first = spec(instance, ["/bin/sh", "-c", "dd if=/dev/zero of=/cache/file bs=1024 count=300"])
        _ = try await driver.create(first)
        try await driver.start(first, credentials: credentials)
        #expect(await iterator.next() == .imageUsed(TestEngine.busybox))
        #expect(await iterator.next() == .exited(runner: first.runner, exitCode: 0))
        let used = try #require(try await driver.caches().first)
        #expect(used.name == volume && used.pool == "p" && used.users == [Runner.name(of: first.runner)] && used.createdAt != nil)
        #expect((used.size ?? 0) >= 300 << 10 && (used.size ?? 0) < 400 << 10, "\(used)")
        #expect(try await !driver.removeCache(volume))
        try await driver.remove(first.runner)
        #expect(try await driver.caches().map(\.users) == [[]])
        #expect(try await driver.removeCache(volume))
        #expect(try await driver.removeCache(volume), "what is gone is gone")
        #expect(try await driver.caches().isEmpty)

        // A new runner's has nothing of the old, and has our labels.
        let second = spec(instance, ["/bin/sh", "-c", "! ls /cache/file && echo new > /cache/file"])
        _ = try await driver.create(second)
        #expect(try await engine.engine.volumes(label: "autogit.instance=\(instance)").map(\.Name) == [volume])
        try await driver.start(second, credentials: credentials)
        #expect(await iterator.next() == .imageUsed(TestEngine.busybox))
        #expect(await iterator.next() == .exited(runner: second.runner, exitCode: 0))
        try await driver.remove(second.runner)

        // Removed behind our back, and made by the engine for a job's container.
        try await engine.engine.removeVolume(volume)
        let labels = #"{"autogit.job.runner":"other234"}"#
        let body = #"{"Image":"\#(TestEngine.busybox)","Entrypoint":["/bin/sleep"],"Labels":\#(labels),"HostConfig":{"Binds":["\#(volume):/cache"]}}"#
        let job = try await engine.engine.create(name: "job-\(instance)", body: Array(body.utf8))
        #expect(try await engine.engine.volumes(label: "autogit.instance=\(instance)").isEmpty)
        #expect(try await driver.caches().map(\.users) == [["autogit-runner-other234"]])
        try await engine.engine.remove(job)
        #expect(try await driver.removeCache(volume))
        // Others' are not touched.
        await #expect(throws: EngineError.self) { try await driver.removeCache("autogit-cache-other-p") }
    }

    @Test func anEngineThatIsNotThereSaysSo() async throws {
        let engine = Engine(socket: "/nonexistent/engine.sock", http: .init())
        let error = await #expect(throws: EngineError.self) { try await engine.ping() }
        #expect(error?.message.contains("/nonexistent/engine.sock") == true)
    }

    /// With the capabilities that are left, root in the container installs a package with apt.
    @Test func aptInstallsAPackageWithTheCutCapabilities() async throws {
        let (driver, engine, instance) = try await driver()
        try await engine.ensureRunnerImage(recipe: Self.root + "/scripts/runner-image")
        let events = driver.events()
        var iterator = events.makeAsyncIterator()
        #expect(await iterator.next() == .resync)
        var spec = spec(
            instance,
            ["/bin/bash", "-c", "apt-get update -qq && apt-get install -y -qq --no-install-recommends cron && id -u nobody && test -x /usr/sbin/cron"])
        spec.pool.image = TestEngine.runner
        spec.pool.memory = 1 << 30
        spec.pool.pids = 500
        spec.pool.mounts = ["/etc/resolv.conf:/etc/resolv.conf:ro"]
        for file in ["/etc/ssl/certs", "/etc/apt/sources.list.d", "/etc/apt/apt.conf.d", "/usr/share/keyrings"]
        where FileManager.default.fileExists(atPath: file) {
            spec.pool.mounts.append("\(file):\(file):ro")
        }
        spec.pool.env = ProcessInfo.processInfo.environment.filter { $0.key.lowercased().hasSuffix("_proxy") }
        spec.pool.env["DEBIAN_FRONTEND"] = "noninteractive"
        _ = try await driver.create(spec)
        try await driver.start(spec, credentials: credentials)
        #expect(await iterator.next() == .imageUsed(TestEngine.runner))
        let end = await iterator.next()
        let lines = try await lastLines(driver, spec)
        #expect(end == .exited(runner: spec.runner, exitCode: 0), "\(lines.joined(separator: "\n"))")
        try await driver.remove(spec.runner)
    }

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    // MARK: The disk

    @Test func theDiskOfTheEnginesStorageIsMeasured() async throws {
        let (driver, engine, _) = try await driver()
        let space = try #require(try await driver.disk())
        #expect(space.free > 0 && space.total > space.free)
        #expect(try await engine.engine.storage().hasPrefix("/var/tmp/autogit-engine-"))
    }

    /// By all of its names; not while a container is made of it.
    @Test func anImageGoesUnlessSomethingUsesIt() async throws {
        let (driver, engine, instance) = try await driver()
        let name = "localhost/autogit-test-going-\(UInt32.random(in: 0 ... .max))"
        var spec = spec(instance, ["/bin/sh", "-c", "head -c 3000000 /dev/zero > /tmp/file; sleep 600"])
        _ = try await driver.create(spec)
        try await engine.engine.call(
            "POST", "/commit?container=\(Runner.name(of: spec.runner))&repo=\(percentEncoded(name))&tag=1", body: Array("{}".utf8))
        try await engine.engine.call("POST", "/images/\(percentEncoded(name + ":1"))/tag?repo=\(percentEncoded(name))&tag=2")
        try await driver.remove(spec.runner)
        spec.pool.image = name + ":2"
        _ = try await driver.create(spec)
        func found() async throws -> EngineImage? { try await driver.images().first { $0.names.contains(name + ":1") } }
        let image = try #require(try await found())
        #expect(image.isUsed && Set(image.names) == [name + ":1", name + ":2"] && image.bytes > 0)
        try await driver.remove(spec.runner)
        let unused = try #require(try await found())
        #expect(!unused.isUsed)
        try await driver.removeImage(unused)
        #expect(try await found() == nil)
        try await driver.removeImage(unused)
    }

    @Test func whatARunnerHasWrittenIsKnown() async throws {
        let (driver, engine, instance) = try await driver()
        let spec = spec(instance, ["/bin/sh", "-c", "dd if=/dev/zero of=/tmp/file bs=1M count=5; echo written; sleep 600"])
        _ = try await driver.create(spec)
        try await driver.start(spec, credentials: credentials)
        for try await chunk in try await driver.log(spec.runner, lines: 10, follow: true) where String(decoding: chunk, as: UTF8.self).contains("written") {
            break
        }
        #expect(try await driver.written(by: spec.runner) ?? 0 >= 5 << 20)
        try await driver.remove(spec.runner)
        #expect(try await driver.written(by: spec.runner) == nil)
        await engine.removeContainers(instance: instance)
    }

    /// The image of a job's container is told when it starts, too.
    @Test func theImagesOfRunnersAndJobsAreTold() async throws {
        let (driver, engine, instance) = try await driver()
        var iterator = driver.events().makeAsyncIterator()
        #expect(await iterator.next() == .resync)
        let spec = spec(instance, ["/bin/sleep", "600"])
        _ = try await driver.create(spec)
        try await driver.start(spec, credentials: credentials)
        #expect(await iterator.next() == .imageUsed(TestEngine.busybox))
        let body =
            #"{"Image":"\#(TestEngine.busybox)","Cmd":["/bin/true"],"Labels":{"autogit.owner":"\#(instance)","autogit.job.instance":"\#(instance)"}}"#
        let job = try await engine.engine.create(name: "job-\(instance)", body: Array(body.utf8))
        try await engine.engine.start(job)
        #expect(await iterator.next() == .imageUsed(TestEngine.busybox))
        try await engine.engine.remove(job)
        try await driver.remove(spec.runner)
    }
}
