import Synchronization
import Systemd
import Threads

/// What a unit's process wrote, from the journal: the last lines, and then what comes while it runs. A page is read when the
/// reader asks for it, so nothing piles up, and nothing is left behind when the reader leaves.
struct FollowedJournal: Sendable {
    /// Reads a page; see `JournalTail.page`. Blocks.
    typealias Reading = @Sendable (_ identifier: String, _ place: JournalTail.Place, _ patience: Duration) -> JournalTail.Page?

    /// How long a page waits for its first line: after this it is asked again whether the process runs, and whether
    /// there is still a reader.
    static let patience = Duration.seconds(1)

    let identifier: String
    let lines: Int
    /// Whether more may come.
    let isRunning: @Sendable () -> Bool
    var read: Reading = { JournalTail.page(identifier: $0, after: $1, patience: $2) }

    init(identifier: String, lines: Int, isRunning: @escaping @Sendable () -> Bool) {
        self.identifier = identifier
        self.lines = lines
        self.isRunning = isRunning
    }

    /// Ends when the process has ended and all it wrote is told, or when the journal can't be read. One reader at a time.
    var stream: AsyncThrowingStream<[UInt8], any Error> {
        let place = Mutex(JournalTail.Place.newest(lines))
        let isLast = Mutex(false)
        return AsyncThrowingStream {
            while !isLast.withLock({ $0 }) {
                try Task.checkCancellation()
                let from = place.withLock { $0 }
                // Asked first: what was written before the end is in the page that is read after it.
                let runs = isRunning()
                let isFirst = if case .newest = from { true } else { false }
                let page = try await onThread("reading the journal") { read(identifier, from, isFirst || !runs ? .zero : Self.patience) }
                guard let page else { return nil }
                place.withLock { $0 = page.next }
                if !runs, page.lines.isEmpty { isLast.withLock { $0 = true } }
                if !page.lines.isEmpty { return Array(page.lines.map { $0 + "\n" }.joined().utf8) }
            }
            return nil
        }
    }
}
