import Doctor
import Fleet
import Foundation
import HTTPTransfer
import Synchronization
import TestBench
import Testing

/// A registry is asked whether it has an image, with its own login only.
@Suite struct RegistryInquiryTests {
    private static func login(_ registry: String, _ password: String = TestRegistry.password) -> RegistryLogin {
        RegistryLogin(registry: registry, username: TestRegistry.username, password: Secret(password))
    }

    private func status(_ image: String, _ logins: [RegistryLogin]) async -> Int? {
        guard case .seen(let status) = await RegistryInquiry(http: HTTPClient(), logins: logins).head(image) else { return nil }
        return status
    }

    /// Debian's docker-registry, which wants a name and a password.
    @Test(.enabled(if: TestRegistry.program != nil, "docker-registry can't be had: see scripts/bootstrap"))
    func aRegistryBehindALoginIsAskedWithIt() async throws {
        let registry = try await TestRegistry.start()
        let image = "\(registry.address)/team/tool:1"
        #expect(await status(image, []) == 401)
        #expect(await status(image, [Self.login(registry.address, "wrong")]) == 401)
        #expect(await status(image, [Self.login("elsewhere:5000")]) == 401)
        #expect(await status(image, [Self.login(registry.address)]) == 404)
        await registry.stop()
    }

    /// As Docker Hub and GitLab's registry do it: a 401 says where to get a token, and with the token there is an answer.
    @Test(arguments: [(true, true, 200), (false, true, 404), (true, false, 200)])
    func aTokenIsFetchedWhereTheRegistrySays(exists: Bool, hasLogin: Bool, expected: Int) async throws {
        let port = Mutex(0)
        let asked = Asked()
        let server = try BareServer(onPortWith: { request, connection in
            asked.note(request.method, request.target, request.headers["authorization"])
            if request.target.hasPrefix("/token?") {
                _ = connection.answer(200, #"{"token": "granted"}"#)
            } else if request.headers["authorization"] == "Bearer granted" {
                _ = connection.answer(exists ? 200 : 404)
            } else {
                let realm = "http://127.0.0.1:\(port.withLock { $0 })/token"
                _ = connection.answer(401, headers: [#"WWW-Authenticate: Bearer realm="\#(realm)",service="home",scope="repository:team/tool:pull""#])
            }
        })
        port.withLock { $0 = server.port }
        let address = "127.0.0.1:\(server.port)"
        #expect(await status("\(address)/team/tool@sha256:\(String(repeating: "a", count: 64))", hasLogin ? [Self.login(address)] : []) == expected)
        let manifest = "HEAD /v2/team/tool/manifests/sha256:\(String(repeating: "a", count: 64))"
        let basic = hasLogin ? "Basic " + Data("\(TestRegistry.username):\(TestRegistry.password)".utf8).base64EncodedString() : nil
        #expect(
            asked.all == [
                Asked.Call(manifest, basic), Asked.Call("GET /token?service=home&scope=repository%3Ateam%2Ftool%3Apull", basic),
                Asked.Call(manifest, "Bearer granted"),
            ])
        server.stop()
    }

    /// The realm is the registry's word; a login for it isn't for others, whatever it says.
    @Test func aLoginDoesNotGoToAnotherHostThatTheRegistryNames() async throws {
        let asked = Asked()
        let other = try BareServer(onPortWith: { request, connection in
            asked.note(request.method, request.target, request.headers["authorization"])
            _ = connection.answer(403, "{}")
        })
        let realm = "http://127.0.0.1:\(other.port)/token"
        let registry = try BareServer(onPortWith: { _, connection in
            _ = connection.answer(401, headers: [#"WWW-Authenticate: Bearer realm="\#(realm)",service="home""#])
        })
        let address = "127.0.0.1:\(registry.port)"
        #expect(await status("\(address)/team/tool", [Self.login(address)]) == 401)
        #expect(asked.all == [Asked.Call("GET /token?service=home", nil)])
        registry.stop()
        other.stop()
    }

    private final class Asked: Sendable {
        struct Call: Equatable {
            var line: String
            var authorization: String?
            init(_ line: String, _ authorization: String?) { (self.line, self.authorization) = (line, authorization) }
        }
        private let calls = Mutex<[Call]>([])
        var all: [Call] { calls.withLock { $0 } }
        func note(_ method: String, _ target: String, _ authorization: String?) { calls.withLock { $0.append(Call("\(method) \(target)", authorization)) } }
    }
}
