import CSystemd
import Glibc

/// Reads the journal (sd-journal(3)).
public enum JournalTail {
    /// The longest message that is read, in bytes; longer ones are cut.
    static let longestMessage = 4096

    /// The newest messages of one `SYSLOG_IDENTIFIER=`, oldest first; empty when the journal can't be read. Blocks for as long
    /// as the disk takes.
    /// - Parameter most: how many.
    public static func lines(identifier: String, most: Int) -> [String] {
        var lines: [String] = []
        var place = Place.newest(most)
        while lines.count < most, let page = page(identifier: identifier, after: place, patience: .zero), !page.lines.isEmpty {
            lines += page.lines
            place = page.next
        }
        return Array(lines.prefix(most))
    }

    /// Where a page begins.
    public enum Place: Sendable, Equatable {
        /// So many entries before the end.
        case newest(Int)
        /// After an entry, as sd_journal_get_cursor(3) names it; nil is before the oldest.
        case after(String?)
    }

    /// Some messages, and where the next page begins.
    public struct Page: Sendable, Equatable {
        /// Oldest first.
        public var lines: [String]
        /// For `page(identifier:after:patience:)`.
        public var next: Place

        /// A page as a double of the journal gives it.
        public init(lines: [String], next: Place) {
            self.lines = lines
            self.next = next
        }
    }

    /// Messages of a page at most.
    static let pageSize = 200

    /// Messages of one `SYSLOG_IDENTIFIER=`, as many as there are and fit. Blocks.
    /// - Parameter patience: how long to wait for the first.
    /// - Returns: nil when the journal can't be read.
    public static func page(identifier: String, after place: Place, patience: Duration) -> Page? {
        // A journal must be used by one thread only, so each page opens it anew.
        var journal: OpaquePointer?
        guard sd_journal_open(&journal, Int32(SD_JOURNAL_LOCAL_ONLY)) >= 0, let journal else { return nil }
        defer { sd_journal_close(journal) }
        let match = "SYSLOG_IDENTIFIER=\(identifier)"
        guard sd_journal_add_match(journal, match, match.utf8.count) >= 0 else { return nil }
        sd_journal_set_data_threshold(journal, longestMessage)
        var last: String?
        // Whether the journal stands on an entry that belongs to the page.
        var stands = false
        switch place {
        case .newest(let count):
            guard sd_journal_seek_tail(journal) >= 0 else { return nil }
            stands = count > 0 && sd_journal_previous_skip(journal, UInt64(count)) > 0
            // From the very end nothing can be read that comes later: the end is the last entry.
            if count == 0, sd_journal_previous(journal) > 0 { last = cursor(journal) }
        case .after(let cursor?):
            guard sd_journal_seek_cursor(journal, cursor) >= 0 else { return nil }
            // The entry itself is the page before's. It may have been deleted since; then this is the one after it.
            if sd_journal_next(journal) > 0 { stands = sd_journal_test_cursor(journal, cursor) == 0 }
            last = cursor
        case .after(nil):
            guard sd_journal_seek_head(journal) >= 0 else { return nil }
        }
        let end = ContinuousClock.now + patience
        var lines: [String] = []
        while lines.count < pageSize {
            if stands || sd_journal_next(journal) > 0 {
                stands = false
                last = cursor(journal) ?? last
                if let message = message(journal) { lines.append(message) }
                continue
            }
            let left = end - .now
            guard lines.isEmpty, left > .zero else { break }
            let (seconds, attoseconds) = left.components
            sd_journal_wait(journal, UInt64(seconds) * 1_000_000 + UInt64(attoseconds / 1_000_000_000_000))
        }
        return Page(lines: lines, next: .after(last))
    }

    private static func message(_ journal: OpaquePointer) -> String? {
        var data: UnsafeRawPointer?
        var length = 0
        guard sd_journal_get_data(journal, "MESSAGE", &data, &length) >= 0, let data else { return nil }
        return String(decoding: UnsafeRawBufferPointer(start: data, count: length).dropFirst("MESSAGE=".utf8.count), as: UTF8.self)
    }

    private static func cursor(_ journal: OpaquePointer) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard sd_journal_get_cursor(journal, &text) >= 0, let text else { return nil }
        defer { free(text) }
        return String(cString: text)
    }
}
