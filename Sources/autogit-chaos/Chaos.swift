import Fleet
import ArgumentParser
import ControlModel
import Foundation
import ContainerDriver
import FakeGitLab
import TestBench

/// The daemon killed at random moments, with real containers and a runner that we did not write; Podman's service
/// killed and restarted, GitLab's API cut off. At the end everything is looked at from outside.
@main
struct Chaos: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "autogit-chaos", abstract: "Kills the daemon at random moments, with real containers.")

    @Option(help: "The autogitd to kill.")
    var daemon = ".build/debug/autogitd"

    @Option(help: "How often it is killed.")
    var kills = 200

    @Option(help: "The script that makes the runner's image.")
    var recipe = "scripts/runner-image"

    @Option(help: "Jobs over three machines, two of which are cut off, in place of all else.")
    var hosts: Int?

    @Option(help: "Jobs on a swarm of three nodes, one of which loses its power, in place of all else.")
    var swarm: Int?

    @Option(help: "The script that makes the swarm.")
    var swarmScript = "Tests/System/swarm.py"

    @Option(help: "Seconds that one of the machines is cut off.")
    var outage = 300

    @Option(help: "Of the moments.")
    var seed: UInt64 = 1

    private static let pipeline = """
        stages: [one, two]
        first:
          stage: one
          script: ["echo first"]
          tags: [x]
        second:
          stage: one
          script: ["sleep 2"]
          tags: [x]
        third:
          stage: two
          script: ["echo third"]
          tags: [x]
        fourth:
          stage: one
          image: \(TestEngine.busybox)
          services: [{name: \(TestEngine.busybox), alias: web, command: [sleep, "60"]}]
          script: ["echo in a container of its own", "sleep 1"]
          tags: [y]
        """

    /// Whoever has the one GPU makes a folder where all see it, which only one can.
    private static let gpus = """
        fifth:
          stage: one
          script: ["mkdir /held/by-one", "sleep 1", "rmdir /held/by-one"]
          tags: [z]
        sixth:
          stage: one
          script: ["mkdir /held/by-one", "sleep 1", "rmdir /held/by-one"]
          tags: [z]
        """

    /// For runners that are killed in it.
    private static let containers = "many: {image: \(TestEngine.busybox), script: [\"echo is running\", \"sleep 3\"], tags: [y]}\n"

    private static func pool(_ held: String) -> String {
        """
        [[pool]]
        name = "g"
        tags = ["z"]
        gpu = "nvidia"
        image = "\(TestEngine.runner)"
        command = ["/usr/local/bin/autogit-python-runner"]
        network = "host"
        memory = "256MiB"
        max_runners = 4
        cooldown = "1s"
        max_jobs = 2
        mounts = ["\(held):/held"]
        """
    }

    func run() async throws {
        if let swarm {
            if try await !SwarmChaos(daemon: daemon, recipe: recipe, script: swarmScript, jobs: swarm).run() { throw ExitCode(1) }
            return
        }
        if let hosts {
            if try await !HostsChaos(daemon: daemon, recipe: recipe, jobs: hosts, outage: .seconds(outage)).run() { throw ExitCode(1) }
            return
        }
        let directory = "/tmp/autogit-chaos-\(getpid())"
        let engine = try await TestEngine.start()
        do {
            try await engine.ensureRunnerImage(recipe: recipe)
            try await engine.ensureBusybox()
            let passed = try await run(engine, directory)
            await engine.stop()
            if !passed { throw ExitCode(1) }
            try? FileManager.default.removeItem(atPath: directory)
        } catch {
            await engine.stop()
            throw error
        }
    }

    private func run(_ engine: TestEngine, _ directory: String) async throws -> Bool {
        var random = SplitMix(seed: seed)
        let gitlab = try await FakeGitLabServer.start(directory: directory)
        await gitlab.instance.add(AccessToken(secret: "glpat-chaos", scopes: ["api"], isAdmin: true))
        // Only root can write where engines look for GPUs.
        let held = "\(directory)/held"
        try FileManager.default.createDirectory(atPath: held, withIntermediateDirectories: true)
        let gpus = getuid() == 0 ? try StandInGPUs(1, mounting: "/etc/hostname") : nil
        defer { gpus?.remove() }
        if gpus == nil { print("chaos: without GPUs, because only root can make one for this") }
        let daemon = try DaemonUnderTest(
            program: daemon, directory: "\(directory)/autogit", gitlab: gitlab.url, token: "glpat-chaos", engine: engine.socket, pollInterval: "2s",
            settings: """
                [[pool]]
                name = "p"
                tags = ["x"]
                image = "\(TestEngine.runner)"
                command = ["/usr/local/bin/autogit-python-runner"]
                network = "host"
                memory = "256MiB"
                max_runners = 4
                cooldown = "3s"
                [[pool]]
                name = "q"
                tags = ["y"]
                image = "\(TestEngine.runner)"
                command = ["/usr/local/bin/autogit-test-runner", "run", "--config", "/run/autogit/config.toml"]
                executor = "docker"
                network = "host"
                memory = "64MiB"
                max_runners = 4
                cooldown = "3s"
                [pool.docker]
                image = "\(TestEngine.busybox)"
                helper_image = "\(TestEngine.runner)"
                service_memory = "32MiB"
                \(gpus == nil ? "" : Self.pool(held))
                """)
        if gpus != nil { try await daemon.probe { gpus?.devices.contains($0.cdi ?? "") == true } }
        try await daemon.start()
        let instance = try await daemon.get("/status", as: StatusView.self).instance
        let project = try await gitlab.instance.addProject(path: "root/chaos", pipelineFile: Self.pipeline + (gpus == nil ? "" : "\n" + Self.gpus))
        _ = await gitlab.instance.addHook(project: project.id, url: "\(daemon.url)/webhook/job", secret: daemon.webhookSecret)
        var jobs: [Int64] = []
        var services = 0
        var outages = 0
        /// Under way while the engine's service was away: whatever they wanted of it failed.
        var disturbed: Set<Int64> = []
        for kill in 1...max(1, kills) {
            if kill % 6 == 1 { jobs += try await gitlab.instance.createPipeline(project: project.id) }
            try await Task.sleep(for: .milliseconds(Int.random(in: 5...1200, using: &random)))
            if kill % 25 == 0 {
                // Containers outlive the service; what asks it meanwhile is refused.
                let before = await gitlab.instance.jobs
                try await engine.restartService()
                try await engine.waitForAnswer()
                for (id, job) in await gitlab.instance.jobs where before[id]?.isOver != true && job.status != "pending" && job.status != "created" {
                    disturbed.insert(id)
                }
                services += 1
            }
            if kill % 10 == 0 {
                // What the daemon calls, not what runners call: a job whose runner gave up is GitLab's own to end.
                for (method, path) in [("POST", "/api/graphql"), ("POST", "/api/v4/user"), ("GET", "/api/v4/runners"), ("DELETE", "/api/v4/runners/")] {
                    await gitlab.instance.inject(Bool.random(using: &random) ? .status(502) : .dropAnswer, method: method, path: path, times: 5)
                }
                outages += 1
            }
            await daemon.stop(SIGKILL)
            try await daemon.start()
            if kill % 20 == 0 { print("chaos: \(kill) kills, \(await gitlab.instance.jobs.values.filter { $0.isOver }.count) of \(jobs.count) jobs over") }
        }
        await gitlab.instance.healFaults()
        let killed = try await killRunners(engine, daemon, gitlab.instance, jobs: max(5, kills / 4), &random)
        jobs += killed.others
        let ids = jobs
        let quiet = await gitlab.instance.wait(seconds: 180) { gitlab in
            ids.allSatisfy { gitlab.jobs[$0]?.isOver == true } && gitlab.runners.isEmpty
        }
        for _ in 0..<100 where try await !daemon.runners().isEmpty { try await Task.sleep(for: .milliseconds(100)) }
        let live = try await daemon.runners().map(\.name)
        await daemon.stop()
        let containers = try await engine.containers(instance: instance) + engine.madeForJobs()
        let volumes = try await engine.engine.volumes(label: "\(ContainerDriver.instanceLabel)=\(instance)").map(\.Name)
        await engine.removeContainers(instance: instance)
        let registrations = await gitlab.instance.runners.values.map(\.description)
        let all = await gitlab.instance.jobs
        let failed = ids.compactMap { all[$0] }.filter { $0.status != "success" }
        let excused = Set(failed.filter { disturbed.contains($0.id) }.map(\.pipelineID))
        let bad = failed.filter { !disturbed.contains($0.id) && !($0.status == "skipped" && excused.contains($0.pipelineID)) }
        let stored = try await Command.run(
            "sqlite3", ["\(daemon.directory)/state/autogit.db", "SELECT count(*) FROM runners WHERE phase != 'removed'"])
        let inStore = String(decoding: stored, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        await gitlab.stop()
        for job in bad { print("chaos: job \(job.id) is \(job.status)") }
        for name in live + containers + registrations + volumes.filter({ !$0.hasPrefix("autogit-cache-") }) { print("chaos: left behind: \(name)") }
        let fine =
            quiet && bad.isEmpty && live.isEmpty && containers.isEmpty && registrations.isEmpty && inStore == "0"
            && volumes.allSatisfy { $0.hasPrefix("autogit-cache-") }
        if !fine { print("chaos: the daemon's log is \(daemon.logPath); \(inStore) live runners in the store") }
        print(
            "chaos: \(kills) kills, \(killed.runners) of runners in their jobs, \(services) of the engine's service, \(outages) outages of GitLab: \(ids.count - failed.count) jobs finished, "
                + "\(failed.count - bad.count) failed with the engine's service or because of one that did, \(bad.count) failed for no reason, "
                + "\(containers.count) orphans, \(registrations.count) ghosts")
        print("chaos: volumes left: \(volumes.joined(separator: " "))")
        print("chaos: \(fine ? 1 : 0) passed, \(fine ? 0 : 1) failed")
        return fine
    }

    /// Many jobs, and a fifth of their runners killed with SIGKILL while they run one.
    /// - Returns: the jobs whose runners lived, and how many runners did not.
    private func killRunners(
        _ engine: TestEngine, _ daemon: DaemonUnderTest, _ gitlab: Instance, jobs count: Int, _ random: inout SplitMix
    ) async throws -> (others: [Int64], runners: Int) {
        let project = try await gitlab.addProject(path: "root/many", pipelineFile: Self.containers)
        _ = await gitlab.addHook(project: project.id, url: "\(daemon.url)/webhook/job", secret: daemon.webhookSecret)
        var ids: Set<Int64> = []
        for _ in 0..<count { ids.formUnion(try await gitlab.createPipeline(project: project.id)) }
        var victims: Set<Int64> = []
        while victims.count < count / 5 {
            let candidates = ids.subtracting(victims)
            let runs = await gitlab.wait(seconds: 120) { gitlab in
                candidates.contains { gitlab.jobs[$0]?.status == "running" && gitlab.jobs[$0]?.traceText.contains("is running") == true }
            }
            guard runs else { break }
            let running = await gitlab.jobs.values.filter { candidates.contains($0.id) && $0.status == "running" && $0.traceText.contains("is running") }
            guard let job = running.sorted(by: { $0.id < $1.id }).randomElement(using: &random), let id = job.runnerID,
                let name = await gitlab.runners[id]?.description
            else { continue }
            try await engine.engine.kill(name, signal: "SIGKILL")
            // It ended by itself before the signal came.
            if await gitlab.jobs[job.id]?.isOver == true { ids.remove(job.id) } else { victims.insert(job.id) }
        }
        // GitLab itself would wait an hour for them.
        for id in victims { await gitlab.cancel(id) }
        return (ids.subtracting(victims).sorted(), victims.count)
    }
}
