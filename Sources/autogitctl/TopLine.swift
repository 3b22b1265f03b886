/// One line of the screen.
struct TopLine: Equatable {
    enum Style: String {
        case plain = ""
        case bold = "1"
        case dim = "2"
        case good = "32"
        case warning = "33"
        case failure = "31"
    }

    struct Span: Equatable {
        var text: String
        var style: Style
    }

    private(set) var spans: [Span] = []
    /// Shown in reverse.
    var isSelected = false

    init(_ text: String = "", _ style: Style = .plain) { add(text, style) }

    mutating func add(_ text: String, _ style: Style = .plain) {
        if !text.isEmpty { spans.append(Span(text: text, style: style)) }
    }

    var text: String { spans.map(\.text).joined() }

    /// Makes the line printable, and at most this wide.
    func fitted(columns: Int) -> TopLine {
        var line = TopLine()
        line.isSelected = isSelected
        var left = columns
        for span in spans where left > 0 {
            let text = autogitctl.fitted(span.text, columns: left)
            line.add(text, span.style)
            left -= displayedColumns(text)
        }
        return line
    }

    /// - Parameter isColoured: whether to use SGR sequences (ECMA-48, 8.3.117) besides reverse, which marks the selected line.
    func terminalText(isColoured: Bool) -> String {
        let reverse = isSelected ? "7" : ""
        return spans.map { span in
            let codes = [reverse, isColoured ? span.style.rawValue : ""].filter { !$0.isEmpty }.joined(separator: ";")
            return codes.isEmpty ? span.text : "\u{1B}[\(codes)m\(span.text)\u{1B}[m"
        }.joined()
    }
}
