import Testing

@testable import Fleet

/// What is kept of a log, and what is taken out of it.
@Suite struct KeptLogTests {
    private func masked(_ text: String) -> String { String(decoding: LogMask.masked(Array(text.utf8)), as: UTF8.self) }

    @Test(arguments: [
        ("token=glrt-t1_AbCdEfGhIjKlMnOpQrSt", "token=glrt-[MASKED]"),
        ("--token glrt-0123456789abcdefghij --url http://h", "--token glrt-[MASKED] --url http://h"),
        // One that routes.
        (#"{"token":"glrt-dDoxCnU6MQpvOjEKdDoz.01.1f0abcdef","x":1}"#, #"{"token":"glrt-[MASKED]","x":1}"#),
        ("GR1348941AbCdEfGhIjKlMnOpQr", "GR1348941[MASKED]"),
        ("PRIVATE-TOKEN: acme-glpat-AbCdEfGhIjKlMnOpQrSt", "PRIVATE-TOKEN: acme-glpat-[MASKED]"),
        ("https://gitlab-ci-token:64_abcdefgh@gitlab.lan/a/b.git", "https://gitlab-ci-token:[MASKED]@gitlab.lan/a/b.git"),
        ("proxyconnect http://me:p@ss@proxy:3128: refused", "proxyconnect http://me:[MASKED]@proxy:3128: refused"),
        ("\u{1b}[31mglcbt-64_AbCdEfGhIjKlMnOpQrSt\u{1b}[0m", "\u{1b}[31mglcbt-[MASKED]\u{1b}[0m"),
    ])
    func whatIsSecretIsMasked(text: String, expected: String) {
        #expect(masked(text) == expected)
        // What a log in the database was made of is masked once more when it is read.
        #expect(masked(expected) == expected)
    }

    @Test(arguments: [
        "", "\n", "glrt-", "glrt-short", "runner=dDoxCnU6M", "glibc-2.36-9+deb12u10", "http://proxy:3128/a@b:c", "https://user@host/ and a: b@c",
        "ERROR: Checking for jobs... forbidden  runner=abcdef123", "a::b:://",
    ])
    func whatIsNotSecretStays(text: String) { #expect(masked(text) == text) }

    @Test func bytesThatAreNoTextStay() { #expect(LogMask.masked([0xFF, 0x00, 0xC3]) == [0xFF, 0x00, 0xC3]) }

    /// However it comes, at most so much of its end, from the beginning of a line.
    @Test(arguments: [1, 3, 7, 1000])
    func theEndOfAnOutputIsKeptInWholeLines(size: Int) {
        let whole = (1...500).map { "line \($0)\n" }.joined()
        var tail = OutputTail(most: 100)
        var rest = Array(whole.utf8)[...]
        while !rest.isEmpty {
            tail.take(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        let text = String(decoding: tail.output, as: UTF8.self)
        #expect(whole.hasSuffix(text) && text.hasPrefix("line ") && text.utf8.count <= 100 && text.utf8.count > 90)
    }

    @Test func whatFitsIsKeptWhole() {
        var tail = OutputTail(most: 5)
        tail.take(Array("a\nbcd".utf8))
        #expect(tail.output == Array("a\nbcd".utf8))
    }

    /// Half a token does not look like one.
    @Test func aTokenThatIsCutInTwoIsDropped() {
        let token = "glrt-0123456789abcdefghij"
        var tail = OutputTail(most: 20)
        tail.take(Array("a very long line with \(token) in it".utf8))
        #expect(String(decoding: tail.output, as: UTF8.self) == " in it")
        // Where what is longer than it may be is cut after it was masked.
        let log = KeptLog(runner: "r", at: Scene.start, output: Array((String(repeating: "x", count: KeptLog.mostBytes - 10) + " " + token + "\nend\n").utf8))
        let text = String(decoding: log.output, as: UTF8.self)
        #expect(!text.contains("0123") && text.hasSuffix("end\n") && log.output.count <= KeptLog.mostBytes)
    }

    @Test func theLastLinesAreThose() {
        func log(_ text: String) -> KeptLog { KeptLog(runner: "r", at: Scene.start, output: Array(text.utf8)) }
        func tail(_ text: String, _ lines: Int) -> String { String(decoding: log(text).tail(lines: lines), as: UTF8.self) }
        #expect(tail("a\nb\nc\n", 2) == "b\nc\n" && tail("a\nb\nc", 2) == "b\nc" && tail("a\n\nc\n", 2) == "\nc\n")
        #expect(tail("a\nb\n", 9) == "a\nb\n" && tail("a\nb\n", 0) == "" && tail("", 3) == "")
        #expect(log("a\n\nb\nc").lastLines(2) == ["b", "c"])
    }
}
