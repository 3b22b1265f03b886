import Foundation
import GitLabSimulator
import TestBench
import Testing

/// Requests to the daemon itself, bent and broken from a seed, over its port and its control socket: it answers or
/// closes at once, never with an error of its own, tells no secret, lives on and doesn't grow.
extension FuzzTests {
    private static func requests(secret: String) -> [[UInt8]] {
        func request(_ line: String, _ headers: [String] = [], _ body: [UInt8] = []) -> [UInt8] {
            let head = (["\(line) HTTP/1.1", "Host: autogit", "User-Agent: GitLab/17.5", "Connection: close"] + headers).joined(separator: "\r\n")
            return Array("\(head)\r\nContent-Length: \(body.count)\r\n\r\n".utf8) + body
        }
        let hook = ["Content-Type: application/json", "X-Gitlab-Event: Job Hook", "X-Gitlab-Token: \(secret)"]
        let reads = ["/", "/health", "/status", "/runners", "/runners/x", "/runners/x/log?lines=5&follow=1", "/jobs", "/jobs/7?x=%41", "/pools"]
        let writes = ["/pools/p/pause", "/pools/p/resume", "/runners/x/drain", "/reconcile?dry_run=true"]
        var all = reads.map { request("GET \($0)") } + writes.map { request("POST \($0)") }
        all += [
            request("DELETE /runners/x?force=true"),
            request("POST /hooks", ["Content-Type: application/json"], Array(#"{"project":"a/b","url":"http://h/"}"#.utf8)),
        ]
        all += payloads.map { request("POST /webhook/job", hook, $0) }
        all.append(Array("POST /webhook/job HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\(hook[2])\r\n\r\n4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n".utf8))
        all.append(request("GET /health", ["Authorization: Bearer x", "Expect: 100-continue"]) + request("GET /jobs"))
        return all
    }

    private static func residentBytes(_ pid: Int32) throws -> Int {
        let fields = try String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8).split(separator: " ")
        return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    @Test(arguments: ["port", "control socket"]) func requestsToTheDaemon(over side: String) async throws {
        let scratch = try ScratchFolder("fuzz")
        let token = "glpat-fuzz-\(UInt64.random(in: 0 ... .max))"
        // Nobody listens at port 9, and there is no engine: the daemon has nothing to do but to answer.
        let daemon = try DaemonUnderTest(
            program: product("autogitd"), directory: scratch.path, gitlab: "http://127.0.0.1:9", token: token, engine: "\(scratch.path)/none.sock",
            settings: "[[pool]]\nname = \"p\"\ntags = [\"nobody\"]\nimage = \"x\"\nmemory = \"64MiB\"")
        try await daemon.start()
        let pid = try #require(await daemon.pid)
        let peer: BareSocket.Peer = side == "port" ? .port(daemon.port) : .path("\(scratch.path)/control.sock")
        let (secret, count) = (daemon.webhookSecret, max(100, Self.cases / 4))
        var resident: [Int] = []
        // The first round warms everything up; what came is remembered, and nothing else may be.
        for round in UInt64(0)..<2 {
            let outcome = try await Self.exchangeOnLanes(count / 2, with: peer, seed: round * 100 + (side == "port" ? 8 : 58), secret: secret)
            #expect(outcome.wrong.isEmpty, "\(outcome.wrong.prefix(3))")
            #expect(outcome.slowest < .seconds(1), "\(outcome.slowest)")
            #expect(outcome.answers > count / 4, "only \(outcome.answers) of \(count / 2) were answered at all")
            resident.append(try Self.residentBytes(pid))
        }
        // A sanitizer holds on to what was freed.
        #expect(Self.isSanitized || resident[1] - resident[0] < 8 << 20, "it grew from \(resident[0]) to \(resident[1]) bytes in the second round")
        let last = await daemon.pid
        #expect(last == pid, "it was ended:\n\(daemon.log.suffix(3000))")
        #expect(!daemon.log.contains(token) && !daemon.log.contains(secret))
        await daemon.stop()
    }

    private struct Outcome: Sendable {
        var wrong: [String] = []
        var slowest = Duration.zero
        var answers = 0
    }

    /// As many connections at a time as there are lanes.
    private static func exchangeOnLanes(_ count: Int, with peer: BareSocket.Peer, seed: UInt64, secret: String) async throws -> Outcome {
        let lanes = 8
        return try await withThrowingTaskGroup(of: Outcome.self) { group in
            for lane in 0..<lanes {
                group.addTask { try await onAThread { exchange(count / lanes, with: peer, seed: seed + UInt64(lane), secret: secret) } }
            }
            return try await group.reduce(into: Outcome()) { sum, lane in
                sum.wrong += lane.wrong
                sum.slowest = max(sum.slowest, lane.slowest)
                sum.answers += lane.answers
            }
        }
    }

    /// How long the daemon gets for an answer, before it is told that no more comes. A sanitizer makes it slow.
    private static let patience = Duration.milliseconds(isSanitized ? 500 : 50)
    private static let isSanitized = ProcessInfo.processInfo.environment["AUTOGIT_SANITIZED"] != nil

    private static func exchange(_ count: Int, with peer: BareSocket.Peer, seed: UInt64, secret: String) -> Outcome {
        var bender = Bender(random: SeededRandom(seed: seed))
        bender.dictionary += [
            "\r\n\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 5\r\n", "Content-Length: -1\r\n", "Expect: 100-continue\r\n",
            "Upgrade: h2c\r\n", "%00", "%2f", "%ff", "..", "//", "?", "&", ";", ":", " HTTP/1.1", "POST ", "OPTIONS * ", "Range: bytes=0-\r\n", ",",
        ].map { Array($0.utf8) }
        let good = requests(secret: secret)
        let clock = ContinuousClock()
        var outcome = Outcome()
        for index in 0..<count {
            let input = bender.bend(good[index % good.count])
            var got: (answer: [UInt8], closed: Bool)?
            // Half of a request waits for its other half, and is told that there is none.
            let time = clock.measure { got = BareSocket.exchange(peer, input, finishAfter: patience) }
            outcome.slowest = max(outcome.slowest, time)
            let text = String(decoding: got?.answer ?? [], as: UTF8.self)
            outcome.answers += text.isEmpty ? 0 : 1
            let fine = got?.closed == true && (text.isEmpty || text.hasPrefix("HTTP/1.1 ")) && !text.contains("HTTP/1.1 500") && !text.contains(secret)
            if !fine {
                outcome.wrong.append("\(String(decoding: input, as: UTF8.self)) got \(got.map { "\($0.closed) \(text.prefix(300))" } ?? "no connection")")
            }
        }
        return outcome
    }
}
