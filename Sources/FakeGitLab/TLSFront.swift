import Foundation
import HTTPTransfer

/// What takes TLS off before the fake GitLab, as a proxy does before many a real one. It is socat, because a TLS library for
/// Swift would have to be built for each kind of build, which takes minutes.
final class TLSFront: Sendable {
    /// Where it listens.
    let port: Int
    private let child: Child

    private init(port: Int, child: Child) {
        self.port = port
        self.child = child
    }

    /// Returns when it listens.
    static func start(_ tls: ServerTLS, address: String, port: Int, before inner: Int, in directory: String) async throws -> TLSFront {
        let port = try port == 0 ? freePort() : port
        let listen = "OPENSSL-LISTEN:\(port),bind=\(address),fork,reuseaddr,backlog=128,verify=0,cert=\(tls.certificateFile),key=\(tls.keyFile)"
        let log = "\(directory)/tls.log"
        let child = try await Child.start("socat", [listen, "TCP4:127.0.0.1:\(inner)"], log: log)
        let http = HTTPClient()
        for attempt in 0... {
            // Any answer is one of a server that listens.
            if (try? await http.send(HTTPRequest("GET", "https://127.0.0.1:\(port)/", caFile: tls.caFile, timeout: .seconds(20)))) != nil { break }
            guard attempt < 200, child.isRunning else {
                child.killWithForks()
                throw ServerTLS.Unusable(description: "socat serves nothing at port \(port); see \(log)")
            }
            try await Task.sleep(for: .milliseconds(25))
        }
        return TLSFront(port: port, child: child)
    }

    /// Connections end with it.
    func stop() async {
        child.killWithForks()
        await child.exit()
    }
}
