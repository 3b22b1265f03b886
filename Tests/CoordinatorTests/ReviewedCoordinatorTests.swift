import ControlModel
import Testing

@testable import Coordinator
@testable import Fleet

/// Faults of the actor that a review found, before anybody met them.
@Suite(.timeLimit(.minutes(10))) struct ReviewedCoordinatorTests {
    /// GitLab was installed afresh between the look and the removal, and the number is somebody else's by now.
    @Test func aGhostsNumberIsLookedAtAgainBeforeItIsRemoved() async throws {
        let house = try await House()
        house.forge.change {
            $0.registrations[7] = ForgeRunner(id: 7, description: "autogit-runner-gone", maintenanceNote: "instance=house ", hasContacted: true)
        }
        house.script.fail("unregister", Trouble("502", isOutage: true))
        await house.pass(.seconds(600))
        try await house.script.until("unregister")
        try await house.settled()
        house.forge.change { $0.registrations[7] = ForgeRunner(id: 7, description: "somebody else's", maintenanceNote: nil, hasContacted: true) }
        house.script.mend("unregister")
        for _ in 0..<3 {
            await house.pass(.seconds(70))
            try await house.settled()
        }
        #expect(house.forge.now.registrations[7] != nil)
    }

    /// A look and a sweep begin while runners are still going; what comes to light afterwards is nobody's.
    @Test func evacuatingLooksAfterTheLastRunnerIsGone() async throws {
        let house = try await House()
        _ = try await house.runner()
        house.script.hold("remove")
        let evacuating = Task<[RunnerView], any Error> { await house.coordinator.evacuate(within: .seconds(3600)) }
        try await house.script.until("remove")
        let sweeps = house.script.count("registrations")
        await house.pass(.seconds(601))
        try await house.script.until("registrations", count: sweeps + 1)
        try await house.until {
            $0.forges[.default]?.sweepBegan == house.clock.now() && !$0.isUnderWay(.sweep(.default)) && !$0.isUnderWay(.place(House.engine))
        }
        house.engine.leave("stranger")
        await house.pass(.seconds(1))
        house.script.release("remove")
        _ = try await outcome(of: evacuating)
        #expect(house.engine.objects.isEmpty)
    }

    /// The disk hangs for good: settling is over all the same.
    @Test func settlingEndsThoughTheDiskHangs() async throws {
        let house = try await House()
        let flushes = house.script.count("flush")
        house.script.hold("flush")
        let settling = Task<Void, any Error> {
            await house.coordinator.settle(within: .seconds(11))
            house.script.note("settled")
        }
        try await house.script.until("flush", count: flushes + 1)
        try await house.clock.sleeper(for: .seconds(11))
        house.clock.advance(by: .seconds(11))
        try await house.script.until("settled")
        settling.cancel()
    }

    @Test func aPauseThatCouldNotBeWrittenIsTold() async throws {
        let house = try await House()
        house.script.fail("flush", Script.Failure(description: "the disk is full"))
        await #expect(throws: Refusal.self) { try await house.coordinator.setPaused(pool: "p", true) }
        _ = await house.coordinator.heartbeat()
        #expect(house.coordinator.healthView().store == "the disk is full")
    }

    @Test func whatWasDismissedByForceIsNotStarted() async throws {
        let house = try await House()
        house.script.hold("create")
        let id = try await house.coordinator.spawn(pool: "p").id
        try await house.script.until("create")
        _ = try await house.coordinator.dismiss(id, force: true)
        house.script.release("create")
        try await house.until { $0.runners.isEmpty }
        #expect(house.script.count("start") == 0)
    }

    @Test func stoppingKeepsTheReasonsOnDisk() async throws {
        let house = try await House()
        try await house.hook(1, tags: ["nobody"])
        try await house.until { !$0.waiting.isEmpty }
        await house.coordinator.settle(within: .seconds(11))
        _ = await house.coordinator.heartbeat()
        #expect(try await house.coordinator.jobView(1)?.waiting_reason != nil)
    }
}
