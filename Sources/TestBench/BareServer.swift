import Foundation
import Synchronization

/// A small HTTP/1.1 server for tests, on a Unix socket or a port of 127.0.0.1. Each connection has a thread of its own, and the handler writes the
/// answer itself, byte for byte: whole, cut short, endless, or never.
public final class BareServer: Sendable {
    /// A request, read whole.
    public struct Request: Sendable {
        /// Such as `GET`.
        public var method: String
        /// The path, with its query.
        public var target: String
        /// Names in lower case.
        public var headers: [String: String]
        /// As `Content-Length` has it; chunked bodies are not read.
        public var body: [UInt8]
    }

    public typealias Handler = @Sendable (Request, BareConnection) -> Void

    /// Where it listens; empty for a port.
    public let path: String
    /// The port; 0 for a socket.
    public let port: Int
    private let listening: Int32
    private let connections = Mutex<[ObjectIdentifier: BareConnection]>([:])
    private let accepted = Atomic<Int>(0)
    private let isStopped = Atomic<Bool>(false)

    /// Listens at once.
    /// - Parameter handler: called for each request on its connection's thread. When it returns, the next request of the
    ///   connection is read, unless it closed the connection.
    public convenience init(path: String, handler: @escaping Handler) throws {
        unlink(path)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        try self.init(AF_UNIX, address, path: path, handler)
    }

    /// The same on a port that the kernel chooses.
    public convenience init(onPortWith handler: @escaping Handler) throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        try self.init(AF_INET, address, path: "", handler)
    }

    private init<Address>(_ family: Int32, _ address: Address, path: String, _ handler: @escaping Handler) throws {
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
        let bound = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<Address>.size)) }
        }
        guard bound == 0, listen(descriptor, 64) == 0 else {
            let code = errno
            close(descriptor)
            throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO)
        }
        var (name, length) = (sockaddr_in(), socklen_t(MemoryLayout<sockaddr_in>.size))
        if family == AF_INET {
            _ = withUnsafeMutablePointer(to: &name) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
            }
        }
        port = Int(UInt16(bigEndian: name.sin_port))
        (self.path, listening) = (path, descriptor)
        Thread { [weak self] in
            // Closed here and nowhere else: by then nobody accepts on its number, which the next server may get.
            defer { close(descriptor) }
            while true {
                let client = accept(descriptor, nil, nil)
                guard client >= 0 else { return }
                guard let self else { return _ = close(client) }
                self.serve(BareConnection(client), handler)
            }
        }.start()
    }

    /// Connections that were made so far.
    public var connectionCount: Int { accepted.load(ordering: .relaxed) }

    private func serve(_ connection: BareConnection, _ handler: @escaping Handler) {
        accepted.add(1, ordering: .relaxed)
        connections.withLock { $0[ObjectIdentifier(connection)] = connection }
        Thread { [weak self] in
            while let request = connection.readRequest() { handler(request, connection) }
            connection.end()
            self?.connections.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(connection)) }
        }.start()
    }

    /// Stops listening, and cuts all connections. Done twice, it is done once.
    public func stop() {
        guard isStopped.compareExchange(expected: false, desired: true, ordering: .relaxed).exchanged else { return }
        // Ends the accept; closing alone would not.
        shutdown(listening, Int32(SHUT_RDWR))
        if !path.isEmpty { unlink(path) }
        for connection in connections.withLock({ $0.values.map { $0 } }) { connection.end() }
    }
}

/// A connection of a `BareServer`. Used by its own thread, but for `end`.
public final class BareConnection: @unchecked Sendable {
    private let descriptor: Int32
    private let isOpen = Atomic<Bool>(true)
    private var rest: [UInt8] = []
    /// Sent with each answer from now on, such as `Api-Version: 1.41`.
    public var headers: [String] = []

    init(_ descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }

    /// Cuts the connection.
    public func end() {
        isOpen.store(false, ordering: .relaxed)
        shutdown(descriptor, Int32(SHUT_RDWR))
    }

    /// Sends all of it, for as long as that takes.
    /// - Returns: whether the other side took it.
    @discardableResult
    public func send(_ bytes: [UInt8]) -> Bool { send(bytes, patience: nil) == bytes.count }

    /// Sends as much as the other side takes.
    /// - Parameter patience: how long to wait for room before it counts as stalled; nil waits for ever.
    /// - Returns: the number of bytes taken; nil when the other side has left.
    public func send(_ bytes: [UInt8], patience: Duration?) -> Int? {
        var sent = 0
        while sent < bytes.count {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            let wait = patience.map { Int32($0.components.seconds * 1000 + $0.components.attoseconds / 1_000_000_000_000_000) } ?? -1
            if poll(&waiting, 1, wait) == 0 { return sent }
            let count = bytes[sent...].withUnsafeBytes {
                Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count < 0 && errno == EAGAIN { continue }
            if count <= 0 { return nil }
            sent += count
        }
        return sent
    }

    /// Sends an answer whole.
    @discardableResult
    public func answer(_ status: Int, _ body: String = "", headers: [String] = []) -> Bool {
        let head = ["HTTP/1.1 \(status) Status", "Content-Length: \(body.utf8.count)"] + self.headers + headers
        return send(Array((head.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8))
    }

    /// Sends the head of an answer whose body ends with the connection.
    @discardableResult
    public func head(_ status: Int) -> Bool { send(Array("HTTP/1.1 \(status) Status\r\nConnection: close\r\n\r\n".utf8)) }

    /// Waits until the other side closes the connection, or until `end` is called.
    public func waitForEnd() {
        while let more = receive() { rest += more }
    }

    fileprivate func readRequest() -> BareServer.Request? {
        guard isOpen.load(ordering: .relaxed) else { return nil }
        let end = Array("\r\n\r\n".utf8)
        var split = rest.firstRange(of: end)
        while split == nil {
            guard let more = receive() else { return nil }
            rest += more
            split = rest.firstRange(of: end)
        }
        guard let split else { return nil }
        let lines = String(decoding: rest[..<split.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        rest.removeSubrange(..<split.upperBound)
        let words = lines[0].split(separator: " ")
        guard words.count == 3 else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        while rest.count < length {
            guard let more = receive() else { return nil }
            rest += more
        }
        let body = Array(rest.prefix(length))
        rest.removeFirst(length)
        return .init(method: String(words[0]), target: String(words[1]), headers: headers, body: body)
    }

    private func receive() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let length = recv(descriptor, &buffer, buffer.count, 0)
        return length > 0 ? Array(buffer.prefix(length)) : nil
    }
}
