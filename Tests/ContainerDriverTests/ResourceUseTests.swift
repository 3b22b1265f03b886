import Fleet
import HTTPTransfer
import Logging
import TestBench
import Testing

@testable import ContainerDriver

/// What the driver makes of engines' statistics, in the forms of Docker 20.10 on either version of control groups, and of Podman 4.3. The container
/// is on no machine that could be seen from here, so the engine is asked.
@Suite(.timeLimit(.minutes(10))) struct ResourceUseTests {
    private let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder("use") }

    private static let list = """
        [{"Id":"own","State":"running","Labels":{"autogit.owner":"i","autogit.runner":"shell"}},
         {"Id":"keeper","State":"running","Labels":{"autogit.owner":"i","autogit.runner":"images","autogit.socket":"1:2"}},
         {"Id":"build","State":"running","Labels":{"autogit.owner":"i","autogit.job.runner":"images"}},
         {"Id":"over","State":"exited","Labels":{"autogit.owner":"i","autogit.job.runner":"images"}},
         {"Id":"idle","State":"running","Labels":{"autogit.owner":"i","autogit.runner":"idle"}}]
        """

    private func use(_ statistics: @escaping @Sendable (String) -> (Int, String)) async throws -> [RunnerID: [ResourceSample]] {
        let server = try BareServer(path: "\(scratch.path)/s") { request, connection in
            let path = request.target.split(separator: "?")[0]
            let parts = path.split(separator: "/").map(String.init)
            if path.hasSuffix("/containers/json") { return _ = connection.answer(200, Self.list) }
            guard path.hasSuffix("/stats") else { return _ = connection.answer(404, "{}") }
            let answer = statistics(parts[parts.count - 2])
            connection.answer(answer.0, answer.1)
        }
        defer { server.stop() }
        let driver = ContainerDriver(
            engine: Engine(socket: "\(scratch.path)/s", http: HTTPClient()), instance: "i", pullSilence: .seconds(600),
            log: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), sleep: { _ in })
        return try await driver.use(of: ["shell", "images"])
    }

    @Test(arguments: [
        (#""stats":{"inactive_file":40,"file":70}"#, Int64(60)), (#""stats":{"total_inactive_file":30}"#, 70), (#""stats":{}"#, 100), (#""limit":9"#, 100),
    ])
    func aRunnersOwnContainerOrThoseOfItsJobsAreMeasured(memory: String, bytes: Int64) async throws {
        let found = try await use { _ in (200, #"{"cpu_stats":{"cpu_usage":{"total_usage":2500000000}},"memory_stats":{"usage":100,\#(memory)}}"#) }
        #expect(
            found == [
                "shell": [ResourceSample(id: "own", cpu: .milliseconds(2500), memory: bytes)],
                "images": [ResourceSample(id: "build", cpu: .milliseconds(2500), memory: bytes, isOfJob: true)],
            ])
    }

    @Test func oneThatHasEndedMeanwhileIsLeftOut() async throws {
        let found = try await use { id in
            id == "own"
                ? (404, #"{"message":"no such container"}"#) : (200, #"{"cpu_stats":{"cpu_usage":{"total_usage":1}},"memory_stats":{"usage":7}}"#)
        }
        #expect(found.keys.sorted() == ["images"])
    }

    @Test func anEngineThatMeasuresNothingSaysWhy() async throws {
        // As a rootless Podman on control groups of version 1 says.
        do {
            let found = try await use { _ in (500, #"{"cause":"stats is not supported in rootless mode without cgroups v2"}"#) }
            Issue.record("it measured \(found)")
        } catch let error as EngineError { #expect(error.message.contains("not supported in rootless mode") && !error.isOutage) }
    }

    @Test func statisticsWithoutFiguresAreNone() async throws {
        let found = try await use { _ in (200, #"{"cpu_stats":{},"memory_stats":{}}"#) }
        #expect(found == [:])
    }
}
