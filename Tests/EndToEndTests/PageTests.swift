import ControlModel
import Foundation
import FakeGitLab
import HTTPTransfer
import TestBench
import Testing

/// The page for people, as the daemon serves it. What it says is StatusPageTests' subject.
@Suite struct PageTests {
    private static let token = "the-control-token"

    private struct Rig {
        var gitlab: FakeGitLabServer
        var daemon: DaemonUnderTest

        func end() async throws {
            await daemon.stop()
            await gitlab.stop()
            try FileManager.default.removeItem(atPath: daemon.directory)
        }

        func get(_ path: String, cookie: String? = nil, accept: String = "text/html,*/*;q=0.8") async throws -> HTTPResponse {
            var headers = [(name: "Accept", value: accept)]
            if let cookie { headers.append(("Cookie", cookie)) }
            return try await daemon.send(HTTPRequest("GET", daemon.url + path, headers: headers))
        }

        func post(_ path: String, _ form: [String: String], cookie: String? = nil, origin: String? = nil) async throws -> HTTPResponse {
            var headers = [(name: "Accept", value: "text/html"), ("Content-Type", "application/x-www-form-urlencoded")]
            if let cookie { headers.append(("Cookie", cookie)) }
            if let origin { headers.append(("Origin", origin)) }
            let body = form.map { "\($0.key)=\($0.value)" }.joined(separator: "&")
            return try await daemon.send(HTTPRequest("POST", daemon.url + path, headers: headers, body: Array(body.utf8)))
        }

        /// - Returns: the cookie.
        func signIn() async throws -> String {
            let answer = try await post("/ui/sign-in", ["token": PageTests.token])
            #expect(answer.status == 303 && answer.header("location") == "/")
            let cookie = try #require(answer.header("set-cookie"))
            #expect(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/") && !cookie.contains(PageTests.token))
            return String(cookie.prefix { $0 != ";" })
        }
    }

    private func rig(read: String = "all", token: String? = token) async throws -> Rig {
        let directory = "/tmp/autogit-page-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let gitlab = try await FakeGitLabServer.start(directory: directory)
        let secret = "glpat-page-\(UInt64.random(in: 0 ... .max))"
        await gitlab.instance.add(AccessToken(secret: secret, scopes: ["api"], isAdmin: true))
        if let token {
            let made = FileManager.default.createFile(atPath: "\(directory)/control", contents: Data(token.utf8), attributes: [.posixPermissions: 0o600])
            #expect(made)
        }
        let daemon = try DaemonUnderTest(
            program: product("autogitd"), directory: directory, gitlab: gitlab.url, token: secret, engine: "\(directory)/none.sock",
            settings: "[[pool]]\nname = \"default\"\ntags = [\"x\"]\n",
            listenSettings: "read = \"\(read)\"\n" + (token == nil ? "" : "control_token_file = \"\(directory)/control\""))
        try await daemon.start()
        return Rig(gitlab: gitlab, daemon: daemon)
    }

    @Test func peopleGetAPageAndProgramsGetJSON() async throws {
        let rig = try await rig()
        let hostile = #"</script><script>window.hit=1</script><img src=x onerror=hit()>"#
        let body = """
            {"object_kind": "build", "build_id": 7, "build_status": "pending", "build_name": "\(hostile)", "build_stage": "test", "ref": "main",
             "project_id": 1, "project": {"path_with_namespace": "a/b"}}
            """
        let hook = try await rig.daemon.send(
            HTTPRequest(
                "POST", "\(rig.daemon.url)/webhook/job", headers: [("X-Gitlab-Token", rig.daemon.webhookSecret), ("X-Gitlab-Event", "Job Hook")],
                body: Array(body.utf8)))
        #expect(hook.status == 202)
        let page = try await rig.get("/")
        #expect(page.status == 200 && page.header("content-type") == "text/html; charset=utf-8")
        let policy = page.header("content-security-policy") ?? ""
        #expect(policy.contains("default-src 'none'") && !policy.contains("unsafe"))
        #expect(page.text.contains("&lt;script&gt;window.hit=1") && !page.text.contains("<script>window") && !page.text.contains("<img"))
        #expect(page.text.contains("waiting for a container engine"))
        #expect(!page.text.contains(Self.token) && !page.text.contains(rig.daemon.webhookSecret))
        for path in ["/ui/jobs/7", "/ui/sign-in"] { #expect(try await rig.get(path).text.contains("<!DOCTYPE html>"), "\(path)") }
        let assets = try page.text.matches(of: Regex("/assets/[a-z.]+\\?v=[a-z0-9]+", as: Substring.self)).map { String($0.output) }
        #expect(Set(assets).count == 3)
        for asset in assets {
            let answer = try await rig.get(asset)
            #expect(answer.status == 200 && answer.header("cache-control")?.contains("immutable") == true && !answer.body.isEmpty, "\(asset)")
        }
        // As curl asks.
        let json = try await rig.get("/", accept: "*/*")
        #expect(json.header("content-type") == "application/json")
        for path in ["/ui/jobs/8", "/ui/jobs/x", "/ui/runners/nosuch"] {
            let missing = try await rig.get(path)
            #expect(missing.status == 404 && missing.header("content-type") == "text/html; charset=utf-8" && missing.text.contains("There is no"), "\(path)")
        }
        let history = try await rig.daemon.get("/history", as: HistoryView.self)
        #expect(history.hours.count == 24 && history.failures.isEmpty)
        try await rig.end()
    }

    @Test func ordersNeedASessionAndItsForm() async throws {
        let rig = try await rig()
        func isPaused() async throws -> Bool? { try await rig.daemon.get("/pools", as: [PoolView].self).first?.paused }
        #expect(try await rig.post("/ui/pools/default/pause", [:]).status == 403)
        #expect(try await rig.post("/ui/sign-in", ["token": "wrong"]).status == 403)
        #expect(try await rig.post("/ui/sign-in", [:]).status == 403)
        let cookie = try await rig.signIn()
        let page = try await rig.get("/", cookie: cookie).text
        let csrf = String(try #require(page.firstMatch(of: /name='csrf' value='([0-9a-f]{64})'/)?.output.1))
        #expect(!page.contains(Self.token) && !page.contains(cookie.dropFirst("autogit-session=".count)))
        // Another site's form, one without its secret, and one of another session.
        #expect(try await rig.post("/ui/pools/default/pause", ["csrf": csrf], cookie: cookie, origin: "http://evil.example").status == 403)
        #expect(try await rig.post("/ui/pools/default/pause", [:], cookie: cookie).status == 403)
        let other = try await rig.signIn()
        #expect(try await rig.post("/ui/pools/default/pause", ["csrf": csrf], cookie: other).status == 403)
        #expect(try await isPaused() == false)
        let done = try await rig.post("/ui/pools/default/pause", ["csrf": csrf], cookie: cookie, origin: rig.daemon.url)
        #expect(done.status == 303 && done.header("location") == "/")
        #expect(try await isPaused() == true)
        #expect(try await rig.post("/ui/pools/default/resume", ["csrf": csrf], cookie: cookie).status == 303)
        #expect(try await isPaused() == false)
        let unknown = try await rig.post("/ui/pools/nosuch/pause", ["csrf": csrf], cookie: cookie)
        #expect(unknown.status == 404 && unknown.text.contains("nosuch"))
        #expect(try await rig.post("/ui/runners/nosuch/drain", ["csrf": csrf], cookie: cookie).status == 404)
        // Signed out, the cookie is worth nothing.
        #expect(try await rig.post("/ui/sign-out", ["csrf": csrf], cookie: cookie).status == 303)
        #expect(try await rig.post("/ui/pools/default/pause", ["csrf": csrf], cookie: cookie).status == 403)
        #expect(!rig.daemon.log.contains(Self.token))
        try await rig.end()
    }

    @Test func whereReadingNeedsTheTokenThePageAsksForIt() async throws {
        let rig = try await rig(read: "token")
        let sent = try await rig.get("/")
        #expect(sent.status == 303 && sent.header("location") == "/ui/sign-in")
        #expect(try await rig.get("/ui/jobs/7").status == 303)
        #expect(try await rig.get("/", accept: "*/*").status == 401)
        #expect(try await rig.get("/ui/sign-in").status == 200)
        let cookie = try await rig.signIn()
        for path in ["/", "/status", "/events?follow=false", "/metrics"] { #expect(try await rig.get(path, cookie: cookie).status == 200, "\(path)") }
        #expect(try await rig.get("/", cookie: "autogit-session=" + String(repeating: "0", count: 64)).status == 303)
        try await rig.end()
    }

    @Test func withoutAControlTokenNobodySignsIn() async throws {
        let rig = try await rig(token: nil)
        #expect(try await rig.get("/").text.contains("control_token_file"))
        #expect(try await rig.post("/ui/sign-in", ["token": ""]).status == 403)
        #expect(try await rig.post("/ui/sign-in", ["token": Self.token]).status == 403)
        try await rig.end()
    }
}
