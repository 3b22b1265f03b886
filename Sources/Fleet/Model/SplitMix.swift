/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, and the same for the same seed everywhere.
public struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64
    /// The same seed gives the same numbers.
    public init(seed: UInt64) {
        // Mixed once: neighbouring seeds would otherwise give one stream, shifted.
        state = seed ^ 0x5851_F42D_4C95_7F2D
        state = next()
    }
    /// The next 64 bits, each value equally likely.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    /// From 0 up to but not including the bound; 0 for a bound below 1.
    public mutating func below(_ bound: Int) -> Int { bound <= 1 ? 0 : Int(next() % UInt64(bound)) }
    /// From 0 up to but not including 1.
    public mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
    /// true with this probability: never for 0 and below, always for 1 and above.
    public mutating func chance(_ probability: Double) -> Bool { unit() < probability }
    /// Whole milliseconds between two bounds, both included.
    public mutating func between(_ low: Int, _ high: Int) -> Duration { .milliseconds(low + below(high - low + 1)) }
}
