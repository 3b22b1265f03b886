import Fleet
import FoundationEssentials
import Glibc
import JSONSchema

/// Where a cluster is, and who AutoGit is there.
public struct KubernetesPlace: Sendable, Equatable {
    /// The path of a kubeconfig, which this process can read and not everybody; nil for the service account of the pod that AutoGit runs in.
    public var kubeconfig: String?
    /// One of its contexts; nil for its current one.
    public var context: String?
    /// Where runners are made; nil for the context's, or that of the service account.
    public var namespace: String?

    public init(kubeconfig: String? = nil, context: String? = nil, namespace: String? = nil) {
        self.kubeconfig = kubeconfig
        self.context = context
        self.namespace = namespace
    }
}

extension SettingsSchema {
    /// The keys of `[[host]]` for `engine = "kubernetes"` only.
    static let kubernetesPlace: [SettingKey<HostDraft>] = [
        .file(
            "kubeconfig", \.kubernetes.kubeconfig, example: "/etc/autogit/kubeconfig", "for kubernetes: who AutoGit is; absent: its pod's account",
            check: kubeconfigComplaint),
        .string("context", \.kubernetes.context, example: .string("home"), pattern: ".", "of that file; absent: its current one") {
            $0.isEmpty ? "must not be empty" : nil
        },
        .string("namespace", \.kubernetes.namespace, example: .string("ci"), pattern: namespacePattern, "where runners are made; absent: the context's") {
            $0.wholeMatch(of: /[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/) == nil ? "\"\($0)\" is not the name of a namespace, for example ci" : nil
        },
    ]

    private static let namespacePattern = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"

    private static func kubeconfigComplaint(_ path: String) -> String? {
        guard path.hasPrefix("/") else { return "\"\(path)\" is not the absolute path of a file" }
        var status = stat()
        guard stat(path, &status) == 0, access(path, R_OK) == 0 else { return "\(path) cannot be read: \(String(cString: strerror(errno)))" }
        return status.st_mode & 0o007 != 0 ? "\(path) is accessible to every user; run: chmod 600 \(path)" : nil
    }

    /// The table `[pool.kubernetes]`.
    static let kubernetesPool = PoolSection(
        name: "kubernetes",
        keys: [
            .strings(
                "tolerations", \.kubernetes.tolerationTexts, example: ["gpu=yes:NoSchedule"], of: .string().matching(tolerationPattern),
                "taints that its runners bear: KEY[=VALUE][:EFFECT[:SECONDS]]"
            ) {
                KubernetesPool.Toleration($0) == nil
                    ? "\"\($0)\" is not a toleration: expected KEY[=VALUE][:EFFECT[:SECONDS]], for example gpu=yes:NoSchedule, or * for every taint" : nil
            },
            .string(
                "pod_template", \.kubernetes.podTemplate, example: .string(#"{"spec": {"priorityClassName": "low"}}"#), pattern: #"^\s*\{"#,
                "JSON that is merged into the pods of its runners"
            ) {
                (try? JSONDecoder().decode(SomeObject.self, from: Data($0.utf8))) == nil
                    ? "is not a JSON object, for example {\"spec\": {\"priorityClassName\": \"low\"}}" : nil
            },
            .string(
                "service_account", \.kubernetes.serviceAccount, example: .string("gitlab-runner"), pattern: ".",
                "of runners that make pods for their jobs; absent: the namespace's default"
            ) { $0.isEmpty ? "must not be empty" : nil },
            .duration("scheduling_timeout", \.kubernetes.schedulingTimeout, atLeast: .seconds(1), "how long a pod may find no node"),
            .duration("creation_timeout", \.kubernetes.creationTimeout, atLeast: .seconds(1), "how long its node may fetch the image"),
            .duration("lifetime", \.kubernetes.lifetime, atLeast: .seconds(60), "after which Kubernetes ends a runner, also with a job"),
            .duration("keep_ended", \.kubernetes.keepEnded, atLeast: .seconds(1), "how long Kubernetes keeps what ended and nobody removed"),
        ])

    private static let tolerationPattern = #"^(\*|[A-Za-z0-9./_-]+(=[A-Za-z0-9._-]*)?)(:(NoSchedule|PreferNoSchedule|NoExecute(:[0-9]+)?))?$"#
}

extension SettingsSchema {
    /// Keys of `[pool.runner.kubernetes]` for which there is a setting, with that setting's name: those of gitlab-runner's executor that AutoGit sets
    /// (`JobPods`), and others that do the same. The runner talks to its own cluster, as its pod's account.
    static let kubernetesKeysTyped: [String: String] = {
        var typed = [
            "namespace": "namespace in [[host]]", "host": "a [[host]] for each cluster", "context": "a [[host]] for each cluster",
            "cap_add": "cap_add", "cap_drop": "cap_drop", "host_aliases": "extra_hosts in [pool.docker]", "dns_config.nameservers": "dns in [pool.docker]",
            "cpu_limit": "cpus", "cpu_request": "cpus", "helper_cpu_limit": "cpus", "service_cpu_limit": "service_cpus in [pool.docker]",
            "memory_limit": "memory", "memory_request": "memory", "helper_memory_limit": "memory",
            "service_memory_limit": "service_memory in [pool.docker]",
            "node_tolerations": "tolerations in [pool.kubernetes]", "node_selector.kubernetes.io/arch": "architecture",
            "poll_timeout": "scheduling_timeout and creation_timeout in [pool.kubernetes]",
        ]
        for key in ["bearer_token", "cert_file", "key_file", "ca_file"] { typed[key] = "service_account in [pool.kubernetes]" }
        for key in ["image", "helper_image", "pull_policy", "allowed_images", "allowed_services", "allowed_pull_policies", "privileged"] {
            typed[key] = "\(key) in [pool.docker]"
        }
        // What these have counts in place of the pod's (GetContainerSecurityContext in gitlab-runner's common/config.go).
        for container in ["build", "helper", "service", "init_permissions"] {
            typed["\(container)_container_security_context.privileged"] = "privileged in [pool.docker]"
            typed["\(container)_container_security_context.capabilities"] = "cap_add and cap_drop"
        }
        return Dictionary(typed.map { ("kubernetes.\($0.key)", $0.value) }) { mine, _ in mine }
    }()

    /// Those that would break what AutoGit relies on, with what is wrong with each and what to use instead.
    static let kubernetesKeysBarred: [String: String] = {
        let elsewhere = "would have jobs make pods where AutoGit neither finds nor removes them: use namespace in [[host]]"
        var barred = [
            "namespace_overwrite_allowed": elsewhere, "namespace_per_job": elsewhere,
            "bearer_token_overwrite_allowed": "would have pods of jobs made by accounts of the jobs' own: use service_account in [pool.kubernetes]",
            "pod_labels": "is AutoGit's own to set, which finds and removes pods of jobs by their labels: use pod_annotations",
            "pod_labels_overwrite_allowed": "would let jobs change the labels by which AutoGit finds and removes their pods: remove it",
            "node_selector.kubernetes.io/os": "is AutoGit's own to set: remove it",
        ]
        for (resource, setting) in [("cpu", "cpus"), ("memory", "memory")] {
            for (container, use) in [("", setting), ("helper_", setting), ("service_", "service_\(setting) in [pool.docker]")] {
                for bound in ["limit", "request"] {
                    barred["\(container)\(resource)_\(bound)_overwrite_max_allowed"] =
                        "would let jobs have another amount than the host's budget counts with: use \(use), in a pool for each size of job"
                }
            }
        }
        return Dictionary(barred.map { ("kubernetes.\($0.key)", $0.value) }) { mine, _ in mine }
    }()
}

/// A JSON object of whatever content.
private struct SomeObject: Decodable {
    private enum NoKey: CodingKey {}
    init(from decoder: any Decoder) throws { _ = try decoder.container(keyedBy: NoKey.self) }
}

extension KubernetesPool {
    /// As the configuration writes them; what is none is left out.
    var tolerationTexts: [String] {
        get { tolerations.map(\.text) }
        set { tolerations = newValue.compactMap(Toleration.init) }
    }
}

extension KubernetesPool.Toleration {
    /// From `KEY[=VALUE][:EFFECT[:SECONDS]]`, as kubectl writes a taint; `*` is every taint.
    init?(_ text: String) {
        let pattern = /(\*|[A-Za-z0-9.\/_\-]+)(=[A-Za-z0-9._\-]*)?(?::(NoSchedule|PreferNoSchedule|NoExecute)(?::([0-9]+))?)?/
        guard let match = text.wholeMatch(of: pattern) else { return nil }
        let seconds = match.4.flatMap { Int64($0) }
        if match.4 != nil, seconds == nil || match.3 != "NoExecute" { return nil }
        if match.1 == "*", match.2 != nil { return nil }
        self.init(
            key: match.1 == "*" ? nil : String(match.1), exists: match.2 == nil, value: match.2.map { String($0.dropFirst()) },
            effect: match.3.map(String.init),
            seconds: seconds)
    }

    var text: String {
        (key ?? "*") + (exists ? "" : "=\(value ?? "")") + (effect.map { ":\($0)" } ?? "") + (seconds.map { ":\($0)" } ?? "")
    }
}

extension [HostSettings] {
    /// The Kubernetes clusters that a pool's runners may be placed on.
    public func clusters(for pool: Pool) -> [HostID] {
        let candidates = Set(pool.choice.candidates(of: map(\.host), pool.driver).map(\.id))
        return filter { if case .kubernetes = $0.engine { candidates.contains($0.host.id) } else { false } }.map(\.host.id)
    }
}

extension SettingsReader {
    /// What a cluster can't do for a pool that may be placed there.
    mutating func checkClusters(_ pools: [Pool], _ known: HostsRead) {
        for (index, pool) in pools.enumerated() {
            let obstacles = pool.obstaclesInCluster
            for host in known.settings.clusters(for: pool) where !obstacles.isEmpty {
                fail(
                    Section(name: "pool", index: index), "hosts",
                    "may be placed on \(host), which is a Kubernetes cluster, and there \(obstacles.joined(separator: "; and ")). Change that, or name "
                        + "other hosts")
            }
        }
    }
}

extension Settings {
    /// What clusters leave out of a pool's settings. One that has its default is left alone: nobody may have chosen it.
    var notesOnClusters: [String] {
        pools.compactMap { pool in
            let clusters = hosts.clusters(for: pool)
            guard pool.executor == .docker, pool.docker.servicesLimit != DockerExecutor().servicesLimit, !clusters.isEmpty else { return nil }
            return "services_limit of pool \(pool.name) says what its runners reserve on \(clusters.map(\.name).joined(separator: ", ")), and does not keep "
                + "jobs from more services there, for GitLab Runner has no such setting in Kubernetes; allowed_services in [pool.docker] says which they may have"
        }
    }
}
