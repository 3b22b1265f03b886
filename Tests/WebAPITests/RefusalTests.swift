import HTTPTypes
import Testing

/// Requests that can't be understood, or not here, or not from them.
@Suite struct RefusalTests {
    private let caller: Caller

    init() throws { caller = try Caller() }

    @Test(arguments: [
        ("POST", "/status", "GET"), ("PUT", "/runners", "GET, POST"), ("GET", "/webhook/job", "POST"), ("TRACE", "/runners/x", "DELETE, GET"),
        ("OPTIONS", "/pools/p/pause", "POST"), ("QUERY", "/status", "GET"), ("HEAD", "/", "GET"), ("DELETE", "/pools", "GET"),
    ])
    func aPathTakesItsOwnMethodsOnly(name: String, path: String, allowed: String) async throws {
        let method = try #require(HTTPRequest.Method(name))
        let answer = try await caller.answer(method, path)
        #expect(answer.status == 405 && answer.headers[.allow] == allowed)
        #expect(answer.problem?.detail == "\(path) takes \(allowed) only" && answer.headers[.contentType] == "application/problem+json")
    }

    @Test func whatIsNotThereIsNotFoundByAnyMethod() async throws {
        for method in [HTTPRequest.Method.get, .post, .delete] { #expect(try await caller.answer(method, "/nothing").status == 404) }
        // The path is there, and the runner isn't.
        #expect(try await caller.answer(.get, "/runners/x").problem?.detail == "there is no runner x")
    }

    /// Who comes without the token is asked for it.
    @Test func ordersOverTCPAskForTheToken() async throws {
        for authorization in [nil, "Bearer x", "Basic t"] as [String?] {
            let answer = try await caller.answer(.post, "/pools/p/pause", authorization.map { [.authorization: $0] } ?? [:], trusted: false)
            #expect(answer.status == 401 && answer.headers[.wwwAuthenticate] == "Bearer")
        }
        #expect(try await caller.answer(.post, "/pools/p/pause", [.authorization: "Bearer t"], trusted: false).status == 404)
    }

    /// A word that isn't understood must not be taken for another: `dry_run=1` once removed what it was to list.
    @Test(arguments: [
        ("GET", "/events?follow=no", "follow must be true or false"), ("GET", "/events?follow=", "follow must be true or false"),
        ("GET", "/events?follow=false&recent=x", "recent must be from 0 to 1000"), ("GET", "/runners/x/log?lines=many", "lines must be from 0 to 100000"),
        ("GET", "/runners/x/log?lines=100001", "lines must be from 0 to 100000"), ("GET", "/runners/x/log?follow=1", "follow must be true or false"),
        ("DELETE", "/runners/x?force=yes", "force must be true or false"), ("POST", "/reconcile?dry_run=1", "dry_run must be true or false"),
        ("POST", "/evacuate?timeout=soon", "timeout must be from 1 to 600"), ("POST", "/evacuate?timeout=0", "timeout must be from 1 to 600"),
    ])
    func aQueryThatIsNotUnderstoodIsRefused(name: String, path: String, detail: String) async throws {
        let answer = try await caller.answer(#require(HTTPRequest.Method(name)), path)
        #expect(answer.status == 400 && answer.problem?.detail == detail, "\(answer)")
    }
}
