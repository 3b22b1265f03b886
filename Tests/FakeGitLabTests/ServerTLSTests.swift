import Foundation
import FakeGitLab
import HTTPTransfer
import Testing

/// The fake GitLab behind a certificate of its own authority.
@Suite struct ServerTLSTests {
    private let http = HTTPClient()

    @Test func whoTrustsTheAuthorityIsAnsweredAndToldHTTPS() async throws {
        try await Rig.run(tls: true) { rig in
            #expect(rig.gitlab.url.hasPrefix("https://127.0.0.1:") && rig.gitlab.caFile?.hasSuffix("/ca.pem") == true)
            let job = try await rig.firstJob("a: {script: run}", files: ["x": "y"])
            let host = String(rig.gitlab.url.dropFirst("https://".count))
            #expect(job["git_info"]?["repo_url"] == .string("https://gitlab-ci-token:\(job.token)@\(host)/root/p.git"))
            #expect(job.variable("CI_SERVER_URL")?["value"] == .string(rig.gitlab.url) && job.variable("CI_SERVER_PROTOCOL")?["value"] == "https")
            #expect(job.variable("CI_API_V4_URL")?["value"] == .string(rig.gitlab.url + "/api/v4"))
            // The runner's own matter.
            #expect(job.variable("CI_SERVER_TLS_CA_FILE") == nil)
            let port = String(host.split(separator: ":").last ?? "")
            let byName = try await http.send(HTTPRequest("GET", "https://localhost:\(port)/api/v4/version", caFile: rig.gitlab.caFile))
            #expect(byName.status == 401)
        }
    }

    @Test func whoDoesNotIsNot() async throws {
        try await Rig.run(tls: true) { rig in
            let error = await #expect(throws: TransferError.self) { try await http.send(HTTPRequest("GET", rig.gitlab.url + "/api/v4/version")) }
            #expect(error?.kind == .tls)
            try await Rig.inFolder { folder in
                let other = try await ServerTLS.make(in: folder)
                let wrong = await #expect(throws: TransferError.self) {
                    try await http.send(HTTPRequest("GET", rig.gitlab.url + "/api/v4/version", caFile: other.caFile))
                }
                #expect(wrong?.kind == .tls)
            }
            let plain = rig.gitlab.url.replacing("https://", with: "http://")
            await #expect(throws: TransferError.self) { try await http.send(HTTPRequest("GET", plain + "/api/v4/version", timeout: .seconds(20))) }
        }
    }

    @Test(arguments: [false, true]) func aRunningJobClonesItsRepository(tls: Bool) async throws {
        try await Rig.run(tls: tls) { rig in
            let job = try await rig.firstJob("a: {script: run}", files: ["sub/file": "content\n"])
            let url = try #require(job["git_info"]?["repo_url"]?.text)
            try await Rig.inFolder { folder in
                let clone = ["-c", "credential.helper=", "clone", "--quiet", url, "\(folder)/clone"]
                if let caFile = rig.gitlab.caFile {
                    await #expect(throws: Command.Failed.self) { try await Command.run("git", clone) }
                    try await Command.run("git", clone, environment: ["GIT_SSL_CAINFO": caFile])
                } else {
                    try await Command.run("git", clone)
                }
                #expect(try String(contentsOfFile: "\(folder)/clone/sub/file", encoding: .utf8) == "content\n")
            }
        }
    }

    @Test func theCertificateIsShortLivedAndForTheNamesGiven() async throws {
        try await Rig.inFolder { folder in
            let tls = try await ServerTLS.make(in: "\(folder)/made", names: ["gitlab.example.test", "10.0.2.2"])
            #expect(Set(try FileManager.default.contentsOfDirectory(atPath: "\(folder)/made")) == ["ca.pem", "server.pem", "server.key"])
            let mode = try FileManager.default.attributesOfItem(atPath: tls.keyFile)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            let verify = ["verify", "-purpose", "sslserver", "-CAfile", tls.caFile]
            for name in ["localhost", "gitlab.example.test"] {
                try await Command.run("openssl", verify + ["-verify_hostname", name, tls.certificateFile])
            }
            for address in ["127.0.0.1", "::1", "10.0.2.2"] { try await Command.run("openssl", verify + ["-verify_ip", address, tls.certificateFile]) }
            await #expect(throws: Command.Failed.self) {
                try await Command.run("openssl", verify + ["-verify_hostname", "other.example.test", tls.certificateFile])
            }
            // It is over in three days.
            await #expect(throws: Command.Failed.self) { try await Command.run("openssl", ["x509", "-checkend", "\(3 * 86_400)", "-in", tls.certificateFile]) }
            let again = try await ServerTLS.make(in: "\(folder)/made")
            try await Command.run("openssl", ["verify", "-CAfile", again.caFile, again.certificateFile])
        }
    }

    @Test(arguments: ["", "a,DNS:b", "a\nb", "a b"]) func aNameThatIsNoneIsRefused(name: String) async throws {
        try await Rig.inFolder { folder in
            await #expect(throws: ServerTLS.Unusable.self) { _ = try await ServerTLS.make(in: folder, names: [name]) }
        }
    }
}
