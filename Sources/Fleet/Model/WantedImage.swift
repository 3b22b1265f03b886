/// The image that a pool's runners are made of.
public struct WantedImage: Sendable, Hashable {
    /// As configured.
    public var name: String
    /// nil for the engine's own.
    public var architecture: Architecture?

    public init(_ name: String, _ architecture: Architecture? = nil) {
        self.name = name
        self.architecture = architecture
    }

    /// What it is called in the engine: a name stands for one architecture there at a time, so those of an architecture that was asked for get a
    /// name of their own. The same for all ways to write the name.
    public var localName: String {
        guard let architecture else { return name }
        let parts = ImageName(name).canonical.split(separator: "@", maxSplits: 1)
        let slash = parts[0].lastIndex(of: "/") ?? parts[0].startIndex
        let colon = parts[0][slash...].lastIndex(of: ":")
        // A digest takes the place of the tag, because a name that has one can't be given.
        let tag = parts.count > 1 ? parts[1].drop { $0 != ":" }.dropFirst().prefix(32) : colon.map { parts[0][$0...].dropFirst() } ?? "latest"
        let path = (colon.map { parts[0][..<$0] } ?? parts[0]).lowercased().replacing(":", with: "-")
        return "localhost/autogit-\(architecture.rawValue)/\(path):\(tag)"
    }
}

extension WantedImage: CustomStringConvertible, Comparable {
    /// For people.
    public var description: String { architecture.map { "\(name) for \($0)" } ?? name }

    /// By name, then by architecture.
    public static func < (a: Self, b: Self) -> Bool { (a.name, a.architecture?.rawValue ?? "") < (b.name, b.architecture?.rawValue ?? "") }
}

extension Pool {
    /// What its containers are made of.
    public var wantedImage: WantedImage { WantedImage(image, hardware.architecture) }
}
