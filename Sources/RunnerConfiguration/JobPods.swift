import Fleet
import FoundationEssentials

/// How gitlab-runner's Kubernetes executor makes the pods of jobs (docs.gitlab.com/runner/executors/kubernetes). The settings of the Docker
/// executor that have a counterpart there mean the same.
public struct JobPods: Sendable, Equatable {
    /// Where they are made; the runner's own namespace, so that what it leaves is found.
    public var namespace: String
    /// The labels of the nodes that they may run on.
    public var nodeSelector: [String: String]
    /// A resource of the job's container and how many of it, such as `nvidia.com/gpu` and 1; nil for none.
    public var gpu: GPUs?

    /// GPUs as a cluster counts them.
    public struct GPUs: Sendable, Equatable {
        /// The name of the resource.
        public var resource: String
        /// At least 1.
        public var count: Int
        public init(resource: String, count: Int) {
            self.resource = resource
            self.count = count
        }
    }

    public init(namespace: String, nodeSelector: [String: String] = [:], gpu: GPUs? = nil) {
        self.namespace = namespace
        self.nodeSelector = nodeSelector
        self.gpu = gpu
    }

    /// `[runners.kubernetes]`.
    func table(for spec: RunnerSpec) -> [String: RunnerSetting] {
        let pool = spec.pool
        let docker = pool.docker
        let cpus = RunnerSetting.string(RunnerConfiguration.text(pool.cpus))
        var table: [String: RunnerSetting] = [
            "namespace": .string(namespace), "image": .string(docker.image), "pull_policy": RunnerConfiguration.list(docker.pullPolicy),
            "privileged": .flag(docker.privileged), "cpu_limit": cpus, "cpu_request": cpus,
            // It works while the job's own container waits, so it may use as much, and nothing is kept free for it.
            "helper_cpu_limit": cpus, "helper_cpu_request": .string("10m"),
            "service_cpu_limit": .string(RunnerConfiguration.text(docker.serviceCPUs)),
            "pod_labels": .table([
                RunnerConfiguration.ownerLabel: .string(spec.instance), RunnerConfiguration.instanceLabel: .string(spec.instance),
                RunnerConfiguration.runnerLabel: .string(spec.runner),
            ]),
            // A name of a pool may be none that a label can have.
            "pod_annotations": .table(["autogit.job.pool": .string(pool.name)]),
            "node_selector": .table(nodeSelector.mapValues(RunnerSetting.string)),
            // Jobs are strangers to the cluster.
            "automount_service_account_token": .flag(false),
            // gitlab-runner gives up on a pod after this; its own default, three minutes, is less than a large image needs.
            "poll_timeout": .integer(Int((pool.kubernetes.schedulingTimeout + pool.kubernetes.creationTimeout).milliseconds / 1000)),
        ]
        if pool.limitsMemory {
            for key in ["memory_limit", "memory_request", "helper_memory_limit"] { table[key] = .string("\(pool.memory)") }
            table["helper_memory_request"] = .string("32Mi")
            table["service_memory_limit"] = .string("\(docker.serviceMemory)")
        }
        if !docker.privileged {
            table["cap_drop"] = RunnerConfiguration.list(["ALL"])
            table["cap_add"] = RunnerConfiguration.list(pool.capabilities)
            table["allow_privilege_escalation"] = .flag(false)
        }
        if !docker.helperImage.isEmpty { table["helper_image"] = .string(docker.helperImage) }
        let lists = [
            ("allowed_images", docker.allowedImages), ("allowed_services", docker.allowedServices), ("allowed_pull_policies", docker.allowedPullPolicies),
        ]
        for (key, texts) in lists where !texts.isEmpty { table[key] = RunnerConfiguration.list(texts) }
        if !docker.dns.isEmpty { table["dns_config"] = .table(["nameservers": RunnerConfiguration.list(docker.dns)]) }
        if !docker.extraHosts.isEmpty { table["host_aliases"] = .array(docker.extraHosts.compactMap(Self.alias)) }
        var patches: [RunnerSetting] = []
        if !pool.kubernetes.tolerationsFitRunner {
            patches += Self.patch(tolerations: pool.kubernetes.tolerations)
        } else if !pool.kubernetes.tolerations.isEmpty {
            // gitlab-runner's `"key=value" = "effect"`: a key alone is one with any value, and the empty one is any key (common/config.go).
            let effects = pool.kubernetes.tolerations.map { ($0.taint, RunnerSetting.string($0.effect ?? "")) }
            table["node_tolerations"] = .table(Dictionary(effects) { first, _ in first })
        }
        if let gpu {
            // No setting has other resources than CPUs, memory and disk, so the pod is patched.
            let change = #"{"containers":[{"name":"build","resources":{"limits":{"\#(gpu.resource)":"\#(gpu.count)"}}}]}"#
            patches.append(Self.patch("autogit-gpus", type: "strategic", change))
        }
        if !patches.isEmpty { table["pod_spec"] = .array(patches) }
        return table
    }

    /// What pods of jobs have that no setting of gitlab-runner's says.
    private static func patch(_ name: String, type: String, _ change: String) -> RunnerSetting {
        .table(["name": .string(name), "patch_type": .string(type), "patch": .string(change)])
    }

    /// All of them, because a patch replaces the list.
    private static func patch(tolerations: [KubernetesPool.Toleration]) -> [RunnerSetting] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let change = try? encoder.encode(["tolerations": tolerations.map(PodToleration.init)]) else { return [] }
        return [patch("autogit-tolerations", type: "merge", String(decoding: change, as: UTF8.self))]
    }

    /// `NAME:ADDRESS`; an address may have colons.
    private static func alias(_ host: String) -> RunnerSetting? {
        guard let colon = host.firstIndex(of: ":") else { return nil }
        return .table(["ip": .string(String(host[host.index(after: colon)...])), "hostnames": RunnerConfiguration.list([String(host[..<colon])])])
    }
}
