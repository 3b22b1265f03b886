import Coordinator
import Fleet
import Logging

/// What came of one seed.
public struct SimulationReport: Sendable {
    public var seed: UInt64
    public var violations: [String]
    public var faults: [String: Int]
    public var checks: Int
    public var simulated: Duration
    public var jobs: Int
    public var story: [String]
}

/// One run: the shipped coordinator, planner, life-cycle code and write queue, against a simulated GitLab, engine and disk.
public final class Simulation: @unchecked Sendable {
    public struct Plan: Sendable {
        public var pools: [Pool]
        public var budget: HostBudget
        public var pollInterval: Duration
        /// How long work and faults keep coming.
        public var busyTime: Duration
        /// By when after that everything must be done and gone.
        public var quietTime: Duration
        public var rates: FaultRates
        /// Sets the scene of a named scenario, in place of random work.
        public var script: (@Sendable (Simulation) -> Void)?

        public init(
            pools: [Pool], budget: HostBudget = HostBudget(), pollInterval: Duration = .seconds(30), busyTime: Duration = .seconds(3600),
            quietTime: Duration = .seconds(4 * 3600), rates: FaultRates = FaultRates(), script: (@Sendable (Simulation) -> Void)? = nil
        ) {
            self.pools = pools
            self.budget = budget
            self.pollInterval = pollInterval
            self.busyTime = busyTime
            self.quietTime = quietTime
            self.rates = rates
            self.script = script
        }
    }

    public let world: World
    public let plan: Plan
    private var daemon: Coordinator?
    /// Watches what the daemon knows, and the world around it.
    private lazy var oracle = Oracle(world: world)
    /// Hooks that came while no daemon was there: systemd's socket keeps them.
    private var backlog: [(JobID, [UInt8])] = []
    private var pools: [Pool] {
        didSet {
            oracle.pools = pools
            for pool in pools { world.engine.maximums[pool.name] = max(world.engine.maximums[pool.name] ?? 0, pool.maxRunners) }
        }
    }
    public private(set) var lives = 0
    private var isEvacuating = false
    private var isQuietTime = false

    public init(seed: UInt64, plan: Plan, keepsStory: Bool = false) {
        world = World(seed: seed, rates: plan.rates)
        world.keepsLog = keepsStory
        self.plan = plan
        pools = plan.pools
        oracle.pools = pools
        world.engine.budget = plan.budget
    }

    /// A random plan for a seed: one to three pools, tight or roomy. For even seeds some pools run scopes,
    /// and the clock is set now and then.
    public static func plan(for seed: UInt64) -> Plan {
        var random = SplitMix(seed: seed ^ 0x0B5E)
        var drivers = SplitMix(seed: seed ^ 0x5C09E)
        let tags = [["a"], ["a", "b"], ["b", "c"]]
        let pools = (0..<1 + random.below(3)).map { index -> Pool in
            var pool = Pool(name: "p\(index)")
            pool.tags = tags[index]
            pool.runUntagged = random.chance(0.3)
            pool.memory = 1 << 30
            // With its runner's allowance and a service, a job of a pool with the Docker executor reserves a quarter more.
            pool.docker.servicesLimit = 1
            pool.docker.serviceMemory = 128 << 20
            pool.maxRunners = 1 + random.below(5)
            pool.warm = random.chance(0.2) ? 1 : 0
            pool.maxJobs = random.chance(0.3) ? 1 : 0
            pool.cooldown = .seconds(random.chance(0.5) ? 300 : 20)
            pool.stopTimeout = .seconds(120)
            if seed.isMultiple(of: 2), drivers.chance(0.6) { pool.driver = .scope }
            return pool
        }
        let budget = HostBudget(memory: random.chance(0.3) ? Int64(2 + random.below(4)) << 30 : nil)
        var rates = FaultRates()
        if seed.isMultiple(of: 2) { rates.clockSet = 0.2 }
        // The token of somebody who is no administrator; a GitLab that is installed afresh.
        if seed % 5 == 1 { rates.hiddenProject = 0.3 }
        if seed % 7 == 2 { rates.startsOver = 1 }
        if seed % 8 == 6 { rates.newSockets = 2 }
        return Plan(pools: pools, budget: budget, pollInterval: random.chance(0.1) ? .seconds(5) : .seconds(30), rates: rates)
    }

    // MARK: Running

    public func run() -> SimulationReport {
        let began = world.now
        world.gitlab.deliver = { [unowned self] job, body in self.deliver(job, body) }
        world.onCrash = { [unowned self] in self.crashed() }
        boot()
        oracle.begin { [unowned self] in self.daemon != nil && !self.isEvacuating }
        if let script = plan.script { script(self) } else { inventWork() }
        world.scheduler.run(until: began + plan.busyTime)
        settle()
        let end = world.now + plan.quietTime
        world.scheduler.run(until: end, or: isQuiet)
        judge()
        return SimulationReport(
            seed: world.seed, violations: world.violations, faults: world.faults, checks: world.checks, simulated: world.now - began,
            jobs: world.gitlab.jobs.count, story: world.story)
    }

    private func boot() {
        lives += 1
        let life = world.generation
        world.note("the daemon starts, life \(lives)")
        let world = world
        let coordinator = Coordinator(
            settings, forges: [.default: SimulatedForge(world: world)],
            drivers: [
                Place(.local, .container): SimulatedDriver(world: world), Place(.local, .scope): SimulatedScopeDriver(world: world),
            ], store: SimulatedStore(world: world), clock: SimulatedClock(world: world, life: life),
            log: Logger(label: "simulation") { _ in StoryLogHandler(world: world, life: life) }, seed: world.random.next(),
            watch: { [unowned self] state in if life == self.world.generation { self.oracle.watch(state) } })
        Task {
            try await coordinator.recover()
            guard life == world.generation else { return }
            self.daemon = coordinator
            await self.tellSettings(coordinator)
            let held = self.backlog
            self.backlog = []
            for (job, body) in held { self.deliver(job, body) }
            await coordinator.run()
        }
    }

    private func crashed() {
        daemon = nil
        isEvacuating = false
        world.engine.isEvacuated = false
        oracle.forget()
        if world.strikes("power lost too", world.rates.crash > 0 ? 0.2 : 0) { world.engine.losePower() }
        world.setClock()
        let life = world.generation
        world.after(world.random.between(100, 30_000)) { if life == self.world.generation { self.boot() } }
    }

    /// From outside the daemon.
    public func kill() { world.crash("by the scenario") }
    public var gitlab: GitLabControl { GitLabControl(world: world) }

    private func deliver(_ job: JobID, _ body: [UInt8]) {
        guard let daemon else {
            // Either systemd holds the connection, or GitLab gave up.
            if world.gitlab.jobs[job]?.isHidden != true, world.strikes("hook refused while the daemon was away", world.rates.hookLost > 0 ? 0.5 : 0) { return }
            backlog.append((job, body))
            return
        }
        let life = world.generation
        Task {
            do { try await daemon.receive(webhook: body) } catch { return self.world.count("webhook answered 503") }
            guard life == self.world.generation else { return }
            guard self.world.gitlab.isOfToday(job) else { return }
            self.world.check(
                self.world.disk.jobs[JobRef(.default, self.world.gitlab.outside(job))] != nil,
                "6: the webhook of job \(job) was answered 2xx and is not on disk")
        }
    }

    // MARK: Work

    private func inventWork() {
        let tags: [[String]] = [["a"], ["b"], ["a", "b"], ["c"], [], ["nobody"]]
        for _ in 0..<3 + world.random.below(12) {
            world.after(.milliseconds(Int64(world.random.below(Int(plan.busyTime.milliseconds * 8 / 10))))) {
                for _ in 0..<1 + self.world.random.below(5) {
                    let job = self.world.gitlab.queue(tags: tags[self.world.random.below(tags.count)], lasting: self.world.random.between(1000, 300_000))
                    if self.world.strikes("job cancelled", self.world.rates.jobCancelled) {
                        self.world.after(self.world.random.between(100, 60_000)) { self.gitlab.cancel(job) }
                    } else if self.world.strikes("job taken by somebody else's runner", self.world.rates.takenByOthers) {
                        self.world.after(self.world.random.between(100, 10_000)) { self.gitlab.giveToOthers(job, for: .seconds(60)) }
                    }
                }
            }
        }
        let outages = world.rates.outages
        for _ in 0..<Int(outages) {
            world.after(.milliseconds(Int64(world.random.below(Int(plan.busyTime.milliseconds))))) {
                let time = self.world.random.between(1000, 600_000)
                switch self.world.random.below(7) {
                case 5: self.world.gitlab.denyJobs(for: time / 4)
                case 6: self.world.engine.hang(for: time)
                case 0: self.world.gitlab.goDown(for: time, token: true)
                case 1: self.world.engine.failPulls(for: time)
                case 3 where self.pools.contains { $0.driver == .scope }: self.world.engine.loseBus(for: time)
                case 2, 3: self.world.engine.goDown(for: time)
                default: self.world.gitlab.goDown(for: time, token: false)
                }
            }
        }
        for _ in 0..<Int(world.rates.orders) {
            world.after(.milliseconds(Int64(world.random.below(Int(plan.busyTime.milliseconds))))) { self.order() }
        }
        if world.rates.startsOver > 0 {
            world.after(.milliseconds(Int64(world.random.below(Int(plan.busyTime.milliseconds))))) { self.world.gitlab.startOver() }
        }
        for _ in 0..<Int(world.rates.newSockets) {
            world.after(.milliseconds(Int64(world.random.below(Int(plan.busyTime.milliseconds))))) { self.world.engine.renewSocket() }
        }
        if world.random.chance(outages > 0 ? 0.3 : 0) {
            world.after(.milliseconds(Int64(world.random.below(Int(plan.busyTime.milliseconds))))) { self.gitlab.forgetARegistration() }
        }
    }

    /// What an operator does while all that goes on.
    private func order() {
        guard let daemon else { return }
        let pool = pools[world.random.below(pools.count)].name
        let runner = world.engine.containers.keys.sorted().first
        switch world.random.below(8) {
        case 0: Task { _ = try? await daemon.spawn(pool: pool) }
        case 1: if let runner { Task { _ = try? await daemon.dismiss(runner, force: false) } }
        case 2:
            guard let runner else { return }
            world.engine.forced.insert(runner)
            Task { _ = try? await daemon.dismiss(runner, force: true) }
        case 3:
            Task { try? await daemon.setPaused(pool: pool, true) }
            let life = world.generation
            world.after(world.random.between(10_000, 300_000)) {
                if life == self.world.generation { Task { try? await daemon.setPaused(pool: pool, false) } }
            }
        case 4: Task { _ = try? await daemon.reconcile(dryRun: self.world.random.chance(0.5)) }
        case 5:
            let index = world.random.below(pools.count)
            pools[index].name += "x"
            Task { await self.tellSettings(daemon) }
        case 6:
            let index = world.random.below(pools.count)
            (pools[index].maxRunners, pools[index].cooldown) = (1 + world.random.below(5), world.random.between(5000, 300_000))
            Task { await self.tellSettings(daemon) }
        default:
            isEvacuating = true
            world.engine.isEvacuated = true
            world.engine.forced.formUnion(world.engine.containers.keys)
            Task { _ = await daemon.evacuate(within: .seconds(30)) }
            let life = world.generation
            world.after(world.random.between(30_000, 300_000)) { if life == self.world.generation { self.world.crash("after an evacuation") } }
        }
        world.count("order of the operator, or changed configuration")
    }

    /// Nothing goes wrong any more, and nothing is kept warm.
    private func settle() {
        world.note("quiet from now on")
        isQuietTime = true
        world.rates = .none
        for index in pools.indices { pools[index].warm = 0 }
        if let daemon { Task { await self.tellSettings(daemon) } }
        // The longest outage is over by then, and two looks at what is registered could have been made since.
        world.after(.seconds(780)) {
            for registration in self.world.gitlab.runners.values.sorted(by: { $0.id < $1.id }) {
                let owner = Runner.id(ofName: registration.description).flatMap { self.world.disk.runners[$0] }
                self.world.check(owner?.isLive == true, "ghost: nobody owns the registration \(registration.description), minutes after the last trouble")
            }
        }
    }

    private func tellSettings(_ daemon: Coordinator) async {
        await daemon.reload(settings)
        guard isQuietTime else { return }
        for pool in pools { try? await daemon.setPaused(pool: pool.name, false) }
    }

    private var settings: Coordinator.Configuration {
        .init(.init(pools: pools, budget: plan.budget, pollInterval: plan.pollInterval), version: "simulated")
    }

    // MARK: The verdict

    private func canBeServed(_ tags: [String]) -> Bool { pools.contains { $0.serves(tags: tags) } }

    private func isQuiet() -> Bool {
        world.gitlab.runners.isEmpty && world.engine.containers.isEmpty && world.disk.liveRunners.isEmpty
            && world.gitlab.jobs.values.allSatisfy { job in
                job.status.isOver
                    || (!canBeServed(job.tags) && job.status == .pending
                        && world.disk.jobs[JobRef(.default, world.gitlab.outside(job.id))]?.waitingReason != nil)
            }
    }

    private func judge() {
        for container in world.engine.containers.keys.sorted() { world.check(false, "orphan: the container \(container) is left") }
        for runner in world.gitlab.runners.values.sorted(by: { $0.id < $1.id }) {
            world.check(false, "ghost: the registration \(runner.description) is left")
        }
        for runner in world.disk.liveRunners { world.check(false, "the runner \(runner.id) is \(runner.phase.rawValue) for ever") }
        for job in world.gitlab.jobs.values.sorted(by: { $0.id < $1.id }) where canBeServed(job.tags) {
            world.check(job.status.isOver, "5: the job \(job.id) with tags \(job.tags) is \(job.status) at the end")
        }
        for job in world.gitlab.jobs.values.sorted(by: { $0.id < $1.id }) where !canBeServed(job.tags) && job.status == .pending {
            world.check(world.disk.jobs[JobRef(.default, world.gitlab.outside(job.id))]?.waitingReason != nil, "5: nobody is told why the job \(job.id) waits")
        }
    }
}

/// What people and chance do to GitLab in a scenario.
public struct GitLabControl {
    let world: World

    @discardableResult
    public func queue(tags: [String], lasting time: Duration, visibleAfter delay: Duration? = nil) -> Int64 {
        world.gitlab.queue(tags: tags, lasting: time, visibleAfter: delay)
    }

    public func cancel(_ job: Int64) {
        world.gitlab.set(job, .canceled)
        world.engine.cancelled(job)
    }

    /// Somebody else's runner has the job before ours.
    public func giveToOthers(_ job: Int64, for time: Duration) {
        guard world.gitlab.jobs[job]?.status == .pending else { return }
        world.gitlab.set(job, .running, runner: 7)
        world.after(time) { world.gitlab.set(job, .success) }
    }

    /// An administrator deletes a runner that he doesn't know.
    public func forgetARegistration() {
        guard let id = world.gitlab.runners.keys.sorted().first else { return }
        world.count("registration forgotten by GitLab")
        world.note("gitlab: forgets the registration \(id)")
        world.gitlab.runners[id] = nil
    }

    /// What a daemon leaves that is killed before the answer to its registration comes.
    public func leaveARegistrationWithoutOwner() {
        let id = world.gitlab.newID()
        world.gitlab.runners[id] = .init(
            id: id, description: Runner.name(of: "forgotten"), note: "instance=\(world.disk.instance) runner=forgotten", tags: ["a"], runUntagged: false)
    }

    public func after(_ time: Duration, _ body: @escaping () -> Void) { world.after(time, body) }
    public var registrations: Int { world.gitlab.runners.count }
    public var containers: Int { world.engine.containers.count }
    public var mostContainersAtOnce: Int { world.engine.mostAtOnce }
    public func status(of job: Int64) -> String { world.gitlab.jobs[job]?.status.rawValue ?? "" }
    /// After what time the job that was queued first was over.
    public var firstJobEnded: Duration? {
        world.gitlab.jobs.values.min { $0.id < $1.id }?.endedAt.map { $0 - World.start }
    }
    public func removeContainer(_ index: Int) {
        let ids = world.engine.containers.keys.sorted()
        if ids.indices.contains(index) {
            world.engine.forced.insert(ids[index])
            try? world.engine.remove(ids[index])
        }
    }
    public func losePower() { world.engine.losePower() }
    public func renewSocket() { world.engine.renewSocket() }
    /// Jobs that runners took which could not do them any more.
    public var jobsOfCutOffRunners: Int { world.engine.jobsOfCutOffRunners }
    public func failPulls(for time: Duration) { world.engine.failPulls(for: time) }
    public func goDown(for time: Duration) { world.gitlab.goDown(for: time, token: false) }
}
