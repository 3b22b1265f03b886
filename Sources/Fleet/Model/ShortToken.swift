/// The beginning of a runner's token, with which gitlab-runner names and labels what it makes for its jobs. It is not secret: GitLab
/// shows it to everybody who may see the runner.
public enum ShortToken {
    /// Of the tokens that GitLab has given out since 15.10 (docs.gitlab.com/security/tokens); longer ones first.
    private static let prefixes = ["glrt-t1_", "glrt-t2_", "glrt-t3_", "glrtr-", "glrt-"]
    /// Characters after the prefix.
    private static let length = 9
    /// With fewer characters of its own it would be somebody else's, too.
    private static let least = 6

    /// As gitlab-runner shortens it since it knows those prefixes; nil where too little is left to tell runners apart. Older versions
    /// took the first eight characters with the prefix, which are of no use.
    public static func of(_ token: Secret) -> String? {
        let text = token.reveal()
        let prefix = prefixes.first(where: text.hasPrefix) ?? ""
        let short = String(text.dropFirst(prefix.count).prefix(length))
        return identifies(short) ? short : nil
    }

    /// Whether a short token, of whatever version, tells one runner from another.
    public static func identifies(_ short: String) -> Bool {
        let prefix = prefixes.first(where: short.hasPrefix) ?? prefixes.first { $0.hasPrefix(short) } ?? ""
        return short.dropFirst(prefix.count).count >= least
    }
}
