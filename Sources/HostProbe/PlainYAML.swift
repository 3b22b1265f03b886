/// Reads the part of YAML that programs write CDI specifications (`nvidia-ctk cdi generate`) and kubeconfigs (`kubectl`) in, by go-yaml: maps and
/// lists in lines with indentation, plain and quoted scalars of one line, and short lists in brackets. Anything else is refused by name of its
/// line, never guessed.
///
/// Not Yams, which the simulated GitLab uses: it imports all of Foundation, whose tables of languages alone are larger than the whole package.
package struct PlainYAML {
    private struct Line {
        var number: Int
        var indent: Int
        var text: Substring
    }
    /// Deeper than any specification.
    private static let deepest = 32
    private var lines: [Line] = []
    private var next = 0

    /// - Throws: `Malformed`
    package static func read(_ text: String) throws -> PlainTree {
        var reader = try PlainYAML(text)
        guard let first = reader.lines.first else { return .nothing }
        let tree = try reader.node(first.indent, depth: 0)
        if reader.next < reader.lines.count { throw reader.refused("is indented unlike the lines before it") }
        return tree
    }

    private init(_ text: String) throws {
        for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let indent = line.prefix { $0 == " " }.count
            let content = try Self.withoutComment(line.dropFirst(indent), number + 1)
            if content.isEmpty || (indent == 0 && content == "---" && lines.isEmpty) { continue }
            if indent == 0 && content == "..." { break }
            if line.dropFirst(indent).first == "\t" { throw Malformed(reason: "line \(number + 1) is indented with a tab") }
            lines.append(Line(number: number + 1, indent: indent, text: content))
        }
    }

    private static func withoutComment(_ text: Substring, _ number: Int) throws -> Substring {
        var quote: Character?
        var before: Character = " "
        var end = text.endIndex
        var index = text.startIndex
        while index < text.endIndex {
            let character = text[index]
            if let open = quote {
                if open == "\"" && character == "\\" {
                    index = text.index(after: index)
                    if index == text.endIndex { break }
                } else if character == open {
                    quote = nil
                }
            } else if character == "#" && (before == " " || before == "\t") {
                end = index
                break
            } else if (character == "\"" || character == "'") && [" ", "-", "[", ",", ":", "{"].contains(before) {
                quote = character
            }
            before = character
            index = text.index(after: index)
        }
        if quote != nil { throw Malformed(reason: "line \(number) has a quote that isn't closed in it") }
        return text[..<end].trimmed
    }

    private func refused(_ what: String, _ line: Line? = nil) -> Malformed {
        Malformed(reason: "line \((line ?? lines[min(next, lines.count - 1)]).number) \(what)")
    }

    /// What begins at the next line, all of it at `indent` or deeper.
    private mutating func node(_ indent: Int, depth: Int) throws -> PlainTree {
        guard depth < Self.deepest else { throw refused("is nested too deep") }
        let line = lines[next]
        if Self.isItem(line.text) { return try list(indent, depth) }
        if try Self.key(line.text, line.number) != nil { return try map(indent, depth) }
        next += 1
        return try Self.scalar(line.text, line.number)
    }

    private static func isItem(_ text: Substring) -> Bool { text == "-" || text.hasPrefix("- ") }

    private mutating func list(_ indent: Int, _ depth: Int) throws -> PlainTree {
        var list: [PlainTree] = []
        while next < lines.count, lines[next].indent == indent, Self.isItem(lines[next].text) {
            let rest = lines[next].text.dropFirst()
            let content = rest.drop { $0 == " " }
            if content.isEmpty {
                next += 1
                list.append(try nested(below: indent, depth))
            } else {
                // What follows the dash is a line of its own, further in.
                lines[next].indent += 1 + rest.count - content.count
                lines[next].text = content
                list.append(try node(lines[next].indent, depth: depth + 1))
            }
        }
        return .list(list)
    }

    private mutating func map(_ indent: Int, _ depth: Int) throws -> PlainTree {
        var map: [String: PlainTree] = [:]
        while next < lines.count, lines[next].indent == indent, !Self.isItem(lines[next].text) {
            let line = lines[next]
            guard let (key, rest) = try Self.key(line.text, line.number) else { throw refused("has no key") }
            guard map[key] == nil else { throw refused("repeats the key \(key)") }
            next += 1
            if !rest.isEmpty {
                map[key] = try Self.scalar(rest, line.number)
            } else if next < lines.count, lines[next].indent == indent, Self.isItem(lines[next].text) {
                // A list may stand under its key without being further in.
                map[key] = try list(indent, depth + 1)
            } else {
                map[key] = try nested(below: indent, depth)
            }
        }
        return .map(map)
    }

    private mutating func nested(below indent: Int, _ depth: Int) throws -> PlainTree {
        guard next < lines.count, lines[next].indent > indent else { return .nothing }
        return try node(lines[next].indent, depth: depth + 1)
    }

    /// The key that a line begins with, and what follows its colon; nil for a line without one.
    private static func key(_ text: Substring, _ number: Int) throws -> (String, Substring)? {
        if let first = text.first, first == "\"" || first == "'" {
            let (key, rest) = try quoted(text, number)
            guard rest.first == ":" else { return nil }
            return (key, rest.dropFirst().trimmed)
        }
        var index = text.startIndex
        while let colon = text[index...].firstIndex(of: ":") {
            let after = text.index(after: colon)
            if after == text.endIndex || text[after] == " " {
                return (try plain(text[..<colon].trimmed, number), text[after...].trimmed)
            }
            index = after
        }
        return nil
    }

    private static func scalar(_ text: Substring, _ number: Int) throws -> PlainTree {
        if text == "{}" { return .map([:]) }
        if text.first == "[" {
            guard text.count >= 2, text.last == "]" else { throw Malformed(reason: "line \(number) has a list that doesn't end in it") }
            let inner = text.dropFirst().dropLast().trimmed
            if inner.isEmpty { return .list([]) }
            return .list(try inner.split(separator: ",", omittingEmptySubsequences: false).map { .scalar(try word($0.trimmed, number)) })
        }
        if text == "null" || text == "~" { return .nothing }
        return .scalar(try word(text, number))
    }

    private static func word(_ text: Substring, _ number: Int) throws -> String {
        guard let first = text.first, first == "\"" || first == "'" else { return try plain(text, number) }
        let (word, rest) = try quoted(text, number)
        guard rest.isEmpty else { throw Malformed(reason: "line \(number) goes on after a quoted text") }
        return word
    }

    private static func plain(_ text: Substring, _ number: Int) throws -> String {
        guard let first = text.first, !"&*!|>%@`{}[],?".contains(first), !text.contains(": ") else {
            throw Malformed(reason: "line \(number) uses a part of YAML that AutoGit doesn't read")
        }
        return String(text)
    }

    /// A text in quotes, and what follows it.
    private static func quoted(_ text: Substring, _ number: Int) throws -> (String, Substring) {
        let quote = text.first
        var (word, rest) = ("", text.dropFirst())
        while let character = rest.popFirst() {
            if character == quote {
                // In single quotes, two of them stand for one.
                if quote == "'" && rest.first == "'" { rest.removeFirst() } else { return (word, rest.trimmed) }
            } else if quote == "\"" && character == "\\" {
                switch rest.popFirst() {
                case "n": word.append("\n")
                case "t": word.append("\t")
                case let escaped? where "\"\\/".contains(escaped): word.append(escaped)
                default: throw Malformed(reason: "line \(number) has an escape that AutoGit doesn't read")
                }
                continue
            }
            word.append(character)
        }
        throw Malformed(reason: "line \(number) has a quote that isn't closed in it")
    }
}

extension Substring {
    /// Without spaces and tabs at both ends.
    var trimmed: Substring {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" }
        var text = drop(while: isBlank)
        while let last = text.last, isBlank(last) { text.removeLast() }
        return text
    }
}
