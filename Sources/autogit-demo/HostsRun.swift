import ControlModel
import FakeGitLab
import Foundation
import TestBench

/// Three machines over ssh, as they fill, and one of them lost and back.
struct HostsRun {
    let options: Demo
    private let directory = "/tmp/autogit-demo-\(getpid())"
    private static let names = ["attic", "cellar", "desk"]
    private static let patience = Duration.seconds(600)

    init(_ options: Demo) { self.options = options }

    func run() async throws -> Bool {
        guard getuid() == 0 else { throw DaemonUnderTest.NotRunning(description: "it makes networks for three machines, as root only") }
        print("demo: preparing the runner's image (a minute the first time)")
        let first = try await TestEngine.start()
        do { try await first.ensureRunnerImage(recipe: "\(options.recipes)/runner-image") } catch {
            await first.stop()
            throw error
        }
        print("demo: starting three machines: for each an sshd in a network of its own, and a Podman with containers of its own")
        let park: RemoteMachine.Park
        do { park = try await RemoteMachine.Park.start(Self.names, in: directory) } catch {
            await first.stop()
            throw error
        }
        var passed = false
        var trouble: (any Error)?
        do { passed = try await run(on: park) } catch { trouble = error }
        // Not in this task, which may be cancelled: cleaning up must run to its end.
        await Task.detached {
            await park.stop()
            await first.stop()
        }.value
        if passed || Task.isCancelled, !options.keep { try? FileManager.default.removeItem(atPath: directory) }
        if let trouble { throw trouble }
        return passed
    }

    private func run(on park: RemoteMachine.Park) async throws -> Bool {
        let gitlab = try await FakeGitLabServer.start(address: "127.0.0.1", directory: "\(directory)/gitlab")
        let token = "glpat-demo-\(UInt64.random(in: 0 ... .max))"
        await gitlab.instance.add(AccessToken(secret: token, scopes: ["api"], isAdmin: true))
        let daemon = try DaemonUnderTest(
            program: options.daemon, directory: "\(directory)/autogit", gitlab: gitlab.url, token: token, engine: nil, settings: settings(park),
            environment: ["CREDENTIALS_DIRECTORY": park.credentials])
        var instance = ""
        do {
            try Data(park.knownHosts.utf8).write(to: URL(filePath: "\(daemon.directory)/known_hosts"))
            try await daemon.start()
            instance = try await daemon.get("/status", as: StatusView.self).instance
            print("demo: GitLab (simulated) at \(gitlab.url), AutoGit at \(daemon.url), and in its configuration:")
            for machine in park.machines { print("demo:     [[host]] name = \"\(machine.name)\", engine = \"\(machine.address)\"") }
            let succeeded = try await watch(daemon, gitlab, park)
            await daemon.stop()
            let left = try await left(park, instance) + gitlab.instance.runners.values.map(\.description)
            let started = await gitlab.instance.registered
            print("demo: \(succeeded.good) jobs succeeded, \(succeeded.bad) failed, \(started) runners started, \(left.count) left behind \(left)")
            await gitlab.stop()
            return succeeded.bad == 0 && left.isEmpty
        } catch {
            await daemon.stop()
            await Task.detached { [instance] in
                for machine in park.machines where !instance.isEmpty { await machine.engine.removeContainers(instance: instance) }
                await gitlab.stop()
            }.value
            if !Task.isCancelled { print("demo: the daemon's log is \(daemon.logPath)") }
            throw error
        }
    }

    private func settings(_ park: RemoteMachine.Park) -> String {
        park.settings(memory: "512MiB") + """
            [[pool]]
            name = "p"
            tags = ["x"]
            image = "\(TestEngine.runner)"
            command = ["/usr/local/bin/autogit-python-runner"]
            network = "host"
            memory = "256MiB"
            max_runners = 6
            cooldown = "\(options.cooldown)"
            """
    }

    private func left(_ park: RemoteMachine.Park, _ instance: String) async throws -> [String] {
        var left: [String] = []
        for machine in park.machines {
            left += try await machine.engine.containers(instance: instance).map { "\($0) on \(machine.name)" }
            await machine.engine.removeContainers(instance: instance)
        }
        return left
    }

    /// The jobs' results, once all is over.
    private func watch(_ daemon: DaemonUnderTest, _ gitlab: FakeGitLabServer, _ park: RemoteMachine.Park) async throws -> (good: Int, bad: Int) {
        let project = try await gitlab.instance.addProject(
            path: "root/hosts", pipelineFile: (1...9).map { "job\($0):\n  script: [\"sleep \($0 > 6 ? 5 : 90)\"]\n  tags: [x]\n" }.joined())
        _ = await gitlab.instance.addHook(project: project.id, url: "\(daemon.url)/webhook/job", secret: daemon.webhookSecret)
        let ids = try await gitlab.instance.createPipeline(project: project.id)
        let lost = park.machines[1]
        let began = ContinuousClock.now
        var screen = HostsScreen(began: began)
        var stage = 0
        while true {
            try await Task.sleep(for: .milliseconds(200))
            guard ContinuousClock.now - began < Self.patience else { throw DaemonUnderTest.NotRunning(description: "not over after ten minutes") }
            let hosts = try await daemon.get("/hosts", as: [HostView].self)
            let runners = try await daemon.runners()
            let all = await gitlab.instance.jobs
            let jobs = ids.compactMap { all[$0] }
            screen.show(hosts, runners, jobs)
            let view = hosts.first { $0.name == lost.name }
            switch stage {
            case 0 where runners.count { $0.status == "busy" } == 6:
                screen.say("== the cable of \(lost.name) is pulled: its jobs go on, and nobody can look at them")
                try await lost.cutOff()
                stage = 1
            case 1 where view?.status == "lost" && jobs.allSatisfy(\.isOver):
                screen.say("== the cable is plugged in again")
                try await lost.mend()
                stage = 2
            case 2 where runners.isEmpty && jobs.allSatisfy(\.isOver) && view?.status == "ok":
                screen.finish()
                let good = jobs.count { $0.status == "success" }
                return (good, jobs.count - good)
            default: break
            }
        }
    }
}

/// A row for each machine, drawn again where there is a terminal, and a line for each change elsewhere.
private struct HostsScreen {
    private let began: ContinuousClock.Instant
    private let isTerminal = isatty(1) == 1
    private var shown: [String: String] = [:]
    private var drawn = 0

    init(began: ContinuousClock.Instant) { self.began = began }

    mutating func say(_ text: String) {
        erase()
        print("\(String(format: "%6.1fs", (ContinuousClock.now - began) / .seconds(1)))  \(text)")
    }

    mutating func finish() { erase() }

    private mutating func erase() {
        if drawn > 0 { print("\u{1B}[\(drawn)A\u{1B}[J", terminator: "") }
        drawn = 0
    }

    mutating func show(_ hosts: [HostView], _ runners: [RunnerView], _ jobs: [FakeJob]) {
        let waiting = jobs.count { $0.status == "pending" }
        let over = jobs.count(where: \.isOver)
        var rows = hosts.map { host in
            let there = runners.filter { $0.host == host.name }
            let boxes = there.map { runner in jobs.first { $0.id == runner.current_job }?.definition.name ?? runner.status }.sorted().joined(separator: "  ")
            return (
                host.name,
                "\(host.name.padding(toLength: 8, withPad: " ", startingAt: 0))\((host.status ?? "").padding(toLength: 9, withPad: " ", startingAt: 0))\(boxes)"
            )
        }
        rows.append(("jobs", "jobs    \(waiting) waiting, \(jobs.count - waiting - over) running, \(over) over"))
        guard isTerminal else {
            for (name, row) in rows where shown[name] != row {
                shown[name] = row
                say(row)
            }
            return
        }
        erase()
        for (_, row) in rows { print("         \(row)") }
        drawn = rows.count
    }
}
