/// The files of TLS with an engine, each a path in PEM.
public struct EngineTLS: Sendable, Equatable {
    /// Who may have signed the engine's certificate.
    public var ca: String
    /// The certificate that AutoGit shows.
    public var certificate: String
    /// Its key, without a passphrase.
    public var key: String
    public init(ca: String, certificate: String, key: String) {
        self.ca = ca
        self.certificate = certificate
        self.key = key
    }
}
