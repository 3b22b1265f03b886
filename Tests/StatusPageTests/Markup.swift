/// A document, read strictly and by bytes: anything that a browser would have to guess about is a fault. So text that got in as markup shows up as
/// an element or an attribute that the page doesn't have.
struct Markup {
    struct Element {
        var name: String
        var attributes: [String: String]
    }

    private(set) var elements: [Element] = []
    private(set) var faults: [String] = []
    /// Text between tags, with its entities resolved.
    private(set) var text = ""

    private static let void: Set = ["meta", "link", "input", "path", "rect"]
    private static let known: Set = [
        "html", "head", "meta", "title", "link", "script", "body", "a", "header", "div", "nav", "p", "main", "footer", "h1", "h2", "h3", "dl", "dt", "dd",
        "section", "ul", "ol", "li", "b", "span", "code", "table", "caption", "thead", "tbody", "tr", "th", "td", "time", "bdi", "form", "input", "button",
        "label", "svg", "g", "path", "rect", "text", "desc", "figure", "figcaption", "details", "summary", "pre",
    ]

    init(_ source: String) {
        var rest = Array(source.utf8)[...]
        let doctype = "<!DOCTYPE html>\n"
        if !source.hasPrefix(doctype) { faults.append("no doctype") }
        rest = rest.dropFirst(doctype.utf8.count)
        var open: [String] = []
        while let from = rest.firstIndex(of: UInt8(ascii: "<")) {
            text += resolved(rest[..<from], isText: true)
            rest = rest[from...].dropFirst()
            guard let to = Self.end(of: rest) else {
                faults.append("a tag without an end")
                return
            }
            let tag = rest[..<to]
            rest = rest[to...].dropFirst()
            if tag.first == UInt8(ascii: "/") {
                let name = Self.string(tag.dropFirst())
                if open.popLast() != name { faults.append("</\(name)> ends another element") }
                continue
            }
            let element = read(tag)
            elements.append(element)
            if !Self.known.contains(element.name) { faults.append("an element <\(element.name)>") }
            if tag.last != UInt8(ascii: "/"), !Self.void.contains(element.name) { open.append(element.name) }
        }
        text += resolved(rest, isText: true)
        if !open.isEmpty { faults.append("open at the end: \(open)") }
    }

    private static func string(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

    /// The `>` that is in no quoted value.
    private static func end(of rest: ArraySlice<UInt8>) -> Int? {
        var isQuoted = false
        return rest.indices.first { index in
            if rest[index] == UInt8(ascii: "'") { isQuoted.toggle() }
            return rest[index] == UInt8(ascii: ">") && !isQuoted
        }
    }

    private mutating func read(_ tag: ArraySlice<UInt8>) -> Element {
        var rest = tag.last == UInt8(ascii: "/") ? tag.dropLast() : tag
        let name = rest.prefix { $0 != UInt8(ascii: " ") }
        rest = rest.dropFirst(name.count)
        var element = Element(name: Self.string(name), attributes: [:])
        while !rest.isEmpty {
            guard rest.first == UInt8(ascii: " ") else {
                faults.append("<\(element.name): \(Self.string(rest.prefix(60)))")
                break
            }
            rest = rest.dropFirst()
            let bytes = rest.prefix { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20) || $0 == UInt8(ascii: "-") }
            let key = Self.string(bytes)
            rest = rest.dropFirst(bytes.count)
            var value: ArraySlice<UInt8> = []
            if rest.starts(with: "='".utf8) {
                value = rest.dropFirst(2).prefix { $0 != UInt8(ascii: "'") }
                rest = rest.dropFirst(3 + value.count)
            }
            if element.attributes[key] != nil || key.isEmpty { faults.append("<\(element.name) has \(key) twice, or no name for a value") }
            element.attributes[key] = resolved(value, isText: false)
        }
        return element
    }

    private mutating func resolved(_ part: ArraySlice<UInt8>, isText: Bool) -> String {
        if isText, part.contains(UInt8(ascii: ">")) { faults.append("a bare >: \(Self.string(part.prefix(60)))") }
        let source = Self.string(part)
        for scalar in source.unicodeScalars where (scalar.value < 0x20 && scalar != "\n") || (0x202A...0x202E).contains(scalar.value) {
            faults.append("a bare control character U+\(String(scalar.value, radix: 16))")
        }
        guard part.contains(UInt8(ascii: "&")) else { return source }
        var (text, rest) = (String.UnicodeScalarView(), source.unicodeScalars[...])
        let entities: [(String, Unicode.Scalar)] = [("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'")]
        while let scalar = rest.first {
            if scalar != "&" {
                text.append(scalar)
                rest.removeFirst()
            } else if let entity = entities.first(where: { rest.starts(with: $0.0.unicodeScalars) }) {
                text.append(entity.1)
                rest.removeFirst(entity.0.unicodeScalars.count)
            } else {
                faults.append("a bare &: \(String(String.UnicodeScalarView(rest.prefix(20))))")
                rest.removeFirst()
            }
        }
        return String(text)
    }

    func all(_ name: String) -> [Element] { elements.filter { $0.name == name } }

    /// Of an attribute, in the document's order.
    func values(of attribute: String) -> [String] { elements.compactMap { $0.attributes[attribute] } }
}
