import Fleet
import JSONSchema

/// Who may read what the daemon shows on TCP.
public enum ReadAccess: String, Sendable, CaseIterable {
    /// Whoever reaches the port.
    case all
    /// Who knows the control token.
    case token
}

extension SettingsSchema {
    /// Settings of those who look.
    static let metrics = Section(
        name: "metrics",
        keys: [
            .secret(
                "token_file", \.metricsToken, example: "/srv/autogit/metrics-token", "a bearer token that GET /metrics wants; without, it is as open as /status"
            )
        ])

    static let readKey: SettingKey<SettingsDraft> = .parsed(
        "read", \.readAccess, .word(of: ReadAccess.self), "or \"token\": who may read page, JSON, events and metrics", hint: "expected \"all\" or \"token\"",
        parse: ReadAccess.init(rawValue:), print: \.rawValue)
}

extension SettingsReader {
    /// Nobody could read at all.
    mutating func checkReadAccess(_ draft: SettingsDraft, _ section: Section) {
        guard draft.readAccess == .token, draft.controlToken == nil, errors.isEmpty else { return }
        fail(section, "read", "\"token\" needs control_token_file: its token is the one to read with")
    }
}
