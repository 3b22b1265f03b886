import ControlGroups
import Fleet
import FoundationEssentials
import Glibc
import RunnerConfiguration

/// What containers use: from the kernel where their control groups can be seen from here, else from the engine.
extension ContainerDriver {
    /// How a container is measured.
    enum Measure: Sendable {
        case group(ControlGroup)
        /// The engine is asked each time.
        case engine
    }

    /// Of a runner that makes containers for its jobs, these; of another, its own. What has ended meanwhile is left out.
    /// - Throws: `EngineError` when the engine can't be asked, or measures none of them.
    public func use(of runners: Set<RunnerID>) async throws -> [RunnerID: [ResourceSample]] {
        var found: [RunnerID: [ResourceSample]] = [:]
        var known = measures.withLock { $0 }
        var trouble: EngineError?
        var alive: Set<String> = []
        for container in try await engine.containers(labels: ["\(RunnerConfiguration.ownerLabel)=\(instance)"]) where container.State == "running" {
            let isOfJob = container.Labels?[RunnerConfiguration.runnerLabel] != nil
            guard let runner = container.Labels?[isOfJob ? RunnerConfiguration.runnerLabel : Self.runnerLabel], runners.contains(runner),
                // One with the engine's socket only looks after its jobs' containers.
                isOfJob || container.Labels?[Self.socketLabel] == nil
            else { continue }
            alive.insert(container.Id)
            do throws(EngineError) {
                let measure = known[container.Id] ?? Self.measure(container.Id)
                known[container.Id] = measure
                if let sample = try await sample(container.Id, by: measure, isOfJob) { found[runner, default: []].append(sample) }
            } catch  where error.status == 404 || error.status == 409 {
                // It has ended.
            } catch { trouble = error }
        }
        let (measured, left) = (known, alive)
        measures.withLock { $0 = measured.filter { left.contains($0.key) } }
        if let trouble, found.isEmpty { throw trouble }
        return found
    }

    private static func measure(_ id: String) -> Measure {
        guard let group = ControlGroup(of: id), group.use()?.memory != nil else { return .engine }
        return .group(group)
    }

    private func sample(_ id: String, by measure: Measure, _ isOfJob: Bool) async throws(EngineError) -> ResourceSample? {
        guard case .group(let group) = measure else {
            return try await engine.use(of: id).map { ResourceSample(id: id, cpu: $0.cpu, memory: $0.memory, isOfJob: isOfJob) }
        }
        return group.use().map { ResourceSample(id: id, cpu: $0.cpu, memory: $0.memory ?? 0, memoryKills: $0.memoryKills, isOfJob: isOfJob) }
    }
}

extension Engine {
    /// CPU time since the container was made, and its memory in bytes; nil when the engine doesn't know. Docker tells what of the memory is files'
    /// content that can be dropped (`inactive_file`, of version 1 of control groups `total_inactive_file`), Podman 4.3 doesn't.
    func use(of container: String) async throws(EngineError) -> (cpu: Duration, memory: Int64)? {
        struct Statistics: Decodable {
            struct CPU: Decodable { var cpu_usage: Usage? }
            struct Usage: Decodable { var total_usage: UInt64? }
            struct Memory: Decodable {
                var usage: Int64?
                var stats: [String: Int64]?
            }
            var cpu_stats: CPU?
            var memory_stats: Memory?
        }
        let found = try await asked("/containers/\(container)/stats?stream=false&one-shot=true", Statistics.self)
        guard let cpu = found.cpu_stats?.cpu_usage?.total_usage, let memory = found.memory_stats, let usage = memory.usage else { return nil }
        let files = memory.stats?["inactive_file"] ?? memory.stats?["total_inactive_file"] ?? 0
        return (.nanoseconds(Int64(clamping: cpu)), max(0, usage - files))
    }

    private func asked<T: Decodable>(_ path: String, _ type: T.Type) async throws(EngineError) -> T {
        do { return try decode(type, try await call("GET", path)) } catch let error as EngineError { throw error } catch {
            throw EngineError(message: "\(error)")
        }
    }
}
