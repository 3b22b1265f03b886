import Foundation

/// A stream socket without a client library, for bytes that no proper client sends. Blocks the calling thread; use `onThread`.
public final class BareSocket {
    /// Where to connect.
    public enum Peer: Sendable {
        /// A TCP port of 127.0.0.1.
        case port(Int)
        /// A Unix socket.
        case path(String)
    }

    /// The outcome of one read.
    public enum Reading: Sendable, Equatable {
        case bytes([UInt8])
        /// The peer closed the connection, orderly or by a reset.
        case closed
        /// Nothing arrived in time.
        case nothing
    }

    private let descriptor: Int32

    /// Connects.
    /// - Returns: nil when nobody listens there.
    public init?(_ peer: Peer) {
        guard let descriptor = Self.connected(peer) else { return nil }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Sends all of the bytes, or as many as the peer takes before it closes.
    public func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if sent <= 0 { return }
            rest = rest.dropFirst(sent)
        }
    }

    /// Tells the peer with a FIN that no more bytes follow. Reading goes on.
    public func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Waits for bytes or for the end of the connection.
    /// - Parameter patience: with zero, only what has arrived already is returned.
    public func read(within patience: Duration = .zero) -> Reading {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let milliseconds = patience.components.seconds * 1000 + patience.components.attoseconds / 1_000_000_000_000_000
        guard poll(&waiting, 1, Int32(milliseconds)) != 0 else { return .nothing }
        var buffer = [UInt8](repeating: 0, count: 65536)
        let length = recv(descriptor, &buffer, buffer.count, 0)
        return length > 0 ? .bytes(Array(buffer.prefix(length))) : .closed
    }

    /// Sends a request and reads until the peer closes.
    /// - Parameter patience: the longest wait for one more byte. Only a peer that hangs lets it run out.
    /// - Returns: the bytes that were read and whether the peer closed; nil when nobody listens.
    public static func exchange(_ peer: Peer, _ bytes: [UInt8], patience: Duration = .seconds(60)) -> (answer: [UInt8], closed: Bool)? {
        guard let socket = BareSocket(peer) else { return nil }
        socket.send(bytes)
        var answer: [UInt8] = []
        while true {
            switch socket.read(within: patience) {
            case .bytes(let bytes): answer += bytes
            case .closed: return (answer, true)
            case .nothing: return (answer, false)
            }
        }
    }

    /// Connects, sends all at once, and reads nothing.
    /// - Returns: the descriptor, which is the caller's to close; nil when nobody listens.
    public static func open(_ peer: Peer, sending bytes: [UInt8]) -> Int32? {
        guard let descriptor = connected(peer) else { return nil }
        let sent = bytes.withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
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
