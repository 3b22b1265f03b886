import ControlModel
import Foundation
import FakeGitLab
import HTTPTransfer
import Notify
import TestBench
import Testing

/// The daemon tells a webhook and a topic of ntfy what is wrong. What is told and when is NotifyTests' subject.
@Suite struct NotificationTests {
    private static let (secret, topic, hook) = ("sign-s3cret", "topic-s3cret", "hook-s3cret")

    /// The part of the body that these tests ask for.
    private struct Body: Decodable {
        var kind, state, title, text, delivery, host, version: String
        var sent_at: Int64
    }

    @Test func aTroubleAndItsEndReachAWebhookAndAPhoneAndNoSecretReachesTheLog() async throws {
        let directory = "/tmp/autogit-notify-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        // Each request as "webhook engine begun" or "ntfy warning,engine", once its signature is verified.
        let got = Happenings<String>()
        let receiver = try BareServer(onPortWith: { request, connection in
            if request.target == "/\(Self.topic)" {
                connection.answer(200, "{}")
                return got.note("ntfy \(request.headers["tags"] ?? "")")
            }
            let code = Signature.hmac(request.body, key: Array(Self.secret.utf8)).map(Signature.hex) ?? ""
            let isOurs = request.target == "/\(Self.hook)" && request.headers["x-autogit-signature"] == "sha256=\(code)"
            connection.answer(isOurs ? 204 : 403)
            guard isOurs, let body = try? JSONDecoder().decode(Body.self, from: Data(request.body)) else { return got.note("refused") }
            let isFresh = abs(Date().timeIntervalSince1970 - Double(body.sent_at)) < 300 && body.delivery == request.headers["x-autogit-delivery"]
            got.note("webhook \(body.kind) \(body.state)\(isFresh && body.version == autogitVersion ? "" : " stale")")
        })
        defer { receiver.stop() }
        let gitlab = try await FakeGitLabServer.start(directory: directory)
        let token = "glpat-notify-\(UInt64.random(in: 0 ... .max))"
        await gitlab.instance.add(AccessToken(secret: token, scopes: ["api"], isAdmin: true))
        let daemon = try DaemonUnderTest(
            program: product("autogitd"), directory: directory, gitlab: gitlab.url, token: token, engine: "\(directory)/e.sock",
            settings: """
                [[pool]]
                name = "default"
                tags = ["x"]
                [[notify]]
                kind = "webhook"
                url = "http://127.0.0.1:\(receiver.port)/\(Self.hook)"
                secret_file = "\(directory)/secret"
                settle = "0"
                [[notify]]
                name = "phone"
                kind = "ntfy"
                url = "http://127.0.0.1:\(receiver.port)/\(Self.topic)"
                settle = "0"
                [[notify]]
                name = "away"
                kind = "ntfy"
                url = "http://127.0.0.1:1/\(Self.topic)"
                settle = "0"
                """)
        #expect(
            FileManager.default.createFile(
                atPath: "\(directory)/secret", contents: Data(Self.secret.utf8), attributes: [.posixPermissions: 0o600]))
        try await daemon.start()
        #expect(await got.wait { $0.contains("webhook engine begun") && $0.contains("ntfy rotating_light,engine") }, "\(got.all)\n\(daemon.log)")

        // It comes up, ends, and comes up again.
        do {
            let engine = try EngineDouble(socket: "\(directory)/e.sock")
            defer { engine.stop() }
            #expect(await got.wait { $0.contains("webhook engine ended") && $0.contains("ntfy white_check_mark,engine") }, "\(got.all)\n\(daemon.log)")
        }
        #expect(await got.wait { $0.count { $0 == "webhook engine begun" } == 2 }, "\(got.all)\n\(daemon.log)")

        // What was told is not told again, by no reload and no restart.
        #expect(try await daemon.control("POST", "/reload").isSuccess)
        await daemon.stop()
        try await daemon.start()
        let trials = try await daemon.control("POST", "/notify/test")
        let views = try JSONDecoder().decode([NotifyTestView].self, from: Data(trials.body))
        #expect(views.map(\.name) == ["webhook", "phone", "away"] && views.map(\.delivered) == [true, true, false], "\(views)")
        #expect(views.allSatisfy { $0.to == "http://127.0.0.1:\(receiver.port)" || $0.to == "http://127.0.0.1:1" } && !trials.text.contains("s3cret"))

        let socket = "\(directory)/control.sock"
        let phone = try await run(product("autogitctl"), ["notify", "test", "phone", "--socket", socket])
        #expect(phone.code == 0 && phone.out.contains("delivered"), "\(phone)")
        let away = try await run(product("autogitctl"), ["notify", "test", "away", "--socket", socket])
        #expect(away.code == 1 && away.out.contains("not delivered: away"), "\(away)")
        #expect(try await run(product("autogitctl"), ["notify", "test", "nobody", "--socket", socket]).code == 3)

        #expect(
            got.all.count { $0 == "webhook engine begun" } == 2 && !got.all.contains("refused") && !got.all.contains { $0.hasSuffix("stale") }, "\(got.all)")
        #expect(daemon.log.contains("Notifications don't get through") && daemon.log.contains("http://127.0.0.1:1"), "\(daemon.log)")
        let checked = try await run(product("autogitd"), ["--check", "--config", "\(directory)/autogit.toml"])
        #expect(checked.code == 0 && checked.out.contains("phone: ntfy to http://127.0.0.1:\(receiver.port), on quarantine"), "\(checked)")
        let kept = try String(contentsOfFile: "\(directory)/state/notifications.json", encoding: .utf8)
        for text in [daemon.log, checked.out, kept] { #expect(!text.contains("s3cret")) }
        await daemon.stop()
        await gitlab.stop()
    }
}
