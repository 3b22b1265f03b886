/// Markup that is safe to send. Its literals are markup and must be known to the compiler; a `String` that is interpolated is text, and is
/// escaped for the inside of an element and of a quoted attribute alike. So no text of others gets into a page as markup by mistake:
///
///     let cell: HTML = "<td title='\(project)'>\(name)</td>"
struct HTML: ExpressibleByStringInterpolation, Sendable {
    /// UTF-8: a page is put together from some ten thousand pieces, and a `String` would look at each again.
    private(set) var bytes: [UInt8]

    /// Markup, as it is sent.
    var markup: String { String(decoding: bytes, as: UTF8.self) }

    // `StaticString` is what only the compiler makes: `HTML(stringLiteral: name)` does not build.
    init(stringLiteral value: StaticString) { bytes = value.withUTF8Buffer { Array($0) } }

    init(stringInterpolation: Interpolation) { bytes = stringInterpolation.bytes }

    struct Interpolation: StringInterpolationProtocol {
        fileprivate var bytes: [UInt8] = []

        init(literalCapacity: Int, interpolationCount: Int) { bytes.reserveCapacity(literalCapacity + interpolationCount * 24) }

        mutating func appendLiteral(_ literal: StaticString) { literal.withUTF8Buffer { bytes.append(contentsOf: $0) } }
        mutating func appendInterpolation(_ text: String) { Escaping.append(text, to: &bytes) }
        mutating func appendInterpolation(_ text: String?) { if let text { Escaping.append(text, to: &bytes) } }
        mutating func appendInterpolation(_ number: some BinaryInteger) { bytes.append(contentsOf: String(number).utf8) }
        mutating func appendInterpolation(_ html: HTML) { bytes.append(contentsOf: html.bytes) }
        mutating func appendInterpolation(_ html: HTML?) { if let html { bytes.append(contentsOf: html.bytes) } }
        mutating func appendInterpolation(_ parts: [HTML]) { for part in parts { bytes.append(contentsOf: part.bytes) } }
    }

    static let empty: HTML = ""

    var isEmpty: Bool { bytes.isEmpty }

    static func += (left: inout HTML, right: HTML) { left.bytes.append(contentsOf: right.bytes) }
}

extension Sequence<HTML> {
    /// The parts with something between every two.
    func joined(by separator: HTML) -> HTML {
        var all = HTML.empty
        var isFirst = true
        for part in self where !part.isEmpty {
            if !isFirst { all += separator }
            all += part
            isFirst = false
        }
        return all
    }
}
