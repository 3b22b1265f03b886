/// Takes secrets out of what a runner wrote. Nobody knows its token any more by then, so they are found by their looks: GitLab's tokens by
/// their prefixes, and the password of a URL by its place.
public enum LogMask {
    static let replacement = Array("[MASKED]".utf8)
    /// docs.gitlab.com/security/tokens, "Token prefixes". A runner's has been `glrt-` since GitLab 15.10, `glrtr-` for one that was registered
    /// with a token that begins with GR1348941. An instance may have a prefix of its own before these.
    private static let prefixes = [
        "glpat-", "gloas-", "gldt-", "glrt-", "glrtr-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-", "glwt-", "glsoat-", "glffct-", "GR1348941",
    ].map { Array($0.utf8) }
    /// Characters after a prefix with which it is taken for a token; GitLab's have twenty.
    private static let least = 8

    /// The text with `[MASKED]` in the place of what is secret. The prefix of a token stays, and so does the rest of its line.
    public static func masked(_ text: [UInt8]) -> [UInt8] { withoutTokens(withoutPasswords(text)) }

    /// GitLab's tokens consist of letters, digits, `-`, `_` and `.`.
    static func isOfToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    private static func withoutTokens(_ text: [UInt8]) -> [UInt8] {
        var masked: [UInt8] = []
        masked.reserveCapacity(text.count)
        var rest = text[...]
        while !rest.isEmpty {
            masked += rest.prefix { !isOfToken($0) }
            rest = rest.drop { !isOfToken($0) }
            let word = rest.prefix(while: isOfToken)
            rest = rest[word.endIndex...]
            if let secret = secret(in: word) { masked += word[..<secret] + replacement } else { masked += word }
        }
        return masked
    }

    /// Where a token in a word goes on behind its prefix.
    private static func secret(in word: ArraySlice<UInt8>) -> Int? {
        guard word.count > least else { return nil }
        for start in word.indices where word[start] == UInt8(ascii: "g") || word[start] == UInt8(ascii: "G") {
            let rest = word[start...]
            if let prefix = prefixes.first(where: { rest.starts(with: $0) }), rest.count >= prefix.count + least { return start + prefix.count }
        }
        return nil
    }

    /// `https://gitlab-ci-token:SECRET@host/` and `http://user:SECRET@proxy`.
    private static func withoutPasswords(_ text: [UInt8]) -> [UInt8] {
        let (colon, slash, at) = (UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: "@"))
        var masked: [UInt8] = []
        masked.reserveCapacity(text.count)
        var rest = text[...]
        while let mark = rest.firstIndex(of: colon) {
            masked += rest[...mark]
            rest = rest[(mark + 1)...]
            guard rest.starts(with: [slash, slash]) else { continue }
            masked += [slash, slash]
            rest = rest.dropFirst(2)
            // Up to the end of the host: a quote, a blank and a control character are in none.
            let authority = rest.prefix { $0 != slash && $0 > 32 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "'") }
            guard let end = authority.lastIndex(of: at), let start = authority[..<end].firstIndex(of: colon), start + 1 < end else { continue }
            masked += authority[...start] + replacement
            rest = rest[end...]
        }
        return masked + rest
    }
}
