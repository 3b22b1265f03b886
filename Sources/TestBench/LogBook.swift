import Logging
import Synchronization

/// Keeps what is logged.
public final class LogBook: Sendable {
    public struct Line: Sendable, CustomStringConvertible {
        public var level: Logger.Level
        public var message: String
        public var fields: [String: String]
        public var description: String { (["\(level)", message] + fields.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }).joined(separator: " ") }
    }

    private let state = Mutex<[Line]>([])

    public init() {}

    /// All so far.
    public var lines: [Line] { state.withLock { $0 } }
    public func lines(_ message: String) -> [Line] { lines.filter { $0.message == message } }
    /// Writes here.
    public var logger: Logger { Logger(label: "test") { _ in Handler(book: self) } }

    private struct Handler: LogHandler {
        let book: LogBook
        var logLevel: Logger.Level = .trace
        var metadata: Logger.Metadata = [:]
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            let line = Line(level: event.level, message: "\(event.message)", fields: (event.metadata ?? [:]).mapValues { "\($0)" })
            book.state.withLock { $0.append(line) }
        }
    }
}
