import FoundationEssentials

/// Where an answer of 301, 302, 307 or 308 points, and what that says of the configured URL.
struct Redirect: Equatable {
    enum Meaning: Equatable {
        /// The same host, by https in place of http.
        case tls(url: String)
        /// An API like GitLab's, at another address.
        case moved(url: String)
        /// GitLab's page for signing in, which is where a browser is sent that asks for what isn't there.
        case signIn(url: String)
        /// A login portal, or anything else.
        case elsewhere
    }

    /// The scheme and the host, or the path when it stays on the host: what follows may be secret.
    let place: String
    let meaning: Meaning

    /// - Parameters:
    ///   - location: the header of the answer.
    ///   - configured: GitLab's URL as configured.
    /// - Returns: nil for what is no place.
    init?(_ location: String, from configured: String) {
        let location = location.prefix { $0 != "?" && $0 != "#" }
        guard !location.isEmpty, let here = Address(configured) else { return nil }
        let there: Address
        if let absolute = Address(String(location)) {
            there = absolute
            place = absolute.origin
        } else if location.hasPrefix("/"), !location.hasPrefix("//") {
            there = Address(scheme: here.scheme, host: here.host, port: here.port, path: String(location))
            place = String(location)
        } else {
            place = String(location.prefix(40))
            meaning = .elsewhere
            return
        }
        let isSecured = here.scheme == "http" && there.scheme == "https" && here.host == there.host
        let api = ["/api/v4/", "/api/graphql"].compactMap { there.path.firstRange(of: $0)?.lowerBound }.first
        if let api {
            let url = there.origin + there.path[..<api]
            meaning = isSecured ? .tls(url: url) : url == configured ? .elsewhere : .moved(url: url)
        } else if isSecured, there.path.allSatisfy({ $0 == "/" }) {
            meaning = .tls(url: there.origin + here.path)
        } else if here.host == there.host, there.path.hasSuffix("/users/sign_in") {
            meaning = .signIn(url: there.origin + there.path.dropLast("/users/sign_in".count))
        } else {
            meaning = .elsewhere
        }
    }

    private struct Address {
        var scheme: String
        var host: String
        /// As written.
        var port: String
        /// Empty, or with a slash before it.
        var path: String

        var origin: String { "\(scheme)://\(host)\(port)" }

        init(scheme: String, host: String, port: String, path: String) { (self.scheme, self.host, self.port, self.path) = (scheme, host, port, path) }

        init?(_ url: String) {
            guard let separator = url.firstRange(of: "://") else { return nil }
            scheme = url[..<separator.lowerBound].lowercased()
            guard scheme == "http" || scheme == "https" else { return nil }
            let rest = url[separator.upperBound...]
            let authority = rest.prefix { !"/?#".contains($0) }
            path = String(rest.dropFirst(authority.count).prefix { $0 != "?" && $0 != "#" })
            // Before an @ there may be a password.
            let name = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
            // An IPv6 address has colons of its own, in brackets.
            let colon = name.lastIndex(of: ":").flatMap { name[$0...].contains("]") ? nil : $0 } ?? name.endIndex
            host = name[..<colon].lowercased()
            port = String(name[colon...])
            if host.isEmpty { return nil }
        }
    }
}
