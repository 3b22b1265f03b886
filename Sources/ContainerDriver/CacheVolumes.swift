import Fleet
import RunnerConfiguration

/// The volumes that hold pools' caches.
struct CacheVolumes: Sendable {
    let engine: Engine
    let instance: String

    private static let projectLabel = "autogit.project"

    /// Makes a volume, if it isn't there. It is asked for at every start, which takes a millisecond: whoever removes a volume behind our back has the
    /// engine make another for the next container, and without our labels.
    func ensure(_ volume: CacheVolume) async throws {
        var labels = [ContainerDriver.instanceLabel: instance, "autogit.pool": volume.pool, "autogit.volume": "cache"]
        labels[Self.projectLabel] = volume.project
        try await engine.createVolume(volume.name(instance: instance), labels: labels)
    }

    /// All of this AutoGit, by their names. Sizes are missing where the engine can't tell them within a minute.
    /// - Throws: `EngineError`
    func list() async throws -> [StoredCache] {
        let ours = try await engine.volumes().compactMap { volume in
            CacheVolume.pool(ofVolume: volume.Name, instance: instance).map { (volume, pool: $0) }
        }
        if ours.isEmpty { return [] }
        async let sizes = engine.volumeSizes()
        let users = try await users()
        let known: [String: Int64]
        do { known = try await sizes } catch is EngineError { known = [:] }
        return ours.map { volume, pool in
            StoredCache(
                name: volume.Name, pool: pool, project: volume.Labels?[Self.projectLabel], size: known[volume.Name],
                createdAt: volume.CreatedAt.flatMap(WrittenTime.wholeSeconds), users: users[volume.Name].map { $0.sorted() } ?? [])
        }.sorted { $0.name < $1.name }
    }

    /// Who has each volume mounted, running or not: runners, also those whose jobs' containers have it, else the container itself.
    private func users() async throws -> [String: Set<String>] {
        var users: [String: Set<String>] = [:]
        for container in try await engine.containers() {
            let runner = container.Labels?[ContainerDriver.runnerLabel] ?? container.Labels?[RunnerConfiguration.runnerLabel]
            for volume in (container.Mounts ?? []).compactMap(\.Name) {
                users[volume, default: []].insert(runner.map(Runner.name(of:)) ?? container.name)
            }
        }
        return users
    }

    /// - Returns: false when a container has it.
    /// - Throws: `EngineError`
    func remove(_ name: String) async throws -> Bool {
        guard CacheVolume.pool(ofVolume: name, instance: instance) != nil else {
            throw EngineError(message: "the volume \(name) is no cache of this AutoGit", isOutage: false)
        }
        do {
            try await engine.removeVolume(name)
            return true
        } catch let error as EngineError where error.status == 409 {
            return false
        }
    }
}
