import Testing

@testable import Coordinator
@testable import Fleet

/// From the first plan to the last.
@Suite(.timeLimit(.minutes(10))) struct LifeTests {
    // MARK: Settling

    @Test func settlingWaitsForWhatIsUnderWayAndWritesIt() async throws {
        let house = try await House()
        house.script.hold("create")
        try await house.hook(1)
        try await house.script.until("create")
        let settling = Task<Void, any Error> {
            await house.coordinator.settle(within: .seconds(47))
            house.script.note("settled")
        }
        // A time that nothing else waits for.
        try await house.clock.sleeper(for: .seconds(47))
        try await house.hook(2)
        house.script.release("create")
        try await outcome(of: settling)
        let script = house.script
        #expect(try #require(script.index(of: "start")) < #require(script.index(of: "settled")))
        #expect(house.store.disk.runners.values.map(\.phase) == [.starting])
        // A job that came meanwhile is written, and the next life's to serve.
        #expect(house.store.disk.jobs[JobRef(.default, 2)] != nil && script.count("create") == 1)
        await house.pass(.seconds(100))
        #expect(await house.coordinator.runnerViews().count == 1)
        await #expect(throws: Refusal.self) { try await house.coordinator.spawn(pool: "p") }
    }

    @Test func settlingWaitsNoLongerThanItIsTold() async throws {
        let house = try await House()
        house.script.hold("create")
        try await house.hook(1)
        try await house.script.until("create")
        let settling = Task<Void, any Error> { await house.coordinator.settle(within: .seconds(11)) }
        try await house.clock.sleeper(for: .seconds(11))
        house.clock.advance(by: .seconds(11))
        try await outcome(of: settling)
        #expect(house.script.count("start") == 0)
        #expect(house.store.disk.runners.values.map(\.phase) == [.requested])
        house.script.release("create")
        try await house.script.until("start")
    }

    @Test func settlingWhenNothingIsUnderWayIsOverAtOnce() async throws {
        let house = try await House()
        try await outcome { await house.coordinator.settle(within: .seconds(1_000_000)) }
        #expect(await house.coordinator.heartbeat().hasPrefix("no runners"))
    }

    // MARK: Reloading

    @Test func reloadingKeepsWhatAPoolWentThrough() async throws {
        let house = try await House([House.pool("p"), House.pool("q", ["b"])])
        house.script.fail("create")
        try await house.hook(1)
        try await house.until { $0.pools[0].failures == 1 && $0.runners.isEmpty }
        house.script.mend("create")
        try await house.coordinator.setPaused(pool: "q", true)
        var (p, q) = (House.pool("p", max: 3), House.pool("q", ["b"]))
        (p.cooldown, q.cooldown) = (.seconds(7), .seconds(7))
        await house.coordinator.reload(House.configuration([q, p, House.pool("new", ["c"])]))
        let views = await house.coordinator.poolViews()
        #expect(views.map(\.name) == ["q", "p", "new"] && views.map(\.cooldown) == [7, 7, 300])
        #expect(views.map(\.paused) == [true, false, false] && views.map(\.failures) == [0, 1, 0])
        #expect(views[1].last_error == "start failed: boom" && views[1].retry_at != nil && views[1].max_runners == 3)
    }

    @Test func reloadingSendsAwayTheRunnersOfAPoolThatIsGone() async throws {
        let house = try await House([House.pool("p"), House.pool("q", ["b"])])
        let runner = try await house.runner(in: "q")
        await house.coordinator.reload(House.configuration([House.pool("p")]))
        try await house.until { $0.runners[runner.id]?.phase == .stopping }
        #expect(await house.coordinator.runnerViews().map(\.reason) == ["its pool is no longer configured"])
    }

    @Test func aPoolThatWasPausedBeforeTheStartIsPaused() async throws {
        let house = try await House(paused: ["p"])
        try await house.hook(1)
        try await house.until { $0.waiting[JobRef(.default, 1)] == .poolPaused("p") }
        #expect(house.script.count("register") == 0)
    }

    // MARK: Drivers' events

    @Test func eventsAreFollowedFromRunningToItsEnd() async throws {
        let house = try await House()
        #expect(house.script.count("followed") == 0)
        let running = Task<Void, any Error> { await house.coordinator.run() }
        try await house.script.until("followed engine")
        let runner = try await house.runner()
        house.engine.tell(.outOfMemory(runner: runner.id))
        house.engine.tell(.exited(runner: runner.id, exitCode: 0))
        try await house.until { $0.runners[runner.id] == nil }
        #expect(house.log.lines("The kernel killed a process of the runner at its memory limit").count == 1)
        // Another pool, another driver.
        await house.coordinator.reload(House.configuration([House.pool(), House.scope()]))
        try await house.script.until("followed systemd")
        let looks = house.script.count("listed systemd")
        house.systemd.tell(.resync)
        try await house.script.until("listed systemd", count: looks + 1)
        #expect(house.script.count("followed") == 2)
        running.cancel()
        try await outcome(of: running)
        try await house.script.until("unfollowed engine")
        try await house.script.until("unfollowed systemd")
    }

    @Test func runningIsOverAtOnceWhenItWasCancelledBefore() async throws {
        let house = try await House()
        let running = Task<Void, any Error> {
            withUnsafeCurrentTask { $0?.cancel() }
            await house.coordinator.run()
        }
        try await outcome(of: running)
        try await house.script.until("unfollowed engine")
    }
}
