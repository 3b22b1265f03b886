import HostTools

/// Where GitLab's token is kept for the service: in a file for root only, or encrypted for this machine by systemd-creds(1), with a key of its own or
/// of its TPM.
public struct TokenStorage: Sendable {
    public static let dropInPath = "/etc/systemd/system/autogit.service.d/50-autogit-token.conf"
    /// The credential's name, which is part of what is encrypted.
    static let credential = "gitlab-token"

    /// How it is to be kept.
    public enum Form: String, Sendable, CaseIterable {
        case encrypted, plain
        /// As it is kept now; encrypted for a first one, where the machine can.
        case automatic = "auto"
    }

    private let workshop: any Workshop

    public init(_ workshop: any Workshop) { self.workshop = workshop }

    /// Takes the place of the unit's line. An assignment of nothing takes all credentials away, so the other one is named again.
    static let dropIn = """
        # Written by autogitctl: the token is encrypted for this machine. autogitctl token set changes it.
        [Service]
        LoadCredential=
        LoadCredential=webhook-secret:/etc/autogit/webhook-secret
        LoadCredentialEncrypted=\(credential):\(TokenFiles.sealed)

        """

    /// The changes that store a token.
    /// - Parameter token: one line.
    /// - Returns: the changes, and where it is then.
    /// - Throws: `WorkshopError` when it is to be encrypted and this machine can't.
    public func changes(storing token: String, as form: Form) async throws(WorkshopError) -> (changes: [Change], place: String) {
        let isSealedNow = workshop.file(TokenFiles.sealed).exists && workshop.file(Self.dropInPath).exists
        let isPlainNow = workshop.file(TokenFiles.plain).text.map { !$0.trimmed.isEmpty } ?? false
        let wantsSealed: Bool
        switch form {
        case .encrypted: wantsSealed = true
        case .plain: wantsSealed = false
        case .automatic: wantsSealed = isSealedNow || !isPlainNow
        }
        if wantsSealed {
            // Its input and output are pipes: the token is in no argument and in no file.
            let sealed = await workshop.run(["systemd-creds", "encrypt", "--name=\(Self.credential)", "-", "-"], input: token + "\n", limit: .seconds(60))
            if case .ended(0, let output, _) = sealed, !output.isEmpty {
                var changes: [Change] = [
                    .write(TokenFiles.sealed, content: output, mode: 0o600), .write(Self.dropInPath, content: Self.dropIn, mode: 0o644),
                ]
                if workshop.file(TokenFiles.plain).exists { changes.append(.remove(TokenFiles.plain)) }
                return (changes, "\(TokenFiles.sealed), encrypted for this machine")
            }
            guard form == .automatic, !isSealedNow else {
                throw WorkshopError("the token can't be encrypted on this machine: \(Self.reason(sealed)); --storage plain keeps it in \(TokenFiles.plain)")
            }
        }
        var changes: [Change] = [.write(TokenFiles.plain, content: token + "\n", mode: 0o600)]
        if workshop.file(Self.dropInPath).exists { changes.append(.remove(Self.dropInPath)) }
        if workshop.file(TokenFiles.sealed).exists { changes.append(.remove(TokenFiles.sealed)) }
        return (changes, "\(TokenFiles.plain), for root only")
    }

    /// The encrypted token in the clear, for a look at the configuration as the service has it.
    /// - Returns: nil when there is none, or it can't be read.
    public func unsealed() async -> String? {
        guard workshop.file(TokenFiles.sealed).exists, workshop.file(Self.dropInPath).exists else { return nil }
        return await workshop.run(["systemd-creds", "decrypt", "--name=\(Self.credential)", TokenFiles.sealed, "-"], input: nil, limit: .seconds(60)).output?
            .trimmed
    }

    private static func reason(_ run: ProgramRun) -> String {
        switch run {
        case .ended(let code, _, let errors): "systemd-creds failed (\(code))\(errors.trimmed.isEmpty ? "" : ": \(errors.trimmed)")"
        case .missing: "systemd-creds is not installed"
        case .failed(let reason): "systemd-creds \(reason)"
        }
    }
}
