import Testing

@testable import Coordinator
@testable import Fleet

/// Every effect stands behind a write: while the disk is full there is none, and when there is one, the disk has why.
@Suite(.timeLimit(.minutes(10))) struct IntentTests {
    enum Effect: String, CaseIterable, Sendable {
        case register, create, pause, signal, remove, unregister, removeOrphan, removeGhost

        var call: String {
            switch self {
            case .removeOrphan: "remove"
            case .removeGhost: "unregister"
            default: rawValue
            }
        }
        /// What the disk has of the runner when it takes place.
        var phase: String {
            switch self {
            case .register, .create: "requested"
            case .pause: "pausing"
            case .signal: "stopping"
            case .remove, .unregister: "ended"
            case .removeOrphan, .removeGhost: "-"
            }
        }
    }

    @Test(arguments: Effect.allCases)
    func theWriteComesFirst(effect: Effect) async throws {
        let house = try await House()
        let full = Script.Failure(description: "the disk is full")
        switch effect {
        case .register, .create:
            house.script.fail("flush", full)
            try await house.hook(1)
        case .pause:
            let runner = try await house.runner()
            house.script.fail("flush", full)
            _ = try await house.coordinator.dismiss(runner.id, force: false)
        case .signal:
            let runner = try await house.runner()
            house.script.hold("running")
            _ = try await house.coordinator.dismiss(runner.id, force: false)
            try await house.script.until("running")
            house.script.fail("flush", full)
            house.script.release("running")
            try await house.until { $0.runners[runner.id]?.phase == .stopping }
        case .remove, .unregister:
            let runner = try await house.runner()
            house.script.fail("flush", full)
            _ = try await house.coordinator.dismiss(runner.id, force: true)
        case .removeOrphan:
            house.engine.leave("stranger")
            house.script.fail("flush", full)
            await house.pass(.seconds(60))
        case .removeGhost:
            house.forge.change {
                $0.registrations[7] = ForgeRunner(id: 7, description: "autogit-runner-gone", maintenanceNote: "instance=house ", hasContacted: true)
            }
            house.script.fail("flush", full)
            await house.pass(.seconds(600))
        }
        try await house.until { $0.inFlight.isEmpty && $0.store.trouble != nil }
        #expect(house.script.count(effect.call) == 0, "the disk is full")

        house.script.mend("flush")
        await house.pass(.seconds(61))
        try await house.script.until(effect.call)
        let words = try #require(house.script.first(effect.call)).split(separator: " ")
        #expect(words[2] == effect.phase)
        try await house.settled()
        #expect(house.log.lines("Cannot write the state; is the disk full? Trying again").count == 1)
        #expect(house.log.lines("The state can be written again").count == 1)
    }
}
