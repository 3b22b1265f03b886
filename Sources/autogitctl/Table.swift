import Glibc

/// Rows in columns that fit the terminal. Columns are as wide as their contents; when that is too wide, the widest columns are cut.
struct Table {
    private let head: [String]
    private var rows: [[String]] = []

    init(_ head: String...) { self.init(head) }

    init(_ head: [String]) { self.head = head }

    mutating func add(_ cells: String?...) { add(cells) }

    /// One for each of the head.
    mutating func add(_ cells: [String?]) { rows.append(cells.map { printable($0 ?? "-") }) }

    /// - Parameter width: of the terminal; nil for a pipe, into which nothing is cut.
    func text(width: Int?) -> String {
        var widths = head.indices.map { column in ([head] + rows).map { $0[column].count }.max() ?? 0 }
        let gaps = 2 * (widths.count - 1)
        if let width {
            while widths.reduce(gaps, +) > width, let widest = widths.indices.max(by: { widths[$0] < widths[$1] }), widths[widest] > 8 {
                widths[widest] -= 1
            }
        }
        return ([head] + rows).map { line(of: $0, widths) }.joined()
    }

    private func line(of cells: [String], _ widths: [Int]) -> String {
        var text = ""
        for (index, cell) in cells.enumerated() {
            let fitted = cell.count > widths[index] ? cell.prefix(widths[index] - 1) + "…" : cell[...]
            text += fitted
            if index < cells.count - 1 { text += String(repeating: " ", count: widths[index] - fitted.count + 2) }
        }
        return text + "\n"
    }
}

/// The columns of the terminal on standard output; nil when standard output is something else.
func terminalWidth() -> Int? {
    guard isatty(1) == 1 else { return nil }
    var size = winsize()
    guard ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
}

/// Replaces control characters: names of jobs and projects are other people's, and must not control the terminal.
func printable(_ text: String) -> String {
    String(
        String.UnicodeScalarView(
            text.unicodeScalars.map { scalar in
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: "\u{FFFD}"
                default: scalar
                }
            }))
}
