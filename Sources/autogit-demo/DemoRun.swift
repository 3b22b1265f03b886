import ControlModel
import FakeGitLab
import Foundation
import TestBench

/// One run of the demo, and its cleaning up.
struct DemoRun {
    let options: Demo
    let directory: String
    private var scenario: any GuideScenario

    init(_ options: Demo) {
        self.options = options
        directory = "/tmp/autogit-demo-\(getpid())"
        scenario = options.guideScenario()
    }

    func run() async throws -> Bool {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let engine: TestEngine
        if let found = await TestEngine.findRootless() {
            print("demo: using the engine at \(found.socket)")
            engine = found
        } else {
            engine = try await TestEngine.start()
            print("demo: no rootless engine answers; started Podman's own service in \(engine.directory ?? "")")
        }
        do {
            var this = self
            let passed = try await this.run(on: engine)
            await engine.stop()
            return passed
        } catch {
            await engine.stop()
            throw error
        }
    }

    private mutating func run(on engine: TestEngine) async throws -> Bool {
        print("demo: preparing the runner's image (a minute the first time)")
        try await scenario.makeImages(engine)
        // Jobs on a network of their build reach this machine by a name that Podman gives it. With Docker, jobs share the host's network,
        // in which services have no names.
        let isPodman = try await engine.engine.product().contains("Podman")
        let gitlab = try await FakeGitLabServer.start(address: isPodman ? "0.0.0.0" : "127.0.0.1", directory: directory)
        let inside = gitlab.url.replacingOccurrences(of: "127.0.0.1", with: "host.containers.internal")
        let token = "glpat-demo-\(UInt64.random(in: 0 ... .max))"
        await gitlab.instance.add(AccessToken(secret: token, scopes: ["api", "create_runner"], isAdmin: true))
        let daemon = try DaemonUnderTest(
            program: options.daemon, directory: "\(directory)/autogit", gitlab: gitlab.url, token: token, engine: engine.socket,
            settings: scenario.pools(onPodman: isPodman), gitlabSettings: isPodman ? "runner_url = \"\(inside)\"\nclone_url = \"\(inside)\"" : "")
        var instance = ""
        defer { scenario.end() }
        do {
            try await scenario.equip(daemon)
            try await daemon.start()
            instance = try await daemon.get("/status", as: StatusView.self).instance
            print("demo: GitLab (simulated) at \(gitlab.url), AutoGit at \(daemon.url)")
            let jobs = try await createPipelines(gitlab, daemon, onPodman: isPodman)
            try await watch(daemon, gitlab.instance, jobs)
            await daemon.stop()
            let passed = try await verdict(engine, gitlab.instance, daemon, instance, jobs)
            await gitlab.stop()
            if passed, !options.keep { try? FileManager.default.removeItem(atPath: directory) }
            return passed
        } catch {
            await daemon.stop()
            // Not in this task, which may be cancelled: cleaning up must run to its end.
            await Task.detached { [instance] in
                if !instance.isEmpty { await engine.removeContainers(instance: instance) }
                await gitlab.stop()
            }.value
            if Task.isCancelled, !options.keep {
                try? FileManager.default.removeItem(atPath: directory)
                print("demo: cleaned up")
            } else {
                print("demo: the daemon's log is \(daemon.logPath)")
            }
            throw error
        }
    }

    private func createPipelines(_ gitlab: FakeGitLabServer, _ daemon: DaemonUnderTest, onPodman: Bool) async throws -> [Int64] {
        let file = options.pipeline ?? "docs/guide/scenario-\(options.scenario).gitlab-ci.yml"
        var projects = [
            try await gitlab.instance.addProject(
                path: "root/runner-test", pipelineFile: try String(contentsOfFile: file, encoding: .utf8),
                // The files in docs/guide have lines that YAML takes for mappings, or can't read, and GitLab itself would refuse.
                acceptsUnquotedColons: true,
                // Has gitlab-python-runner take the job's steps from GitLab rather than from the file in the repository.
                variables: ["GITLAB_PYTHON_RUNNER_COMPUTED": "1"])
        ]
        for (path, pipeline) in scenario.projects(onPodman: onPodman) {
            projects.append(try await gitlab.instance.addProject(path: path, pipelineFile: pipeline))
        }
        var jobs: [Int64] = []
        for project in projects {
            _ = await gitlab.instance.addHook(project: project.id, url: "\(daemon.url)/webhook/job", secret: daemon.webhookSecret)
            jobs += try await gitlab.instance.createPipeline(project: project.id)
        }
        return jobs
    }

    /// Shows the phases until all jobs are over and all runners are gone.
    private mutating func watch(_ daemon: DaemonUnderTest, _ gitlab: Instance, _ ids: [Int64]) async throws {
        let began = ContinuousClock.now
        var screen = Screen(began: began)
        var killed = !options.kill9
        while true {
            try await Task.sleep(for: .milliseconds(200))
            guard ContinuousClock.now - began < scenario.patience else {
                throw DaemonUnderTest.NotRunning(description: "not over after \(scenario.patience.components.seconds / 60) minutes")
            }
            let jobs = await gitlab.jobs
            let mine = ids.compactMap { jobs[$0] }
            let runners = try await daemon.runners()
            screen.show(runners, mine)
            try await scenario.look(daemon, runners, mine, &screen)
            if !killed, mine.filter({ $0.definition.stage == "build" && $0.status == "running" }).count >= 2 {
                killed = true
                screen.say("killing the daemon with SIGKILL and starting it again")
                await daemon.stop(SIGKILL)
                try await daemon.start()
            }
            if mine.allSatisfy(\.isOver), runners.isEmpty { break }
        }
        screen.finish()
    }

    /// Looks from outside at what is left, and at what the scenario is about.
    private func verdict(_ engine: TestEngine, _ gitlab: Instance, _ daemon: DaemonUnderTest, _ instance: String, _ ids: [Int64]) async throws -> Bool {
        let jobs = await gitlab.jobs
        let mine = ids.compactMap { jobs[$0] }
        let containers = try await engine.containers(instance: instance) + engine.madeForJobs()
        await engine.removeContainers(instance: instance)
        let registrations = await gitlab.runners.values.map(\.description)
        let files = ["control.sock"].filter { FileManager.default.fileExists(atPath: "\(daemon.directory)/\($0)") }
        let left = containers + registrations + files
        if !left.isEmpty { print("demo: left behind: \(left.joined(separator: ", "))") }
        let succeeded = mine.filter { $0.status == "success" }.count
        for job in mine where job.status != "success" {
            print("demo: \(job.definition.name) is \(job.status): \(job.traceText.suffix(500))")
        }
        let complaints = succeeded == mine.count ? scenario.complaints(mine) : []
        for complaint in complaints { print("demo: wrong: \(complaint)") }
        let started = await gitlab.registered
        if let limits = scenario.limits { print("demo: what this does not prove: \(limits)") }
        print("demo: \(succeeded) jobs succeeded, \(mine.count - succeeded) failed, \(started) runners started, \(left.count) left behind")
        return succeeded == mine.count && left.isEmpty && complaints.isEmpty
    }
}
