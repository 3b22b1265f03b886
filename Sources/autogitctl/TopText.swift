/// The columns of a terminal that a text takes, as wcwidth(3) counts them. A text that is not `printable` has no such number.
func displayedColumns(_ text: String) -> Int { text.unicodeScalars.reduce(0) { $0 + displayedColumns($1) } }

private func displayedColumns(_ scalar: Unicode.Scalar) -> Int {
    if scalar.isASCII { return 1 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark: return 0
    default: break
    }
    // East Asian Wide and Fullwidth of Unicode's EastAsianWidth.txt, in ranges that are rather too wide: a gap is better than a broken line.
    switch scalar.value {
    case 0x1100...0x115F, 0x2329...0x232A, 0x2630...0x2637, 0x268A...0x268F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3,
        0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x1B2FF, 0x1D300...0x1D37F, 0x1F1AE,
        0x1F1E6...0x1F2FF, 0x1F6D0...0x1F6DF, 0x1F7D0...0x1F7FF, 0x1FA70...0x1FAFF, 0x20000...0x3FFFD:
        return 2
    default: return scalar.properties.isEmojiPresentation ? 2 : 1
    }
}

/// A text of other people in at most this many columns, with … for the rest.
func fitted(_ text: String, columns: Int) -> String {
    let text = tame(text)
    guard displayedColumns(text) > columns else { return text }
    guard columns > 0 else { return "" }
    var fitted = String.UnicodeScalarView()
    var left = columns - 1
    for scalar in text.unicodeScalars {
        left -= displayedColumns(scalar)
        if left < 0 { break }
        fitted.append(scalar)
    }
    return String(fitted) + "…"
}

/// The rows that a line takes in a terminal; at least one.
func wrapped(_ line: String, columns: Int) -> [String] {
    var rows: [String] = []
    var row = String.UnicodeScalarView()
    var left = columns
    for scalar in tame(line).unicodeScalars {
        let width = displayedColumns(scalar)
        if width > left, !row.isEmpty {
            rows.append(String(row))
            row = .init()
            left = columns
        }
        // A wide character in a terminal of one column.
        if width > left { continue }
        row.append(scalar)
        left -= width
    }
    return rows + [String(row)]
}

/// Makes a text printable, and keeps at most two marks on a character: more would reach into other lines.
func tame(_ text: String) -> String {
    if text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { return text }
    var tame = String.UnicodeScalarView()
    var marks = 0
    for scalar in printable(text).unicodeScalars {
        marks = displayedColumns(scalar) == 0 ? marks + 1 : 0
        if marks <= 2 { tame.append(scalar) }
    }
    return String(tame)
}
