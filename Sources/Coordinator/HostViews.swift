import ControlModel
import Fleet

/// Hosts and their GPUs as the API shows them.
extension Coordinator {
    /// The hosts of pools and live runners, by name.
    public func hostViews() -> [HostView] { shown.hostViews() }

    /// Their GPUs, also those that were there and are not any more.
    public func gpuViews() -> [GPUView] { shown.hostViews().flatMap(\.gpus) }
}

extension FleetState {
    func hostViews() -> [HostView] {
        hostsInUse.map { id in
            let promised = promised(on: id)
            var view = HostView(name: id.name, memory_promised_bytes: promised.memory, cpus_promised: promised.cpus)
            let configured = configuration.host(id)
            view.memory_budget_bytes = configured?.budget.memory
            view.cpus_budget = configured?.budget.cpus
            let there = placesInUse.filter { $0.host == id }
            let away = there.filter { awaySince($0) != nil }
            view.status = status(of: id, there, isAway: !away.isEmpty)
            view.away_since = away.compactMap { awaySince($0) }.min().map(shownTimes.text)
            view.drained = isDrained(id)
            view.labels = configured?.labels ?? []
            let holders = runners.values.filter { $0.place.host == id && hasEquipment($0) }
            view.runners = runners.values.count { $0.place.host == id }
            view.resources = (configured?.resources ?? [:]).sorted { $0.key < $1.key }.map { thing, count in
                .init(name: thing, count: count, taken: holders.reduce(0) { $0 + ($1.equipment.resources[thing] ?? 0) })
            }
            view.remarks = isAsleep(id) ? [] : away.compactMap { places[$0]?.reach.trouble?.text }
            view.remarks += hosts[id]?.power.trouble.map { [$0] } ?? []
            guard let host = hosts[id] else { return view }
            if away.isEmpty { view.remarks += host.trouble.map { ["it could not be looked at: \($0)"] } ?? [] }
            guard let facts = host.facts else { return view }
            view.architecture = facts.architecture?.rawValue
            view.cpus = facts.cpus
            view.memory_bytes = facts.memory
            view.engine = facts.engine.map { "\($0)" }
            view.cgroup_controllers = facts.cgroupControllers
            view.runtimes = facts.runtimes
            view.emulators = facts.emulators.map {
                .init(architecture: $0.architecture, interpreter: $0.interpreter, flags: $0.flags, usable: $0.reachesContainers)
            }
            view.gpus = facts.gpus.map { self.view($0, on: id) }
            view.gpus += host.lost.sorted { $0.key < $1.key }.map { self.view($0.value.gpu, on: id, isGone: true) }
            if !facts.nodes.isEmpty {
                view.nodes = facts.nodes.map {
                    .init(
                        name: $0.name, status: $0.status.rawValue, architecture: $0.architecture?.rawValue, cpus: $0.cpus, memory_bytes: $0.memory)
                }
            }
            view.remarks += facts.remarks + facts.gpuFaults
            return view
        }
    }

    private func status(of host: HostID, _ places: [Place], isAway: Bool) -> String {
        switch powerStep(of: host) {
        case .waking: return "waking"
        case .fallingAsleep where !isAway: return "going-to-sleep"
        case .none, .fallingAsleep: break
        }
        if isAsleep(host) { return "asleep" }
        if places.contains(where: isLost) { return "lost" }
        if isAway { return "away" }
        return places.contains { self.places[$0]?.reach.isKnown == true } ? "ok" : "unknown"
    }

    private func view(_ gpu: GPU, on host: HostID, isGone: Bool = false) -> GPUView {
        let holders = holders(of: gpu.id, on: host).compactMap { runners[$0] }.map {
            GPUView.Holder(runner: $0.id, pool: $0.pool, job: $0.currentJob, since: shownTimes.text($0.requestedAt))
        }
        return GPUView(
            id: gpu.id, host: host.name, vendor: gpu.vendor.rawValue, name: gpu.name, memory_bytes: gpu.memory, cdi: gpu.cdi, nodes: gpu.nodes.map(\.path),
            status: isGone ? "gone" : holders.isEmpty ? "free" : "in use", holders: holders)
    }
}
