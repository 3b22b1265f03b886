/// The name of an image: `[REGISTRY/]PATH[:TAG][@DIGEST]` (github.com/distribution/reference).
public struct ImageName: Sendable, Hashable, CustomStringConvertible {
    /// `HOST` or `HOST:PORT`; `docker.io` where none is named.
    public let registry: String
    /// The path in the registry, with `library/` for Docker Hub's own.
    public let path: String
    /// As it was written, with a tag: an engine that is asked for a name without one fetches all tags that there are.
    public let description: String
    /// The tag and the digest, with their marks before them.
    private let rest: String

    /// - Parameter text: any text; what can't be a name is refused by the engine in its own words.
    public init(_ text: String) {
        let name = text.prefix { $0 != "@" }
        let slash = name.lastIndex(of: "/")
        let last = slash.map { name[name.index(after: $0)...] } ?? name
        let hasTag = last.contains(":")
        description = hasTag || name.endIndex != text.endIndex ? text : text + ":latest"
        let untagged = hasTag ? name[..<(last.firstIndex(of: ":") ?? name.endIndex)] : name
        rest = String(description.dropFirst(untagged.count))
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
    public static func usual(_ registry: some StringProtocol) -> String {
        ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(String(registry)) ? "docker.io" : String(registry)
    }

    /// The whole name, the same for all ways to write it: Docker lists `debian:12`, and Podman the same as `docker.io/library/debian:12`.
    public var canonical: String { "\(registry)/\(path)\(rest)" }

    /// By which an image is known: the canonical name, or an id as engines give it in place of one, with its algorithm.
    public static func key(_ text: String) -> String {
        let digits = text.hasPrefix("sha256:") ? text.dropFirst(7) : text[...]
        return digits.count == 64 && digits.allSatisfy(\.isHexDigit) ? "sha256:\(digits)" : ImageName(text).canonical
    }
}
