import Testing

@testable import autogitctl

@Suite struct ServerSentEventsTests {
    private typealias Message = ServerSentEvents.Message

    private static let sample =
        "\u{FEFF}retry: 2000\n\n: \n\nid: L-1\nevent: job\ndata: {\"a\":\"ä\"}\n\nevent: pool\ndata:one\ndata:  two\ndata\n\n"
        + "event: none\n\nid: L-2\n\ndata: x\nunknown: y\n\nid\nevent:reset\ndata:\n\ndata: never complete\n"

    private static let messages = [
        Message(id: "L-1", event: "job", data: "{\"a\":\"ä\"}"), Message(id: "L-1", event: "pool", data: "one\n two\n"),
        Message(id: "L-2", event: "message", data: "x"), Message(id: "", event: "reset", data: ""),
    ]

    @Test(arguments: ["\n", "\r\n", "\r"]) func aStreamMayBeSplitAnywhere(lineEnd: String) {
        let bytes = Array(Self.sample.replacing("\n", with: lineEnd).utf8)
        for split in 0...bytes.count {
            var events = ServerSentEvents()
            #expect(events.take(Array(bytes[..<split])) + events.take(Array(bytes[split...])) == Self.messages, "split at \(split)")
            #expect(events.retry == 2000 && events.lastID == "")
        }
        var events = ServerSentEvents()
        #expect(bytes.flatMap { events.take([$0]) } == Self.messages)
    }

    @Test func anEventIsCompleteWithItsEmptyLine() {
        var events = ServerSentEvents()
        #expect(events.take(Array("id: 1\ndata: x\n".utf8)) == [])
        #expect(events.lastID == nil)
        // Also when the line's end may be half of one.
        #expect(events.take(Array("\r".utf8)) == [Message(id: "1", event: "message", data: "x")])
        #expect(events.take(Array("\ndata: y\r\n\r\n".utf8)) == [Message(id: "1", event: "message", data: "y")])
    }

    @Test(arguments: ["retry: 1s", "retry:", "retry: -1", "retry: 99999999999999999999", "id: a\u{0}b"]) func nonsenseIsIgnored(line: String) {
        var events = ServerSentEvents()
        #expect(events.take(Array("retry: 5\nid: 7\n\n\(line)\n\ndata: x\n\n".utf8)) == [Message(id: "7", event: "message", data: "x")])
        #expect(events.retry == 5 && events.lastID == "7")
    }

    @Test func onlyTheStreamsFirstBytesAreAMark() {
        var events = ServerSentEvents()
        #expect(events.take(Array("\u{FEFF}data: x\n\n\u{FEFF}data: y\n\n".utf8)) == [Message(id: nil, event: "message", data: "x")])
    }
}
