import Fleet
import Foundation
import TestBench
import Testing

@testable import Settings

@Suite struct SettingsTests {
    private let scratch: ScratchFolder
    private var directory: String { scratch.path }
    private let environment = SettingsEnvironment(machineMemory: 10 << 30, credentialsDirectory: nil)

    init() throws {
        scratch = try ScratchFolder("settings")
        try secret("token", "glpat-secret\n", mode: 0o600)
        try secret("open", "glpat-open", mode: 0o644)
    }

    private func secret(_ name: String, _ text: String, mode: Int) throws {
        let path = "\(directory)/\(name)"
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    private func parse(_ text: String) throws -> Settings {
        try Settings.parse(
            text.replacingOccurrences(of: "DIR", with: directory), file: "autogit.toml", environment: environment)
    }

    private func errors(_ text: String) -> [SettingsError] {
        do {
            _ = try parse(text)
            return []
        } catch let invalid as InvalidSettings {
            return invalid.errors
        } catch {
            Issue.record("unexpected error: \(error)")
            return []
        }
    }

    private let minimal = """
        [gitlab]
        url = "http://192.168.1.170:3000"
        token_file = "DIR/token"
        [[pool]]
        name = "default"
        tags = ["autogit"]
        """

    @Test func fiveLinesAreEnough() throws {
        let settings = try parse(minimal)
        #expect(settings.gitlab.token.reveal() == "glpat-secret")
        #expect(settings.httpPort == 8080)
        #expect(settings.gitlab.pollInterval == .seconds(30))
        #expect(settings.budget.memory == Int64(9_663_676_416))
        #expect(settings.pools[0].cooldown == .seconds(300))
        #expect(settings.pools[0].stopSignal == "SIGQUIT")
        #expect(settings.pools[0].memory == 2 << 30)
    }

    @Test func everythingWrongIsSaidAtOnceWithLineAndKey() {
        let found = errors(
            """
            [gitlab]
            url = "gitlab"
            token_file = "DIR/open"
            pol_interval = "30s"
            [[pool]]
            name = "a"
            tags = ["x"]
            memory = "two"
            cpus = "2"
            [[pool]]
            name = "a"
            tags = ["x"]
            cooldown = "soon"
            """)
        #expect(found.map(\.line) == [2, 3, 4, 8, 9, 11, 13])
        #expect(
            found.map { $0.key ?? "" } == [
                "gitlab.url", "gitlab.token_file", "gitlab.pol_interval", "pool[0].memory", "pool[0].cpus",
                "pool[1].name", "pool[1].cooldown",
            ])
        #expect(found[1].message.contains("chmod 600"))
        #expect(found[3].message == "\"two\" is not a valid size, for example 2GiB or 512MiB, or none")
        #expect(found[4].message == "expected a number, for example 2.0, found a string")
        #expect(found[6].message == "\"soon\" is not a valid duration, for example 30s, 5m or 1h30m")
        #expect(found[2].message.contains("did you mean poll_interval?"))
        #expect(!found.contains { "\($0)".contains("glpat") })
    }

    @Test(arguments: [
        ("[gitlab\n", "invalid TOML"), ("[state]\n", "[gitlab]"), ("[gitlab]\nurl = 3\n", "expected a string in quotes, found an integer"),
        ("[gitlab]\nurl=\"http://h\"\ntoken_file=\"/nonexistent\"\n[[pool]]\nname=\"a\"\ntags=[\"x\"]", "cannot be read"),
    ])
    func brokenFilesAreRefused(text: String, says: String) {
        let found = errors(text)
        #expect(found.contains { $0.description.contains(says) }, "\(found)")
    }

    @Test func whatIsNoTextFileSaysSo() throws {
        #expect(FileManager.default.createFile(atPath: "\(directory)/bytes", contents: Data([0xFF, 0xFE, 0x00])))
        for (path, says) in [("bytes", "not a UTF-8 text file"), ("", "not a UTF-8 text file"), ("none", "No such file")] {
            let error = #expect(throws: InvalidSettings.self) { try Settings.read(path: "\(directory)/\(path)", environment: environment) }
            #expect(error?.errors.first?.message.contains(says) == true, "\(String(describing: error))")
        }
    }

    /// Each bound of each key, just inside and just outside of it.
    @Test(arguments: [
        ("name", "\"\"", false), ("name", "\"a-b_c.D9\"", true), ("name", "\"a b\"", false), ("driver", "\"vm\"", false), ("tags", "[\"a,b\"]", false),
        ("memory", "\"16MiB\"", true), ("memory", "\"15MiB\"", false), ("memory", "\"100GiB\"", false), ("cpus", "0", false), ("cpus", "0.5", true),
        ("pids", "15", false), ("pids", "16", true), ("io_weight", "10000", true), ("io_weight", "10001", false), ("max_runners", "0", false),
        ("warm", "10", true), ("warm", "11", false), ("start_timeout", "\"1s\"", true), ("start_timeout", "\"999ms\"", false),
        ("start_timeout", "\"0\"", false),
        ("stop_signal", "\"QUIT\"", false), ("stop_signal", "\"SIGTERM\"", true), ("register", "\"group:7\"", true), ("register", "\"group:\"", false),
        ("env", "{ A = 1 }", false), ("env", "{ A = \"1\" }", true), ("image", "\"\"", false), ("mounts", "[\"/a:/b:ro\"]", true),
        ("mounts", "[\"a:/b\"]", false),
    ])
    func valuesOfAPool(key: String, value: String, isValid: Bool) {
        let other = ["name = \"p\"", "tags = [\"x\"]"].filter { !$0.hasPrefix("\(key) ") }.joined(separator: "\n")
        let found = errors("[gitlab]\nurl = \"http://h\"\ntoken_file = \"DIR/token\"\n[[pool]]\n\(other)\n\(key) = \(value)\n")
        #expect(found.isEmpty == isValid && found.allSatisfy { $0.key == "pool[0].\(key)" }, "\(found)")
    }

    @Test(arguments: [
        ("gitlab", true), ("a-9", true), (String(repeating: "a", count: 32), true), (String(repeating: "a", count: 33), false), ("", false), ("Main", false),
    ])
    func aGitLabHasAName(name: String, isValid: Bool) throws {
        let text = minimal.replacingOccurrences(of: "[gitlab]", with: "[gitlab]\nname = \"\(name)\"")
        #expect(errors(text).map(\.key) == (isValid ? [] : ["gitlab.name"]))
        if isValid { #expect(try parse(text).gitlab.name == name) }
        #expect(try parse(minimal).gitlab.name == "gitlab")
    }

    /// A scope has no container of its own; its jobs have some with the Docker executor.
    @Test(arguments: Executor.allCases) func keysOfContainersAreRefusedWhereThereAreNone(executor: Executor) {
        for key in SettingsSchema.pool where key.need != nil {
            let value = (key.example ?? key.value(in: Pool(name: "p"))).toml
            let found = errors(minimal + "\ndriver = \"scope\"\nexecutor = \"\(executor.rawValue)\"\n\(key.name) = \(value)\n")
            let isOfJobs = ["network", "mounts", "cap_add", "cap_drop"].contains(key.name)
            #expect(found.map(\.key) == (isOfJobs && executor == .docker ? [] : ["pool[0].\(key.name)"]), "\(found)")
            #expect(found.allSatisfy { $0.message.contains("or set executor = \"docker\"") == isOfJobs }, "\(found)")
        }
    }

    // MARK: Executors

    @Test func whatRunsThePoolDecidesTheExecutor() throws {
        func executor(_ lines: String) throws -> Executor { try parse(minimal + "\n" + lines).pools[0].executor }
        #expect(try executor("") == .docker)
        #expect(try executor("executor = \"shell\"") == .shell)
        // Of a command of the pool's own we don't know what it can do.
        #expect(try executor("command = [\"/x\"]") == .shell)
        #expect(try executor("command = [\"/x\"]\nexecutor = \"docker\"") == .docker)
        #expect(try executor("driver = \"scope\"") == .shell)
        #expect(try executor("driver = \"scope\"\nexecutor = \"docker\"") == .docker)
    }

    /// Each is refused under the key that is wrong, at that key's line.
    @Test(arguments: [
        ("executor = \"vm\"", "executor"), ("executor = \"shell\"\n[pool.docker]\nimage = \"i\"", "docker.image"),
        ("executor = \"shell\"\nrunner_memory = \"64MiB\"", "runner_memory"), ("driver = \"scope\"\n[pool.docker]\nimage = \"i\"", "docker.image"),
        ("driver = \"scope\"\nrunner_memory = \"64MiB\"", "runner_memory"),
        ("driver = \"scope\"\nexecutor = \"docker\"\nmounts = [\"/run/user/1000:/run/user/1000\"]", "mounts"),
        ("[pool.docker]\nimage = \"\"", "docker.image"), ("[pool.docker]\nimagee = \"x\"", "docker.imagee"),
        ("[pool.docker]\npull_policy = [\"sometimes\"]", "docker.pull_policy"), ("[pool.docker]\npull_policy = []", "docker.pull_policy"),
        ("[pool.docker]\nservices_limit = -1", "docker.services_limit"), ("[pool.docker]\nservices_limit = 20", "memory"),
        ("[pool.docker]\nvolumes = [\"x\"]", "docker.volumes"), ("[pool.docker]\ndevices = [\"ttyUSB0\"]", "docker.devices"),
        ("mounts = [\"/a:/c\"]\n[pool.docker]\nvolumes = [\"b:/c\"]", "docker.volumes"), ("docker = 1", "docker"),
        ("[pool.cache]\nkind = \"ftp\"", "cache.kind"), ("request_interval = \"49ms\"", "request_interval"),
        ("mounts = [\"/var/run/docker.sock:/var/run/docker.sock\"]", "mounts"),
        ("[pool.docker]\nvolumes = [\"/run/user/1000/podman/podman.sock:/s\"]", "docker.volumes"),
        ("[pool.docker]\nvolumes = [\"/run/user/1000/:/s\"]", "docker.volumes"), ("[pool.docker]\nvolumes = [\"/:/host:ro\"]", "docker.volumes"),
        ("[pool.runner]\ntoken = \"x\"", "runner.token"), ("[pool.runner]\nlimit = 3", "runner.limit"),
        ("[pool.runner]\nenvironment = [\"A=1\"]", "runner.environment"), ("[pool.runner.docker]\nhost = \"unix:///x\"", "runner.docker.host"),
        ("[pool.runner.docker]\nmemory = \"9g\"", "runner.docker.memory"), ("[pool.runner.docker]\nimage = \"x\"", "runner.docker.image"),
        ("[pool.runner.docker]\ncontainer_labels = { a = \"b\" }", "runner.docker.container_labels"),
        ("[pool.runner]\nsince = 2026-11-25", "runner.since"),
    ])
    func whatAnExecutorCannotDoIsRefused(lines: String, key: String) {
        let found = errors(minimal + "\n" + lines + "\n")
        #expect(found.map(\.key) == ["pool[0].\(key)"], "\(found)")
        #expect(found.allSatisfy { ($0.line ?? 0) > 0 }, "\(found)")
    }

    @Test func theEnginesSocketIsForThoseWhoInsist() throws {
        let volumes = "[pool.docker]\nvolumes = [\"/var/run/docker.sock:/var/run/docker.sock\"]\n"
        #expect(errors(minimal + "\n" + volumes).first?.message.contains("every other job's secrets") == true)
        #expect(try parse(minimal + "\n" + volumes + "allow_engine_socket = true\n").pools[0].docker.allowEngineSocket)
    }

    /// The second pool's tables have the second pool's lines.
    @Test func anErrorInATableOfAPoolHasItsLine() {
        let text = minimal + "\n[pool.docker]\nimage = \"i\"\n[[pool]]\nname = \"q\"\ntags = [\"y\"]\n[pool.docker]\nservices_limit = 200\n"
        let found = errors(text)
        #expect(found.map(\.key) == ["pool[1].docker.services_limit"])
        #expect(found.first?.line == text.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.hasPrefix("services_limit") }.map { $0 + 1 })
    }

    @Test func aRunnerReservesWhatItsJobsMayUse() throws {
        let pool = try parse(minimal + "\nmemory = \"1GiB\"\ncpus = 2\n[pool.docker]\nservices_limit = 3\nservice_cpus = 0.5\nservice_memory = \"100MiB\"\n")
            .pools[0]
        #expect(pool.reservedMemory == (128 + 1024 + 300) << 20 && pool.reservedCPUs == 4.5)
        let shell = try parse(minimal + "\nmemory = \"1GiB\"\ncpus = 2\nexecutor = \"shell\"\n").pools[0]
        #expect(shell.reservedMemory == 1 << 30 && shell.reservedCPUs == 2)
    }

    /// Nothing of it may get into a log by an accident of string interpolation.
    @Test func gitlabRunnersOwnKeysAreKeptAndPrintNothing() throws {
        let pool = try parse(
            minimal
                + "\n[pool.runner]\npre_get_sources_script = \"s3cret\"\noutput_limit = 9\n[pool.runner.feature_flags]\nFF_X = true\n[pool.runner.cache]\nx = [1.5]\n"
        ).pools[0]
        #expect(
            pool.runnerSettings == [
                "pre_get_sources_script": .string("s3cret"), "output_limit": .integer(9), "feature_flags": .table(["FF_X": .flag(true)]),
                "cache": .table(["x": .array([.number(1.5)])]),
            ])
        var dumped = ""
        dump(pool.runnerSettings, to: &dumped)
        #expect(!"\(pool.runnerSettings) \(String(reflecting: pool)) \(dumped)".contains("s3cret"))
    }

    @Test func proxiesAreTheServicesOwnUnlessTheFileHasOthers() throws {
        let own = SettingsEnvironment(machineMemory: 10 << 30, credentialsDirectory: nil, proxy: ["http_proxy": "http://p"])
        func proxy(_ line: String) throws -> [String: String] {
            try Settings.parse(
                minimal.replacingOccurrences(of: "DIR", with: directory).replacingOccurrences(of: "[gitlab]", with: "[gitlab]\n\(line)"), file: "f",
                environment: own
            ).gitlab.proxy
        }
        #expect(try proxy("") == ["http_proxy": "http://p"])
        #expect(try proxy("proxy = { https_proxy = \"http://q\" }") == ["https_proxy": "http://q"])
        #expect(throws: InvalidSettings.self) { try proxy("proxy = { ftp_proxy = \"x\" }") }
    }

    // MARK: Caches

    private let bucket = """
        [pool.cache]
        kind = "s3"
        server_address = "s3.home:9000"
        bucket = "ci-cache"
        location = "eu-1"
        access_key_file = "DIR/access"
        secret_key_file = "DIR/secret"
        insecure = true
        path = "autogit"
        max_archive_size = "2GiB"

        """

    private func keys() throws {
        try secret("access", "AKIA-s3cret\n", mode: 0o600)
        try secret("secret", "wJalr-s3cret\n", mode: 0o600)
    }

    /// Nothing of the keys may get into a log by an accident of string interpolation, nor into what the schema shows.
    @Test func aBucketIsReadAndItsKeysPrintNothing() throws {
        try keys()
        let settings = try parse(minimal + "\n" + bucket)
        let s3 = settings.pools[0].cache.s3
        #expect(settings.pools[0].cache.kind == .s3 && s3.serverAddress == "s3.home:9000" && s3.bucket == "ci-cache" && s3.location == "eu-1")
        #expect(s3.accessKey?.reveal() == "AKIA-s3cret" && s3.secretKey?.reveal() == "wJalr-s3cret")
        #expect(s3.insecure && s3.path == "autogit" && s3.maxArchiveSize == 2 << 30 && settings.pools[0].cacheVolume == nil)
        var dumped = "\(settings) \(settings.pools[0]) \(s3) \(String(reflecting: s3)) \(settings.notes)"
        dump(s3, to: &dumped)
        dumped += SettingsSchema.poolSections.flatMap(\.keys).map { $0.value(in: settings.pools[0]).toml }.joined()
        #expect(dumped.contains("ci-cache") && !dumped.contains("s3cret"))
        // AWS, whose role the machine has.
        let amazon = try parse(minimal + "\n[pool.cache]\nkind = \"s3\"\nbucket = \"b\"\n").pools[0].cache.s3
        #expect(amazon.serverAddress == "s3.amazonaws.com" && amazon.isAmazon && amazon.accessKey == nil)
    }

    @Test(arguments: [
        ("[pool.cache]\nkind = \"s3\"", "cache.bucket"), ("[pool.cache]\nkind = \"s3\"\nbucket = \"a/b\"", "cache.bucket"),
        ("[pool.cache]\nkind = \"s3\"\nbucket = \"b\"\nserver_address = \"http://h\"", "cache.server_address"),
        ("[pool.cache]\nkind = \"s3\"\nbucket = \"b\"\naccess_key_file = \"DIR/access\"", "cache.secret_key_file"),
        ("[pool.cache]\nkind = \"s3\"\nbucket = \"b\"\nsecret_key_file = \"DIR/access\"", "cache.access_key_file"),
        ("[pool.cache]\nkind = \"s3\"\nbucket = \"b\"\naccess_key_file = \"DIR/open\"\nsecret_key_file = \"DIR/access\"", "cache.access_key_file"),
        ("[pool.cache]\nbucket = \"b\"", "cache.bucket"), ("[pool.cache]\nkind = \"none\"\ninsecure = false", "cache.insecure"),
        ("[pool.cache]\nkind = \"none\"\nscope = \"project\"", "cache.scope"), ("[pool.cache]\nscope = \"branch\"", "cache.scope"),
        ("[pool.cache]\nscope = \"project\"", "cache.scope"), ("register = \"group:7\"\n[pool.cache]\nscope = \"project\"", "cache.scope"),
        ("register = \"project:7\"\nmounts = [\"/c:/cache\"]\n[pool.cache]\nscope = \"project\"", "cache.scope"),
        ("[pool.runner.cache]\nType = \"s3\"", "runner.cache.Type"), ("[pool.runner.cache]\ntype = \"S3\"", "runner.cache.type"),
        ("[pool.runner.cache.s3]\nSecretKey = \"x\"", "runner.cache.s3.SecretKey"), ("[pool.runner.cache.s3]\nsecretkey = \"x\"", "runner.cache.s3.secretkey"),
        ("[pool.runner.docker]\nMemory = \"9g\"", "runner.docker.Memory"),
    ])
    func whatACacheCannotBeIsRefused(lines: String, key: String) throws {
        try keys()
        let found = errors(minimal + "\n" + lines + "\n")
        #expect(found.map(\.key) == ["pool[0].\(key)"] && found.allSatisfy { ($0.line ?? 0) > 0 && !"\($0)".contains("s3cret") }, "\(found)")
    }

    /// Jobs that can come to the keys of a bucket can come to every project's cache in it.
    @Test(arguments: [
        ("", "", true), ("executor = \"shell\"", "", false), ("", "[pool.docker]\nprivileged = true", false),
        ("", "[pool.docker]\nallow_engine_socket = true", false),
    ])
    func aBucketSeparatesProjectsWhoseJobsDoNotHaveItsKeys(pool: String, more: String, isValid: Bool) throws {
        try keys()
        let found = errors("\(minimal)\n\(pool)\n\(bucket)scope = \"project\"\n\(more)\n")
        #expect(found.map(\.key) == (isValid ? [] : ["pool[0].cache.scope"]), "\(found)")
        #expect(errors("\(minimal)\n\(pool)\n\(bucket)\(more)\n").isEmpty)
        let role = "[pool.cache]\nkind = \"s3\"\nbucket = \"b\"\nscope = \"project\"\n"
        #expect(errors("\(minimal)\n\(role)").map(\.key) == ["pool[0].cache.scope"])
    }

    @Test func aProjectsPoolHasAVolumeThatNoOtherProjectEverHad() throws {
        let lines = "\nregister = \"project:g/p\"\n[pool.cache]\nscope = \"project\"\n"
        #expect(try parse(minimal + lines).pools[0].cacheVolume == CacheVolume(pool: "default", project: "g/p"))
        #expect(try parse(minimal + "\nregister = \"project:g/p\"\n").pools[0].cacheVolume == CacheVolume(pool: "default"))
    }

    /// There is a setting for S3 only; for the others gitlab-runner's own keys stand.
    @Test func otherServersAreGitlabRunnersOwn() throws {
        try keys()
        let azure =
            "\n[pool.cache]\nkind = \"none\"\n[pool.runner.cache]\nType = \"azure\"\nPath = \"p\"\nShared = true\n[pool.runner.cache.azure]\nContainerName = \"c\"\n"
        #expect(errors(minimal + azure).isEmpty)
        #expect(
            errors(minimal + "\n" + bucket + "[pool.runner.cache]\nType = \"gcs\"\nPath = \"p\"\nShared = false\n[pool.runner.cache.s3]\nPathStyle = true\n")
                .map(\.key) == [
                    "pool[0].runner.cache.Type", "pool[0].runner.cache.Path", "pool[0].runner.cache.Shared",
                ])
    }

    // MARK: Registries

    @Test func registriesHaveLoginsOfTheirOwn() throws {
        try secret("registry", "pass word\n", mode: 0o600)
        let settings = try parse(minimal + "\n[registry.\"registry.home:5000\"]\nusername = \"u\"\npassword_file = \"DIR/registry\"\n")
        #expect(settings.registries == [RegistryLogin(registry: "registry.home:5000", username: "u", password: Secret("pass word"))])
        #expect(!"\(settings.registries)".contains("pass word"))
    }

    @Test(arguments: [
        ("[registry.home]\nusername = \"u\"\npassword_file = \"/nowhere\"", "registry.home.password_file", 1),
        ("[registry.\"a:1\"]\nusername = \"u:v\"\npassword_file = \"/nowhere\"", "registry.a:1.username", 2),
        ("[registry.\"a:1\"]\nusername = \"u\"", "registry.a:1.password_file", 1),
        ("[registry.registry.home]\nusername = \"u\"", "registry.registry.home", 1),
        ("[registry]\nusername = \"u\"", "registry.username", 1),
        ("[registry.\"a/b\"]\nusername = \"u\"\npassword_file = \"/nowhere\"", "registry.a/b", 1),
        ("registry = 1", "registry", 1),
    ])
    func wrongRegistriesAreRefusedWithTheWayOut(text: String, key: String, count: Int) throws {
        let found = errors(text + "\n" + minimal)
        #expect(found.contains { $0.key == key } && found.count == count, "\(found)")
    }

    // MARK: Documentation

    private func document(_ path: String) throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// The schema's sections and keys, each with its line of the example configuration.
    private var everyKey: [(section: String, keys: [(name: String, line: String)])] {
        func lines<Target>(_ keys: [SettingKey<Target>], _ defaults: Target) -> [(name: String, line: String)] {
            keys.map { ($0.name, $0.exampleLine(defaults: defaults)) }
        }
        var all = SettingsSchema.sections.map { ("[\($0.name)]", lines($0.keys, SettingsDraft())) }
        all.insert(
            ("[[host]]", lines(SettingsSchema.host, HostDraft())), at: 1 + (all.firstIndex { $0.0 == "[host]" } ?? 0))
        all.insert(("[host.power]", lines(SettingsSchema.power, PowerDraft())), at: 1 + (all.firstIndex { $0.0 == "[[host]]" } ?? 0))
        all.append(("[registry.\"registry.home:5000\"]", lines(SettingsSchema.registry, RegistryDraft())))
        all.append(("[[priority]]", lines(SettingsSchema.priority, PriorityDraft())))
        all.append(("[[notify]]", lines(SettingsSchema.notify, NotifyDraft())))
        all.append(("[[pool]]", lines(SettingsSchema.pool, Pool(name: ""))))
        all += SettingsSchema.poolSections.map { ("[pool.\($0.name)]", lines($0.keys, Pool(name: ""))) }
        all.append(("[[pool.schedule]]", lines(SettingsSchema.schedule, ScheduleDraft())))
        return all
    }

    @Test func everyKeyIsInTheManualAndNoOther() throws {
        let manual = try document("docs/man/autogit.toml.5")
        for (section, keys) in everyKey {
            let start = try #require(manual.range(of: "\n.SH \(section)\n"), "no section \(section)")
            let text = manual[start.upperBound...].split(separator: "\n").prefix { !$0.hasPrefix(".SH ") }
            // A paragraph's tag follows .TP, and may name several keys.
            let tags = zip(text, text.dropFirst()).filter { $0.0 == ".TP" }.map(\.1)
            let names = tags.flatMap { $0.dropFirst(3).split(separator: ",").map { $0.filter { $0 != " " } } }
            #expect(Set(names) == Set(keys.map(\.name)) && names.count == keys.count, "\(section): \(names)")
        }
    }

    @Test func everyKeyIsInTheExampleAndNoOther() throws {
        let lines = try document("packaging/etc/autogit.toml").split(separator: "\n").map(String.init).filter { $0.wholeMatch(of: /#[\[a-z].*/) != nil }
        let expected = everyKey.flatMap { section, keys in ["#\(section)"] + keys.map(\.line) }
        #expect(lines == expected, "it should be:\n\(expected.joined(separator: "\n"))")
    }

    /// Without its # the example is valid, but for the files that it names; one of the two forms of hosts at a time.
    @Test(arguments: ["[host]", "[[host]]"]) func theExampleIsValid(without form: String) throws {
        var isLeftOut = false
        let text = try document("packaging/etc/autogit.toml").split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.wholeMatch(of: /#[\[a-z].*/) != nil ? $0.dropFirst() : $0 }
            .filter { line in
                if line.hasPrefix("[") { isLeftOut = line == form || form == "[[host]]" && line == "[host.power]" }
                return !isLeftOut
            }.joined(separator: "\n")
            // Some keys are for this kind only.
            .replacingOccurrences(of: "kind = \"volume\"", with: "kind = \"s3\"")
            .replacing(/(?m)^warm = [0-9]/, with: "warm = \"auto\"")
        let keys = Set(errors(text).map { $0.key ?? "" })
        #expect(
            keys.isSubset(
                of: [
                    "gitlab.token_file", "gitlab.webhook_secret_file", "gitlab.ca_file", "listen.control_token_file", "metrics.token_file",
                    "registry.registry.home:5000.password_file", "pool[0].cache.access_key_file", "pool[0].cache.secret_key_file",
                    // One of each kind's.
                    "notify[0].token_file", "notify[0].secret_file", "notify[0].command", "notify[0].ca_file",
                    // For another kind of engine.
                    "host[0].tls_ca", "host[0].tls_cert", "host[0].tls_key", "host[0].kubeconfig", "host[0].context", "host[0].namespace",
                ] + (form == "[[host]]" ? ["pool[0].hosts", "pool[0].prefer"] : [])), "\(errors(text))")
    }

    // MARK: Units

    @Test(arguments: [("2GiB", 2 << 30), ("512MiB", 512 << 20), ("1.5 GB", 1_500_000_000), ("1048576", 1 << 20)])
    func sizes(text: String, bytes: Int64) { #expect(Units.bytes(text) == bytes) }

    @Test(arguments: ["", "GiB", "-1GiB", "2XB", "nan", "1e400", "99999999999TiB"])
    func noSizes(text: String) { #expect(Units.bytes(text) == nil) }

    @Test func times() {
        #expect(Units.duration("5m") == .seconds(300))
        #expect(Units.duration("1h30m") == .seconds(5400))
        #expect(Units.duration("250ms") == .milliseconds(250))
        for bad in ["", "5", "m", "5 parsecs", "-5m", "1e99h"] { #expect(Units.duration(bad) == nil) }
    }
    @Test(arguments: ["2GiB", "512MiB", "1048577", "1TiB"]) func sizesAreWrittenAsTheyAreRead(text: String) throws {
        #expect(Units.text(bytes: try #require(Units.bytes(text))) == text)
    }

    @Test(arguments: ["5m", "1h30m", "250ms", "1d", "0", "1d1h1m1s1ms"]) func timesAreWrittenAsTheyAreRead(text: String) throws {
        #expect(Units.text(try #require(Units.duration(text))) == text)
    }

    /// For kernels without the controller: nothing of such a pool has a memory limit, and it reserves none.
    @Test func aPoolCanGoWithoutMemoryLimits() throws {
        let pool = try parse(minimal + "\nmemory = \"none\"\n").pools[0]
        #expect(!pool.limitsMemory && pool.reservedMemory == 0 && pool.runnerLimits.memory == 0)
        #expect(throws: InvalidSettings.self) { try parse(minimal + "\nrunner_memory = \"none\"\n") }
    }

    /// systemd passes a line of nothing where there is no file, and also where a drop-in takes the credentials away.
    @Test func aTokenThatSystemdDoesNotPassOnIsToldOf() throws {
        var own = environment
        own.hasTokenFile = true
        let text = "[gitlab]\nurl = \"http://g\"\n[[pool]]\nname = \"a\"\ntags = [\"a\"]\n"
        let error = #expect(throws: InvalidSettings.self) { try Settings.parse(text, file: "f", environment: own) }
        #expect(error?.description.contains("a drop-in clears LoadCredential=") == true && error?.description.contains("install -o 1000") == true)
        own.credentials["gitlab-token"] = Secret("glpat-given")
        #expect(try Settings.parse(text, file: "f", environment: own).gitlab.token.reveal() == "glpat-given")
    }
}
