import Fleet
import TOMLKit

/// gitlab-runner's config.toml for one runner: what AutoGit sets, with the pool's own `[pool.runner]` merged in last
/// (docs.gitlab.com/runner/configuration/advanced-configuration).
public struct RunnerConfiguration: Sendable {
    /// The label of runners' containers and of those of their jobs, by which an engine's events are asked for.
    public static let ownerLabel = "autogit.owner"
    /// Labels of everything that a runner makes for its jobs. Runners' own containers have others, so that neither is taken for the other.
    public static let instanceLabel = "autogit.job.instance"
    /// The label with the id of the runner whose job it is.
    public static let runnerLabel = "autogit.job.runner"
    /// Where jobs find their cache.
    public static let cacheDirectory = "/cache"

    private let spec: RunnerSpec
    private let credentials: RunnerCredentials
    private let place: RunnerSurroundings

    public init(_ spec: RunnerSpec, _ credentials: RunnerCredentials, _ place: RunnerSurroundings) {
        self.spec = spec
        self.credentials = credentials
        self.place = place
    }

    /// The file. It holds the runner's token, and the keys of the pool's bucket.
    public var text: String {
        let table = TOMLTable()
        table["concurrent"] = 1
        table["check_interval"] = pace.checkInterval
        table["shutdown_timeout"] = 30
        let sections = TOMLArray()
        for _ in 0..<pace.sections { sections.append(TOMLTable(section)) }
        table["runners"] = sections
        return table.convert(to: .toml, options: [.allowUnicodeStrings]) + "\n"
    }

    /// `check_interval` knows whole seconds only. The same section n times is asked n times in that interval, at equal distances, and
    /// `concurrent` still bounds the jobs (seen with 14.7.1 and 19.3.0).
    private var pace: (checkInterval: Int, sections: Int) {
        let milliseconds = spec.pool.requestInterval.milliseconds
        if milliseconds >= 1000 { return (Int((milliseconds + 999) / 1000), 1) }
        return (1, Int((1000 + milliseconds - 1) / max(1, milliseconds)))
    }

    private var section: [String: RunnerSetting] {
        let pool = spec.pool
        let access = credentials.access
        var section: [String: RunnerSetting] = [
            "name": .string(Runner.name(of: spec.runner)), "url": .string(access.url), "token": .string(credentials.token.reveal()),
            "executor": .string(place.executor(of: pool)),
        ]
        if access.certificates != nil { section["tls-ca-file"] = .string(RunnerFiles.certificates) }
        if let url = access.cloneURL { section["clone_url"] = .string(url) }
        var environment = access.environment
        if pool.executor == .docker { environment.merge(pool.env) { $1 } }
        section["environment"] = Self.list(environment.map { "\($0.key)=\($0.value)" }.sorted())
        if pool.cache.kind == .s3 { section["cache"] = .table(Self.bucket(pool.cache.s3)) }
        switch pool.executor {
        case .docker where place.pods != nil:
            guard let pods = place.pods else { break }
            let table = pods.table(for: spec)
            section["kubernetes"] = .table(table)
            if table["pod_spec"] != nil { section["feature_flags"] = .table(["FF_USE_ADVANCED_POD_SPEC_CONFIGURATION": .flag(true)]) }
        case .docker:
            section["docker"] = .table(docker)
            // Podman has no links, by which services are reached otherwise.
            if networkMode == nil { section["feature_flags"] = .table(["FF_NETWORK_PER_BUILD": .flag(true)]) }
        case .shell:
            if let folder = place.shellFolder { section["builds_dir"] = .string(folder + "/builds") }
            if pool.cacheVolume != nil {
                section["cache_dir"] = .string(Self.cacheDirectory)
            } else if let folder = place.shellFolder {
                section["cache_dir"] = .string(folder + "/cache")
            }
        }
        guard case .table(let merged) = RunnerSetting.table(section).merged(with: .table(pool.runnerSettings)) else { return section }
        return merged
    }

    private var networkMode: String? { spec.pool.docker.networkMode ?? spec.pool.network }

    private var docker: [String: RunnerSetting] {
        let pool = spec.pool
        let docker = pool.docker
        var table: [String: RunnerSetting] = [
            "image": .string(docker.image), "pull_policy": Self.list(docker.pullPolicy),
            "cpus": .string(Self.text(pool.cpus)),
            "services_limit": .integer(docker.servicesLimit), "service_cpus": .string(Self.text(docker.serviceCPUs)),
            "privileged": .flag(docker.privileged),
            "volumes": Self.list(
                Self.cacheMount(of: spec) + pool.mounts + docker.volumes),
            "container_labels": .table([
                Self.ownerLabel: .string(spec.instance), Self.instanceLabel: .string(spec.instance), Self.runnerLabel: .string(spec.runner),
                "autogit.job.pool": .string(pool.name),
            ]),
        ]
        if pool.limitsMemory {
            // The same with swap: none beside it, so that the limit is the limit.
            for key in ["memory", "memory_swap"] { table[key] = .string("\(pool.memory)b") }
            for key in ["service_memory", "service_memory_swap"] { table[key] = .string("\(docker.serviceMemory)b") }
        }
        if let socket = place.engineSocket { table["host"] = .string("unix://" + socket) }
        // Without this each registration makes volumes of its own for caches and for sources, which stay behind and which nobody ever
        // uses again. The pool's volume at /cache is none of these, and is used all the same.
        table["disable_cache"] = .flag(true)
        if !docker.privileged {
            table["cap_drop"] = Self.list(["ALL"])
            table["cap_add"] = Self.list(pool.capabilities)
            table["security_opt"] = Self.list(["no-new-privileges"])
        }
        if !docker.helperImage.isEmpty { table["helper_image"] = .string(docker.helperImage) }
        if let mode = networkMode { table["network_mode"] = .string(mode) }
        if let bytes = docker.shmSize { table["shm_size"] = .integer(Int(bytes)) }
        let lists = [
            ("allowed_images", docker.allowedImages), ("allowed_services", docker.allowedServices),
            ("allowed_pull_policies", docker.allowedPullPolicies), ("extra_hosts", docker.extraHosts), ("dns", docker.dns),
            ("devices", docker.devices + place.gpus.devices),
            ("group_add", place.gpus.groups),
        ]
        if let request = place.gpus.request { table["gpus"] = .string(request) }
        for (key, texts) in lists where !texts.isEmpty { table[key] = Self.list(texts) }
        return table
    }

    /// `[runners.cache]`.
    private static func bucket(_ cache: S3Cache) -> [String: RunnerSetting] {
        var s3: [String: RunnerSetting] = [
            "ServerAddress": .string(cache.serverAddress), "BucketName": .string(cache.bucket ?? ""),
            // Said rather than left to be guessed from which of the others are there.
            "AuthenticationType": .string(cache.accessKey == nil ? "iam" : "access-key"),
        ]
        if let id = cache.accessKey, let key = cache.secretKey { s3.merge(["AccessKey": .string(id.reveal()), "SecretKey": .string(key.reveal())]) { $1 } }
        // Without one gitlab-runner asks AWS for it, also when the server is another, and takes this one when AWS doesn't answer in 30 s
        // (cache/s3v2/s3.go).
        if let location = cache.location ?? (cache.isAmazon ? nil : "us-east-1") { s3["BucketLocation"] = .string(location) }
        if cache.insecure { s3["Insecure"] = .flag(true) }
        // Else each runner would have a folder of its own in the bucket, which goes out of use with it.
        var table: [String: RunnerSetting] = ["Type": .string("s3"), "Shared": .flag(true), "s3": .table(s3)]
        if !cache.path.isEmpty { table["Path"] = .string(cache.path) }
        if let bytes = cache.maxArchiveSize { table["MaxUploadedArchiveSize"] = .integer(Int(bytes)) }
        return table
    }

    /// The pool's cache volume as a mount in the engine's notation; empty where it has none.
    public static func cacheMount(of spec: RunnerSpec) -> [String] {
        spec.pool.cacheVolume.map { ["\($0.name(instance: spec.instance)):\(cacheDirectory)"] } ?? []
    }

    static func list(_ texts: [String]) -> RunnerSetting { .array(texts.map(RunnerSetting.string)) }

    /// Without an exponent or a needless fraction.
    static func text(_ number: Double) -> String { number == number.rounded() ? "\(Int(number))" : "\(number)" }
}

extension TOMLTable {
    fileprivate convenience init(_ entries: [String: RunnerSetting]) {
        self.init()
        for (key, value) in entries { self[key] = value.toml }
    }
}

extension RunnerSetting {
    fileprivate var toml: any TOMLValueConvertible {
        switch self {
        case .string(let text): text
        case .integer(let number): number
        case .number(let number): number
        case .flag(let value): value
        case .array(let values): TOMLArray(values.map(\.toml))
        case .table(let entries): TOMLTable(entries)
        }
    }
}
