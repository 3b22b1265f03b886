import ArgumentParser
import ContainerDriver
import ControlModel
import Fleet
import Foundation
import GitLabSimulator
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

    func run() async throws {
        planner()
        let directory = "/tmp/autogit-bench-\(getpid())"
        let engine = try await TestEngine.start()
        try await engine.ensureBusybox()
        try await engine.ensureRunnerImage(recipe: recipe)
        do {
            try await idle(engine, directory)
            try await webhooks(engine, directory)
            try await spawning(engine, directory)
            try await pendingToRunning(engine, directory)
        } catch {
            await engine.stop()
            throw error
        }
        await engine.stop()
        try? FileManager.default.removeItem(atPath: directory)
    }

    // MARK: The planner

    private func planner() {
        for scale in [1, 2, 4] {
            let jobs = 2500 * scale
            let snapshot = Self.snapshot(jobs: jobs, runners: 250 * scale, pools: 50)
            let times = (0..<samples).map { _ in Self.milliseconds { _ = Planner.plan(snapshot) } }
            Self.report("planner, \(jobs) pending jobs, \(250 * scale) runners, 50 pools", Self.median(times), "ms")
        }
    }

    private static func snapshot(jobs: Int, runners: Int, pools: Int) -> Snapshot {
        let now = Timestamp(milliseconds: 1_764_000_000_000)
        let states = (0..<pools).map { index -> PoolState in
            var pool = Pool(name: "pool\(index)")
            pool.tags = ["common", "tag\(index)"]
            pool.maxRunners = 10_000
            return PoolState(pool)
        }
        let pending = (0..<jobs).map { index in
            Job(
                JobObservation(id: Int64(index), projectID: 1, status: .pending, tags: ["common", "tag\(index % pools)"]),
                at: Timestamp(milliseconds: now.milliseconds - Int64(index * 7919 % 100_000)))
        }
        let live = (0..<runners).map { index -> Runner in
            var runner = Runner(id: "r\(index)", pool: states[index % pools].pool, launchedFor: nil, at: now)
            runner.phase = .ready
            runner.idleSince = now
            return runner
        }
        return Snapshot(jobs: pending, runners: live, pools: states, budget: HostBudget(), now: now)
    }

    // MARK: The daemon

    private func daemon(_ engine: TestEngine, _ gitlab: GitLabSimulator, _ directory: String, poll: String = "30s", pool: String) async throws
        -> DaemonUnderTest
    {
        await gitlab.instance.add(AccessToken(secret: "glpat-bench", scopes: ["api"], isAdmin: true))
        let daemon = try DaemonUnderTest(
            program: daemon, directory: directory, gitlab: gitlab.url, token: "glpat-bench", engine: engine.socket, pollInterval: poll, settings: pool)
        try await daemon.start()
        return daemon
    }

    private func idle(_ engine: TestEngine, _ directory: String) async throws {
        let gitlab = try await GitLabSimulator.start(directory: directory)
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
        Self.report("idle daemon, wake-ups of all threads a second (polling every 30 s)", Double(after - before) / 30, "")
        await daemon.stop()
        await gitlab.stop()
    }

    private static func status(_ pid: Int32, _ key: String) -> Double {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").first { $0.hasPrefix(key + ":") }.flatMap { Double($0.filter(\.isNumber)) } ?? 0
    }

    private static func switches(_ pid: Int32) -> Int {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        return tasks.reduce(0) { sum, task in
            let text = (try? String(contentsOfFile: "/proc/\(pid)/task/\(task)/status", encoding: .utf8)) ?? ""
            let line = text.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches") }
            return sum + (line.flatMap { Int($0.filter(\.isNumber)) } ?? 0)
        }
    }

    private func webhooks(_ engine: TestEngine, _ directory: String) async throws {
        let gitlab = try await GitLabSimulator.start(directory: directory)
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

    // MARK: From hook to container

    private func spawning(_ engine: TestEngine, _ directory: String) async throws {
        let gitlab = try await GitLabSimulator.start(directory: directory)
        let daemon = try await daemon(
            engine, gitlab, directory + "/spawn", poll: "0s",
            pool: """
                [[pool]]
                name = "p"
                tags = ["x"]
                image = "\(TestEngine.busybox)"
                command = ["/bin/sleep", "600"]
                network = "host"
                memory = "64MiB"
                stop_signal = "SIGKILL"
                """)
        let instance = try await daemon.get("/status", as: StatusView.self).instance
        let project = try await gitlab.instance.addProject(path: "a/b", pipelineFile: "a:\n  script: [\"true\"]\n  tags: [x]\n", withRepository: false)
        _ = await gitlab.instance.addHook(project: project.id, url: "\(daemon.url)/webhook/job", secret: daemon.webhookSecret)
        var ours: [Double] = []
        var floor: [Double] = []
        for index in 0..<samples {
            floor.append(try await bareStart(engine, "bench-\(getpid())-\(index)"))
            let began = ContinuousClock.now
            let job = try await gitlab.instance.createPipeline(project: project.id)[0]
            var runner: RunnerView?
            while runner?.started_at == nil {
                runner = try await daemon.runners().first { $0.phase == "starting" || $0.phase == "ready" }
            }
            ours.append(Self.seconds(ContinuousClock.now - began) * 1000)
            await gitlab.instance.cancel(job)
            if let runner { _ = try await daemon.control("DELETE", "/runners/\(runner.id)?force=true") }
            while try await !daemon.runners().isEmpty {}
        }
        await daemon.stop()
        await engine.removeContainers(instance: instance)
        await gitlab.stop()
        Self.report("bare calls: create and start a container", Self.median(floor), "ms")
        Self.report("pending hook to container running, registration included", Self.median(ours), "ms")
        Self.report("  more than the floor", Self.median(ours) - Self.median(floor), "ms")
    }

    private func bareStart(_ engine: TestEngine, _ name: String) async throws -> Double {
        let body = #"{"Image":"\#(TestEngine.busybox)","Entrypoint":["/bin/sleep"],"Cmd":["600"],"HostConfig":{"NetworkMode":"host","Memory":67108864}}"#
        let began = ContinuousClock.now
        _ = try await engine.engine.create(name: name, body: Array(body.utf8))
        try await engine.engine.start(name)
        let time = Self.seconds(ContinuousClock.now - began) * 1000
        try await engine.engine.remove(name)
        return time
    }

    private func pendingToRunning(_ engine: TestEngine, _ directory: String) async throws {
        let gitlab = try await GitLabSimulator.start(directory: directory)
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
    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }
    private static func median(_ values: [Double]) -> Double { values.isEmpty ? .nan : values.sorted()[values.count / 2] }
    private static func report(_ what: String, _ value: Double, _ unit: String) {
        FileHandle.standardOutput.write(Data((String(format: "%10.1f ", value) + "\(unit)  \(what)\n").utf8))
    }
}
