import CSystemd
import Glibc
import Threads

/// Writes entries to the journal in their order, on a thread of its own: a journal that is slow, or hangs, must not hold up
/// whoever logs.
///
/// What waits is bounded. Entries beyond that are dropped and counted, and the count is told in their place as soon as the
/// journal takes entries again.
public final class JournalWriter: Sendable {
    /// The fields of an entry, each as `NAME=value`.
    public typealias Entry = [String]

    /// This process's way to journald (sd_journal_sendv(3)).
    public static let shared = JournalWriter(send: JournalWriter.sendToJournal)

    private struct State {
        var waiting: [Entry] = []
        /// Bytes of those that wait.
        var bytes = 0
        /// Entries that the thread took and that are not written yet.
        var inHand = 0
        var dropped = 0
        var isRunning = false

        var isIdle: Bool { waiting.isEmpty && inHand == 0 && dropped == 0 }

        /// All that waits. The place of what was dropped is after what was accepted before.
        mutating func takeAll() -> [Entry] {
            let all = waiting + notes()
            waiting = []
            bytes = 0
            inHand = all.count
            return all
        }

        /// The entry about those that were dropped, once.
        mutating func notes() -> [Entry] {
            guard dropped > 0 else { return [] }
            defer { dropped = 0 }
            return [
                [
                    "MESSAGE=The journal did not take log entries in time, and \(dropped) were dropped here", "PRIORITY=4", "SYSLOG_IDENTIFIER=autogitd",
                    "AUTOGIT_DROPPED=\(dropped)",
                ]
            ]
        }
    }

    private let state: Monitor<State>
    private let maxEntries: Int
    private let maxBytes: Int
    private let send: @Sendable (Entry) -> Void

    /// - Parameters:
    ///   - maxEntries: entries that may wait, those being written included.
    ///   - maxBytes: bytes that may wait; an entry larger than that is always dropped.
    ///   - send: writes one entry, and may block. Called by one thread at a time.
    init(maxEntries: Int = 4096, maxBytes: Int = 4 << 20, send: @escaping @Sendable (Entry) -> Void) {
        self.maxEntries = maxEntries
        self.maxBytes = maxBytes
        self.send = send
        state = Monitor(State())
    }

    /// Has an entry written after those before it. Never waits for the journal.
    public func write(_ entry: Entry) {
        let size = entry.reduce(0) { $0 + $1.utf8.count }
        state.withLock { state in
            guard state.waiting.count + state.inHand < maxEntries, state.bytes + size <= maxBytes else {
                state.dropped += 1
                return
            }
            state.waiting += state.notes() + [entry]
            state.bytes += size
            startIfNeeded(&state)
        }
    }

    /// Waits until all entries so far are written: before the process exits.
    /// - Parameter limit: the longest to wait for a journal that hangs.
    /// - Returns: whether they are.
    @discardableResult
    public func flush(atMost limit: Duration) -> Bool {
        let ours = state.withLock { state -> [Entry] in
            if state.isIdle { return [] }
            startIfNeeded(&state)
            // There is no thread to be had, and nobody else writes.
            return state.isRunning ? [] : state.takeAll()
        }
        for entry in ours { write(inHand: entry) }
        return state.wait(atMost: limit) { $0.isIdle ? true : nil } ?? false
    }

    /// A system without a thread to spare may have one for the next entry.
    private func startIfNeeded(_ state: inout State) {
        guard !state.isRunning else { return }
        do throws(ThreadError) {
            try startThread("journal") { self.run() }
            state.isRunning = true
        } catch {}
    }

    private func run() {
        while true {
            let taken = state.wait { state -> [Entry]? in
                state.waiting.isEmpty && state.dropped == 0 ? nil : state.takeAll()
            }
            for entry in taken ?? [] { write(inHand: entry) }
        }
    }

    private func write(inHand entry: Entry) {
        send(entry)
        state.withLock { $0.inHand -= 1 }
    }

    private static func sendToJournal(_ fields: Entry) {
        let bytes = fields.map { Array($0.utf8) }
        let flat = bytes.flatMap { $0 }
        flat.withUnsafeBytes { all in
            var offset = 0
            let vectors = bytes.map { field -> iovec in
                defer { offset += field.count }
                return iovec(iov_base: UnsafeMutableRawPointer(mutating: all.baseAddress?.advanced(by: offset)), iov_len: field.count)
            }
            _ = sd_journal_sendv(vectors, Int32(vectors.count))
        }
    }
}
