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
        /// The host's.
        public var gpus = 0
        /// None for the daemon's machine alone, with `budget`.
        public var hosts: [Host] = []
        /// What those of them are that are not a single machine.
        var kinds: [HostID: Orchestration] = [:]
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
            world.hardware.reconfigured(pools, was: oldValue)
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
        world.hosts.begin(plan.hosts, kinds: plan.kinds)
        world.hardware.whole.gpus = (0..<plan.gpus).map(SimulatedHardware.gpu)
        world.hardware.whole.emulators = [SimulatedHardware.emulator]
    }

    /// A random plan for a seed: one to three pools, tight or roomy. For even seeds some pools run scopes,
    /// half of them with containers for their jobs, and the clock is set now and then.
    public static func plan(for seed: UInt64) -> Plan {
        var random = SplitMix(seed: seed ^ 0x0B5E)
        var drivers = SplitMix(seed: seed ^ 0x5C09E)
        var executors = SplitMix(seed: seed ^ 0xE8EC)
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
            if seed.isMultiple(of: 2), drivers.chance(0.6) {
                pool.driver = .scope
                if executors.chance(0.5) { pool.configuredExecutor = .docker }
            }
            return pool
        }
        let budget = HostBudget(memory: random.chance(0.3) ? Int64(2 + random.below(4)) << 30 : nil)
        var rates = FaultRates()
        if seed.isMultiple(of: 2) { rates.clockSet = 0.2 }
        // The token of somebody who is no administrator; a GitLab that is installed afresh.
        if seed % 5 == 1 { rates.hiddenProject = 0.3 }
        if seed % 7 == 2 { rates.startsOver = 1 }
        if seed % 8 == 6 { rates.newSockets = 2 }
        var plan = Plan(pools: pools, budget: budget, pollInterval: random.chance(0.1) ? .seconds(5) : .seconds(30), rates: rates)
        if seed % 3 == 1 { plan.addHardware(SplitMix(seed: seed ^ 0x6B0)) }
        if seed % 3 == 2 { plan.addHosts(SplitMix(seed: seed ^ 0x4057)) }
        return plan
    }

    /// Changes a pool of the configuration, as an operator does.
    public func reconfigure(_ pool: Int, _ change: (inout Pool) -> Void) {
        guard let daemon else { return }
        change(&pools[pool])
        Task { await self.tellSettings(daemon) }
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
        var drivers: [Place: any RunnerDriver] = [Place(.local, .scope): SimulatedScopeDriver(world: world)]
        for engine in world.engines {
            drivers[Place(engine.host, .container)] = engine.orchestrator?.driver() ?? SimulatedDriver(world: world, engine: engine)
        }
        let switches = world.engines.compactMap { engine in
            world.hosts.host(engine.host)?.power.map { (engine.host, SimulatedSwitch(world: world, engine: engine, power: $0) as any PowerSwitch) }
        }
        let surveyors = world.engines.map { ($0.host, SimulatedSurveyor(world: world, engine: $0)) }
        let coordinator = Coordinator(
            settings, forges: [.default: SimulatedForge(world: world)], drivers: drivers,
            surveyors: Dictionary(uniqueKeysWithValues: surveyors), switches: Dictionary(uniqueKeysWithValues: switches), store: SimulatedStore(world: world),
            clock: SimulatedClock(world: world, life: life),
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
        for engine in world.engines { engine.isEvacuated = false }
        world.hosts.forgetOrders()
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
            let isOnDisk: Bool
            do { isOnDisk = try await daemon.receive(webhook: body) } catch { return self.world.count("webhook answered 503") }
            // A poll finds it, which the fifth rule watches.
            guard isOnDisk else { return self.world.count("webhook taken that is left to a poll") }
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
        for engine in world.remote {
            for _ in 0..<Int(world.rates.cuts) {
                world.after(.milliseconds(Int64(world.random.below(Int(plan.busyTime.milliseconds))))) {
                    engine.cut(for: self.world.random.between(5000, 1_500_000))
                }
            }
            if world.random.chance(0.3) {
                world.after(.milliseconds(Int64(world.random.below(Int(plan.busyTime.milliseconds))))) {
                    self.world.count("host lost its power")
                    engine.losePower()
                }
            }
            if let orchestrator = engine.orchestrator {
                for _ in 0..<Int(world.rates.cuts) * 2 {
                    world.after(.milliseconds(Int64(world.random.below(Int(plan.busyTime.milliseconds))))) {
                        orchestrator.loseNode(for: self.world.random.between(1000, 1_500_000), power: self.world.random.chance(0.5))
                    }
                    world.after(.milliseconds(Int64(world.random.below(Int(plan.busyTime.milliseconds))))) { orchestrator.meddle() }
                }
            }
            guard world.hosts.host(engine.host)?.power != nil else { continue }
            if world.random.chance(0.5) { engine.fallAsleep() }
            // A person switches it off or on, whatever runs there.
            for _ in 0..<world.random.below(3) {
                world.after(.milliseconds(Int64(world.random.below(Int(plan.busyTime.milliseconds))))) {
                    if engine.isAsleep { engine.wakeUp() } else { engine.fallAsleep() }
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
        for _ in 0..<Int(world.rates.lostHardware) {
            world.after(.milliseconds(Int64(world.random.below(Int(plan.busyTime.milliseconds))))) {
                let time = self.world.random.between(10_000, 900_000)
                if self.world.random.chance(0.5) { self.world.hardware.loseGPU(for: time) } else { self.world.hardware.loseEmulators(for: time) }
            }
        }
        if world.random.chance(outages > 0 ? 0.3 : 0) {
            world.after(.milliseconds(Int64(world.random.below(Int(plan.busyTime.milliseconds))))) { self.gitlab.forgetARegistration() }
        }
    }

    /// What an operator does while all that goes on.
    private func order() {
        guard let daemon else { return }
        let pool = pools[world.random.below(pools.count)].name
        let runner = world.containers.map(\.spec.runner).sorted().first
        switch world.random.below(world.remote.isEmpty ? 8 : 11) {
        case 10:
            let host = world.remote[world.random.below(world.remote.count)].host
            world.hosts.takeOut(host)
            Task { await self.tellSettings(daemon) }
        case 8, 9:
            let host = world.remote[world.random.below(world.remote.count)].host
            world.hosts.drain(host, true)
            Task { try? await daemon.setDrained(host: host.name, true) }
            let life = world.generation
            world.after(world.random.between(10_000, 900_000)) {
                self.world.hosts.drain(host, false)
                if life == self.world.generation { Task { try? await daemon.setDrained(host: host.name, false) } }
            }
        case 0: Task { _ = try? await daemon.spawn(pool: pool) }
        case 1: if let runner { Task { _ = try? await daemon.dismiss(runner, force: false) } }
        case 2:
            guard let runner else { return }
            world.engine(of: runner)?.forced.insert(runner)
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
            if plan.gpus > 0, pools[index].driver == .container, world.random.chance(0.5) {
                pools[index].hardware.architecture = pools[index].hardware.architecture == nil ? .arm64 : nil
                pools[index].configuredExecutor = .shell
            }
            Task { await self.tellSettings(daemon) }
        default:
            isEvacuating = true
            for engine in world.engines {
                engine.isEvacuated = true
                engine.forced.formUnion(engine.containers.keys)
            }
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
        wakeWhereSomethingIsLeft()
        // What comes late may come to one that was empty.
        world.after(.seconds(300)) { self.wakeWhereSomethingIsLeft() }
        // The longest outage is over by then, and two looks at what is registered could have been made since.
        world.after(.seconds(780)) {
            for registration in self.world.gitlab.runners.values.sorted(by: { $0.id < $1.id }) {
                let owner = Runner.id(ofName: registration.description).flatMap { self.world.disk.runners[$0] }
                self.world.check(owner?.isLive == true, "ghost: nobody owns the registration \(registration.description), minutes after the last trouble")
            }
        }
    }

    /// On a host that sleeps nothing can be taken away.
    private func wakeWhereSomethingIsLeft() {
        let owners = Set(world.disk.liveRunners.map(\.place.host))
        for engine in world.remote where !engine.containers.isEmpty || owners.contains(engine.host) { engine.wakeUp() }
    }

    private func tellSettings(_ daemon: Coordinator) async {
        await daemon.reload(settings)
        guard isQuietTime else { return }
        for pool in pools { try? await daemon.setPaused(pool: pool.name, false) }
        for engine in world.remote {
            world.hosts.drain(engine.host, false)
            try? await daemon.setDrained(host: engine.host.name, false)
        }
    }

    private var settings: Coordinator.Configuration {
        .init(
            .init(pools: pools, hosts: plan.hosts.isEmpty ? nil : world.hosts.configured, budget: plan.budget, pollInterval: plan.pollInterval),
            version: "simulated")
    }

    // MARK: The verdict

    private func canBeServed(_ tags: [String]) -> Bool { pools.contains { $0.serves(tags: tags) && world.hosts.hasHost(for: $0) } }

    private func isQuiet() -> Bool {
        world.gitlab.runners.isEmpty && world.containers.isEmpty && world.engines.allSatisfy(\.leftovers.isEmpty) && world.disk.liveRunners.isEmpty
            && world.gitlab.jobs.values.allSatisfy { job in
                job.status.isOver
                    || (!canBeServed(job.tags) && job.status == .pending
                        && world.disk.jobs[JobRef(.default, world.gitlab.outside(job.id))]?.waitingReason != nil)
            }
    }

    private func judge() {
        for container in world.containers.map(\.spec.runner).sorted() { world.check(false, "orphan: the container \(container) is left") }
        for runner in world.engines.flatMap(\.leftovers).sorted() { world.check(false, "orphan: containers of a job of \(runner) are left") }
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
        for engine in world.engines { engine.cancelled(job) }
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
    public var containers: Int { world.containers.count }
    public func containers(on host: String) -> Int { world.engines.first { $0.host.name == host }?.containers.count ?? 0 }
    /// How many have been made there so far.
    public func everContainers(on host: String) -> Int { world.engines.first { $0.host.name == host }?.made ?? 0 }
    public func cut(_ host: String, for time: Duration) { world.engines.first { $0.host.name == host }?.cut(for: time) }
    public func switchOff(_ host: String) { world.engines.first { $0.host.name == host }?.fallAsleep() }
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
