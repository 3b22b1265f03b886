import Fleet
import Foundation
import HTTPTransfer
import Logging
import TestBench
import Testing

@testable import ContainerDriver

/// Logins for registries, first as values, then with a real registry and real engines.
@Suite(.serialized) struct RegistryTests {
    // MARK: Logins

    private func decoded(_ header: String?) throws -> [String: String] {
        let text = try #require(header).replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
        return try JSONDecoder().decode([String: String].self, from: try #require(Data(base64Encoded: text)))
    }

    private func auth(_ login: String) -> String { Data(login.utf8).base64EncodedString() }

    @Test func theLoginOfAnImagesRegistryGoesWithItsPull() throws {
        let logins = RegistryLogins([
            RegistryLogin(registry: "registry.home:5000", username: "u", password: Secret("p??>>")),
            RegistryLogin(registry: "docker.io", username: "hub", password: Secret("h")),
        ])
        #expect(
            try decoded(logins.header(for: ImageName("registry.home:5000/a:1"))) == [
                "username": "u", "password": "p??>>", "serveraddress": "registry.home:5000",
            ])
        #expect(logins.header(for: ImageName("registry.home:5000/a:1"))?.contains { "+/".contains($0) } == false)
        #expect(try decoded(logins.header(for: ImageName("debian")))["username"] == "hub")
        #expect(logins.header(for: ImageName("registry.home/a")) == nil && logins.header(for: ImageName("other:5000/a")) == nil)
    }

    @Test func filesOfUsersAreReadAndGoAfterTheConfiguration() throws {
        var logins = RegistryLogins([RegistryLogin(registry: "a.home", username: "ours", password: Secret("1"))])
        let file = """
            {"auths": {"a.home": {"auth": "\(auth("theirs:2"))"}, "https://index.docker.io/v1/": {"auth": "\(auth("hub:with:colons"))"},
                       "b.home/team": {"auth": "\(auth("team:3"))"}, "b.home": {"auth": "\(auth("all:4"))"}, "c.home": {}, "d.home": {"auth": "!"},
                       "e.home": {"auth": "\(auth("e:"))", "identitytoken": "tok"}}}
            """
        #expect(logins.add(file: Array(file.utf8)) == nil)
        func user(_ image: String) throws -> String? { try logins.header(for: ImageName(image)).map { try decoded($0)["username"] ?? "-" } }
        #expect(try user("a.home/x") == "ours" && user("debian:12") == "hub")
        #expect(try user("b.home/team/x") == "team" && user("b.home/teamwork/x") == "all" && user("b.home/x") == "all")
        #expect(try user("c.home/x") == nil && user("d.home/x") == nil)
        #expect(try decoded(logins.header(for: ImageName("debian")))["password"] == "with:colons")
        #expect(try decoded(logins.header(for: ImageName("e.home/x"))) == ["identitytoken": "tok", "serveraddress": "e.home"])
    }

    @Test(arguments: [("no json", RegistryLogins.Unusable.notJSON), (#"{"credsStore": "pass"}"#, .helper), (#"{"credHelpers": {"a": "b"}}"#, .helper)])
    func whatCannotBeUsedIsTold(file: String, why: RegistryLogins.Unusable) {
        var logins = RegistryLogins()
        #expect(logins.add(file: Array(file.utf8)) == why && logins == RegistryLogins())
    }

    @Test func runnersGetThemAsDockersConfiguration() throws {
        struct File: Decodable {
            struct Entry: Decodable { var auth: String }
            var auths: [String: Entry]
        }
        let logins = RegistryLogins([
            RegistryLogin(registry: "docker.io", username: "hub", password: Secret("h")),
            RegistryLogin(registry: "r:5000", username: "u", password: Secret("p:q")),
        ])
        let file = try JSONDecoder().decode(File.self, from: Data(try #require(logins.dockerConfiguration).utf8))
        #expect(file.auths.mapValues(\.auth) == ["https://index.docker.io/v1/": auth("hub:h"), "r:5000": auth("u:p:q")])
        #expect(RegistryLogins().dockerConfiguration == nil)
        // What it makes, it reads.
        var again = RegistryLogins()
        again.add(file: Array(try #require(logins.dockerConfiguration).utf8))
        #expect(again == logins)
    }

    @Test func theyPrintNoSecret() {
        let logins = RegistryLogins([RegistryLogin(registry: "r.home", username: "u", password: Secret("s3cret"))])
        var dumped = ""
        dump(logins, to: &dumped)
        #expect(!"\(logins) \(String(reflecting: logins)) \(dumped)".contains("s3cret"))
    }

    // MARK: Real ones

    private func driver(_ engine: TestEngine, _ logins: [RegistryLogin], instance: String) -> ContainerDriver {
        ContainerDriver(engine: engine.engine, instance: instance, registries: RegistryAccess(logins), log: Logger(label: "test"))
    }

    private func spec(_ instance: String, image: String, pull: ImagePull = .missing) -> RunnerSpec {
        var pool = Pool(name: "p")
        pool.image = image
        pool.command = ["/bin/sleep", "600"]
        pool.memory = 64 << 20
        pool.network = "host"
        pool.cache = JobCache(.none)
        pool.pull = pull
        return RunnerSpec(runner: "t\(UInt32.random(in: 0 ... .max))", instance: instance, pool: pool)
    }

    private static let canHaveRegistry: Comment = "docker-registry can't be had: see scripts/bootstrap"

    @Test(.enabled(if: TestRegistry.program != nil, canHaveRegistry)) func podmanPullsFromAPrivateRegistry() async throws {
        let registry = try await TestRegistry.start()
        let engine = try await TestEngine.start(registry: registry.address)
        try await pullPrivately(engine, registry)
        await engine.stop()
        await registry.stop()
    }

    @Test(
        .enabled(if: TestRegistry.program != nil, canHaveRegistry),
        .enabled(if: TestEngine.isDockerInstalled, "Docker Engine isn't installed: apt-get install docker.io"))
    func dockerPullsFromAPrivateRegistry() async throws {
        let registry = try await TestRegistry.start()
        let engine = try await TestEngine.startDocker(storage: "docker-registries")
        try await pullPrivately(engine, registry)
        await engine.stop()
        await registry.stop()
    }

    private func pullPrivately(_ engine: TestEngine, _ registry: TestRegistry) async throws {
        try await engine.ensureBusybox()
        let instance = "test\(UInt32.random(in: 0 ... .max))"
        let image = try await registry.push(TestEngine.busybox, from: engine.engine, as: "private/busybox")
        let spec = spec(instance, image: image)
        let stranger = driver(engine, [], instance: instance)
        let error = try await #require(throws: EngineError.self) { _ = try await stranger.create(spec) }
        #expect(!error.isOutage && error.message.contains("could not be pulled") && !error.message.contains(TestRegistry.password), "\(error)")
        let login = RegistryLogin(registry: registry.address, username: TestRegistry.username, password: Secret(TestRegistry.password))
        let ours = driver(engine, [login], instance: instance)
        _ = try await ours.create(spec)
        #expect(try await ours.list().map(\.runner) == [spec.runner])
        try await ours.remove(spec.runner)
        try await engine.engine.call("DELETE", "/images/\(percentEncoded(image))")
    }

    /// The image that its name stood for is another now. What runs the old one is told of; the new one is what a start makes.
    @Test(.enabled(if: TestRegistry.program != nil, canHaveRegistry)) func aNewerImageRetiresRunnersOfTheOld() async throws {
        let registry = try await TestRegistry.start()
        let engine = try await TestEngine.start(registry: registry.address)
        try await engine.ensureBusybox()
        let instance = "test\(UInt32.random(in: 0 ... .max))"
        let login = RegistryLogin(registry: registry.address, username: TestRegistry.username, password: Secret(TestRegistry.password))
        let driver = driver(engine, [login], instance: instance)
        let image = try await registry.push(TestEngine.busybox, from: engine.engine, as: "moving")
        let (newer, missing) = (spec(instance, image: image, pull: .newer), spec(instance, image: image))
        _ = try await driver.create(newer)
        #expect(try await driver.list().map(\.retirement) == [nil])
        try await driver.refresh(WantedImage(image))
        #expect(try await driver.list().map(\.retirement) == [nil], "the same image")
        // Another image under the same name.
        try await commit(newer.runner, as: "localhost/autogit-test-moved", engine)
        try await registry.push("localhost/autogit-test-moved:latest", from: engine.engine, as: "moving")
        try await driver.refresh(WantedImage(image))
        #expect(try await driver.list().map(\.retirement) == [.imageReplaced])
        _ = try await driver.create(missing)
        let found = try await driver.list()
        #expect(found.first { $0.runner == missing.runner }?.retirement == nil && found.count == 2)
        // A life of the daemon that has asked nobody yet doesn't know better.
        #expect(try await self.driver(engine, [login], instance: instance).list().allSatisfy { $0.retirement == nil })
        for runner in [newer.runner, missing.runner] { try await driver.remove(runner) }
        try await engine.engine.call("DELETE", "/images/\(percentEncoded(image))?force=true")
        await engine.stop()
        await registry.stop()
    }

    private func commit(_ runner: RunnerID, as name: String, _ engine: TestEngine) async throws {
        try await engine.engine.call(
            "POST", "/commit?container=\(Runner.name(of: runner))&repo=\(percentEncoded(name))&tag=latest&comment=moved", body: Array("{}".utf8))
    }
}
