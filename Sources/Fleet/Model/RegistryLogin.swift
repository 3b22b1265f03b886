/// A name and a password for a registry of container images.
public struct RegistryLogin: Sendable, Equatable {
    /// The registry as images name it, `HOST` or `HOST:PORT`; `docker.io` for Docker Hub.
    public var registry: String
    /// The name of the account.
    public var username: String
    /// Its password, or a token in place of one.
    public var password: Secret
    public init(registry: String, username: String, password: Secret) {
        self.registry = registry
        self.username = username
        self.password = password
    }
}
