import Fleet
import Foundation
import TestBench
import Testing

@testable import KubernetesDriver

@Suite(.timeLimit(.minutes(10))) struct LaunchTests {
    private let bench: Bench
    private var cluster: ClusterDouble { bench.cluster }
    private var driver: KubernetesDriver { bench.driver }
    init() throws { bench = try Bench() }

    @Test func aRunnerWaitsWithoutAPodUntilItHasItsToken() async throws {
        defer { cluster.stop() }
        let spec = Bench.spec()
        let id = try await driver.create(spec)
        #expect(cluster.things("pods").isEmpty && cluster.things("secrets").isEmpty)
        #expect(try await driver.list() == [DriverObject(id: id, runner: "abcd2345", running: true, started: false, exitCode: nil)])
        try await driver.start(spec, credentials: Bench.credentials)
        let pod = try #require(cluster.things("pods").first)
        #expect(cluster.things("pods").count == 1 && pod["status"]?["phase"]?.text == "Running")
        #expect(try await driver.list() == [DriverObject(id: id, runner: "abcd2345", running: true, started: true, exitCode: nil)])
        // The Secret is there before the pod could be.
        let calls = cluster.seen.all
        let made = try #require(calls.firstIndex(of: "POST secrets"))
        #expect(try made < #require(calls.firstIndex(of: "PATCH jobs/one")))
    }

    @Test func theSecretHasTheFilesAndBelongsToTheJob() async throws {
        defer { cluster.stop() }
        let id = try await bench.launch(
            Bench.spec("abcd2345") {
                $0.configuredExecutor = .shell; $0.env = ["KEY": "value of KEY"]
            })
        let secret = try #require(cluster.things("secrets").first)
        guard case .object(let data)? = secret["data"], case .array(let owners)? = secret["metadata"]?["ownerReferences"] else {
            throw CocoaError(.coderReadCorrupt)
        }
        #expect(data.keys.sorted() == ["ca.crt", "config.toml", "env.KEY", "executor", "name", "token", "url"])
        #expect(owners.map { $0["uid"]?.text } == [id])
        func file(_ name: String) -> String { data[name]?.text.flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) } ?? "" }
        #expect(file("token") == "glrt-0123456789abcdefghij\n" && file("ca.crt").isEmpty && file("env.KEY") == "value of KEY")
        #expect(file("config.toml").contains(#"executor = 'shell'"#) || file("config.toml").contains(#"executor = "shell""#))
        // Nothing secret is in what everybody may read who may read pods.
        for kind in ["jobs", "pods"] {
            let text = cluster.things(kind).map(ClusterDouble.text).joined()
            #expect(!text.contains("0123456789") && !text.contains("value of KEY"))
        }
        let mounts = try #require(cluster.things("pods").first.map(ClusterDouble.text))
        #expect(mounts.contains(#"\/run\/autogit\/config.toml"#) || mounts.contains("/run/autogit/config.toml"))
    }

    @Test func jobsInPodsOfTheirOwnAreConfigured() async throws {
        defer { cluster.stop() }
        let spec = Bench.spec("abcd2345") {
            $0.hardware.architecture = .arm64
            $0.kubernetes.serviceAccount = "runner"
        }
        try await bench.launch(spec)
        guard case .object(let data)? = cluster.things("secrets").first?["data"] else { throw CocoaError(.coderReadCorrupt) }
        let text = data["config.toml"]?.text.flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) } ?? ""
        for line in ["[runners.kubernetes]", "autogit.job.runner", "kubernetes.io/arch", "automount_service_account_token = false"] {
            #expect(text.contains(line), "\(line) in \(text)")
        }
        #expect(!text.contains("[runners.docker]") && !text.contains("container_labels"))
        let pod = try #require(cluster.things("pods").first?["spec"])
        #expect(pod["serviceAccountName"]?.text == "runner" && pod["automountServiceAccountToken"] == .bool(true))
        #expect(pod["nodeSelector"]?["kubernetes.io/arch"]?.text == "arm64" && pod["securityContext"]?["runAsNonRoot"] == .bool(true))
    }

    @Test(arguments: [
        (ClusterDouble.Fate.unschedulable("0/3 nodes are available: 3 Insufficient cpu."), "Insufficient cpu", 300.0),
        (.waits(reason: "ImagePullBackOff", message: "Back-off pulling image"), "ImagePullBackOff: Back-off pulling image", 60),
        (.waits(reason: "CreateContainerConfigError", message: "container has runAsNonRoot"), "runAsNonRoot", 60),
        (.waits(reason: "InvalidImageName", message: nil), "InvalidImageName", 0),
        (.waits(reason: "ContainerCreating", message: nil), "still being made on the node node-1", 900),
        (.denied, "Kubernetes made no pod for it (FailedCreate: exceeded quota: ci)", 60),
        (.ends(code: 128, reason: "StartError", message: "exec /x: exec format error"), "set architecture in the pool", 0),
    ])
    func aStartThatDoesNotEndByItselfIsGivenUp(fate: ClusterDouble.Fate, words: String, seconds: Double) async throws {
        defer { cluster.stop() }
        cluster.fate(fate)
        let spec = Bench.spec()
        _ = try await driver.create(spec)
        let begin = bench.clock.now()
        let error = try await bench.failure { try await driver.start(spec, credentials: Bench.credentials) }
        #expect(!error.isOutage && error.message.contains(words), "\(error)")
        let took = (bench.clock.now() - begin).inSeconds
        #expect(took >= seconds && took < seconds + 3, "\(took)")
        // It is taken back: what comes late doesn't run.
        cluster.fate(.runs)
        cluster.proceed()
        #expect(try await driver.list().map(\.started) == [false])
        #expect(cluster.things("pods").allSatisfy { $0["status"]?["phase"]?.text != "Running" })
        // What is left goes like any runner.
        try await driver.remove("abcd2345")
        #expect(try await driver.list().isEmpty)
        #expect(cluster.things("secrets").isEmpty)
    }

    @Test func aPodThatGetsItsNodeLateRuns() async throws {
        defer { cluster.stop() }
        cluster.fate(.unschedulable("0/1 nodes are available"))
        let (spec, driver, cluster) = (Bench.spec(), driver, cluster)
        _ = try await driver.create(spec)
        let starting = Task { try await driver.start(spec, credentials: Bench.credentials) }
        #expect(await bench.clock.sleeps.wait { $0.count > 3 })
        cluster.fate(.runs)
        cluster.proceed()
        try await starting.value
    }

    /// It ran, and its end is told like any other.
    @Test func aRunnerThatEndsAtOnceWasStarted() async throws {
        defer { cluster.stop() }
        cluster.fate(.ends(code: 3, reason: "Error", message: nil))
        let id = try await bench.launch()
        #expect(try await driver.list() == [DriverObject(id: id, runner: "abcd2345", running: false, started: false, exitCode: 3)])
    }

    @Test func aSettingThatAClusterCannotCarryOutIsRefusedByName() async throws {
        defer { cluster.stop() }
        let spec = Bench.spec("abcd2345") {
            $0.mounts = ["/srv:/srv"]
            $0.hardware.gpuShare = 2
        }
        let error = try await bench.failure { _ = try await driver.create(spec) }
        #expect(!error.isOutage && error.message.contains("mounts") && error.message.contains("gpu_share"))
        #expect(cluster.seen.all.isEmpty)
    }

    @Test func aPodTemplateIsMergedInAndTheMarksStay() async throws {
        defer { cluster.stop() }
        let spec = Bench.spec("abcd2345") {
            $0.kubernetes.podTemplate = """
                {"metadata":{"labels":{"autogit.runner":"other","team":"a"}},
                 "spec":{"restartPolicy":"OnFailure","runtimeClassName":"nvidia","priorityClassName":"low",
                  "containers":[{"name":"runner","resources":{"limits":{"example.com/fpga":"1"}}},{"name":"side","image":"x"}],
                  "volumes":[{"name":"scratch","emptyDir":{"sizeLimit":"1Gi"}}]}}
                """
        }
        try await bench.launch(spec)
        let pod = try #require(cluster.things("pods").first)
        #expect(pod["metadata"]?["labels"]?["autogit.runner"]?.text == "abcd2345" && pod["metadata"]?["labels"]?["team"]?.text == "a")
        #expect(pod["spec"]?["restartPolicy"]?.text == "Never" && pod["spec"]?["runtimeClassName"]?.text == "nvidia")
        guard case .array(let containers)? = pod["spec"]?["containers"], case .array(let volumes)? = pod["spec"]?["volumes"] else {
            throw CocoaError(.coderReadCorrupt)
        }
        #expect(containers.map { $0["name"]?.text } == ["runner", "side"] && volumes.count == 3)
        #expect(containers[0]["resources"]?["limits"]?["example.com/fpga"]?.text == "1" && containers[0]["image"]?.text == "registry.example/runner:1")
        let broken = Bench.spec("efgh2345") { $0.kubernetes.podTemplate = "[]" }
        #expect(try await bench.failure { _ = try await driver.create(broken) }.message.contains("not a JSON object"))
    }

    @Test(arguments: [
        (401, "Unauthorized", true), (403, "Forbidden", false), (409, "AlreadyExists", false), (422, "Invalid", false), (429, "TooManyRequests", true),
        (500, "InternalError", false), (503, "ServiceUnavailable", true), (504, "Timeout", true),
    ])
    func aRefusalKeepsKubernetesWordsAndAnOutageIsOne(status: Int, reason: String, isOutage: Bool) async throws {
        defer { cluster.stop() }
        cluster.answer("POST jobs", .init(status, reason: reason, "the words of it"))
        let error = try await bench.failure { _ = try await driver.create(Bench.spec()) }
        #expect(error.status == status && error.reason == reason && error.message.contains("the words of it") && error.isOutage == isOutage)
    }

    @Test func aServerWithoutEtcdIsAnOutage() async throws {
        defer { cluster.stop() }
        cluster.answer("POST jobs", .init(500, reason: "InternalError", "etcdserver: leader changed"))
        #expect(try await bench.failure { _ = try await driver.create(Bench.spec()) }.isOutage)
        cluster.answer("POST jobs", .init(502, "<html>bad gateway</html>"))
        let error = try await bench.failure { _ = try await driver.create(Bench.spec()) }
        #expect(error.isOutage && error.message.contains("bad gateway"))
    }

    /// Some servers quote what they can't read.
    @Test func anErrorAboutTheSecretDoesNotQuoteIt() async throws {
        defer { cluster.stop() }
        let spec = Bench.spec()
        _ = try await driver.create(spec)
        cluster.answer("POST secrets", .init(400, reason: "BadRequest", "json: cannot unmarshal ...|glrt-0123456789abcdefghij|..."))
        let error = try await bench.failure { try await driver.start(spec, credentials: Bench.credentials) }
        #expect(error.status == 400 && !error.message.contains("glrt-"))
        #expect(cluster.things("pods").isEmpty)
    }

    @Test func aConflictOfKubernetesOwnMakingIsTriedAgain() async throws {
        defer { cluster.stop() }
        cluster.answer("PATCH jobs/one", .init(409, reason: "Conflict", "the object has been modified"), times: 2)
        try await bench.launch()
        #expect(cluster.seen.all.count { $0 == "PATCH jobs/one" } == 3)
    }

    @Test func aClusterThatIsAwayIsAnOutageAndACancelledCallIsNone() async throws {
        let driver = driver
        cluster.hang("GET jobs")
        let task = Task { try await driver.list() }
        #expect(await cluster.seen.wait(for: "hangs GET jobs"))
        task.cancel()
        await #expect(throws: CancellationError.self) { _ = try await task.value }
        let url = cluster.url
        cluster.stop()
        for body: () async throws -> Void in [
            { _ = try await driver.list() }, { _ = try await driver.create(Bench.spec()) }, { try await driver.remove("abcd2345") },
            { try await driver.signal("abcd2345", "SIGQUIT") }, { _ = try await driver.lastOutput("abcd2345", bytes: 10) },
        ] {
            let error = try await bench.failure(body)
            #expect(error.isOutage && error.message.contains(url), "\(error)")
        }
    }
}
