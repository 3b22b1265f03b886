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
            let state = reason?.isOfExpiry == true ? "has expired" : reason?.isOfRevocation == true ? "was revoked" : "is wrong, expired or revoked"
            return error(.badToken, asked, answer, "the token \(state): make a new one and put it in with: autogitctl token set")
        case 403 where reason?.text == "insufficient_scope":
            let scopes = reason?.scopes.map { excerpt.line($0, atMost: 100) } ?? []
            let needed = scopes.isEmpty ? "" : ", which is " + (scopes.count > 1 ? "one of " : "") + scopes.joined(separator: ", ")
            var refusal = error(.forbidden, asked, answer, "the token lacks the scope for that\(needed)")
            refusal.isOfScope = true
            return refusal
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
    /// - Parameter isOfTLS: there was a connection, and no agreement on TLS.
    func unreachable(_ asked: String, because reason: String, isOfTLS: Bool = false) -> GitLabError {
        let text = excerpt.line(reason, atMost: 300)
        var advice = ""
        if isOfTLS {
            // OpenSSL's words for an answer that is no TLS: "wrong version number", and from 3.2 on "packet length too long" or "record layer failure".
            let isPlain = ["wrong version number", "packet length too long", "record layer failure"].contains(where: text.contains)
            advice =
                isPlain
                ? ". Is it http, and not https, that is spoken there?"
                : ". If its certificate is of an authority of your own, name that one's certificate in [gitlab] ca_file"
        }
        return GitLabError(
            kind: .unreachable, message: "GitLab at \(url) cannot be reached: \(text)\(advice)",
            summary: "\(asked): GitLab at \(url) cannot be reached\(advice)")
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
        // nginx's words.
        if answer.status == 400, url.hasPrefix("http://"), said.lowercased().contains("plain http request was sent to https port") {
            let text = "\(received) (\(said)): write [gitlab] url with https, url = \"https\(url.dropFirst(4))\""
            return GitLabError(kind: .badAnswer, status: answer.status, message: text, summary: text)
        }
        let hint = answer.status == 404 ? "\(hint). Where GitLab is below a path, that belongs to its URL, as in https://home.example/gitlab" : hint
        return GitLabError(
            kind: .badAnswer, status: answer.status, message: "\(received)\(said.isEmpty ? "" : " (\(said))"), which is not GitLab's JSON: \(hint)",
            summary: "\(received), which is not GitLab's JSON: \(hint)")
    }

    private func redirect(of asked: String, _ answer: HTTPResponse) -> GitLabError {
        let target = answer.header("location").flatMap { Redirect($0, from: url) }
        let received = "\(asked): answered \(answer.status)" + (target.map { " to \(excerpt.line($0.place, atMost: 100))" } ?? " without saying where to")
        let text = "\(received): \(target.flatMap(advice) ?? hint)"
        return GitLabError(kind: .badAnswer, status: answer.status, message: text, summary: text)
    }

    private func advice(_ redirect: Redirect) -> String? {
        func line(_ url: String) -> String { "url = \"\(excerpt.line(url, atMost: 200))\"" }
        return switch redirect.meaning {
        case .tls(let url): "write [gitlab] url with https, \(line(url)); AutoGit follows no redirects, because its token would go along"
        case .moved(let url): "GitLab seems to have another address: if that is your GitLab, write in [gitlab] \(line(url))"
        case .signIn(let url):
            url == self.url
                ? nil : "GitLab's page for signing in answered in place of its API: most likely GitLab is below a path, so write in [gitlab] \(line(url))"
        case .elsewhere: nil
        }
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
    /// Beside `error`, as OAuth has it (RFC 6750, 3).
    private var description: String?
    /// One of these would do; empty where nothing is said.
    var scopes: [String]
    var isOfExpiry: Bool { description?.contains("expired") == true }
    var isOfRevocation: Bool { description?.contains("revoked") == true }

    private enum CodingKeys: String, CodingKey {
        case message, error, errors, scope
        case description = "error_description"
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        guard let key = [CodingKeys.message, .error, .errors].first(where: { fields.contains($0) }) else {
            throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "no message, error or errors"))
        }
        text = fields.ifReadable(String.self, key)
        description = fields.ifReadable(String.self, .description)
        scopes = fields.ifReadable(String.self, .scope)?.split(separator: " ").map(String.init) ?? []
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
