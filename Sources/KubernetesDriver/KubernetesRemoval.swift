import Fleet
import FoundationEssentials
import HTTPTransfer

/// The end of a runner, and of what it made for its jobs.
extension KubernetesDriver {
    /// How long a node has to kill a pod before Kubernetes is made to forget it, and how long everything has to go after that.
    private static let patience = Duration.seconds(30)
    private static let looks = Backoff.Policy(first: .milliseconds(100), most: .seconds(1))

    /// Removes the Job with its Secret, kills its pod and those of its jobs, and waits until nothing is left. What isn't there is no error.
    ///
    /// A node that does not answer kills nothing. After half a minute its pod is forgotten all the same: whatever runs on there has a token that
    /// GitLab takes no more, and ends when the node comes back.
    /// - Throws: `KubernetesError`, also when something is still there after a minute, with its name.
    public func remove(_ remains: Remains) async throws {
        let name = Runner.name(of: remains.runner)
        let begin = clock.now()
        var isForced = false
        // A runner that is being killed may still make a pod for a job.
        var ordered: Set<String> = []
        var count = 0
        while true {
            let left = try await leftovers(remains.runner, name)
            if left.job == nil && left.pods.isEmpty {
                // A Secret whose Job is gone goes by itself, but in Kubernetes' own time.
                return try await delete(.secrets, name, DeleteOptions())
            }
            try await order(left.without(ordered), name, grace: Self.killGrace)
            ordered.formUnion(left.uids)
            if !isForced, clock.now() - begin >= Self.patience {
                isForced = true
                log.warning("kubernetes forgets pods that their nodes do not remove", metadata: ["runner": "\(remains.runner)"])
                try await order(left, name, grace: 0)
            }
            if clock.now() - begin >= Self.patience * 2 { throw KubernetesError(message: Self.words(left), isOutage: false) }
            count += 1
            try await clock.sleep(for: Self.looks.wait(after: count))
        }
    }

    private struct Leftovers {
        var job: KubeJob?
        var pods: [KubePod]

        var uids: [String] { [job].compactMap { $0?.metadata.uid } + pods.map(\.metadata.uid) }

        func without(_ known: Set<String>) -> Leftovers {
            Leftovers(job: job.flatMap { known.contains($0.metadata.uid) ? nil : $0 }, pods: pods.filter { !known.contains($0.metadata.uid) })
        }
    }

    private func leftovers(_ runner: RunnerID, _ name: String) async throws -> Leftovers {
        let answer = try await api.call("GET", api.path(.jobs, name), allowed: [404])
        let job = answer.isSuccess ? try api.decode(KubeJob.self, answer) : nil
        // A Job of that name with other labels is somebody else's.
        return Leftovers(job: job.flatMap { $0.metadata.runner(of: instance) == runner ? $0 : nil }, pods: try await pods(of: runner))
    }

    /// The Job first, so that it makes no pod any more; it stays until its pods and its Secret are gone. Its pods would have their whole grace period
    /// otherwise, which is an hour as a rule.
    private func order(_ left: Leftovers, _ name: String, grace: Int64) async throws {
        if left.job != nil {
            try await delete(.jobs, name, DeleteOptions(propagationPolicy: "Foreground"))
            try await delete(.secrets, name, DeleteOptions())
        }
        for pod in left.pods { try await delete(.pods, pod.metadata.name, DeleteOptions(gracePeriodSeconds: grace)) }
    }

    private static func words(_ left: Leftovers) -> String {
        let things =
            left.pods.map { pod in
                let node = pod.spec?.nodeName.map { " on the node \($0)" } ?? ""
                let held = pod.metadata.finalizers.map { $0.isEmpty ? "" : ", held by \($0.joined(separator: ", "))" } ?? ""
                return "the pod \(pod.metadata.name)\(node)\(held)"
            } + [left.job].compactMap { $0 }.map { "the Job \($0.metadata.name)" }
        return "Kubernetes has not removed \(things.joined(separator: " and ")) in a minute"
    }
}
