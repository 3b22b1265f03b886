import ArgumentParser
import ControlModel
import Foundation
import FakeGitLab
import TestBench
import UnixSignals

@main
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "autogit-demo", abstract: "Seven jobs, two of them in containers of their own: real daemon, real containers, a fake GitLab.")

    @Option(help: "The autogitd to run.")
    var daemon = ".build/debug/autogitd"

    @Option(help: "How long an idle runner stays, as in the configuration.")
    var cooldown = "8s"

    @Flag(help: "Kill the daemon with SIGKILL while the build stage runs, and start it again.")
    var kill9 = false

    @Flag(help: "Keep the demo's folder with the daemon's log and database.")
    var keep = false

    @Option(help: "The script that makes the runner's image.")
    var recipe = "scripts/runner-image"

    @Option(help: "The pipeline to run.")
    var pipeline = "docs/guide/scenario-1.gitlab-ci.yml"

    func run() async throws {
        let work = Task { try await Scenario(self).run() }
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let watch = Task {
            for await signal in signals {
                print("\ndemo: \(signal), cleaning up")
                work.cancel()
            }
        }
        defer { watch.cancel() }
        switch await work.result {
        case .success(let passed): if !passed { throw ExitCode(1) }
        case .failure(is CancellationError): throw ExitCode(130)
        case .failure(let error):
            print("demo: failed: \(error)")
            throw ExitCode(1)
        }
    }
}

/// One run of the demo, and its cleaning up.
struct Scenario {
    let options: Demo
    let directory: String

    init(_ options: Demo) {
        self.options = options
        directory = "/tmp/autogit-demo-\(getpid())"
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
            let passed = try await run(on: engine)
            await engine.stop()
            return passed
        } catch {
            await engine.stop()
            throw error
        }
    }

    private func run(on engine: TestEngine) async throws -> Bool {
        print("demo: preparing the runner's image \(TestEngine.runner) (a minute the first time)")
        try await engine.ensureRunnerImage(recipe: options.recipe)
        try await engine.ensureBusybox()
        // Jobs on a network of their build reach this machine by a name that Podman gives it. With Docker, jobs share the host's network,
        // in which services have no names.
        let isPodman = try await engine.engine.product().contains("Podman")
        let gitlab = try await FakeGitLabServer.start(address: isPodman ? "0.0.0.0" : "127.0.0.1", directory: directory)
        let inside = gitlab.url.replacingOccurrences(of: "127.0.0.1", with: "host.containers.internal")
        let token = "glpat-demo-\(UInt64.random(in: 0 ... .max))"
        await gitlab.instance.add(AccessToken(secret: token, scopes: ["api", "create_runner"], isAdmin: true))
        let daemon = try DaemonUnderTest(
            program: options.daemon, directory: "\(directory)/autogit", gitlab: gitlab.url, token: token, engine: engine.socket,
            settings: """
                [[pool]]
                name = "default"
                tags = ["autogit", "docker"]
                image = "\(TestEngine.runner)"
                command = ["/usr/local/bin/autogit-python-runner"]
                network = "host"
                cpus = 1.0
                memory = "256MiB"
                max_runners = 5
                cooldown = "\(options.cooldown)"
                [[pool]]
                name = "images"
                tags = ["images"]
                # Does what gitlab-runner's Docker executor does, and is not gitlab-runner: that can't be downloaded everywhere.
                image = "\(TestEngine.runner)"
                command = ["/usr/local/bin/autogit-test-runner", "run", "--config", "/run/autogit/config.toml"]
                executor = "docker"
                \(isPodman ? "" : "network = \"host\"")
                cpus = 1.0
                memory = "128MiB"
                cooldown = "\(options.cooldown)"
                [pool.docker]
                image = "\(TestEngine.busybox)"
                helper_image = "\(TestEngine.runner)"
                service_memory = "32MiB"
                """, gitlabSettings: isPodman ? "runner_url = \"\(inside)\"\nclone_url = \"\(inside)\"" : "")
        var instance = ""
        do {
            try await daemon.start()
            instance = try await daemon.get("/status", as: StatusView.self).instance
            print("demo: GitLab (simulated) at \(gitlab.url), AutoGit at \(daemon.url)")
            let project = try await gitlab.instance.addProject(
                path: "root/runner-test", pipelineFile: try String(contentsOfFile: options.pipeline, encoding: .utf8),
                // The file in docs/guide has two lines that YAML takes for mappings and GitLab itself would refuse.
                acceptsUnquotedColons: true,
                // Has gitlab-python-runner take the job's steps from GitLab rather than from the file in the repository.
                variables: ["GITLAB_PYTHON_RUNNER_COMPUTED": "1"])
            _ = await gitlab.instance.addHook(project: project.id, url: "\(daemon.url)/webhook/job", secret: daemon.webhookSecret)
            let others = try await gitlab.instance.addProject(path: "root/images", pipelineFile: Self.images(withService: isPodman))
            _ = await gitlab.instance.addHook(project: others.id, url: "\(daemon.url)/webhook/job", secret: daemon.webhookSecret)
            let jobs = try await gitlab.instance.createPipeline(project: project.id) + gitlab.instance.createPipeline(project: others.id)
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
            if error is CancellationError, !options.keep {
                try? FileManager.default.removeItem(atPath: directory)
                print("demo: cleaned up")
            } else {
                print("demo: the daemon's log is \(daemon.logPath)")
            }
            throw error
        }
    }

    /// Jobs that begin with `image:`, as nearly all do.
    private static func images(withService: Bool) -> String {
        let service = """
            with:service:
              image: \(TestEngine.busybox)
              services:
                - name: \(TestEngine.busybox)
                  alias: web
                  command: ["sh", "-c", "mkdir /www && echo reached by its name > /www/index.html && exec httpd -f -p 8000 -h /www"]
              script:
                - for i in 1 2 3 4 5 6 7 8 9 10; do wget -q -O - http://web:8000/ && exit 0; sleep 1; done; exit 1
              tags: [images]
            """
        return """
            with:image:
              image: \(TestEngine.busybox)
              script:
                - test ! -e /usr/bin/python3
                - echo "In an image of its own, which has no Python, unlike the runner's"
              tags: [images]
            \(withService ? service : "")
            """
    }

    /// Shows the phases until all jobs are over and all runners are gone.
    private func watch(_ daemon: DaemonUnderTest, _ gitlab: Instance, _ ids: [Int64]) async throws {
        let began = ContinuousClock.now
        var screen = Screen(began: began)
        var killed = !options.kill9
        while true {
            try await Task.sleep(for: .milliseconds(200))
            guard ContinuousClock.now - began < .seconds(300) else { throw DaemonUnderTest.NotRunning(description: "not over after five minutes") }
            let jobs = await gitlab.jobs
            let mine = ids.compactMap { jobs[$0] }
            let runners = try await daemon.runners()
            screen.show(runners, mine)
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

    /// Looks from outside at what is left.
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
        let peak = Screen.peak(mine.filter { $0.definition.stage == "build" })
        print("demo: \(peak) runners at once in the build stage")
        let started = await gitlab.registered
        print("demo: \(succeeded) jobs succeeded, \(mine.count - succeeded) failed, \(started) runners started, \(left.count) left behind")
        return succeeded == mine.count && left.isEmpty && peak >= 3
    }
}

/// Unbuffered, so that what happens is seen when it happens, in a pipe too.
func print(_ text: String, terminator: String = "\n") {
    FileHandle.standardOutput.write(Data((text + terminator).utf8))
}
