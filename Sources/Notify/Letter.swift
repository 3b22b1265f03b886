import Fleet
import FoundationEssentials

/// Whom a notification is from.
public struct Sender: Sendable {
    /// The name of this host.
    public var host: String
    /// The daemon's version.
    public var version: String
    /// The status page as others most likely reach it; nil where that is not known.
    public var page: String?

    public init(host: String, version: String, page: String? = nil) {
        self.host = host
        self.version = version
        self.page = page
    }
}

/// A notification as a request to ntfy (docs.ntfy.sh/publish): the text is the body, all else is in headers.
struct NtfyLetter {
    let headers: [(name: String, value: String)]
    let body: [UInt8]

    /// ntfy's `message-size-limit` is 4096 bytes by default; a longer body becomes an attachment.
    static let mostBytes = 4000

    init(_ notification: Notification, from sender: Sender, token: Secret?) {
        // 5 is the highest priority, 3 the usual one. The first tag is one of those that ntfy shows as a symbol.
        let (priority, symbol) =
            switch notification.state {
            case .begun: notification.isCritical ? ("4", "rotating_light") : ("3", "warning")
            case .ended: ("2", "white_check_mark")
            case .note: ("3", notification.kind == "test" ? "bell" : "inbox_tray")
            }
        var headers = [
            ("Title", Self.headerValue("\(sender.host): \(notification.title)")), ("Priority", priority), ("Tags", "\(symbol),\(notification.kind)"),
        ]
        if let link = notification.link ?? sender.page { headers.append(("Click", Self.headerValue(link))) }
        if let token { headers.append(("Authorization", "Bearer \(token.reveal())")) }
        self.headers = headers
        // An empty body would be shown as "triggered".
        body = Self.cut(notification.text.isEmpty ? notification.title : notification.text, toBytes: Self.mostBytes)
    }

    /// A text as the value of a header: as it is when it is printable ASCII, else in encoded words of UTF-8 in Base64 (RFC 2047), each at most 75
    /// characters long. Job names and errors are other people's text, so nothing of them may end the line.
    static func headerValue(_ text: String) -> String {
        let line = String(text.prefix(400).map { $0.isNewline || $0.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F } ? " " : $0 })
        guard !line.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) || line.contains("=?") else { return line }
        var words: [[UInt8]] = [[]]
        for character in line {
            let bytes = Array(String(character).utf8)
            // 45 bytes are 60 of Base64; the frame takes 12.
            if let last = words.last, !last.isEmpty, last.count + bytes.count > 45 { words.append([]) }
            words[words.count - 1] += bytes
        }
        return words.map { "=?UTF-8?B?\(Data($0).base64EncodedString())?=" }.joined(separator: " ")
    }

    /// Never within a character.
    static func cut(_ text: String, toBytes most: Int) -> [UInt8] {
        guard text.utf8.count > most else { return Array(text.utf8) }
        var kept: [UInt8] = []
        for character in text {
            let bytes = Array(String(character).utf8)
            if kept.count + bytes.count > most - 3 { break }
            kept += bytes
        }
        return kept + Array("…".utf8)
    }
}

/// A notification as JSON, for webhooks and commands. Fields are added, never renamed or removed.
struct JSONLetter: Encodable {
    /// `Notification.id`.
    var delivery: String
    /// Seconds since 1970, of this try, by the calendar. It is signed with the rest, so that nobody can send an old one again.
    var sent_at: Int64
    var kind: String
    var state: String
    var title: String
    var text: String
    var pool: String?
    var job: Int64?
    /// ISO 8601 in UTC.
    var since: String?
    var link: String?
    var host: String
    var version: String

    init(_ notification: Notification, from sender: Sender, sentAt: Int64) {
        delivery = notification.id
        sent_at = sentAt
        kind = notification.kind
        state = notification.state.rawValue
        title = notification.title
        text = notification.text
        pool = notification.pool
        job = notification.job
        since = notification.since?.iso8601
        link = notification.link ?? sender.page
        host = sender.host
        version = sender.version
    }

    /// On one line.
    func bytes() -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Strings and numbers alone always have a JSON.
        return (try? encoder.encode(self)).map { Array($0) } ?? []
    }

    /// The same for programs that don't read JSON, each value on one line.
    var environment: [String: String] {
        let values = [
            "KIND": kind, "STATE": state, "TITLE": title, "TEXT": text, "POOL": pool, "JOB": job.map { "\($0)" }, "SINCE": since, "LINK": link, "HOST": host,
            "DELIVERY": delivery,
        ]
        return values.reduce(into: [:]) { all, entry in
            guard let value = entry.value else { return }
            all["AUTOGIT_\(entry.key)"] = String(value.map { $0.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F } ? " " : $0 })
        }
    }
}
