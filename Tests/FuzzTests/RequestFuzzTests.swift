import Fleet
import ControlModel
import Foundation
import FakeGitLab
import HTTPTransfer
import TestBench
import Testing
import Threads

/// Requests to the daemon itself, bent and broken from a seed, over its port and its control socket: it answers or closes, never
/// with an error of its own, reveals no secret, survives and doesn't grow.
///
/// No verdict depends on the speed of the machine: "in time" means before later requests were answered (see `exchange`).
extension FuzzTests {
    /// A well-formed request to each route. The runner and the job exist; the one to delete doesn't, or the rest would have nothing.
    private struct Routes {
        let runner: String
        let job: Int64
        let secret: String

        private var hook: [String] { ["Content-Type: application/json", "X-Gitlab-Event: Job Hook", "X-Gitlab-Token: \(secret)"] }
        var jobHook: [UInt8] {
            Array(#"{"object_kind":"build","build_id":\#(job),"build_name":"a","build_stage":"s","build_status":"running","project_id":1}"#.utf8)
        }

        static func request(_ line: String, _ headers: [String] = [], _ body: [UInt8] = []) -> [UInt8] {
            let head = (["\(line) HTTP/1.1", "Host: autogit", "User-Agent: GitLab/17.5", "Connection: close"] + headers).joined(separator: "\r\n")
            return Array("\(head)\r\nContent-Length: \(body.count)\r\n\r\n".utf8) + body
        }

        var webhook: [UInt8] { Self.request("POST /webhook/job", hook, jobHook) }
        var follow: [UInt8] { Self.request("GET /runners/\(runner)/log?lines=5&follow=true") }

        /// Those that answer and close by themselves.
        var closing: [[UInt8]] {
            let reads = [
                "/", "/health", "/status", "/runners", "/runners/\(runner)", "/runners/\(runner)/log?lines=5", "/jobs", "/jobs/\(job)?x=%41", "/pools",
            ]
            let writes = ["/pools/p/pause", "/pools/p/resume", "/reconcile?dry_run=true", "/reload"]
            let json = ["Content-Type: application/json"]
            return reads.map { Self.request("GET \($0)") } + writes.map { Self.request("POST \($0)") } + [
                Self.request("POST /hooks", json, Array(#"{"project":"root/p","url":"http://127.0.0.1:9/"}"#.utf8)), webhook,
            ]
        }

        /// What is bent.
        var all: [[UInt8]] {
            closing + [follow, Self.request("DELETE /runners/x?force=true"), Self.request("POST /runners", [], Array(#"{"pool":"p"}"#.utf8))]
                + payloads.map { Self.request("POST /webhook/job", hook, $0) } + [
                    Array("POST /webhook/job HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\(hook[2])\r\n\r\n4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n".utf8),
                    Self.request("GET /health", ["Authorization: Bearer x", "Expect: 100-continue"]) + Self.request("GET /jobs"),
                ]
        }
    }

    private static func residentBytes(_ pid: Int32) throws -> Int {
        let fields = try String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8).split(separator: " ")
        return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    @Test(arguments: ["port", "control socket"]) func requestsToTheDaemon(over side: String) async throws {
        let scratch = try ScratchFolder("fuzz")
        let gitlab = try await FakeGitLabServer.start(directory: "\(scratch.path)/gitlab")
        let engine = try await EngineDouble(socket: "\(scratch.path)/engine.sock")
        let token = "glpat-fuzz-\(UInt64.random(in: 0 ... .max))"
        await gitlab.instance.add(AccessToken(secret: token, scopes: ["api"], isAdmin: true))
        _ = try await gitlab.instance.addProject(path: "root/p", pipelineFile: "job: {script: [true]}", withRepository: false)
        let daemon = try DaemonUnderTest(
            program: product("autogitd"), directory: scratch.path, gitlab: gitlab.url, token: token, engine: "\(scratch.path)/engine.sock",
            settings: "[[pool]]\nname = \"p\"\ntags = [\"nobody\"]\nimage = \"x\"\nmemory = \"64MiB\"\nmax_runners = 1\nstart_timeout = \"1d\"")
        try await daemon.start()
        let pid = try #require(await daemon.pid)
        let peer: BareSocket.Peer = side == "port" ? .port(daemon.port) : .path("\(scratch.path)/control.sock")
        var spawned = try await daemon.control("POST", "/runners", body: #"{"pool":"p"}"#)
        // Until GitLab and the engine have answered for the first time, it says to try again.
        let deadline = ContinuousClock.now + .seconds(120)
        while spawned.status == 409, ContinuousClock.now < deadline { spawned = try await daemon.control("POST", "/runners", body: #"{"pool":"p"}"#) }
        try #require(spawned.status < 300, "\(spawned.text)\n\(daemon.log)")
        let runner = try JSONDecoder().decode(RunnerView.self, from: Data(spawned.body))
        let routes = Routes(runner: runner.id, job: 7, secret: daemon.webhookSecret)
        #expect(try await onThread("a test") { BareSocket.exchange(peer, routes.webhook) }?.closed == true)
        try await Self.everyRouteExists(routes, over: peer, trusted: side != "port")

        let count = max(100, Self.cases / 4)
        var resident: [Int] = []
        // The first round warms everything up; what came is remembered, and nothing else may be.
        for round in UInt64(0)..<2 {
            let outcome = try await Self.exchangeOnLanes(count / 2, with: peer, seed: round * 100 + (side == "port" ? 8 : 58), routes)
            #expect(outcome.wrong.isEmpty, "\(outcome.wrong.prefix(3))")
            #expect(outcome.answers > 0, "nothing was answered")
            resident.append(try Self.residentBytes(pid))
        }
        // A sanitizer holds on to what was freed.
        #expect(Self.isSanitized || resident[1] - resident[0] < 8 << 20, "it grew from \(resident[0]) to \(resident[1]) bytes in the second round")
        #expect(side == "port" || engine.followed > 0)
        // Streams end with their readers, of which none is left. How soon doesn't matter.
        for _ in 0..<3000 where engine.followers > 0 { try await Task.sleep(for: .milliseconds(20)) }
        #expect(engine.followers == 0)
        let removed = try await daemon.control("DELETE", "/runners/\(runner.id)?force=true")
        #expect(removed.status == 202, "\(removed.text)")
        let last = await daemon.pid
        #expect(last == pid, "it was ended:\n\(daemon.log.suffix(3000))")
        #expect(!daemon.log.contains(token) && !daemon.log.contains(routes.secret))
        await daemon.stop()
        await engine.stop()
        await gitlab.stop()
    }

    /// What is fuzzed is there: an unbent request to each route is answered, and not with 404. To follow a log is to get more of it
    /// than there was.
    private static func everyRouteExists(_ routes: Routes, over peer: BareSocket.Peer, trusted: Bool) async throws {
        for request in routes.closing {
            let got = try #require(try await onThread("a test") { BareSocket.exchange(peer, request) })
            let text = String(decoding: got.answer, as: UTF8.self)
            let status = Int(text.dropFirst(9).prefix(3)) ?? 0
            let fine = trusted ? 200..<300 : 200..<404
            #expect(got.closed && fine.contains(status), "\(String(decoding: request, as: UTF8.self)) got \(text)")
        }
        guard trusted else { return }
        let lines = try await onThread("a test") {
            let socket = BareSocket(peer)
            socket?.send(routes.follow)
            var text = ""
            while text.components(separatedBy: "line\n").count < 4, case .bytes(let bytes)? = socket?.read(within: .seconds(60)) {
                text += String(decoding: bytes, as: UTF8.self)
            }
            return text.components(separatedBy: "line\n").count - 1
        }
        #expect(lines >= 3)
    }

    private struct Outcome: Sendable {
        var wrong: [String] = []
        var answers = 0
    }

    /// As many connections at a time as there are lanes.
    private static func exchangeOnLanes(_ count: Int, with peer: BareSocket.Peer, seed: UInt64, _ routes: Routes) async throws -> Outcome {
        let lanes = 8
        return try await withThrowingTaskGroup(of: Outcome.self) { group in
            for lane in 0..<lanes {
                group.addTask { try await onThread("a test") { exchangeMany(count / lanes, with: peer, seed: seed + UInt64(lane), routes) } }
            }
            return try await group.reduce(into: Outcome()) { sum, lane in
                sum.wrong += lane.wrong
                sum.answers += lane.answers
            }
        }
    }

    private static let isSanitized = ProcessInfo.processInfo.environment["AUTOGIT_SANITIZED"] != nil

    private static func exchangeMany(_ count: Int, with peer: BareSocket.Peer, seed: UInt64, _ routes: Routes) -> Outcome {
        var bender = Bender(random: SplitMix(seed: seed))
        bender.dictionary += [
            "\r\n\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 5\r\n", "Content-Length: -1\r\n", "Expect: 100-continue\r\n",
            "Upgrade: h2c\r\n", "%00", "%2f", "%ff", "..", "//", "?", "&", ";", ":", " HTTP/1.1", "POST ", "OPTIONS * ", "Range: bytes=0-\r\n", ",",
        ].map { Array($0.utf8) }
        let good = routes.all
        var outcome = Outcome()
        for index in 0..<count {
            let input = bender.bend(good[index % good.count])
            let got = exchange(input, with: peer)
            let text = String(decoding: got?.answer ?? [], as: UTF8.self)
            outcome.answers += text.isEmpty ? 0 : 1
            let fine = got?.closed == true && (text.isEmpty || text.hasPrefix("HTTP/1.1 ")) && !text.contains("HTTP/1.1 500") && !text.contains(routes.secret)
            if !fine {
                outcome.wrong.append("\(String(decoding: input, as: UTF8.self)) got \(got.map { "\($0.closed) \(text.prefix(300))" } ?? "no connection")")
            }
        }
        return outcome
    }

    /// Sends a bent request, and lets the daemon's answers to other, good requests be the clock. After four of them a FIN tells that no
    /// more comes, for half of a request waits for its other half; before a thousand more the daemon must have closed.
    /// - Returns: nil when a good request wasn't answered.
    private static func exchange(_ input: [UInt8], with peer: BareSocket.Peer) -> (answer: [UInt8], closed: Bool)? {
        guard let socket = BareSocket(peer) else { return nil }
        socket.send(input)
        var answer: [UInt8] = []
        for tick in 0..<1004 {
            if tick == 4 { socket.finish() }
            reading: while true {
                switch socket.read() {
                case .bytes(let bytes): answer += bytes
                case .closed: return (answer, true)
                case .nothing: break reading
                }
            }
            guard let other = BareSocket.exchange(peer, Routes.request("GET /")), other.closed, !other.answer.isEmpty else { return nil }
        }
        return (answer, false)
    }
}
