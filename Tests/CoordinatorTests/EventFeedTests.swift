import ControlModel
import Foundation
import Testing

@testable import Coordinator
@testable import Fleet

@Suite(.timeLimit(.minutes(10))) struct EventFeedTests {
    private let clock = ManualClock()
    private let fleet = FleetState(.init(pools: [House.pool()]), seed: 1)

    private func feed(_ count: Int) -> EventFeed {
        let feed = EventFeed(clock: clock)
        tell(feed, count)
        return feed
    }

    private func tell(_ feed: EventFeed, _ count: Int) {
        for _ in 0..<count { feed.happened([FleetEvent(.poolPaused, pool: "p")], in: fleet) }
    }

    private func numbers(_ reading: EventFeed.Reading?) -> [Int]? {
        if case .events(let entries) = reading { entries.map(\.position.number) } else { nil }
    }

    private func isReset(_ reading: EventFeed.Reading?, to number: Int) -> Bool {
        if case .reset(let position) = reading { position.number == number } else { false }
    }

    @Test func aReaderGetsWhatItHasNotReadInOrderAndInParts() throws {
        let feed = feed(0)
        let begin = feed.now
        #expect(feed.read(after: begin) == nil)
        tell(feed, 7)
        #expect(numbers(feed.read(after: begin, atMost: 5)) == [1, 2, 3, 4, 5])
        let middle = try #require(EventFeed.Position(begin.description.replacingOccurrences(of: "-0", with: "-5")))
        #expect(numbers(feed.read(after: middle, atMost: 5)) == [6, 7])
        #expect(feed.read(after: feed.now) == nil)
    }

    /// Whoever missed something, or was told by another life of the daemon, begins anew.
    @Test func whoMissedSomethingIsToldSo() {
        let feed = feed(0)
        let begin = feed.now
        tell(feed, EventFeed.size)
        #expect(numbers(feed.read(after: begin, atMost: 2000))?.count == EventFeed.size)
        tell(feed, 1)
        #expect(isReset(feed.read(after: begin), to: EventFeed.size + 1))
        clock.advance(by: .seconds(1))
        let next = EventFeed(clock: clock)
        #expect(isReset(next.read(after: begin), to: 0))
        #expect(isReset(next.read(after: EventFeed.unknown), to: 0))
        // A number that there was not yet.
        let ahead = EventFeed.Position(life: next.now.life, number: 1)
        #expect(isReset(next.read(after: ahead), to: 0))
    }

    @Test(arguments: ["", "-", "a", "a-", "-1", "a-b", "a--1", "a-1-2", "a-99999999999999999999"])
    func whatIsNoPositionIsNone(text: String) { #expect(EventFeed.Position(text) == nil) }

    @Test func aReaderWaitsForWhatHappensNextAndNoLonger() async {
        let feed = feed(1)
        // It is behind, or of another life: there is nothing to wait for.
        await feed.wait(after: EventFeed.Position(life: feed.now.life, number: 0))
        await feed.wait(after: EventFeed.unknown)
        let now = feed.now
        let reader = Task { await feed.wait(after: now) }
        await Task.yield()
        tell(feed, 1)
        await reader.value
        let other = Task { await feed.wait(after: feed.now) }
        other.cancel()
        await other.value
    }

    @Test func aJobsLifeIsInTheFeed() async throws {
        let feed = EventFeed(clock: clock)
        let house = try await House(audiences: [feed])
        let begin = feed.now
        let runner = try await house.busyRunner(job: 7)
        try await house.hook(7, .success, runner: runner.gitlabID)
        try await house.until { $0.runners[runner.id]?.isBusy == false }
        guard case .events(let entries) = feed.read(after: begin, atMost: 1000) else {
            Issue.record("no events")
            return
        }
        let ofJob = entries.map(\.view).filter { $0.job?.id == 7 }
        #expect(ofJob.map(\.event) == ["jobSeen", "jobStarted", "jobFinished"])
        #expect(ofJob.allSatisfy { $0.kind == "job" })
        #expect(ofJob.last?.job?.status == "success" && ofJob.last?.runner?.id == runner.id && ofJob.last?.pool == "p")
        #expect(entries.map(\.view).contains { $0.event == "registered" && $0.kind == "runner" && $0.runner?.id == runner.id })
        // One line of JSON, without a secret, that its clients can read.
        for entry in entries {
            let json = try entry.json()
            #expect(!json.contains(UInt8(ascii: "\n")))
            #expect(try JSONDecoder().decode(EventView.self, from: Data(json)) == entry.view)
            #expect(!String(decoding: json, as: UTF8.self).contains("env-secret-value"))
        }
    }

    @Test func whatAnOperatorShouldSeeIsAnIncident() async throws {
        let feed = EventFeed(clock: clock)
        let house = try await House(audiences: [feed])
        let begin = feed.now
        house.script.fail("poll", Trouble("no route to gitlab.test", isOutage: true))
        await house.pass(.seconds(70))
        try await house.until { $0.forges[.default]?.reach.isGood == false }
        guard case .events(let entries) = feed.read(after: begin) else {
            Issue.record("no events")
            return
        }
        let incident = entries.map(\.view).first { $0.event == "gitlabTrouble" }
        #expect(incident?.kind == "incident" && incident?.severity == "error" && incident?.fields["reason"] == "no route to gitlab.test")
    }
}
