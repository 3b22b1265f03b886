import Fleet
import TOMLKit

/// A table of the file, and its place, by which the lines of its keys are found.
struct Section {
    var name: String
    /// Counted from 0; for `[[pool]]` only.
    var index: Int?
    /// Counted from 0; for an array within `[[pool]]` only.
    var element: Int?
    var table: TOMLTable?

    /// A table within this one; empty where there is none.
    func nested(_ key: String) -> Section { Section(name: "\(name).\(key)", index: index, table: table?[key]?.table) }

    func path(_ key: String?) -> String? {
        let parts = name.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let prefix = (index.map { "\(parts[0])[\($0)]" + (parts.count > 1 ? ".\(parts[1])" : "") } ?? name) + (element.map { "[\($0)]" } ?? "")
        guard let key else { return prefix.isEmpty ? nil : prefix }
        return prefix.isEmpty ? key : "\(prefix).\(key)"
    }
}

/// Typed values. Each returns nil for a key that is absent, and reports an error for a value of another type or out of range.
extension SettingsReader {
    mutating func table(_ root: TOMLTable, _ name: String) -> TOMLTable? {
        guard let value = root[name] else { return nil }
        if value.table == nil { fail(Section(name: ""), name, "expected a section [\(name)]") }
        return value.table
    }

    mutating func unknownKeys(_ table: TOMLTable?, in section: Section, allowed: [String]) {
        for key in (table?.keys ?? []).sorted() where !allowed.contains(key) {
            let nearest = allowed.min { (distance($0, key), $0) < (distance($1, key), $1) }
            let hint = nearest.flatMap { distance($0, key) <= 3 ? "did you mean \($0)?" : nil }
            fail(section, key, "unknown key; " + (hint ?? "valid keys are \(allowed.sorted().joined(separator: ", "))"))
        }
    }

    mutating func string(_ section: Section, _ key: String) -> String? {
        guard let value = section.table?[key] else { return nil }
        if value.string == nil { wrongType(section, key, value, "a string in quotes") }
        return value.string
    }

    mutating func strings(_ section: Section, _ key: String) -> [String]? {
        guard let value = section.table?[key] else { return nil }
        guard let array = value.array else {
            wrongType(section, key, value, "an array of strings, for example [\"a\", \"b\"]")
            return nil
        }
        let texts = array.compactMap(\.string)
        if texts.count != array.count { fail(section, key, "every element of the array must be a string in quotes") }
        return texts
    }

    mutating func bool(_ section: Section, _ key: String) -> Bool? {
        guard let value = section.table?[key] else { return nil }
        if value.type != .bool { wrongType(section, key, value, "true or false") }
        return value.type == .bool ? value.bool : nil
    }

    /// - Parameter range: nil for more than 0 and at most 4096.
    mutating func number(_ section: Section, _ key: String, in range: ClosedRange<Double>? = nil) -> Double? {
        guard let value = section.table?[key] else { return nil }
        let number: Double? =
            switch value.type {
            case .int: value.int.map(Double.init)
            case .double: value.double
            default: nil
            }
        guard let number else {
            wrongType(section, key, value, "a number, for example 2.0")
            return nil
        }
        if let range, !range.contains(number) {
            fail(section, key, "must be from \(Int(range.lowerBound)) to \(Int(range.upperBound))")
            return nil
        }
        guard range != nil || (number > 0 && number <= 4096) else {
            fail(section, key, "must be greater than 0 and at most 4096")
            return nil
        }
        return number
    }

    mutating func count(_ section: Section, _ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let value = section.table?[key] else { return nil }
        guard value.type == .int, let number = value.int else {
            wrongType(section, key, value, "an integer")
            return nil
        }
        guard range.contains(number) else {
            fail(section, key, "must be from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return number
    }

    /// - Parameter least: in bytes.
    mutating func size(_ section: Section, _ key: String, atLeast least: Int64, orNone none: Bool = false) -> Int64? {
        guard let text = string(section, key) else { return nil }
        if none, text == "none" { return 0 }
        guard let bytes = Units.bytes(text) else {
            fail(section, key, "\"\(text)\" is not a valid size, for example 2GiB or 512MiB" + (none ? ", or none" : ""))
            return nil
        }
        guard bytes >= least else {
            fail(section, key, "must be at least \(Units.text(bytes: least))")
            return nil
        }
        return bytes
    }

    mutating func duration(_ section: Section, _ key: String) -> Duration? {
        guard let text = string(section, key) else { return nil }
        if let duration = Units.duration(text) { return duration }
        fail(section, key, "\"\(text)\" is not a valid duration, for example 30s, 5m or 1h30m")
        return nil
    }

    /// Any table, for a program that isn't ours to check it.
    mutating func anything(_ section: Section) -> [String: RunnerSetting] {
        guard let table = section.table else { return [:] }
        var entries: [String: RunnerSetting] = [:]
        for key in table.keys {
            guard let value = table[key] else { continue }
            if let setting = RunnerSetting(value) {
                entries[key] = setting
            } else {
                fail(section, key, "has a date or time, which gitlab-runner has no use for: write it in quotes")
            }
        }
        return entries
    }

    mutating func table(_ section: Section, _ key: String) -> [String: String]? {
        guard let value = section.table?[key] else { return nil }
        guard let table = value.table else {
            wrongType(section, key, value, "a table, for example { NAME = \"value\" }")
            return nil
        }
        var entries: [String: String] = [:]
        for name in table.keys {
            if let text = table[name]?.string { entries[name] = text } else { fail(section, key, "\(name) must be a string in quotes") }
        }
        return entries
    }

    mutating func wrongType(_ section: Section, _ key: String, _ value: any TOMLValueConvertible, _ right: String) {
        let found =
            switch value.type {
            case .table: "a table"
            case .array: "an array"
            case .string: "a string"
            case .int: "an integer"
            case .double: "a fractional number"
            case .bool: "a boolean"
            default: "a date or time"
            }
        fail(section, key, "expected \(right), found \(found)")
    }

    mutating func fail(_ section: Section, _ key: String?, _ message: String) {
        errors.append(
            SettingsError(
                file: file, line: lines.line(section: section.name, index: section.index ?? 0, element: section.element, key: key),
                key: section.path(key), message: message))
    }
}

extension RunnerSetting {
    /// nil for a date or time, and for anything that contains one.
    fileprivate init?(_ value: any TOMLValueConvertible) {
        switch value.type {
        case .string: self = .string(value.string ?? "")
        case .int: self = .integer(value.int ?? 0)
        case .double: self = .number(value.double ?? 0)
        case .bool: self = .flag(value.bool ?? false)
        case .array:
            let values = (value.array ?? TOMLArray()).map(RunnerSetting.init)
            guard !values.contains(where: { $0 == nil }) else { return nil }
            self = .array(values.compactMap { $0 })
        case .table:
            var entries: [String: RunnerSetting] = [:]
            for (key, entry) in value.table ?? TOMLTable() {
                guard let setting = RunnerSetting(entry) else { return nil }
                entries[key] = setting
            }
            self = .table(entries)
        default: return nil
        }
    }
}

/// Levenshtein distance, for "did you mean".
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
