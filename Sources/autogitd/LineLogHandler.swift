import Fleet
import FoundationEssentials
import Glibc
import Logging

/// Readable lines on standard error. With a terminal they have a time and colour; under systemd the
/// journal has the time, and takes the severity from a `<N>` in front (sd-daemon(3)).
struct LineLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    private let style: Style

    private enum Style { case terminal, journal, plain }

    init(level: Logger.Level) {
        logLevel = level
        if ProcessInfo.processInfo.environment["JOURNAL_STREAM"] != nil {
            style = .journal
        } else {
            style = isatty(2) == 1 ? .terminal : .plain
        }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let level = event.level
        let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }
        var text = Self.printable("\(event.message)")
        if !fields.isEmpty {
            text += "  " + fields.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.printable("\($0.value)"))" }.joined(separator: " ")
        }
        let time = Timestamp(Date()).iso8601
        switch style {
        case .journal: FileHandles.standardError("<\(Self.priority(level))>\(text)\n")
        case .plain: FileHandles.standardError("\(time) \(level) \(text)\n")
        case .terminal:
            let colour = level >= .error ? "31" : level >= .warning ? "33" : "0"
            FileHandles.standardError("\(time.dropFirst(11).dropLast()) \u{1B}[\(colour)m\(text)\u{1B}[0m\n")
        }
    }

    /// Others write part of what is logged: no control character may reach a terminal or break a line.
    private static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }

    private static func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
