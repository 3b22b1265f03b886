import Testing

@testable import Coordinator
@testable import Fleet

/// The log of a runner that died, from its death to long after.
@Suite(.timeLimit(.minutes(10))) struct KeptLogTests {
    private func dead(in house: House) async throws -> RunnerID {
        let runner = try await house.runner()
        let running = Task<Void, any Error> { await house.coordinator.run() }
        try await house.script.until("followed engine")
        house.engine.tell(.exited(runner: runner.id, exitCode: 1))
        try await house.until { $0.runners[runner.id] == nil }
        running.cancel()
        try await outcome(of: running)
        return runner.id
    }

    private func text(_ house: House, _ id: RunnerID, lines: Int = 100, follow: Bool = false) async throws -> String {
        var bytes: [UInt8] = []
        for try await chunk in try await house.coordinator.log(of: id, lines: lines, follow: follow) { bytes += chunk }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func refusal(_ house: House, _ id: RunnerID) async throws -> String {
        let error = await #expect(throws: Refusal.self) { _ = try await house.coordinator.log(of: id, lines: 1, follow: false) }
        #expect(error?.kind == .notFound)
        return error?.message ?? ""
    }

    @Test func itIsOnDiskBeforeTheRunnerIsRemovedAndHasNoTokenInIt() async throws {
        let house = try await House()
        let id = try await dead(in: house)
        let steps = house.script.lines(about: id).map { $0.split(separator: " ")[0] }.filter { ["lastOutput", "keep", "remove"].contains($0) }
        #expect(steps == ["lastOutput", "keep", "remove"])
        let whole = "its token is glrt-[MASKED]\nits last words\n"
        #expect(try await text(house, id) == whole)
        // By its name, and followed: it ends.
        #expect(try await text(house, Runner.name(of: id), lines: 1, follow: true) == "its last words\n")
        let told = try #require(house.log.lines("The runner's last lines").first)
        #expect(told.fields["last_lines"] == "its token is glrt-[MASKED] | its last words")
        #expect(try await house.coordinator.runnerView(id)?.has_log == true)
        let views = try await house.coordinator.keptLogViews()
        #expect(views.map(\.runner) == [id] && views.map(\.pool) == ["p"] && views.map(\.bytes) == [whole.utf8.count])
    }

    @Test func aDiskThatDoesNotTakeItHoldsNothingUp() async throws {
        let house = try await House()
        house.script.fail("keep", Script.Failure(description: "the disk is full"))
        let id = try await dead(in: house)
        let told = house.log.lines.filter { $0.fields["event"] == "logNotKept" }
        #expect(told.count == 1 && told[0].level == .warning && told[0].fields["reason"] == "the disk is full" && told[0].fields["runner"] == id)
        #expect(try await refusal(house, id).contains("it wrote none, or it is not kept any more"))
        #expect(try await house.coordinator.runnerView(id)?.has_log == false)
    }

    @Test func aRunnerThatDidNotFailHasNone() async throws {
        let house = try await House()
        let runner = try await house.runner()
        _ = try await house.coordinator.dismiss(runner.id, force: true)
        try await house.until { $0.runners[runner.id] == nil }
        #expect(house.script.count("lastOutput") == 0)
        // Its end may be on its way to the disk yet.
        try await house.store.flush()
        let message = try await refusal(house, runner.id)
        #expect(message.contains("it did not fail") && message.contains("only logs of runners that failed to start or died are kept"))
        #expect(try await refusal(house, "nosuch") == "there is no runner nosuch")
    }

    @Test func aLiveRunnersLogIsItsDrivers() async throws {
        let house = try await House()
        let runner = try await house.runner()
        _ = try await text(house, runner.id)
        #expect(house.script.count("log") == 1)
    }
}
