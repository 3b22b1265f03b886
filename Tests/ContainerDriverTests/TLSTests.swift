import FakeGitLab
import Fleet
import Foundation
import HTTPTransfer
import TestBench
import Testing

@testable import ContainerDriver

/// A real Docker Engine behind TCP, as Docker's documentation has it protected.
@Suite struct TLSTests {
    @Test(.enabled(if: TestEngine.isDockerInstalled, "Docker Engine isn't installed: apt-get install docker.io"))
    func anEngineBehindTLSAnswersToOurCertificateOnly() async throws {
        let scratch = try ScratchFolder("tls")
        let server = try await ServerTLS.make(in: scratch.path)
        let (ours, key) = ("\(scratch.path)/ours.pem", "\(scratch.path)/ours.key")
        // Its own authority, which the engine is told of.
        try await Command.run(
            "openssl",
            [
                "req", "-x509", "-days", "2", "-subj", "/CN=AutoGit", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                ours, "-addext", "extendedKeyUsage=clientAuth",
            ])
        let port = try freePort()
        let docker = try await TestEngine.startDocker(
            storage: "docker-tls",
            more: [
                "-H", "tcp://127.0.0.1:\(port)", "--tlsverify", "--tlscacert", ours, "--tlscert", server.certificateFile, "--tlskey", server.keyFile,
            ])
        let http = HTTPClient()
        func ask(ca: String, certificate: String?) async throws -> String {
            let tls = certificate.map { EngineTLS(ca: ca, certificate: $0, key: key) }
            return try await Engine(url: "https://127.0.0.1:\(port)", tls: tls, http: http).kind().name
        }
        #expect(try await ask(ca: server.caFile, certificate: ours) == "Docker Engine")
        await #expect(throws: EngineError.self, "we don't know who answers") { try await ask(ca: ours, certificate: ours) }
        await #expect(throws: EngineError.self, "nobody knows us") { try await ask(ca: server.caFile, certificate: server.certificateFile) }
        await #expect(throws: EngineError.self) { try await ask(ca: server.caFile, certificate: nil) }
        await docker.stop()
    }
}
