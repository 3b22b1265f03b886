import Fleet
import FoundationEssentials
import Glibc
import JSONSchema

/// Every key of the configuration file, in the order of autogit.toml(5).
public enum SettingsSchema {
    /// A section that is there once at most.
    public struct Section: Sendable {
        /// Without brackets.
        public let name: String
        /// In the order of the manual.
        public let keys: [SettingKey<SettingsDraft>]
    }

    /// All sections but `[[pool]]`.
    public static let sections = [
        Section(
            name: "gitlab",
            keys: [
                .string("url", \.url, example: .string("http://gitlab.example:3000"), pattern: webURL, "GitLab's address, as runners reach it too") {
                    isWebURL($0) ? nil : "\"\($0)\" is not a valid URL, for example http://gitlab.example:3000"
                },
                .string("name", \.gitlabName, pattern: "^[a-z0-9-]{1,32}$", "its name in AutoGit's database") { isName($0) ? nil : nameRule($0) },
                .secret(
                    "token_file", \.token, credential: "gitlab-token", example: "/srv/autogit/gitlab-token",
                    "the access token, in place of /etc/autogit/gitlab-token"),
                .secret(
                    "webhook_secret_file", \.webhookSecret, credential: "webhook-secret", example: "/srv/autogit/webhook-secret",
                    "the secret of webhooks, in place of /etc/autogit/webhook-secret"),
                .duration("poll_interval", \.pollInterval, atLeast: .seconds(1), zero: "switch polling off", "how often to look for jobs without a webhook"),
                .strings("projects", \.projects, example: ["group/project"], "the projects to poll without an administrator's token"),
                .string(
                    "runner_url", \.runnerURL, example: .string("http://gitlab.example:3000"), pattern: webURL,
                    "GitLab's address, where runners reach it by another"
                ) {
                    isWebURL($0) ? nil : "\"\($0)\" is not a valid URL, for example http://host.containers.internal:3000"
                },
                .string("clone_url", \.cloneURL, example: .string("http://gitlab.example:3000"), pattern: webURL, "GitLab's address for git in jobs") {
                    isWebURL($0) ? nil : "\"\($0)\" is not a valid URL, for example http://host.containers.internal:3000"
                },
                .string(
                    "webhook_url", \.webhookURL, example: .string("http://nas.home:8080/webhook/job"),
                    pattern: #"^https?://[^/?#@\s]+(/[^?#\s]*)?/webhook/job$"#, "AutoGit's address, where GitLab reaches it by another"
                ) {
                    isWebURL($0) && $0.hasSuffix("/webhook/job")
                        ? nil : "\"\($0)\" is not the address of a webhook, for example http://host.containers.internal:8080/webhook/job"
                },
                .table(
                    "proxy", \.proxy, example: ["http_proxy": "http://proxy.example:3128"], names: proxyVariables,
                    "proxy variables of jobs, in place of the service's own"
                ) { proxyVariables.contains($0) ? nil : "\($0) is not one of http_proxy, https_proxy and no_proxy" },
                .file("ca_file", \.caFile, example: "/etc/ssl/certs/ca-certificates.crt", "CA certificates in place of the system's") {
                    access($0, R_OK) == 0 ? nil : "\($0) cannot be read: \(String(cString: strerror(errno)))"
                },
            ]),
        Section(
            name: "listen",
            keys: [
                .parsed(
                    "http", \.http, .string().matching(":[0-9]+$"), "the address of webhooks and API", hint: "expected HOST:PORT, for example \"0.0.0.0:8080\"",
                    parse: ListenAddress.init, print: \.text),
                .string("control", \.controlSocket, "the control socket"),
                .secret(
                    "control_token_file", \.controlToken, example: "/srv/autogit/control-token",
                    "a bearer token that allows writing calls over TCP"), readKey,
            ]),
        metrics,
        Section(name: "state", keys: [.string("directory", \.stateDirectory, "the folder of the database")]),
        Section(
            name: "engine",
            keys: [
                .string("socket", \.engineSocket, example: .string("/run/user/1000/podman/podman.sock"), "the socket of a Docker-compatible engine"),
                prune("with [[host]] in place of [host]: images that go when a disk is short of space"),
            ]),
        Section(
            name: hostSection,
            keys: [
                .size("memory", \.memory, example: 20 << 30, "the most that all runners' memory limits may add up to"),
                .number("cpus", \.cpus, example: 8, "the most that all runners' CPU limits may add up to"),
                .size("disk_reserve", \.diskReserve, atLeast: 0, "what the engine's disk keeps free; with less no runner is started"),
                prune("images that go before that; or \"none\", or \"all\""),
            ]),
        cost,
    ]

    /// The keys of `[[pool]]`.
    public static let pool: [SettingKey<Pool>] =
        [
            .string("name", \.name, example: .string("default"), pattern: "^[A-Za-z0-9._-]{1,63}$", "letters, digits, - _ and .; each pool its own") {
                isPoolName($0) ? nil : "\"\($0)\" is not a valid name: use 1 to 63 letters, digits, and - _ ."
            },
            .parsed(
                "driver", \.driver, .word(of: DriverKind.self), "or \"scope\": processes of this host", hint: "expected \"container\" or \"scope\"",
                parse: DriverKind.init(rawValue:),
                print: \.rawValue),
            .strings("tags", \.tags, example: ["autogit", "docker"], of: .string().matching("^[^,]+$"), "the tags of its runners, as in GitLab") {
                $0.isEmpty || $0.contains(",") ? "\"\($0)\" is not a valid tag: tags are not empty and contain no comma" : nil
            },
            .flag("run_untagged", \.runUntagged, "whether its runners take jobs without tags too"),
            .parsed(
                "executor", \.configuredExecutor, .word(of: Executor.self), "or \"shell\", which ignores a job's image:",
                hint: "expected \"docker\" or \"shell\"",
                parse: { Executor(rawValue: $0).map(Optional.some) }, print: { ($0 ?? .docker).rawValue }),
            .strings("command", \.command, example: ["gitlab-runner", "run"], "the runner's whole command line"),
        ] + choice + hardware + [
            .number("cpus", \.cpus, "the CPU limit of each job"),
            .size("memory", \.memory, atLeast: 16 << 20, orNone: true, "the memory limit of each job, or \"none\""),
            .number("runner_cpus", \.runnerCPUs, "the CPU limit of a runner whose jobs have containers of their own"),
            .size("runner_memory", \.runnerMemory, atLeast: 16 << 20, "the memory limit of such a runner"),
            .count("pids", \.pids, in: 16...1_000_000, "the most processes and threads of each runner"),
            .count("io_weight", \.ioWeight, in: 1...10_000, "its weight in disk I/O from 1 to 10000, in scopes only"),
            .duration("request_interval", \.requestInterval, atLeast: .milliseconds(50), "how often an idle runner asks for a job"),
            .count("max_runners", \.maxRunners, in: 1...1_000_000, "the most runners at once"),
            .count("max_per_project", \.maxPerProject, in: 0...1_000_000, "runners for jobs of one project at once; 0: any number"),
            .count("priority", \.priority, in: -1000...1000, "of its jobs and its idle runners: the greater, the earlier"),
            .warm("warm", \.warmth, "idle runners kept ready, or \"auto\""),
            .count("warm_max", \.warmMax, in: 1...1_000_000, example: 4, "the most of them with \"auto\"; absent: max_runners"),
            .duration("cooldown", \.cooldown, "how long an idle runner stays"),
            .count("max_jobs", \.maxJobs, in: 0...1_000_000, "jobs before it is replaced; 0: any number"),
            .duration("start_timeout", \.startTimeout, atLeast: .seconds(1), "how long it may take to contact GitLab after its start"),
            .string("stop_signal", \.stopSignal, pattern: "^SIG[A-Z0-9]*$", "the signal that asks a runner to quit") {
                isSignal($0) ? nil : "\"\($0)\" is not a valid signal, for example SIGQUIT"
            },
            .duration("stop_timeout", \.stopTimeout, "how long a runner may take to quit"),
            .parsed(
                "register", \.register, .string().matching("^(instance|group:.+|project:.+)$"), "or \"group:ID\", \"project:PATH\"",
                hint: "expected \"instance\", \"group:ID\", \"project:ID\" or \"project:PATH\"",
                parse: registration, print: text(of:)),
            .table("env", \.env, example: ["NAME": "value"], "environment variables of jobs"),
            .string("image", \.image, need: .runnerContainer, pattern: ".", "the runner's own image") { $0.isEmpty ? "must not be empty" : nil },
            .parsed(
                "pull", \.pull, need: .runnerContainer, .word(of: ImagePull.self), "or \"newer\", once a day, or \"always\", at each start",
                hint: "expected \"missing\", \"newer\" or \"always\"", parse: ImagePull.init(rawValue:), print: \.rawValue),
            .size("disk_max", \.diskMax, need: .runnerContainer, example: 10 << 30, "what a runner may have written after a job; with the shell executor"),
            .string("network", \.network, need: .jobContainer, example: .string("runners"), "the engine's network"),
            .strings("mounts", \.mounts, need: .jobContainer, example: ["/srv/data:/data:ro"], of: .string().matching("^/.*:"), "bind mounts of jobs") {
                isMount($0) ? nil : "\"\($0)\" is not a valid mount, for example /host/path:/container/path:ro"
            },
            .strings("cap_add", \.capabilitiesAdd, need: .jobContainer, example: ["NET_RAW"], "capabilities beside the usual ones"),
            .strings("cap_drop", \.capabilitiesDrop, need: .jobContainer, example: ["KILL"], "capabilities that are taken away"),
        ]

    /// The tables within `[[pool]]`. Beside them is `[pool.runner]`, whose keys are gitlab-runner's.
    public static let poolSections = [
        PoolSection(
            name: "docker",
            keys: [
                .string("image", \.docker.image, pattern: ".", "for jobs that name none") { $0.isEmpty ? "must not be empty" : nil },
                .string("helper_image", \.docker.helperImage, "empty: gitlab-runner's own"),
                .strings(
                    "pull_policy", \.docker.pullPolicy, of: .word(of: pullPolicies), "always, if-not-present or never, tried in this order", check: pullPolicy),
                .strings("allowed_images", \.docker.allowedImages, example: ["docker.io/library/*"], "the images that jobs may name; empty: any"),
                .strings("allowed_services", \.docker.allowedServices, example: ["docker.io/library/postgres:*"], "the images that services may have"),
                .strings(
                    "allowed_pull_policies", \.docker.allowedPullPolicies, example: ["always"], of: .word(of: pullPolicies),
                    "the pull policies that jobs may name", check: pullPolicy),
                .strings(
                    "volumes", \.docker.volumes, example: ["models:/models"], of: .string().matching("^(/[^:]*|[^:]+:/[^:]*(:[^:]+)?)$"),
                    "mounts of the job's containers beside mounts"
                ) {
                    isVolume($0) ? nil : "\"\($0)\" is not a valid volume, for example name:/path or /host/path:/path:ro"
                },
                .strings(
                    "extra_hosts", \.docker.extraHosts, example: ["nas.home:192.168.1.2"], of: .string().matching("[^:]:+[^:]"), "lines of the job's /etc/hosts"
                ) {
                    $0.split(separator: ":", maxSplits: 1).count == 2 ? nil : "\"\($0)\" is not valid, for example nas.home:192.168.1.2"
                },
                .strings("dns", \.docker.dns, example: ["192.168.1.1"], "name servers in place of the engine's"),
                .strings("devices", \.docker.devices, example: ["/dev/ttyUSB0"], of: .string().matching("^/"), "device nodes") {
                    $0.hasPrefix("/") ? nil : "\"\($0)\" is not a path of a device, for example /dev/ttyUSB0"
                },
                .size("shm_size", \.docker.shmSize, example: 64 << 20, "the size of /dev/shm"),
                .flag("privileged", \.docker.privileged, "whether jobs may do what root of the engine's user may"),
                .string("network_mode", \.docker.networkMode, example: .string("bridge"), "the jobs' network; absent: the pool's, or one for each build"),
                .count("services_limit", \.docker.servicesLimit, in: 0...100, "the most services of a job"),
                .number("service_cpus", \.docker.serviceCPUs, "the CPU limit of each service"),
                .size("service_memory", \.docker.serviceMemory, atLeast: 6 << 20, "the memory limit of each service"),
                .flag("allow_engine_socket", \.docker.allowEngineSocket, "whether volumes may have the engine's socket"),
            ]),
        PoolSection(
            name: "cache",
            keys: [
                .parsed(
                    "kind", \.cache.kind, .word(of: JobCache.Kind.self), "or \"s3\", or \"none\"; where jobs keep what cache: names",
                    hint: "expected \"volume\", \"s3\" or \"none\"",
                    parse: JobCache.Kind.init(rawValue:), print: \.rawValue),
                .parsed(
                    "scope", \.cache.scope, .word(of: JobCache.Scope.self), "or \"project\": who can read and change it",
                    hint: "expected \"pool\" or \"project\"",
                    parse: JobCache.Scope.init(rawValue:), print: \.rawValue),
            ] + s3),
        kubernetesPool,
    ]

    /// A table within `[[pool]]`.
    public struct PoolSection: Sendable {
        /// Without `pool.`.
        public let name: String
        /// In the order of the manual.
        public let keys: [SettingKey<Pool>]
    }

    /// The table within `[[pool]]` that is gitlab-runner's.
    static let runnerSection = "runner"
    /// Its keys that would break what AutoGit relies on.
    static let runnerKeysRefused: Set = ["url", "token", "name", "limit", "executor", "environment", "docker.host", "docker.container_labels"]
    /// Its keys for which there is a setting, with that setting's name.
    static let runnerKeysTyped: [String: String] = {
        let pool = [
            "docker.cpus": "cpus", "docker.memory": "memory", "docker.memory_swap": "memory", "docker.cap_add": "cap_add", "docker.cap_drop": "cap_drop",
            "docker.gpus": "gpu and gpus",
            "docker.service_memory_swap": "service_memory in [pool.docker]",
            "tls-ca-file": "ca_file in [gitlab]", "clone_url": "clone_url in [gitlab]",
        ]
        let docker = poolSections.filter { $0.name == "docker" }.flatMap(\.keys).map { ("docker.\($0.name)", "\($0.name) in [pool.docker]") }
        let s3 = [
            "ServerAddress": "server_address", "AccessKey": "access_key_file", "SecretKey": "secret_key_file", "BucketName": "bucket",
            "BucketLocation": "location", "Insecure": "insecure", "AuthenticationType": "access_key_file",
        ].map { ("cache.s3.\($0.key)", "kind = \"s3\" and \($0.value) in [pool.cache]") }
        return pool.merging(docker + s3) { mine, _ in mine }.merging(kubernetesKeysTyped) { mine, _ in mine }
    }()
}

extension SettingsSchema {
    private static let proxyVariables = ["http_proxy", "https_proxy", "no_proxy"]
    private static let pullPolicies = ["always", "if-not-present", "never"]
    /// What `isWebURL` takes, without what only a parser of URLs sees.
    private static let webURL = #"^https?://[^/?#@\s]+([/#][^?\s]*)?$"#

    private static func prune(_ summary: String) -> SettingKey<SettingsDraft> {
        .parsed(
            "prune", \.prune, .word(of: ImagePrune.self), summary, hint: "expected \"ours\", \"all\" or \"none\"",
            parse: ImagePrune.init(rawValue:), print: \.rawValue)
    }

    static func isName(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count) && text.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
    }

    private static func nameRule(_ text: String) -> String {
        "\"\(text)\" is not a valid name: use 1 to 32 lower-case letters, digits and hyphens, for example gitlab"
    }

    private static func isPoolName(_ text: String) -> Bool {
        !text.isEmpty && text.count <= 63 && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
    }

    private static func isWebURL(_ text: String) -> Bool {
        guard let url = URL(string: text), let host = url.host(), !host.isEmpty else { return false }
        return (url.scheme == "http" || url.scheme == "https") && url.query() == nil && url.user() == nil
    }

    private static func isSignal(_ text: String) -> Bool {
        text.hasPrefix("SIG") && text.allSatisfy { $0.isASCII && ($0.isUppercase || $0.isNumber) }
    }

    private static func pullPolicy(_ text: String) -> String? {
        pullPolicies.contains(text) ? nil : "\"\(text)\" is not a pull policy: use always, if-not-present or never"
    }

    /// `/path`, `name:/path` or `/host/path:/path:options`.
    private static func isVolume(_ text: String) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return (1...3).contains(parts.count) && (parts.count == 1 ? parts[0] : parts[1]).hasPrefix("/") && !parts.contains("")
    }

    private static func isMount(_ text: String) -> Bool {
        text.hasPrefix("/") && text.split(separator: ":", omittingEmptySubsequences: false).count >= 2
    }

    private static func registration(_ text: String) -> Pool.Registration? {
        if text == "instance" { return .instance }
        if text.hasPrefix("group:"), text.count > 6 { return .group(String(text.dropFirst(6))) }
        if text.hasPrefix("project:"), text.count > 8 { return .project(String(text.dropFirst(8))) }
        return nil
    }

    private static func text(of registration: Pool.Registration) -> String {
        switch registration {
        case .instance: "instance"
        case .group(let id): "group:\(id)"
        case .project(let project): "project:\(project)"
        }
    }
}

/// The values of all sections but `[[pool]]` while they are read; each begins with its default.
public struct SettingsDraft: Sendable {
    var gitlabName = "gitlab"
    var url: String?
    var token: Secret?
    var webhookSecret: Secret?
    var pollInterval = Duration.seconds(30)
    var projects: [String] = []
    var runnerURL: String?
    var cloneURL: String?
    var webhookURL: String?
    var proxy: [String: String] = [:]
    var caFile: String?
    var http = ListenAddress(host: "0.0.0.0", port: 8080)
    var controlSocket = "/run/autogit/control.sock"
    var controlToken: Secret?
    var readAccess = ReadAccess.all
    var metricsToken: Secret?
    var stateDirectory = "/var/lib/autogit"
    var engineSocket: String?
    var memory: Int64?
    var cpus: Double?
    var diskReserve: Int64 = 2 << 30
    var prune = ImagePrune.ours
    var cost = Cost()
}

/// A login for a registry while it is read.
struct RegistryDraft: Sendable {
    var username: String?
    var password: Secret?
}

struct ListenAddress: Sendable {
    var host: String
    var port: Int

    var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// From `HOST:PORT`, an IPv6 address in brackets; without a host it is every address of this machine.
    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (1...65535).contains(port) else { return nil }
        let host = text[..<colon].filter { $0 != "[" && $0 != "]" }
        self.init(host: host.isEmpty ? "0.0.0.0" : host, port: port)
    }
}
