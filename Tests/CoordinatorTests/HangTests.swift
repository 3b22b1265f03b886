import Testing

@testable import Coordinator
@testable import Fleet

/// One call that never returns holds up its own runner, and nothing else.
@Suite(.timeLimit(.minutes(10))) struct HangTests {
    @Test(arguments: ["create", "start", "list", "lastOutput", "signal", "remove", "register", "pause", "poll", "registrations"])
    func aCallThatHangsHoldsNothingUp(call: String) async throws {
        let house = try await House()
        let running = Task<Void, any Error> { await house.coordinator.run() }
        try await house.script.until("followed engine")
        // Following begins with a look.
        try await house.settled()
        let calls = house.script.count(call)
        switch call {
        case "create", "start", "register":
            house.script.hold(call, next: 1)
            try await house.hook(1)
        case "lastOutput":
            let runner = try await house.runner()
            house.script.hold(call, next: 1)
            house.engine.tell(.exited(runner: runner.id, exitCode: 1))
        case "signal", "pause":
            let runner = try await house.runner()
            house.script.hold(call, next: 1)
            _ = try await house.coordinator.dismiss(runner.id, force: false)
        case "remove":
            let runner = try await house.runner()
            house.script.hold(call, next: 1)
            _ = try await house.coordinator.dismiss(runner.id, force: true)
        default:
            house.script.hold(call, next: 1)
            await house.pass(.seconds(600))
        }
        try await house.script.until(call, count: calls + 1)

        // A webhook is answered, its job is served, an operator is answered, the watchdog is fed.
        let starts = house.script.count("start")
        try await house.hook(2)
        let other = try await house.coordinator.spawn(pool: "p")
        #expect(await house.coordinator.heartbeat().contains("GitLab ok"))
        try await house.until { $0.runners[other.id]?.phase == .starting }
        #expect(house.script.count("start") > starts)
        let view = try await house.coordinator.statusView()
        #expect(view.jobs["pending"] ?? 0 >= 1)

        house.script.release(call)
        try await house.until { $0.inFlight.isEmpty }
        running.cancel()
        try await outcome(of: running)
    }

    /// Nor is the disk: plans are made and the watchdog is fed while a write hangs.
    @Test func aDiskThatHangsHoldsUpEffectsOnly() async throws {
        let house = try await House()
        let flushes = house.script.count("flush")
        house.script.hold("flush")
        let hook = Task { try await house.hook(1) }
        try await house.script.until("flush", count: flushes + 2)
        try await house.until { $0.runners.count == 1 }
        #expect(await house.coordinator.heartbeat().contains("1 runner"))
        #expect(house.script.count("register") == 0 && house.script.count("create") == 0)
        house.script.release("flush")
        try await outcome(of: hook)
        try await house.script.until("start")
    }

    /// The clock alone makes a plan: nobody else asks for one.
    @Test func theLoopWakesByItself() async throws {
        let house = try await House()
        _ = try await house.coordinator.spawn(pool: "p")
        let state = try await house.until { $0.runners.values.contains { $0.phase == .starting } && $0.inFlight.isEmpty }
        let wake = try #require(Planner.plan(state, at: house.clock.now()).wakeAt)
        let time = wake - house.clock.now()
        try await house.clock.sleeper(for: time)
        house.forge.change { $0.hasContact = true }
        house.clock.advance(by: time)
        try await house.until { $0.runners.values.contains { $0.phase == .ready } }
    }
}
