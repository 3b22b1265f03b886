import ContainerDriver
import Fleet
import RunnerConfiguration

/// A service whose one task removes what a runner's jobs have left on its node. A manager does not reach the containers of other nodes, but a task there
/// has the node's own socket, as the runner had.
///
/// It is made before the runner's service goes, and without a task, so that it is not forgotten when AutoGit ends in between, or the node is away:
/// `SwarmDriver.list` finds it by its labels.
enum NodeSweep {
    /// The label of such services, and of their tasks, with the id of the runner.
    static let runnerLabel = "autogit.swarm.sweep"
    /// The label of such services with the id of the node.
    static let nodeLabel = "autogit.swarm.sweep.node"

    static func name(of runner: RunnerID) -> String { "\(Runner.name(of: runner))-sweep" }

    /// - Parameters:
    ///   - service: the runner's, whose image and socket it has.
    ///   - node: the id of the one that the runner was on.
    static func spec(after service: ServiceSpec, on node: String, _ remains: Remains, instance: String) -> ServiceSpec {
        let labels = [ContainerDriver.instanceLabel: instance, runnerLabel: remains.runner]
        var container = service.TaskTemplate.ContainerSpec
        container.Command = ["/bin/sh", "-c", script]
        container.Args = nil
        container.Secrets = nil
        container.Labels = labels
        container.Env =
            (container.Env ?? []) + [
                "LABELS=\(RunnerConfiguration.instanceLabel)=\(instance) \(RunnerConfiguration.runnerLabel)=\(remains.runner)",
                "SHORT_TOKEN=\(remains.shortToken ?? "")",
            ]
        let template = ServiceSpec.Template(
            ContainerSpec: container, Resources: .init(Limits: .init(MemoryBytes: 128 << 20, Pids: 64), Reservations: .init()),
            Placement: .init(Constraints: ["node.id==\(node)"]))
        return ServiceSpec(
            Name: name(of: remains.runner), Labels: labels.merging([nodeLabel: node]) { $1 }, TaskTemplate: template,
            Mode: .init(Replicated: .init(Replicas: 0)))
    }

    /// By the labels that AutoGit's configuration puts on containers of jobs, and by gitlab-runner's own, which its networks and volumes have, too. Of the
    /// images that runners have, gitlab-runner's have curl. What is gone meanwhile (404) or
    /// in somebody's use (403, 409) is no error.
    private static let script = #"""
        set -eu
        own=com.gitlab.gitlab-runner.runner.id=$SHORT_TOKEN
        if command -v curl >/dev/null; then
            call() { curl -sS --max-time 60 --unix-socket "${DOCKER_HOST#unix://}" "$@"; }
            ask() {
                what=$1; shift; filters=
                for label; do filters="$filters,\"$label\""; done
                call -f -G --data-urlencode all=1 --data-urlencode "filters={\"label\":[${filters#,}]}" "http://engine/$what"
            }
            names() { grep -o "\"$1\":\"[^\"]*\"" | cut -d '"' -f 4; }
            remove() { code=$(call -o /dev/null -w '%{http_code}' -X DELETE "http://engine/$1"); case $code in 2??|403|404|409) ;; *) echo "$1: $code"; exit 1 ;; esac; }
            found=$(ask containers/json $LABELS)
            for id in $(echo "$found" | names Id); do remove "containers/$id?force=1&v=1"; done
            if [ -n "$SHORT_TOKEN" ]; then
                found=$(ask containers/json "$own")
                for id in $(echo "$found" | names Id); do remove "containers/$id?force=1&v=1"; done
                found=$(ask networks "$own")
                for id in $(echo "$found" | names Id); do remove "networks/$id"; done
                found=$(ask volumes "$own")
                for id in $(echo "$found" | names Name); do remove "volumes/$id"; done
            fi
        elif command -v docker >/dev/null; then
            filters=; for label in $LABELS; do filters="$filters --filter label=$label"; done
            docker ps -aq $filters | xargs -r docker rm -fv
            if [ -n "$SHORT_TOKEN" ]; then
                docker ps -aq --filter "label=$own" | xargs -r docker rm -fv
                docker network ls -q --filter "label=$own" | xargs -r docker network rm || true
                docker volume ls -q --filter "label=$own" | xargs -r docker volume rm || true
            fi
        else
            echo "the image has neither curl nor docker"; exit 1
        fi
        """#
}

extension ServiceSpec {
    /// Whether its runner has containers made for its jobs.
    var usesEngine: Bool { TaskTemplate.ContainerSpec.Env?.contains { $0.hasPrefix("DOCKER_HOST=") } == true }
}

extension SwarmDriver {
    /// Before the runner's service goes. One that has ended without an error has left nothing.
    /// - Throws: `EngineError`
    func prepareSweep(after service: SwarmService, _ remains: Remains) async throws {
        guard service.Spec.usesEngine, let task = task(of: try await tasks(of: remains.runner)), let node = task.NodeID, !node.isEmpty,
            outcome(of: task, at: clock.now()) != .ended(0)
        else { return }
        let sweep = NodeSweep.spec(after: service.Spec, on: node, remains, instance: instance)
        do { _ = try await engine.create(sweep, login: nil) } catch let error as EngineError where error.status == 409 {}
    }

    /// Once the runner's task is over: runs what `prepareSweep` has made, unless the node is away, or takes no tasks. Then it stays for later.
    ///
    /// A sweep that fails is told of once, with what to do by hand: nothing is to wait for it.
    /// - Throws: `EngineError`, also while it lasts.
    func sweep(_ runner: RunnerID) async throws {
        let name = NodeSweep.name(of: runner)
        guard let service = try await engine.service(name), isOurs(service) else { return }
        let node = service.Spec.Labels[NodeSweep.nodeLabel] ?? ""
        try await lookAtNodes()
        if watch.withLock({ $0.names[node] == nil }) { return try await engine.removeService(name) }
        guard watch.withLock({ $0.takesTasks(node) }) else { return }
        try await engine.update(name) { $0.Mode.Replicated.Replicas = 1 }
        let labels = ["\(ContainerDriver.instanceLabel)=\(instance)", "\(NodeSweep.runnerLabel)=\(runner)"]
        for _ in 0..<Self.mostLooks {
            if let task = task(of: try await engine.tasks(labels: labels)), case .ended(let code) = outcome(of: task, at: clock.now()) {
                if code != 0 { await complain(of: task, runner) }
                return try await engine.removeService(name)
            }
            try await clock.sleep(for: Self.look)
        }
        throw EngineError(message: "what its jobs left on the node \(watch.withLock { $0.names[node] ?? node }) is still being removed", isOutage: false)
    }

    private func complain(of task: SwarmTask, _ runner: RunnerID) async {
        let words = try? await engine.tail(bytes: 1000, within: .seconds(10)) { [engine] lines in
            try await engine.log(at: "/tasks/\(task.ID)", lines: lines, follow: false)
        }
        let text = words.map { String(decoding: $0, as: UTF8.self).split(whereSeparator: \.isNewline).joined(separator: "; ") } ?? ""
        log.warning(
            "What a runner's jobs left on a node can't be removed; there, docker ps -a --filter label=\(RunnerConfiguration.runnerLabel)=\(runner) shows it",
            metadata: ["runner": "\(runner)", "node": "\(node(of: task))", "reason": "\(text.isEmpty ? task.complaint ?? "unknown" : text)"])
    }

    /// Runners of which only something to sweep is left, on a node that takes tasks or does not come back.
    func sweeps(among services: [SwarmService]) -> [DriverObject] {
        services.compactMap { service in
            guard let runner = service.Spec.Labels[NodeSweep.runnerLabel], let node = service.Spec.Labels[NodeSweep.nodeLabel],
                watch.withLock({ $0.takesTasks(node) || $0.names[node] == nil })
            else { return nil }
            return DriverObject(id: service.ID, runner: runner, running: false, started: false, exitCode: nil)
        }
    }
}
