import Testing

@testable import FakeGitLab

@Suite struct WrittenDurationTests {
    @Test(arguments: [
        ("42", 42), ("42 seconds", 42), ("3 mins 4 sec", 184), ("2 hrs 20 min", 8400), ("2h20min", 8400), ("1.5h", 5400), ("1 Week", 604_800),
        ("3 weeks and 2 days", 1_987_200), ("1 day, 2 hours", 93_600), ("6 mos 1 day", 15_638_400), ("2 yrs", 63_072_000), ("0", 0),
    ]) func peopleWriteThem(text: String, seconds: Double) {
        #expect(WrittenDuration(text)?.seconds == seconds)
    }

    @Test(arguments: ["", "soon", "-5", "5 parsecs", "week", "1h and", "and 1h x", "infinity", "1e300", "99999 years"]) func otherTextsAreNone(text: String) {
        #expect(WrittenDuration(text) == nil)
    }

    @Test func neverHasNoEnd() throws {
        #expect(try #require(WrittenDuration("Never")).seconds == nil)
    }

    /// Lengths about the ends of blocks, as sha1sum has them.
    @Test(arguments: [
        (0, "da39a3ee5e6b4b0d3255bfef95601890afd80709"), (55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"),
        (56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"), (63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"),
        (64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"), (119, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"),
        (120, "f34c1488385346a55709ba056ddd08280dd4c6d6"),
    ]) func digests(length: Int, digest: String) {
        #expect(SHA1.hex(String(repeating: "a", count: length)) == digest)
    }
}
