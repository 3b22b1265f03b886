/// The last output of a runner that failed to start or died, for after its container or scope is gone. It has no secrets in it, however
/// it was made.
public struct KeptLog: Sendable, Equatable {
    /// How much of an output is kept, in bytes, before compression.
    public static let mostBytes = 256 << 10
    /// How many logs are kept; the oldest go first.
    public static let mostLogs = 200
    /// Bytes of all kept logs together, after compression; the oldest go first.
    public static let mostStoredBytes = 16 << 20

    /// The runner that wrote it.
    public let runner: RunnerID
    /// When it was read.
    public let at: Timestamp
    /// Whole lines, as the runner wrote them but for its secrets.
    public let output: [UInt8]

    /// Keeps the end of an output, without secrets.
    /// - Parameter output: beginning with a whole line; see `OutputTail`.
    public init(runner: RunnerID, at: Timestamp, output: [UInt8]) {
        self.runner = runner
        self.at = at
        // Masked before it is cut: what is left of a token that was cut in two does not look like one.
        var tail = OutputTail(most: Self.mostBytes)
        tail.take(LogMask.masked(output))
        self.output = tail.output
    }

    /// The last lines as bytes, each with its line break.
    public func tail(lines: Int) -> [UInt8] {
        guard lines > 0 else { return [] }
        var left = lines
        // The break at the very end belongs to the last line.
        for index in output.indices.dropLast().reversed() where output[index] == UInt8(ascii: "\n") {
            left -= 1
            if left == 0 { return Array(output[(index + 1)...]) }
        }
        return output
    }

    /// The last lines as text; empty ones are left out.
    public func lastLines(_ count: Int) -> [String] {
        output.split(separator: UInt8(ascii: "\n")).suffix(count).map { String(decoding: $0, as: UTF8.self) }
    }

    /// What is known of a kept log without reading it.
    public struct Entry: Sendable, Equatable {
        /// The runner that wrote it.
        public var runner: RunnerID
        /// When it was read.
        public var at: Timestamp
        /// Its length before compression.
        public var bytes: Int
        /// The runner's pool; nil where the runner is forgotten.
        public var pool: String?
        /// Why the runner ended; nil where that is not known.
        public var reason: String?
        public init(runner: RunnerID, at: Timestamp, bytes: Int, pool: String?, reason: String?) {
            self.runner = runner
            self.at = at
            self.bytes = bytes
            self.pool = pool
            self.reason = reason
        }
    }
}

/// The end of an output that comes in chunks, however long it is.
public struct OutputTail: Sendable {
    /// In bytes.
    private let most: Int
    private var bytes: [UInt8] = []
    /// Something before `bytes` was dropped.
    private var isCut = false

    /// - Parameter most: how many of the last bytes are kept.
    public init(most: Int) { self.most = most }

    /// Takes what comes next.
    public mutating func take(_ chunk: [UInt8]) {
        bytes += chunk
        // Not with each chunk, which would move all the rest each time.
        if bytes.count > 2 * most { cut() }
    }

    private mutating func cut() {
        isCut = true
        bytes.removeFirst(bytes.count - most)
    }

    /// At most so many bytes. Where something is missing before it, it begins with a whole line; of a single line that is too long, behind a
    /// word: half a token can't be told from other text.
    public var output: [UInt8] {
        var tail = self
        if tail.bytes.count > most { tail.cut() }
        guard tail.isCut else { return tail.bytes }
        let newline = UInt8(ascii: "\n")
        if let end = tail.bytes.firstIndex(of: newline), end + 1 < tail.bytes.count { return Array(tail.bytes[(end + 1)...]) }
        return Array(tail.bytes.drop { LogMask.isOfToken($0) })
    }
}
