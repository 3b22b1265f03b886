import CSystemd

/// Reads the journal (sd-journal(3)).
public enum JournalTail {
    /// The newest messages of one `SYSLOG_IDENTIFIER=`, each cut at 4 KiB. Blocks the thread while it reads files.
    /// - Parameter most: the most lines to return.
    /// - Returns: oldest first; empty when the journal can't be read.
    public static func lines(identifier: String, most: Int) -> [String] {
        var journal: OpaquePointer?
        guard sd_journal_open(&journal, Int32(SD_JOURNAL_LOCAL_ONLY)) >= 0, let journal else { return [] }
        defer { sd_journal_close(journal) }
        let match = "SYSLOG_IDENTIFIER=\(identifier)"
        guard sd_journal_add_match(journal, match, match.utf8.count) >= 0, sd_journal_seek_tail(journal) >= 0 else { return [] }
        sd_journal_set_data_threshold(journal, 4096)
        var lines: [String] = []
        while lines.count < most, sd_journal_previous(journal) > 0 {
            var data: UnsafeRawPointer?
            var length = 0
            guard sd_journal_get_data(journal, "MESSAGE", &data, &length) >= 0, let data else { continue }
            let field = UnsafeRawBufferPointer(start: data, count: length).dropFirst("MESSAGE=".utf8.count)
            lines.append(String(decoding: field, as: UTF8.self))
        }
        return lines.reversed()
    }
}
