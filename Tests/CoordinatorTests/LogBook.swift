import Logging
import Synchronization

/// Keeps what is logged.
final class LogBook: Sendable {
    struct Line: Sendable, CustomStringConvertible {
        var level: Logger.Level
        var message: String
        var fields: [String: String]
        var description: String { "\(level) \(message) \(fields)" }
    }

    private let state = Mutex<[Line]>([])

    var lines: [Line] { state.withLock { $0 } }
    func lines(_ message: String) -> [Line] { lines.filter { $0.message == message } }
    var logger: Logger { Logger(label: "test") { _ in Handler(book: self) } }

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
