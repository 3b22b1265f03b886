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

    /// Nothing else would find its job: without polling GitLab is told the truth.
    @Test func oneThatCouldNotBeWrittenThrowsAndIsWrittenWithTheNext() async throws {
        let house = try await House(polling: .zero)
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

    /// GitLab does not send again what was answered with an error, and turns a hook off after a few of them.
    @Test func withPollingOneThatCouldNotBeWrittenIsTakenAndPolledForSoon() async throws {
        let house = try await House(polling: .seconds(600))
        let polls = house.script.count("poll")
        house.script.fail("flush", Script.Failure(description: "the disk is full"))
        try await house.hook(1, tags: ["nobody"])
        try await house.until { $0.store.trouble != nil }
        #expect(house.store.disk.jobs.isEmpty && house.script.count("poll") == polls)
        await house.pass(.seconds(5))
        try await house.settled()
        #expect(house.script.count("poll") == polls + 1)
        // However many there are, a poll each five seconds is enough; and when there are none, the usual time.
        for id in 2..<9 { try await house.hook(JobID(id), tags: ["nobody"]) }
        await house.pass(.seconds(5))
        try await house.settled()
        #expect(house.script.count("poll") == polls + 2)
        await house.pass(.seconds(60))
        try await house.settled()
        #expect(house.script.count("poll") == polls + 2)
    }

    /// The next life of the daemon knows nothing of it, and polls at once.
    @Test func oneThatACrashForgetsIsFoundByTheNextStart() async throws {
        let house = try await House()
        house.script.fail("flush", Script.Failure(description: "the disk is full"))
        try await house.hook(1, tags: ["nobody"])
        #expect(house.store.disk.jobs.isEmpty)
        let next = try await House(jobs: house.forge.now.jobs)
        #expect(try await next.settled().jobs.keys.map(\.id) == [1])
        #expect(next.script.count("poll") == 1)
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

    /// Once for a project, however many jobs it has.
    @Test func hooksOfProjectsWithJobsAreLookedAtAndWhatCameOfItIsTold() async throws {
        let house = try await House()
        for id in 1..<4 { try await house.hook(JobID(id), tags: ["nobody"]) }
        #expect(await house.coordinator.reviveHooks(url: "http://h/webhook/job", secret: Secret("s")) == [.revived(project: "1")])
        #expect(house.script.count("revive") == 1)
        house.script.fail("revive", Script.Failure(description: "422 Hook execution failed"))
        #expect(await house.coordinator.reviveHooks(url: "http://h/webhook/job", secret: Secret("s")) == [.failed(project: "1", "422 Hook execution failed")])
    }
}
