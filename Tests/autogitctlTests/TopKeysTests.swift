import Testing

@testable import autogitctl

@Suite struct TopKeysTests {
    private static let samples: [(String, [Key])] = [
        ("jq?", [.letter("j"), .letter("q"), .letter("?")]), ("\u{3}", [.interrupt]), ("\u{1B}[A", [.up]), ("\u{1B}[B", [.down]), ("\u{1B}OA", [.up]),
        ("\u{1B}OB", [.down]), ("\u{1B}[5~", [.pageUp]), ("\u{1B}[6~", [.pageDown]), ("\u{1B}[1~", [.home]), ("\u{1B}[H", [.home]), ("\u{1B}OF", [.end]),
        ("\u{1B}[4~", [.end]), ("\u{1B}[1;5A", [.up]), ("\u{1B}[5;2~", [.pageUp]),
        // Keys that mean nothing here, such as F5, and what is no key at all.
        ("\u{1B}[15~x", [.letter("x")]), ("\u{1B}[Ix", [.letter("x")]), ("\r\tä你", []), ("\u{1B}[\u{1B}[A", [.up]),
        // Esc and then another key, and Esc twice.
        ("\u{1B}q", [.escape, .letter("q")]), ("\u{1B}\u{1B}[A", [.escape, .up]), ("\u{1B}\u{3}", [.escape, .interrupt]),
        ("a\u{1B}[Ab\u{1B}[Bc", [.letter("a"), .up, .letter("b"), .down, .letter("c")]),
    ]

    @Test func keysAreTheSameHoweverTheyAreSplit() {
        for (text, expected) in Self.samples {
            let bytes = Array(text.utf8)
            for split in 0...bytes.count {
                var keys = TopKeys()
                #expect(keys.take(Array(bytes[..<split])) + keys.take(Array(bytes[split...])) == expected, "\(text.debugDescription) at \(split)")
                #expect(!keys.isUndecided)
            }
            var keys = TopKeys()
            #expect(bytes.flatMap { keys.take([$0]) } == expected, "\(text.debugDescription) byte by byte")
        }
    }

    @Test func anEscAloneIsAKeyWhenNothingFollows() {
        var keys = TopKeys()
        #expect(keys.take([0x1B]) == [] && keys.isUndecided)
        #expect(keys.settle() == [.escape])
        #expect(!keys.isUndecided && keys.settle() == [])
        // A sequence that never ends is no key, and does not swallow the next one.
        #expect(keys.take(Array("\u{1B}[1".utf8)) == [] && keys.isUndecided)
        #expect(keys.settle() == [])
        #expect(keys.take(Array("q".utf8)) == [.letter("q")])
    }

    @Test func aSequenceWithoutEndIsGivenUp() {
        var keys = TopKeys()
        #expect(keys.take(Array("\u{1B}[".utf8) + Array(repeating: UInt8(ascii: "1"), count: 31) + Array("q".utf8)) == [.letter("q")])
    }
}
