import ControlModel
import Fleet
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Logging

extension HTTPField.Name {
    static let gitlabToken = HTTPField.Name("X-Gitlab-Token")!
    static let gitlabEvent = HTTPField.Name("X-Gitlab-Event")!
}

enum JSON {
    static func answer(_ value: some Encodable, status: HTTPResponse.Status = .ok, type: String = "application/json") throws -> Response {
        var body = ByteBuffer()
        body.writeBytes(try APIJSON.bytes(value))
        body.writeString("\n")
        return Response(
            status: status, headers: [.contentType: type, .cacheControl: "no-store"], body: .init(byteBuffer: body))
    }

    static func problem(_ status: HTTPResponse.Status, _ detail: String) throws -> Response {
        try answer(
            Problem(status: status.code, title: status.reasonPhrase, detail: detail), status: status,
            type: "application/problem+json")
    }
}

struct ProblemError: Error {
    var status: HTTPResponse.Status
    var detail: String
    init(_ status: HTTPResponse.Status, _ detail: String) {
        self.status = status
        self.detail = detail
    }
    static func notFound(_ detail: String) -> Self { Self(.notFound, detail) }
}

/// Answers every error as `application/problem+json`. The details of our own errors go to the journal, never to the caller.
struct ProblemMiddleware<Context: RequestContext>: RouterMiddleware {
    let log: LimitedLog

    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let problem as ProblemError {
            return try JSON.problem(problem.status, problem.detail)
        } catch let error as any HTTPResponseError {
            return try JSON.problem(error.status, error.status == .notFound ? "there is no \(request.uri.path)" : error.status.reasonPhrase)
        } catch {
            log.error(.failedRequest, "\(request.method) \(request.uri.path) failed: \(error)")
            var answer = try JSON.problem(.serviceUnavailable, "the daemon could not do this now; see: journalctl -u autogit, and try again later")
            answer.headers[.retryAfter] = "5"
            return answer
        }
    }
}

/// Lets only those in who know one of some tokens, as the bearer of it.
struct TokenGuard<Context: RequestContext>: RouterMiddleware {
    /// What is behind it.
    enum Purpose { case reading, metrics, writing }
    /// nil lets everybody in; one that is nil lets nobody in.
    let tokens: [Secret?]?
    /// Of those who signed in with one of them, where that counts, too.
    var sessions: Sessions?
    let of: Purpose

    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws -> Response {
        guard let tokens else { return try await next(request, context) }
        let bearer = request.headers[.authorization].flatMap { $0.hasPrefix("Bearer ") ? String($0.dropFirst(7)) : nil }
        if let bearer, tokens.contains(where: { $0?.matches(bearer) == true }) { return try await next(request, context) }
        if sessions?.session(of: request) != nil { return try await next(request, context) }
        let words =
            switch of {
            case .writing: "writing calls need the control socket, or the token of listen.control_token_file as a bearer token"
            case .reading: "this needs the token of listen.control_token_file as a bearer token"
            case .metrics: "this needs the token of metrics.token_file as a bearer token"
            }
        // Nothing that a caller could know helps where no token is configured.
        guard tokens.contains(where: { $0 != nil }) else { return try JSON.problem(.forbidden, words) }
        var answer = try JSON.problem(.unauthorized, words)
        answer.headers[.wwwAuthenticate] = "Bearer"
        return answer
    }
}
