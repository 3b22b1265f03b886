import FoundationEssentials

/// The machine as its containers see it.
public enum ContainerHost {
    /// A URL with the name that Podman gives to the host in every container (podman-run(1), --add-host).
    /// - Returns: nil for what isn't a URL with a host.
    public static func url(_ url: String) -> String? {
        guard var parts = URLComponents(string: url), parts.host != nil else { return nil }
        parts.host = "host.containers.internal"
        return parts.string
    }
}
