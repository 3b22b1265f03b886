/// The body of every error, as `application/problem+json` (RFC 9457).
public struct Problem: Codable, Sendable, Equatable {
    /// Always `about:blank`: the status says it all.
    public var type: String
    /// The status's own words.
    public var title: String
    /// The HTTP status.
    public var status: Int
    /// What happened and what to do, for people.
    public var detail: String
    public init(status: Int, title: String, detail: String) {
        type = "about:blank"
        self.title = title
        self.status = status
        self.detail = detail
    }
}
