import Fleet
import Testing

@testable import GitLab

@Suite struct TokenWatchTests {
    private static let needs = TokenNeeds(instanceRunners: true)
    private static let midnight = TokenFacts.Expiry(day: "2027-01-31")?.at ?? Timestamp(milliseconds: 0)
    private static let day = Duration.seconds(86_400)

    private static func watch(_ facts: TokenFacts, at now: Timestamp) -> TokenWatch {
        var watch = TokenWatch()
        watch.take(facts, at: now)
        return watch
    }

    private static let good = TokenFacts(scopes: ["api"], expiry: .init(day: "2027-01-31"), administrator: .yes)

    @Test(
        arguments: [
            (-15.0, nil, ""), (-14.01, nil, ""), (-14.0, .expiring, "in 14 days"), (-13.5, .expiring, "in 13 days"), (-1.0, .expiring, "in 1 day"),
            (-0.5, .expiring, "in less than a day"), (0.0, .expired, "expired on 2027-01-31"), (300.0, .expired, "expired on 2027-01-31"),
        ] as [(Double, TokenWatch.Warning.Kind?, String)])
    func theExpiryIsToldFromTwoWeeksBefore(days: Double, kind: TokenWatch.Warning.Kind?, words: String) {
        let now = Self.midnight + .milliseconds(Int64(days * 86_400_000))
        let warnings = Self.watch(Self.good, at: now).warnings(for: Self.needs, at: now)
        #expect(warnings.map(\.kind) == [kind].compactMap { $0 })
        #expect(warnings.allSatisfy { $0.text.contains(words) && $0.text.contains("autogitctl token set") && $0.incident == .tokenExpires })
    }

    @Test func aTokenWithoutAnEndAndOneThatIsUnknownAreNotWarnedOf() {
        let now = Self.midnight
        #expect(TokenWatch().warnings(for: Self.needs, at: now).isEmpty)
        for facts in [TokenFacts(), TokenFacts(scopes: ["api"], administrator: .yes)] {
            #expect(Self.watch(facts, at: now).warnings(for: Self.needs, at: now).isEmpty)
        }
    }

    /// A board without a clock is in 1970 first.
    @Test func theCalendarDecidesWheneverItIsRight() {
        let watch = Self.watch(Self.good, at: Timestamp(milliseconds: 60_000))
        #expect(watch.warnings(for: Self.needs, at: Timestamp(milliseconds: 60_000)).isEmpty)
        #expect(watch.warnings(for: Self.needs, at: Self.midnight + Self.day).map(\.kind) == [.expired])
    }

    @Test func theJournalHasEachWarningOnceADay() {
        var now = Self.midnight - .seconds(216_000)
        var watch = Self.watch(TokenFacts(scopes: ["read_api"], expiry: .init(day: "2027-01-31"), administrator: .yes), at: now)
        #expect(watch.news(for: Self.needs, at: now).map(\.kind) == [.expiring, .lacking])
        var lines = 0
        for _ in 0..<(2 * 144) {
            now = now + .seconds(600)
            lines += watch.news(for: Self.needs, at: now).count
        }
        #expect(lines == 4)
        // That it is over is told when it is.
        #expect(watch.news(for: Self.needs, at: Self.midnight).map(\.kind) == [.expired])
        #expect(watch.news(for: Self.needs, at: Self.midnight + .seconds(600)).isEmpty)
        #expect(watch.warnings(for: Self.needs, at: Self.midnight + .seconds(600)).map(\.kind) == [.expired, .lacking])
    }

    @Test func aNewTokenEndsTheWarning() {
        let now = Self.midnight
        var watch = Self.watch(Self.good, at: now)
        #expect(watch.news(for: Self.needs, at: now).count == 1)
        watch.take(TokenFacts(scopes: ["api"], expiry: .init(day: "2028-01-31"), administrator: .yes), at: now)
        #expect(watch.news(for: Self.needs, at: now).isEmpty && watch.warnings(for: Self.needs, at: now).isEmpty)
        watch.take(Self.good, at: now)
        #expect(watch.news(for: Self.needs, at: now).count == 1)
    }

    /// At the start, every six hours, and ten minutes after a question without an answer, which leaves what was known.
    @Test func gitLabIsAskedSeldom() {
        var now = Self.midnight
        var watch = TokenWatch()
        #expect(watch.wantsFacts(at: now))
        watch.take(nil, at: now)
        #expect(!watch.wantsFacts(at: now + .seconds(599)) && watch.wantsFacts(at: now + .seconds(600)))
        now = now + .seconds(600)
        watch.take(Self.good, at: now)
        #expect(!watch.wantsFacts(at: now + .seconds(21_599)) && watch.wantsFacts(at: now + .seconds(21_600)))
        watch.take(nil, at: now + .seconds(21_600))
        #expect(watch.facts == Self.good)
        // NTP sets the clock back.
        #expect(watch.wantsFacts(at: now))
    }
}

private func - (time: Timestamp, duration: Duration) -> Timestamp { Timestamp(milliseconds: time.milliseconds - duration.milliseconds) }
