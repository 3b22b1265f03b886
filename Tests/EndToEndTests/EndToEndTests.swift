import ControlModel
import Foundation
import FakeGitLab
import HTTPTransfer
import TestBench
import Testing

/// The real daemon as a process, a real Podman, a runner that we did not write; only GitLab is simulated.
@Suite(.serialized) struct EndToEndTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
    static let yaml = """
        stages: [one, two]
        first:
          stage: one
          script: ["echo hello from $CI_JOB_NAME"]
          tags: [x]
        second:
          stage: two
          script: ["echo and again"]
          tags: [x]
        """

    struct Rig {
        var engine: TestEngine
        var gitlab: FakeGitLabServer
        var daemon: DaemonUnderTest
        var project: Project
        var token: String

        func end() async throws {
            let instance = try await daemon.get("/status", as: StatusView.self).instance
            await daemon.stop()
            let left = try await engine.containers(instance: instance)
            #expect(left.isEmpty)
            #expect(await gitlab.instance.runners.isEmpty)
            await engine.removeContainers(instance: instance)
            await gitlab.stop()
            try FileManager.default.removeItem(atPath: daemon.directory)
        }
    }

    /// - Parameters:
    ///   - other: an engine in place of the shared one.
    ///   - network: nil for the engine's default, from which GitLab has to be reachable.
    ///   - tls: GitLab has a certificate of an authority of its own.
    ///   - isReachable: containers reach GitLab without sharing the host's network.
    ///   - found: the path of a socket that the daemon is to find by itself, in DOCKER_HOST, as soon as it is there.
    ///   - image: the runners', by its name; it is there.
    ///   - root: the path below which GitLab is.
    ///   - equip: what comes before the daemon's start, such as a look at the machine.
    func rig(
        hooks: Bool = true, poll: String = "0s", cooldown: String = "2s", command: [String] = ["/usr/local/bin/autogit-python-runner"],
        network: String? = "host", isReachable: Bool = false, pool: String = "", isAdmin: Bool = true, engine other: TestEngine? = nil, tls: Bool = false,
        found: String? = nil, image: String = TestEngine.runner, root: String = "", equip: (DaemonUnderTest) async throws -> Void = { _ in }
    ) async throws -> Rig {
        let shared = try await TestEngine.shared.value
        let engine = other ?? shared
        try await engine.ensureRunnerImage(recipe: Self.root + "/scripts/runner-image")
        let directory = "/tmp/autogit-e2e-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let gitlab = try await FakeGitLabServer.start(
            address: isReachable ? "0.0.0.0" : "127.0.0.1", directory: directory,
            tls: tls ? ServerTLS.make(in: "\(directory)/tls", names: ["host.containers.internal"]) : nil, root: root)
        let token = "glpat-e2e-\(UInt64.random(in: 0 ... .max))"
        let project = try await gitlab.instance.addProject(path: "root/e2e", pipelineFile: Self.yaml)
        await gitlab.instance.add(AccessToken(secret: token, scopes: ["api"], isAdmin: isAdmin, projects: [project.id]))
        let inside = gitlab.url.replacingOccurrences(of: "127.0.0.1", with: "host.containers.internal")
        let daemon = try DaemonUnderTest(
            program: product("autogitd"), directory: directory, gitlab: gitlab.url, token: token, engine: found == nil ? engine.socket : nil,
            pollInterval: poll,
            settings: """
                [[pool]]
                name = "p"
                tags = ["x"]
                image = "\(image)"
                command = \(command)
                \(network.map { "network = \"\($0)\"" } ?? "")
                \(pool.contains("memory = ") ? "" : "memory = \"256MiB\"")
                cooldown = "\(cooldown)"
                \(pool)
                """,
            gitlabSettings: (isReachable ? "runner_url = \"\(inside)\"\nclone_url = \"\(inside)\"" : "")
                + (gitlab.caFile.map { "\nca_file = \"\($0)\"" } ?? ""),
            environment: found.map { ["DOCKER_HOST": "unix://\($0)"] } ?? [:])
        try await equip(daemon)
        try await daemon.start()
        if hooks { _ = await gitlab.instance.addHook(project: project.id, url: "\(daemon.url)/webhook/job", secret: daemon.webhookSecret) }
        return Rig(engine: engine, gitlab: gitlab, daemon: daemon, project: project, token: token)
    }

    func runToTheEnd(_ rig: Rig) async throws {
        let ids = try await rig.gitlab.instance.createPipeline(project: rig.project.id)
        let over = await rig.gitlab.instance.wait(seconds: 60) { gitlab in
            ids.allSatisfy { gitlab.jobs[$0]?.status == "success" } && gitlab.runners.isEmpty
        }
        #expect(over, "\(rig.daemon.log)")
        // The registration goes before the store forgets the runner.
        #expect(try await rig.daemon.isEmptied())
    }

    @Test func aPipelineRunsOnOneReusedRunnerAndNothingIsLeftAndNoSecretIsTold() async throws {
        let rig = try await rig()
        try await runToTheEnd(rig)
        #expect(await rig.gitlab.instance.registered == 1)
        let jobs = try await rig.daemon.jobs()
        #expect(jobs.count == 2 && jobs.allSatisfy { $0.status == "success" })
        let log = rig.daemon.log
        for line in ["Dispatching job ", "Runner registered successfully", "assigned to runner autogit-runner-", "finished, tearing down"] {
            #expect(log.contains(line))
        }
        var told = log
        for path in ["/status", "/runners", "/jobs", "/pools", "/health"] {
            told += try await rig.daemon.send(HTTPRequest("GET", rig.daemon.url + path)).text
        }
        let database = try Data(contentsOf: URL(fileURLWithPath: rig.daemon.directory + "/state/autogit.db"))
        told += String(decoding: database, as: UTF8.self)
        #expect(!told.contains(rig.token) && !told.contains(rig.daemon.webhookSecret) && !told.contains("glrt-"))
        try await rig.end()
    }

    @Test func withHooksSilentPollingFindsTheJobs() async throws {
        let rig = try await rig(hooks: false, poll: "1s")
        try await runToTheEnd(rig)
        try await rig.end()
    }

    @Test func hooksThatAreLateDoubledAndReorderedChangeNothing() async throws {
        let rig = try await rig(poll: "1s")
        await rig.gitlab.instance.setHookFaults(HookFaults(lost: 0.3, doubled: 0.5, delay: 0...0.6))
        try await runToTheEnd(rig)
        try await rig.end()
    }

    @Test func oneJobARunnerWithMaxJobs() async throws {
        let rig = try await rig(pool: "max_jobs = 1")
        try await runToTheEnd(rig)
        #expect(await rig.gitlab.instance.registered == 2)
        try await rig.end()
    }

    @Test func aKilledDaemonFindsItsRunnersAgain() async throws {
        let rig = try await rig(poll: "1s")
        let ids = try await rig.gitlab.instance.createPipeline(project: rig.project.id)
        #expect(await rig.gitlab.instance.wait(seconds: 30) { !$0.runners.isEmpty })
        await rig.daemon.stop(SIGKILL)
        try await rig.daemon.start()
        let over = await rig.gitlab.instance.wait(seconds: 60) { gitlab in
            ids.allSatisfy { gitlab.jobs[$0]?.status == "success" } && gitlab.runners.isEmpty
        }
        #expect(over, "\(rig.daemon.log)")
        #expect(try await rig.daemon.isEmptied())
        try await rig.end()
    }

    /// Through the fake GitLab, by a runner that knows the genuine one.
    @Test func whatAJobLeavesTheNextOneFinds() async throws {
        let rig = try await rig()
        let project = try await rig.gitlab.instance.addProject(
            path: "root/handover",
            pipelineFile: """
                default: {tags: [x]}
                make:
                  stage: build
                  script: ["mkdir out", "echo left by $CI_JOB_NAME > out/file"]
                  artifacts: {paths: [out/], expire_in: 1 day}
                use: {script: ["cat out/file"]}
                """)
        _ = await rig.gitlab.instance.addHook(project: project.id, url: "\(rig.daemon.url)/webhook/job", secret: rig.daemon.webhookSecret)
        let ids = try await rig.gitlab.instance.createPipeline(project: project.id)
        let over = await rig.gitlab.instance.wait(seconds: 60) { gitlab in ids.allSatisfy { gitlab.jobs[$0]?.isOver == true } && gitlab.runners.isEmpty }
        #expect(over, "\(rig.daemon.log)")
        let jobs = await rig.gitlab.instance.jobs
        #expect(jobs[ids[0]]?.archive(at: Date()) != nil, "\(jobs[ids[0]]?.traceText ?? "")")
        #expect(jobs[ids[1]]?.status == "success" && jobs[ids[1]]?.traceText.contains("left by make") == true, "\(jobs[ids[1]]?.traceText ?? "")")
        #expect(try await rig.daemon.isEmptied())
        try await rig.end()
    }

    @Test func aJobThatNothingServesSaysWhy() async throws {
        let rig = try await rig()
        let project = try await rig.gitlab.instance.addProject(
            path: "root/gpu", pipelineFile: "a:\n  script: [\"true\"]\n  tags: [gpu]\n", withRepository: false)
        _ = await rig.gitlab.instance.addHook(project: project.id, url: "\(rig.daemon.url)/webhook/job", secret: rig.daemon.webhookSecret)
        let id = try await rig.gitlab.instance.createPipeline(project: project.id)[0]
        var reason: String?
        let deadline = ContinuousClock.now + .seconds(300)
        // Before its tags are known, that is the reason.
        while reason?.hasPrefix("no pool") != true, ContinuousClock.now < deadline {
            reason = try await rig.daemon.jobs().first { $0.id == id }?.waiting_reason
        }
        #expect(reason == "no pool has the tag gpu")
        try await rig.end()
    }

    @Test func badWebhooksAreRefusedEachInItsWay() async throws {
        let rig = try await rig()
        let url = "\(rig.daemon.url)/webhook/job"
        func post(_ body: String, token: String? = nil, method: String = "POST", event: String = "Job Hook") async throws -> Int {
            var headers: [(name: String, value: String)] = [("X-Gitlab-Event", event), ("Content-Type", "application/json")]
            if let token { headers.append(("X-Gitlab-Token", token)) }
            return try await rig.daemon.send(HTTPRequest(method, url, headers: headers, body: Array(body.utf8))).status
        }
        let secret = rig.daemon.webhookSecret
        #expect(try await post("{}") == 401)
        let began = ContinuousClock.now
        for _ in 0..<50 { #expect(try await post("{}", token: "wrong") == 401) }
        // Anybody can send these: they get a line a minute.
        let lines = rig.daemon.log.components(separatedBy: "Refused a webhook").count - 1
        #expect(lines >= 1 && lines <= 1 + Int((ContinuousClock.now - began) / .seconds(60)))
        #expect(try await post("not json", token: secret) == 400)
        #expect(try await post("[1]", token: secret) == 400)
        #expect(try await post(String(repeating: " ", count: (1 << 20) + 1), token: secret) == 413)
        #expect(try await rig.daemon.send(HTTPRequest("GET", url)).status == 405)
        #expect(try await post("{}", token: secret, method: "PUT") == 405)
        #expect(try await post("{\"object_kind\":\"push\"}", token: secret) == 202)
        #expect(try await post("{}", token: secret, event: "Push Hook") == 202)
        #expect(try await post(#"{"object_kind":"build","build_id":1,"project_id":2,"build_status":"on_the_moon"}"#, token: secret) == 202)
        #expect(try await rig.daemon.jobs().isEmpty)
        #expect(try await rig.daemon.send(HTTPRequest("POST", rig.daemon.url + "/runners", body: Array(#"{"pool":"p"}"#.utf8))).status == 403)
        #expect(try await rig.daemon.send(HTTPRequest("DELETE", rig.daemon.url + "/runners/x?force=true")).status == 403)
        #expect(try await rig.daemon.control("POST", "/runners", body: #"{"pool":"nope"}"#).status == 404)
        #expect(try await rig.daemon.control("POST", "/pools/p/pause").status == 200)
        #expect(try await rig.daemon.get("/pools", as: [PoolView].self).map(\.paused) == [true])
        try await rig.end()
    }
}
