import FoundationEssentials

/// A point in time, in whole milliseconds since 1970-01-01T00:00:00Z.
///
/// The fleet's rules take the time as a value and never read a clock, so that they run the same
/// under a test's virtual clock.
public struct Timestamp: Hashable, Comparable, Sendable, Codable {
    /// Since 1970-01-01T00:00:00Z; negative before.
    public var milliseconds: Int64

    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// Rounded to the nearest millisecond.
    public init(_ date: Date) {
        milliseconds = Int64((date.timeIntervalSince1970 * 1000).rounded())
    }

    /// Earlier first.
    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.milliseconds < b.milliseconds }

    /// Later by `duration`; saturates instead of trapping, because durations come from configuration.
    public static func + (time: Timestamp, duration: Duration) -> Timestamp {
        let (sum, overflow) = time.milliseconds.addingReportingOverflow(duration.milliseconds)
        return Timestamp(milliseconds: overflow ? .max : sum)
    }

    /// Saturates, too: a store can hold any number.
    public static func - (a: Timestamp, b: Timestamp) -> Duration {
        let (difference, overflow) = a.milliseconds.subtractingReportingOverflow(b.milliseconds)
        return .milliseconds(overflow ? (b.milliseconds < 0 ? .max : .min) : difference)
    }

    private static let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

    /// ISO 8601 in UTC with milliseconds, such as `2026-11-24T09:10:00.102Z`.
    public var iso8601: String {
        // The style cuts off what is below a millisecond, and no double is exactly .123: aim at the middle.
        Date(timeIntervalSince1970: (Double(milliseconds) + 0.5) / 1000).formatted(Self.style)
    }

    /// Reads what `iso8601` writes; nil for anything else.
    public init?(iso8601 text: String) {
        guard let date = try? Date(text, strategy: Self.style) else { return nil }
        self.init(date)
    }
}

extension Duration {
    /// Whole milliseconds, rounded towards zero, saturating.
    public var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        return overflow ? (seconds < 0 ? .min : .max) : product + attoseconds / 1_000_000_000_000_000
    }

    /// Seconds with a fraction, for people and for JSON.
    public var inSeconds: Double { Double(milliseconds) / 1000 }
}

/// The source of the time and of waits. The daemon uses `SystemClock`; tests and the simulation pass their own.
public protocol WallClock: Sendable {
    /// The time now. It never goes back while the daemon runs.
    func now() -> Timestamp
    /// Returns when that time has passed, or at once for zero and less.
    /// - Throws: `CancellationError` when the task is cancelled before.
    func sleep(for time: Duration) async throws
    /// By how much the calendar was set since the start, by NTP or by somebody.
    func correction() -> Duration
    /// The time by the calendar, which is set by NTP or somebody, and goes on while the machine sleeps.
    func calendar() -> Timestamp
}

extension WallClock {
    /// Nobody sets the calendar.
    public func correction() -> Duration { .zero }
    /// The clock's own time, corrected.
    public func calendar() -> Timestamp { now() + correction() }
}

/// The time of day when it was made, and from then on the time that has passed: somebody who sets the clock, or NTP
/// after a start without a battery-backed one, neither ends cooldowns nor makes them last for years.
public struct SystemClock: WallClock {
    private let start = Timestamp(Date())
    private let running = SuspendingClock.now
    /// Goes on while the machine is suspended, as the calendar does.
    private let alive = ContinuousClock.now

    /// Takes the time of day from the system, this once.
    public init() {}
    /// Whole milliseconds; the time during which the machine was suspended is not in it.
    public func now() -> Timestamp { start + (SuspendingClock.now - running) }
    /// As `WallClock.correction`.
    public func correction() -> Duration { (Timestamp(Date()) - start) - (ContinuousClock.now - alive) }
    /// As `WallClock.calendar`.
    public func calendar() -> Timestamp { Timestamp(Date()) }
    /// As `WallClock.sleep`.
    public func sleep(for time: Duration) async throws { try await Task.sleep(for: time) }
}
