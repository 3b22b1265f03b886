/// A job's log without what only GitLab's page and terminals understand.
enum TraceText {
    /// How much of the end is looked at, in bytes.
    private static let looked = 64 << 10

    /// The last lines that are not empty.
    static func lastLines(_ trace: [UInt8], count: Int) -> [String] {
        let text = String(decoding: trace.suffix(looked), as: UTF8.self)
        // A return before the line's end begins the line again, as progress bars do. CR and LF together are one character here.
        let lines = text.replacing("\r\n", with: "\n").split(separator: "\n").map { clean(String($0)) }
        return Array(lines.filter { !$0.allSatisfy(\.isWhitespace) }.suffix(count))
    }

    private static func clean(_ line: String) -> String {
        // The moments of GitLab Runner 17 and up, such as `2026-11-24T11:10:00.102000Z 01O `.
        var line = line.replacing(/^\d{4}-\d\d-\d\dT[0-9:.]+Z [0-9a-f]{2}[OE][ +]/, with: "")
        line = line.replacing(/section_(start|end):\d+:[^\r]*\r/, with: "")
        line = line.replacing(/\u{1B}\[[0-9;?]*[ -\/]*[@-~]/, with: "")
        let last = line.split(separator: "\r").last ?? ""
        return String(String.UnicodeScalarView(last.unicodeScalars.filter { $0 == "\t" || $0.properties.generalCategory != .control }))
    }
}
