import Testing

@testable import Coordinator
@testable import Fleet

@Suite(.timeLimit(.minutes(10))) struct WebhookTests {
    /// Answered 2xx is on disk: whatever takes the answer before is wrong.
    @Test func aWebhookIsAnsweredWhenItIsOnDisk() async throws {
        let house = try await House()
        try await house.hook(1, tags: ["nobody"])
        #expect(house.store.disk.jobs[JobRef(.default, 1)]?.status == .pending)
    }

    @Test func oneThatCouldNotBeWrittenThrowsAndIsWrittenWithTheNext() async throws {
        let house = try await House()
        house.script.fail("flush", Script.Failure(description: "the disk is full"))
        await #expect(throws: Script.Failure.self) { try await house.hook(1, tags: ["nobody"]) }
        try await house.until { $0.store.trouble != nil }
        #expect(house.store.disk.jobs.isEmpty)
        #expect(house.coordinator.healthView().status == "degraded" && house.coordinator.healthView().store == "the disk is full")

        house.script.mend("flush")
        try await house.hook(2, tags: ["nobody"])
        #expect(house.store.disk.jobs.keys.sorted() == [JobRef(.default, 1), JobRef(.default, 2)])
        try await house.until { $0.store.trouble == nil }
        #expect(house.coordinator.healthView().status == "healthy" && house.coordinator.healthView().store == "ok")
    }

    /// The first delivery may be a write that is still on its way, so the second waits for it, too.
    @Test func theSameOneTwiceIsNotAnsweredBeforeTheFirstIsOnDisk() async throws {
        let house = try await House()
        try await house.hook(1, tags: ["nobody"])
        let before = house.script.count("flush")
        try await house.hook(1, tags: ["nobody"])
        #expect(house.script.count("flush") > before)
    }

    @Test func whatIsNoEventIsRefusedAndWhatIsOfNoUseIsNot() async throws {
        let house = try await House()
        await #expect(throws: MalformedEvent.self) { try await house.coordinator.receive(webhook: [1]) }
        house.forge.change { $0.hooks[[2]] = .unusable("it is about a wiki") }
        try await house.coordinator.receive(webhook: [2])
        #expect(house.log.lines("Ignored an authentic webhook").map { $0.fields["reason"] } == ["it is about a wiki"])
    }
}
