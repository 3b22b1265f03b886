import Fleet
import FoundationEssentials
import Glibc
import Logging

/// Readable lines on standard error, with a time, and colours on a terminal. Under systemd `JournalLogHandler` takes its place.
struct LineLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    private let style: Style

    private enum Style { case terminal, plain }

    init(level: Logger.Level) {
        logLevel = level
        style = isatty(2) == 1 ? .terminal : .plain
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let level = event.level
        var fields = metadata.merging(event.metadata ?? [:]) { _, new in new }
        // For the journal only.
        fields["message_id"] = nil
        fields["event"] = nil
        var text = Self.printable("\(event.message)")
        if !fields.isEmpty {
            text += "  " + fields.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.printable("\($0.value)"))" }.joined(separator: " ")
        }
        let time = Timestamp(Date()).iso8601
        switch style {
        case .plain: FileHandles.standardError("\(time) \(level) \(text)\n")
        case .terminal:
            let colour = level >= .error ? "31" : level >= .warning ? "33" : "0"
            FileHandles.standardError("\(time.dropFirst(11).dropLast()) \u{1B}[\(colour)m\(text)\u{1B}[0m\n")
        }
    }

    /// Names of jobs and projects are other people's: no control character may reach a terminal or break a line.
    private static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }
}
