/// One HTTP request.
public struct HTTPRequest: Sendable {
    /// Sent as it is, such as `GET`.
    public var method: String
    /// An absolute URL. With `unixSocket` its host is only the `Host` header.
    public var url: String
    /// Sent in this order, after curl's own.
    public var headers: [(name: String, value: String)]
    /// nil sends none, and no `Content-Length`.
    public var body: [UInt8]?
    /// The path of a Unix socket to connect to, in place of the URL's host. No proxy is used for it.
    public var unixSocket: String?
    /// A CA bundle in place of the system's.
    public var caFile: String?
    /// Who we are, for servers that want to know; nil for nobody.
    public var clientCertificate: ClientCertificate?
    /// The same as `caFile` and `clientCertificate`, for whoever has the texts in place of files; they come first.
    public var pem = PEM()
    /// Bound on the whole exchange; nil for streams that never end.
    public var timeout: Duration?
    /// The largest body that `HTTPClient.send` accepts, in bytes; a larger one is a `TransferError` of the kind `.tooLarge`.
    public var maxBody: Int

    /// A request with a bound of 30 s and 32 MiB, unless said otherwise.
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

/// A certificate of ours and its key, each the path of a file in PEM. The key has no passphrase.
public struct ClientCertificate: Sendable, Equatable {
    public var certificate: String
    public var key: String
    public init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// Certificates and a key as texts in PEM, which then needn't be written to a disk.
public struct PEM: Sendable, Equatable {
    /// Who may have signed the server's certificate; nil for `HTTPRequest.caFile`.
    public var authorities: [UInt8]?
    /// Who we are; nil for `HTTPRequest.clientCertificate`.
    public var certificate: [UInt8]?
    /// The certificate's key, without a passphrase.
    public var key: [UInt8]?
    /// Nothing: the files count.
    public init(authorities: [UInt8]? = nil, certificate: [UInt8]? = nil, key: [UInt8]? = nil) {
        self.authorities = authorities
        self.certificate = certificate
        self.key = key
    }
}

/// It prints as nothing: the key is a secret.
extension PEM: CustomStringConvertible, CustomReflectable {
    public var description: String { "(not shown)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// An answer, of whatever status.
public struct HTTPResponse: Sendable {
    /// From 200 to 599.
    public var status: Int
    /// In the order of arrival, names in lower case.
    public var headers: [(name: String, value: String)]
    /// Empty for the head of a stream.
    public var body: [UInt8]

    /// The last value of a header, whatever the case of its name; nil when there is none.
    public func header(_ name: String) -> String? {
        headers.last { $0.name == name.lowercased() }?.value
    }

    /// The body as UTF-8; what isn't is replaced.
    public var text: String { String(decoding: body, as: UTF8.self) }

    /// An answer as a test or a double gives it.
    public init(status: Int, headers: [(name: String, value: String)], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// Whether the status is from 200 to 299.
    public var isSuccess: Bool { (200..<300).contains(status) }
}

/// The exchange didn't happen, or only in part.
public struct TransferError: Error, Sendable, CustomStringConvertible {
    /// What callers tell apart.
    public enum Kind: Sendable { case timeout, unreachable, tls, tooLarge, cancelled, other }
    /// What went wrong.
    public var kind: Kind
    /// curl's own words (libcurl-errors(3)).
    public var message: String
    /// An error as the client throws it.
    public init(kind: Kind, message: String) {
        self.kind = kind
        self.message = message
    }
    /// The message.
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
