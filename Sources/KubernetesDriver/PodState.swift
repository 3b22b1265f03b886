import Fleet

/// What a pod's status says of the runner in it.
extension KubePod {
    /// The runner's own container; nil before Kubernetes tells of it.
    var main: Container? { status?.containerStatuses?.first { $0.name == KubeLabels.container } }

    /// Its process is gone for good: nothing is restarted in these pods.
    var hasEnded: Bool { status?.phase == "Succeeded" || status?.phase == "Failed" || main?.state?.terminated != nil }

    /// Somebody has deleted it: AutoGit, or the cluster because its node is drained or lost. It may have an hour left, or, on a node that is lost, no end.
    var isLeaving: Bool { metadata.deletionTimestamp != nil }

    /// nil while it runs, and when the pod ended without Kubernetes having seen how, as on a node that is lost.
    var exitCode: Int? { main?.state?.terminated?.exitCode }

    /// The kernel killed the runner's process at its memory limit.
    var isOutOfMemory: Bool { main?.state?.terminated?.reason == "OOMKilled" }

    /// Whether a container of it was killed at a memory limit: of a job's pod, whose containers have gitlab-runner's names.
    var hasOutOfMemory: Bool { status?.containerStatuses?.contains { $0.state?.terminated?.reason == "OOMKilled" } == true }
}

extension KubeJob {
    private func condition(_ types: String...) -> KubeCondition? { status?.conditions?.first { types.contains($0.type) && $0.isTrue } }

    /// Its pod has ended, or it will get none any more.
    var hasEnded: Bool { condition("Complete", "Failed") != nil }

    /// Why it failed, in Kubernetes' words; nil where it didn't.
    var failure: String? {
        condition("Failed", "FailureTarget").map { [$0.reason, $0.message].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: ": ") }
    }

    /// For a Job whose pod is gone; nil while it runs, and where Kubernetes doesn't say. Its policy for failed pods has the code in its words
    /// (`pkg/controller/job/pod_failure_policy.go`).
    var exitCode: Int? {
        if condition("Complete") != nil { return 0 }
        guard let failed = condition("Failed"), failed.reason == "PodFailurePolicy", let message = failed.message,
            let words = message.range(of: "failed with exit code ")
        else { return nil }
        return Int(message[words.upperBound...].prefix { $0.isNumber })
    }

    /// It was let go.
    var isReleased: Bool { spec?.suspend != true }
}

/// The runners that a look at a namespace shows.
enum PodState {
    /// - Parameters:
    ///   - jobs: all of the instance's.
    ///   - pods: all of the instance's, of runners and of their jobs; listed after `jobs`.
    static func objects(jobs: [KubeJob], pods: [KubePod], instance: String) -> [DriverObject] {
        var found: [RunnerID: DriverObject] = [:]
        for job in jobs {
            guard let runner = job.metadata.runner(of: instance) else { continue }
            let own = pods.filter { $0.metadata.runner(of: instance) == runner }
            let alive = own.filter { !$0.hasEnded }
            let isAlive = !alive.isEmpty
            let ended = !isAlive && (job.hasEnded || !own.isEmpty)
            found[runner] = DriverObject(
                id: job.metadata.uid, runner: runner, running: !ended, started: !ended && (job.isReleased || own.contains { $0.main?.state?.running != nil }),
                exitCode: ended ? own.compactMap(\.exitCode).first ?? job.exitCode : nil,
                retirement: isAlive && alive.allSatisfy(\.isLeaving) ? .evicted : nil)
        }
        // Somebody removed the Job and left its pod.
        for pod in pods {
            guard let runner = pod.metadata.runner(of: instance), found[runner]?.running != true else { continue }
            if found[runner] != nil && pod.hasEnded { continue }
            found[runner] = DriverObject(
                id: found[runner]?.id ?? pod.metadata.uid, runner: runner, running: !pod.hasEnded, started: !pod.hasEnded,
                exitCode: pod.hasEnded ? pod.exitCode : nil, retirement: !pod.hasEnded && pod.isLeaving ? .evicted : nil)
        }
        for pod in pods {
            guard let runner = pod.metadata.jobRunner(of: instance), found[runner] == nil else { continue }
            found[runner] = DriverObject(id: pod.metadata.uid, runner: runner, running: false, started: false, exitCode: nil)
        }
        return found.values.sorted { $0.runner < $1.runner }
    }
}

/// Whether a runner that was let go gets to run. What doesn't end by itself in Kubernetes ends here.
struct StartProgress: Sendable {
    /// What the pod waits for.
    enum Obstacle: Sendable, Equatable {
        /// The Job has none yet: a quota or an admission policy is against it.
        case noPod
        case noNode
        /// The image comes, or a volume.
        case creation
        /// The image can't be had or the container can't be made, and Kubernetes tries again for ever.
        case refusal
    }

    enum Verdict: Sendable, Equatable {
        case waits
        case runs
        /// Why it won't run. It may have run already: see `main`.
        case failed(String)
    }

    /// How long a Job may be without a pod, and a container be refused.
    static let patience = Duration.seconds(60)
    /// Refused for good.
    private static let hopeless: Set = ["InvalidImageName", "ErrImageNeverPull"]
    private static let refusals: Set = ["ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError", "CreateContainerError", "RegistryUnavailable"]

    private let limits: [Obstacle: Duration]
    private(set) var obstacle: Obstacle?
    private var since: Timestamp
    private(set) var words = ""

    init(_ pool: KubernetesPool, at now: Timestamp) {
        limits = [.noPod: Self.patience, .noNode: pool.schedulingTimeout, .creation: pool.creationTimeout, .refusal: Self.patience]
        since = now
    }

    /// - Parameters:
    ///   - job: nil for one that is gone.
    ///   - pod: nil for none yet.
    mutating func look(_ job: KubeJob?, _ pod: KubePod?, at now: Timestamp) -> Verdict {
        guard let job else { return .failed("its Job was removed") }
        if let pod {
            if let ended = pod.main?.state?.terminated {
                // The process never ran: the program is not there, or is for another architecture.
                guard ended.reason == "StartError" || ended.reason == "ContainerCannotRun" else { return .runs }
                return .failed(ended.message ?? ended.reason ?? "")
            }
            if pod.main?.state?.running != nil { return .runs }
            if pod.hasEnded { return .failed([pod.status?.reason, pod.status?.message].compactMap { $0 }.joined(separator: ": ")) }
        }
        if let pod, pod.isLeaving { return .failed("Kubernetes is removing its pod, from the node \(pod.spec?.nodeName ?? "that it has not")") }
        if job.hasEnded { return .failed(job.failure ?? "its Job is over") }
        if job.metadata.deletionTimestamp != nil { return .failed("its Job is being removed") }
        let (found, words, isHopeless) = Self.obstacle(pod)
        if found != obstacle { (obstacle, since) = (found, now) }
        self.words = words
        return isHopeless || now - since >= limits[found, default: Self.patience] ? .failed(words) : .waits
    }

    private static func obstacle(_ pod: KubePod?) -> (Obstacle, String, isHopeless: Bool) {
        guard let pod else { return (.noPod, "Kubernetes made no pod for it", false) }
        // A container before the runner's, which a pool's pod template may have, is waited for like its image.
        let all = (pod.status?.initContainerStatuses ?? []) + (pod.status?.containerStatuses ?? [])
        for waiting in all.compactMap({ $0.state?.waiting }) {
            guard let reason = waiting.reason, refusals.contains(reason) || hopeless.contains(reason) else { continue }
            return (.refusal, [reason, waiting.message].compactMap { $0 }.joined(separator: ": "), hopeless.contains(reason))
        }
        if pod.spec?.nodeName == nil {
            let scheduled = pod.status?.conditions?.first { $0.type == "PodScheduled" }
            return (.noNode, scheduled?.message ?? "no node was chosen for its pod", false)
        }
        return (.creation, "its container is still being made on the node \(pod.spec?.nodeName ?? "")", false)
    }
}
