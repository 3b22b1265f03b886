import Fleet
import FoundationEssentials
import RunnerConfiguration

/// The pod of a runner: `v1.PodTemplateSpec`.
struct PodTemplate: Encodable, Sendable {
    struct Spec: Encodable, Sendable {
        var restartPolicy = "Never"
        var terminationGracePeriodSeconds: Int64
        /// Only who makes pods has business with the API.
        var automountServiceAccountToken: Bool
        var serviceAccountName: String?
        /// The addresses of all services of the namespace are nobody's environment.
        var enableServiceLinks = false
        var nodeSelector: [String: String]
        var tolerations: [PodToleration]?
        var securityContext: PodSecurity
        var containers: [Container]
        var volumes: [Volume]
    }
    struct PodSecurity: Encodable, Sendable {
        struct Seccomp: Encodable, Sendable { var type = "RuntimeDefault" }
        /// Owns the runner's folder and may read its files, whatever user the image runs as: each process of the pod is in it.
        var fsGroup = PodTemplate.group
        var runAsNonRoot: Bool?
        var runAsUser: Int64?
        var runAsGroup: Int64?
        var seccompProfile = Seccomp()
    }
    struct Container: Encodable, Sendable {
        var name = KubeLabels.container
        var image: String
        var imagePullPolicy: String
        var command: [String]?
        var args: [String]?
        var env: [Variable]
        var resources: Resources
        var securityContext: Security
        var lifecycle: Lifecycle?
        var volumeMounts: [Mount]
    }
    struct Variable: Encodable, Sendable {
        struct Source: Encodable, Sendable { var secretKeyRef: Key }
        struct Key: Encodable, Sendable {
            var name: String
            var key: String
        }
        var name: String
        var value: String?
        var valueFrom: Source?
    }
    struct Resources: Encodable, Sendable {
        /// What the runner may use is kept free for it, as in the host's budget.
        var requests: [String: String]
        var limits: [String: String]
    }
    struct Security: Encodable, Sendable {
        struct Capabilities: Encodable, Sendable {
            var drop = ["ALL"]
            var add: [String]?
        }
        var allowPrivilegeEscalation = false
        var capabilities: Capabilities
    }
    struct Lifecycle: Encodable, Sendable {
        struct Handler: Encodable, Sendable { var exec: Exec }
        struct Exec: Encodable, Sendable { var command: [String] }
        var preStop: Handler
    }
    struct Mount: Encodable, Sendable {
        var name: String
        var mountPath: String
        var subPath: String?
        var readOnly: Bool?
    }
    struct Volume: Encodable, Sendable {
        struct Empty: Encodable, Sendable {}
        struct SecretFiles: Encodable, Sendable {
            var secretName: String
            /// 0440: Kubernetes has no way to write octal in JSON.
            var defaultMode = 0o440
        }
        var name: String
        var emptyDir: Empty?
        var secret: SecretFiles?
    }
    var metadata: JobSpec.Metadata
    var spec: Spec

    /// The group `nogroup` of gitlab-runner's image on Alpine, where no file is its.
    private static let group: Int64 = 65_533
    /// The user `gitlab-runner` of that image.
    private static let user: Int64 = 100

    /// - Parameter files: the names of the runner's files.
    init(_ runner: RunnerSpec, files: [String]) {
        let pool = runner.pool
        let name = Runner.name(of: runner.runner)
        metadata = JobSpec.Metadata(
            labels: KubeLabels.labels(runner), annotations: [KubeLabels.pool: pool.name, KubeLabels.stopSignal: pool.stopSignal])
        var container = Container(
            image: "\(ImageName(pool.image))", imagePullPolicy: pool.pull == .missing ? "IfNotPresent" : "Always",
            env: [], resources: Self.resources(runner), securityContext: Security(capabilities: Security.Capabilities()),
            lifecycle: Self.lifecycle(pool.stopSignal),
            volumeMounts: [Mount(name: "folder", mountPath: RunnerFiles.directory)]
                // File by file into a folder that can be written, because gitlab-runner writes beside its configuration.
                + files.map { Mount(name: "files", mountPath: "\(RunnerFiles.directory)/\($0)", subPath: $0, readOnly: true) })
        if pool.command.isEmpty {
            container.args = ["run", "--config", RunnerFiles.configuration]
        } else {
            container.command = [pool.command[0]]
            container.args = Array(pool.command.dropFirst())
        }
        var security = PodSecurity()
        switch pool.executor {
        case .docker:
            // It only talks to GitLab and to Kubernetes, so it needs to be nobody; of an image of the pool's own we don't know that.
            if pool.command.isEmpty {
                (security.runAsNonRoot, security.runAsUser, security.runAsGroup) = (true, Self.user, Self.group)
                container.env = [Variable(name: "HOME", value: RunnerFiles.directory)]
            }
        case .shell:
            // Values may be secrets, so they are where the token is.
            container.env = pool.env.keys.sorted().map {
                Variable(name: $0, valueFrom: Variable.Source(secretKeyRef: Variable.Key(name: name, key: SecretSpec.key(ofVariable: $0))))
            }
            container.securityContext.capabilities.add = pool.capabilities
        }
        let tolerations = pool.kubernetes.tolerations.map(PodToleration.init)
        spec = Spec(
            terminationGracePeriodSeconds: max(1, pool.stopTimeout.milliseconds / 1000),
            automountServiceAccountToken: pool.executor == .docker, serviceAccountName: pool.executor == .docker ? pool.kubernetes.serviceAccount : nil,
            nodeSelector: Self.nodeSelector(runner), tolerations: tolerations.isEmpty ? nil : tolerations, securityContext: security, containers: [container],
            volumes: [
                Volume(name: "folder", emptyDir: Volume.Empty()), Volume(name: "files", secret: Volume.SecretFiles(secretName: name)),
            ])
    }

    /// Where its pods, and those of its jobs, may run. Nodes are labelled with Go's names.
    static func nodeSelector(_ runner: RunnerSpec) -> [String: String] {
        var selector = ["kubernetes.io/os": "linux"]
        // Of a pool that asks for none it is that of most nodes, for its image has only one.
        if let architecture = runner.pool.hardware.architecture ?? runner.equipment.architecture { selector["kubernetes.io/arch"] = architecture.rawValue }
        return selector
    }

    private static func resources(_ runner: RunnerSpec) -> Resources {
        let limits = runner.pool.runnerLimits
        var amounts = ["cpu": Quantity.text(limits.cpus)]
        if limits.memory > 0 { amounts["memory"] = "\(limits.memory)" }
        // With an executor that makes pods the jobs' pods get them: see JobPods.
        if runner.pool.executor == .shell, let gpu = runner.jobGPUs { amounts[gpu.resource] = "\(gpu.count)" }
        return Resources(requests: amounts, limits: amounts)
    }

    /// Kubernetes only ever sends the image's own stop signal, and KILL when the pod's time is over. So the pool's signal is sent by a hook, which
    /// Kubernetes runs before that, and which lasts until the first process has ended, and the hook with it.
    private static func lifecycle(_ signal: String) -> Lifecycle? {
        if signal == "SIGKILL" { return nil }
        let name = signal.hasPrefix("SIG") ? String(signal.dropFirst(3)) : signal
        let script = "kill -s \(name) 1 && while kill -0 1 2>/dev/null; do sleep 1; done"
        return Lifecycle(preStop: Lifecycle.Handler(exec: Lifecycle.Exec(command: ["/bin/sh", "-c", script])))
    }

    /// As JSON, with the pool's patch merged in; what AutoGit depends on stays.
    /// - Throws: `KubernetesError` for a patch that is no JSON object.
    func patched(with patch: String?) throws -> JSONValue {
        let plain = try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(self))
        guard let patch else { return plain }
        guard let changes = try? JSONDecoder().decode(JSONValue.self, from: Data(patch.utf8)), case .object = changes else {
            throw KubernetesError(message: "the pool's pod template is not a JSON object", isOutage: false)
        }
        var patched = plain.merged(with: changes)
        var metadata = patched["metadata"] ?? .object([:])
        for part in ["labels", "annotations"] { metadata[part] = (metadata[part] ?? .object([:])).merged(with: plain["metadata"]?[part] ?? .object([:])) }
        patched["metadata"] = metadata
        patched["spec"]?["restartPolicy"] = plain["spec"]?["restartPolicy"]
        return patched
    }
}

extension RunnerSpec {
    /// Its GPUs as a cluster counts them; nil for none.
    var jobGPUs: JobPods.GPUs? {
        guard let vendor = pool.hardware.gpu, !gpus.isEmpty else { return nil }
        return JobPods.GPUs(resource: vendor.clusterResource, count: gpus.count)
    }
}

extension GPUVendor {
    /// What the maker's device plugin calls a GPU of a node.
    var clusterResource: String {
        switch self {
        case .nvidia: "nvidia.com/gpu"
        case .amd: "amd.com/gpu"
        case .intel: "gpu.intel.com/i915"
        }
    }
}
