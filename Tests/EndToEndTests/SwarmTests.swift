import ControlModel
import FakeGitLab
import Foundation
import TestBench
import Testing

/// A real swarm of three nodes.
extension EndToEndTests {
    /// One loses its power with jobs on it, is lost, and comes back.
    @Test(.enabled(if: SwarmPark.isPossible, "makes networks as root, and needs docker.io and busybox-static"))
    func jobsSpreadOverASwarmAndOneOfItsNodesIsLost() async throws {
        let directory = "/tmp/autogit-swarm-\(getpid())"
        let park = try await SwarmPark.start(script: "\(Self.root)/Tests/System/swarm.py", in: "\(directory)/nodes")
        do {
            try await loseANode(of: park, directory)
        } catch {
            await park.stop()
            throw error
        }
        await park.stop()
        try FileManager.default.removeItem(atPath: directory)
    }

    private func loseANode(of park: SwarmPark, _ directory: String) async throws {
        for engine in park.engines {
            try await engine.ensureBusybox()
            try await engine.ensureRunnerImage(recipe: "\(Self.root)/scripts/runner-image")
        }
        let hold = "\(directory)/hold"
        try FileManager.default.createDirectory(atPath: hold, withIntermediateDirectories: true)
        let gitlab = try await FakeGitLabServer.start(address: "0.0.0.0", directory: "\(directory)/gitlab")
        let url = gitlab.url.replacing("127.0.0.1", with: park.gateway)
        await gitlab.instance.setURL(url)
        let token = "glpat-swarm-\(UInt64.random(in: 0 ... .max))"
        await gitlab.instance.add(AccessToken(secret: token, scopes: ["api"], isAdmin: true))
        // The nodes share this machine's files: a job waits until it is let go.
        let jobs = (1...6).map { "job\($0):\n  script: [\"until [ -e /hold/go ]; do sleep 0.2; done\"]\n  tags: [x]\n" }.joined()
        let project = try await gitlab.instance.addProject(path: "root/swarm", pipelineFile: jobs)
        let daemon = try DaemonUnderTest(
            program: product("autogitd"), directory: "\(directory)/daemon", gitlab: url, token: token, engine: nil,
            settings: park.settings + """
                [[pool]]
                name = "p"
                tags = ["x"]
                image = "\(TestEngine.runner)"
                command = ["/usr/local/bin/autogit-python-runner"]
                network = "host"
                memory = "256MiB"
                cpus = 0.5
                max_runners = 6
                cooldown = "2s"
                mounts = ["\(hold):/hold"]

                [[pool]]
                name = "images"
                tags = ["y"]
                image = "\(TestEngine.runner)"
                command = ["/usr/local/bin/autogit-test-runner", "run", "--config", "/run/autogit/config.toml"]
                executor = "docker"
                network = "host"
                memory = "64MiB"
                cpus = 0.5
                cooldown = "2s"
                [pool.docker]
                image = "\(TestEngine.busybox)"
                helper_image = "\(TestEngine.runner)"
                """)
        try await daemon.start()
        func host() async throws -> HostView? { try await daemon.get("/hosts", as: [HostView].self).first { $0.name == "swarm" } }
        func until(_ what: String, _ holds: () async throws -> Bool) async throws {
            let deadline = ContinuousClock.now + .seconds(300)
            while try await !holds() {
                guard ContinuousClock.now < deadline else { throw DaemonUnderTest.NotRunning(description: "not within five minutes: \(what)\n\(daemon.log)") }
                try await Task.sleep(for: .milliseconds(200))
            }
        }
        try await aJobInItsOwnImage(on: park, gitlab, daemon)
        try await aRunnerIsKilledInItsJob(on: park, gitlab, daemon)

        let ids = try await gitlab.instance.createPipeline(project: project.id)
        #expect(try await daemon.hasRunners { runners in runners.count == 6 && runners.allSatisfy { $0.status == "busy" } }, "\(daemon.log)")
        let known = try await host()
        #expect(known?.status == "ok" && known?.engine?.hasPrefix("Docker Swarm") == true && known?.nodes?.map(\.status) == ["ready", "ready", "ready"])
        // A swarm spreads by the number of tasks.
        for engine in park.engines { #expect(try await tasks(on: engine) == 2) }
        #expect(try await park.engines[0].inspectsNoSecret("glrt-"), "a token is to be seen in what the swarm tells")

        try await park.powerOff(3)
        try await until("its jobs' runners are given up") { try await daemon.runners().count { $0.status == "busy" } == 4 }
        try Data().write(to: URL(filePath: "\(hold)/go"))
        let areOver = await gitlab.instance.wait(seconds: 300) { gitlab in ids.count { gitlab.jobs[$0]?.status == "success" } == 4 }
        #expect(areOver, "what runs on the other nodes goes on\n\(daemon.log)")
        let more = try await gitlab.instance.createPipeline(project: project.id)
        let moreAreOver = await gitlab.instance.wait(seconds: 300) { gitlab in more.allSatisfy { gitlab.jobs[$0]?.status == "success" } }
        #expect(moreAreOver, "two nodes do the work of three\n\(daemon.log)")

        #expect(try await daemon.isEmptied(), "\(daemon.log)")
        try await park.powerOn(3)
        try await until("nothing of ours is on the node that was away") { try await tasks(on: park.engines[2]) == 0 }
        await daemon.stop()
        for path in ["/services", "/secrets", "/tasks"] {
            #expect(try await park.engines[0].engine.call("GET", path).text.trimmingCharacters(in: .whitespacesAndNewlines) == "[]", "\(path) are left")
        }
        #expect(await gitlab.instance.runners.isEmpty)
        await gitlab.stop()
    }

    /// Its runner has the node's own engine make it.
    private func aJobInItsOwnImage(on park: SwarmPark, _ gitlab: FakeGitLabServer, _ daemon: DaemonUnderTest) async throws {
        let file = "own:\n  image: \(TestEngine.busybox)\n  script: [\"test ! -e /etc/os-release\", \"echo in its own image\"]\n  tags: [y]\n"
        let project = try await gitlab.instance.addProject(path: "root/images", pipelineFile: file)
        let ids = try await gitlab.instance.createPipeline(project: project.id)
        let isOver = await gitlab.instance.wait(seconds: 300) { gitlab in ids.allSatisfy { gitlab.jobs[$0]?.isOver == true } }
        let job = await gitlab.instance.jobs[ids[0]]
        #expect(isOver && job?.status == "success" && job?.traceText.contains("in its own image") == true, "\(job?.traceText ?? "")\n\(daemon.log)")
        #expect(try await daemon.isEmptied(), "\(daemon.log)")
        for engine in park.engines { #expect(try await engine.madeForJobs() == []) }
    }

    /// A manager does not see what it leaves on its node.
    private func aRunnerIsKilledInItsJob(on park: SwarmPark, _ gitlab: FakeGitLabServer, _ daemon: DaemonUnderTest) async throws {
        let file = "left:\n  image: \(TestEngine.busybox)\n  script: [\"echo begun\", \"sleep 3600\"]\n  tags: [y]\n"
        let project = try await gitlab.instance.addProject(path: "root/left", pipelineFile: file)
        let ids = try await gitlab.instance.createPipeline(project: project.id)
        let hasBegun = await gitlab.instance.wait(seconds: 300) { gitlab in gitlab.jobs[ids[0]]?.traceText.contains("begun") == true }
        #expect(hasBegun, "\(daemon.log)")
        var killed = 0
        for engine in park.engines {
            for runner in try await engine.engine.containers(labels: ["autogit.swarm.runner"]) {
                _ = try await engine.engine.call("POST", "/containers/\(runner.Id)/kill")
                killed += 1
                #expect(try await engine.madeForJobs() != [], "the job has a container on its runner's node")
            }
        }
        #expect(killed == 1)
        #expect(try await daemon.isEmptied(), "\(daemon.log)")
        for engine in park.engines { #expect(try await engine.madeForJobs() == [], "\(daemon.log)") }
        #expect(!daemon.log.contains("left on a node can't be removed"), "\(daemon.log)")
    }

    private func tasks(on engine: TestEngine) async throws -> Int {
        try await engine.engine.containers(labels: ["com.docker.swarm.service.name"]).count
    }
}

extension TestEngine {
    /// Whether a text is in nothing that a swarm's manager tells of it.
    fileprivate func inspectsNoSecret(_ text: String) async throws -> Bool {
        for path in ["/services", "/secrets", "/tasks", "/containers/json?all=true"] {
            if try await engine.call("GET", path).text.contains(text) { return false }
        }
        return true
    }
}
