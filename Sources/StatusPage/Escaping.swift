/// Makes text from others harmless in a page.
enum Escaping {
    /// Appends text so that it reads as itself inside an element and inside a quoted attribute. Invisible characters and those
    /// that reorder the text around them, such as controls and bidirectional overrides, are written out: `\u{202E}`.
    static func append(_ text: String, to markup: inout [UInt8]) {
        if text.utf8.allSatisfy({ isPlain($0) }) { return markup.append(contentsOf: text.utf8) }
        // Text between two that are replaced is appended whole.
        var run = text.startIndex
        for index in text.unicodeScalars.indices {
            guard let replacement = replacement(for: text.unicodeScalars[index]) else { continue }
            markup.append(contentsOf: text.utf8[run..<index])
            markup.append(contentsOf: replacement.utf8)
            run = text.unicodeScalars.index(after: index)
        }
        markup.append(contentsOf: text.utf8[run...])
    }

    private static func replacement(for scalar: Unicode.Scalar) -> String? {
        switch scalar {
        case "&": "&amp;"
        case "<": "&lt;"
        case ">": "&gt;"
        case "\"": "&quot;"
        case "'": "&#39;"
        case _ where isUnseen(scalar): "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        default: nil
        }
    }

    /// Printable ASCII without the five characters of markup: nearly all text, and it is appended whole.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "&"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\""), UInt8(ascii: "'"): false
        default: (0x20..<0x7F).contains(byte)
        }
    }

    /// Controls, bidirectional controls and characters without a width. The joiners U+200C and U+200D stay: some scripts and emoji need them.
    private static func isUnseen(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x00...0x1F, 0x7F...0x9F, 0x061C, 0x180E, 0x200B, 0x200E, 0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB: true
        case 0xE0000...0xE0FFF: true
        // The rest up to here has signs, and most text that is not ASCII.
        case ..<0x378: false
        default: scalar.properties.generalCategory == .unassigned || scalar.properties.generalCategory == .privateUse
        }
    }

    /// One segment of a path, for a link.
    static func pathSegment(_ text: String) -> String {
        var segment = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                segment.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                segment += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return segment
    }

    /// A line of a log: without the colors that tools write for terminals, with tabs as spaces, and bounded.
    static func logLine(_ line: String, atMost bound: Int) -> String {
        var clean = String.UnicodeScalarView()
        var rest = line.unicodeScalars.prefix(bound * 4)[...]
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\u{1B}" where rest.first == "[":
                // ESC [ parameters, and a final letter from @ to ~.
                rest.removeFirst()
                while let part = rest.popFirst(), !(0x40...0x7E).contains(part.value) {}
            case "\t": clean.append(contentsOf: "    ".unicodeScalars)
            case "\r" where rest.isEmpty: break
            default: clean.append(scalar)
            }
        }
        return String(clean).clipped(to: bound)
    }
}

extension String {
    /// The text with at most so many Unicode scalars, and an ellipsis where some are missing. By scalars, for one character may have any number.
    func clipped(to bound: Int) -> String {
        // The bytes bound the scalars, and are known without counting.
        if utf8.count <= bound { return self }
        let kept = unicodeScalars.prefix(bound)
        return kept.endIndex == unicodeScalars.endIndex ? self : String(String.UnicodeScalarView(kept)) + "…"
    }

    /// With a capital, for the start of a sentence.
    var capitalizedSentence: String { prefix(1).uppercased() + dropFirst() }

    /// A hash that is the same in every process, for ids that a refresh keeps.
    var fingerprint: String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return String(hash, radix: 36)
    }
}
