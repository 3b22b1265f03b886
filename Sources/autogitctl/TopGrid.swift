/// Cells in columns that fit a width.
struct TopGrid {
    private let floors: [Int]
    private var rows: [[TopLine.Span]] = []

    /// - Parameter floors: a width for each column, below which it is cut only when all others are at theirs.
    init(floors: [Int]) { self.floors = floors }

    mutating func add(_ cells: [TopLine.Span]) {
        rows.append(cells.map { TopLine.Span(text: tame($0.text), style: $0.style) })
    }

    func lines(width: Int) -> [TopLine] {
        var widths = floors.indices.map { column in rows.map { displayedColumns($0[column].text) }.max() ?? 0 }
        // A column without contents takes no room.
        let used = floors.indices.filter { widths[$0] > 0 }
        let gaps = 2 * max(0, used.count - 1)
        while widths.reduce(gaps, +) > width {
            let cuttable = used.filter { widths[$0] > floors[$0] }
            guard let widest = (cuttable.isEmpty ? used : cuttable).max(by: { widths[$0] < widths[$1] }), widths[widest] > 4 else { break }
            widths[widest] -= 1
        }
        return rows.map { row in
            var line = TopLine()
            for column in used {
                let text = fitted(row[column].text, columns: widths[column])
                line.add(text, row[column].style)
                if column != used.last { line.add(String(repeating: " ", count: widths[column] - displayedColumns(text) + 2)) }
            }
            return line.fitted(columns: width)
        }
    }
}
