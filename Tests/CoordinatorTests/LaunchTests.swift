import Testing

@testable import Coordinator
@testable import Fleet

@Suite(.timeLimit(.minutes(10))) struct LaunchTests {
    /// The intent is on disk before anything is made, and what was made before anything runs.
    @Test func aLaunchGoesThroughItsStepsInOrder() async throws {
        let house = try await House()
        try await house.hook(1)
        let state = try await house.until { $0.runners.values.contains { $0.phase == .starting } }
        let id = try #require(state.runners.keys.first)
        let lines = house.script.lines(about: id)
        #expect(lines.first == "write \(id) requested")
        #expect(
            lines.filter { $0.hasPrefix("regist") || $0.hasPrefix("create") }.sorted() == [
                "create \(id) requested", "created \(id)", "register \(id) requested", "registered \(id)",
            ])
        #expect(lines.suffix(2) == ["write \(id) requested 101 c-\(id)", "start \(id) requested"])
        #expect(lines.count == 7)
        #expect(state.runners[id]?.launchedFor == 1)
    }

    @Test func registeringAndCreatingGoOnAtTheSameTime() async throws {
        let house = try await House()
        house.script.hold("register")
        house.script.hold("create")
        try await house.hook(1)
        try await house.script.until("register")
        try await house.script.until("create")
        house.script.release("create")
        // What was made is known, though the other half hangs.
        try await house.until { $0.runners.values.contains { $0.containerID != nil && $0.gitlabID == nil } }
        house.script.release("register")
        try await house.script.until("start")
    }

    /// The write that tells a later life where to find it hangs: so does the start.
    @Test func nothingIsStartedBeforeItCanBeFoundAgain() async throws {
        let house = try await House()
        house.script.hold("registered")
        try await house.hook(1)
        try await house.script.until("registered")
        let before = house.script.count("flush")
        house.script.hold("flush")
        house.script.release("registered")
        try await house.script.until("flush", count: before + 1)
        _ = await house.coordinator.heartbeat()
        #expect(house.script.count("start") == 0)
        house.script.release("flush")
        try await house.script.until("start")
        #expect(house.store.disk.runners.values.first?.gitlabID == 101)
    }

    @Test(arguments: ["register", "create"])
    func aLaunchThatFailsHalfWayIsTakenBackWhole(half: String) async throws {
        let house = try await House()
        house.script.fail(half)
        try await house.hook(1)
        try await house.until { $0.spawns.failed == 1 && $0.runners.isEmpty }
        #expect(house.engine.objects.isEmpty && house.forge.now.registrations.isEmpty)
        #expect(house.script.count("start") == 0)
        let views = await house.coordinator.poolViews()
        #expect(views.first?.failures == 1 && views.first?.last_error == "start failed: boom")
    }

    /// A start whose answer is an error may have worked: the runner is looked at before it is given up.
    @Test func aStartThatFailedAndWorkedIsKept() async throws {
        let house = try await House()
        house.script.fail("start")
        try await house.hook(1)
        let state = try await house.until { $0.runners.values.contains { $0.phase == .starting } && $0.inFlight.isEmpty }
        let id = try #require(state.runners.keys.first)
        house.engine.leave(id)
        await house.pass(.seconds(1))
        try await house.settled()
        house.forge.change { $0.hasContact = true }
        await house.pass(.seconds(1))
        try await house.until { $0.runners[id]?.phase == .ready }
        #expect(house.script.count("remove") == 0)
    }
}
