import Fleet
import RunnerConfiguration

/// The body that makes a runner: a `batch/v1.Job` that waits, suspended, until the runner's token is there.
struct JobSpec: Encodable, Sendable {
    struct Metadata: Encodable, Sendable {
        var name: String?
        var labels: [String: String]
        var annotations: [String: String]
    }
    struct Spec: Encodable, Sendable {
        var suspend = true
        // A second pod would have the token of the first, so there is none for any reason.
        var completions = 1
        var parallelism = 1
        var backoffLimit = 0
        /// A pod that is on its way out still runs: only one that has ended could be replaced, and by then the Job has failed.
        var podReplacementPolicy = "Failed"
        var podFailurePolicy = FailurePolicy()
        var activeDeadlineSeconds: Int64
        var ttlSecondsAfterFinished: Int64
        var template: JSONValue
    }
    /// Fails the Job for any exit code but 0. It would fail anyway; with this its condition has the code in its words, also when the pod is gone.
    struct FailurePolicy: Encodable, Sendable {
        struct Rule: Encodable, Sendable {
            var action = "FailJob"
            var onExitCodes = ExitCodes()
            /// None. The API of 1.26 to 1.28 calls the list required, by mistake (kubernetes#120204).
            var onPodConditions: [String] = []
        }
        struct ExitCodes: Encodable, Sendable {
            var containerName = KubeLabels.container
            var `operator` = "NotIn"
            var values = [0]
        }
        var rules = [Rule()]
    }
    var apiVersion = "batch/v1"
    var kind = "Job"
    var metadata: Metadata
    var spec: Spec

    /// - Parameter template: see `PodTemplate`.
    init(_ runner: RunnerSpec, template: JSONValue) {
        let pool = runner.pool
        metadata = Metadata(name: Runner.name(of: runner.runner), labels: KubeLabels.labels(runner), annotations: [KubeLabels.pool: pool.name])
        spec = Spec(
            activeDeadlineSeconds: max(1, pool.kubernetes.lifetime.milliseconds / 1000),
            ttlSecondsAfterFinished: max(0, pool.kubernetes.keepEnded.milliseconds / 1000), template: template)
    }
}

/// The body that hands a runner its files. Kubernetes removes it with its owner, the Job.
struct SecretSpec: Encodable, Sendable {
    struct Metadata: Encodable, Sendable {
        var name: String
        var labels: [String: String]
        var ownerReferences: [Owner]
    }
    struct Owner: Encodable, Sendable {
        var apiVersion = "batch/v1"
        var kind = "Job"
        var name: String
        var uid: String
        /// The Job is not gone as long as the Secret is there.
        var blockOwnerDeletion = true
    }
    var apiVersion = "v1"
    var kind = "Secret"
    var type = "Opaque"
    /// Nobody changes it, and the nodes needn't watch it.
    var immutable = true
    var metadata: Metadata
    var stringData: [String: String]

    /// - Parameters:
    ///   - files: their texts, by their names.
    ///   - job: the uid of the runner's Job.
    init(_ runner: RunnerSpec, files: [String: String], job: String) {
        let name = Runner.name(of: runner.runner)
        metadata = Metadata(name: name, labels: KubeLabels.labels(runner), ownerReferences: [Owner(name: name, uid: job)])
        stringData = files
        if runner.pool.executor == .shell { for (name, value) in runner.pool.env { stringData[Self.key(ofVariable: name)] = value } }
    }

    /// Where the value of a variable of the runner's process is; no file has such a name.
    static func key(ofVariable name: String) -> String { "env.\(name)" }
}

/// The body of a removal.
struct DeleteOptions: Encodable, Sendable {
    var apiVersion = "v1"
    var kind = "DeleteOptions"
    /// Seconds until the kill; nil for the pod's own.
    var gracePeriodSeconds: Int64?
    /// `Foreground` or `Background`.
    var propagationPolicy: String?
}
