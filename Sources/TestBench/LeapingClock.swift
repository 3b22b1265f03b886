import Fleet
import Synchronization

/// A clock on which time passes only while somebody sleeps, and then at once.
public final class LeapingClock: WallClock {
    private let time: Mutex<Timestamp>
    private let onSleep: @Sendable (Int) throws -> Void
    /// How long each sleep was to be.
    public let sleeps = Happenings<Duration>()

    /// - Parameter onSleep: is told the number of each sleep, from 1, before it is over; what it throws ends it.
    public init(at start: Timestamp = Timestamp(milliseconds: 1_764_000_000_000), onSleep: @escaping @Sendable (Int) throws -> Void = { _ in }) {
        time = Mutex(start)
        self.onSleep = onSleep
    }

    public func now() -> Timestamp { time.withLock { $0 } }

    /// Lets time pass without anybody who sleeps.
    public func advance(by duration: Duration) { time.withLock { $0 = $0 + duration } }

    public func sleep(for duration: Duration) async throws {
        try Task.checkCancellation()
        advance(by: duration)
        sleeps.note(duration)
        try onSleep(sleeps.all.count)
        await Task.yield()
    }
}
