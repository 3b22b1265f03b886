import Testing

@testable import GitLab

@Suite struct TraceTextTests {
    @Test(
        arguments: [
            ("", []), ("a\nb\n", ["a", "b"]), ("a\r\nb\r\n\r\n", ["a", "b"]), ("1\n2\n3\n4\n", ["2", "3", "4"]),
            // GitLab Runner's sections and colours.
            (
                "section_start:1716381762:step_script\r\u{1B}[0K\u{1B}[32;1m$ exit 3\u{1B}[0;m\nsection_end:1716381763:step_script\r\u{1B}[0K\u{1B}[31;1mERROR: Job failed\u{1B}[0;m\n",
                ["$ exit 3", "ERROR: Job failed"]
            ),
            // Its moments, from 17 on.
            ("2026-11-24T11:10:00.102000Z 01O hello\n2026-11-24T11:10:00.102001Z 01E+world\n", ["hello", "world"]),
            // Progress bars begin the line again.
            ("10 %\r50 %\r100 %\n", ["100 %"]), ("a\u{7}b\u{0}c\n\u{1B}[2J\n", ["abc"]),
            ("\u{FFFD}ok\n", ["\u{FFFD}ok"]),
        ] as [(String, [String])])
    func theLastLinesAreFitForATerminal(trace: String, lines: [String]) {
        #expect(TraceText.lastLines(Array(trace.utf8), count: 3) == lines)
    }

    @Test func onlyTheEndOfALongLogIsLookedAt() {
        let trace = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20) + Array("\nthe end\n".utf8)
        let lines = TraceText.lastLines(trace, count: 2)
        #expect(lines.last == "the end" && lines[0].count < 1 << 17)
    }
}
