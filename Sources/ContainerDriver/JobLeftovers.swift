import Fleet
import RunnerConfiguration

/// What runners have the engine make for their jobs. A runner that ends by itself removes it; one that is killed leaves it all.
///
/// Containers carry the labels that AutoGit's configuration has put on them (`container_labels`, from gitlab-runner 15.0 on). Networks
/// and volumes, and the containers of older versions, carry gitlab-runner's own, among them the beginning of the runner's token.
struct JobLeftovers: Sendable {
    let engine: Engine
    let instance: String

    private static let tokenLabel = "com.gitlab.gitlab-runner.runner.id"

    /// Runners that containers of jobs carry the name of.
    func list() async throws -> [DriverObject] {
        var found: [RunnerID: DriverObject] = [:]
        for container in try await engine.containers(labels: ["\(RunnerConfiguration.instanceLabel)=\(instance)"]) {
            guard container.Labels?[RunnerConfiguration.instanceLabel] == instance, let runner = container.Labels?[RunnerConfiguration.runnerLabel] else {
                continue
            }
            found[runner] = DriverObject(id: container.Id, runner: runner, running: false, started: false, exitCode: nil)
        }
        return Array(found.values)
    }

    private static let managedLabel = "com.gitlab.gitlab-runner.managed"

    /// Things of runners that are neither ours nor at work, as far as one can see: an older gitlab-runner's, which puts no labels of ours on
    /// them, or another's.
    /// - Parameter tokens: of our runners that live.
    func doubtful(except tokens: Set<String>) async throws -> [Doubtful] {
        let label = "\(Self.managedLabel)=true"
        let containers = try await engine.containers(labels: [label]).filter { $0.Labels?[RunnerConfiguration.instanceLabel] == nil }
        let atWork = tokens.union(containers.filter { $0.State == "running" }.compactMap { $0.Labels?[Self.tokenLabel] })
        func isDoubtful(_ labels: [String: String]?) -> Bool {
            labels?[Self.managedLabel] == "true" && labels?[Self.tokenLabel].map(atWork.contains) == false
        }
        return containers.filter { isDoubtful($0.Labels) }.map { Doubtful(what: "container", name: $0.name) }
            + (try await engine.networks(label: label)).filter { isDoubtful($0.Labels) }.map { Doubtful(what: "network", name: $0.Name ?? $0.Id) }
            + (try await engine.volumes(label: label)).filter { isDoubtful($0.Labels) }.map { Doubtful(what: "volume", name: $0.Name) }
    }

    /// Removes what a runner that is gone has left.
    /// - Throws: `EngineError`
    func remove(_ remains: Remains) async throws {
        let labels = ["\(RunnerConfiguration.instanceLabel)=\(instance)", "\(RunnerConfiguration.runnerLabel)=\(remains.runner)"]
        // Looked at again here: an engine that doesn't know a filter lists everything.
        let own = try await engine.containers(labels: labels).filter {
            $0.Labels?[RunnerConfiguration.instanceLabel] == instance && $0.Labels?[RunnerConfiguration.runnerLabel] == remains.runner
        }
        // Its own containers tell how it calls itself, even where nothing else is known of it.
        var tokens = Set(own.compactMap { $0.Labels?[Self.tokenLabel] }.filter(ShortToken.identifies))
        if let token = remains.shortToken { tokens.insert(token) }
        for container in own { try await engine.remove(container.Id) }
        for token in tokens { try await remove(token, since: remains.since) }
    }

    /// In this order, because a network and a volume can't go while a container uses them.
    private func remove(_ token: String, since: Timestamp?) async throws {
        let label = "\(Self.tokenLabel)=\(token)"
        for container in try await engine.containers(labels: [label])
        where container.Labels?[Self.tokenLabel] == token && isNotOlder(container.Created.map { Timestamp(milliseconds: $0 * 1000) }, since) {
            // Another AutoGit's, or another runner's whose token begins alike.
            if let owner = container.Labels?[RunnerConfiguration.instanceLabel], owner != instance { continue }
            try await engine.remove(container.Id)
        }
        for network in try await engine.networks(label: label)
        where network.Labels?[Self.tokenLabel] == token && isNotOlder(network.Created.flatMap(WrittenTime.wholeSeconds), since) {
            try await engine.removeNetwork(network.Id)
        }
        for volume in try await engine.volumes(label: label)
        where volume.Labels?[Self.tokenLabel] == token && isNotOlder(volume.CreatedAt.flatMap(WrittenTime.wholeSeconds), since) {
            try await engine.removeVolume(volume.Name)
        }
    }

    /// Engines give whole seconds. Where a time is missing, the token has to do.
    private func isNotOlder(_ created: Timestamp?, _ since: Timestamp?) -> Bool {
        guard let created, let since else { return true }
        return created >= since + .seconds(-1)
    }
}
