import Fleet
import RunnerConfiguration

/// The marks of what AutoGit makes in a cluster. The same as on a container engine, for runners as for the pods of their jobs.
enum KubeLabels {
    /// Says which AutoGit a Job, its pod and its Secret belong to.
    static let instance = "autogit.instance"
    /// The runner's id.
    static let runner = "autogit.runner"
    /// The name of the runner's pool: an annotation, because a name may be none that a label can have.
    static let pool = "autogit.pool"
    /// The one signal that the pod can be asked to quit with: an annotation.
    static let stopSignal = "autogit.stop-signal"
    /// The container that runs the runner.
    static let container = "runner"

    /// Of a runner's own objects.
    static func labels(_ spec: RunnerSpec) -> [String: String] {
        [
            RunnerConfiguration.ownerLabel: spec.instance, instance: spec.instance, runner: spec.runner,
            // What Kubernetes' tools sort by (kubernetes.io/docs/concepts/overview/working-with-objects/common-labels).
            "app.kubernetes.io/managed-by": "autogit",
        ]
    }

    /// A selector for all that is an AutoGit's, jobs' pods as well.
    static func all(of instance: String) -> String { "\(RunnerConfiguration.ownerLabel)=\(instance)" }

    /// Selectors for one runner's pods, and for the pods of its jobs.
    static func selectors(_ runner: RunnerID, of instance: String) -> [String] {
        [
            "\(self.instance)=\(instance),\(self.runner)=\(runner)",
            "\(RunnerConfiguration.instanceLabel)=\(instance),\(RunnerConfiguration.runnerLabel)=\(runner)",
        ]
    }
}

extension KubeMetadata {
    /// The runner that it is the Job or the pod of; nil for anybody else's, and for pods of jobs.
    func runner(of instance: String) -> RunnerID? { labels?[KubeLabels.instance] == instance ? labels?[KubeLabels.runner] : nil }

    /// The runner that made it for a job; nil for anybody else's.
    func jobRunner(of instance: String) -> RunnerID? {
        labels?[RunnerConfiguration.instanceLabel] == instance ? labels?[RunnerConfiguration.runnerLabel] : nil
    }
}
