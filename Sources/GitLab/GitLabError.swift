import Fleet

/// What GitLab refused or failed to do, with what the operator can do about it.
public struct GitLabError: ForgeFailure, Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        case unreachable, badToken, forbidden, notFound, rateLimited, refused, serverError, badAnswer
    }
    public var kind: Kind
    public var status: Int?
    public var message: String
    /// Seconds to wait, from `Retry-After`.
    public var retryAfter: Duration?

    public var description: String { message }
    public var tokenRefused: Bool { kind == .badToken }

    public var isOutage: Bool { isTransient }

    /// Worth asking again: nothing about the request itself was wrong.
    public var isTransient: Bool {
        switch kind {
        case .unreachable, .rateLimited, .serverError, .badAnswer: true
        case .badToken, .forbidden, .notFound, .refused: false
        }
    }
}
