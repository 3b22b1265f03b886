/// How times are shown. Within the daemon they count from the time of day at its start, which a board without a clock takes for 1970 until NTP sets it;
/// shown they follow the calendar. Those of earlier lives of the daemon, and GitLab's own, are right as they are.
public struct ShownTimes: Sendable, Equatable {
    private let start: Timestamp
    private let end: Timestamp
    private let correction: Duration

    /// Shows times as they are.
    public init() { (start, end, correction) = (Timestamp(milliseconds: 0), Timestamp(milliseconds: 0), .zero) }

    /// - Parameters:
    ///   - start: of the daemon, by its own clock.
    ///   - now: by its own clock.
    ///   - correction: by how much the calendar was set since the start. Less than two seconds is NTP's slow steering.
    public init(since start: Timestamp, now: Timestamp, correction: Duration) {
        self.start = start
        // Times to come, such as that of the next try.
        end = now + .seconds(86_400)
        self.correction = abs(correction.milliseconds) < 2000 ? .zero : correction
    }

    /// A time by the calendar, in ISO 8601.
    public func text(_ time: Timestamp) -> String { calendar(time).iso8601 }
    /// A time by the calendar.
    public func calendar(_ time: Timestamp) -> Timestamp { time >= start && time <= end ? time + correction : time }
}
