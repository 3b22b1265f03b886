/// One HTTP request.
public struct HTTPRequest: Sendable {
    public var method: String
    /// An absolute URL. With `unixSocket` its host is only the `Host` header.
    public var url: String
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]?
    public var unixSocket: String?
    /// A CA bundle in place of the system's.
    public var caFile: String?
    /// Bound on the whole exchange; nil for streams that never end.
    public var timeout: Duration?
    /// The largest body that is accepted, in bytes.
    public var maxBody: Int

    public init(
        _ method: String, _ url: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil,
        unixSocket: String? = nil, caFile: String? = nil, timeout: Duration? = .seconds(30),
        maxBody: Int = 32 << 20
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.unixSocket = unixSocket
        self.caFile = caFile
        self.timeout = timeout
        self.maxBody = maxBody
    }
}

public struct HTTPResponse: Sendable {
    public var status: Int
    /// In the order of arrival, names in lower case.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]

    public func header(_ name: String) -> String? {
        headers.last { $0.name == name.lowercased() }?.value
    }
    public var text: String { String(decoding: body, as: UTF8.self) }
    public init(status: Int, headers: [(name: String, value: String)], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    public var isSuccess: Bool { (200..<300).contains(status) }
}

/// The exchange didn't happen, or only in part.
public struct TransferError: Error, Sendable, CustomStringConvertible {
    public enum Kind: Sendable { case timeout, unreachable, tls, tooLarge, cancelled, other }
    public var kind: Kind
    public var message: String
    public init(kind: Kind, message: String) {
        self.kind = kind
        self.message = message
    }
    public var description: String { message }
}

/// Percent-encodes everything but RFC 3986's unreserved characters, as a path segment or query value needs it.
public func percentEncoded(_ text: String) -> String {
    var out = ""
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: "~"):
            out.unicodeScalars.append(Unicode.Scalar(byte))
        default:
            let digits = Array("0123456789ABCDEF")
            out += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
        }
    }
    return out
}
