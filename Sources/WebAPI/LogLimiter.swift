import Logging
import Synchronization

/// Keeps what strangers cause from filling the journal: of each kind one message in a while is logged, and the others are
/// counted.
struct LogLimiter<Kind: Hashable & Sendable>: Sendable {
    /// Between two messages of a kind.
    static var interval: Duration { .seconds(60) }

    private var last: [Kind: (at: ContinuousClock.Instant, suppressed: Int)] = [:]

    /// One more of a kind.
    /// - Returns: how many were suppressed since the last one that was logged; nil when this one is suppressed, too.
    mutating func admit(_ kind: Kind, at now: ContinuousClock.Instant) -> Int? {
        if let before = last[kind], now - before.at < Self.interval {
            last[kind]?.suppressed += 1
            return nil
        }
        defer { last[kind] = (now, 0) }
        return last[kind]?.suppressed ?? 0
    }
}

/// A logger for what anybody who reaches the port can cause.
final class LimitedLog: Sendable {
    enum Kind: Sendable { case refusedWebhook, ignoredWebhook, refusedSignIn, failedRequest }

    private let log: Logger
    private let limiter = Mutex(LogLimiter<Kind>())

    init(_ log: Logger) { self.log = log }

    func error(_ kind: Kind, _ message: @autoclosure () -> String) { write(.error, kind, message) }
    func warning(_ kind: Kind, _ message: @autoclosure () -> String) { write(.warning, kind, message) }
    func notice(_ kind: Kind, _ message: @autoclosure () -> String) { write(.notice, kind, message) }

    private func write(_ level: Logger.Level, _ kind: Kind, _ message: () -> String) {
        guard let suppressed = limiter.withLock({ $0.admit(kind, at: .now) }) else { return }
        let more = suppressed == 0 ? "" : " (\(suppressed) more like this since the last such message)"
        log.log(level: level, "\(message())\(more)", metadata: suppressed == 0 ? [:] : ["suppressed": "\(suppressed)"])
    }
}
