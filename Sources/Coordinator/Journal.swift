import Fleet
import Logging

/// Writes events to the log: a constant line, with the details as fields.
struct Journal: Sendable {
    let log: Logger

    func write(_ event: FleetEvent) {
        let level = event.severity.level
        guard level >= log.logLevel else { return }
        var metadata: Logger.Metadata = ["event": "\(event.code)"]
        for field in event.fields { metadata[field.name] = "\(field.value)" }
        if let incident = event.incident { metadata.merge(incident.field) { _, new in new } }
        log.log(level: level, "\(event.message)", metadata: metadata)
    }
}

extension Severity {
    var level: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error: .error
        }
    }
}

extension Incident {
    /// As a log line's metadata carries it.
    public var field: Logger.Metadata { ["message_id": "\(rawValue)"] }
}
