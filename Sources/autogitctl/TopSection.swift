/// A heading and rows, of which the selected one stays in sight.
struct TopSection {
    var title: String
    /// In place of the heading where there are no rows.
    var empty: String
    var count: Int
    /// Rows that the daemon did not list.
    var unlisted = 0
    var selected: Int?
    var width: Int
    var grid: (Range<Int>) -> TopGrid

    var height: Int { count + 1 }

    func lines(height: Int) -> [TopLine] {
        guard count > 0 else { return [TopLine(empty, .dim)] }
        let visible = min(count, height - 1)
        let first = selected.map { max(0, min(count - visible, $0 - visible / 2)) } ?? 0
        let range = first..<(first + visible)
        let hidden = count - visible + unlisted
        var heading = TopLine("\(title) \(count + unlisted)", .bold)
        if hidden > 0 { heading.add("  … \(hidden) more", .dim) }
        return [heading]
            + zip(range, grid(range).lines(width: max(0, width - 2))).map { index, row in
                var line = TopLine(index == selected ? "> " : "  ")
                for span in row.spans { line.add(span.text, span.style) }
                guard index == selected else { return line }
                line.add(String(repeating: " ", count: max(0, width - displayedColumns(line.text))))
                line.isSelected = true
                return line
            }
    }
}
