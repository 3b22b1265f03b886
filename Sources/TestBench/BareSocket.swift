import Foundation

/// A stream socket without a client library, for bytes that no proper client sends.
public enum BareSocket {
    public enum Peer: Sendable {
        /// A port of the loopback.
        case port(Int)
        case path(String)
    }

    /// Connects, sends all at once, and reads until the other side closes.
    /// - Parameters:
    ///   - patience: how long to wait for a byte before it counts as not closed.
    ///   - finishAfter: how long to wait for a byte before saying with FIN that no more comes.
    /// - Returns: what was read, and whether the other side closed; nil when nobody listens.
    public static func exchange(
        _ peer: Peer, _ bytes: [UInt8], patience: Duration = .seconds(2), finishAfter: Duration? = nil
    ) -> (answer: [UInt8], closed: Bool)? {
        guard let descriptor = connected(peer) else { return nil }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if sent <= 0 { break }
            rest = rest.dropFirst(sent)
        }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        var wait = finishAfter ?? patience
        var finished = finishAfter == nil
        while true {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, Int32(wait.components.seconds * 1000 + wait.components.attoseconds / 1_000_000_000_000_000))
            if ready == 0 {
                if finished { return (answer, false) }
                finished = true
                wait = patience
                shutdown(descriptor, Int32(SHUT_WR))
                continue
            }
            let length = recv(descriptor, &buffer, buffer.count, 0)
            // A reset is an end, too.
            if length <= 0 { return (answer, length == 0 || errno == ECONNRESET) }
            answer += buffer.prefix(length)
        }
    }

    /// Connects, sends all at once, and reads nothing.
    /// - Returns: the descriptor, which is the caller's to close; nil when nobody listens.
    public static func open(_ peer: Peer, sending bytes: [UInt8]) -> Int32? {
        guard let descriptor = connected(peer) else { return nil }
        let sent = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        if sent == bytes.count { return descriptor }
        close(descriptor)
        return nil
    }

    private static func connected(_ peer: Peer) -> Int32? {
        let descriptor = socket({ if case .port = peer { AF_INET } else { AF_UNIX } }(), Int32(SOCK_STREAM.rawValue), 0)
        let result: Int32
        switch peer {
        case .port(let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(port).bigEndian
            address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
            result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
            }
        case .path(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
            result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
            }
        }
        if result == 0 { return descriptor }
        close(descriptor)
        return nil
    }
}
