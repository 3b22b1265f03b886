import Fleet
import TOMLKit

/// A table of the file, with what is needed to find its lines.
struct Section {
    var name: String
    /// For `[[pool]]`: which one.
    var index: Int?
    var table: TOMLTable?

    func path(_ key: String?) -> String? {
        let prefix = index.map { "\(name)[\($0)]" } ?? name
        guard let key else { return prefix.isEmpty ? nil : prefix }
        return prefix.isEmpty ? key : "\(prefix).\(key)"
    }
}

/// Typed values, with an error for any other type.
extension SettingsReader {
    mutating func table(_ root: TOMLTable, _ name: String) -> TOMLTable? {
        guard let value = root[name] else { return nil }
        if value.table == nil { fail(Section(name: ""), name, "must be a section [\(name)]") }
        return value.table
    }

    mutating func section(_ root: TOMLTable, _ name: String, allowed: Set<String>) -> Section {
        let section = Section(name: name, table: table(root, name))
        unknownKeys(section.table, in: section, allowed: allowed)
        return section
    }

    mutating func unknownKeys(_ table: TOMLTable?, in section: Section, allowed: Set<String>) {
        for key in (table?.keys ?? []).sorted() where !allowed.contains(key) {
            let nearest = allowed.min { (distance($0, key), $0) < (distance($1, key), $1) }
            let hint = nearest.flatMap { distance($0, key) <= 3 ? "did you mean \($0)?" : nil }
            fail(section, key, "unknown key; " + (hint ?? "known here are \(allowed.sorted().joined(separator: ", "))"))
        }
    }

    mutating func string(_ section: Section, _ key: String) -> String? {
        guard let value = section.table?[key] else { return nil }
        if value.string == nil { wrongType(section, key, value, "a text in quotes") }
        return value.string
    }

    mutating func strings(_ section: Section, _ key: String) -> [String]? {
        guard let value = section.table?[key] else { return nil }
        guard let array = value.array else {
            wrongType(section, key, value, "a list of texts, such as [\"a\", \"b\"]")
            return nil
        }
        let texts = array.compactMap(\.string)
        if texts.count != array.count { fail(section, key, "every entry of the list must be a text in quotes") }
        return texts
    }

    mutating func bool(_ section: Section, _ key: String) -> Bool? {
        guard let value = section.table?[key] else { return nil }
        if value.type != .bool { wrongType(section, key, value, "true or false") }
        return value.type == .bool ? value.bool : nil
    }

    /// A positive number.
    mutating func number(_ section: Section, _ key: String) -> Double? {
        guard let value = section.table?[key] else { return nil }
        let number: Double? =
            switch value.type {
            case .int: value.int.map(Double.init)
            case .double: value.double
            default: nil
            }
        guard let number else {
            wrongType(section, key, value, "a number such as 2.0")
            return nil
        }
        guard number > 0, number <= 4096 else {
            fail(section, key, "must be more than 0 and at most 4096")
            return nil
        }
        return number
    }

    mutating func count(_ section: Section, _ key: String, from least: Int) -> Int? {
        guard let value = section.table?[key] else { return nil }
        guard value.type == .int, let number = value.int else {
            wrongType(section, key, value, "a whole number")
            return nil
        }
        guard (least...1_000_000).contains(number) else {
            fail(section, key, "must be from \(least) to 1000000")
            return nil
        }
        return number
    }

    mutating func size(_ section: Section, _ key: String) -> Int64? {
        guard let text = string(section, key) else { return nil }
        if let bytes = Units.bytes(text), bytes > 0 { return bytes }
        fail(section, key, "\"\(text)\" is no size; write it as \"2GiB\" or \"512MiB\"")
        return nil
    }

    mutating func duration(_ section: Section, _ key: String) -> Duration? {
        guard let text = string(section, key) else { return nil }
        if let duration = Units.duration(text) { return duration }
        fail(section, key, "\"\(text)\" is no time; write it as \"5m\", \"30s\" or \"1h30m\"")
        return nil
    }

    mutating func wrongType(_ section: Section, _ key: String, _ value: any TOMLValueConvertible, _ right: String) {
        let found =
            switch value.type {
            case .table: "a table"
            case .array: "a list"
            case .string: "a text"
            case .int: "a whole number"
            case .double: "a number with a fraction"
            case .bool: "true or false"
            default: "a date or time"
            }
        fail(section, key, "is \(found), and must be \(right)")
    }

    mutating func fail(_ section: Section, _ key: String?, _ message: String) {
        errors.append(
            SettingsError(
                file: file, line: lines.line(section: section.name, index: section.index ?? 0, key: key),
                key: section.path(key), message: message))
    }
}

/// Levenshtein's distance, for "did you mean".
private func distance(_ a: String, _ b: String) -> Int {
    let b = Array(b)
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for j in b.indices {
            let above = row[j + 1]
            row[j + 1] = min(above + 1, row[j] + 1, diagonal + (x == b[j] ? 0 : 1))
            diagonal = above
        }
    }
    return row[b.count]
}

/// Where sections and keys stand in the text. TOMLKit tells the place of a syntax error only, so this
/// looks for the headers and keys as they are usually written; what it doesn't find has its section's line.
struct LineIndex {
    private var places: [String: Int] = [:]

    init(_ text: String) {
        var section = ""
        var counts: [String: Int] = [:]
        for (number, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = raw.drop { $0 == " " || $0 == "\t" }
            if line.hasPrefix("[") {
                let name = line.drop { $0 == "[" }.prefix { $0 != "]" }.filter { !$0.isWhitespace && $0 != "\"" }
                let index = counts[name, default: 0]
                counts[name] = index + 1
                section = "\(name)#\(line.hasPrefix("[[") ? index : 0)"
                places[section] = places[section] ?? number + 1
            } else if let equals = line.firstIndex(of: "="), !line.hasPrefix("#") {
                let key = line[..<equals].filter { !$0.isWhitespace && $0 != "\"" }
                let place = "\(section)/\(key)"
                places[place] = places[place] ?? number + 1
            }
        }
    }

    func line(section: String, index: Int, key: String?) -> Int? {
        let prefix = section.isEmpty ? "" : "\(section)#\(index)"
        guard let key else { return places[prefix] }
        return places["\(prefix)/\(key)"] ?? places[prefix] ?? (section.isEmpty ? places["\(key)#0"] : nil)
    }
}
