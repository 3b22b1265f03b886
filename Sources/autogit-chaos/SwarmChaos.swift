import ControlModel
import FakeGitLab
import Foundation
import TestBench

/// Jobs on a swarm of three nodes, of which one loses its power in the middle and is back once all others are over. Looked at from outside in the end.
struct SwarmChaos {
    let daemon: String
    let recipe: String
    let script: String
    let jobs: Int
    private let directory = "/tmp/autogit-chaos-\(getpid())"

    func run() async throws -> Bool {
        guard SwarmPark.isPossible else { throw DaemonUnderTest.NotRunning(description: "it makes networks, as root, and needs docker.io and busybox-static") }
        let park = try await SwarmPark.start(script: script, in: "\(directory)/nodes")
        var passed = false
        var trouble: (any Error)?
        do {
            for engine in park.engines { try await engine.ensureRunnerImage(recipe: recipe) }
            passed = try await run(on: park)
        } catch { trouble = error }
        await park.stop()
        if let trouble { throw trouble }
        if passed { try? FileManager.default.removeItem(atPath: directory) }
        return passed
    }

    private func run(on park: SwarmPark) async throws -> Bool {
        let gitlab = try await FakeGitLabServer.start(address: "0.0.0.0", directory: "\(directory)/gitlab")
        let url = gitlab.url.replacing("127.0.0.1", with: park.gateway)
        await gitlab.instance.setURL(url)
        let token = "glpat-chaos-\(UInt64.random(in: 0 ... .max))"
        await gitlab.instance.add(AccessToken(secret: token, scopes: ["api"], isAdmin: true))
        let daemon = try DaemonUnderTest(
            program: daemon, directory: "\(directory)/autogit", gitlab: url, token: token, engine: nil,
            settings: park.settings + """
                [[pool]]
                name = "p"
                tags = ["x"]
                image = "\(TestEngine.runner)"
                command = ["/usr/local/bin/autogit-python-runner"]
                network = "host"
                memory = "256MiB"
                cpus = 0.4
                max_runners = 12
                cooldown = "10s"

                """)
        try await daemon.start()
        var result: (good: Int, wrong: [String], lost: Int)?
        var trouble: (any Error)?
        do { result = try await watch(daemon, gitlab, park) } catch { trouble = error }
        await daemon.stop()
        var left: [String] = []
        for path in ["/services", "/secrets", "/tasks"] {
            let answer = try await park.engines[0].engine.call("GET", path).text.trimmingCharacters(in: .whitespacesAndNewlines)
            if answer != "[]" { left.append("\(path): \(answer.prefix(200))") }
        }
        let ghosts = await gitlab.instance.runners.values.map(\.description)
        await gitlab.stop()
        if let trouble {
            print("chaos: the daemon's log is \(daemon.logPath)")
            throw trouble
        }
        guard let result else { return false }
        for line in result.wrong + left.map({ "left behind: \($0)" }) + ghosts.map({ "a ghost: \($0)" }) { print("chaos: \(line)") }
        let fine = result.wrong.isEmpty && left.isEmpty && ghosts.isEmpty
        if !fine { print("chaos: the daemon's log is \(daemon.logPath)") }
        print(
            "chaos: \(jobs) jobs on a swarm: \(result.good) succeeded, \(result.lost) told lost with a node that lost its power, \(result.wrong.count) wrong, "
                + "\(left.count) orphans, \(ghosts.count) ghosts")
        print("chaos: \(fine ? 1 : 0) passed, \(fine ? 0 : 1) failed")
        return fine
    }

    private func watch(_ daemon: DaemonUnderTest, _ gitlab: FakeGitLabServer, _ park: SwarmPark) async throws -> (good: Int, wrong: [String], lost: Int) {
        let file = (0..<jobs).map { "job\($0):\n  script: [\"echo job \($0)\", \"sleep 5\"]\n  tags: [x]\n" }.joined()
        let project = try await gitlab.instance.addProject(path: "root/swarm", pipelineFile: file)
        _ = await gitlab.instance.addHook(project: project.id, url: "\(daemon.url)/webhook/job", secret: daemon.webhookSecret)
        let ids = try await gitlab.instance.createPipeline(project: project.id)
        let lost = park.engines[2]
        func here() async throws -> Set<String> {
            let labels = try await lost.engine.containers(labels: ["autogit.swarm.runner"]).filter { $0.State == "running" }.compactMap {
                $0.Labels?["autogit.swarm.runner"]
            }
            return Set(labels)
        }
        try await hold("a job runs on the third node after 30 % of all") {
            let over = await gitlab.instance.jobs.values.count(where: \.isOver)
            guard Double(over) >= 0.3 * Double(ids.count) else { return false }
            let there = try await here()
            return try await daemon.runners().contains { there.contains($0.id) && $0.current_job != nil }
        }
        let names = Set(try await here().map { "autogit-runner-\($0)" })
        print("chaos: the third node loses its power")
        try await park.powerOff(3)
        let (runners, all) = await (gitlab.instance.runners, gitlab.instance.jobs)
        // Those that it had begun, which nobody goes on with.
        let victims = all.values.filter { job in
            !job.isOver && job.runnerID.flatMap { runners[$0] }.map { names.contains($0.description) } == true
        }
        let others = ids.filter { id in !victims.contains { $0.id == id } }
        try await hold("all other jobs are over") {
            let jobs = await gitlab.instance.jobs
            return others.allSatisfy { jobs[$0]?.isOver == true }
        }
        print("chaos: all jobs but \(victims.count) are over")
        let lostJobs = victims.map(\.id)
        try await hold("the runners of the lost node are given up") {
            try await daemon.runners().allSatisfy { runner in runner.current_job.map { !lostJobs.contains($0) } ?? true }
        }
        var wrong: [String] = []
        for job in lostJobs {
            let isTold = daemon.log.split(separator: "\n").contains { $0.contains("Runner exited unexpectedly") && $0.contains(" job=\(job)") }
            if !isTold { wrong.append("nobody was told that job \(job) is lost with its node") }
        }
        // GitLab itself would wait an hour for them.
        for job in lostJobs { await gitlab.instance.cancel(job) }
        try await park.powerOn(3)
        print("chaos: the third node is back")
        try await hold("all is cleared away") {
            guard try await daemon.runners().isEmpty else { return false }
            return try await lost.engine.containers(labels: ["com.docker.swarm.service.name"]).isEmpty
        }
        let done = await gitlab.instance.jobs
        let failed = others.filter { done[$0]?.status != "success" }
        wrong += failed.map { "job \($0) is \(done[$0]?.status ?? "gone")" }
        return (others.count - failed.count, wrong, lostJobs.count)
    }

    private func hold(_ what: String, _ holds: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(1800)
        while try await !holds() {
            guard ContinuousClock.now < deadline else { throw DaemonUnderTest.NotRunning(description: "not within half an hour: \(what)") }
            try await Task.sleep(for: .milliseconds(500))
        }
    }
}
