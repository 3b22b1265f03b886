import ContainerDriver
import Fleet
import Foundation
import HTTPTransfer
import Logging
import RunnerConfiguration
import Synchronization
import TestBench
import Testing

@testable import SwarmDriver

@Suite struct SwarmDriverTests {
    private let double: SwarmDouble
    private let engine: Engine
    private let instance = "i1"

    init() throws {
        double = try SwarmDouble()
        engine = Engine(socket: double.socket, http: HTTPClient())
    }

    private func driver(_ clock: LeapingClock = LeapingClock(), logins: [RegistryLogin] = [], log: Logger = Logger(label: "swarm")) -> SwarmDriver {
        SwarmDriver(
            engine: engine, socket: "/run/docker.sock", instance: instance, registries: RegistryAccess(logins), lostAfter: .seconds(600), clock: clock,
            log: log)
    }

    private func spec(_ id: String = "r1", _ change: (inout Pool) -> Void = { _ in }) -> RunnerSpec {
        var pool = Pool(name: "p")
        change(&pool)
        return RunnerSpec(runner: id, instance: instance, pool: pool, equipment: Equipment(architecture: .arm64))
    }

    private let credentials = RunnerCredentials(RunnerAccess(url: "http://gitlab.test"), token: Secret("glrt-very-secret"))

    private func launch(_ driver: SwarmDriver, _ spec: RunnerSpec) async throws {
        _ = try await driver.create(spec)
        try await driver.start(spec, credentials: credentials)
    }

    @Test func aRunnersServiceHasNoTaskBeforeItIsStartedAndThenOne() async throws {
        let driver = driver()
        let spec = spec()
        let id = try await driver.create(spec)
        #expect(double.placedTasks == 0)
        #expect(try await driver.list() == [DriverObject(id: id, runner: "r1", running: true, started: false, exitCode: nil)])
        try await driver.start(spec, credentials: credentials)
        #expect(double.placedTasks == 1)
        #expect(try await driver.list() == [DriverObject(id: id, runner: "r1", running: true, started: true, exitCode: nil)])
    }

    @Test func itsFilesAreSecretsOfTheSwarmAndNothingElseHoldsTheToken() async throws {
        let driver = driver(logins: [RegistryLogin(registry: "registry.test", username: "me", password: Secret("pass-word"))])
        try await launch(driver, spec())
        let name = Runner.name(of: "r1")
        #expect(try double.file("/run/autogit/token", of: name) == "glrt-very-secret\n")
        #expect(try double.file("/run/autogit/config.toml", of: name)?.contains("glrt-very-secret") == true)
        #expect(try double.file("/root/.docker/config.json", of: name)?.contains("registry.test") == true)
        let body = double.body(name)
        #expect(!body.contains("very-secret") && !body.contains("pass-word"))
        // One each: of one that is there twice only the last's mode counts.
        let ids = body.matches(of: /"SecretID":"([^"]*)"/).map { String($0.1) }
        #expect(ids.count == 6 && Set(ids).count == ids.count, "\(body)")
    }

    @Test func theServiceHasThePoolsLimitsAndNeverASecondTask() throws {
        var pool = Pool(name: "p")
        pool.memory = 1 << 30
        pool.cpus = 1.5
        pool.configuredExecutor = .shell
        pool.mounts = ["/srv/data:/data:ro", "vol:/more"]
        pool.network = "host"
        let gpu = GPU(id: "UUID-n1", vendor: .nvidia, name: "NVIDIA-GPU")
        let service = ServiceSpec(
            RunnerSpec(runner: "r1", instance: "i1", pool: pool, equipment: Equipment(architecture: .amd64), gpus: [gpu]), socket: "/run/docker.sock")
        #expect(service.TaskTemplate.RestartPolicy.Condition == "none" && service.Mode.Replicated.Replicas == 0)
        #expect(service.TaskTemplate.Resources.Limits == .init(NanoCPUs: 1_500_000_000, MemoryBytes: 1 << 30, Pids: 2048))
        #expect(service.TaskTemplate.Resources.Reservations.MemoryBytes == 1 << 30)
        #expect(
            service.TaskTemplate.Resources.Reservations.GenericResources == [.init(DiscreteResourceSpec: .init(Kind: "NVIDIA-GPU", Value: 1))])
        let container = service.TaskTemplate.ContainerSpec
        #expect(container.StopSignal == "SIGQUIT" && container.StopGracePeriod == 3600 * 1_000_000_000)
        #expect(container.CapabilityDrop == ["ALL"] && container.Privileges?.NoNewPrivileges == true)
        let mounts = container.Mounts ?? []
        #expect(mounts.map(\.Type) == ["volume", "bind", "volume"] && mounts.map(\.ReadOnly) == [nil, true, nil], "\(mounts)")
        #expect(service.TaskTemplate.Networks == [.init(Target: "host")])
        let platforms = service.TaskTemplate.Placement?.Platforms?.map(\.Architecture) ?? []
        #expect(platforms.contains("amd64") && platforms.contains("x86_64") && !platforms.contains("arm64"))
        // A node may be a host of its own, whose driver lists by these.
        #expect(container.Labels?.keys.contains(ContainerDriver.runnerLabel) == false)
    }

    @Test func aRunnerOfTheDockerExecutorHasTheNodesSocket() throws {
        let container = ServiceSpec(spec(), socket: "/run/docker.sock").TaskTemplate.ContainerSpec
        #expect(container.Mounts == [.init(Type: "bind", Source: "/run/docker.sock", Target: "/run/engine/docker.sock")])
        #expect(container.User == "0:0" && container.Env?.contains("DOCKER_HOST=unix:///run/engine/docker.sock") == true)
    }

    @Test func aRegistrysLoginGoesToTheNodes() async throws {
        let driver = driver(logins: [RegistryLogin(registry: "registry.test", username: "me", password: Secret("pass-word"))])
        try await launch(driver, spec { $0.image = "registry.test/a/b:1" })
        #expect(double.logins.count == 2, "with the creation and with the start: \(double.logins)")
    }

    // MARK: Starts that fail

    @Test func noNodeForItIsToldAfterAWhile() async throws {
        double.setFate(.waits("no suitable node (insufficient resources on 2 nodes)"))
        let clock = LeapingClock()
        let began = clock.now()
        let driver = driver(clock)
        let error = await #expect(throws: EngineError.self) { try await launch(driver, spec()) }
        #expect(error?.message == "the swarm has no node for it: no suitable node (insufficient resources on 2 nodes)" && error?.isOutage == false)
        let waited = clock.now().milliseconds - began.milliseconds
        #expect((20_000...25_000).contains(waited), "\(waited)")
        #expect(try await driver.list().map(\.running) == [false], "it does not start when there is a node")
    }

    @Test func aNodeThatCannotRunItIsNamed() async throws {
        double.setFate(.rejected("No such image: nowhere:1"))
        let error = await #expect(throws: EngineError.self) { try await launch(driver(), spec()) }
        #expect(error?.message == "the node host-n2 could not run it: No such image: nowhere:1" && error?.isOutage == false)
    }

    @Test func aLongFetchIsAPullAndEndsInTime() async throws {
        double.setFate(.prepares)
        let seen = Mutex<[Pull]>([])
        let driver = Mutex<SwarmDriver?>(nil)
        let clock = LeapingClock { _ in
            let pulls = driver.withLock { $0 }?.pulls() ?? []
            seen.withLock { $0 = pulls }
        }
        let swarm = self.driver(clock)
        driver.withLock { $0 = swarm }
        let error = await #expect(throws: EngineError.self) { try await launch(swarm, spec()) }
        #expect(error?.message.contains("docker service ps autogit-runner-r1") == true)
        #expect(seen.withLock { $0 } == [Pull(image: "docker.io/gitlab/gitlab-runner:alpine", received: 0, total: nil)])
        #expect(swarm.pulls().isEmpty)
        driver.withLock { $0 = nil }
    }

    @Test func somebodyElsesChangeIsNotOverruled() async throws {
        double.conflict(3)
        try await launch(driver(), spec())
        #expect(double.placedTasks == 1)
    }

    @Test func changesWithoutEndAreAnError() async throws {
        let driver = driver()
        let spec = spec()
        _ = try await driver.create(spec)
        double.conflict(100)
        await #expect(throws: EngineError.self) { try await driver.start(spec, credentials: credentials) }
        #expect(double.placedTasks == 0)
    }

    @Test func aServiceThatIsGoneIsNotStarted() async throws {
        let driver = driver()
        let spec = spec()
        _ = try await driver.create(spec)
        try await driver.remove(Remains("r1"))
        let error = await #expect(throws: EngineError.self) { try await driver.start(spec, credentials: credentials) }
        #expect(error?.status == 404)
        // What the start left is found, and removed.
        #expect(try await driver.list().map(\.runner) == ["r1"])
        try await driver.remove(Remains("r1"))
        #expect(double.secretCount == 0)
    }

    // MARK: Ends

    @Test func aStopKeepsTheExitCode() async throws {
        let driver = driver()
        try await launch(driver, spec())
        try await driver.signal("r1", "SIGQUIT")
        try await driver.signal("r1", "SIGQUIT")
        let object = try #require(try await driver.list().first)
        #expect(!object.running && object.exitCode == 3)
        #expect(double.placedTasks == 1, "the one that a stop leaves in its place never runs")
        #expect(double.calls.count { $0.hasSuffix("/update") } == 2)
    }

    @Test func aStopBeforeAnyNodeTookItEndsIt() async throws {
        double.setFate(.waits("no suitable node (insufficient resources on 2 nodes)"))
        let stopper = driver()
        let (asked, ask) = AsyncStream.makeStream(of: Void.self)
        // Somebody else stops it while the start waits for a node.
        let clock = LeapingClock { if $0 == 5 { ask.yield() } }
        let stop = Task {
            for await _ in asked { return try await stopper.signal("r1", "SIGQUIT") }
        }
        _ = try? await launch(driver(clock), spec())
        try await stop.value
        #expect(try await stopper.list().map(\.running) == [false])
        #expect(double.placedTasks == 0)
    }

    @Test func anotherSignalIsRefusedAndNobodysIsNoError() async throws {
        let driver = driver()
        try await launch(driver, spec())
        let error = await #expect(throws: EngineError.self) { try await driver.signal("r1", "SIGTERM") }
        #expect(error?.message.contains("SIGQUIT") == true)
        try await driver.signal("unknown", "SIGTERM")
    }

    @Test func aRemovalWaitsForItsTaskAndTakesItsSecrets() async throws {
        double.setStopsAtOnce(false)
        let clock = LeapingClock { [double] in if $0 == 5 { double.move(to: "shutdown", code: 0) } }
        let driver = driver(clock)
        try await launch(driver, spec())
        #expect(double.secretCount > 0)
        try await driver.remove(Remains("r1"))
        #expect(double.secretCount == 0 && double.serviceCount == 0)
        #expect(try await driver.list().isEmpty)
        try await driver.remove(Remains("r1"))
    }

    @Test func whatAnotherAutoGitHasIsNeverTouched() async throws {
        try await launch(driver(), spec())
        let other = SwarmDriver(
            engine: engine, socket: "/run/docker.sock", instance: "i2", lostAfter: nil, clock: LeapingClock(), log: Logger(label: "swarm"))
        #expect(try await other.list().isEmpty)
        try await other.signal("r1", "SIGQUIT")
        try await other.remove(Remains("r1"))
        #expect(double.serviceCount == 1 && double.secretCount > 0)
        #expect(try await driver().list().map(\.running) == [true])
    }

    @Test func aTaskThatTakesItsTimeIsStillThere() async throws {
        double.setStopsAtOnce(false)
        let driver = driver()
        try await launch(driver, spec())
        let error = await #expect(throws: EngineError.self) { try await driver.remove(Remains("r1")) }
        #expect(error?.message.contains("stop_timeout") == true && error?.isOutage == false)
        let object = try #require(try await driver.list().first)
        #expect(object.runner == "r1" && object.running && object.started)
        double.move(to: "shutdown", code: 0)
        try await driver.remove(Remains("r1"))
        #expect(try await driver.list().isEmpty)
    }

    @Test func aTaskOnANodeThatIsAwayIsNotWaitedForWhenItIsRemoved() async throws {
        double.setStopsAtOnce(false)
        let driver = driver()
        try await launch(driver, spec())
        double.setNode("n1", "down")
        try await driver.remove(Remains("r1"))
    }

    // MARK: What jobs leave on nodes

    private func inMidJob(_ driver: SwarmDriver) async throws {
        try await launch(driver, spec { $0.configuredExecutor = .docker })
        double.move(to: "failed", code: 137)
    }

    @Test func whatAKilledRunnersJobLeftIsRemovedOnItsNode() async throws {
        let driver = driver()
        try await inMidJob(driver)
        try await driver.remove(Remains("r1", shortToken: "abcdefghi"))
        let creation = double.bodies.first { $0.contains("autogit.swarm.sweep") } ?? ""
        #expect(creation.contains("node.id==n1") && creation.contains("autogit.job.runner=r1") && creation.contains("SHORT_TOKEN=abcdefghi"))
        #expect(!creation.contains("\"Secrets\"") && creation.contains(#""Replicas":0"#), "it waits until the runner is gone")
        // The runner's service goes before its node is swept, or it could make more.
        let calls = double.calls
        let removal = try #require(calls.firstIndex(of: "DELETE /services/autogit-runner-r1"))
        let release = try #require(calls.lastIndex { $0.hasSuffix("/update") })
        #expect(removal < release)
        #expect(double.serviceCount == 0)
        #expect(try await driver.list().isEmpty)
    }

    @Test(arguments: [Executor.docker, .shell])
    func aRunnerThatLeavesNothingIsNotSweptAfter(_ executor: Executor) async throws {
        let driver = driver()
        try await launch(driver, spec { $0.configuredExecutor = executor })
        double.move(to: executor == .docker ? "complete" : "failed", code: executor == .docker ? 0 : 137)
        try await driver.remove(Remains("r1"))
        #expect(double.calls.count { $0 == "POST /services/create" } == 1)
    }

    /// The sweep waits in the swarm, whatever becomes of AutoGit meanwhile.
    @Test func aNodeThatIsAwayIsSweptWhenItIsBack() async throws {
        try await inMidJob(driver())
        double.setNode("n1", "down")
        try await driver().remove(Remains("r1"))
        #expect(double.serviceCount == 1)
        #expect(try await driver().list().isEmpty, "nobody can do anything about it now")
        double.setNode("n1", "ready")
        double.setDrained("n1", true)
        #expect(try await driver().list().isEmpty)
        double.setDrained("n1", false)
        #expect(try await driver().list().map(\.runner) == ["r1"])
        try await driver().remove(Remains("r1"))
        #expect(double.serviceCount == 0)
    }

    @Test func aNodeThatWasTakenOutIsNotSwept() async throws {
        try await inMidJob(driver())
        double.setNode("n1", "down")
        try await driver().remove(Remains("r1"))
        double.setNode("n1", nil)
        #expect(try await driver().list().map(\.runner) == ["r1"])
        try await driver().remove(Remains("r1"))
        #expect(double.serviceCount == 0 && double.placedTasks == 0)
    }

    @Test func aSweepThatTakesItsTimeIsLookedAtAgain() async throws {
        try await inMidJob(driver())
        double.setSweepCode(nil)
        let error = await #expect(throws: EngineError.self) { try await driver().remove(Remains("r1")) }
        #expect(error?.isOutage == false && error?.message.contains("host-n1") == true)
        double.move(to: "complete", code: 0)
        try await driver().remove(Remains("r1"))
        #expect(double.serviceCount == 0)
    }

    @Test func aSweepThatFailsIsToldOfOnceWithTheNextStep() async throws {
        let lines = LogBook()
        let driver = driver(log: lines.logger)
        try await inMidJob(driver)
        double.setSweepCode(1)
        try await driver.remove(Remains("r1"))
        #expect(double.serviceCount == 0)
        let told = lines.lines.map { "\($0)" }
        #expect(told.count == 1 && ["host-n1", "autogit.job.runner=r1", "hello"].allSatisfy(told[0].contains), "\(told)")
    }

    /// dash and busybox, as images have them, with a curl that answers as an engine does.
    @Test(arguments: ["/bin/dash", "/bin/bash"])
    func theSweepsScriptRemovesWhatIsTheRunners(_ shell: String) async throws {
        let service = ServiceSpec(spec { $0.configuredExecutor = .docker }, socket: "/run/docker.sock")
        let sweep = NodeSweep.spec(after: service, on: "n1", Remains("r1", shortToken: "abcdefghi"), instance: "i1").TaskTemplate.ContainerSpec
        let folder = FileManager.default.temporaryDirectory.appending(path: "autogit-sweep-\(UInt32.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data(Self.fakeCurl.utf8).write(to: folder.appending(path: "curl"))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.appending(path: "curl").path)
        let process = Process()
        process.executableURL = URL(filePath: shell)
        process.arguments = Array(try #require(sweep.Command).dropFirst())
        var environment = ["PATH": "\(folder.path):/usr/bin:/bin", "CALLS": folder.appending(path: "calls").path]
        for pair in sweep.Env ?? [] { environment[String(pair.prefix { $0 != "=" })] = String(pair.drop { $0 != "=" }.dropFirst()) }
        process.environment = environment
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        let calls = try String(contentsOf: folder.appending(path: "calls"), encoding: .utf8)
        let removals = calls.split(separator: "\n").filter { $0.contains("DELETE") }.compactMap { $0.split(separator: " ").last.map(String.init) }
        #expect(
            removals == [
                "http://engine/containers/c1?force=1&v=1", "http://engine/containers/c2?force=1&v=1", "http://engine/containers/c1?force=1&v=1",
                "http://engine/containers/c2?force=1&v=1", "http://engine/networks/n9", "http://engine/volumes/cache-1",
            ])
        #expect(calls.contains(#"filters={"label":["autogit.job.instance=i1","autogit.job.runner=r1"]}"#), "\(calls)")
        #expect(calls.contains(#"filters={"label":["com.gitlab.gitlab-runner.runner.id=abcdefghi"]}"#))
        #expect(calls.contains("--unix-socket \(SocketMount.path(of: "/run/docker.sock", in: ContainerDriver.socketDirectory)) "))
    }

    private static let fakeCurl = #"""
        #!/bin/sh
        echo "$@" >>"$CALLS"
        case "$*" in
        *DELETE*) printf 204 ;;
        */containers/json) echo '[{"Id":"c1","ImageID":"sha256:1","Mounts":[{"Name":"v"}]},{"Id":"c2","ImageID":"sha256:2"}]' ;;
        */networks) echo '[{"Name":"x","Id":"n9"}]' ;;
        */volumes) echo '{"Volumes":[{"Name":"cache-1","Driver":"local"}]}' ;;
        esac
        """#

    @Test func aNodeThatIsAwayForLongHasLostItsRunners() async throws {
        let clock = LeapingClock()
        let driver = driver(clock)
        try await launch(driver, spec())
        double.setNode("n1", "down")
        #expect(try await driver.list().first?.running == true, "away is not gone")
        try await clock.sleep(for: .seconds(599))
        #expect(try await driver.list().first?.running == true)
        double.setNode("n1", "ready")
        #expect(try await driver.list().first?.running == true)
        double.setNode("n1", "down")
        _ = try await driver.list()
        try await clock.sleep(for: .seconds(600))
        let object = try #require(try await driver.list().first)
        #expect(!object.running && object.exitCode == nil)
    }

    @Test func aNodeThatWasTakenOutOfTheSwarmDoesNotComeBack() async throws {
        let driver = driver()
        try await launch(driver, spec())
        double.setNode("n1", nil)
        #expect(try await driver.list().first?.running == false)
    }

    /// As docs/swarm.md has them.
    @Test(
        arguments: [
            ("running", 0, 17, nil, SwarmTask.Outcome.running), ("running", -1, 17, nil, .running), ("complete", 0, 0, nil, .ended(0)),
            ("failed", 137, 0, "task: non-zero exit (137)", .ended(137)), ("failed", 0, 99, "No such container: x", .ended(nil)),
            ("failed", 0, 0, "No such container: x", .ended(nil)), ("failed", 0, 0, nil, .ended(nil)), ("shutdown", 7, 0, nil, .ended(7)),
            ("shutdown", -1, 55, nil, .ended(nil)), ("orphaned", nil, nil, nil, .ended(nil)), ("rejected", nil, nil, "No such image: x", .ended(nil)),
            ("pending", nil, nil, "no suitable node", .waiting("no suitable node")), ("preparing", nil, nil, "", .waiting(nil)),
        ] as [(String, Int?, Int?, String?, SwarmTask.Outcome)])
    func whatIsKnownOfATask(state: String, code: Int?, pid: Int?, error: String?, outcome: SwarmTask.Outcome) throws {
        var status: [String: Any] = ["State": state]
        status["Err"] = error
        if let code, let pid { status["ContainerStatus"] = ["ExitCode": code, "PID": pid] }
        let json = try JSONSerialization.data(withJSONObject: ["ID": "t", "NodeID": "n", "Status": status])
        #expect(try JSONDecoder().decode(SwarmTask.self, from: json).outcome(isLost: false) == outcome)
    }

    // MARK: Looking

    @Test func endsAreToldOnce() throws {
        func tasks(_ states: [String]) throws -> [SwarmTask] {
            try states.enumerated().map { index, state in
                let json =
                    #"{"ID":"t\#(index)","NodeID":"n","Status":{"State":"\#(state)","ContainerStatus":{"PID":0,"ExitCode":1}},"#
                    + #""Spec":{"ContainerSpec":{"Labels":{"autogit.swarm.runner":"r\#(index)"}}}}"#
                return try JSONDecoder().decode(SwarmTask.self, from: Data(json.utf8))
            }
        }
        var seen = TasksSeen()
        #expect(seen.failed("a") == [.disconnected("a")])
        #expect(seen.failed("b") == [])
        #expect(seen.saw(try tasks(["complete", "running"])) == [.resync], "what was over before is found by looking")
        #expect(seen.saw(try tasks(["complete", "running"])) == [])
        #expect(seen.saw(try tasks(["complete", "failed"])) == [.exited(runner: "r1", exitCode: 1)])
        #expect(seen.saw(try tasks(["complete", "failed"])) == [])
        #expect(seen.failed("c") == [.disconnected("c")] && seen.failures == 1)
        #expect(seen.saw([]) == [.resync])
    }

    @Test func aSwarmIsTheSumOfItsNodes() async throws {
        let facts = try await SwarmFacts(engine: engine).survey(usesEngine: true)
        #expect(facts.cpus == 8 && facts.memory == 16 << 30 && facts.engine == EngineKind(name: "Docker Swarm", version: "20.10.24"))
        #expect(facts.architecture == .amd64 && facts.runs(.arm64) && !facts.runs(.riscv64))
        #expect(facts.gpus.map(\.id) == ["UUID-n1", "UUID-n2"] && facts.gpus.allSatisfy { $0.vendor == .nvidia })
        #expect(facts.remarks.isEmpty && facts.nodes.map(\.name) == ["host-n1", "host-n2"])
        double.setNode("n2", "down")
        let less = try await SwarmFacts(engine: engine).survey(usesEngine: true)
        #expect(less.cpus == 4 && !less.runs(.arm64) && less.nodes.last?.status == .away)
        #expect(less.remarks == ["the swarm's node host-n2 does not answer"])
    }

    @Test func anEngineThatIsNoManagerIsToldOfWithTheNextStep() async throws {
        double.setManager(false)
        let error = await #expect(throws: EngineError.self) { try await SwarmFacts(engine: engine).survey(usesEngine: true) }
        #expect(error?.isOutage == true && error?.message.contains("docker swarm init") == true)
    }

    // MARK: Logs

    @Test func aLogComesWithoutItsFrames() async throws {
        let driver = driver()
        try await launch(driver, spec())
        #expect(String(decoding: try await driver.lastOutput("r1", bytes: 100), as: UTF8.self) == "hello\n")
        #expect(try await driver.lastOutput("unknown", bytes: 100) == [])
    }

    /// The swarm says 200 and then nothing, for ever.
    @Test func aLogOfANodeThatIsAwayIsNotAskedFor() async throws {
        let driver = driver()
        try await launch(driver, spec())
        double.setNode("n1", "down")
        let error = await #expect(throws: EngineError.self) { try await driver.lastOutput("r1", bytes: 100) }
        #expect(error?.message.contains("host-n1") == true)
        #expect(!double.calls.contains { $0.hasSuffix("/logs") })
    }

    /// The swarm does not end one that is followed.
    @Test func aFollowedLogEndsWithItsTask() async throws {
        let clock = LeapingClock { [double] in if $0 == 3 { double.move(to: "complete", code: 0) } }
        let driver = driver(clock)
        try await launch(driver, spec())
        var text = ""
        for try await chunk in try await driver.log("r1", lines: 10, follow: true) { text += String(decoding: chunk, as: UTF8.self) }
        #expect(text == "hello\n")
    }
}
