import Fleet

/// The containers of jobs, or their pods. While a runner works they are there; when it ends in its job they are left.
extension SimulatedEngine {
    private func hasEngine(_ container: Container) -> Bool { container.spec.pool.executor == .docker }

    /// Whether the runner's folder says so.
    func hasEngine(_ runner: RunnerID) -> Bool { containers[runner].map(hasEngine) ?? false }

    /// Whom the engine's list shows by the labels of these containers, whether they work or are gone.
    var ownersOfJobContainers: [RunnerID] {
        leftovers.union(containers(of: .scope).filter { hasEngine($0) && isWorking($0) }.map(\.spec.runner)).sorted()
    }

    private func isWorking(_ container: Container) -> Bool { container.state == "running" && container.job != nil }

    /// A runner ends in the middle of what it does.
    func leaveJobContainers(of container: Container) {
        guard hasEngine(container), container.job != nil else { return }
        world.count("runner ended in its job and left containers")
        world.note("engine: containers of a job of \(container.spec.runner) are left")
        leftovers.insert(container.spec.runner)
    }

    func removeJobContainers(of runner: RunnerID) {
        // What a cluster has given up with its node may work on there.
        let isBusy = containers[runner].map { hasEngine($0) && isWorking($0) && !$0.wasLost } ?? false
        world.check(!isBusy || forced.contains(runner) || isEvacuated, "1: the containers of a job that runs are removed, of \(runner)")
        leftovers.remove(runner)
    }
}
