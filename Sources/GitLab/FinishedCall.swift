import HTTPTransfer

/// A call of GitLab's API that came to its end, for those who count them.
public struct FinishedCall: Sendable, Equatable {
    /// The method and the path, with `:id` in place of what names one thing: there are as many of these as this module has kinds of calls.
    public var endpoint: String
    /// nil when no answer came.
    public var status: Int?
    /// Calls that GitLab's limiter still allows (https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers); nil
    /// where the answer doesn't say.
    public var remaining: Int?
    /// From the call to the answer.
    public var time: Duration

    init(_ method: String, _ path: String, _ response: HTTPResponse?, time: Duration) {
        endpoint = "\(method) \(Self.template(of: path))"
        status = response?.status
        remaining = response?.header("ratelimit-remaining").flatMap { Int($0) }
        self.time = time
    }

    /// Words of the API's paths are lower-case letters and underscores; all else names one thing.
    private static func template(of path: String) -> String {
        var parts = path.prefix { $0 != "?" }.split(separator: "/").map(String.init)
        if parts.starts(with: ["api", "v4"]) { parts.removeFirst(2) }
        var before: String?
        return parts.map { part in
            defer { before = part }
            let isWord = part.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0 == 0x5F }
            // The path of a project or group at the top is a word, too.
            return isWord && before != "projects" && before != "groups" ? "/\(part)" : "/:id"
        }.joined()
    }
}
