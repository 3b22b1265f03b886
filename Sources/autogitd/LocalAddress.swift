import FoundationEssentials
import Glibc
import Threads

/// The address of this host as another host sees it.
enum LocalAddress {
    struct Unknown: Error, CustomStringConvertible {
        var description: String
    }

    /// The address that packets to a URL's host leave from, in brackets if it is IPv6. Connecting a datagram socket
    /// chooses the route and sends nothing (connect(2)).
    /// - Throws: `Unknown`, `ThreadError`
    static func towards(_ url: String) async throws -> String {
        // A name server may take its time.
        try await onThread("resolving a name") { try towardsNow(url) }
    }

    private static func towardsNow(_ url: String) throws -> String {
        guard let parts = URL(string: url), let host = parts.host() else { throw Unknown(description: "\(url) has no host") }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let port = String(parts.port ?? (parts.scheme == "https" ? 443 : 80))
        guard getaddrinfo(host, port, &hints, &found) == 0, let first = found else {
            throw Unknown(description: "the name \(host) cannot be resolved; give the webhook's address with --url")
        }
        defer { freeaddrinfo(found) }
        let descriptor = socket(first.pointee.ai_family, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var local = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let known = withUnsafeMutablePointer(to: &local) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                connect(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0 && getsockname(descriptor, address, &length) == 0
                    && getnameinfo(address, length, &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST) == 0
            }
        }
        guard known else { throw Unknown(description: "no route to \(host); give the webhook's address with --url") }
        let text = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return text.contains(":") ? "[\(text)]" : text
    }
}
