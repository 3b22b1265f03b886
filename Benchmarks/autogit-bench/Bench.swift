import ArgumentParser
import ContainerDriver
import ControlModel
import Fleet
import Foundation
import FakeGitLab
import HTTPTransfer
import Logging
import TestBench

@main
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "autogit-bench", abstract: "The figures, each against its floor in the same run.")

    @Option(help: "The autogitd to measure, a release build.")
    var daemon = ".build/release/autogitd"

    @Option(help: "Samples for the medians.")
    var samples = 30

    @Option(help: "The script that makes the runner's image.")
    var recipe = "scripts/runner-image"

    @Flag(help: "Leave out the burst, which takes minutes.")
    var quick = false

    @Flag(help: "Only the planner.")
    var plannerOnly = false

    @Flag(help: "Only what readers cost.")
    var watchingOnly = false

    func run() async throws {
        planner()
        if plannerOnly { return }
        let directory = "/tmp/autogit-bench-\(getpid())"
        let engine = try await TestEngine.start()
        try await engine.ensureBusybox()
        try await engine.ensureRunnerImage(recipe: recipe)
        do {
            if watchingOnly {
                try await watching(engine, directory)
                return await engine.stop()
            }
            try await coldStart(engine, directory)
            try await idle(engine, directory)
            try await webhooks(engine, directory)
            try await watching(engine, directory)
            if !quick { try await burst(engine, directory) }
            try await spawning(engine, directory)
            try await pendingToRunning(engine, directory)
            try await reuse(engine, directory)
            try await ownContainers(engine, directory)
        } catch {
            await engine.stop()
            throw error
        }
        await engine.stop()
        try? FileManager.default.removeItem(atPath: directory)
    }

    // MARK: The planner

    private func planner() {
        for (hosts, isFull) in [(1, false), (20, false), (20, true)] {
            for scale in [1, 2, 4] {
                let jobs = 2500 * scale
                let (state, now) = CrowdedFleet.state(jobs: jobs, runners: 250 * scale, pools: 50, hosts: hosts, isFull: isFull)
                let times = (0..<samples).map { _ in Self.milliseconds { _ = Planner.plan(state, at: now) } }
                let places = hosts == 1 ? "" : ", \(hosts) hosts\(isFull ? " without room" : "")"
                Self.report("planner, \(jobs) pending jobs, \(250 * scale) runners, 50 pools of 3 architectures, 8 GPUs\(places)", Self.median(times), "ms")
            }
        }
    }

    // MARK: The daemon

    func daemon(_ engine: TestEngine, _ gitlab: FakeGitLabServer, _ directory: String, poll: String = "30s", pool: String) async throws
        -> DaemonUnderTest
    {
        await gitlab.instance.add(AccessToken(secret: "glpat-bench", scopes: ["api"], isAdmin: true))
        let daemon = try DaemonUnderTest(
            program: daemon, directory: directory, gitlab: gitlab.url, token: "glpat-bench", engine: engine.socket, pollInterval: poll, settings: pool)
        try await daemon.start()
        return daemon
    }

    /// From the process's start to READY=1, as systemd sees it.
    private func coldStart(_ engine: TestEngine, _ directory: String) async throws {
        let gitlab = try await FakeGitLabServer.start(directory: directory)
        let daemon = try await daemon(engine, gitlab, directory + "/start", pool: "[[pool]]\nname = \"p\"\ntags = [\"x\"]\n")
        await daemon.stop()
        let path = directory + "/notify.sock"
        let times = try await (0..<min(samples, 15)).asyncMap { _ in try await Self.timeToReady(self.daemon, "\(daemon.directory)/autogit.toml", path) }
        await gitlab.stop()
        Self.report("cold start to READY, GitLab and engine asked", Self.median(times), "ms")
    }

    private static func timeToReady(_ program: String, _ configuration: String, _ path: String) async throws -> Double {
        unlink(path)
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8) + [0]) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard bound == 0 else { throw Command.Failed(description: "no notify socket at \(path)") }
        let began = ContinuousClock.now
        let child = try await Child.start(program, ["--config", configuration], environment: ["NOTIFY_SOCKET": path], log: "/dev/null")
        let ready = await withCheckedContinuation { done in
            Thread.detachNewThread {
                var buffer = [UInt8](repeating: 0, count: 4096)
                while true {
                    let length = recv(descriptor, &buffer, buffer.count, 0)
                    guard length > 0 else { return done.resume(returning: Double.nan) }
                    if String(decoding: buffer.prefix(length), as: UTF8.self).contains("READY=1") {
                        return done.resume(returning: seconds(ContinuousClock.now - began) * 1000)
                    }
                }
            }
        }
        await child.stop()
        return ready
    }

    private func idle(_ engine: TestEngine, _ directory: String) async throws {
        let gitlab = try await FakeGitLabServer.start(directory: directory)
        let daemon = try await daemon(engine, gitlab, directory + "/idle", pool: "[[pool]]\nname = \"p\"\ntags = [\"x\"]\n")
        guard let pid = await daemon.pid else { return }
        // Not a wait for something to happen: the span over which wake-ups are counted.
        try await Task.sleep(for: .seconds(5))
        let before = Self.switches(pid)
        try await Task.sleep(for: .seconds(30))
        let after = Self.switches(pid)
        Self.report("idle daemon, resident memory", Self.status(pid, "VmRSS") / 1024, "MiB")
        Self.report("  of it anonymous", Self.status(pid, "RssAnon") / 1024, "MiB")
        Self.report("  of it the binary and libraries", Self.status(pid, "RssFile") / 1024, "MiB")
        Self.report(
            "idle daemon, wake-ups of all threads a second (polling every 30 s)", Double(after.reduce(0) { $0 + $1.value - (before[$1.key] ?? 0) }) / 30, "")
        await daemon.stop()
        await gitlab.stop()
    }

    static func status(_ pid: Int32, _ key: String) -> Double {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").first { $0.hasPrefix(key + ":") }.flatMap { Double($0.filter(\.isNumber)) } ?? 0
    }

    /// Voluntary context switches of each thread: threads come and go, so they are compared one by one.
    private static func switches(_ pid: Int32) -> [String: Int] {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        return tasks.reduce(into: [:]) { counts, task in
            let text = (try? String(contentsOfFile: "/proc/\(pid)/task/\(task)/status", encoding: .utf8)) ?? ""
            let line = text.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches") }
            counts[task] = line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
        }
    }

    private func webhooks(_ engine: TestEngine, _ directory: String) async throws {
        let gitlab = try await FakeGitLabServer.start(directory: directory)
        // Paused by having no fitting pool: what is measured is taking in, not starting.
        let daemon = try await daemon(engine, gitlab, directory + "/hooks", poll: "0s", pool: "[[pool]]\nname = \"p\"\ntags = [\"x\"]\n")
        let http = HTTPClient()
        let (url, secret) = ("\(daemon.url)/webhook/job", daemon.webhookSecret)
        let each = 1000
        let began = ContinuousClock.now
        let times = try await withThrowingTaskGroup(of: [Double].self) { group in
            for connection in 0..<16 {
                group.addTask {
                    var times: [Double] = []
                    for index in 0..<each {
                        let id = connection * each + index + 1
                        let body = #"{"object_kind":"build","build_id":\#(id),"build_name":"j","build_stage":"s","build_status":"created","project_id":1}"#
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
        let total = Self.seconds(ContinuousClock.now - began)
        let sorted = times.sorted()
        Self.report("webhooks answered durably on 16 connections (the client shares the machine)", Double(times.count) / total, "a second")
        Self.report("  p50", sorted[sorted.count / 2], "ms")
        Self.report("  p99", sorted[sorted.count * 99 / 100], "ms")
        let stored = try await daemon.get("/status", as: StatusView.self).jobs.values.reduce(0, +)
        print("  \(stored) of \(times.count) are in the store")
        await daemon.stop()
        await gitlab.stop()
    }

    /// Ten thousand pending jobs at once, while GitLab takes two seconds for each answer.
    private func burst(_ engine: TestEngine, _ directory: String) async throws {
        let gitlab = try await FakeGitLabServer.start(directory: directory)
        let daemon = try await daemon(
            engine, gitlab, directory + "/burst", poll: "5s", pool: "[[pool]]\nname = \"p\"\ntags = [\"x\"]\n")
        guard let pid = await daemon.pid else { return }
        let file = (0..<100).map { "j\($0):\n  script: [\"true\"]\n  tags: [other]\n" }.joined()
        let project = try await gitlab.instance.addProject(path: "a/burst", pipelineFile: file, withRepository: false)
        var ids: [Int64] = []
        for _ in 0..<100 { ids += try await gitlab.instance.createPipeline(project: project.id) }
        for (method, path) in [("GET", "/api/v4/"), ("POST", "/api/graphql")] {
            await gitlab.instance.inject(.delay(.seconds(2)), method: method, path: path, times: 1_000_000)
        }
        let (url, secret) = ("\(daemon.url)/webhook/job", daemon.webhookSecret)
        let health = Task { () -> Double in
            let http = HTTPClient()
            var worst = 0.0
            while !Task.isCancelled {
                let start = ContinuousClock.now
                _ = try? await http.send(HTTPRequest("GET", "\(daemon.url)/health", timeout: .seconds(10)))
                worst = max(worst, Self.seconds(ContinuousClock.now - start) * 1000)
                try? await Task.sleep(for: .milliseconds(20))
            }
            return worst
        }
        let began = ContinuousClock.now
        let http = HTTPClient()
        let lanes = 32
        let jobs = ids
        let refused = try await withThrowingTaskGroup(of: Int.self) { group in
            for lane in 0..<lanes {
                group.addTask {
                    var refused = 0
                    for index in stride(from: lane, to: jobs.count, by: lanes) {
                        let body =
                            #"{"object_kind":"build","build_id":\#(jobs[index]),"build_name":"j","build_stage":"test","build_status":"pending","project_id":\#(project.id)}"#
                        let answer = try await http.send(
                            HTTPRequest("POST", url, headers: [("X-Gitlab-Token", secret), ("X-Gitlab-Event", "Job Hook")], body: Array(body.utf8)))
                        refused += answer.isSuccess ? 0 : 1
                    }
                    return refused
                }
            }
            return try await group.reduce(0, +)
        }
        let taken = Self.seconds(ContinuousClock.now - began)
        let stored = try await daemon.get("/status", as: StatusView.self).jobs["pending"] ?? 0
        var known = 0
        while known < jobs.count, Self.seconds(ContinuousClock.now - began) < 900 {
            known = try await daemon.get("/status", as: StatusView.self).waiting.count
            try await Task.sleep(for: .milliseconds(500))
        }
        let caughtUp = Self.seconds(ContinuousClock.now - began)
        health.cancel()
        Self.report("burst of \(jobs.count) pending hooks on \(lanes) connections, GitLab at 2 s an answer: all answered after", taken, "s")
        print("  \(refused) were refused, \(stored) of \(jobs.count) are in the store, of \(known) it is known what they want")
        Self.report("  caught up by polling after", caughtUp, "s")
        Self.report("  slowest /health meanwhile", await health.value, "ms")
        Self.report("  most resident memory (VmHWM)", Self.status(pid, "VmHWM") / 1024, "MiB")
        await daemon.stop()
        await gitlab.stop()
    }

    // MARK: From hook to container

    /// Both with a volume for the cache and without: an engine takes its time to mount one, whoever asks it to.
    private func spawning(_ engine: TestEngine, _ directory: String) async throws {
        try await spawning(engine, directory, withCache: false)
        try await spawning(engine, directory, withCache: true)
    }

    private func spawning(_ engine: TestEngine, _ directory: String, withCache: Bool) async throws {
        let gitlab = try await FakeGitLabServer.start(directory: directory)
        let daemon = try await daemon(
            engine, gitlab, directory + "/spawn-\(withCache)", poll: "0s",
            pool: """
                [[pool]]
                name = "p"
                tags = ["x"]
                image = "\(TestEngine.busybox)"
                command = ["/bin/sleep", "600"]
                network = "host"
                memory = "64MiB"
                stop_signal = "SIGKILL"
                [pool.cache]
                kind = "\(withCache ? "volume" : "none")"
                """)
        let instance = try await daemon.get("/status", as: StatusView.self).instance
        let project = try await gitlab.instance.addProject(path: "a/b", pipelineFile: "a:\n  script: [\"true\"]\n  tags: [x]\n", withRepository: false)
        _ = await gitlab.instance.addHook(project: project.id, url: "\(daemon.url)/webhook/job", secret: daemon.webhookSecret)
        var ours: [Double] = []
        var floor: [Double] = []
        for index in 0..<samples {
            floor.append(try await bareStart(engine, "bench-\(getpid())-\(index)", volume: withCache ? "bench-\(instance)" : nil))
            let began = ContinuousClock.now
            let job = try await gitlab.instance.createPipeline(project: project.id)[0]
            var runner: RunnerView?
            while runner?.started_at == nil {
                runner = try await daemon.runners().first { $0.phase == "starting" || $0.phase == "ready" }
            }
            ours.append(Self.seconds(ContinuousClock.now - began) * 1000)
            await gitlab.instance.cancel(job)
            // Or the daemon would start another for it.
            while try await daemon.get("/jobs/\(job)", as: JobView.self).status != "canceled" {}
            if let runner { _ = try await daemon.control("DELETE", "/runners/\(runner.id)?force=true") }
            while try await !daemon.runners().isEmpty {}
        }
        await daemon.stop()
        await engine.removeContainers(instance: instance)
        try? await engine.engine.removeVolume("bench-\(instance)")
        await gitlab.stop()
        let what = withCache ? "container with a volume" : "container"
        Self.report("bare calls: create and start a \(what)", Self.median(floor), "ms")
        Self.report("pending hook to \(what) running, registration included", Self.median(ours), "ms")
        Self.report("  more than the floor", Self.median(ours) - Self.median(floor), "ms")
    }

    /// - Parameter volume: made by the first that names it.
    private func bareStart(_ engine: TestEngine, _ name: String, volume: String?) async throws -> Double {
        let binds = volume.map { #","Binds":["\#($0):/cache"]"# } ?? ""
        let body =
            #"{"Image":"\#(TestEngine.busybox)","Entrypoint":["/bin/sleep"],"Cmd":["600"],"HostConfig":{"NetworkMode":"host","Memory":67108864\#(binds)}}"#
        let began = ContinuousClock.now
        _ = try await engine.engine.create(name: name, body: Array(body.utf8))
        try await engine.engine.start(name)
        let time = Self.seconds(ContinuousClock.now - began) * 1000
        try await engine.engine.remove(name)
        return time
    }

    private func pendingToRunning(_ engine: TestEngine, _ directory: String) async throws {
        let gitlab = try await FakeGitLabServer.start(directory: directory)
        let daemon = try await daemon(
            engine, gitlab, directory + "/running", poll: "0s",
            pool: """
                [[pool]]
                name = "p"
                tags = ["x"]
                image = "\(TestEngine.runner)"
                command = ["/usr/local/bin/autogit-python-runner"]
                network = "host"
                memory = "256MiB"
                """)
        let instance = try await daemon.get("/status", as: StatusView.self).instance
        let project = try await gitlab.instance.addProject(path: "a/c", pipelineFile: "a:\n  script: [\"true\"]\n  tags: [x]\n", withRepository: true)
        _ = await gitlab.instance.addHook(project: project.id, url: "\(daemon.url)/webhook/job", secret: daemon.webhookSecret)
        var times: [Double] = []
        for _ in 0..<min(samples, 15) {
            let job = try await gitlab.instance.createPipeline(project: project.id)[0]
            guard await gitlab.instance.wait(seconds: 60, until: { $0.jobs[job]?.isOver == true }) else { break }
            let seen = await gitlab.instance.jobs[job]
            if let queued = seen?.queuedAt, let started = seen?.startedAt { times.append(started.timeIntervalSince(queued) * 1000) }
            for runner in try await daemon.runners() { _ = try await daemon.control("DELETE", "/runners/\(runner.id)?force=true") }
            while try await !daemon.runners().isEmpty {}
        }
        await daemon.stop()
        await engine.removeContainers(instance: instance)
        await gitlab.stop()
        Self.report("pending to running, no runner alive, gitlab-python-runner (its Python starts in that time)", Self.median(times), "ms")
    }

    // MARK: Figures

    private static func milliseconds(_ body: () -> Void) -> Double { seconds(ContinuousClock().measure(body)) * 1000 }
    static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }
    static func median(_ values: [Double]) -> Double { values.isEmpty ? .nan : values.sorted()[values.count / 2] }
    static func report(_ what: String, _ value: Double, _ unit: String) {
        FileHandle.standardOutput.write(Data((String(format: "%10.1f ", value) + "\(unit)  \(what)\n").utf8))
    }
}

extension Sequence where Element: Sendable {
    func asyncMap<T>(_ transform: (Element) async throws -> T) async rethrows -> [T] {
        var results: [T] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}
