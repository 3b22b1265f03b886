import Glibc
import Systemd
import Testing

@Suite struct SocketAddressTests {
    @Test func anOpenSocketSaysWhereItListens() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        try #require(bound == 0)
        let found = try #require(SocketAddress(of: descriptor))
        #expect(found.host == "127.0.0.1" && (1...65535).contains(found.port) && found.isLoopback && !found.isEverywhere)
    }

    @Test func whatIsNoTCPSocketHasNone() {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        #expect(SocketAddress(of: descriptor) == nil && SocketAddress(of: -1) == nil)
    }

    @Test(
        arguments: [
            ("[::]:8080", "::", 8080), ("0.0.0.0:80", "0.0.0.0", 80), ("[fd00::2]:8090", "fd00::2", 8090), ("/run/autogit/control.sock", nil, 0),
            ("/run/a:1", nil, 0), ("8080", nil, 0), ("[::]:0", nil, 0), ("[::]:65536", nil, 0), ("", nil, 0),
        ] as [(String, String?, Int)])
    func systemdsNotationIsRead(_ text: String, _ host: String?, _ port: Int) {
        #expect(SocketAddress(text) == host.map { SocketAddress(host: $0, port: port) })
        if host?.contains(":") == true { #expect(SocketAddress(text)?.description == text) }
    }
}
