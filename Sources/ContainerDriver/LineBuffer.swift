/// Whole lines out of arbitrary chunks; a line that never ends is dropped at 1 MiB.
struct LineBuffer {
    private var rest: [UInt8] = []

    mutating func take(_ chunk: [UInt8]) -> [[UInt8]] {
        rest += chunk
        var lines: [[UInt8]] = []
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(Array(rest[..<end]))
            rest.removeSubrange(...end)
        }
        if rest.count > 1 << 20 { rest = [] }
        return lines
    }

    /// What came after the last line break, at the end of a stream.
    var unfinished: [UInt8] { rest }
}
