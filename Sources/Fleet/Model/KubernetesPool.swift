/// What a pool's runners are given in a cluster beside what every engine gives them. The names are nearly those of Kubernetes.
public struct KubernetesPool: Sendable, Equatable {
    /// Which taints its runners and their jobs bear.
    public var tolerations: [Toleration] = []
    /// A JSON object that is merged into the pod template of its runners, last; nil for none. See `docs/kubernetes-notes.md` for how.
    public var podTemplate: String?
    /// The service account of runners that make pods for their jobs; nil for the namespace's default, which may do nothing as a rule. Other
    /// runners get no token of an account, whatever this is.
    public var serviceAccount: String?
    /// How long a pod may find no node before its start has failed. A cluster that makes nodes on demand needs minutes.
    public var schedulingTimeout: Duration = .seconds(300)
    /// How long the node may take to fetch the image and to make the container before the start has failed.
    public var creationTimeout: Duration = .seconds(900)
    /// The longest life of a runner, at least 1 s, after which Kubernetes ends it, also with a job. For clusters that AutoGit has left.
    public var lifetime: Duration = .seconds(30 * 86_400)
    /// How long Kubernetes keeps a runner that has ended, if nobody removes it.
    public var keepEnded: Duration = .seconds(3600)

    /// The defaults.
    public init() {}

    /// A taint that is borne; see `v1.Toleration` in Kubernetes' API.
    public struct Toleration: Sendable, Hashable {
        /// nil for any taint, and then `exists` is true.
        public var key: String?
        /// Whether the taint's value says nothing; then there is no `value`.
        public var exists: Bool
        /// nil for the empty value.
        public var value: String?
        /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`; nil for any.
        public var effect: String?
        /// How long a `NoExecute` is borne, in seconds; nil for ever.
        public var seconds: Int64?
        public init(key: String?, exists: Bool = true, value: String? = nil, effect: String? = nil, seconds: Int64? = nil) {
            self.key = key
            self.exists = exists
            self.value = value
            self.effect = effect
            self.seconds = seconds
        }

        /// `key=value`; the key alone for any value, and nothing for any key.
        public var taint: String { exists ? key ?? "" : "\(key ?? "")=\(value ?? "")" }
    }

    /// Whether gitlab-runner's setting for the pods of jobs has room for all tolerations: a table with one effect for a taint, and without times.
    public var tolerationsFitRunner: Bool {
        tolerations.allSatisfy { $0.seconds == nil } && Set(tolerations.map(\.taint)).count == tolerations.count
    }
}

extension Pool {
    /// Settings that a cluster can't carry out, or AutoGit can't there, a phrase each with what to do instead; none for a pool that can be run. Those with
    /// a default that can't be told from a choice (`pids`, `io_weight`, `disk_max`, a cache in a volume) are not among them.
    public var obstaclesInCluster: [String] {
        let checks: [(Bool, String)] = [
            (!mounts.isEmpty, "mounts are folders of one machine: use volumes in the pod template, or in [pool.runner.kubernetes] for jobs"),
            (network != nil, "network is a container engine's"),
            (hardware.emulation == .only, "emulation = \"only\" needs a node that is known to emulate"),
            (hardware.gpuShare > 1, "gpu_share is a matter of the device plugin there, which counts a shared GPU several times"),
            (hardware.gpu != nil && hardware.gpus == .all, "gpus = \"all\" has no meaning for a cluster: name a number"),
            (!stopSignal.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+-".contains($0)) }, "stop_signal is not the name of a signal"),
            (!docker.volumes.isEmpty, "[pool.docker] volumes are an engine's: use [pool.runner.kubernetes.volumes]"),
            (!docker.devices.isEmpty, "[pool.docker] devices are one machine's"),
            (docker.shmSize != nil, "[pool.docker] shm_size: use an emptyDir of the medium Memory at /dev/shm in [pool.runner.kubernetes.volumes]"),
            (docker.networkMode != nil, "[pool.docker] network_mode is an engine's"),
        ]
        return checks.filter(\.0).map(\.1)
    }
}
