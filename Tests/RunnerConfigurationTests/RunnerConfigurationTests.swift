import Fleet
import RunnerConfiguration
import TOMLKit
import Testing

/// The configuration that a runner gets, read as gitlab-runner reads it.
@Suite struct RunnerConfigurationTests {
    private let token = Secret("glrt-t1_abcdefghij")

    private func table(
        _ pool: Pool, _ access: RunnerAccess = RunnerAccess(url: "http://h"), _ place: RunnerSurroundings = .init(engineSocket: "/run/engine/e.sock")
    ) throws -> TOMLTable {
        let spec = RunnerSpec(runner: "abcd2345", instance: "inst", pool: pool)
        return try TOMLTable(string: RunnerConfiguration(spec, RunnerCredentials(access, token: token), place).text)
    }

    private func runner(
        _ pool: Pool, _ access: RunnerAccess = RunnerAccess(url: "http://h"), _ place: RunnerSurroundings = .init(engineSocket: "/run/engine/e.sock")
    ) throws -> TOMLTable {
        try #require(try table(pool, access, place)["runners"]?.array?.first?.table)
    }

    private func strings(_ value: (any TOMLValueConvertible)?) -> [String] { value?.array?.compactMap(\.string) ?? [] }

    // MARK: The keys

    private enum Kind { case string, strings, flag, integer, table, stringOrStrings }

    /// gitlab-runner's own, with their types (docs.gitlab.com/runner/configuration/advanced-configuration, as of 19.4).
    private static let runnerKeys: [String: Kind] = [
        "name": .string, "url": .string, "token": .string, "tls-ca-file": .string, "executor": .string, "builds_dir": .string, "cache_dir": .string,
        "environment": .strings, "clone_url": .string, "feature_flags": .table, "docker": .table, "cache": .table,
    ]
    private static let dockerKeys: [String: Kind] = [
        "allowed_images": .strings, "allowed_services": .strings, "allowed_pull_policies": .strings, "cap_add": .strings, "cap_drop": .strings,
        "container_labels": .table, "cpus": .string, "devices": .strings, "disable_cache": .flag, "dns": .strings, "extra_hosts": .strings,
        "helper_image": .string, "host": .string, "image": .string, "memory": .string, "memory_swap": .string, "network_mode": .string,
        "privileged": .flag, "pull_policy": .stringOrStrings, "security_opt": .strings, "services_limit": .integer, "service_cpus": .string,
        "service_memory": .string, "service_memory_swap": .string, "shm_size": .integer, "volumes": .strings,
    ]

    private func check(_ table: TOMLTable, against known: [String: Kind]) {
        for (key, value) in table {
            switch known[key] {
            case nil: Issue.record("gitlab-runner knows no key \(key)")
            case .string: #expect(value.type == .string, "\(key)")
            case .strings: #expect(value.array?.allSatisfy { $0.type == .string } == true, "\(key)")
            case .stringOrStrings: #expect(value.type == .string || value.type == .array, "\(key)")
            case .flag: #expect(value.type == .bool, "\(key)")
            case .integer: #expect(value.type == .int, "\(key)")
            case .table: #expect(value.type == .table, "\(key)")
            }
        }
    }

    /// A runner in a scope works in its own folder; its jobs don't.
    @Test func inAScopeTheJobsContainersAreTheSameAsElsewhere() throws {
        var pool = Pool(name: "p")
        (pool.mounts, pool.network, pool.configuredExecutor, pool.env) = (["/srv/data:/data:ro"], "runners", .docker, ["A": "1"])
        let container = try runner(pool)
        pool.driver = .scope
        let place = RunnerSurroundings(engineSocket: "/run/engine/e.sock", shellFolder: "/s/work")
        let scope = try runner(pool, RunnerAccess(url: "http://h"), place)
        #expect(scope.convert() == container.convert())
        #expect(scope["docker"]?["host"]?.string == "unix:///run/engine/e.sock" && scope["builds_dir"] == nil)
        #expect(strings(scope["docker"]?["volumes"]).contains("autogit-cache-inst-p:/cache") && strings(scope["environment"]) == ["A=1"])
    }

    @Test func everyKeyIsGitlabRunnersAndHasItsType() throws {
        var pool = Pool(name: "p")
        pool.env = ["A": "1"]
        pool.docker.helperImage = "helper"
        pool.docker.networkMode = "bridge"
        pool.docker.shmSize = 1 << 20
        for list in [\DockerExecutor.allowedImages, \.allowedServices, \.allowedPullPolicies, \.volumes, \.extraHosts, \.dns, \.devices] {
            pool.docker[keyPath: list] = ["x"]
        }
        let access = RunnerAccess(url: "https://h", cloneURL: "https://c", certificates: "PEM", environment: ["http_proxy": "p"])
        let whole = try table(pool, access)
        #expect(Set(whole.keys) == ["concurrent", "check_interval", "shutdown_timeout", "runners"] && whole["concurrent"]?.int == 1)
        let docker = try runner(pool, access)
        check(docker, against: Self.runnerKeys)
        check(try #require(docker["docker"]?.table), against: Self.dockerKeys)
        #expect(docker["tls-ca-file"]?.string == "/run/autogit/ca.crt" && docker["clone_url"]?.string == "https://c")
        #expect(strings(docker["environment"]) == ["A=1", "http_proxy=p"])
        pool.configuredExecutor = .shell
        let shell = try runner(pool, access, .init(shellFolder: "/w"))
        check(shell, against: Self.runnerKeys)
        #expect(shell["docker"] == nil && shell["builds_dir"]?.string == "/w/builds")
        // The container has them.
        #expect(strings(shell["environment"]) == ["http_proxy=p"])
    }

    // MARK: The Docker executor

    @Test func withoutMemoryLimitsGitlabRunnerIsGivenNone() throws {
        var pool = Pool(name: "p")
        pool.memory = 0
        let docker = try #require(try runner(pool)["docker"]?.table)
        #expect(!docker.keys.contains { $0.contains("memory") } && docker["cpus"]?.string != nil)
    }

    @Test func aJobHasThePoolsLimitsAndLabelsOfOurs() throws {
        var pool = Pool(name: "p")
        pool.cpus = 0.5
        pool.memory = 256 << 20
        pool.capabilitiesAdd = ["NET_RAW"]
        pool.capabilitiesDrop = ["SETFCAP"]
        pool.mounts = ["/srv:/data:ro"]
        pool.docker.volumes = ["models:/models"]
        let docker = try #require(try runner(pool)["docker"]?.table)
        #expect(docker["cpus"]?.string == "0.5" && docker["memory"]?.string == "268435456b" && docker["memory_swap"]?.string == "268435456b")
        #expect(strings(docker["cap_drop"]) == ["ALL"] && strings(docker["security_opt"]) == ["no-new-privileges"])
        #expect(strings(docker["cap_add"]) == ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "NET_RAW"])
        #expect(strings(docker["volumes"]) == ["autogit-cache-inst-p:/cache", "/srv:/data:ro", "models:/models"])
        #expect(docker["host"]?.string == "unix:///run/engine/e.sock" && docker["disable_cache"]?.bool == true)
        let labels = try #require(docker["container_labels"]?.table)
        #expect(labels["autogit.job.instance"]?.string == "inst" && labels["autogit.job.runner"]?.string == "abcd2345")
        // Those of the runner's own container: a job's must not be taken for one.
        #expect(labels["autogit.instance"] == nil && labels["autogit.runner"] == nil)
    }

    @Test func privilegedMeansWhatItSays() throws {
        var pool = Pool(name: "p")
        pool.docker.privileged = true
        let docker = try #require(try runner(pool)["docker"]?.table)
        #expect(docker["privileged"]?.bool == true && docker["cap_drop"] == nil && docker["security_opt"] == nil)
    }

    /// Without a network of anybody's choice a build gets one, in which services have names.
    @Test func aBuildHasANetworkUnlessOneIsNamed() throws {
        var pool = Pool(name: "p")
        func network(_ pool: Pool) throws -> (mode: String?, flag: Bool?) {
            let table = try runner(pool)
            return (table["docker"]?.table?["network_mode"]?.string, table["feature_flags"]?.table?["FF_NETWORK_PER_BUILD"]?.bool)
        }
        #expect(try network(pool) == (nil, true))
        pool.network = "host"
        #expect(try network(pool) == ("host", nil))
        pool.docker.networkMode = "bridge"
        #expect(try network(pool) == ("bridge", nil))
    }

    /// Each registration would make cache volumes of its own, which nobody ever uses again.
    @Test func withoutACacheNoVolumeIsMadeInItsPlace() throws {
        var pool = Pool(name: "p")
        pool.cache = JobCache(.none)
        var docker = try #require(try runner(pool)["docker"]?.table)
        #expect(docker["disable_cache"]?.bool == true && strings(docker["volumes"]).isEmpty)
        pool.cache = JobCache(.volume)
        pool.mounts = ["/srv/cache:/cache"]
        docker = try #require(try runner(pool)["docker"]?.table)
        #expect(strings(docker["volumes"]) == ["/srv/cache:/cache"])
    }

    private static let cacheKeys: [String: Kind] = [
        "Type": .string, "Path": .string, "Shared": .flag, "MaxUploadedArchiveSize": .integer, "s3": .table,
    ]
    private static let s3Keys: [String: Kind] = [
        "ServerAddress": .string, "AccessKey": .string, "SecretKey": .string, "BucketName": .string, "BucketLocation": .string, "Insecure": .flag,
        "AuthenticationType": .string,
    ]

    private func bucket() -> Pool {
        var pool = Pool(name: "p")
        pool.cache = JobCache(.s3)
        pool.cache.s3.serverAddress = "s3.home:9000"
        pool.cache.s3.bucket = "b"
        pool.cache.s3.accessKey = Secret("id")
        pool.cache.s3.secretKey = Secret("key")
        pool.cache.s3.insecure = true
        pool.cache.s3.path = "autogit"
        pool.cache.s3.maxArchiveSize = 1 << 30
        return pool
    }

    @Test(arguments: Executor.allCases) func aBucketIsSharedByAllRunnersAndNeedsNoVolume(executor: Executor) throws {
        var pool = bucket()
        pool.configuredExecutor = executor
        let runner = try runner(pool)
        let cache = try #require(runner["cache"]?.table)
        let s3 = try #require(cache["s3"]?.table)
        check(cache, against: Self.cacheKeys)
        check(s3, against: Self.s3Keys)
        #expect(cache["Type"]?.string == "s3" && cache["Shared"]?.bool == true && cache["Path"]?.string == "autogit")
        #expect(s3["AccessKey"]?.string == "id" && s3["SecretKey"]?.string == "key" && s3["AuthenticationType"]?.string == "access-key")
        #expect(s3["ServerAddress"]?.string == "s3.home:9000" && s3["BucketName"]?.string == "b" && s3["Insecure"]?.bool == true)
        // Else gitlab-runner would ask AWS for it.
        #expect(s3["BucketLocation"]?.string == "us-east-1")
        #expect(runner["cache_dir"] == nil && strings(runner["docker"]?.table?["volumes"]).isEmpty)
    }

    @Test func theRoleOfAMachineOfAWSIsUsedWithoutKeys() throws {
        var pool = Pool(name: "p")
        pool.cache = JobCache(.s3)
        pool.cache.s3.bucket = "b"
        let cache = try #require(try runner(pool)["cache"]?.table)
        let s3 = try #require(cache["s3"]?.table)
        #expect(Set(s3.keys) == ["ServerAddress", "BucketName", "AuthenticationType"] && s3["AuthenticationType"]?.string == "iam")
        #expect(cache["Path"] == nil && cache["MaxUploadedArchiveSize"] == nil)
        pool.cache.kind = .volume
        #expect(try runner(pool)["cache"] == nil)
    }

    // MARK: The way out

    @Test func thePoolsOwnKeysAreMergedLastAndKeyByKey() throws {
        var pool = Pool(name: "p")
        pool.runnerSettings = [
            "feature_flags": .table(["FF_USE_FASTZIP": .flag(true)]), "output_limit": .integer(8192),
            "docker": .table(["userns_mode": .string("host"), "ulimit": .table(["nofile": .string("1024")])]),
        ]
        let runner = try runner(pool)
        #expect(runner["feature_flags"]?.table?["FF_NETWORK_PER_BUILD"]?.bool == true && runner["feature_flags"]?.table?["FF_USE_FASTZIP"]?.bool == true)
        #expect(runner["docker"]?.table?["userns_mode"]?.string == "host" && runner["docker"]?.table?["image"]?.string == pool.docker.image)
        #expect(runner["docker"]?.table?["ulimit"]?.table?["nofile"]?.string == "1024" && runner["output_limit"]?.int == 8192)
    }

    // MARK: Pace

    @Test(arguments: [
        (Duration.milliseconds(250), 1, 4), (.milliseconds(999), 1, 2), (.milliseconds(50), 1, 20), (.seconds(1), 1, 1), (.milliseconds(1001), 2, 1),
        (.seconds(30), 30, 1),
    ])
    func aRunnerAsksAsOftenAsItIsTold(interval: Duration, seconds: Int, sections: Int) throws {
        var pool = Pool(name: "p")
        pool.requestInterval = interval
        let table = try table(pool)
        let all = try #require(table["runners"]?.array)
        #expect(table["check_interval"]?.int == seconds && all.count == sections && table["concurrent"]?.int == 1)
        #expect(Set(all.map { $0.table?.convert() }).count == 1, "they are not the same")
    }

    // MARK: Files

    /// No character of a name, a URL or a variable ends its string.
    @Test(arguments: ["plain", "with \"quotes\" and \\", "line\nbreak\ttab", "ünïcödé 😀", "\u{1}\u{7f}", "[[runners]]", "#"])
    func everyTextComesThroughAsItIs(text: String) throws {
        var pool = Pool(name: "p")
        pool.env = ["A": text]
        #expect(strings(try runner(pool)["environment"]) == ["A=\(text)"])
    }

    @Test func theFilesAreThereForAnyCommand() {
        let spec = RunnerSpec(runner: "abcd2345", instance: "i", pool: Pool(name: "p"))
        let files = RunnerFiles.contents(for: spec, RunnerCredentials(RunnerAccess(url: "http://h", certificates: "PEM\n"), token: token), in: .init())
        let texts = Dictionary(uniqueKeysWithValues: files.map { ($0.name, $0.content) })
        #expect(texts["url"] == "http://h\n" && texts["token"] == "glrt-t1_abcdefghij\n" && texts["name"] == "autogit-runner-abcd2345\n")
        #expect(texts["executor"] == "docker\n" && texts["ca.crt"] == "PEM\n" && texts["config.toml"] != nil && texts.count == 6)
    }
}
