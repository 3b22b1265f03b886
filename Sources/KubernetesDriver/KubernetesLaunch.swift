import Fleet
import FoundationEssentials
import HTTPTransfer
import RunnerConfiguration

/// From a Job that waits to a pod that runs.
extension KubernetesDriver {
    /// Makes the runner's Job, suspended: it has no pod before `start`. Its image is fetched then, too.
    /// - Returns: the Job's uid.
    /// - Throws: `KubernetesError`, also for a pool with settings that a cluster can't carry out.
    public func create(_ spec: RunnerSpec) async throws -> String {
        let obstacles = spec.pool.obstaclesInCluster
        if !obstacles.isEmpty {
            throw KubernetesError(message: "the pool \(spec.pool.name) can't be run by Kubernetes: \(obstacles.joined(separator: "; "))", isOutage: false)
        }
        let template = try PodTemplate(spec, files: Self.files).patched(with: spec.pool.kubernetes.podTemplate)
        let body = Array(try JSONEncoder().encode(JobSpec(spec, template: template)))
        return try api.decode(Made.self, try await api.call("POST", api.path(.jobs), body: body)).metadata.uid
    }

    private struct Made: Decodable { var metadata: KubeMetadata }

    /// The names of a runner's files. All are always there, because a Job's mounts can't be changed when the files are known: `ca.crt` is empty where
    /// no certificates are configured.
    static let files = ["url", "token", "name", "executor", "config.toml", "ca.crt"]

    /// Hands the files over as a Secret, lets the Job go, and waits until the runner's process runs: until its pod has a node and its image.
    /// - Throws: `KubernetesError`, with the words of Kubernetes, also when that takes too long: see `StartProgress`.
    public func start(_ spec: RunnerSpec, credentials: RunnerCredentials) async throws {
        let name = Runner.name(of: spec.runner)
        let job = try api.decode(KubeJob.self, try await api.call("GET", api.path(.jobs, name)))
        guard job.metadata.runner(of: instance) == spec.runner else {
            throw KubernetesError(message: "the Job \(name) in the namespace \(api.access.namespace) is not this AutoGit's", isOutage: false)
        }
        try await makeSecret(SecretSpec(spec, files: contents(spec, credentials), job: job.metadata.uid))
        try await patch(name, #"{"spec":{"suspend":false}}"#)
        try await waitUntilRunning(spec, name)
    }

    /// The texts of the files, by their names.
    private func contents(_ spec: RunnerSpec, _ credentials: RunnerCredentials) -> [String: String] {
        var spec = spec
        // A cluster has no volume that the jobs of a pool share.
        if spec.pool.cache.kind == .volume { spec.pool.cache = JobCache(.none) }
        let pods = JobPods(namespace: api.access.namespace, nodeSelector: PodTemplate.nodeSelector(spec), gpu: spec.jobGPUs)
        var texts = Dictionary(Self.files.map { ($0, "") }) { $1 }
        for file in RunnerFiles.contents(for: spec, credentials, in: RunnerSurroundings(pods: pods)) { texts[file.name] = file.content }
        return texts
    }

    private func makeSecret(_ secret: SecretSpec) async throws {
        do { try await api.call("POST", api.path(.secrets), body: Array(try JSONEncoder().encode(secret))) } catch let error as KubernetesError
            where error.status == 400
        {
            // Older servers quote what they can't read.
            throw KubernetesError(
                status: 400, reason: error.reason, message: "Kubernetes answered 400 to the runner's Secret (its words are left out: they may quote it)")
        }
    }

    /// Conflicts are of Kubernetes' own making: the patch says nothing of what was there before.
    private func patch(_ job: String, _ change: String) async throws {
        var tries = 0
        while true {
            do {
                try await api.call("PATCH", api.path(.jobs, job), body: Array(change.utf8), type: "application/merge-patch+json")
                return
            } catch let error as KubernetesError where error.status == 409 && tries < 3 {
                tries += 1
                try await clock.sleep(for: .milliseconds(100))
            }
        }
    }

    /// Between two looks at a pod that does not run yet.
    private static let looks = Backoff.Policy(first: .milliseconds(250), most: .seconds(2))

    private func waitUntilRunning(_ spec: RunnerSpec, _ name: String) async throws {
        var progress = StartProgress(spec.pool.kubernetes, at: clock.now())
        var count = 0
        while true {
            // The pod first: a Job that is over explains a pod that isn't there.
            let own = try await pods(of: spec.runner).filter { $0.metadata.runner(of: instance) == spec.runner }
            let pod = own.first { !$0.hasEnded } ?? own.first
            let answer = try await api.call("GET", api.path(.jobs, name), allowed: [404])
            let job = answer.isSuccess ? try api.decode(KubeJob.self, answer) : nil
            switch progress.look(job, pod, at: clock.now()) {
            case .runs: return
            case .waits: break
            case .failed(let words):
                let error = await failure(words, progress.obstacle, spec, job, pod)
                // Taken back, so that a node or an image that comes late doesn't start a runner that was given up.
                if job?.hasEnded == false { try? await patch(name, #"{"spec":{"suspend":true}}"#) }
                throw error
            }
            count += 1
            try await clock.sleep(for: Self.looks.wait(after: count))
        }
    }

    /// With what Kubernetes noted last about the pod, or else about the Job: a status does not say why a volume can't be mounted, or which quota
    /// is in the way.
    private func failure(_ words: String, _ obstacle: StartProgress.Obstacle?, _ spec: RunnerSpec, _ job: KubeJob?, _ pod: KubePod?) async -> KubernetesError {
        var words = words
        if obstacle == .noPod || obstacle == .creation, let uid = pod?.metadata.uid ?? job?.metadata.uid, let noted = await lastWarning(of: uid) {
            words += " (\(noted))"
        }
        if words.contains("exec format error") {
            words += ": the image \(spec.pool.image) has programs of another architecture than its node; set architecture in the pool to the image's"
        }
        return KubernetesError(message: "Kubernetes does not start the runner: \(words)", isOutage: false)
    }

    /// nil where there is none, and where AutoGit may not read events.
    private func lastWarning(of uid: String) async -> String? {
        let query = [("fieldSelector", "involvedObject.uid=\(uid),type=Warning"), ("limit", "100")]
        guard let answer = try? await api.call("GET", api.path(.events, query: query)), let list = try? api.decode(KubeList<KubeEvent>.self, answer) else {
            return nil
        }
        let last = list.items?.filter { $0.type == "Warning" }.max { ($0.lastTimestamp ?? $0.eventTime ?? "") < ($1.lastTimestamp ?? $1.eventTime ?? "") }
        return last.map { [$0.reason, $0.message].compactMap { $0 }.joined(separator: ": ") }
    }
}
