import ControlModel
import Foundation
import Testing

@testable import Coordinator
@testable import Fleet

/// The words of the API, as its clients read them.
@Suite(.timeLimit(.minutes(10))) struct ViewTests {
    private func json(_ value: some Encodable) throws -> [String: any Sendable] {
        let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(value))
        return (object as? [String: Any] ?? [:]).mapValues { "\($0)" }
    }

    private func words(_ house: House) async throws -> [String] {
        try await house.coordinator.runnerViews().map { "\(try json($0)["status"] ?? "")/\(try json($0)["phase"] ?? "")" }
    }

    @Test func aRunnersStatusFollowsItsLife() async throws {
        let house = try await House()
        house.script.hold("create")
        let id = try await house.coordinator.spawn(pool: "p").id
        #expect(try await words(house) == ["provisioning/requested"])
        house.script.release("create")
        try await house.until { $0.runners[id]?.phase == .starting && $0.inFlight.isEmpty }
        #expect(try await words(house) == ["provisioning/starting"])
        house.forge.change { $0.hasContact = true }
        await house.pass(.seconds(1))
        try await house.until { $0.runners[id]?.phase == .ready }
        #expect(try await words(house) == ["idle/ready"])
        try await house.hook(1, .running, runner: 101)
        #expect(try await words(house) == ["busy/ready"])
        house.script.hold("pause")
        _ = try await house.coordinator.dismiss(id, force: false)
        #expect(try await words(house) == ["draining/pausing"])
        house.script.release("pause")
        try await house.until { $0.runners[id]?.phase == .draining }
        #expect(try await words(house) == ["draining/draining"])
        house.script.hold("signal")
        try await house.hook(1, .success, runner: 101)
        try await house.script.until("signal")
        #expect(try await words(house) == ["draining/stopping"])
        house.script.hold("remove")
        _ = try await house.coordinator.dismiss(id, force: true)
        #expect(try await words(house) == ["offline/ended"])
        house.script.release("signal")
        house.script.release("remove")
        try await house.until { $0.runners.isEmpty }
        // What is gone is in the store, with its history, once that is written.
        try await house.coordinator.setPaused(pool: "p", true)
        let gone = try #require(try await house.coordinator.runnerView("autogit-runner-\(id)"))
        #expect(gone.status == "offline" && gone.phase == "removed" && gone.history?.last?.event == "removed")
        #expect(try await house.coordinator.runnerView("nobody") == nil)
    }

    @Test func anIdleRunnerTellsItsTimes() async throws {
        let house = try await House()
        let runner = try await house.runner()
        house.clock.advance(by: .seconds(10))
        let view = try #require(await house.coordinator.runnerViews().first)
        #expect(view.id == runner.id && view.name == "autogit-runner-\(runner.id)" && view.driver == "container")
        #expect(view.cooldown_left == 290 && view.spawn_seconds == 1 && view.gitlab_id == 101 && view.container_id == "c-\(runner.id)")
        #expect(view.requested_at == "2025-11-24T16:00:00.000Z" && view.contacted_at == "2025-11-24T16:00:01.000Z" && view.tags == ["a"])
        #expect(try json(view)["stuck"] == nil)
    }

    @Test func aStuckRunnerSaysWhyEverywhere() async throws {
        let house = try await House()
        let runner = try await house.runner()
        house.script.fail("remove", Script.Failure(description: "500: device or resource busy"))
        _ = try await house.coordinator.dismiss(runner.id, force: true)
        for attempt in 1...3 {
            try await house.script.until("remove", count: attempt)
            try await house.until { $0.inFlight.isEmpty && $0.progress[runner.id]?.refusals == attempt }
            await house.pass(.seconds(70))
        }
        try await house.until { $0.stuckReason(of: runner.id) != nil }
        let view = try json(try #require(await house.coordinator.runnerViews().first))
        #expect(view["stuck"] as? String == "500: device or resource busy" && view["status"] as? String == "offline")
        let warning = "the runner autogit-runner-\(runner.id) is stuck while it is ended: 500: device or resource busy"
        #expect(house.coordinator.healthView().warnings == [warning] && house.coordinator.healthView().status == "healthy")
        #expect(try await house.coordinator.statusView().warnings == [warning])
        #expect(await house.coordinator.heartbeat().hasSuffix(warning))
        let lines = house.log.lines.filter { $0.fields["message_id"] == Incident.runnerStuck.rawValue }
        #expect(lines.map { $0.fields["reason"] } == ["500: device or resource busy"])
    }

    @Test func aWaitingJobSaysWhy() async throws {
        let house = try await House()
        try await house.hook(1, tags: ["gpu"])
        try await house.until { !$0.waiting.isEmpty }
        let text = "no pool has the tag gpu"
        let job = try #require(try await house.coordinator.jobView(1))
        #expect(try json(job)["waiting_reason"] as? String == text && job.status == "pending" && job.tags == ["gpu"])
        #expect(try await house.coordinator.jobViews().map(\.waiting_reason) == [text])
        let status = try await house.coordinator.statusView()
        #expect(status.waiting == ["1": text] && status.jobs == ["pending": 1] && status.version == "test" && status.instance == "house")
        #expect(await house.coordinator.heartbeat() == "no runners; 1 job waits; GitLab ok")
        #expect(try await house.coordinator.jobView(2) == nil)
    }

    @Test func aJobNamesItsRunnerAndItsTimes() async throws {
        let house = try await House()
        try await house.hook(1, tags: ["a"])
        let state = try await house.until { $0.runners.values.contains { $0.phase == .starting } }
        house.clock.advance(by: .seconds(3))
        try await house.hook(1, .running, runner: 101)
        let job = try #require(try await house.coordinator.jobView(1))
        #expect(job.runner == state.runners.keys.first && job.gitlab_runner_id == 101 && job.wait_seconds == 3 && job.waiting_reason == nil)
    }

    @Test func healthNamesWhatIsWrongWithWhich() async throws {
        let house = try await House([House.pool(), House.scope()])
        #expect(house.coordinator.healthView() == HealthView(status: "healthy", gitlab: "ok", engine: "ok", store: "ok"))
        house.script.fail("list systemd", Script.Failure(description: "no bus"))
        house.script.fail("poll", Trouble("no route", isOutage: true))
        await house.pass(.seconds(61))
        try await house.until { $0.places[House.systemd]?.reach.trouble != nil && $0.forges[.default]?.reach.trouble != nil }
        let health = house.coordinator.healthView()
        #expect(health.status == "degraded" && health.gitlab == "no route" && health.engine == "scope: no bus")
        #expect(await house.coordinator.heartbeat() == "no runners; no job waits; GitLab: no route; scope: no bus")
    }

    /// From 20 to 21 o'clock UTC; the clock stands at 16 on a Monday, and then somebody wakes the machine four hours later.
    @Test func aPoolShowsWhatIsInForce() async throws {
        var pool = House.pool()
        var schedule = Schedule(zone: .utc)
        (schedule.days, schedule.from, schedule.to) = (.weekdays, 20 * 60, 21 * 60)
        (schedule.warm, schedule.maxRunners, schedule.cooldown) = (.fixed(1), 3, .seconds(60))
        pool.schedules = [schedule]
        let house = try await House([pool])
        let before = try #require(await house.coordinator.poolViews().first)
        #expect(before.schedule == nil && before.schedule_until == "2025-11-24T20:00:00.000Z")
        #expect(before.warm == 0 && before.max_runners == 10 && before.cooldown == 300)
        house.clock.setCalendar(ahead: .seconds(4 * 3600))
        _ = await house.coordinator.heartbeat()
        try await house.settled()
        let after = try #require(await house.coordinator.poolViews().first)
        #expect(
            after.schedule == "mon-fri 20:00-21:00 UTC" && after.schedule_until == "2025-11-24T21:00:00.000Z" && after.warm == 1 && after.max_runners == 3
                && after.cooldown == 60)
        #expect(await house.coordinator.runnerViews().count == 1)
    }

    /// The clock stands at 16 o'clock on a Monday; two jobs came at once a week ago, soon after 17 o'clock.
    @Test func whatWasLearnedIsShownWithItsReason() async throws {
        var pool = House.pool()
        pool.warmth = .auto
        let house = try await House([pool])
        let before = try #require(await house.coordinator.poolViews().first)
        #expect(before.warm == 0 && before.warm_reason == "no job of the pool is known from the last four weeks")
        let then = house.clock.now() + .seconds(3900 - 7 * 86_400)
        house.store.remember(["p": [then, then + .seconds(1)], "gone": [then]])
        await house.pass(.seconds(3600))
        try await house.until { $0.forecasts["p"] != nil && $0.runners.count == 2 && $0.inFlight.isEmpty }
        let after = try #require(await house.coordinator.poolViews().first)
        #expect(after.warm == 2 && after.warm_reason == "2 jobs came at once around this time of Mondays, last week")
        house.script.fail("arrivals")
        await house.pass(.seconds(3600))
        try await house.until { $0.inFlight.isEmpty }
        #expect(house.coordinator.healthView().store == "ok", "that the past can't be read is no reason to start nothing")
    }

    @Test func aWarningIsNoIllness() async throws {
        let house = try await House()
        await house.coordinator.warn(["the token ends tomorrow"], from: "token")
        #expect(house.coordinator.healthView() == HealthView(status: "healthy", gitlab: "ok", engine: "ok", store: "ok", warnings: ["the token ends tomorrow"]))
        await house.coordinator.warn([], from: "token")
        #expect(house.coordinator.healthView().warnings == [])
    }

    @Test func aFreshDaemonKnowsNothingAndIsHealthy() {
        let state = FleetState(.init(pools: [House.pool()]), seed: 1)
        #expect(state.healthView() == HealthView(status: "healthy", gitlab: "unknown", engine: "unknown", store: "ok"))
        #expect(state.statusLine() == "no runners; no job waits; GitLab unknown")
    }
}
