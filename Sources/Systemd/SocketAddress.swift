import Glibc

/// Where a TCP socket listens.
public struct SocketAddress: Sendable, Equatable, CustomStringConvertible {
    /// An IPv4 or IPv6 address without brackets; `0.0.0.0` and `::` are every address of this machine.
    public var host: String
    /// From 1 to 65535.
    public var port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// The address that an open socket has (getsockname(2)).
    /// - Returns: nil when it is no TCP socket.
    public init?(of descriptor: Int32) {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        var port = [CChar](repeating: 0, count: Int(NI_MAXSERV))
        let isKnown = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                getsockname(descriptor, address, &length) == 0 && [AF_INET, AF_INET6].contains(Int32(address.pointee.sa_family))
                    && getnameinfo(
                        address, length, &host, socklen_t(host.count), &port, socklen_t(port.count), NI_NUMERICHOST | NI_NUMERICSERV) == 0
            }
        }
        func text(_ characters: [CChar]) -> String { String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
        guard isKnown, let number = Int(text(port)) else { return nil }
        self.init(host: text(host), port: number)
    }

    /// From systemd's notation, such as `[::]:8080`.
    /// - Returns: nil for a path, and whatever else isn't an address with a port.
    public init?(_ text: String) {
        guard !text.hasPrefix("/"), let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (1...65535).contains(port) else {
            return nil
        }
        self.init(host: text[..<colon].filter { $0 != "[" && $0 != "]" }, port: port)
    }

    /// Every address of this machine.
    public var isEverywhere: Bool { host == "0.0.0.0" || host == "::" }
    /// Nobody on another machine reaches it.
    public var isLoopback: Bool { host.hasPrefix("127.") || host == "::1" }
    /// The host as a URL has it.
    public var urlHost: String { host.contains(":") ? "[\(host)]" : host }
    /// As operators write it.
    public var description: String { "\(urlHost):\(port)" }
}
