import Testing

@testable import WebAPI

@Suite struct LogLimiterTests {
    private let start = ContinuousClock.now

    /// Each row: seconds since the start, the kind, and what comes of it.
    @Test func oneOfAKindAMinuteIsLoggedWithTheNumberOfTheOthers() {
        var limiter = LogLimiter<String>()
        let rows: [(second: Double, kind: String, logged: Int?)] = [
            (0, "a", 0), (0, "a", nil), (0.5, "b", 0), (1, "a", nil), (59.9, "a", nil), (60, "a", 3), (60, "a", nil), (60.4, "b", nil), (61, "b", 1),
            // What was suppressed is told however late; then nothing is left to tell.
            (1000, "a", 1), (2000, "a", 0),
        ]
        for row in rows { #expect(limiter.admit(row.kind, at: start + .seconds(row.second)) == row.logged, "\(row)") }
    }
}
