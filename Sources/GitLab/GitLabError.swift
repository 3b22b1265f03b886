import Fleet

/// What GitLab refused or failed to do, and the operator's next step. No text of it contains a token.
public struct GitLabError: ForgeFailure, Sendable, CustomStringConvertible {
    /// The class of the trouble, which decides whether asking again helps.
    public enum Kind: Sendable, Equatable {
        /// There was no connection, or no answer in time.
        case unreachable
        /// GitLab itself says 401: the token is wrong, expired or revoked.
        case badToken
        /// GitLab itself says 403: the token's scope or role is too small.
        case forbidden
        /// GitLab itself says 404: it isn't there, or the token may not know of it.
        case notFound
        /// 429: too many requests.
        case rateLimited
        /// GitLab itself refuses the request for another reason.
        case refused
        /// 500 and up, from GitLab or from the proxy before it.
        case serverError
        /// The answer isn't GitLab's, or is not what was asked for: a proxy, a login page, a redirect, a body cut short.
        case badAnswer
    }

    /// The class of the trouble.
    public var kind: Kind
    /// The answer's HTTP status; nil when there was none.
    public var status: Int?
    /// What was asked, what came back with its first words, and what to do.
    public var message: String
    /// `message` without words quoted from the answer: the same trouble reads the same each time.
    public var summary: String
    /// How long GitLab wants to be left alone, from `Retry-After`, at most an hour; nil when it doesn't say.
    public var retryAfter: Duration?

    /// GitLab named the scopes that the token lacks.
    var isOfScope = false

    /// The same error with a next step at its end.
    func advised(_ advice: String) -> GitLabError {
        var error = self
        error.message += advice
        error.summary += advice
        return error
    }

    /// The same as `message`.
    public var description: String { message }
    /// Nothing will work until there is another token.
    public var tokenRefused: Bool { kind == .badToken }
    /// GitLab could not be asked or had trouble of its own, which says nothing about the request.
    public var isOutage: Bool { isTransient }

    /// Worth asking again: nothing about the request itself was wrong.
    public var isTransient: Bool {
        switch kind {
        case .unreachable, .rateLimited, .serverError, .badAnswer: true
        case .badToken, .forbidden, .notFound, .refused: false
        }
    }
}
