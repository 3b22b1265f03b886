import Foundation
import Threads
import Testing

@testable import Systemd

/// The writer on a journal that can be stopped.
@Suite struct JournalWriterTests {
    private struct Journal {
        var isStopped = false
        var isInside = false
        var entries: [String] = []
    }
    private let journal = Monitor(Journal())

    private func writer(maxEntries: Int = 100, maxBytes: Int = 1 << 20) -> JournalWriter {
        let journal = journal
        return JournalWriter(maxEntries: maxEntries, maxBytes: maxBytes) { entry in
            journal.withLock { $0.isInside = true }
            _ = journal.wait { $0.isStopped ? nil : true }
            journal.withLock {
                $0.isInside = false
                $0.entries.append(entry[0])
            }
        }
    }

    private func stop() { journal.withLock { $0.isStopped = true } }
    private func go() { journal.withLock { $0.isStopped = false } }
    private var entries: [String] { journal.withLock { $0.entries } }

    private func entry(_ number: Int) -> [String] { ["MESSAGE=\(number)", "PRIORITY=6"] }

    @Test func entriesKeepTheirOrderAndAreThereAfterAFlush() async throws {
        let writer = writer(maxEntries: 2000)
        let flushed = try await onThread("a test") {
            for number in 0..<1000 { writer.write(["MESSAGE=\(number)"]) }
            return writer.flush(atMost: .seconds(60))
        }
        #expect(flushed)
        #expect(entries == (0..<1000).map { "MESSAGE=\($0)" })
    }

    /// Logging goes on while the journal hangs; what is too much is counted, and told where it is missing.
    @Test func aJournalThatHangsHoldsNobodyUpAndTheGapIsTold() async throws {
        let writer = writer(maxEntries: 10)
        stop()
        writer.write(entry(0))
        // The writer has it in hand.
        let journal = journal
        #expect(try await onThread("a test") { journal.wait(atMost: .seconds(60)) { $0.isInside ? true : nil } } == true)
        for number in 1..<30 { writer.write(entry(number)) }
        #expect(entries.isEmpty)
        #expect(try await onThread("a test") { writer.flush(atMost: .zero) } == false)
        go()
        #expect(try await onThread("a test") { writer.flush(atMost: .seconds(60)) })
        writer.write(entry(30))
        #expect(try await onThread("a test") { writer.flush(atMost: .seconds(60)) })
        #expect(
            entries == (0..<10).map { "MESSAGE=\($0)" }
                + ["MESSAGE=The journal did not take log entries in time, and 20 were dropped here", "MESSAGE=30"])
    }

    @Test func bytesAreBoundedToo() async throws {
        let writer = writer(maxBytes: 1000)
        writer.write(["MESSAGE=" + String(repeating: "x", count: 1000)])
        writer.write(entry(1))
        #expect(try await onThread("a test") { writer.flush(atMost: .seconds(60)) })
        #expect(entries.count == 2 && entries[0].contains("1 were dropped") && entries[1] == "MESSAGE=1")
    }
}
