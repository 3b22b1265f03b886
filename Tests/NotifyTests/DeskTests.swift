import Fleet
import Foundation
import Testing

@testable import Notify

@Suite struct DeskTests {
    static let start = Timestamp(milliseconds: 1_764_000_000_000)

    static func target(_ change: (inout NotifyTarget) -> Void = { _ in }) -> NotifyTarget {
        var target = NotifyTarget(name: "t", kind: .ntfy)
        change(&target)
        return target
    }

    static func concern(_ kind: ConcernKind, _ key: String = "", since: Timestamp? = nil) -> Concern {
        Concern(kind, key, "\(kind) \(key)", "text", end: "end of \(kind) \(key)", since: since)
    }

    /// What is wrong from a second on, and what is to be told by then.
    struct Step {
        var at: Int
        var wrong: [Concern]
        var told: [String]
        init(_ at: Int, _ wrong: [Concern] = [], tells told: String...) { (self.at, self.wrong, self.told) = (at, wrong, told) }
    }

    private static let away = concern(.engine, "container")
    private static let full = concern(.disk, "container")

    static let stories: [(String, NotifyTarget, [Step])] = [
        (
            "begun once, ended once", target(),
            [
                Step(0, [away]), Step(29, [away]), Step(30, [away], tells: "begun engine"), Step(5000, [away]), Step(6000), Step(6029),
                Step(6030, tells: "ended engine"), Step(9000),
            ]
        ),
        (
            "what ends within the settle time is not told", target(),
            [Step(0, [away]), Step(29, [away]), Step(30), Step(31, [away]), Step(60, [away]), Step(61)]
        ),
        (
            "a pause within it is none", target(),
            [Step(0, [away]), Step(30, [away], tells: "begun engine"), Step(40), Step(69, [away]), Step(70), Step(99), Step(100, tells: "ended engine")]
        ),
        (
            "without a settle time at once", target { $0.settle = .zero },
            [Step(0, [away], tells: "begun engine"), Step(1, tells: "ended engine"), Step(2, [away], tells: "begun engine")]
        ),
        (
            "two are two", target { $0.settle = .zero },
            [Step(0, [away], tells: "begun engine"), Step(1, [away, full], tells: "begun disk"), Step(2, [full], tells: "ended engine")]
        ),
        (
            "only what it wants", target { $0.on = ["disk", "recovered"] },
            [Step(0, [away, full]), Step(30, [away, full], tells: "begun disk"), Step(40), Step(70, tells: "ended disk")]
        ),
        ("not the ends", target { $0.on = ["engine"] }, [Step(0, [away]), Step(30, [away], tells: "begun engine"), Step(40), Step(70), Step(500)]),
        (
            "a job waits for its own time, since it waits", target { $0.waitingAfter = .seconds(600) },
            [
                Step(0, [concern(.waiting, "x", since: start + .seconds(-100))]), Step(499, [concern(.waiting, "x", since: start + .seconds(-100))]),
                Step(500, [concern(.waiting, "x", since: start + .seconds(-100))], tells: "begun waiting"),
            ]
        ),
        (
            "more than the rate are left out, and named once", target { ($0.settle, $0.rate) = (.zero, .init(count: 2, span: .seconds(60))) },
            [
                Step(0, [away], tells: "begun engine"), Step(10, [away, full], tells: "begun disk"), Step(20, [full]), Step(30),
                Step(59), Step(60, tells: "note summary: 2 notifications were left out"), Step(61), Step(70, [away], tells: "begun engine"),
            ]
        ),
        (
            "a summary counts, too", target { ($0.settle, $0.rate) = (.zero, .init(count: 1, span: .seconds(60))) },
            [
                Step(0, [away], tells: "begun engine"), Step(1), Step(60, [full], tells: "note summary: 1 notification was left out"),
                Step(120, [full], tells: "note summary: 1 notification was left out"), Step(180, [full]),
            ]
        ),
    ]

    @Test(arguments: stories.indices) func whatIsToldAndWhen(index: Int) {
        let (name, target, steps) = Self.stories[index]
        var desk = Desk()
        for step in steps {
            let told = desk.take(step.wrong, for: target, at: Self.start + .seconds(step.at))
            #expect(told.map { $0.kind == "summary" ? "note summary: \($0.title)" : "\($0.state) \($0.kind)" } == step.told, "\(name), at \(step.at)")
        }
    }

    /// Whoever sleeps until then misses nothing: the stories again, with a look at each time that the desk asks for, and one in between.
    @Test(arguments: stories.indices) func itSaysWhenItHasSomethingToTell(index: Int) throws {
        let (name, target, steps) = Self.stories[index]
        var (desk, told): (Desk, [String]) = (Desk(), [])
        for (step, next) in zip(steps, steps.dropFirst().map(\.at) + [steps[steps.count - 1].at]) {
            told += desk.take(step.wrong, for: target, at: Self.start + .seconds(step.at)).map(\.title)
            while let wake = desk.wakeAt(for: target), wake < Self.start + .seconds(next) {
                let more = desk.take(step.wrong, for: target, at: wake).map(\.title)
                try #require(!more.isEmpty, "\(name): nothing to tell at \(wake)")
                told += more
            }
        }
        #expect(told.count == steps.flatMap(\.told).count, "\(name): \(told)")
    }

    /// The time in which nobody can say does not count for the end.
    @Test func whatCannotBeSaidIsNoEnd() {
        let target = Self.target()
        var desk = Desk()
        func take(_ second: Int, _ wrong: [Concern] = [], unsure: Set<ConcernKind> = []) -> [String] {
            desk.take(wrong, unsure: unsure, for: target, at: Self.start + .seconds(second)).map(\.title)
        }
        #expect(take(0, [Self.away, Self.full]) == [] && take(30, [Self.away, Self.full]).count == 2)
        #expect(take(40) == [] && take(69, unsure: [.engine]) == [] && take(70, unsure: [.engine]) == ["end of disk container"])
        #expect(take(100) == [] && take(129) == [] && take(130) == ["end of engine container"])
    }

    @Test func anEndSaysHowLongItWasAndWhatItWasAbout() throws {
        var desk = Desk()
        var concern = Self.concern(.quarantine, "build")
        (concern.pool, concern.link) = ("build", "http://h/")
        let target = Self.target()
        for second in [0, 30] { _ = desk.take([concern], for: target, at: Self.start + .seconds(second)) }
        _ = desk.take([], for: target, at: Self.start + .seconds(3725))
        let end = try #require(desk.take([], for: target, at: Self.start + .seconds(3800)).first)
        #expect(end.text == "It was so for 1 h 2 min." && end.since == Self.start && end.title == "end of quarantine build")
        #expect(end.pool == "build" && end.link == "http://h/" && end.state == .ended)
    }

    @Test(arguments: [(0, "less than a second"), (5, "5 s"), (60, "1 min"), (3605, "1 h"), (90_000, "1 d 1 h"), (-5, "less than a second")])
    func spansHaveTheirTwoLargestUnits(seconds: Int, words: String) { #expect(Notification.words(.seconds(seconds)) == words) }

    /// A restart of the daemon tells nothing again. What it does not see at once may be there all the same.
    @Test func anotherLifeGoesOnWithWhatWasTold() throws {
        let target = Self.target { $0.settle = .zero }
        var desk = Desk()
        #expect(desk.take([Self.away, Self.full], for: target, at: Self.start).count == 2)
        desk = try JSONDecoder().decode(Desk.self, from: JSONEncoder().encode(desk))
        desk.resume(at: Self.start + .seconds(100))
        #expect(desk.take([], for: target, at: Self.start + .seconds(101)).isEmpty)
        #expect(desk.take([Self.away], for: target, at: Self.start + .seconds(110)).isEmpty)
        #expect(desk.wakeAt(for: target) == Self.start + .seconds(160))
        #expect(desk.take([Self.away], for: target, at: Self.start + .seconds(160)).map(\.title) == ["end of disk container"])
    }

    @Test(arguments: [("10/h", 10, 3600), ("1/m", 1, 60), ("1000/d", 1000, 86_400)]) func ratesAreRead(text: String, count: Int, seconds: Int) throws {
        let rate = try #require(NotifyTarget.Rate(text))
        #expect(rate == .init(count: count, span: .seconds(seconds)) && rate.description == text)
    }

    @Test(arguments: ["", "10", "10/", "/h", "0/h", "-1/h", "1001/h", "1/w", "1/h/d", "ten/h"]) func othersAreNot(text: String) {
        #expect(NotifyTarget.Rate(text) == nil)
    }

    @Test(arguments: [
        ("https://ntfy.sh/secret", "https://ntfy.sh"), ("http://h:8080/a/b?c=d", "http://h:8080"), ("https://u:p@h/x", "https://h"),
        ("https://h?secret", "https://h"),
        ("nonsense", ""),
    ])
    func ofAnAddressNothingButSchemeAndHostIsShown(url: String, shown: String) { #expect(Self.target { $0.url = Secret(url) }.address == shown) }
}
