import ControlModel
import Foundation
import FakeGitLab
import HTTPTransfer
import TestBench
import Testing

/// Bytes that no proper client sends, over a bare socket.
extension EndToEndTests {
    private static func exchange(_ port: Int, _ bytes: [UInt8]) -> String {
        BareSocket.exchange(.port(port), bytes).map { String(decoding: $0.answer, as: UTF8.self) } ?? "not connected"
    }

    @Test func whatNoClientSendsIsRefusedAndHarmsNobody() async throws {
        let rig = try await rig(hooks: false)
        let port = rig.daemon.port
        let end = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        let writes = [
            "POST /pools/p/pause\(end)", "DELETE /runners/x?force=true\(end)", "POST /evacuate\(end)", "POST /reload\(end)", "POST /reconcile\(end)",
            "GET /runners/x/log\(end)", "GET /caches\(end)", "DELETE /caches/p\(end)", "POST /hooks\(end)", "POST //pools/p/pause\(end)",
            "POST /pools/p%2Fpause\(end)",
            "POST /webhook/../pools/p/pause\(end)",
            "POST http://autogit/pools/p/pause\(end)",
            "POST /pools/p/pause HTTP/1.1\r\nHost: autogit\r\nAuthorization: Bearer \r\nConnection: close\r\n\r\n",
        ]
        for text in writes {
            let answer = Self.exchange(port, Array(text.utf8))
            #expect(["403", "404", "405"].contains(answer.dropFirst(9).prefix(3)), "\(text) got \(answer.prefix(200))")
        }
        #expect(try await rig.daemon.get("/pools", as: [PoolView].self).map(\.paused) == [false])

        for path in ["/../../etc/passwd", "/runners/..%2f..%2fetc%2fpasswd", "/jobs/%00", "/jobs/-1", "/jobs/99999999999999999999", "/%ff%fe", "/jobs/1;drop"] {
            let answer = Self.exchange(port, Array("GET \(path)\(end)".utf8))
            #expect(answer.hasPrefix("HTTP/1.1 4") && !answer.contains("root:"), "\(path) got \(answer.prefix(200))")
        }
        let garbage: [[UInt8]] = [
            Array("FOO\r\n\r\n".utf8), [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00], [UInt8](repeating: 0xFF, count: 5000),
            Array("GET / HTTP/9.9\r\n\r\n".utf8), Array("GET / HTTP/1.1\r\nHost: x\r\nX: \(String(repeating: "a", count: 200_000))\r\n\r\n".utf8),
            Array(("GET / HTTP/1.1\r\nHost: x\r\n" + String(repeating: "X: y\r\n", count: 5000) + "\r\n").utf8),
            Array("POST /webhook/job HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nzz\r\n".utf8),
            Array("POST /webhook/job HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n".utf8),
            Array("GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n".utf8),
        ]
        for bytes in garbage {
            let answer = Self.exchange(port, bytes)
            #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 4"), "got \(answer.prefix(200))")
        }
        // Two requests in one go are two answers, in their order.
        let two = Self.exchange(port, Array("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\nGET /pools\(end)".utf8))
        #expect(two.components(separatedBy: "HTTP/1.1 200 OK").count == 3, "\(two)")
        #expect((two.range(of: "\"gitlab\"")?.lowerBound ?? two.endIndex) < (two.range(of: "\"max_runners\"")?.lowerBound ?? two.startIndex))
        #expect(try await rig.daemon.get("/health", as: HealthView.self).status == "healthy")
        try await rig.end()
    }

    /// Names are other people's: they reach logs, JSON and the terminal as text.
    @Test func namesOfJobsCannotSteerATerminalOrForgeALine() async throws {
        let rig = try await rig(hooks: false)
        let name = "a\\u001b[2Jb\\nlevel=error forged\\u202e"
        let body =
            #"{"object_kind":"build","build_id":77,"build_name":"\#(name)","build_stage":"s","build_status":"running","project_id":1,"project":{"path_with_namespace":"\#(name)"}}"#
        let answer = try await rig.daemon.send(
            HTTPRequest(
                "POST", rig.daemon.url + "/webhook/job", headers: [("X-Gitlab-Token", rig.daemon.webhookSecret), ("X-Gitlab-Event", "Job Hook")],
                body: Array(body.utf8)))
        #expect(answer.isSuccess)
        let shown = try await ctl(rig, "jobs", "--active")
        let foreign = shown.out.unicodeScalars.filter { $0 != "\n" && [.control, .format].contains($0.properties.generalCategory) }
        #expect(shown.out.contains("77") && foreign.isEmpty, "\(shown)")
        #expect(shown.out.split(separator: "\n").count == 2)
        #expect(!rig.daemon.log.contains("\u{1B}") && !rig.daemon.log.contains("\nlevel=error forged"))
        #expect(try await rig.daemon.jobs().first?.name?.contains("\u{1B}[2J") == true)
        try await rig.end()
    }
}
