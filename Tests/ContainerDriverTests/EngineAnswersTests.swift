import Fleet
import Foundation
import HTTPTransfer
import Logging
import TestBench
import Testing

@testable import ContainerDriver

/// What the driver makes of an engine's answers, against one that only pretends.
@Suite(.timeLimit(.minutes(10))) struct EngineAnswersTests {
    private let scratch: ScratchFolder
    private let double: EngineDouble
    private let driver: ContainerDriver
    private let pauses = Happenings<Duration>()

    init() throws {
        scratch = try ScratchFolder("engine")
        double = try EngineDouble(socket: "\(scratch.path)/s")
        let pauses = pauses
        driver = ContainerDriver(
            engine: Engine(socket: double.socket, http: HTTPClient()), instance: "i", pullSilence: .seconds(600), logTimeout: .seconds(600),
            log: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        ) { pauses.note($0) }
    }

    private var spec: RunnerSpec {
        var pool = Pool(name: "p")
        pool.image = "registry.example/image:1"
        return RunnerSpec(runner: "abcd2345", instance: "i", pool: pool)
    }

    private func failure(_ body: () async throws -> Void) async throws -> any DriverFailure & CustomStringConvertible {
        do { try await body() } catch { return try #require(error as? any DriverFailure & CustomStringConvertible) }
        throw CocoaError(.featureUnsupported)
    }

    @Test func aLogOfAContainerThatIsGoneIsEmptyAndOneThatIsRefusedSaysWhy() async throws {
        defer { double.stop() }
        #expect(try await driver.lastOutput("abcd2345", bytes: 100) == Array("the first line\n".utf8))
        double.answer("GET /containers/logs", with: .init(404, #"{"message":"no such container"}"#))
        #expect(try await driver.lastOutput("abcd2345", bytes: 100) == [])
        double.answer("GET /containers/logs", with: .init(501, #"{"message":"configured logging driver does not support reading"}"#))
        let error = try await failure { _ = try await driver.lastOutput("abcd2345", bytes: 100) }
        #expect(!error.isOutage && error.description.contains("does not support reading"))
    }

    /// In Podman's words, which come with 500 when the image goes between two of its own looks.
    @Test func anImageThatGoesWhileItIsLookedAtIsNotThere() async throws {
        defer { double.stop() }
        let engine = Engine(socket: double.socket, http: HTTPClient())
        double.answer(
            "GET /images/json",
            with: .init(500, #"{"message":"failed to convert ImageData to ImageInspect 'a:1': locating image with ID \"af\": image not known","response":500}"#)
        )
        #expect(try await !engine.imageExists("a:1"))
        double.answer("GET /images/json", with: .init(500, #"{"message":"database is locked"}"#))
        let error = try await failure { _ = try await engine.imageExists("a:1") }
        #expect(error.description.contains("database is locked"))
    }

    @Test func aLogThatDoesNotComeIsGivenUp() async throws {
        defer { double.stop() }
        let driver = ContainerDriver(
            engine: Engine(socket: double.socket, http: HTTPClient()), instance: "i", pullSilence: .seconds(60), logTimeout: .milliseconds(20),
            log: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        ) { _ in }
        double.hang("GET /containers/logs")
        let error = try await failure { _ = try await driver.lastOutput("abcd2345", bytes: 100) }
        #expect(error.isOutage && error.description.contains("took longer than"))
    }

    /// In Docker's words and in crun's, as Podman passes them on.
    @Test(arguments: [
        #"{"message":"OCI runtime create failed: runc create failed: unable to start container process: exec: \"/entry\": exec format error: unknown"}"#,
        #"{"cause":"exec format error","message":"crun: exec: exec format error: OCI runtime error","response":500}"#,
    ])
    func anImageOfAnotherArchitectureIsCalledThat(words: String) async throws {
        defer { double.stop() }
        var spec = spec
        spec.pool.configuredExecutor = .shell
        spec.pool.cache = JobCache(.none)
        _ = try await driver.create(spec)
        double.answer("POST /containers/start", with: .init(500, words))
        let error = try await failure { try await driver.start(spec, credentials: RunnerCredentials(.init(url: "http://h"), token: Secret("glrt-x"))) }
        #expect(!error.isOutage && error.description.contains("has programs of another architecture than this host can run (exec format error)"))
        #expect(error.description.contains("qemu-user-static"))
    }

    @Test func aRemovalThatFailsSaysWhyAndIsNoOutage() async throws {
        defer { double.stop() }
        double.answer("DELETE /containers", with: .init(500, #"{"message":"device or resource busy"}"#))
        let error = try await failure { try await driver.remove("abcd2345") }
        #expect(!error.isOutage && error.description.contains("500") && error.description.contains("device or resource busy"))
    }

    /// A removal that is under way is waited for; what the wait says counts.
    @Test func aRemovalThatIsUnderWayAndFailsSaysWhy() async throws {
        defer { double.stop() }
        double.answer("DELETE /containers", with: .init(409, #"{"message":"removal is already in progress"}"#))
        double.answer("POST /containers/wait", with: .init(500, #"{"message":"driver failed to remove root filesystem"}"#))
        let error = try await failure { try await driver.remove("abcd2345") }
        #expect(!error.isOutage && error.description.contains("root filesystem"))
        double.answer("POST /containers/wait", with: .init(404, #"{"message":"no such container"}"#))
        try await driver.remove("abcd2345")
    }

    @Test(arguments: [(400, #"{"message":"Invalid signal: SIGFOO"}"#), (500, #"{"cause":"invalid signal SIGFOO","message":"","response":500}"#)])
    func aSignalThatIsRefusedSaysWhyAndIsNoOutage(status: Int, body: String) async throws {
        defer { double.stop() }
        double.answer("POST /containers/kill", with: .init(status, body))
        let error = try await failure { try await driver.signal("abcd2345", "SIGFOO") }
        #expect(!error.isOutage && error.description.lowercased().contains("invalid signal"))
    }

    @Test(arguments: [404, 409])
    func aSignalToARunnerThatIsGoneIsNone(status: Int) async throws {
        defer { double.stop() }
        double.answer("POST /containers/kill", with: .init(status, #"{"message":"is not running"}"#))
        try await driver.signal("abcd2345", "SIGQUIT")
    }

    @Test(arguments: [
        (404, #"{"message":"pull access denied for registry.example/image"}"#, "pull access denied"),
        (500, #"{"cause":"x509: certificate has expired","message":"","response":500}"#, "certificate has expired"),
        (502, "no route to registry", "no route to registry"),
        (200, #"{"status":"Pulling"}"# + "\n" + #"{"error":"toomanyrequests: rate limit"}"# + "\n", "toomanyrequests"),
        // Without a line break at its end, and with the words where newer engines have them.
        (200, #"{"errorDetail":{"message":"manifest unknown"}}"#, "manifest unknown"),
    ])
    func aPullThatFailsIsToldInTheRegistrysWords(status: Int, body: String, words: String) async throws {
        defer { double.stop() }
        double.answer("GET /images/json", with: .init(404, "{}"))
        double.answer("POST /images/create", with: .init(status, body))
        let error = try await failure { _ = try await driver.create(spec) }
        #expect(error.description.contains(words) && error.description.contains("registry.example/image:1"), "\(error)")
        #expect(!error.isOutage)
    }

    /// However long a pull takes, it may go on; one that says nothing is given up, and it was the registry's fault.
    @Test func aPullThatSaysNothingIsGivenUp() async throws {
        let path = "\(scratch.path)/silent"
        let server = try BareServer(path: path) { request, connection in
            guard request.method == "POST", request.target.contains("/images/create") else {
                _ = connection.answer(404)
                return
            }
            _ = connection.head(200)
            _ = connection.send(Array(#"{"status":"Trying to pull"}"#.utf8))
            connection.waitForEnd()
        }
        defer { server.stop() }
        let driver = ContainerDriver(
            engine: Engine(socket: path, http: HTTPClient()), instance: "i", pullSilence: .milliseconds(50),
            log: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        let error = try await failure { _ = try await driver.create(spec) }
        #expect(!error.isOutage && error.description.contains("registry.example/image:1") && error.description.contains("nothing was heard"), "\(error)")
        #expect(driver.pulls().isEmpty)
    }

    /// As Docker and Podman tell it, layer by layer.
    @Test func theProgressOfAllLayersIsAddedUp() throws {
        var progress = PullProgress()
        #expect(progress.total == nil && progress.received == 0)
        for line in [
            #"{"status":"Pulling fs layer","progressDetail":{},"id":"a"}"#,
            #"{"status":"Downloading","progressDetail":{"current":10,"total":100},"id":"a"}"#,
            #"{"status":"Downloading","progressDetail":{"current":70,"total":50},"id":"b"}"#,
            #"{"status":"Downloading","progressDetail":{"current":-1,"total":0},"id":"c"}"#,
        ] { _ = try progress.take(Array((line + "\n").utf8)) }
        #expect(progress.received == 60 && progress.total == 150)
        _ = try progress.take(Array((#"{"status":"Download complete","progressDetail":{},"id":"a"}"# + "\n").utf8))
        _ = try progress.take(Array((#"{"status":"Extracting","progressDetail":{"current":1,"total":400},"id":"a"}"# + "\n").utf8))
        #expect(progress.received == 150 && progress.total == 150)
        for layer in 0..<2000 {
            let line = #"{"status":"Downloading","progressDetail":{"current":9223372036854775807,"total":9223372036854775807},"id":"\#(layer)"}"#
            _ = try progress.take(Array((line + "\n").utf8))
        }
        #expect(progress.received == progress.total && progress.received > 0)
    }

    /// However much an engine has to say, a part of it is enough.
    @Test func anEndlessComplaintIsCutShort() async throws {
        let path = "\(scratch.path)/endless"
        let server = try BareServer(path: path) { _, connection in
            connection.head(500)
            while connection.send([UInt8](repeating: UInt8(ascii: "x"), count: 4096)) {}
        }
        defer { server.stop() }
        let error = try await failure { _ = try await Engine(socket: path, http: HTTPClient()).stream("GET", "/events") }
        #expect(!error.isOutage && error.description.hasPrefix("the engine answered 500: xxx") && error.description.count < 1000)
    }

    @Test func anEngineThatIsAwayIsAnOutage() async throws {
        double.stop()
        for body: () async throws -> Void in [
            { try await driver.remove("abcd2345") }, { try await driver.signal("abcd2345", "SIGQUIT") }, { _ = try await driver.list() },
            { _ = try await driver.create(spec) },
        ] {
            let error = try await failure(body)
            #expect(error.isOutage && error.description.contains(double.socket))
        }
    }

    /// Whoever loses interest learns nothing about the engine.
    @Test func aCancelledCallIsNoOutage() async throws {
        defer { double.stop() }
        double.hang("DELETE /containers")
        let driver = driver
        let task = Task { try await driver.remove("abcd2345") }
        #expect(await double.seen.wait(for: .called("DELETE /containers")))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    /// Six streams that end at once are one disconnection, and the pauses between them grow.
    @Test func eventStreamsThatEndAtOnceAreOpenedWithGrowingPausesAndToldOnce() async throws {
        defer { double.stop() }
        double.endEventStreams(6)
        let told = Happenings<DriverEvent>()
        let events = driver.events()
        let reading = Task { for await event in events { told.note(event) } }
        #expect(await double.seen.wait(for: .watched))
        #expect(pauses.all == [250, 500, 1000, 2000, 4000, 8000].map { .milliseconds($0) })
        #expect(told.all == [.resync, .disconnected("the event stream ended")])
        // One that lives is told again, and everything is looked at.
        #expect(await told.wait { $0.count == 3 && $0.last == .resync })
        reading.cancel()
    }
}
