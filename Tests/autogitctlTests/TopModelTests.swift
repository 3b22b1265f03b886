import ControlModel
import Foundation
import Testing

@testable import autogitctl

@Suite struct TopModelTests {
    private let now = TopFixtures.now
    private func later(_ seconds: Double) -> Date { now.addingTimeInterval(seconds) }

    @Test(arguments: [
        ("", TopModel.Row.pool("linux")), ("k", .pool("linux")), ("j", .pool("gpu")), ("jj", .runner("aaaa1111")), ("jjj", .runner("bbbb2222")),
        ("jjjjjjjj", .runner("cccc3333")), ("jjjk", .runner("aaaa1111")),
    ])
    func keysSelect(typed: String, selected: TopModel.Row) {
        var model = TopFixtures.model()
        #expect(model.type(typed) == [])
        #expect(model.selection == selected)
    }

    @Test func farKeysSelectTheEnds() {
        var model = TopFixtures.model()
        for (key, row) in [(Key.end, TopModel.Row.runner("cccc3333")), (.home, .pool("linux")), (.pageDown, .runner("cccc3333")), (.pageUp, .pool("linux"))] {
            _ = model.take(.key(key), at: now)
            #expect(model.selection == row, "\(key)")
        }
    }

    @Test(arguments: [
        ("p", [TopModel.Effect.pause("linux")]), ("jjp", [.pause("linux")]),
        // A runner of a pool that is no longer configured.
        ("jjjjp", []),
        ("d", []), ("l", []), ("jjl", [.readLog("aaaa1111")]), ("jjd", []), ("jjdy", [.drain("aaaa1111")]), ("jjdY", [.drain("aaaa1111")]),
        // Only y is a yes, and any other key only cancels.
        ("jjdn", []), ("jjdq", []), ("jjdd", []), ("jjdp", []), ("q", [.quit]), ("?q", [.quit]), ("xyz", []),
    ])
    func keysHaveEffects(typed: String, effects: [TopModel.Effect]) {
        var model = TopFixtures.model()
        #expect(model.type(typed) == effects)
    }

    @Test func aPausedPoolIsResumed() {
        var views = TopFixtures.small
        views.pools[0].paused = true
        var model = TopFixtures.model(views)
        #expect(model.type("p") == [.resume("linux")])
        #expect(model.take(.paused(PauseView(name: "linux", paused: false)), at: later(1)) == [.read])
        // Before the answer to that reading.
        #expect(model.message?.text == "pool linux is open")
        #expect(model.type("p") == [.pause("linux")])
    }

    @Test(arguments: ["", "jjd", "?"]) func ctrlCQuitsAnywhere(typed: String) {
        var model = TopFixtures.model()
        _ = model.type(typed)
        #expect(model.take(.key(.interrupt), at: now) == [.quit])
        _ = model.take(.log(runner: "aaaa1111", text: "x"), at: now)
        #expect(model.take(.key(.interrupt), at: now) == [.quit])
    }

    @Test func withoutRowsKeysDoNothing() {
        var model = TopFixtures.model(TopViews(status: TopFixtures.status(), jobs: [], pools: [], runners: []))
        #expect(model.selection == nil)
        #expect(model.type("jkpdl") == [])
    }

    @Test func theSelectionStaysWithItsRowAndElseInItsPlace() {
        var model = TopFixtures.model()
        _ = model.type("jjj")
        var views = TopFixtures.small
        views.runners.append(TopFixtures.runner("0000", pool: "linux"))
        _ = model.take(.views(views), at: now)
        #expect(model.selection == .runner("bbbb2222"))
        views.runners.removeAll { $0.id == "bbbb2222" }
        _ = model.take(.views(views), at: now)
        #expect(model.selection == .runner("cccc3333"))
        views.runners = []
        _ = model.take(.views(views), at: now)
        #expect(model.selection == .pool("gpu"))
        views.pools = []
        _ = model.take(.views(views), at: now)
        #expect(model.selection == nil)
    }

    @Test func aRunnerThatIsGoneIsNotDrained() {
        var model = TopFixtures.model()
        _ = model.type("jjd")
        #expect(model.mode == .confirming("aaaa1111"))
        var views = TopFixtures.small
        views.runners.removeAll()
        _ = model.take(.views(views), at: now)
        #expect(model.mode == .table && model.message?.text == "the runner is gone")
        #expect(model.type("y") == [])
    }

    // MARK: Reading

    @Test func eventsAreReadAtOnceButNotMoreThanTwiceASecond() {
        var model = TopFixtures.model()
        #expect(model.take(.event, at: later(0.1)) == [])
        #expect(model.take(.tick, at: later(0.4)) == [])
        #expect(model.take(.tick, at: later(0.5)) == [.read])
        // Not while a reading is on its way.
        #expect(model.take(.event, at: later(3)) == [])
        #expect(model.take(.views(TopFixtures.small), at: later(3.1)) == [])
        #expect(model.take(.tick, at: later(3.2)) == [.read])
        _ = model.take(.views(TopFixtures.small), at: later(3.3))
        #expect(model.take(.tick, at: later(5)) == [])
        #expect(model.take(.event, at: later(5)) == [.read])
    }

    @Test func withoutEventsItIsReadEveryTenSeconds() {
        var model = TopFixtures.model()
        #expect(model.take(.tick, at: later(9.9)) == [])
        #expect(model.take(.tick, at: later(10)) == [.read])
        #expect(model.take(.unanswered("no"), at: later(11)) == [])
        #expect(model.take(.tick, at: later(19.9)) == [])
        #expect(model.take(.tick, at: later(20)) == [.read])
    }

    @Test func aClockThatIsSetBackStopsNothing() {
        var model = TopFixtures.model()
        #expect(model.take(.tick, at: later(-3600)) == [.read])
    }

    @Test func whatHappenedWhileNobodyListenedIsRead() {
        var model = TopFixtures.model()
        #expect(model.take(.events(isOpen: true), at: later(1)) == [.read])
        _ = model.take(.views(TopFixtures.small), at: later(1))
        #expect(model.take(.events(isOpen: false), at: later(2)) == [.read])
        _ = model.take(.unanswered("the daemon does not answer"), at: later(2))
        // It stays closed, and is not read at each try.
        #expect(model.take(.events(isOpen: false), at: later(4)) == [])
        #expect(model.trouble == "the daemon does not answer")
        #expect(model.take(.events(isOpen: true), at: later(6)) == [.read])
        _ = model.take(.views(TopFixtures.small), at: later(6))
        #expect(model.trouble == nil)
    }

    @Test func anOrderThatWasCarriedOutIsReadAndOneThatFailedIsSaid() {
        var model = TopFixtures.model()
        #expect(model.take(.result("pool linux is paused", isFailure: false), at: later(1)) == [.read])
        #expect(model.message?.text == "pool linux is paused")
        #expect(model.take(.result("no", isFailure: true), at: later(2)) == [])
        #expect(model.message?.isFailure == true)
        _ = model.take(.tick, at: later(11))
        #expect(model.message != nil)
        _ = model.take(.tick, at: later(12))
        #expect(model.message == nil)
    }

    @Test func cooldownsTickBetweenReadings() throws {
        var model = TopFixtures.model()
        let runner = try #require(model.runners.first { $0.id == "bbbb2222" })
        #expect(model.cooldownLeft(of: runner) == 42.5)
        _ = model.take(.tick, at: later(2))
        #expect(model.cooldownLeft(of: runner) == 40.5)
        _ = model.take(.tick, at: later(99))
        #expect(model.cooldownLeft(of: runner) == 0)
    }

    @Test func theLongestWaitingIsFirstAlsoWhenItIsNotListed() {
        var views = TopFixtures.small
        views.status.waiting = ["9": "listed", "3": "the newest 500 jobs do not have this one"]
        #expect(TopFixtures.model(views).waiting.map(\.id) == [3, 9, 10])
    }

    // MARK: Logs

    @Test func aLogIsScrolledAndLeft() throws {
        var model = TopFixtures.model(columns: 20, rows: 6)
        let text = (1...10).map { "line \($0)\r\n" }.joined()
        _ = model.take(.log(runner: "aaaa1111", text: text), at: now)
        func visible() throws -> [String] {
            guard case .log(let log) = model.mode else { throw Failure("no log is shown", .failure) }
            return Array(log.visible)
        }
        #expect(try visible() == ["line 7", "line 8", "line 9", "line 10"])
        for (key, first) in [
            (Key.up, "line 6"), (.letter("k"), "line 5"), (.down, "line 6"), (.pageUp, "line 2"), (.pageUp, "line 1"), (.end, "line 7"), (.home, "line 1"),
            (.letter(" "), "line 5"), (.pageDown, "line 7"), (.down, "line 7"),
        ] {
            #expect(model.take(.key(key), at: now) == [])
            #expect(try visible().first == first, "\(key)")
        }
        // The end stays in sight.
        _ = model.take(.resized(TopSize(columns: 4, rows: 4)), at: now)
        #expect(try visible() == ["line", " 10"])
        #expect(model.type("r") == [.readLog("aaaa1111")])
        #expect(model.type("q") == [])
        #expect(model.mode == .table)
        _ = model.take(.log(runner: "aaaa1111", text: ""), at: now)
        #expect(try visible() == [])
        _ = model.take(.key(.escape), at: now)
        #expect(model.mode == .table)
    }

    @Test func aLogCannotControlTheTerminal() {
        let log = TopLog(runner: "r", text: "\u{1B}[0;32mgreen\u{1B}[0m\tx\u{1B}[2J\rz\r\n\u{1B}", size: TopSize(columns: 80, rows: 24))
        #expect(log.rows == ["green    x\u{FFFD}[2J\u{FFFD}z", "\u{FFFD}"])
    }

    @Test func aLogThatComesLateDoesNotAnswerAQuestion() {
        var model = TopFixtures.model()
        #expect(model.type("jjld") == [.readLog("aaaa1111")])
        _ = model.take(.log(runner: "aaaa1111", text: "x"), at: now)
        #expect(model.mode == .confirming("aaaa1111"))
    }
}
