import Fleet

/// Watches the daemon's state after each of its plans, and how long things last.
final class Oracle {
    unowned let world: World
    var pools: [Pool] = []
    private var state: FleetState?
    /// Since when there was no outage, and the daemon lived.
    private var goodSince = World.start
    private var phases: [RunnerID: (phase: Runner.Phase, since: Timestamp)] = [:]

    /// A job that could be served is, within this time in which nothing stood in the way. It covers the longest wait after
    /// failed starts (5 minutes), a runner that never calls and one that takes no job (2 minutes each), and the time for
    /// which a job is left alone that two runners did not take (5 minutes), and some of them in a row.
    static let servedWithin = Duration.seconds(1800)
    /// A runner that is to go gets on within this time, or somebody is told.
    static let toldWithin = Duration.seconds(900)
    /// A runner that is cut off from its engine gets no job after this time in which nothing stood in the way. It covers a look that an event
    /// asked for and that failed, and the next.
    static let cutOffWithin = Duration.seconds(180)
    private static let beat = Duration.seconds(10)

    init(world: World) { self.world = world }

    /// What a dead daemon knew is nothing to judge by.
    func forget() {
        state = nil
        phases = [:]
        goodSince = world.now
    }

    func begin(isWorking: @escaping () -> Bool) {
        world.after(Self.beat) {
            self.beat(isWorking())
            self.begin(isWorking: isWorking)
        }
    }

    // MARK: After each plan

    func watch(_ new: FleetState) {
        state = new
        guard !new.isStopping else { return }
        let supply = new.runners.values.filter(\.isSupply)
        var unexplained = 0
        for (id, tracked) in new.jobs where tracked.job.status == .pending && new.waiting[id] == nil {
            unexplained += 1
            let isServed = supply.contains { runner in
                pools(named: runner.pool, in: new).contains { $0.serves(tags: tracked.job.tags ?? ["?"]) } && runner.forge == id.forge
            }
            world.check(isServed, "8: the pending job \(id.id) has neither a runner on its way nor a reason")
        }
        world.check(unexplained <= supply.count, "8: \(unexplained) pending jobs without a reason and \(supply.count) runners for them")
        for runner in new.runners.values where runner.phase <= .ready {
            guard let id = runner.gitlabID, let known = world.gitlab.runners[world.gitlab.inside(id)], known.description == runner.name else { continue }
            world.check(!known.isPaused, "7: the runner \(runner.id) is \(runner.phase.rawValue) and paused in GitLab")
        }
    }

    private func pools(named name: String, in state: FleetState) -> [Pool] { state.pools.map(\.pool).filter { $0.name == name } }

    // MARK: From time to time

    private func beat(_ isWorking: Bool) {
        let isServing = isWorking && world.gitlab.isFine && world.engine.isFine && world.disk.isFine && world.hardware.isFine
        // A host that is away keeps its own runners from their end, and no job from another host.
        if !isServing || !world.engines.allSatisfy(\.isFine) { goodSince = world.now }
        if isServing { lookForNeglect() }
        lookForStuck()
        lookForCutOff()
        lookForMisplaced()
    }

    private func lookForCutOff() {
        for container in world.containers.sorted(by: { $0.spec.runner < $1.spec.runner }) {
            guard let since = container.cutOffSince, let runner = state?.runners[container.spec.runner] else { continue }
            let isLong = world.now - max(since, goodSince) > Self.cutOffWithin
            world.check(!isLong || runner.phase > .ready, "10: the runner \(runner.id) is cut off from its engine, and is offered jobs")
        }
    }

    /// A runner of which its pool wants another kind since the configuration was changed.
    private func lookForMisplaced() {
        for container in world.containers.sorted(by: { $0.spec.runner < $1.spec.runner }) {
            guard let runner = state?.runners[container.spec.runner], let pool = pools.first(where: { $0.name == runner.pool }) else { continue }
            let wanted = pool.hardware.architecture ?? .amd64
            let isLong = world.now - max(world.hardware.changedAt(pool.name), goodSince) > Self.cutOffWithin
            world.check(
                (container.spec.equipment.architecture ?? .amd64) == wanted || runner.isBusy || runner.phase > .ready || !isLong,
                "11: the runner \(runner.id) is \(container.spec.equipment.architecture?.rawValue ?? "?"), is offered jobs for \(wanted)")
        }
    }

    private func lookForNeglect() {
        for (id, job) in world.gitlab.jobs where job.status == .pending && job.visibleFrom <= world.now {
            let servers = pools.filter { $0.serves(tags: job.tags) }
            let hasRoom = servers.contains { pool in
                let paused = world.disk.pausedPools.contains(pool.name)
                return !paused && world.hosts.hasRoom(for: pool) && world.containers.count { $0.spec.pool.name == pool.name } < pool.maxRunners
            }
            guard hasRoom else { continue }
            let time = job.neglected + Self.beat
            world.gitlab.jobs[id]?.neglected = time
            if time == Self.servedWithin { world.check(false, "5: the job \(world.gitlab.outside(id)) waits for \(time), and nothing stands in the way") }
        }
        world.check(true, "5")
    }

    private func lookForStuck() {
        guard let state else { return }
        for runner in state.runners.values.sorted(by: { $0.id < $1.id }) {
            // What is on a host that sleeps has to wait until it wakes.
            let sleeps = world.engines.contains { $0.host == runner.place.host && $0.isAsleep }
            let isGoing = runner.phase >= .pausing && !(runner.isBusy && runner.phase < .ended) && !sleeps
            guard isGoing else {
                phases[runner.id] = nil
                continue
            }
            if phases[runner.id]?.phase != runner.phase { phases[runner.id] = (runner.phase, world.now) }
            guard let since = phases[runner.id]?.since, world.now - max(since, goodSince) > Self.toldWithin else { continue }
            world.check(
                state.stuckReason(of: runner.id) != nil, "9: the runner \(runner.id) is \(runner.phase.rawValue) for long, and nobody is told why")
        }
    }
}
