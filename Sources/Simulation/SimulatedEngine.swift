import Fleet

/// A container engine and a user's systemd as values, and in each container or scope a runner that behaves, or doesn't.
final class SimulatedEngine {
    enum Manners: Sendable { case good, mute, idle, diesInJob, endsAtOnce, deaf, outgrowsItsMemory }

    final class Container {
        let spec: RunnerSpec
        /// created, waiting (a scope's process, before it is let go), running, exited or removed.
        var state = "created"
        var exitCode = 0
        var registration: Int64?
        var manners = Manners.good
        var job: JobID?
        var isQuitting = false
        /// Made after the call for it had failed, so that nobody knows of it before a look.
        var isLate = false
        /// The engine answers 500 to whoever wants to remove it.
        var isUnremovable = false
        /// How often its removal was refused, by nobody's fault.
        var refusedRemovals = 0
        /// Its host was away for so long that it doesn't count.
        var wasLost = false
        /// The engine has another socket since it was made, so its jobs fail. Since when.
        var cutOffSince: Timestamp?
        init(_ spec: RunnerSpec) { self.spec = spec }
    }

    unowned let world: World
    let host: HostID
    private(set) var containers: [RunnerID: Container] = [:]
    private var downUntil = Timestamp(milliseconds: 0)
    private var hangsUntil = Timestamp(milliseconds: 0)
    private var cutUntil = Timestamp(milliseconds: 0)
    /// Its host sleeps.
    private(set) var isAsleep = false
    /// The life of the daemon that sent the host to sleep, until it sleeps.
    private(set) var goesToSleep: Int?
    private var busDownUntil = Timestamp(milliseconds: 0)
    private var pullsFailUntil = Timestamp(milliseconds: 0)
    var listeners: [(DriverEvent) -> Void] = []
    /// Of scopes, whoever watches a process hears of its end.
    var watchers: [RunnerID: (DriverEvent) -> Void] = [:]
    var budget = HostBudget()
    /// The greatest that `max_runners` of a pool has been.
    var maximums: [String: Int] = [:]
    /// Runners that an operator took away by force.
    var forced: Set<RunnerID> = []
    /// All of them.
    var isEvacuated = false
    /// How often the daemon could not read a runner's log.
    var failedLogReads: [RunnerID: Int] = [:]
    /// Runners whose late start took effect after their log was read.
    private var readTooEarly: Set<RunnerID> = []
    private(set) var mostAtOnce = 0
    private(set) var made = 0
    private(set) var jobsOfCutOffRunners = 0
    /// Of a host that is several machines.
    private(set) lazy var orchestrator = world.hosts.kinds[host]?.orchestrator(of: self)
    /// Runners that ended in a job and left its containers.
    var leftovers: Set<RunnerID> = []

    init(world: World, host: HostID = .local) { (self.world, self.host) = (world, host) }

    /// Nobody reaches its host, and nothing is heard of it. What runs there reaches GitLab all the same.
    func cut(for time: Duration) {
        world.count("host cut off for a while")
        world.note("\(host): cut off for \(time)")
        cutUntil = max(cutUntil, world.now + time)
        loseContainers()
        world.after(time) { self.tell(.resync) }
    }

    var isCut: Bool { world.now < cutUntil }

    /// It sleeps within a minute.
    func sendToSleep() {
        guard !isAsleep else { return }
        goesToSleep = world.generation
        world.after(world.random.between(1000, 50_000)) { self.fallAsleep() }
    }

    /// What runs there is lost; a person who does that has no runner in mind.
    func fallAsleep() {
        guard !isAsleep else { return }
        world.count("host fell asleep")
        world.note("\(host): sleeps")
        if world.random.chance(0.5) { tell(.disconnected("the host is off")) }
        (isAsleep, goesToSleep) = (true, nil)
        losePower()
        loseContainers()
    }

    /// What is there now doesn't count any more, if nobody reaches it after so long.
    private func loseContainers() {
        let there = Array(containers.values)
        // A call that failed by itself just before may have begun the daemon's time.
        world.after(SimulatedHosts.lostAfter - .seconds(60)) { if self.isCut || self.isAsleep { for container in there { container.wasLost = true } } }
    }

    func wakeUp() {
        guard isAsleep else { return }
        world.count("host woke up")
        world.note("\(host): is awake")
        isAsleep = false
        tell(.resync)
    }

    func goDown(for time: Duration) {
        world.count("engine down for a while")
        downUntil = world.now + time
        tell(.disconnected("the engine is down"))
        world.after(time) { self.tell(.resync) }
    }

    /// It is restarted, and makes another socket. What runs goes on, but reaches the engine no more.
    func renewSocket() {
        world.count("engine restarted with another socket")
        for container in containers.values where container.spec.pool.engine != nil && container.cutOffSince == nil { container.cutOffSince = world.now }
        goDown(for: .seconds(2))
    }

    /// It takes calls and answers none, for minutes.
    func hang(for time: Duration) {
        world.count("engine hangs for a while")
        hangsUntil = world.now + time
    }

    var hangs: Duration? { world.now < hangsUntil ? hangsUntil - world.now : nil }

    /// The user's bus doesn't answer; what runs goes on, and nobody tells when it is back.
    func loseBus(for time: Duration) {
        world.count("bus away for a while")
        busDownUntil = world.now + time
    }

    func failPulls(for time: Duration) {
        world.count("images cannot be pulled for a while")
        pullsFailUntil = world.now + time
    }

    func outage() -> (any Error)? {
        isAsleep || world.now < max(downUntil, hangsUntil, cutUntil) ? SimulatedFailure(description: "the engine does not answer") : nil
    }

    func busOutage() -> (any Error)? { world.now < busDownUntil ? SimulatedFailure(description: "the bus does not answer") : nil }

    /// Nothing is wrong with it but what is wrong with single calls.
    var isFine: Bool { world.now >= max(downUntil, hangsUntil, busDownUntil, pullsFailUntil, cutUntil) }

    func containers(of kind: DriverKind) -> [Container] {
        containers.values.filter { $0.spec.pool.driver == kind }.sorted { $0.spec.runner < $1.spec.runner }
    }

    func tell(_ event: DriverEvent) {
        guard !isCut, !isAsleep else { return }
        for listener in listeners { listener(event) }
    }

    // MARK: What the daemon does

    func create(_ spec: RunnerSpec) throws -> String {
        world.check(world.isLate || world.disk.runners[spec.runner]?.isLive == true, "2: a container is made for a runner that is not on disk")
        world.check(spec.instance == world.disk.instance, "3: a container without our instance")
        if spec.pool.driver == .container, world.now < pullsFailUntil { throw SimulatedFailure(description: "the image cannot be pulled", isOutage: false) }
        if isAsleep { throw SimulatedFailure(description: "the host is off") }
        if containers[spec.runner] != nil { return spec.runner }
        let container = Container(spec)
        container.isLate = world.isLate
        containers[spec.runner] = container
        made += 1
        world.note("engine: created \(spec.runner)")
        container.isUnremovable = world.strikes("container that can't be removed", world.rates.unremovable)
        // What came late is nobody's, and what can't be removed is told of.
        let ofPool = world.containers.filter {
            $0.spec.pool.name == spec.pool.name && isOwned($0) && !$0.isUnremovable && $0.refusedRemovals < 3 && !$0.wasLost
        }.count
        // Changed while the call was under way: what was right when it began is right.
        let most = max(spec.pool.maxRunners, world.engine.maximums[spec.pool.name] ?? 0)
        world.check(spec.pool.host == host, "13: a runner that was placed on \(spec.pool.host) is made on \(host)")
        world.check(world.isLate || !world.drained(host), "13: a runner is made on \(host), which is drained")
        world.check(world.isLate || goesToSleep != world.generation, "14: a runner is made on \(host), which was sent to sleep")
        world.check(world.isLate || ofPool <= most, "4: \(ofPool) containers in the pool \(spec.pool.name) of at most \(most)")
        let memory = containers.values.filter(isOwned).reduce(Int64(0)) { $0 + $1.spec.pool.reservedMemory }
        world.check(world.isLate || memory <= budget.memory ?? .max, "4: more memory is promised than the host's budget")
        if !world.isLate { world.hardware.check(spec, among: containers.values.filter(isOwned).map(\.spec)) }
        if !world.isLate { world.hosts.check(spec, among: containers.values.filter(isOwned).map(\.spec)) }
        mostAtOnce = max(mostAtOnce, containers.count)
        return spec.runner
    }

    /// What an orchestrator was told to remove is its own to end, once its node is back.
    private func isOwned(_ container: Container) -> Bool {
        let runner = container.spec.runner
        return !container.isLate && world.disk.runners[runner]?.isLive == true && orchestrator?.hasRemoved(runner) != true
    }

    func start(_ spec: RunnerSpec, token: Secret) throws {
        guard let container = containers[spec.runner] else { throw SimulatedFailure(description: "no such container", isOutage: false) }
        if isAsleep { throw SimulatedFailure(description: "the host is off") }
        guard container.state == "created" else { return }
        container.registration = Int64(token.reveal())
        begin(container)
    }

    /// The process of a container or scope begins to run.
    func begin(_ container: Container) {
        let spec = container.spec
        container.state = "running"
        if world.strikes("bad runner", world.rates.badRunner) {
            var kinds: [Manners] = [.mute, .idle, .diesInJob, .endsAtOnce, .deaf]
            if spec.pool.driver == .scope { kinds.append(.outgrowsItsMemory) }
            container.manners = kinds[world.random.below(kinds.count)]
        }
        world.note("engine: started \(spec.runner), \(container.manners)")
        if container.manners == .endsAtOnce {
            world.after(world.random.between(10, 2000)) { self.exit(container, code: 1) }
        } else if container.manners != .mute {
            world.after(world.random.between(50, 3000)) { self.ask(container) }
        }
    }

    func signal(_ runner: RunnerID) {
        // SIGQUIT lets a job finish that came meanwhile, but not every runner heeds it in time.
        let registration = containers[runner]?.registration.flatMap { world.gitlab.runners[$0] }
        world.check(registration?.isPaused ?? true || isEvacuated, "1: the runner \(runner) is told to stop while GitLab may give it a job")
        if let container = containers[runner] { quit(container) }
    }

    func quit(_ container: Container) {
        guard container.state == "running", container.manners != .deaf else { return }
        container.isQuitting = true
        if container.job == nil { world.after(world.random.between(10, 2000)) { if container.job == nil { self.exit(container, code: 0) } } }
    }

    /// Kills what runs of it. What is left is a folder, or a container that has exited.
    func end(_ runner: RunnerID) {
        guard let container = containers[runner], ["running", "waiting"].contains(container.state) else { return }
        checkMayEnd(container)
        if let job = container.job, world.gitlab.jobs[job]?.status == .running {
            leaveJobContainers(of: container)
            lose(job)
        }
        container.state = "exited"
        container.exitCode = 137
        container.job = nil
    }

    /// The daemon has it end.
    func checkMayEnd(_ container: Container) {
        let runner = container.spec.runner
        let job = container.job.flatMap { world.gitlab.jobs[$0]?.status == .running ? $0 : nil }
        world.check(job == nil || forced.contains(runner) || isEvacuated, "1: the busy runner \(runner) is removed, with job \(job ?? 0)")
    }

    func remove(_ runner: RunnerID) throws {
        guard let container = containers[runner] else { return }
        checkLogIsKept(of: container)
        end(runner)
        if container.isUnremovable, world.rates.unremovable > 0 { throw SimulatedFailure(description: "500: device or resource busy", isOutage: false) }
        drop(container)
    }

    func drop(_ container: Container) {
        let runner = container.spec.runner
        containers[runner] = nil
        container.state = "removed"
        watchers[runner] = nil
        world.note("engine: removed \(runner)")
    }

    func checkLogIsKept(of container: Container) {
        let runner = container.spec.runner
        guard let stored = world.disk.runners[runner], stored.phase == .ended, stored.failed, stored.startedAt != nil, hasOutput(container) else { return }
        let isExcused = world.disk.lostLogs.contains(runner) || failedLogReads[runner, default: 0] >= 3 || readTooEarly.contains(runner)
        world.check(world.isLate || world.disk.logs[runner] != nil || isExcused, "the failed runner \(runner) is removed, and its log is not on disk")
    }

    private func hasOutput(_ container: Container) -> Bool { ["running", "exited"].contains(container.state) }

    /// The words of one that was let go.
    func lastOutput(of runner: RunnerID) -> [UInt8] {
        guard let container = containers[runner] else { return [] }
        if hasOutput(container) { return Array("the words of \(runner)\n".utf8) }
        return outputIsMissing(of: runner)
    }

    /// Whoever reads its log gets nothing, through no fault of the daemon's.
    func outputIsMissing(of runner: RunnerID) -> [UInt8] {
        readTooEarly.insert(runner)
        return []
    }

    func checkNotBusy(registration: Int64, _ what: String) {
        let busy = containers.values.first {
            // Nobody can tell how a node is that was away for so long.
            $0.registration == registration && $0.state == "running" && $0.job.flatMap { world.gitlab.jobs[$0]?.status } == .running
                && !(orchestrator != nil && $0.wasLost)
        }
        world.check(busy.map { forced.contains($0.spec.runner) || isEvacuated } ?? true, "1: a busy runner is \(what)")
    }

    /// The host loses its power: containers are kept, and their processes are gone.
    func losePower() {
        for container in containers.values.sorted(by: { $0.spec.runner < $1.spec.runner }) { losePower(of: container) }
        watchers = [:]
    }

    func losePower(of container: Container) {
        guard ["running", "waiting"].contains(container.state) else { return }
        container.state = "exited"
        container.exitCode = 137
        leaveJobContainers(of: container)
        if let job = container.job { lose(job) }
        container.job = nil
    }

    // MARK: What runners do

    private func ask(_ container: Container) {
        guard container.state == "running", container.job == nil else { return }
        if container.isQuitting { return exit(container, code: 0) }
        let gitlab = world.gitlab
        if gitlab.isUp, let id = container.registration, gitlab.runners[id] != nil {
            gitlab.runners[id]?.hasContacted = true
            if container.manners != .idle, let job = gitlab.take(runner: id) { return work(container, job) }
        }
        world.after(world.random.between(1000, 3000)) { self.ask(container) }
    }

    private func work(_ container: Container, _ job: SimulatedGitLab.Job) {
        container.job = job.id
        if container.cutOffSince != nil {
            jobsOfCutOffRunners += 1
            world.after(.milliseconds(500)) {
                guard container.state == "running", container.job == job.id else { return }
                container.job = nil
                self.world.gitlab.set(job.id, .failed)
                self.ask(container)
            }
            return
        }
        if container.manners == .diesInJob {
            world.after(job.duration / 2) {
                guard container.state == "running", container.job == job.id else { return }
                self.leaveJobContainers(of: container)
                container.job = nil
                self.exit(container, code: 137)
                self.lose(job.id)
            }
            return
        }
        if container.manners == .outgrowsItsMemory {
            world.after(job.duration / 2) {
                guard container.state == "running", container.job == job.id else { return }
                container.job = nil
                self.world.note("systemd: a process of \(container.spec.runner) is killed for its memory")
                self.watchers[container.spec.runner]?(.outOfMemory(runner: container.spec.runner))
                self.world.gitlab.set(job.id, .failed)
                self.ask(container)
            }
            return
        }
        world.after(job.duration) {
            guard container.state == "running", container.job == job.id else { return }
            container.job = nil
            self.world.gitlab.set(job.id, self.world.random.chance(0.9) ? .success : .failed)
            self.ask(container)
        }
    }

    /// A runner hears that its job was cancelled with its next call, and drops it.
    func cancelled(_ job: JobID) {
        guard let container = containers.values.first(where: { $0.job == job }) else { return }
        world.after(world.random.between(100, 3000)) {
            guard container.state == "running", container.job == job else { return }
            container.job = nil
            self.ask(container)
        }
    }

    /// Its runner is gone: GitLab finds out in its own time.
    private func lose(_ job: JobID) {
        world.after(.seconds(600)) { self.world.gitlab.set(job, .failed) }
    }

    /// One CPU and the memory that is allowed, all the time.
    func use(of runners: Set<RunnerID>) -> [RunnerID: [ResourceSample]] {
        containers.filter { runners.contains($0.key) && $0.value.state == "running" }.mapValues {
            [ResourceSample(id: $0.spec.runner, cpu: world.now - World.start, memory: $0.spec.pool.memory)]
        }
    }

    private func exit(_ container: Container, code: Int) {
        guard container.state == "running" else { return }
        container.state = "exited"
        container.exitCode = code
        world.note("engine: \(container.spec.runner) exited with \(code)")
        if let orchestrator { return orchestrator.ended(container) }
        if container.spec.pool.driver == .scope {
            world.after(world.random.between(1, 50)) {
                self.watchers.removeValue(forKey: container.spec.runner)?(.exited(runner: container.spec.runner, exitCode: code))
            }
            return
        }
        if world.strikes("engine event lost", world.rates.eventLost) { return }
        world.after(world.random.between(1, 200)) { self.tell(.exited(runner: container.spec.runner, exitCode: code)) }
    }
}

/// The engine as one life of the daemon calls it.
final class SimulatedDriver: RunnerDriver, @unchecked Sendable {
    private let world: World
    private let engine: SimulatedEngine
    private let life: Int

    init(world: World, engine: SimulatedEngine) {
        (self.world, self.engine) = (world, engine)
        life = world.generation
    }

    private func call<T>(_ what: String, _ effect: @escaping (SimulatedEngine) throws -> T) async throws -> T {
        if let left = engine.hangs { await world.pause(life, min(left, .seconds(60))) }
        return try await world.call(what, of: life, outage: engine.outage) { [engine] in try effect(engine) }
    }

    func create(_ spec: RunnerSpec) async throws -> String { try await call("create") { try $0.create(spec) } }
    func start(_ spec: RunnerSpec, credentials: RunnerCredentials) async throws {
        try await call("start") { try $0.start(spec, token: credentials.token) }
    }
    func signal(_ runner: RunnerID, _ signal: String) async throws { try await call("signal") { $0.signal(runner) } }
    func remove(_ remains: Remains) async throws {
        try await call("remove") { engine in
            if engine.containers[remains.runner]?.spec.pool.driver == .container { try engine.remove(remains.runner) }
            engine.removeJobContainers(of: remains.runner)
        }
    }
    func list() async throws -> [DriverObject] {
        try await call("list") { engine in
            engine.containers(of: .container).map {
                DriverObject(
                    id: $0.spec.runner, runner: $0.spec.runner, running: $0.state != "exited", started: $0.state == "running",
                    exitCode: $0.state == "exited" ? $0.exitCode : nil, retirement: $0.cutOffSince == nil ? nil : .cutOff)
            } + engine.ownersOfJobContainers.map { DriverObject(id: $0, runner: $0, running: false, started: false, exitCode: nil) }
        }
    }
    func use(of runners: Set<RunnerID>) async throws -> [RunnerID: [ResourceSample]] { try await call("stats") { $0.use(of: runners) } }
    func lastOutput(_ runner: RunnerID, bytes: Int) async throws -> [UInt8] {
        do { return try await call("log") { $0.lastOutput(of: runner) } } catch {
            engine.failedLogReads[runner, default: 0] += 1
            throw error
        }
    }
    func log(_ runner: RunnerID, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        AsyncThrowingStream { $0.finish() }
    }
    func events() -> AsyncStream<DriverEvent> { engine.events() }
}

extension SimulatedEngine {
    /// For the present life of the daemon.
    func events() -> AsyncStream<DriverEvent> {
        let (stream, out) = AsyncStream.makeStream(of: DriverEvent.self)
        out.yield(.resync)
        let (world, life) = (world, world.generation)
        listeners.append { event in if life == world.generation { out.yield(event) } }
        return stream
    }
}
