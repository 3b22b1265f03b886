import Fleet
import FakeGitLab

/// Changes a good input: bytes, pieces, lengths, nesting.
struct Bender {
    var random: SplitMix
    /// Pieces that mean something to one reader or another.
    var dictionary: [[UInt8]] = [
        "null", "-1", "1e999", "99999999999999999999", "\"", "\\u0000", "\\ud800", "{", "}", "[", "]", "\u{0}", "\u{1B}[2J", "\r\n", "\u{202E}", "true",
        "0x", "[[", "]]", "=", "\"\"\"", "'''", "#", "\n", "\u{FEFF}", "build_id", "../../etc",
    ].map { Array($0.utf8) }

    mutating func below(_ bound: Int) -> Int { bound <= 1 ? 0 : Int(random.next() % UInt64(bound)) }

    mutating func bend(_ good: [UInt8]) -> [UInt8] {
        var bytes = good
        for _ in 0...below(6) {
            let at = below(bytes.count + 1)
            switch below(8) {
            case 0: if at < bytes.count { bytes[at] = UInt8(truncatingIfNeeded: random.next()) }
            case 1: if at < bytes.count { bytes[at] ^= 1 << UInt8(below(8)) }
            case 2: bytes.removeSubrange(at..<min(bytes.count, at + below(20)))
            case 3: bytes.insert(contentsOf: dictionary[below(dictionary.count)], at: at)
            case 4: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + below(40))], at: below(bytes.count + 1))
            case 5: bytes = Array(bytes.prefix(at))
            case 6: bytes.insert(contentsOf: [UInt8](repeating: [0x5B, 0x7B, 0x22, 0x20][below(4)], count: below(3000)), at: at)
            default: bytes.insert(contentsOf: (0..<below(12)).map { _ in UInt8(truncatingIfNeeded: random.next()) }, at: at)
            }
        }
        return bytes
    }
}
