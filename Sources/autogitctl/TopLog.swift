/// A runner's log, broken into rows of the terminal and scrolled.
struct TopLog: Equatable {
    let runner: String
    private let lines: [String]
    private(set) var rows: [String] = []
    /// The first row that is shown.
    private(set) var top = 0
    private(set) var height = 1

    init(runner: String, text: String, size: TopSize) {
        self.runner = runner
        var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { Self.plain($0) }
        if lines.last == "" { lines.removeLast() }
        self.lines = lines
        fit(size)
        // The end is what matters in a log.
        top = last
    }

    var visible: ArraySlice<String> { rows[top..<min(rows.count, top + height)] }

    mutating func fit(_ size: TopSize) {
        let wasAtEnd = top >= last
        // A heading and a line of keys.
        height = max(1, size.rows - 2)
        rows = lines.flatMap { wrapped($0, columns: max(1, size.columns)) }
        top = wasAtEnd ? last : min(top, last)
    }

    mutating func take(_ key: Key) {
        switch key {
        case .up, .letter("k"): scroll(by: -1)
        case .down, .letter("j"): scroll(by: 1)
        case .pageUp: scroll(by: -height)
        case .pageDown, .letter(" "): scroll(by: height)
        case .home, .letter("g"): top = 0
        case .end, .letter("G"): top = last
        default: break
        }
    }

    private var last: Int { max(0, rows.count - height) }
    private mutating func scroll(by steps: Int) { top = max(0, min(last, top + steps)) }

    /// Drops colours, with which runners write their logs, and makes the rest harmless.
    private static func plain(_ line: Substring.UnicodeScalarView) -> String {
        var text = String.UnicodeScalarView()
        var rest = line
        while let scalar = rest.popFirst() {
            if scalar == "\u{1B}", rest.first == "[" {
                let body = rest.dropFirst().prefix { $0 == ";" || ("0"..."9").contains($0) }
                if let final = rest[body.endIndex...].first, final == "m" || final == "K" {
                    rest = rest[rest.index(after: body.endIndex)...]
                    continue
                }
            }
            switch scalar {
            case "\t": text.append(contentsOf: "    ".unicodeScalars)
            case "\r" where rest.isEmpty: break
            default: text.append(scalar)
            }
        }
        return printable(String(text))
    }
}
