import Fleet
import FoundationEssentials
import HTTPTransfer

/// Tells GitLab's own answers from those of the proxies and login pages before it, and words what went wrong.
struct AnswerJudge: Sendable {
    /// GitLab's URL as configured.
    let url: String
    let excerpt: Excerpt

    /// - Parameter secrets: what the request carried, the token first of all.
    init(url: String, hiding secrets: [Secret]) {
        self.url = url
        excerpt = Excerpt(hiding: secrets)
    }

    /// The error for an answer that is not a success.
    func refusal(of asked: String, _ answer: HTTPResponse) -> GitLabError {
        let reason = try? JSONDecoder().decode(Reason.self, from: Data(answer.body))
        switch answer.status {
        case 429:
            // GitLab's own limiter answers in plain text.
            return error(.rateLimited, asked, answer, "too many requests; AutoGit waits before it asks again")
        case 500... where reason == nil:
            return error(.serverError, asked, answer, "the proxy before GitLab cannot reach it, or GitLab is starting; AutoGit tries again")
        case 500...:
            return error(.serverError, asked, answer, "GitLab has a problem of its own; AutoGit tries again")
        case 300..<400: return redirect(of: asked, answer)
        case 401 where reason != nil:
            return error(.badToken, asked, answer, "the token is wrong, expired or revoked: make a new one and put it into token_file")
        case 403 where reason != nil: return error(.forbidden, asked, answer, "the token's scope or role does not allow it")
        case 404 where reason?.text?.hasPrefix("404") == true:
            return error(.notFound, asked, answer, "not there, or the token may not know of it")
        case 400..<500 where answer.status != 404 && reason != nil: return error(.refused, asked, answer, "GitLab refused it")
        default: return foreign(asked, answer)
        }
    }

    /// The error for a success whose body is not what was asked for.
    func unreadable(_ asked: String, _ answer: HTTPResponse) -> GitLabError {
        guard (try? JSONDecoder().decode(AnyJSON.self, from: Data(answer.body))) != nil else { return foreign(asked, answer) }
        // JSON is never quoted here: it may hold a new runner's token.
        let text = "\(asked): answered \(answer.status) with JSON that lacks what GitLab's answer has: is [gitlab] url, \(url), GitLab's own URL?"
        return GitLabError(kind: .badAnswer, status: answer.status, message: text, summary: text)
    }

    /// The error for an exchange that did not happen.
    func unreachable(_ asked: String, because reason: String) -> GitLabError {
        let text = excerpt.line(reason, atMost: 300)
        return GitLabError(
            kind: .unreachable, message: "GitLab at \(url) cannot be reached: \(text)", summary: "\(asked): GitLab at \(url) cannot be reached")
    }

    // MARK: Wording

    private var hint: String { "is [gitlab] url, \(url), GitLab's own URL? A login page or proxy is in front of it" }

    private func error(_ kind: GitLabError.Kind, _ asked: String, _ answer: HTTPResponse, _ meaning: String) -> GitLabError {
        let wait = answer.header("retry-after").flatMap { Int64($0) }.map { Duration.seconds(min(max($0, 0), 3600)) }
        let said = excerpt.firstWords(of: answer.body)
        let summary = "\(asked): \(answer.status), \(meaning)"
        return GitLabError(
            kind: kind, status: answer.status, message: said.isEmpty ? summary : "\(summary) (\(contentType(answer)): \(said))", summary: summary,
            retryAfter: wait)
    }

    /// Somebody else's answer, by its status and body.
    private func foreign(_ asked: String, _ answer: HTTPResponse) -> GitLabError {
        let said = excerpt.firstWords(of: answer.body)
        let received = "\(asked): answered \(answer.status) with \(contentType(answer))"
        return GitLabError(
            kind: .badAnswer, status: answer.status, message: "\(received)\(said.isEmpty ? "" : " (\(said))"), which is not GitLab's JSON: \(hint)",
            summary: "\(received), which is not GitLab's JSON: \(hint)")
    }

    private func redirect(of asked: String, _ answer: HTTPResponse) -> GitLabError {
        let target = answer.header("location").map(Self.place) ?? ""
        let received = "\(asked): answered \(answer.status)" + (target.isEmpty ? " without saying where to" : " to \(excerpt.line(target, atMost: 100))")
        let secure = target.hasPrefix("https://") && url.hasPrefix("http://") && url.hasPrefix(target.replacing(/^https/, with: "http"))
        let text = secure ? "\(received): write [gitlab] url with https, \(target)" : "\(received): \(hint)"
        return GitLabError(kind: .badAnswer, status: answer.status, message: text, summary: text)
    }

    /// A redirect's scheme and host, or its path when it stays on the host: what follows may be secret.
    private static func place(_ location: String) -> String {
        guard let scheme = location.firstRange(of: "://") else { return String(location.prefix { $0 != "?" && $0 != "#" }) }
        let authority = location[scheme.upperBound...].prefix { !"/?#".contains($0) }
        let host = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
        return "\(location[..<scheme.lowerBound])://\(host)"
    }

    private func contentType(_ answer: HTTPResponse) -> String {
        if answer.body.isEmpty { return "an empty body" }
        guard let type = answer.header("content-type")?.prefix(while: { $0 != ";" }), !type.isEmpty else { return "a body of no stated type" }
        return excerpt.line(String(type), atMost: 40)
    }
}

/// The mark of GitLab's own errors: a JSON object with a `message` or an `error`, or with `errors` from GraphQL.
private struct Reason: Decodable {
    /// nil when it is an object or a list, as with a model's validation errors.
    var text: String?

    private enum CodingKeys: String, CodingKey { case message, error, errors }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        guard let key = [CodingKeys.message, .error, .errors].first(where: { fields.contains($0) }) else {
            throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "no message, error or errors"))
        }
        text = fields.ifReadable(String.self, key)
    }
}

/// Any JSON object or list.
private struct AnyJSON: Decodable {
    private struct AnyKey: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        do { _ = try decoder.container(keyedBy: AnyKey.self) } catch { _ = try decoder.unkeyedContainer() }
    }
}
