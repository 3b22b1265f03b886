import Doctor
import HostTools
import Settings

/// The secrets that autogit.service gets, for `--check`, which reads their files itself and would find well what the service doesn't.
enum UnitCredentials {
    static func warnings(for settings: Settings) async -> [String] {
        // systemctl show has no words for these settings.
        guard let unit = (await ThisMachine().run(["systemctl", "cat", "--no-pager", "autogit.service"])).output else { return [] }
        return warnings(for: settings.gitlab, unit: unit)
    }

    /// - Parameter unit: its files with all drop-ins, as `systemctl cat` shows them.
    static func warnings(for gitlab: Settings.GitLab, unit: String) -> [String] {
        let hasWebhooks = gitlab.webhookSecret != nil && !gitlab.namesWebhookSecretFile
        return [
            ("gitlab-token", "token_file", "token-of-the-service", !gitlab.namesTokenFile, "so it does not start"),
            ("webhook-secret", "webhook_secret_file", "webhook-secret-of-the-service", hasWebhooks, "so it refuses webhooks"),
        ].compactMap { name, key, own, isCredential, consequence in
            guard isCredential, Examination.loads(name, in: unit) == .not else { return nil }
            return "autogit.service does not get /etc/autogit/\(name), \(consequence): a drop-in clears LoadCredential=, as images of Incus and LXD have one "
                + "(systemctl cat autogit shows it). Take it away, or give \(key) in [gitlab] a file that the user of the service can read: "
                + "install -o 1000 -m 400 /etc/autogit/\(name) /etc/autogit/\(own)"
        }
    }
}
