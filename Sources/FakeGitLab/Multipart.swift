import Foundation

/// A `multipart/form-data` body (RFC 7578).
struct Multipart {
    struct Part: Sendable, Equatable {
        var name: String
        /// nil for a plain field.
        var filename: String?
        var bytes: [UInt8]
    }

    var parts: [Part] = []

    /// nil for another type, and for a body that doesn't keep to its boundary.
    init?(type: String, body: [UInt8]) {
        guard type.lowercased().hasPrefix("multipart/form-data"), let boundary = Self.parameter("boundary", of: type), !boundary.isEmpty else { return nil }
        // The first boundary has no line before it; with one, all are alike.
        let data = Data("\r\n".utf8) + Data(body)
        let delimiter = Data("\r\n--\(boundary)".utf8)
        let blankLine = Data("\r\n\r\n".utf8)
        guard var open = data.range(of: delimiter) else { return nil }
        while !data[open.upperBound...].starts(with: Data("--".utf8)) {
            guard let close = data.range(of: delimiter, in: open.upperBound..<data.endIndex),
                let head = data.range(of: blankLine, in: open.upperBound..<close.lowerBound)
            else { return nil }
            let lines = String(decoding: data[open.upperBound..<head.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
            guard let disposition = lines.first(where: { $0.lowercased().hasPrefix("content-disposition:") }),
                let name = Self.parameter("name", of: disposition)
            else { return nil }
            parts.append(Part(name: name, filename: Self.parameter("filename", of: disposition), bytes: [UInt8](data[head.upperBound..<close.lowerBound])))
            open = close
        }
    }

    /// The text of a plain field.
    func field(_ name: String) -> String? {
        parts.last { $0.name == name && $0.filename == nil }.map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    /// `name="value"` or `name=value` among what semicolons divide.
    private static func parameter(_ name: String, of header: String) -> String? {
        let fields = header.matches(of: /;\s*([A-Za-z*]+)=(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/)
        guard let field = fields.first(where: { $0.1.lowercased() == name }) else { return nil }
        return field.2.map { String($0).replacing("\\\"", with: "\"") } ?? field.3.map(String.init)
    }
}
