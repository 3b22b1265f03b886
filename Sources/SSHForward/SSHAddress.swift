import Glibc

/// Another machine and its container engine: `ssh://[user@]host[:port][/path/of/socket]`, as Docker and Podman write it.
///
/// Characters that a shell or ssh reads in a way of its own are refused, because ssh puts host and user into commands of its configuration
/// (`ProxyCommand`, `Match exec`).
public struct SSHAddress: Sendable, Equatable, CustomStringConvertible {
    /// The user there; nil for the one that ssh's configuration has, or else our own name.
    public let user: String?
    /// A name, an alias of ssh's configuration, or an IP address, without brackets.
    public let host: String
    /// 1…65535; nil for the one that ssh's configuration has, or else 22.
    public let port: Int?
    /// The path of the engine's socket there; nil to look for it.
    public let path: String?

    /// The longest path of a socket in bytes (unix(7)).
    static let longestPath = 107

    /// The URL.
    public var description: String { "\(destination)\(path ?? "")" }

    /// The URL without the socket's path.
    var destination: String {
        "ssh://\(user.map { "\($0)@" } ?? "")\(host.contains(":") ? "[\(host)]" : host)\(port.map { ":\($0)" } ?? "")"
    }

    /// Reads a URL.
    /// - Throws: `SSHError`, which says what is wrong and what is expected.
    public init(_ url: String) throws(SSHError) {
        func wrong(_ what: String) -> SSHError { SSHError("\(url.prefix(200)) \(what). Expected is ssh://[user@]host[:port][/path/of/socket]") }
        guard url.hasPrefix("ssh://") else { throw wrong("doesn't begin with ssh://") }
        guard url.unicodeScalars.allSatisfy({ $0.value > 32 && $0.value != 127 && !$0.properties.isWhitespace && !(128..<160).contains($0.value) }) else {
            throw wrong("has a blank or a control character")
        }
        guard !url.contains("?"), !url.contains("#") else { throw wrong("has a query or a fragment, which ssh has no use for") }
        guard !url.contains("%") else { throw wrong("has a percent sign, and escapes are not read") }
        var rest = url.dropFirst(6)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let path = String(rest[slash...])
        rest = rest[..<slash]
        var user: String?
        if let at = rest.lastIndex(of: "@") {
            let name = rest[..<at]
            rest = rest[rest.index(after: at)...]
            // Without the URL: it is about to be logged.
            guard !name.contains(":") else {
                throw SSHError("an address that begins with ssh:// has a password: remove it, because ssh takes none. Give it a key instead")
            }
            guard !name.isEmpty else { throw wrong("has an empty user") }
            guard !name.hasPrefix("-") else { throw wrong("has a user that begins with -, which ssh would take for an option") }
            guard name.utf8.allSatisfy(Self.isOfNames) else { throw wrong("has a user with characters other than letters, digits and . _ - +") }
            user = String(name)
        }
        let (host, port) = rest.hasPrefix("[") ? Self.bracketed(rest) : Self.plain(rest)
        guard let host else { throw wrong("has no IPv6 address in its brackets") }
        guard !host.isEmpty else { throw wrong("has no host") }
        guard !host.hasPrefix("-") else { throw wrong("has a host that begins with -, which ssh would take for an option") }
        guard host.contains(":") || host.utf8.allSatisfy(Self.isOfNames) else {
            throw wrong("has a host with characters other than letters, digits and . _ - + (an IPv6 address goes into brackets)")
        }
        var number: Int?
        if let port {
            guard port.utf8.allSatisfy({ (48...57).contains($0) }), let value = Int(port), (1...65535).contains(value) else {
                throw wrong("has a port that is not a number from 1 to 65535")
            }
            number = value
        }
        (self.user, self.host, self.port) = (user, String(host), number)
        guard path != "/", path != "" else {
            self.path = nil
            return
        }
        if let fault = Self.fault(ofSocket: path) { throw wrong("has a path that \(fault)") }
        self.path = path
    }

    /// Words that follow the path of a socket that can't be given to `ssh -L`; nil for one that can.
    static func fault(ofSocket path: String) -> String? {
        guard path.hasPrefix("/") else { return "doesn't begin with /" }
        guard path.utf8.count <= longestPath else { return "has more than \(longestPath) bytes" }
        guard !path.hasSuffix("/") else { return "ends with /" }
        // ssh separates the two ends with a colon, takes a backslash away, and replaces ${VARIABLES}; what is a blank or of control is never meant.
        guard path.unicodeScalars.allSatisfy({ $0.value > 31 && $0.value != 127 && !":\\$\"".unicodeScalars.contains($0) }) else {
            return "has a colon, a backslash, a quote, a dollar sign or a control character, which ssh would read in its own way"
        }
        return nil
    }

    private static func isOfNames(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 65...90, 97...122, 43, 45, 46, 95: true
        default: false
        }
    }

    /// A name and a port. Several colons are an address without brackets, which the host's check refuses.
    private static func plain(_ text: Substring) -> (Substring?, Substring?) {
        guard let colon = text.firstIndex(of: ":") else { return (text, nil) }
        let port = text[text.index(after: colon)...]
        return port.contains(":") ? (text[..<colon] + "[", nil) : (text[..<colon], port)
    }

    private static func bracketed(_ text: Substring) -> (Substring?, Substring?) {
        guard let end = text.firstIndex(of: "]") else { return (nil, nil) }
        let host = text[text.index(after: text.startIndex)..<end]
        let rest = text[text.index(after: end)...]
        var address = in6_addr()
        guard inet_pton(AF_INET6, String(host), &address) == 1, rest.isEmpty || rest.hasPrefix(":") else { return (nil, nil) }
        return (host, rest.isEmpty ? nil : rest.dropFirst())
    }
}
