import ControlModel
import FakeGitLab
import Foundation
import Glibc
import TestBench
import Testing

/// Several machines over ssh: an sshd in a network of its own and a Podman with containers of its own for each.
extension EndToEndTests {
    private static let isRoot = getuid() == 0

    /// One is cut off with jobs on it, lost, and back.
    @Test(.enabled(if: isRoot, "makes networks, as root"))
    func jobsSpreadOverThreeHostsAndGoOnWhileOneIsCutOff() async throws {
        try await TestEngine.shared.value.ensureRunnerImage(recipe: "\(Self.root)/scripts/runner-image")
        let directory = "/tmp/autogit-hosts-\(getpid())"
        let park = try await RemoteMachine.Park.start(["alpha", "beta", "gamma"], in: directory)
        do {
            try await cutOffOne(of: park, directory)
        } catch {
            await park.stop()
            throw error
        }
        await park.stop()
        try FileManager.default.removeItem(atPath: directory)
    }

    private func cutOffOne(of park: RemoteMachine.Park, _ directory: String) async throws {
        let hold = "\(directory)/hold"
        let gitlab = try await FakeGitLabServer.start(address: "127.0.0.1", directory: "\(directory)/gitlab")
        let token = "glpat-hosts-\(UInt64.random(in: 0 ... .max))"
        await gitlab.instance.add(AccessToken(secret: token, scopes: ["api"], isAdmin: true))
        // The machines share this one's files: a job waits until it is let go.
        let jobs = (1...6).map { "job\($0):\n  script: [\"until [ -e /hold/go ]; do sleep 0.2; done\"]\n  tags: [x]\n" }.joined()
        let project = try await gitlab.instance.addProject(path: "root/hosts", pipelineFile: jobs)
        let daemon = try DaemonUnderTest(
            program: product("autogitd"), directory: "\(directory)/daemon", gitlab: gitlab.url, token: token, engine: nil,
            settings: park.settings(memory: "512MiB") + """
                [[pool]]
                name = "p"
                tags = ["x"]
                image = "\(TestEngine.runner)"
                command = ["/usr/local/bin/autogit-python-runner"]
                network = "host"
                memory = "256MiB"
                max_runners = 6
                cooldown = "2s"
                mounts = ["\(hold):/hold"]
                """, environment: ["CREDENTIALS_DIRECTORY": park.credentials])
        try FileManager.default.createDirectory(atPath: hold, withIntermediateDirectories: true)
        try Data(park.knownHosts.utf8).write(to: URL(filePath: "\(daemon.directory)/known_hosts"))
        try await daemon.start()
        func hosts() async throws -> [String: HostView] {
            Dictionary(uniqueKeysWithValues: try await daemon.get("/hosts", as: [HostView].self).map { ($0.name, $0) })
        }
        func until(_ what: String, _ holds: () async throws -> Bool) async throws {
            let deadline = ContinuousClock.now + .seconds(300)
            while try await !holds() {
                guard ContinuousClock.now < deadline else { throw DaemonUnderTest.NotRunning(description: "not within five minutes: \(what)\n\(daemon.log)") }
                try await Task.sleep(for: .milliseconds(200))
            }
        }
        let beta = park.machines[1]
        let ids = try await gitlab.instance.createPipeline(project: project.id)
        #expect(
            try await daemon.hasRunners { runners in
                runners.count == 6 && runners.allSatisfy { $0.status == "busy" } && Set(runners.map(\.host)) == ["alpha", "beta", "gamma"]
            }, "\(daemon.log)")
        for machine in park.machines { #expect(try await machine.engine.containers(instance: instance(of: daemon)).count == 2, "\(machine.name)") }
        let known = try await hosts()["beta"]
        #expect(known?.architecture != nil && known?.status == "ok")

        try await beta.cutOff()
        try await until("beta is lost") { try await hosts()["beta"]?.status == "lost" }
        // Two of six don't count any more, so there is room for as many.
        try Data().write(to: URL(filePath: "\(hold)/go"))
        let isOver = await gitlab.instance.wait(seconds: 300) { gitlab in ids.allSatisfy { gitlab.jobs[$0]?.status == "success" } }
        #expect(isOver, "what runs on a host that is cut off goes on\n\(daemon.log)")
        let more = try await gitlab.instance.createPipeline(project: project.id)
        let areOver = await gitlab.instance.wait(seconds: 300) { gitlab in more.allSatisfy { gitlab.jobs[$0]?.status == "success" } }
        #expect(areOver, "\(daemon.log)")
        #expect(try await beta.engine.containers(instance: instance(of: daemon)).count == 2, "nobody could remove them")

        try await beta.mend()
        try await until("beta is back") { try await hosts()["beta"]?.status == "ok" }
        #expect(try await daemon.isEmptied(), "\(daemon.log)")
        let made = await gitlab.instance.registered
        #expect(made >= 6 && daemon.log.contains("A lost host is back"), "\(made) runners")
        let name = try await instance(of: daemon)
        await daemon.stop()
        for machine in park.machines { #expect(try await machine.engine.containers(instance: name).isEmpty, "\(machine.name)") }
        #expect(await gitlab.instance.runners.isEmpty)
        await gitlab.stop()
    }

    private func instance(of daemon: DaemonUnderTest) async throws -> String { try await daemon.get("/status", as: StatusView.self).instance }
}
