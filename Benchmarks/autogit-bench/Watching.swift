import ControlModel
import FakeGitLab
import Foundation
import HTTPTransfer
import Synchronization
import TestBench

/// What those who look cost those who work: event streams, pages, and one reader that doesn't read, beside a steady stream of webhooks.
extension Bench {
    func watching(_ engine: TestEngine, _ directory: String) async throws {
        let gitlab = try await FakeGitLabServer.start(directory: directory)
        let daemon = try await daemon(engine, gitlab, directory + "/watching", poll: "0s", pool: "[[pool]]\nname = \"p\"\ntags = [\"x\"]\n")
        guard let pid = await daemon.pid else { return }
        var nextJob: Int64 = 1
        // The first thousands fill the ring and the store's caches.
        _ = try await hooks(daemon, from: &nextJob, rate: 1000, seconds: 5)
        // And the first page makes what all others use.
        for _ in 0..<5 { _ = try await daemon.send(HTTPRequest("GET", daemon.url + "/", headers: [("Accept", "text/html")], timeout: .seconds(30))) }
        // A home's busiest minutes; and ten times that, where readers and the browser take what processors there are.
        for rate in [30, 300] {
            let calm = try await hooks(daemon, from: &nextJob, rate: rate, seconds: quick ? 5 : 20)
            let before = Self.status(pid, "RssAnon") / 1024
            let streams = try await Crowd(daemon, streams: 50, pages: false)
            _ = try await hooks(daemon, from: &nextJob, rate: rate, seconds: quick ? 2 : 5)
            let withStreams = Self.status(pid, "RssAnon") / 1024
            let (crowd, browser) = try await (Crowd(daemon, streams: 0, pages: true), browser(daemon, directory))
            let crowded = try await hooks(daemon, from: &nextJob, rate: rate, seconds: quick ? 5 : 20)
            let after = Self.status(pid, "RssAnon") / 1024
            let pages = await crowd.end()
            let read = await streams.end()
            await browser?.stop()
            Self.report("webhooks at \(rate) a second, p99", calm.p99, "ms")
            Self.report(
                "  the same beside 50 event streams and page loads\(browser == nil ? "" : " and a Chromium"): \(read.events) events read, "
                    + "\(pages.pages) pages", crowded.p99, "ms")
            Self.report("  p99 with over p99 without", crowded.p99 / calm.p99, "times")
            Self.report("  memory that they cost the daemon (RssAnon)", after - before, "MiB")
            Self.report("    of it the streams", withStreams - before, "MiB")
        }

        let seconds = quick ? 6 : 60
        let alone = try await hooks(daemon, from: &nextJob, rate: 1700, seconds: seconds)
        let lean = Self.status(pid, "RssAnon") / 1024
        let readers = try await Crowd(daemon, streams: 9, pages: false, stuck: 1)
        let watched = try await hooks(daemon, from: &nextJob, rate: 1700, seconds: seconds)
        let grown = Self.status(pid, "RssAnon") / 1024
        let read = await readers.end()
        Self.report("webhooks at \(Int(alone.rate)) a second, each an event: p99", alone.p99, "ms")
        Self.report(
            "  the same beside ten readers of /events, one stuck: \(Int(watched.rate * 60)) events a minute, \(read.events / 9) read by each", watched.p99, "ms"
        )
        Self.report("  p99 with over p99 without", watched.p99 / alone.p99, "times")
        Self.report("  growth of the daemon (RssAnon)", grown - lean, "MiB")
        await daemon.stop()
        await gitlab.stop()
    }

    /// Nil where there is none.
    private func browser(_ daemon: DaemonUnderTest, _ directory: String) async throws -> Child? {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/chromium") else { return nil }
        return try await Child.start(
            "/usr/bin/chromium",
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir=\(directory)/chromium", "--remote-debugging-port=0", daemon.url],
            environment: [:], log: "/dev/null")
    }

    /// Webhooks at a steady pace, each of which is a change that is told: a job that runs elsewhere, and then its end.
    private func hooks(_ daemon: DaemonUnderTest, from next: inout Int64, rate: Int, seconds: Int) async throws -> (p99: Double, rate: Double) {
        let http = HTTPClient()
        let (url, secret) = ("\(daemon.url)/webhook/job", daemon.webhookSecret)
        let (lanes, count) = (16, rate * seconds)
        let first = next
        next += Int64(count / 2 + 1)
        let began = ContinuousClock.now
        let times = try await withThrowingTaskGroup(of: [Double].self) { group in
            for lane in 0..<lanes {
                group.addTask {
                    var times: [Double] = []
                    for index in stride(from: lane, to: count, by: lanes) {
                        let due = began + .microseconds(Int64(index) * 1_000_000 / Int64(rate))
                        // The pace of the load, not a wait for something to happen.
                        if due > .now { try await Task.sleep(until: due) }
                        let status = (index / lanes) % 2 == 0 ? "running" : "success"
                        let id = first + Int64(index / (2 * lanes) * lanes + lane)
                        let body =
                            #"{"object_kind":"build","build_id":\#(id),"build_name":"j","build_stage":"s","build_status":"\#(status)","project_id":1,"runner":{"id":99}}"#
                        let start = ContinuousClock.now
                        let answer = try await http.send(
                            HTTPRequest("POST", url, headers: [("X-Gitlab-Token", secret), ("X-Gitlab-Event", "Job Hook")], body: Array(body.utf8)))
                        guard answer.isSuccess else { throw Command.Failed(description: "a webhook was answered \(answer.status)") }
                        times.append(Self.seconds(ContinuousClock.now - start) * 1000)
                    }
                    return times
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        let sorted = times.sorted()
        return (sorted[sorted.count * 99 / 100], Double(count) / Self.seconds(ContinuousClock.now - began))
    }
}

/// Readers of a daemon.
private final class Crowd: Sendable {
    private let events = Atomic<Int>(0)
    private let pages = Atomic<Int>(0)
    private let tasks = Mutex<[Task<Void, Never>]>([])
    private let sockets = Mutex<[Int32]>([])

    init(_ daemon: DaemonUnderTest, streams: Int, pages wantsPages: Bool, stuck: Int = 0) async throws {
        let url = daemon.url
        var tasks: [Task<Void, Never>] = []
        for _ in 0..<streams {
            tasks.append(
                Task { [self] in
                    // A client each, as readers are.
                    let http = HTTPClient()
                    guard let stream = try? await http.stream(HTTPRequest("GET", url + "/events", timeout: nil)) else { return }
                    do {
                        for try await chunk in stream.chunks {
                            let lines = chunk.reduce(into: 0) { if $1 == UInt8(ascii: "\n") { $0 += 1 } }
                            // id, event, data, and an empty line.
                            self.events.wrappingAdd(lines / 4, ordering: .relaxed)
                        }
                    } catch {}
                })
        }
        if wantsPages {
            tasks.append(
                Task { [self] in
                    let http = HTTPClient()
                    while !Task.isCancelled {
                        let answer = try? await http.send(HTTPRequest("GET", url + "/", headers: [("Accept", "text/html")], timeout: .seconds(30)))
                        if answer?.isSuccess == true { self.pages.wrappingAdd(1, ordering: .relaxed) }
                        try? await Task.sleep(for: .milliseconds(100))
                    }
                })
        }
        self.tasks.withLock { $0 = tasks }
        for _ in 0..<stuck {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(daemon.port).bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            let connected = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
            }
            guard connected == 0 else { throw Command.Failed(description: "no connection to the daemon") }
            let request = Array("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
            _ = request.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            sockets.withLock { $0.append(descriptor) }
        }
    }

    func end() async -> (events: Int, pages: Int) {
        for task in tasks.withLock({ $0 }) { task.cancel() }
        for task in tasks.withLock({ $0 }) { await task.value }
        for descriptor in sockets.withLock({ $0 }) { close(descriptor) }
        return (events.load(ordering: .relaxed), pages.load(ordering: .relaxed))
    }
}
