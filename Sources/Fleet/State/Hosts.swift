/// A host, as it shows itself.
public struct HostState: Sendable {
    /// As found last; nil before it was ever looked at.
    public internal(set) var facts: HostFacts?
    /// When it is looked at next; nil: at once.
    var surveyAt: Timestamp?
    /// Why the last look failed, or its engine told nothing.
    public internal(set) var trouble: String?
    /// GPUs that some pool wants and that were there before, by id: since when they are gone.
    public internal(set) var lost: [String: LostGPU] = [:]
    /// Of one that may sleep.
    public internal(set) var power = PowerState()

    /// A GPU that is not there any more.
    public struct LostGPU: Sendable {
        /// As it was.
        public var gpu: GPU
        /// When it was missed.
        public var since: Timestamp
    }
}

extension FleetState {
    /// Where pools have needs, a GPU that vanishes is soon missed, and an emulator that was installed soon found; so is a node of a swarm.
    func surveyBeat(_ host: HostID) -> Duration {
        let hasNeeds = pools.contains { $0.hosts.contains(host) && !$0.pool.hardware.isModest } || wantsGPUs(host)
        return hasNeeds || hosts[host]?.facts?.nodes.isEmpty == false ? Beat.surveyOfNeeds : Beat.survey
    }

    private func wantsGPUs(_ host: HostID) -> Bool {
        pools.contains { $0.hosts.contains(host) && $0.pool.hardware.gpu != nil }
            || runners.values.contains { $0.place.host == host && !$0.equipment.gpus.isEmpty }
    }

    mutating func surveyed(_ host: HostID, _ found: HostFacts, at now: Timestamp) {
        var known = hosts[host] ?? HostState()
        let before = known.facts
        let facts = found.keeping(before)
        known.facts = facts
        known.trouble = facts.engineTrouble
        if wantsGPUs(host) {
            for gpu in before?.gpus ?? [] where !facts.gpus.contains(where: { $0.id == gpu.id }) {
                known.lost[gpu.id] = .init(gpu: gpu, since: now)
                tell(.gpuLost(holders(of: gpu.id, on: host)), subject: "\(gpu.name) (\(gpu.id))")
            }
        }
        for gpu in facts.gpus where known.lost.removeValue(forKey: gpu.id) != nil { tell(.gpuBack, subject: "\(gpu.name) (\(gpu.id))") }
        for fault in facts.gpuFaults where before?.gpuFaults.contains(fault) != true { tell(.gpuFault(fault), subject: host.name) }
        for remark in facts.remarks where before?.remarks.contains(remark) != true { tell(.hostRemark(remark), subject: host.name) }
        hosts[host] = known
    }

    /// The runners that have a GPU, by id.
    public func holders(of gpu: String, on host: HostID) -> [RunnerID] {
        runners.values.filter { $0.place.host == host && $0.equipment.gpus.contains(gpu) && progress[$0.id]?.containerGone != true }.map(\.id).sorted()
    }

    /// Whether a GPU that the runner has is not there any more.
    func hasLostGPU(_ runner: Runner) -> Bool {
        guard !runner.equipment.gpus.isEmpty, let lost = hosts[runner.place.host]?.lost, !lost.isEmpty else { return false }
        return runner.equipment.gpus.contains { lost[$0] != nil }
    }
}
