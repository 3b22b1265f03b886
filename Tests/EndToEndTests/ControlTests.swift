import ControlModel
import Foundation
import FakeGitLab
import HTTPTransfer
import TestBench
import Testing

/// autogitctl, the program, against a running daemon.
extension EndToEndTests {
    func ctl(_ rig: Rig, _ arguments: String...) async throws -> Ran {
        try await run(product("autogitctl"), arguments + ["--socket", "\(rig.daemon.directory)/control.sock"])
    }

    @Test func autogitctlShowsAndSteers() async throws {
        let rig = try await rig(hooks: false, cooldown: "5m")
        #expect(try await ctl(rig, "status").out.contains("runners  none"))
        #expect(try await ctl(rig, "runners").out == "no runners\n")
        let pools = try await ctl(rig, "pools", "--json")
        #expect(try JSONDecoder().decode([PoolView].self, from: Data(pools.out.utf8)).map(\.name) == ["p"])
        #expect(try await ctl(rig, "pause", "p").out == "pool p is paused\n")
        #expect(try await ctl(rig, "resume", "p").out == "pool p is open\n")
        for (arguments, code) in [(["runners", "nosuch"], 3), (["spawn", "nosuch"], 3), (["drain", "nosuch"], 3), (["jobs", "4711"], 3)] {
            let answer = try await ctl(rig, arguments[0], arguments[1])
            #expect(answer.code == code && answer.out.hasPrefix("autogitctl: there is no "), "\(answer)")
        }
        #expect(try await ctl(rig, "fly").code == 64)
        // A name with a path in it stays a name.
        #expect(try await ctl(rig, "drain", "../pools/p/pause").code == 3)

        let spawned = try await ctl(rig, "spawn", "p")
        #expect(spawned.code == 0 && spawned.out.hasPrefix("starting autogit-runner-"), "\(spawned)")
        #expect(await rig.gitlab.instance.wait(seconds: 30) { $0.runners.values.contains { $0.contactedAt != nil } })
        let id = try #require(try await rig.daemon.runners().first?.id)
        #expect(try await ctl(rig, "logs", id).out.lowercased().contains("polling for jobs"))
        #expect(try await ctl(rig, "runners", "autogit-runner-\(id)").out.contains("requested"))
        let removed = try await ctl(rig, "remove", id)
        #expect(removed.code == 0, "\(removed)")
        #expect(try await rig.daemon.isEmptied())
        // It failed in nothing, so nothing of it is kept.
        let none = try await ctl(rig, "logs", id)
        #expect(none.code == 3 && none.out.contains("it did not fail"), "\(none)")
        #expect(try await ctl(rig, "logs").out == "no log of a runner is kept\n")
        try await rig.end()
    }

    @Test func hooksAreInstalledOnceAndARefusalIsExplained() async throws {
        let rig = try await rig(hooks: false)
        await rig.gitlab.instance.setAllowsLocalHooks(false)
        let refused = try await ctl(rig, "hook", "install", "root/e2e")
        #expect(refused.code == 4 && refused.out.contains("Outbound requests"), "\(refused)")
        await rig.gitlab.instance.setAllowsLocalHooks(true)
        let installed = try await ctl(rig, "hook", "install", "root/e2e")
        #expect(installed.out.hasPrefix("installed hook") && installed.out.contains("to http://127.0.0.1:\(rig.daemon.port)/webhook/job"), "\(installed)")
        #expect(try await ctl(rig, "hook", "install", "root/e2e").out.hasPrefix("updated hook"))
        // It works: a job comes by it.
        try await runToTheEnd(rig)
        try await rig.end()
    }

    @Test func reconcileRemovesWhatIsOursAndNothingElse() async throws {
        let rig = try await rig(hooks: false)
        let instance = try await rig.daemon.get("/status", as: StatusView.self).instance
        func container(_ name: String, _ owner: String) async throws {
            let labels = #"{"autogit.instance":"\#(owner)","autogit.runner":"\#(name.suffix(8))"}"#
            let body = #"{"Image":"\#(TestEngine.busybox)","Entrypoint":["/bin/sleep"],"Cmd":["600"],"Labels":\#(labels),"HostConfig":{"NetworkMode":"host"}}"#
            _ = try await rig.engine.engine.create(name: name, body: Array(body.utf8))
            try await rig.engine.engine.start(name)
        }
        try await rig.engine.ensureBusybox()
        let other = "other\(UInt32.random(in: 0 ... .max))"
        try await container("autogit-runner-orphan22", instance)
        try await container("autogit-runner-foreign2", other)
        let dry = try await ctl(rig, "reconcile", "--dry-run")
        #expect(dry.out.contains("autogit-runner-orphan22") && !dry.out.contains("foreign2"), "\(dry)")
        #expect(try await rig.engine.containers(instance: instance).count == 1)
        #expect(try await ctl(rig, "reconcile").code == 0)
        #expect(try await rig.engine.containers(instance: instance).isEmpty)
        #expect(try await rig.engine.containers(instance: other).count == 1)
        #expect(try await ctl(rig, "reconcile").out == "everything is as it should be\n")
        await rig.engine.removeContainers(instance: other)
        try await rig.end()
    }

    @Test func reloadTakesOverPoolsAndRefusesErrors() async throws {
        let rig = try await rig(hooks: false)
        let path = "\(rig.daemon.directory)/autogit.toml"
        let good = try String(contentsOfFile: path, encoding: .utf8)
        try (good + "\n[[pool]]\nname = \"second\"\ntags = [\"y\"]\n").write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try await ctl(rig, "reload").out.contains("pools: p, second"))
        #expect(try await rig.daemon.get("/pools", as: [PoolView].self).map(\.name) == ["p", "second"])
        // An error, and a text that makes the parser end its process.
        for bad in ["\n[[pool]]\nname = 3\n", "\n[.x]\n"] {
            try (good + bad).write(toFile: path, atomically: true, encoding: .utf8)
            let refused = try await ctl(rig, "reload")
            #expect(refused.code == 1 && refused.out.contains("autogit.toml:"), "\(refused)")
            #expect(try await rig.daemon.get("/pools", as: [PoolView].self).count == 2)
        }
        try await rig.end()
    }

    @Test func evacuationTakesABusyRunnerAlongAndStartsNoOther() async throws {
        let rig = try await rig()
        try await rig.gitlab.instance.createPipeline(project: rig.project.id)
        #expect(await rig.gitlab.instance.wait(seconds: 30) { !$0.runners.isEmpty })
        #expect(try await ctl(rig, "evacuate").out == "no runners are left\n")
        #expect(await rig.gitlab.instance.runners.isEmpty)
        #expect(try await rig.daemon.runners().isEmpty)
        try await rig.end()
    }

    private static var docker: String? { ["/usr/bin/docker", "/usr/local/bin/docker"].first { FileManager.default.fileExists(atPath: $0) } }

    /// An operator's own look, with the plain Docker client on the same socket.
    @Test(.enabled(if: docker != nil, "this machine has no docker client, and bootstrap installs none for one test"))
    func dockerShowsTheRunnersWithTheirLimitsAndWithoutTheirToken() async throws {
        let rig = try await rig(pool: "cpus = 0.5\npids = 99")
        let docker = try #require(Self.docker)
        let here = ["DOCKER_HOST": "unix://\(rig.engine.socket)"]
        try await rig.gitlab.instance.createPipeline(project: rig.project.id)
        #expect(await rig.gitlab.instance.wait(seconds: 30) { $0.runners.values.contains { $0.contactedAt != nil } })
        let names = String(
            decoding: try await Command.run(docker, ["ps", "--filter", "name=autogit-runner", "--format", "{{.Names}}"], environment: here), as: UTF8.self)
        // Other tests have runners in the same engine.
        let name = try #require(try await rig.daemon.runners().first?.name)
        #expect(names.split(separator: "\n").contains(Substring(name)), "\(names)")
        let inspect = String(decoding: try await Command.run(docker, ["inspect", name], environment: here), as: UTF8.self)
        for line in [#""NanoCpus": 500000000"#, #""Memory": 268435456"#, #""PidsLimit": 99"#, #""autogit.pool": "p""#] { #expect(inspect.contains(line)) }
        let tokens = await rig.gitlab.instance.runners.values.map(\.token)
        #expect(!tokens.isEmpty && tokens.allSatisfy { !inspect.contains($0) } && !inspect.contains("glrt-"))
        #expect(await rig.gitlab.instance.wait(seconds: 30) { $0.runners.isEmpty })
        #expect(try await rig.daemon.isEmptied())
        try await rig.end()
    }
}
