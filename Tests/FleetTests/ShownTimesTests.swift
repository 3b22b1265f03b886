import Fleet
import Testing

@Suite struct ShownTimesTests {
    private func at(_ text: String) throws -> Timestamp { try #require(Timestamp(iso8601: text)) }

    /// A board without a clock: the daemon starts in 1970, and an hour later NTP sets the calendar.
    @Test func timesOfThisLifeFollowTheCalendar() throws {
        let start = try at("1970-01-01T00:01:00.000Z")
        let times = ShownTimes(since: start, now: start + .seconds(3600), correction: try at("2026-11-29T12:00:00.000Z") - start)
        #expect(times.text(start) == "2026-11-29T12:00:00.000Z")
        #expect(times.text(start + .seconds(60)) == "2026-11-29T12:01:00.000Z")
        // A time to come, such as that of the next try.
        #expect(times.text(start + .seconds(3900)) == "2026-11-29T13:05:00.000Z")
        // Of an earlier life, and GitLab's.
        #expect(times.text(try at("2026-11-28T08:00:00.000Z")) == "2026-11-28T08:00:00.000Z")
        #expect(times.text(try at("1970-01-01T00:00:30.000Z")) == "1970-01-01T00:00:30.000Z")
    }

    /// NTP steers by milliseconds all the time: shown times must not tremble.
    @Test func slowSteeringIsNotShown() throws {
        let start = try at("2026-11-29T12:00:00.000Z")
        #expect(ShownTimes(since: start, now: start, correction: .milliseconds(1900)).text(start) == "2026-11-29T12:00:00.000Z")
        #expect(ShownTimes(since: start, now: start, correction: .seconds(-10)).text(start) == "2026-11-29T11:59:50.000Z")
        #expect(ShownTimes().text(start) == "2026-11-29T12:00:00.000Z")
    }
}
