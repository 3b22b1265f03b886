import Testing

@testable import Coordinator
@testable import Fleet

@Suite(.timeLimit(.minutes(10))) struct ReconcileTests {
    private let ghost = ForgeRunner(id: 7, description: "autogit-runner-gone", maintenanceNote: "instance=house ", hasContacted: true)

    @Test func whatIsNobodysIsReportedAndTakenAwayWhenThatIsWanted() async throws {
        let house = try await House()
        _ = try await house.runner()
        house.engine.leave("stranger")
        house.forge.change { $0.registrations[7] = ghost }
        let found = try await house.coordinator.reconcile(dryRun: true)
        #expect(found.map(\.what) == ["container", "registration"])
        #expect(found.map(\.name) == ["autogit-runner-stranger", "autogit-runner-gone (7)"])
        #expect(found.allSatisfy { $0.action == "remove" && $0.reason == "no runner owns it" })
        #expect(house.engine.objects["stranger"] != nil && house.forge.now.registrations[7] != nil)
        #expect(house.script.count("remove") == 0 && house.script.count("unregister") == 0)

        await house.pass(.seconds(1))
        let mended = try await outcome { try await house.coordinator.reconcile(dryRun: false) }
        #expect(mended == found)
        #expect(house.engine.objects["stranger"] == nil && house.forge.now.registrations[7] == nil)
        #expect(try await house.coordinator.reconcile(dryRun: true).isEmpty)
    }

    /// What was made is there, and its answer is still on its way.
    @Test func aLaunchInProgressIsNoOrphan() async throws {
        let house = try await House()
        house.script.hold("created")
        house.script.hold("registered")
        _ = try await house.coordinator.spawn(pool: "p")
        try await house.script.until("created")
        try await house.script.until("registered")
        #expect(house.engine.objects.count == 1 && house.forge.now.registrations.count == 1)
        await house.pass(.seconds(1))
        #expect(try await house.coordinator.reconcile(dryRun: true).isEmpty)
        house.script.release("created")
        house.script.release("registered")
        try await house.script.until("start")
    }

    @Test(arguments: ["pause", "running", "signal"])
    func aDrainInProgressIsNoOrphan(step: String) async throws {
        let house = try await House()
        let runner = try await house.runner()
        house.script.hold(step)
        _ = try await house.coordinator.dismiss(runner.id, force: false)
        try await house.script.until(step)
        await house.pass(.seconds(1))
        #expect(try await house.coordinator.reconcile(dryRun: true).isEmpty)
        house.script.release(step)
        try await house.script.until("signal")
    }

    @Test(arguments: ["remove", "unregister"])
    func aRemovalInProgressIsNoOrphan(half: String) async throws {
        let house = try await House()
        let runner = try await house.runner()
        house.script.hold(half)
        _ = try await house.coordinator.dismiss(runner.id, force: true)
        try await house.script.until(half)
        await house.pass(.seconds(1))
        #expect(try await house.coordinator.reconcile(dryRun: true).isEmpty)
        house.script.release(half)
        try await house.until { $0.runners.isEmpty }
    }

    /// A list that was asked for before shows it still.
    @Test(arguments: ["listed", "registrations"])
    func aRemovalThatEndsDuringTheLookIsNoOrphan(list: String) async throws {
        let house = try await House()
        let runner = try await house.runner()
        house.script.hold(list, next: 1)
        let lists = house.script.count(list)
        let looking = Task { try await house.coordinator.reconcile(dryRun: true) }
        try await house.script.until(list, count: lists + 1)
        await house.pass(.milliseconds(5))
        _ = try await house.coordinator.dismiss(runner.id, force: true)
        try await house.until { $0.runners.isEmpty }
        house.script.release(list)
        #expect(try await outcome(of: looking).isEmpty)
    }

    @Test func aRunnerWhoseContainerIsGoneIsReported() async throws {
        let house = try await House()
        let runner = try await house.runner()
        try await house.engine.remove(runner.id)
        let found = try await house.coordinator.reconcile(dryRun: true)
        #expect(found.map(\.what) == ["runner"] && found.map(\.name) == [runner.name] && found.map(\.reason) == ["its container is gone"])
    }

    /// The others are looked at all the same.
    @Test func aHostThatDoesNotAnswerIsSkippedAndSaidToBe() async throws {
        let house = try await House(others: ["desktop1"])
        house.engine.leave("stranger")
        house.script.fail("list desktop1")
        let found = try await house.coordinator.reconcile(dryRun: true)
        #expect(found.map { "\($0.what) \($0.name) \($0.action)" } == ["container autogit-runner-stranger remove", "host desktop1 skip"])
    }

    /// Half a look is none.
    @Test(arguments: ["list", "registrations"])
    func whoCannotBeAskedIsAnError(call: String) async throws {
        let house = try await House()
        house.script.fail(call)
        await #expect(throws: Script.Failure.self) { try await house.coordinator.reconcile(dryRun: true) }
    }
}
