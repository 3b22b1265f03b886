import Fleet

/// What goes into a bug report: texts by their file names, without secrets.
public struct Report: Sendable {
    public private(set) var files: [(name: String, text: String)] = []
    private let secrets: [String]

    /// - Parameter secrets: whatever is known to be one. Short ones are left alone, because they would be found in everything.
    public init(hiding secrets: [Secret]) {
        // The longest first: one may contain another.
        self.secrets = secrets.map { $0.reveal() }.filter { $0.utf8.count >= 6 }.sorted { $0.utf8.count > $1.utf8.count }
    }

    /// Adds a text, with `[MASKED]` in place of what is secret: the known ones, and what looks like a token or a URL's password.
    public mutating func add(_ name: String, _ text: String) {
        var text = text
        for secret in secrets { text = text.replacing(secret, with: "[MASKED]") }
        files.append((name, String(decoding: LogMask.masked(Array(text.utf8)), as: UTF8.self)))
    }

    /// A configuration that can't be understood: its sections and keys, and of values no more than that they are there, for any of them may be a secret.
    public static func keys(of toml: String) -> String {
        toml.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let bare = line.drop(while: \.isWhitespace)
            if bare.isEmpty || bare.hasPrefix("#") && !bare.contains("=") { return String(bare.hasPrefix("#") ? "#" : "") }
            if bare.hasPrefix("[") { return bare.contains("=") ? "[…]" : String(bare) }
            let key = bare.prefix { $0 != "=" }
            let isKey = key.endIndex != bare.endIndex && key.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_-.# ".contains($0)) }
            return isKey ? "\(key)= …" : "…"
        }.joined(separator: "\n")
    }
}
