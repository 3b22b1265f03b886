import ControlModel
import Foundation
import Logging
import TestBench
import Testing

@testable import Coordinator
@testable import Fleet

@Suite(.timeLimit(.minutes(10))) struct JournalTests {
    /// Trouble is told when it begins and when it ends, however often it is met meanwhile.
    @Test func troubleIsToldOnceWithItsFieldsAndCatalogEntry() async throws {
        let house = try await House()
        house.script.fail("poll", Trouble("no route to gitlab.test", isOutage: true))
        for _ in 0..<5 {
            let polls = house.script.count("poll")
            await house.pass(.seconds(70))
            try await house.script.until("poll", count: polls + 1)
            try await house.settled()
        }
        house.script.mend("poll")
        await house.pass(.seconds(70))
        try await house.until { $0.forges[.default]?.reach.isGood == true }
        let lines = house.log.lines("GitLab does not answer as it should; trying again")
        #expect(lines.count == 1)
        #expect(lines.first?.level == .error)
        #expect(
            lines.first?.fields == [
                "reason": "no route to gitlab.test", "subject": "gitlab", "message_id": Incident.gitlabUnreachable.rawValue, "event": "gitlabTrouble",
            ])
        #expect(house.log.lines("GitLab answers again").map(\.level) == [.notice])
    }

    /// So that a log can be grouped: what differs is in the fields. Three lines carry an id, as the guide promises.
    @Test func messagesAreConstant() async throws {
        let (one, other) = (try await tour(seed: 1, firstJob: 11), try await tour(seed: 2, firstJob: 2222))
        #expect(one.map(\.message).sorted() == other.map(\.message).sorted())
        #expect(one.count >= 10)
    }

    /// A runner's life with all that can be told of it, its exceptions left out.
    private func tour(seed: UInt64, firstJob job: JobID) async throws -> [LogBook.Line] {
        let house = try await House(seed: seed)
        let running = Task<Void, any Error> { await house.coordinator.run() }
        try await house.script.until("followed engine")
        let runner = try await house.busyRunner(job: job)
        house.engine.tell(.outOfMemory(runner: runner.id))
        try await house.hook(job, .failed, runner: runner.gitlabID)
        try await house.until { $0.runners[runner.id]?.isBusy == false }
        try await house.hook(job + 1, tags: ["nobody"])
        house.engine.tell(.exited(runner: runner.id, exitCode: 3))
        try await house.until { $0.runners.isEmpty && !$0.waiting.isEmpty }
        running.cancel()
        try await outcome(of: running)
        let promised = ["Dispatching job ", "Job \(job) assigned to runner ", "Runner \(runner.name) finished"]
        return house.log.lines.filter { line in !promised.contains { line.message.hasPrefix($0) } }
    }

    @Test func eachStepOfALifeIsToldOnceAndIsInItsHistory() async throws {
        let house = try await House()
        try await house.hook(1)
        let state = try await house.until { $0.runners.values.contains { $0.phase == .starting } && $0.inFlight.isEmpty }
        let id = try #require(state.runners.keys.first)
        house.forge.change { $0.hasContact = true }
        await house.pass(.seconds(1))
        try await house.settled()
        try await house.hook(1, .running, runner: 101)
        try await house.hook(1, .running, runner: 101)
        try await house.hook(1, .success, runner: 101)
        try await house.hook(1, .success, runner: 101)
        _ = try await house.coordinator.dismiss(id, force: false)
        try await house.until { $0.runners[id]?.phase == .stopping && $0.inFlight.isEmpty }
        let told = [
            "Dispatching job 1 for project 1", "Runner registered successfully", "Runner created", "Runner started", "Runner made contact with GitLab",
            "Job 1 assigned to runner autogit-runner-\(id)", "Job finished", "Runner gets no more jobs", "Runner autogit-runner-\(id) finished, tearing down",
        ]
        for message in told { #expect(house.log.lines(message).map { $0.fields["runner"] } == [id], "\(message)") }
        let history = try await house.coordinator.runnerView(id)?.history?.map(\.event)
        #expect(
            history?.sorted() == ["created", "drained", "first contact", "job finished", "job started", "leaving", "registered", "requested", "started"])
    }

    @Test func aLineBelowTheLevelIsNotWritten() throws {
        let book = LogBook()
        var logger = book.logger
        logger.logLevel = .warning
        let journal = Journal(log: logger)
        journal.write(FleetEvent(.poolResumed, pool: "p"))
        journal.write(FleetEvent(.quarantined("boom"), pool: "p"))
        #expect(book.lines.map(\.level) == [.error])
        #expect(book.lines.first?.fields == ["pool": "p", "reason": "boom", "message_id": Incident.poolQuarantined.rawValue, "event": "quarantined"])
    }

    /// Tokens, and what pools have in their environment, are in nothing that comes out.
    @Test func noSecretComesOut() async throws {
        let house = try await House()
        // The driver prints the credentials that it was given.
        house.script.fail("start")
        try await house.hook(1)
        try await house.until { $0.runners.values.contains { $0.phase == .starting } && $0.inFlight.isEmpty }
        house.script.mend("start")
        for call in ["create", "pause", "remove", "unregister", "list"] { house.script.fail(call) }
        try await house.hook(2)
        await house.pass(.seconds(61))
        try await house.settled()
        await house.pass(.seconds(70))
        try await house.settled()
        _ = try await house.coordinator.installHook(project: "g/p", url: "http://autogit.test", secret: Secret("whsec-hook-secret"))

        var out = house.log.lines.map(\.description) + house.script.lines
        out.append(await house.coordinator.heartbeat())
        out.append(try json(house.coordinator.healthView()))
        out.append(try json(await house.coordinator.statusView()))
        out.append(try json(await house.coordinator.poolViews()))
        out.append(try json(await house.coordinator.jobViews()))
        for view in await house.coordinator.runnerViews() { out.append(try json(try await house.coordinator.runnerView(view.id))) }
        let disk = house.store.disk
        out += disk.history.map { "\($0)" } + disk.runners.values.map { "\($0)" } + disk.jobs.values.map { "\($0)" }
        do { _ = try await house.coordinator.spawn(pool: "nobody") } catch { out.append("\(error)") }
        do { _ = try await house.coordinator.reconcile(dryRun: true) } catch { out.append("\(error)") }

        #expect(out.contains { $0.contains("start unclear") } && out.contains { $0.contains("<redacted>") }, "the search looks where it could be")
        for secret in [FakeForge.token, "whsec-hook-secret", "env-secret-value"] { #expect(!out.contains { $0.contains(secret) }, "\(secret)") }
    }

    private func json(_ value: some Encodable) throws -> String { String(decoding: try JSONEncoder().encode(value), as: UTF8.self) }
}
