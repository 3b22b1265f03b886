import Fleet
import Foundation
import HTTPTransfer
import Logging
import TestBench
import Testing

@testable import ContainerDriver

/// Engines that speak other versions of the API than the one before, or than we do.
@Suite(.timeLimit(.minutes(10))) struct APIVersionTests {
    private let scratch: ScratchFolder
    private let double: EngineDouble
    private let engine: Engine
    private let driver: ContainerDriver

    init() throws {
        scratch = try ScratchFolder("version")
        double = try EngineDouble(socket: "\(scratch.path)/s")
        engine = Engine(socket: double.socket, http: HTTPClient())
        driver = ContainerDriver(engine: engine, instance: "i", pullSilence: .seconds(60), log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) { _ in
        }
    }

    private var spec: RunnerSpec { RunnerSpec(runner: "abcd2345", instance: "i", pool: Pool(name: "p")) }

    /// Docker Engine 29 takes nothing before 1.44; Podman 4 and 5, and Docker 20.10, nothing after 1.41.
    @Test(arguments: [(44...52, "1.52"), (24...41, "1.41"), (24...47, "1.47"), (44...60, "1.52"), (41...41, "1.41")] as [(ClosedRange<Int>, String)])
    func theNewestVersionThatBothKnowIsSpoken(versions: ClosedRange<Int>, spoken: String) async throws {
        defer { double.stop() }
        double.speak(versions)
        #expect(try await driver.list().isEmpty)
        try await driver.remove("abcd2345")
        #expect(Set(double.versions.all) == [spoken])
        // Asked once, however many calls there are, and not for what takes Podman a second to tell.
        #expect(double.seen.all.count { $0 == .called("GET /_ping") } == 1 && !double.seen.all.contains(.called("GET /version")))
    }

    @Test(arguments: [(53...60, "1.53"), (20...40, "1.40")] as [(ClosedRange<Int>, String)])
    func anEngineThatKnowsNoneOfOursIsToldAsAnOutageWithTheNextStep(versions: ClosedRange<Int>, named: String) async throws {
        defer { double.stop() }
        double.speak(versions)
        let error = await #expect(throws: EngineError.self) { _ = try await driver.list() }
        #expect(error?.isOutage == true)
        #expect(error?.message.contains(named) == true && error?.message.contains("update") == true, "\(String(describing: error))")
    }

    /// It was upgraded, or downgraded, while nobody called.
    @Test(arguments: [(24...41, 44...52, "1.52"), (44...52, 24...41, "1.41")] as [(ClosedRange<Int>, ClosedRange<Int>, String)])
    func anEngineThatComesBackWithOtherVersionsIsAskedAgain(before: ClosedRange<Int>, after: ClosedRange<Int>, spoken: String) async throws {
        defer { double.stop() }
        double.speak(before)
        _ = try await driver.list()
        double.speak(after)
        _ = try await driver.create(spec)
        // What was refused for its version was not done, so it is asked for again, and done once.
        #expect(try await driver.list().count == 1)
        #expect(double.versions.all.last == spoken)
        double.speak(before)
        let events = try await engine.stream("GET", "/events")
        #expect(await double.seen.wait(for: .watched))
        withExtendedLifetime(events) {}
    }

    /// One that learned more while the old version still does is noticed by what it says of itself.
    @Test func aNewerVersionIsTakenUpWithoutARefusal() async throws {
        defer { double.stop() }
        double.speak(24...44)
        _ = try await driver.list()
        double.speak(24...50)
        _ = try await driver.list()
        _ = try await driver.list()
        #expect(double.versions.all.suffix(1) == ["1.50"])
    }

    /// A refusal of another kind is passed on as it is.
    @Test func anotherRefusalIsNotTakenForOneOfTheVersion() async throws {
        defer { double.stop() }
        double.speak(44...52)
        double.answer("GET /containers/json", with: .init(400, #"{"message":"invalid filter 'x'"}"#))
        let error = await #expect(throws: EngineError.self) { _ = try await driver.list() }
        #expect(error?.isOutage == false && error?.message.contains("invalid filter") == true)
    }
}
