import CSystemd
import Glibc
import Logging

/// Logs to journald in its own protocol (sd_journal_sendv(3)), so that priorities, the code's location and every
/// piece of metadata are fields: `journalctl AUTOGIT_JOB=1234`.
///
/// A value may contain anything, line breaks included: the protocol carries its length, so no value can forge another field.
///
/// Entries are written by `JournalWriter.shared`: whoever logs does not wait for the journal, and whoever ends the process
/// flushes it first.
public struct JournalLogHandler: LogHandler {
    /// The least severe level that is sent.
    public var logLevel: Logger.Level
    /// Fields of every line.
    public var metadata: Logger.Metadata = [:]
    private let identifier: String

    /// - Parameter identifier: the `SYSLOG_IDENTIFIER=` that `journalctl -t` selects by.
    public init(identifier: String, level: Logger.Level) {
        self.identifier = identifier
        logLevel = level
    }

    /// Whether standard error is connected to the journal (systemd.exec(5), `$JOURNAL_STREAM`).
    public static var isConnected: Bool {
        guard let stream = getenv("JOURNAL_STREAM") else { return false }
        var about = stat()
        guard fstat(2, &about) == 0 else { return false }
        return String(cString: stream) == "\(about.st_dev):\(about.st_ino)"
    }

    /// A field of every line.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Logs one message.
    public func log(event: LogEvent) {
        let metadata = metadata.merging(event.metadata ?? [:]) { _, new in new }
        var fields = [
            "MESSAGE=\(Self.line("\(event.message)", metadata))", "PRIORITY=\(event.level.syslogPriority)", "SYSLOG_IDENTIFIER=\(identifier)",
            "CODE_FILE=\(event.file)",
            "CODE_LINE=\(event.line)", "CODE_FUNC=\(event.function)",
        ]
        for (key, value) in metadata {
            fields.append("\(Self.fieldName(key))=\(value)")
        }
        JournalWriter.shared.write(fields)
    }

    /// The keys that are for programs only.
    static let hidden: Set<String> = ["message_id", "event"]

    /// As `journalctl` shows it: messages are constant, so the facts follow, as `key=value`.
    static func line(_ message: String, _ metadata: Logger.Metadata) -> String {
        let shown = metadata.filter { !hidden.contains($0.key) }.sorted { $0.key < $1.key }
        return shown.isEmpty ? message : message + "  " + shown.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    }

    /// `message_id` selects an entry of the message catalog; all other keys get our prefix. Field names consist of upper-case letters,
    /// digits and underscores (systemd.journal-fields(7)).
    static func fieldName(_ key: String) -> String {
        let name = String(
            String.UnicodeScalarView(
                key.uppercased().unicodeScalars.map { scalar in
                    scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)) ? scalar : "_"
                }))
        return name == "MESSAGE_ID" ? name : "AUTOGIT_\(name)"
    }
}

extension Logger.Level {
    /// The priority of syslog(3), from 2 for critical to 7 for debug.
    public var syslogPriority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
