/// The name of an image: `[REGISTRY/]PATH[:TAG][@DIGEST]` (github.com/distribution/reference).
struct ImageName: Sendable, Hashable, CustomStringConvertible {
    /// `HOST` or `HOST:PORT`; `docker.io` where none is named.
    let registry: String
    /// The path in the registry, with `library/` for Docker Hub's own.
    let path: String
    /// As it was written, with a tag: an engine that is asked for a name without one fetches all tags that there are.
    let description: String

    init(_ text: String) {
        let name = text.prefix { $0 != "@" }
        let slash = name.lastIndex(of: "/")
        let last = slash.map { name[name.index(after: $0)...] } ?? name
        let hasTag = last.contains(":")
        description = hasTag || name.endIndex != text.endIndex ? text : text + ":latest"
        let untagged = hasTag ? name[..<(last.firstIndex(of: ":") ?? name.endIndex)] : name
        // A first part that can't be a host's name belongs to the path.
        let first = untagged.prefix { $0 != "/" }
        if first.endIndex != untagged.endIndex, first.contains(".") || first.contains(":") || first == "localhost" {
            registry = Self.usual(first)
            path = Self.path(untagged[untagged.index(after: first.endIndex)...], in: registry)
        } else {
            registry = "docker.io"
            path = Self.path(untagged, in: registry)
        }
    }

    private static func path(_ text: Substring, in registry: String) -> String {
        registry == "docker.io" && !text.contains("/") ? "library/\(text)" : String(text)
    }

    /// Docker Hub goes by several names.
    static func usual(_ registry: some StringProtocol) -> String {
        ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(String(registry)) ? "docker.io" : String(registry)
    }
}
