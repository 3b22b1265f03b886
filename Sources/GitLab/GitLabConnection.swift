import Fleet
import FoundationEssentials
import HTTPTransfer

/// Calls GitLab with the token, and hands back nothing but GitLab's own answers. Redirects are not followed: the token
/// would go where they point.
struct GitLabConnection: Sendable {
    /// A success, and the call that it answers.
    struct Answer: Sendable {
        var asked: String
        var response: HTTPResponse
    }

    /// A list that was read page by page.
    struct Listing<Item: Sendable>: Sendable {
        var elements: [Element<Item>]
        /// Why a page after the first is missing, with all that follow it.
        var cutShort: GitLabError?
    }

    let configuration: GitLabForge.Configuration
    let http: HTTPClient
    /// Told of each call.
    var told: (@Sendable (FinishedCall) -> Void)?

    private static let maxPages = 1000

    /// - Parameters:
    ///   - path: below `base`.
    ///   - json: the body.
    ///   - secrets: what the body carries that no message may repeat, beside the token.
    /// - Returns: an answer of 2xx, or a 304 that `headers` asked for.
    /// - Throws: for any other answer, and for none.
    func call(
        _ method: String, _ path: String, headers: [(name: String, value: String)] = [], json: Data? = nil, hiding secrets: [Secret] = [],
        base: String = "/api/v4/"
    ) async throws(GitLabError) -> Answer {
        var all: [(name: String, value: String)] = [
            ("PRIVATE-TOKEN", configuration.token.reveal()), ("Accept", "application/json"), ("User-Agent", "autogit"),
        ]
        if json != nil { all.append(("Content-Type", "application/json")) }
        all += headers
        let request = HTTPRequest(method, configuration.url + base + path, headers: all, body: json.map { Array($0) }, caFile: configuration.caFile)
        let asked = "\(method) \(path.prefix { $0 != "?" })"
        let judge = AnswerJudge(url: configuration.url, hiding: [configuration.token] + secrets)
        let response: HTTPResponse
        let began = ContinuousClock.now
        do {
            response = try await http.send(request)
            told?(FinishedCall(method, base + path, response, time: ContinuousClock.now - began))
        } catch {
            told?(FinishedCall(method, base + path, nil, time: ContinuousClock.now - began))
            let failure = error as? TransferError
            throw judge.unreachable(asked, because: failure?.message ?? "\(error)", isOfTLS: failure?.kind == .tls)
        }
        let isKnown = response.status == 304 && headers.contains { $0.name == "If-None-Match" }
        guard response.isSuccess || isKnown else { throw judge.refusal(of: asked, response) }
        return Answer(asked: asked, response: response)
    }

    /// - Throws: `badAnswer` when the body isn't JSON, or lacks what `type` needs.
    func decode<Value: Decodable>(_ type: Value.Type, _ answer: Answer) throws(GitLabError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(answer.response.body))
        } catch {
            throw AnswerJudge(url: configuration.url, hiding: [configuration.token]).unreadable(answer.asked, answer.response)
        }
    }

    func get<Value: Decodable>(_ path: String, as type: Value.Type) async throws(GitLabError) -> Value {
        try decode(type, try await call("GET", path))
    }

    /// - Returns: nil when GitLab itself says 404.
    @discardableResult
    func unlessGone<Value>(_ ask: () async throws -> Value) async throws -> Value? {
        do {
            return try await ask()
        } catch let error as GitLabError where error.kind == .notFound {
            return nil
        }
    }

    /// GitLab's own words, as far as they may be repeated: in one line, without the token.
    func printable(_ text: String) -> String { printable(text, atMost: 120) }

    /// - Parameter length: in characters.
    func printable(_ text: String, atMost length: Int) -> String { Excerpt(hiding: [configuration.token]).line(text, atMost: length) }

    /// All pages of a list.
    /// - Throws: when one of them could not be had.
    func list<Item: Decodable>(_ path: String, of type: Item.Type) async throws(GitLabError) -> [Element<Item>] {
        let listing = try await pages(of: type, startingWith: try await call("GET", path))
        if let error = listing.cutShort { throw error }
        return listing.elements
    }

    /// The first page, and as many of those after it as could be had.
    /// - Throws: when the first page isn't a list, or the token is refused.
    func pages<Item: Decodable>(of type: Item.Type, startingWith first: Answer) async throws(GitLabError) -> Listing<Item> {
        var listing = Listing<Item>(elements: try decode([Element<Item>].self, first))
        var next = Paging.next(after: first.response)
        for _ in 1..<Self.maxPages {
            guard let path = next else { return listing }
            do {
                let page = try await call("GET", path, base: "")
                listing.elements += try decode([Element<Item>].self, page)
                next = Paging.next(after: page.response)
            } catch {
                if error.tokenRefused { throw error }
                listing.cutShort = error
                return listing
            }
        }
        if next != nil {
            let text = "\(first.asked): the list has no end"
            listing.cutShort = GitLabError(kind: .badAnswer, message: text, summary: text)
        }
        return listing
    }
}
