import Foundation
import Settings
import Systemd
import TestBench
import Testing

@testable import autogitd

@Suite struct WebhookAddressTests {
    private func settings(_ listen: String, gitlab: String = "") throws -> Settings {
        let scratch = try ScratchFolder("webhook")
        #expect(FileManager.default.createFile(atPath: "\(scratch.path)/token", contents: Data("t".utf8), attributes: [.posixPermissions: 0o600]))
        return try Settings.parse(
            """
            [gitlab]
            url = "http://h"
            token_file = "\(scratch.path)/token"
            \(gitlab)
            [listen]
            \(listen)
            [[pool]]
            name = "p"
            run_untagged = true
            """, file: "f", environment: SettingsEnvironment(machineMemory: 10 << 30, credentialsDirectory: nil))
    }

    /// The socket that was passed in is the address, whatever the configuration says.
    @Test(
        arguments: [
            ("", nil, "10.0.0.5", "http://10.0.0.5:8080/webhook/job"),
            ("http = \"0.0.0.0:9000\"", nil, "10.0.0.5", "http://10.0.0.5:9000/webhook/job"),
            ("", SocketAddress(host: "::", port: 8090), "[fd00::5]", "http://[fd00::5]:8090/webhook/job"),
            ("http = \"0.0.0.0:9000\"", SocketAddress(host: "0.0.0.0", port: 8090), "10.0.0.5", "http://10.0.0.5:8090/webhook/job"),
            ("", SocketAddress(host: "192.168.1.2", port: 8090), "10.0.0.5", "http://192.168.1.2:8090/webhook/job"),
            ("", SocketAddress(host: "fd00::2", port: 8090), "[fd00::5]", "http://[fd00::2]:8090/webhook/job"),
            ("", SocketAddress(host: "127.0.0.1", port: 8090), "127.0.0.1", "http://127.0.0.1:8090/webhook/job"),
            ("", SocketAddress(host: "::1", port: 8090), "[::1]", "http://[::1]:8090/webhook/job"),
        ] as [(String, SocketAddress?, String, String)])
    func whereGitLabReachesIt(_ listen: String, _ inherited: SocketAddress?, _ route: String, _ url: String) throws {
        #expect(try WebhookAddress(settings(listen), inherited: inherited).url(route: route) == url)
    }

    /// Whatever this machine's addresses are. The page's is still found: people are elsewhere than GitLab.
    @Test func whatTheConfigurationTellsIsTaken() async throws {
        let told = "http://host.containers.internal:8080/webhook/job"
        let address = WebhookAddress(try settings("", gitlab: "webhook_url = \"\(told)\""), inherited: nil)
        #expect(try await address.url(forGitLabAt: "http://127.0.0.1:3000") == told)
        #expect(address.page(route: "10.0.0.5") == "http://10.0.0.5:8080/")
        #expect(try await WebhookAddress(settings(""), inherited: nil).url(forGitLabAt: "http://127.0.0.1:3000") == "http://127.0.0.1:8080/webhook/job")
    }

    /// A link to 127.0.0.1 would lead a phone nowhere.
    @Test(
        arguments: [
            (nil, "10.0.0.5", "http://10.0.0.5:8080/"), (SocketAddress(host: "fd00::2", port: 8090), "10.0.0.5", "http://[fd00::2]:8090/"),
            (nil, "127.0.0.1", nil),
            (nil, "[::1]", nil), (SocketAddress(host: "127.0.0.1", port: 8090), "127.0.0.1", nil),
            (SocketAddress(host: "127.0.0.1", port: 8090), "10.0.0.5", nil),
        ] as [(SocketAddress?, String, String?)])
    func whereOthersFindThePage(_ inherited: SocketAddress?, _ route: String, _ page: String?) throws {
        #expect(WebhookAddress(try settings(""), inherited: inherited).page(route: route) == page)
    }

    @Test func aSocketOfThisHostAloneIsOfNoUseToAnother() throws {
        let address = WebhookAddress(try settings(""), inherited: SocketAddress(host: "127.0.0.1", port: 8090))
        let error = #expect(throws: LocalAddress.Unknown.self) { try address.url(route: "10.0.0.5") }
        #expect(error?.description.contains("127.0.0.1:8090") == true && error?.description.contains("--url") == true)
    }

    @Test(
        arguments: [
            ("", SocketAddress(host: "::", port: 8090), nil), ("http = \"0.0.0.0:8080\"", nil, nil),
            ("http = \"0.0.0.0:8080\"", SocketAddress(host: "::", port: 8080), nil),
            ("http = \"10.0.0.5:8080\"", SocketAddress(host: "10.0.0.5", port: 8080), nil),
            ("http = \"0.0.0.0:9000\"", SocketAddress(host: "::", port: 8080), "ListenStream=9000;"),
            ("http = \"127.0.0.1:8080\"", SocketAddress(host: "::", port: 8080), "ListenStream=127.0.0.1:8080;"),
            ("http = \"[fd00::2]:8080\"", SocketAddress(host: "::", port: 8080), "ListenStream=[fd00::2]:8080;"),
        ] as [(String, SocketAddress?, String?)])
    func anAddressThatHasNoEffectIsToldOf(_ listen: String, _ inherited: SocketAddress?, _ remedy: String?) throws {
        let warning = WebhookAddress(try settings(listen), inherited: inherited).warning
        guard let remedy else { return #expect(warning == nil) }
        #expect(warning?.contains(remedy) == true && warning?.contains("systemctl edit autogit.socket") == true, "\(warning ?? "")")
    }
}
