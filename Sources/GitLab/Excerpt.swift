import Fleet
import HTTPTransfer

/// Quotes from foreign answers in messages, without what must not be told.
struct Excerpt: Sendable {
    /// How much of an answer is looked at, in bytes, and quoted, in characters.
    private static let looked = 4096
    private static let quoted = 120

    private let secrets: [[UInt8]]

    /// - Parameter secrets: what the request carried; a proxy may send the request back.
    init(hiding secrets: [Secret]) {
        self.secrets = secrets.map { $0.reveal() }.filter { !$0.isEmpty }.flatMap { [$0, percentEncoded($0)] }.map { Array($0.utf8) }
    }

    /// The first words of a body, in one line; an HTML page's title, or its text without tags.
    func firstWords(of body: [UInt8]) -> String {
        var head = hide(Array(body.prefix(Self.looked)))
        // The cut may have left the first half of a secret, which nothing would recognise.
        if body.count > Self.looked { head.removeLast(min(head.count, secrets.map(\.count).max() ?? 0)) }
        let text = String(decoding: head, as: UTF8.self)
        let words = Self.title(of: text) ?? (text.contains("<") ? Self.withoutTags(text) : text)
        return line(words, atMost: Self.quoted)
    }

    /// Any text in one line without secrets and without characters that could steer a terminal.
    func line(_ text: String, atMost length: Int) -> String {
        var line = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .spaceSeparator, .lineSeparator, .paragraphSeparator: if line.last != " " { line += " " }
            case .control where scalar.properties.isWhitespace: if line.last != " " { line += " " }
            case .control, .format, .surrogate, .privateUse, .unassigned: break
            default: line.unicodeScalars.append(scalar)
            }
        }
        let hidden = String(decoding: hide(Array(line.utf8)), as: UTF8.self).replacing(/gl[a-z]{1,8}-[A-Za-z0-9_.\-]{8,}/, with: "[hidden]")
        let trimmed = hidden.drop { $0 == " " }
        return trimmed.count > length ? trimmed.prefix(length) + "…" : String(trimmed.last == " " ? trimmed.dropLast() : trimmed)
    }

    private func hide(_ bytes: [UInt8]) -> [UInt8] {
        secrets.reduce(bytes) { $0.replacing($1, with: Array("[hidden]".utf8)) }
    }

    private static func title(of html: String) -> String? {
        guard let match = html.firstMatch(of: /(?is)<title[^>]*>([^<]*)</) else { return nil }
        return match.1.allSatisfy(\.isWhitespace) ? nil : String(match.1)
    }

    private static func withoutTags(_ html: String) -> String {
        var text = ""
        var isInTag = false
        for character in html {
            switch character {
            case "<":
                isInTag = true
                text += " "
            case ">": isInTag = false
            default: if !isInTag { text.append(character) }
            }
        }
        return text
    }
}
