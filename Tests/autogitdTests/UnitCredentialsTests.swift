import Foundation
import Settings
import TestBench
import Testing

@testable import autogitd

/// What `autogitd --check` says of secrets that the unit doesn't pass on.
@Suite struct UnitCredentialsTests {
    private static let unit = "LoadCredential=gitlab-token:/etc/autogit/gitlab-token\nLoadCredential=webhook-secret:/etc/autogit/webhook-secret\n"
    private static let cleared = unit + "# /run/systemd/system/service.d/zzz-lxc-service.conf\n[Service]\nLoadCredential=\n"

    @Test(
        arguments: [
            (unit, "", []), (cleared, "", ["gitlab-token", "webhook-secret"]), (cleared, "token_file = \"FOLDER/gitlab-token\"", ["webhook-secret"]),
            (cleared, "token_file = \"FOLDER/gitlab-token\"\nwebhook_secret_file = \"FOLDER/webhook-secret\"", []),
            (cleared + "LoadCredentialEncrypted=gitlab-token:/etc/credstore.encrypted/autogit.gitlab-token\n", "", ["webhook-secret"]),
        ] as [(String, String, [String])])
    func whatTheUnitKeepsIsToldOf(_ unit: String, _ lines: String, _ told: [String]) throws {
        let scratch = try ScratchFolder("credentials")
        for name in ["gitlab-token", "webhook-secret"] {
            #expect(FileManager.default.createFile(atPath: "\(scratch.path)/\(name)", contents: Data("s".utf8), attributes: [.posixPermissions: 0o600]))
        }
        let settings = try Settings.parse(
            """
            [gitlab]
            url = "http://h"
            \(lines.replacing("FOLDER", with: scratch.path))
            [[pool]]
            name = "p"
            run_untagged = true
            """, file: "f", environment: SettingsEnvironment(machineMemory: 10 << 30, credentialsDirectory: scratch.path))
        let warnings = UnitCredentials.warnings(for: settings.gitlab, unit: unit)
        #expect(warnings.map { String($0.prefix { $0 != "," }) } == told.map { "autogit.service does not get /etc/autogit/\($0)" })
    }
}
