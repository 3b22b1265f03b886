/// The pauses between tries of something that fails: each is twice as long as the one before, up to a bound.
public struct GrowingPause: Sendable, Equatable {
    /// The first pause.
    public let first: Duration
    /// The longest pause.
    public let most: Duration
    /// Pauses since the last success.
    public private(set) var count = 0

    /// - Parameters:
    ///   - first: more than zero.
    ///   - most: at least `first`.
    public init(first: Duration, most: Duration) {
        self.first = first
        self.most = most
    }

    /// The pause after one more failure.
    public mutating func next() -> Duration {
        // 2^20 times any useful first pause is beyond any useful bound, and does not overflow.
        defer { count += 1 }
        return min(most, first * (1 << min(count, 20)))
    }

    /// It succeeded: the next failure is a first one again.
    public mutating func reset() { count = 0 }
}
