import CSystemd
import Foundation
import Testing

@testable import Systemd

/// On a machine with a journal.
@Suite(.enabled(if: FileManager.default.fileExists(atPath: "/run/systemd/journal/socket"), "this machine has no journal"))
struct JournalTailTests {
    private let identifier = "autogit-test-\(UUID().uuidString)"

    private func write(_ lines: ClosedRange<Int>) {
        let writer = JournalWriter.shared
        for line in lines { writer.write(["MESSAGE=\(line)", "PRIORITY=6", "SYSLOG_IDENTIFIER=\(identifier)"]) }
        #expect(writer.flush(atMost: .seconds(60)))
    }

    private func page(_ place: JournalTail.Place, _ patience: Duration = .seconds(60)) throws -> JournalTail.Page {
        try #require(JournalTail.page(identifier: identifier, after: place, patience: patience))
    }

    @Test func pagesFollowEachOtherWithoutGapsOrDoubles() throws {
        #expect(try page(.newest(10), .zero) == .init(lines: [], next: .after(nil)))
        write(1...3)
        // Also one that begins before the first line.
        let first = try page(.after(nil))
        write(4...5)
        var lines = first.lines
        var next = first.next
        while lines.count < 5 {
            let more = try page(next)
            lines += more.lines
            next = more.next
        }
        #expect(lines == ["1", "2", "3", "4", "5"])
        #expect(try page(next, .zero) == .init(lines: [], next: next))
        #expect(JournalTail.lines(identifier: identifier, most: 2) == ["4", "5"])
        #expect(JournalTail.lines(identifier: identifier, most: 100) == ["1", "2", "3", "4", "5"])
        let end = try page(.newest(0), .zero)
        #expect(end == .init(lines: [], next: next))
    }
}
