import ControlModel
import Foundation
import FakeGitLab
import HTTPTransfer
import TestBench
import Testing

/// Jobs with `image:` and `services:`, by a runner that reads the configuration that AutoGit writes and makes in a real Podman what
/// gitlab-runner makes (images/autogit-test-runner).
extension EndToEndTests {
    /// The same image has git for the helper; jobs are in another than the runner's.
    private func dockerRig(
        pipeline: String, pool: String = "", docker: String = "", dialect: String = "19", engine: TestEngine? = nil, tls: Bool = false,
        cooldown: String = "2s", settings: String = ""
    ) async throws -> (rig: Rig, project: Project) {
        let shared = try await TestEngine.shared.value
        try await (engine ?? shared).ensureBusybox()
        let rig = try await rig(
            cooldown: cooldown,
            command: ["/usr/bin/env", "AUTOGIT_TEST_DIALECT=\(dialect)", "/usr/local/bin/autogit-test-runner", "run", "--config", "/run/autogit/config.toml"],
            network: engine == nil ? nil : "host", isReachable: engine == nil,
            pool: """
                executor = "docker"
                memory = "64MiB"
                cpus = 0.5
                \(pool)
                [pool.docker]
                image = "\(TestEngine.busybox)"
                helper_image = "\(TestEngine.runner)"
                service_memory = "32MiB"
                \(docker)
                \(settings)
                """, engine: engine, tls: tls)
        let project = try await rig.gitlab.instance.addProject(path: "root/docker", pipelineFile: pipeline)
        _ = await rig.gitlab.instance.addHook(project: project.id, url: "\(rig.daemon.url)/webhook/job", secret: rig.daemon.webhookSecret)
        return (rig, project)
    }

    /// - Returns: what the jobs wrote.
    @discardableResult
    private func run(_ rig: Rig, _ project: Project) async throws -> [String] {
        let ids = try await rig.gitlab.instance.createPipeline(project: project.id)
        let over = await rig.gitlab.instance.wait(seconds: 120) { gitlab in ids.allSatisfy { gitlab.jobs[$0]?.isOver == true } && gitlab.runners.isEmpty }
        #expect(over, "\(rig.daemon.log)")
        let jobs = await rig.gitlab.instance.jobs
        for id in ids { #expect(jobs[id]?.status == "success", "\(jobs[id]?.traceText ?? "")\n\(rig.daemon.log)") }
        #expect(try await rig.daemon.isEmptied())
        #expect(try await rig.engine.madeForJobs() == [])
        return ids.map { jobs[$0]?.traceText ?? "" }
    }

    @Test func aJobRunsInItsOwnImageWithItsLimitsAndSeesNothingOfTheRunner() async throws { try await aJobInItsOwnImage(on: nil) }

    @Test(.enabled(if: TestEngine.isDockerInstalled, "Docker Engine isn't installed: apt-get install docker.io"))
    func theSameOnDockerEngine() async throws {
        let docker = try await TestEngine.startDocker()
        do {
            try await aJobInItsOwnImage(on: docker)
        } catch {
            await docker.stop()
            throw error
        }
        await docker.stop()
    }

    private func aJobInItsOwnImage(on engine: TestEngine?) async throws {
        let (rig, project) = try await dockerRig(
            pipeline: """
                default: {tags: [x]}
                own:
                  image: \(TestEngine.busybox)
                  script:
                    - ls /etc/os-release && exit 1
                    - cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true
                    - grep -E 'CapBnd|NoNewPrivs' /proc/self/status
                    - ls -la .gitlab-ci.yml
                    - for f in /run/autogit /run/engine /var/run/docker.sock /run/docker.sock; do [ -e $f ] && exit 2; done; true
                    - env
                    - echo end of $CI_JOB_NAME
                """, pool: "env = { FROM_POOL = \"yes\" }", engine: engine)
        let trace = try await run(rig, project)[0]
        #expect(trace.contains("\(64 << 20)"), "its memory limit: \(trace)")
        // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETFCAP.
        #expect(trace.contains("CapBnd:\t00000000800000fb") && trace.contains("NoNewPrivs:\t1"), "\(trace)")
        #expect(trace.contains("FROM_POOL=yes") && trace.contains("end of own") && !trace.contains("glrt-"), "\(trace)")
        try await rig.end()
    }

    /// It takes longer than two looks are apart, whenever the first one is.
    @Test func whatAJobUsedIsKeptWithIt() async throws {
        let (rig, project) = try await dockerRig(
            pipeline: """
                default: {tags: [x]}
                eager:
                  image: \(TestEngine.busybox)
                  script:
                    - x=$(head -c 8000000 /dev/zero | tr '\\0' x); end=$(($(date +%s) + 12)); while [ $(date +%s) -lt $end ]; do :; done; echo ${#x}
                """)
        let trace = try await run(rig, project)[0]
        #expect(trace.contains("8000000"))
        let id = try #require(await rig.gitlab.instance.jobs.keys.max())
        let job = try await rig.daemon.get("/jobs/\(id)", as: JobView.self)
        let usage = try #require(job.usage, "\(job)")
        #expect(usage.cpu_seconds > 0.1 && usage.cpu_seconds < 60, "\(usage)")
        #expect(usage.peak_memory_bytes > 8_000_000 && usage.peak_memory_bytes <= 64 << 20, "\(usage)")
        #expect(usage.memory_limit_bytes == 64 << 20)
        try await rig.end()
    }

    @Test func aJobReachesItsServicesByName() async throws {
        let (rig, project) = try await dockerRig(
            pipeline: """
                default: {tags: [x]}
                served:
                  services:
                    - name: \(TestEngine.busybox)
                      alias: web
                      command: ["sh", "-c", "mkdir /www && echo served by name > /www/index.html && exec httpd -f -p 8000 -h /www"]
                  script:
                    - for i in 1 2 3 4 5 6 7 8 9 10; do wget -q -O - http://web:8000/ && exit 0; sleep 1; done; exit 1
                """)
        let trace = try await run(rig, project)[0]
        #expect(trace.contains("served by name"), "\(trace)")
        try await rig.end()
    }

    /// Two jobs, of which the second finds in its cache what the first put there.
    private func storeAndFind(_ script: [String]) -> String {
        """
        default: {tags: [x]}
        stages: [one, two]
        store:
          stage: one
          cache: {key: k, paths: [kept/]}
          script: ["mkdir kept", "echo from the first > kept/file"]
        find:
          stage: two
          cache: {key: k, paths: [kept/], policy: pull}
          script: \(script)
        """
    }

    /// The runner that stored it is gone, and so is its registration.
    @Test func aCacheSurvivesItsRunner() async throws {
        let (rig, project) = try await dockerRig(
            pipeline: storeAndFind(["cat kept/file"]), pool: "max_jobs = 1")
        let trace = try await run(rig, project)[1]
        #expect(trace.contains("from the first"), "\(trace)")
        #expect(await rig.gitlab.instance.registered == 2)
        let instance = try await rig.daemon.get("/status", as: StatusView.self).instance
        #expect(try await rig.engine.engine.volumes(label: "autogit.instance=\(instance)").map(\.Name) == ["autogit-cache-\(instance)-p"])
        // It can be seen, and got rid of.
        let listed = try await ctl(rig, "cache")
        #expect(listed.out.contains("autogit-cache-\(instance)-p") && listed.out.contains("unused now") && listed.out.contains(" KiB"), "\(listed)")
        #expect(try await ctl(rig, "cache", "clear", "p").out.hasPrefix("cleared the cache of pool p, "))
        #expect(try await ctl(rig, "cache", "clear", "p").out == "pool p has no cache\n")
        #expect(try await ctl(rig, "cache", "clear", "nosuch").code == 3)
        #expect(try await rig.engine.engine.volumes(label: "autogit.instance=\(instance)").isEmpty)
        // Whoever reaches the port can't have the engine look through its volumes, nor clear one.
        for method in ["GET", "DELETE"] {
            #expect(try await rig.daemon.send(HTTPRequest(method, "\(rig.daemon.url)/caches\(method == "GET" ? "" : "/p")")).status == 403)
        }
        try await rig.end()
    }

    /// The runner that stored it is gone; the one that finds it has another registration. Another project's job doesn't find it.
    @Test func aCacheInS3SurvivesItsRunnerAndIsItsProjectsOwn() async throws {
        let bucket = try await TestBucket.start(program: Self.root + "/scripts/test-s3")
        let (rig, project) = try await dockerRig(
            pipeline: storeAndFind(["cat kept/file", "test ! -e /cache/root"]), pool: "max_jobs = 1",
            settings: """
                [pool.cache]
                kind = "s3"
                scope = "project"
                server_address = "host.containers.internal:\(bucket.port)"
                insecure = true
                bucket = "\(TestBucket.name)"
                path = "caches"
                access_key_file = "\(bucket.directory)/access-key"
                secret_key_file = "\(bucket.directory)/secret-key"
                """)
        let traces = try await run(rig, project)
        #expect(traces[1].contains("from the first") && traces[1].contains("Downloading cache from http://host.containers.internal"), "\(traces)")
        #expect(await rig.gitlab.instance.registered == 2)
        #expect(bucket.objects.map { $0.split(separator: "/").prefix(3).joined(separator: "/") } == ["caches/project/\(project.id)"], "\(bucket.objects)")
        let other = try await rig.gitlab.instance.addProject(
            path: "root/other", pipelineFile: "look:\n  tags: [x]\n  cache: {key: k, paths: [kept/]}\n  script: [\"test ! -e kept\"]\n")
        _ = await rig.gitlab.instance.addHook(project: other.id, url: "\(rig.daemon.url)/webhook/job", secret: rig.daemon.webhookSecret)
        let more = try await run(rig, other)
        let instance = try await rig.daemon.get("/status", as: StatusView.self).instance
        #expect(try await rig.engine.engine.volumes(label: "autogit.instance=\(instance)").isEmpty)
        let listed = try await ctl(rig, "cache", "--json")
        #expect(
            try JSONDecoder().decode([CacheView].self, from: Data(listed.out.utf8)) == [
                CacheView(pool: "p", kind: "s3", name: TestBucket.name, configured: true)
            ])
        let refused = try await ctl(rig, "cache", "clear", "p")
        #expect(refused.code == 4 && refused.out.contains("Clear runner caches"), "\(refused)")
        let check = try await ctl(rig, "check", "--config", "\(rig.daemon.directory)/autogit.toml")
        var told = [traces.joined(), more.joined(), rig.daemon.log, listed.out, refused.out, check.out].joined()
        for path in ["/status", "/runners", "/jobs", "/pools", "/health"] { told += try await rig.daemon.send(HTTPRequest("GET", rig.daemon.url + path)).text }
        told += String(decoding: try Data(contentsOf: URL(fileURLWithPath: rig.daemon.directory + "/state/autogit.db")), as: UTF8.self)
        #expect(!told.contains(bucket.secretKey) && !told.contains(bucket.accessKey))
        await bucket.stop()
        try await rig.end()
    }

    /// GitLab's certificate is of an authority of its own, and `ca_file` is all that says so: registration, job, git and artifacts.
    @Test func aGitLabWithACAOfItsOwnIsTrustedByAllWhoReachIt() async throws {
        let (rig, project) = try await dockerRig(
            pipeline: """
                default: {tags: [x]}
                stages: [one, two]
                make:
                  stage: one
                  script: ["ls -la .gitlab-ci.yml", "mkdir out", "echo handed over > out/file"]
                  artifacts: {paths: [out/]}
                use:
                  stage: two
                  script: ["cat out/file"]
                """, tls: true)
        #expect(rig.gitlab.url.hasPrefix("https://"))
        let traces = try await run(rig, project)
        #expect(traces[1].contains("handed over"), "\(traces)")
        try await rig.end()
    }

    /// Killed, it removes nothing itself.
    @Test(arguments: ["19", "19.4"])
    func nothingIsLeftOfARunnerThatIsKilledInItsJob(dialect: String) async throws {
        let (rig, project) = try await dockerRig(
            pipeline: """
                default: {tags: [x]}
                long:
                  services: [{name: \(TestEngine.busybox), alias: web, command: ["sleep", "600"]}]
                  script: ["echo is running", "sleep 600"]
                """, dialect: dialect)
        let id = try await rig.gitlab.instance.createPipeline(project: project.id)[0]
        let runs = await rig.gitlab.instance.wait(seconds: 90) { $0.jobs[id]?.traceText.contains("is running") == true }
        #expect(runs, "\(rig.daemon.log)")
        #expect(try await rig.engine.madeForJobs().count >= 4, "a job, a service, a network and a volume")
        let runner = try #require(try await rig.daemon.get("/runners", as: [RunnerView].self).first)
        try await rig.engine.engine.kill(runner.name, signal: "SIGKILL")
        #expect(await rig.gitlab.instance.wait(seconds: 60) { $0.runners.isEmpty }, "\(rig.daemon.log)")
        #expect(try await rig.daemon.isEmptied())
        #expect(try await rig.engine.madeForJobs() == [])
        try await rig.end()
    }

    /// A daemon that never knew the runner finds its job's containers all the same.
    @Test func whatAnEarlierLifeLeftIsRemovedAtTheStart() async throws {
        let (rig, project) = try await dockerRig(
            pipeline: """
                default: {tags: [x]}
                long: {script: ["echo is running", "sleep 600"]}
                """)
        let id = try await rig.gitlab.instance.createPipeline(project: project.id)[0]
        #expect(await rig.gitlab.instance.wait(seconds: 90) { $0.jobs[id]?.traceText.contains("is running") == true }, "\(rig.daemon.log)")
        let runner = try #require(try await rig.daemon.get("/runners", as: [RunnerView].self).first)
        await rig.daemon.stop(SIGKILL)
        // The host was rebooted: nothing runs, and everything is there.
        try await rig.engine.engine.remove(runner.name)
        #expect(try await !rig.engine.madeForJobs().isEmpty)
        try await rig.daemon.start()
        #expect(await rig.gitlab.instance.wait(seconds: 60) { $0.runners.isEmpty }, "\(rig.daemon.log)")
        #expect(try await rig.daemon.isEmptied())
        #expect(try await rig.engine.madeForJobs() == [])
        try await rig.end()
    }

    // MARK: Private registries

    /// Neither the engine nor the project knows the password: the runner's configuration does, and no job sees it.
    @Test(.enabled(if: TestRegistry.program != nil, "docker-registry can't be had: see scripts/bootstrap"))
    func aJobsImageComesFromAPrivateRegistryAndTheJobDoesNotSeeTheLogin() async throws {
        let registry = try await TestRegistry.start()
        let engine = try await TestEngine.start(registry: registry.address)
        try await engine.ensureBusybox()
        let image = try await registry.push(TestEngine.busybox, from: engine.engine, as: "team/tools")
        let password = "/tmp/autogit-registry-password-\(getpid())"
        _ = FileManager.default.createFile(atPath: password, contents: Data(TestRegistry.password.utf8), attributes: [.posixPermissions: 0o600])
        let (rig, project) = try await dockerRig(
            pipeline: """
                default: {tags: [x]}
                own:
                  image: \(image)
                  script: ["env", "ls -la / /root 2>&1 || true", "echo end of $CI_JOB_NAME"]
                """, engine: engine,
            settings: "[registry.\"\(registry.address)\"]\nusername = \"\(TestRegistry.username)\"\npassword_file = \"\(password)\"")
        let trace = try await run(rig, project)[0]
        #expect(trace.contains("end of own") && trace.contains("/root/.docker/config.json"), "the runner says where its login is from: \(trace)")
        let secrets = [TestRegistry.password, Data("\(TestRegistry.username):\(TestRegistry.password)".utf8).base64EncodedString()]
        for text in [trace, rig.daemon.log] { #expect(!secrets.contains { text.contains($0) }) }
        try await rig.end()
        try await engine.engine.call("DELETE", "/images/\(percentEncoded(image))")
        try FileManager.default.removeItem(atPath: password)
        await engine.stop()
        await registry.stop()
    }

    // MARK: The disk

    /// No disk is as large as the reserve: what was used once and isn't named by a pool goes, and a job waits with the reason.
    @Test func onAFullDiskUnusedImagesGoAndJobsWait() async throws {
        let name = "localhost/autogit-test-used-\(UInt32.random(in: 0 ... .max))"
        let engine = try await TestEngine.shared.value
        try await engine.ensureBusybox()
        try await engine.makeImage(name)
        let (rig, project) = try await dockerRig(pipeline: "default: {tags: [x]}\nown: {image: \"\(name):1\", script: [\"echo done\"]}")
        try await run(rig, project)
        #expect(try await engine.engine.imageExists(name + ":1"))
        let path = rig.daemon.directory + "/autogit.toml"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try (text + "\n[host]\ndisk_reserve = \"900TiB\"\n").write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try await rig.daemon.control("POST", "/reload").isSuccess)
        let deadline = ContinuousClock.now + .seconds(600)
        while try await engine.engine.imageExists(name + ":1"), ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(50)) }
        #expect(try await !engine.engine.imageExists(name + ":1"), "\(rig.daemon.log)")
        for kept in [TestEngine.runner, TestEngine.busybox] { #expect(try await engine.engine.imageExists(kept)) }
        let id = try await rig.gitlab.instance.createPipeline(project: project.id)[0]
        var reason: String?
        while reason?.contains("disk_reserve") != true, ContinuousClock.now < deadline {
            reason = try await rig.daemon.get("/jobs", as: [JobView].self).first { $0.id == id }?.waiting_reason
        }
        #expect(reason?.contains("less than disk_reserve (943718400 MiB)") == true, "\(reason ?? "")\n\(rig.daemon.log)")
        await rig.gitlab.instance.cancel(id)
        try await rig.end()
    }

    // MARK: An engine that is restarted

    /// An engine behind a relay, whose socket is at that path under a folder of the test's own; runners stay for long.
    private func relayedRig(socket: String) async throws -> (rig: Rig, project: Project, engine: TestEngine) {
        let folder = "/tmp/autogit-relay-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: "\(folder)/socket", withIntermediateDirectories: true)
        let engine = try await TestEngine.shared.value.relayed(at: "\(folder)/\(socket)", log: folder)
        let (rig, project) = try await dockerRig(
            pipeline: """
                default: {tags: [x]}
                one: {script: ["echo done"]}
                """, engine: engine, cooldown: "10m")
        return (rig, project, engine)
    }

    private func runOnce(_ rig: Rig, _ project: Project) async throws {
        let ids = try await rig.gitlab.instance.createPipeline(project: project.id)
        let over = await rig.gitlab.instance.wait(seconds: 60) { gitlab in ids.allSatisfy { gitlab.jobs[$0]?.isOver == true } }
        let jobs = await rig.gitlab.instance.jobs
        #expect(over && ids.allSatisfy { jobs[$0]?.status == "success" }, "\(ids.map { jobs[$0]?.traceText ?? "" })\n\(rig.daemon.log)")
        #expect(try await rig.daemon.hasRunners { $0.count == 1 && $0[0].status == "idle" }, "\(rig.daemon.log)")
    }

    private func end(_ rig: Rig, _ relay: TestEngine) async throws {
        _ = try await rig.daemon.control("POST", "/evacuate")
        #expect(try await rig.daemon.isEmptied())
        try await rig.end()
        await relay.stop()
        if let folder = relay.directory { try FileManager.default.removeItem(atPath: folder) }
    }

    /// As dockerd makes one at each start. What has the file of the old one mounted would fail its next job.
    @Test func anIdleRunnerIsReplacedWhenTheEngineComesBackWithAnotherSocket() async throws {
        let (rig, project, relay) = try await relayedRig(socket: "e.sock")
        try await runOnce(rig, project)
        let first = try #require(try await rig.daemon.runners().first)
        try await relay.restartService()
        #expect(try await rig.daemon.hasRunners { $0.allSatisfy { $0.id != first.id } }, "\(rig.daemon.log)")
        #expect(rig.daemon.log.contains("the engine was restarted with another socket"))
        try await runOnce(rig, project)
        try await end(rig, relay)
    }

    /// It is looked up in its folder each time.
    @Test func aSocketInAFolderOfItsOwnMayBeMadeAnew() async throws {
        let (rig, project, relay) = try await relayedRig(socket: "socket/e.sock")
        try await runOnce(rig, project)
        let first = try #require(try await rig.daemon.runners().first)
        try await relay.restartService()
        try await relay.waitForAnswer()
        try await runOnce(rig, project)
        #expect(try await rig.daemon.runners().map(\.id) == [first.id])
        try await end(rig, relay)
    }
}
