import ControlModel
import FakeGitLab
import Fleet
import Foundation
import TestBench

/// Jobs of three architectures on three machines over ssh: one is cut off for some minutes in the middle, and one loses its power and is not back
/// before all other jobs are over. Looked at from outside in the end.
struct HostsChaos {
    let daemon: String
    let recipe: String
    let jobs: Int
    let outage: Duration
    private let directory = "/tmp/autogit-chaos-\(getpid())"
    private static let architectures: [Architecture] = [.amd64, .arm64, .riscv64]

    init(daemon: String, recipe: String, jobs: Int, outage: Duration) {
        self.daemon = daemon
        self.recipe = recipe
        self.jobs = jobs
        self.outage = outage
    }

    func run() async throws -> Bool {
        guard getuid() == 0 else { throw DaemonUnderTest.NotRunning(description: "it makes networks for three machines, as root only") }
        let first = try await TestEngine.start()
        var park: RemoteMachine.Park?
        var passed = false
        var trouble: (any Error)?
        do {
            for architecture in Self.architectures {
                try await first.ensureRunnerImage(recipe: recipe, for: architecture == TestEngine.native ? nil : architecture)
            }
            let machines = try await RemoteMachine.Park.start(["alpha", "beta", "gamma"], in: directory)
            park = machines
            passed = try await run(on: machines)
        } catch { trouble = error }
        await park?.stop()
        await first.stop()
        if let trouble { throw trouble }
        if passed { try? FileManager.default.removeItem(atPath: directory) }
        return passed
    }

    private func settings(_ park: RemoteMachine.Park) -> String {
        park.settings(memory: "1GiB")
            + Self.architectures.map { architecture in
                """
                [[pool]]
                name = "\(architecture)"
                tags = ["x"]
                architecture = "\(architecture)"
                architecture_tags = true
                image = "\(architecture == TestEngine.native ? TestEngine.runner : TestEngine.runner(for: architecture))"
                command = ["/usr/local/bin/autogit-python-runner"]
                executor = "shell"
                network = "host"
                memory = "256MiB"
                start_timeout = "10m"
                max_runners = 12
                cooldown = "10s"

                """
            }.joined()
    }

    private func run(on park: RemoteMachine.Park) async throws -> Bool {
        let gitlab = try await FakeGitLabServer.start(address: "127.0.0.1", directory: "\(directory)/gitlab")
        let token = "glpat-chaos-\(UInt64.random(in: 0 ... .max))"
        await gitlab.instance.add(AccessToken(secret: token, scopes: ["api"], isAdmin: true))
        let daemon = try DaemonUnderTest(
            program: daemon, directory: "\(directory)/autogit", gitlab: gitlab.url, token: token, engine: nil, settings: settings(park),
            environment: ["CREDENTIALS_DIRECTORY": park.credentials])
        try Data(park.knownHosts.utf8).write(to: URL(filePath: "\(daemon.directory)/known_hosts"))
        try await daemon.start()
        let instance = try await daemon.get("/status", as: StatusView.self).instance
        var result: (good: Int, wrong: [String], lost: Int)?
        var trouble: (any Error)?
        do { result = try await watch(daemon, gitlab, park, instance) } catch { trouble = error }
        await daemon.stop()
        var left: [String] = []
        for machine in park.machines {
            left += try await machine.engine.containers(instance: instance).map { "\($0) on \(machine.name)" }
            await machine.engine.removeContainers(instance: instance)
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
            "chaos: \(jobs) jobs on three machines: \(result.good) succeeded in their architecture, \(result.lost) told lost with a machine that lost its power, "
                + "\(result.wrong.count) wrong, \(left.count) orphans, \(ghosts.count) ghosts")
        print("chaos: \(fine ? 1 : 0) passed, \(fine ? 0 : 1) failed")
        return fine
    }

    private func watch(
        _ daemon: DaemonUnderTest, _ gitlab: FakeGitLabServer, _ park: RemoteMachine.Park, _ instance: String
    ) async throws -> (good: Int, wrong: [String], lost: Int) {
        let file = (0..<jobs).map { number in
            let architecture = Self.architectures[number % Self.architectures.count]
            return "job\(number):\n  script: [\"uname -m\", \"sleep 5\"]\n  tags: [\(architecture)]\n"
        }.joined()
        let project = try await gitlab.instance.addProject(path: "root/hosts", pipelineFile: file)
        _ = await gitlab.instance.addHook(project: project.id, url: "\(daemon.url)/webhook/job", secret: daemon.webhookSecret)
        let ids = try await gitlab.instance.createPipeline(project: project.id)
        let (cut, lost) = (park.machines[1], park.machines[2])

        /// So that the middle is the middle: a machine with this share of the jobs over, and a job on it.
        func until(_ share: Double, over machine: RemoteMachine) async throws {
            try await hold("a job runs on \(machine.name) after \(Int(share * 100)) % of all") {
                let over = await gitlab.instance.jobs.values.count(where: \.isOver)
                guard Double(over) >= share * Double(ids.count) else { return false }
                return try await daemon.runners().contains { $0.host == machine.name && $0.current_job != nil }
            }
        }
        try await until(0.15, over: cut)
        print("chaos: \(cut.name) is cut off")
        try await cut.cutOff()
        let mended = Task {
            try await Task.sleep(for: outage)
            try await cut.mend()
        }
        try await until(0.3, over: lost)
        print("chaos: \(lost.name) loses its power")
        let there = Set(try await daemon.runners().filter { $0.host == lost.name }.map(\.name))
        try await lost.cutOff()
        for name in try await lost.engine.containers(instance: instance) {
            _ = try await lost.engine.engine.kill(String(name.drop { $0 == "/" }), signal: "SIGKILL")
        }
        let (runners, all) = await (gitlab.instance.runners, gitlab.instance.jobs)
        // Those that it had begun, which nobody goes on with.
        let victims = all.values.filter { job in !job.isOver && job.runnerID.flatMap { runners[$0] }.map { there.contains($0.description) } == true }
        let others = ids.filter { id in !victims.contains { $0.id == id } }
        try await hold("all other jobs are over") {
            let jobs = await gitlab.instance.jobs
            return others.allSatisfy { jobs[$0]?.isOver == true }
        }
        try await mended.value
        print("chaos: \(cut.name) is back after \(outage), and all jobs but \(victims.count) are over")
        try await hold("\(lost.name) is given up") { try await daemon.get("/hosts", as: [HostView].self).first { $0.name == lost.name }?.status == "lost" }
        var wrong: [String] = []
        for job in victims {
            let isTold = daemon.log.split(separator: "\n").contains { $0.contains("The runner's host is lost") && $0.contains(" job=\(job.id) ") }
            if !isTold { wrong.append("nobody was told that job \(job.id) is lost with \(lost.name)") }
        }
        // GitLab itself would wait an hour for them.
        for job in victims { await gitlab.instance.cancel(job.id) }
        try await lost.mend()
        print("chaos: \(lost.name) is back")
        try await hold("all is cleared away") {
            let hosts = try await daemon.get("/hosts", as: [HostView].self)
            guard hosts.allSatisfy({ $0.status == "ok" }) else { return false }
            return try await daemon.runners().isEmpty
        }
        let done = await gitlab.instance.jobs
        var good = 0
        for id in others {
            guard let job = done[id], let machine = Self.architectures.first(where: { job.definition.tags.contains("\($0)") })?.machine else { continue }
            if job.status == "success", job.traceText.split(separator: "\n").contains(Substring(machine)) {
                good += 1
            } else {
                wrong.append("job \(id) is \(job.status), and its log doesn't say \(machine): \(job.traceText.suffix(200))")
            }
        }
        return (good, wrong, victims.count)
    }

    private func hold(_ what: String, _ holds: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(1800)
        while try await !holds() {
            guard ContinuousClock.now < deadline else { throw DaemonUnderTest.NotRunning(description: "not within half an hour: \(what)") }
            try await Task.sleep(for: .milliseconds(500))
        }
    }
}
