import ControlModel
import Testing

@testable import Coordinator
@testable import Fleet

/// What an operator orders, and what comes of it.
@Suite(.timeLimit(.minutes(10))) struct OrderTests {
    // MARK: Spawning

    @Test func spawningIsMetWithARunner() async throws {
        let house = try await House()
        let view = try await house.coordinator.spawn(pool: "p")
        #expect(view.pool == "p" && view.status == "provisioning" && view.phase == "requested")
        try await house.until { $0.runners[view.id]?.phase == .starting }
        #expect(house.log.lines("Starting a runner").map { $0.fields["runner"] } == [view.id])
    }

    /// A pool that is paused or waits after a failure still obeys its operator.
    @Test func spawningOverridesAPauseAndABackOff() async throws {
        let house = try await House()
        house.script.fail("create")
        try await house.hook(1)
        try await house.until { $0.pools[0].failures == 1 && $0.runners.isEmpty }
        house.script.mend("create")
        try await house.coordinator.setPaused(pool: "p", true)
        let view = try await house.coordinator.spawn(pool: "p")
        try await house.until { $0.runners[view.id]?.phase == .starting }
    }

    @Test func spawningIsRefusedInTheReasonsWords() async throws {
        let house = try await House([House.pool(max: 1)])
        _ = try await house.coordinator.spawn(pool: "p")
        let refusal = await #expect(throws: Refusal.self) { try await house.coordinator.spawn(pool: "p") }
        #expect(refusal?.kind == .conflict && refusal?.message == WaitingReason.atMaximum(pool: "p", max: 1).text)
        let unknown = await #expect(throws: Refusal.self) { try await house.coordinator.spawn(pool: "x") }
        #expect(unknown?.kind == .notFound && unknown?.message == "there is no pool x; the pools are p")
        // It is an order, and no wish: once refused, it is forgotten.
        await house.pass(.seconds(1))
        #expect(await house.coordinator.runnerViews().count == 1)
    }

    // MARK: Draining hosts

    @Test func aDrainedHostLetsItsIdleRunnerGoAndIsRememberedSo() async throws {
        let house = try await House()
        let runner = try await house.runner()
        try await house.coordinator.setDrained(host: "local", true)
        try await house.until { $0.runners[runner.id]?.phase ?? .removed > .ready }
        #expect(house.store.disk.drained == [.local])
        #expect(await house.coordinator.hostViews().map(\.drained) == [true])
        try await house.hook(1)
        try await house.until { $0.waiting[JobRef(.default, 1)] == .hostDrained(.local) }
        try await house.coordinator.setDrained(host: "local", false)
        try await house.until { $0.runners.values.contains { $0.launchedFor == 1 } }
        #expect(house.store.disk.drained.isEmpty)
    }

    @Test func aHostThatIsNotThereCannotBeDrained() async throws {
        let house = try await House()
        let refusal = await #expect(throws: Refusal.self) { try await house.coordinator.setDrained(host: "attic", true) }
        #expect(refusal?.kind == .notFound && refusal?.message == "there is no host attic; there are: local")
    }

    // MARK: Dismissing

    @Test func aRunnerThatIsBeingMadeCanOnlyBeForcedToGo() async throws {
        let house = try await House()
        house.script.hold("create")
        let id = try await house.coordinator.spawn(pool: "p").id
        let refusal = await #expect(throws: Refusal.self) { try await house.coordinator.dismiss(id, force: false) }
        #expect(refusal?.kind == .conflict)
        #expect(try await house.coordinator.dismiss(id, force: true).phase == "ended")
        house.script.release("create")
        try await house.until { $0.runners.isEmpty }
        #expect(house.engine.objects.isEmpty && house.forge.now.registrations.isEmpty)
    }

    @Test func aBusyRunnerFinishesItsJobFirst() async throws {
        let house = try await House()
        let runner = try await house.busyRunner(job: 1)
        // People copy names.
        #expect(try await house.coordinator.dismiss(runner.name, force: false).status == "draining")
        try await house.until { $0.runners[runner.id]?.phase == .draining && $0.inFlight.isEmpty }
        await house.pass(.seconds(1))
        #expect(house.script.count("pause") == 1 && house.script.count("signal") == 0 && house.script.count("remove") == 0)
        try await house.hook(1, .success, runner: runner.gitlabID)
        try await house.script.until("signal")
        #expect(house.script.first("signal") == "signal \(runner.id) stopping SIGQUIT")
    }

    @Test func forceTakesABusyRunnerAtOnce() async throws {
        let house = try await House()
        let runner = try await house.busyRunner(job: 1)
        let view = try await house.coordinator.dismiss(runner.id, force: true)
        #expect(view.status == "offline" && view.reason == "removed by force" && view.current_job == nil)
        try await house.until { $0.runners.isEmpty }
        #expect(house.engine.objects.isEmpty && house.forge.now.registrations.isEmpty && house.script.count("pause") == 0)
        let stored = try await house.coordinator.runnerView(runner.id)
        #expect(stored == nil || stored?.reason == "removed by force")
    }

    @Test(arguments: [false, true])
    func aRunnerThatIsNotThereIsNotFound(force: Bool) async throws {
        let house = try await House()
        let refusal = await #expect(throws: Refusal.self) { try await house.coordinator.dismiss("nobody", force: force) }
        #expect(refusal?.kind == .notFound)
        let log = await #expect(throws: Refusal.self) { _ = try await house.coordinator.log(of: "nobody", lines: 1, follow: false) }
        #expect(log?.kind == .notFound)
    }

    // MARK: Pausing

    @Test func aPauseIsOnDiskWhenItIsAnswered() async throws {
        let house = try await House()
        try await house.coordinator.setPaused(pool: "p", true)
        #expect(house.store.disk.paused == ["p"])
        try await house.hook(1)
        try await house.until { $0.waiting[JobRef(.default, 1)] == .poolPaused("p") }
        try await house.coordinator.setPaused(pool: "p", false)
        #expect(house.store.disk.paused.isEmpty)
        try await house.script.until("start")
        let refusal = await #expect(throws: Refusal.self) { try await house.coordinator.setPaused(pool: "x", true) }
        #expect(refusal?.kind == .notFound)
    }

    @Test func aPauseThatCouldNotBeWrittenThrows() async throws {
        let house = try await House()
        house.script.fail("flush", Script.Failure(description: "the disk is full"))
        let refusal = await #expect(throws: Refusal.self) { try await house.coordinator.setPaused(pool: "p", true) }
        #expect(refusal?.message.contains("the disk is full") == true)
    }

    // MARK: Evacuating

    @Test func evacuatingTakesEveryoneAndWhatIsNobodys() async throws {
        let house = try await House()
        let idle = try await house.runner()
        let busy = try await house.busyRunner(job: 1)
        house.engine.leave("stranger")
        await house.pass(.seconds(5))
        let left = try await outcome { await house.coordinator.evacuate(within: .seconds(47)) }
        #expect(left.isEmpty)
        #expect(house.engine.objects.isEmpty && house.forge.now.registrations.isEmpty)
        #expect(
            house.script.lines(about: idle.id).contains("remove \(idle.id) ended") && house.script.lines(about: busy.id).contains("remove \(busy.id) ended"))
        let refusal = await #expect(throws: Refusal.self) { try await house.coordinator.spawn(pool: "p") }
        #expect(refusal?.message == WaitingReason.evacuating.text)
        try await house.hook(2)
        try await house.until { $0.waiting[JobRef(.default, 2)] == .evacuating }
    }

    @Test func evacuatingNamesWhoIsLeftWhenItsTimeIsOver() async throws {
        let house = try await House()
        let runner = try await house.runner()
        house.script.fail("remove")
        let evacuating = Task<[RunnerView], any Error> { await house.coordinator.evacuate(within: .seconds(11)) }
        try await house.clock.sleeper(for: .seconds(11))
        house.clock.advance(by: .seconds(11))
        #expect(try await outcome(of: evacuating).map(\.id) == [runner.id])
    }
}
