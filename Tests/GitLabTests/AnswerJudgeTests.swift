import Fleet
import HTTPTransfer
import Testing

@testable import GitLab

@Suite struct AnswerJudgeTests {
    private static let token = "glpat-abcdefgh12345678"
    private let judge = AnswerJudge(url: "http://gitlab.test", hiding: [Secret(token), Secret("hook secret")])

    struct Case: Sendable {
        var status: Int
        var type: String? = "application/json"
        var body = ""
        var headers: [(name: String, value: String)] = []
        var kind: GitLabError.Kind
        /// What the message has to say.
        var says: [String] = []
    }

    private static let html = "<html><head><style>p{}</style><title>Sign in</title></head><body>Welcome</body></html>"

    @Test(arguments: [
        Case(status: 401, body: #"{"message":"401 Unauthorized"}"#, kind: .badToken, says: ["autogitctl token set"]),
        Case(status: 401, body: #"{"error":"invalid_token","error_description":"Token was revoked."}"#, kind: .badToken),
        Case(status: 401, body: #"{"errors":[{"message":"Invalid token"}]}"#, kind: .badToken),
        Case(status: 401, type: "text/html", body: html, kind: .badAnswer, says: ["401", "text/html", "Sign in", "[gitlab] url"]),
        Case(status: 403, body: #"{"message":"403 Forbidden"}"#, kind: .forbidden),
        Case(status: 403, body: #"{"error":"insufficient_scope"}"#, kind: .forbidden),
        Case(status: 403, type: "text/plain", body: "blocked", kind: .badAnswer, says: ["blocked"]),
        Case(status: 404, body: #"{"message":"404 Project Not Found"}"#, kind: .notFound),
        Case(status: 404, body: #"{"error":"404 Not Found"}"#, kind: .notFound),
        Case(status: 404, type: "text/plain", body: #"{"message":"404 Not found"}"#, kind: .notFound),
        Case(status: 404, type: "text/plain", body: "404 page not found", kind: .badAnswer, says: ["404 page not found", "proxy"]),
        Case(status: 404, type: "text/html", body: "<h1>404 Not Found</h1>", kind: .badAnswer, says: ["404 Not Found"]),
        Case(status: 404, body: #"{"message":"no Route matched with those values"}"#, kind: .badAnswer),
        Case(status: 404, body: #"{"message":{"base":["404"]}}"#, kind: .badAnswer),
        Case(status: 404, body: #"["404 Not Found"]"#, kind: .badAnswer),
        Case(status: 404, body: #""404 Not Found""#, kind: .badAnswer),
        Case(status: 404, type: nil, kind: .badAnswer, says: ["empty body"]),
        Case(status: 409, body: #"{"message":"409 Conflict"}"#, kind: .refused),
        Case(status: 422, body: #"{"message":{"url":["is blocked"]}}"#, kind: .refused, says: ["is blocked"]),
        Case(status: 413, type: "text/html", body: "<h1>Too large</h1>", kind: .badAnswer),
        Case(status: 429, type: "text/plain", body: "Retry later\n", kind: .rateLimited),
        Case(status: 500, body: #"{"message":"500 Internal Server Error"}"#, kind: .serverError, says: ["GitLab has a problem"]),
        Case(status: 502, type: "text/html", body: "<title>Bad Gateway</title>", kind: .serverError, says: ["502", "text/html", "Bad Gateway", "proxy"]),
        Case(status: 503, type: nil, kind: .serverError),
        Case(
            status: 302, type: "text/html", body: html, headers: [("location", "https://login.test:8443/flow?token=\(token)")], kind: .badAnswer,
            says: ["answered 302 to https://login.test:8443:", "A login page or proxy"]),
        Case(status: 302, headers: [("location", "https://me:pw@login.test/")], kind: .badAnswer, says: ["to https://login.test:"]),
        Case(status: 302, headers: [("location", "/users/sign_in?x=\(token)")], kind: .badAnswer, says: ["to /users/sign_in:"]),
        Case(status: 301, headers: [("location", "https://gitlab.test/api/v4/version")], kind: .badAnswer, says: ["write [gitlab] url with https"]),
        Case(status: 307, kind: .badAnswer),
        Case(status: 304, kind: .badAnswer),
        Case(status: 101, kind: .badAnswer),
    ])
    func answersThatAreNotASuccess(_ answer: Case) {
        let headers = answer.headers + (answer.type.map { [("content-type", $0)] } ?? [])
        let error = judge.refusal(of: "GET version", HTTPResponse(status: answer.status, headers: headers, body: Array(answer.body.utf8)))
        #expect(error.kind == answer.kind && error.status == answer.status)
        #expect(error.isTransient == [.rateLimited, .serverError, .badAnswer].contains(answer.kind))
        for text in answer.says + ["GET version", "\(answer.status)"] { #expect(error.message.contains(text), "\(error)") }
        #expect(!error.message.contains(Self.token) && !error.message.contains("me:pw"))
    }

    @Test(arguments: [
        ("text/html", html, "Sign in"), ("text/plain", "OK", "OK"), ("application/json", "", "empty body"), ("application/json", "{\"id\":1,", "{\"id\":1,"),
        ("application/json", "{\"id\":1}", "lacks"), ("application/json", "[]", "lacks"),
    ])
    func successesWithoutTheBodyThatIsDue(type: String, body: String, word: String) {
        let error = judge.unreadable("GET user", HTTPResponse(status: 200, headers: [("content-type", type)], body: Array(body.utf8)))
        #expect(error.kind == .badAnswer && error.isOutage && error.message.contains(word) && error.message.contains("http://gitlab.test"), "\(error)")
    }

    @Test func onlyTroubleThatSaysNothingOfTheRequestIsAnOutage() {
        let outages: [GitLabError.Kind] = [.unreachable, .rateLimited, .serverError, .badAnswer]
        let others: [GitLabError.Kind] = [.badToken, .forbidden, .notFound, .refused]
        for kind in outages + others { #expect(GitLabError(kind: kind, message: "", summary: "").isOutage == outages.contains(kind)) }
    }

    @Test func retryAfterIsBounded() {
        for (text, seconds) in [("7", 7), ("-1", 0), ("99999999", 3600)] as [(String, Int64)] {
            #expect(judge.refusal(of: "x", HTTPResponse(status: 429, headers: [("retry-after", text)], body: [])).retryAfter == .seconds(seconds))
        }
        #expect(judge.refusal(of: "x", HTTPResponse(status: 429, headers: [("retry-after", "soon")], body: [])).retryAfter == nil)
    }

    /// A proxy that repeats the request, in all the ways in which the secret could slip through.
    @Test(arguments: [
        "PRIVATE-TOKEN: \(token)", "<p>\(token)</p>", "<title>\(token)</title>", "glpat-\u{0}abcdefgh12345678", "\(token)\u{301}",
        "glpat-\u{200B}abcdefgh12345678", "a hook secret b", "hook%20secret", String(repeating: "x", count: 110) + token,
        String(repeating: " ", count: 4090) + token + "tail", #"{"message":"\#(token)"}"#, "glrt-someOtherToken123", "glcbt-64_aaaaaaaaaa",
    ])
    func noSecretIsRepeated(body: String) {
        for status in [200, 302, 401, 403, 404, 422, 429, 502] {
            for type in ["text/html", Self.token] {
                let answer = HTTPResponse(status: status, headers: [("content-type", type), ("location", "http://\(Self.token)/")], body: Array(body.utf8))
                for error in [judge.refusal(of: "GET x", answer), judge.unreadable("GET x", answer), judge.unreachable("GET x", because: body)] {
                    for text in [error.message, error.summary, "\(error)"] {
                        for secret in ["abcdefgh", "glpat-a", "hook secret", "hook%20secret", "someOther", "64_aaa"] {
                            #expect(!text.contains(secret), "\(text)")
                        }
                    }
                }
            }
        }
    }

    @Test func quotesAreShortLinesWithoutControlCharacters() {
        let body = "<html>\r\n\u{1B}[2J\u{202E}evil " + String(repeating: "word ", count: 100_000)
        let error = judge.refusal(of: "GET x", HTTPResponse(status: 502, headers: [], body: Array(body.utf8)))
        #expect(error.message.count < 350 && !error.message.contains("\u{1B}") && !error.message.contains("\u{202E}") && !error.message.contains("\n"))
    }

    @Test func theSummaryIsTheSameForTheSameTrouble() {
        let errors = ["request 1", "request 2"].map { judge.refusal(of: "GET x", HTTPResponse(status: 502, headers: [], body: Array($0.utf8))) }
        #expect(errors[0].summary == errors[1].summary && errors[0].message != errors[1].message)
    }
}
