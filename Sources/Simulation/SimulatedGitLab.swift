import Fleet
import GitLab

/// GitLab as a value: jobs, registrations, and hooks that get lost.
final class SimulatedGitLab {
    struct Job {
        var id: JobID
        var tags: [String]
        var duration: Duration
        var status = JobStatus.created
        var runner: Int64?
        var visibleFrom = Timestamp(milliseconds: 0)
        var endedAt: Timestamp?
        /// Since when it has waited though nothing stood in the way of its being served.
        var neglected = Duration.zero
        var createdAt = Timestamp(milliseconds: 0)
        /// Of a project that polls may not see; its hooks come for certain.
        var isHidden = false
    }

    struct Runner {
        var id: Int64
        var description: String
        var note: String
        var tags: [String]
        var runUntagged: Bool
        var isPaused = false
        var hasContacted = false
    }

    unowned let world: World
    var jobs: [JobID: Job] = [:]
    var runners: [Int64: Runner] = [:]
    private var lastID: Int64 = 100
    /// Added to all ids in here, so that what is left of an earlier installation is never taken for what has its id now.
    private(set) var base: Int64 = 0
    /// Until then GitLab denies that it knows any job, in its own words.
    private var denialUntil = Timestamp(milliseconds: 0)
    private(set) var downUntil = Timestamp(milliseconds: 0)
    private var tokenBadUntil = Timestamp(milliseconds: 0)
    /// Takes a hook's body to the daemon, if there is one.
    var deliver: (JobID, [UInt8]) -> Void = { _, _ in }
    /// Runs when a job is queued.
    var onPending: () -> Void = {}

    init(world: World) { self.world = world }

    func newID() -> Int64 {
        lastID += 1
        return base + lastID
    }

    /// As the world outside knows it.
    func outside(_ id: Int64) -> Int64 { id - base }
    func inside(_ id: Int64) -> Int64 { id + base }
    func isOfToday(_ id: Int64) -> Bool { id >= base }

    /// It is installed afresh: everything is gone, and ids start over.
    func startOver() {
        world.count("GitLab installed afresh")
        world.note("gitlab: is installed afresh")
        jobs = [:]
        runners = [:]
        lastID = 100
        base += 1_000_000
    }

    /// As when the token's owner loses a role for a while.
    func denyJobs(for time: Duration) {
        world.count("jobs denied for a while")
        denialUntil = world.now + time
    }

    var deniesJobs: Bool { world.now < denialUntil }

    func goDown(for time: Duration, token: Bool) {
        world.count(token ? "token refused for a while" : "GitLab down for a while")
        if token { tokenBadUntil = world.now + time } else { downUntil = world.now + time }
    }

    var isFine: Bool { world.now >= max(downUntil, tokenBadUntil, denialUntil) }
    var isUp: Bool { world.now >= downUntil }

    func outage() -> (any Error)? {
        if !isUp { return SimulatedFailure(description: "GitLab cannot be reached") }
        if world.now < tokenBadUntil { return SimulatedFailure(description: "401", tokenRefused: true) }
        return nil
    }

    // MARK: Jobs

    /// - Parameter delay: after which the API knows the job, of which a hook tells before; by chance when nil.
    @discardableResult
    func queue(tags: [String], lasting duration: Duration, visibleAfter delay: Duration? = nil) -> JobID {
        var job = Job(id: newID(), tags: tags, duration: duration)
        job.createdAt = Timestamp(milliseconds: world.now.milliseconds / 1000 * 1000)
        job.isHidden = world.rates.hiddenProject > 0 && world.random.chance(world.rates.hiddenProject)
        job.visibleFrom = world.now + (delay ?? (world.random.chance(0.2) ? world.random.between(0, 3000) : .zero))
        jobs[job.id] = job
        set(job.id, .pending)
        if job.isHidden { tellAgain(job.id) }
        return job.id
    }

    /// A job that no poll shows and whose hook a dying daemon lost would be heard of by nobody: a person resends the hook.
    private func tellAgain(_ id: JobID) {
        world.after(.seconds(300)) {
            guard let job = self.jobs[id], job.status == .pending else { return }
            if self.world.disk.jobs[JobRef(.default, self.outside(id))]?.status.isActive != true { self.announce(job) }
            self.tellAgain(id)
        }
    }

    func set(_ id: JobID, _ status: JobStatus, runner: Int64? = nil) {
        guard var job = jobs[id], !job.status.isOver else { return }
        job.status = status
        job.runner = runner ?? job.runner
        if status.isOver { job.endedAt = world.now }
        jobs[id] = job
        world.note("gitlab: job \(id) is \(status)\(job.runner.map { " on \($0)" } ?? "")")
        announce(job)
        if status == .pending { onPending() }
    }

    private func announce(_ job: Job) {
        if !job.isHidden, world.strikes("hook lost", world.rates.hookLost) { return }
        let runner = job.runner.map { #"{"id":\#(outside($0))}"# } ?? "null"
        let created = job.createdAt.iso8601.prefix(19).replacing("T", with: " ") + " UTC"
        let body = Array(
            #"{"object_kind":"build","build_id":\#(outside(job.id)),"build_created_at":"\#(created)","build_name":"j","build_stage":"s","build_status":"\#(job.status)","project_id":1,"runner":\#(runner)}"#
                .utf8)
        for _ in 0..<(world.strikes("hook doubled", world.rates.hookDoubled) ? 2 : 1) {
            let late = world.strikes("hook late", world.rates.hookLate) ? world.random.between(1000, 60_000) : world.random.between(1, 100)
            world.after(late) { self.deliver(job.id, body) }
        }
    }

    /// The next job for a runner that asks.
    func take(runner id: Int64) -> Job? {
        guard let runner = runners[id], !runner.isPaused else { return nil }
        let fitting = jobs.values.filter { job in
            job.status == .pending && (job.tags.isEmpty ? runner.runUntagged : job.tags.allSatisfy(runner.tags.contains))
        }
        guard let job = fitting.min(by: { $0.id < $1.id }) else { return nil }
        set(job.id, .running, runner: id)
        return jobs[job.id]
    }

    func observation(_ job: Job) -> JobObservation {
        JobObservation(
            id: outside(job.id), projectID: 1, name: "j", status: job.status, tags: job.tags, runnerID: job.runner.map(outside), createdAt: job.createdAt)
    }
}

/// GitLab as one life of the daemon calls it.
final class SimulatedForge: Forge, @unchecked Sendable {
    private let world: World
    private let life: Int

    init(world: World) {
        self.world = world
        life = world.generation
    }

    let runnerAccess = RunnerAccess(url: "http://gitlab.test")

    private func call<T>(_ what: String, _ effect: @escaping (SimulatedGitLab) throws -> T) async throws -> T {
        try await world.call(what, of: life, outage: world.gitlab.outage) { [world] in try effect(world.gitlab) }
    }

    func decodeEvent(_ body: [UInt8]) throws -> DecodedEvent { try JobHook.decode(body) }

    func register(_ spec: RunnerSpec) async throws -> Registration {
        try await call("register") { [world] gitlab in
            world.check(world.isLate || world.disk.runners[spec.runner]?.isLive == true, "2: a registration is made for a runner that is not on disk")
            let id = gitlab.newID()
            gitlab.runners[id] = .init(
                id: id, description: Fleet.Runner.name(of: spec.runner), note: "instance=\(spec.instance) runner=\(spec.runner)", tags: spec.pool.tags,
                runUntagged: spec.pool.runUntagged)
            return Registration(id: gitlab.outside(id), token: Secret("\(id)"))
        }
    }

    func unregister(_ id: Int64) async throws {
        try await call("unregister") { [world] gitlab in
            let id = gitlab.inside(id)
            world.check(gitlab.runners[id]?.note.contains("instance=\(world.disk.instance) ") ?? true, "3: a registration that is not ours is removed")
            for engine in world.engines { engine.checkNotBusy(registration: id, "unregistered") }
            gitlab.runners[id] = nil
        }
    }

    func setPaused(_ id: Int64, _ paused: Bool) async throws {
        try await call("pause") { [world] gitlab in
            let id = gitlab.inside(id)
            guard let runner = gitlab.runners[id] else { return }
            let known = Fleet.Runner.id(ofName: runner.description).flatMap { world.disk.runners[$0] }
            world.check((known?.phase ?? .removed) >= .pausing, "7: \(runner.description) is paused, and the disk has it as \(known?.phase.rawValue ?? "")")
            world.check(paused, "7: a runner is unpaused")
            gitlab.runners[id]?.isPaused = paused
        }
    }

    func runner(_ id: Int64) async throws -> ForgeRunner? {
        try await call("runner") { gitlab in gitlab.runners[gitlab.inside(id)].map { Self.value($0, gitlab) } }
    }

    func runningJobs(ofRunner id: Int64) async throws -> [JobID] {
        try await call("runner's jobs") { gitlab in
            gitlab.jobs.values.filter { $0.runner == gitlab.inside(id) && $0.status == .running }.map { gitlab.outside($0.id) }.sorted()
        }
    }

    func job(project: Int64, id: JobID) async throws -> JobObservation? {
        try await call("job") { [world] gitlab in
            // A job that polls never see would not be seen alive again.
            guard let job = gitlab.jobs[gitlab.inside(id)], job.isHidden || !gitlab.deniesJobs else { return nil }
            return job.visibleFrom <= world.now ? gitlab.observation(job) : nil
        }
    }

    func ping() async throws { try await call("ping") { _ in } }

    func activeJobs() async throws -> Poll {
        try await call("poll") { [world] gitlab in
            if gitlab.deniesJobs { return Poll(jobs: [], isComplete: true) }
            let all = gitlab.jobs.values.filter { $0.status.isActive && $0.visibleFrom <= world.now }
            let active = all.filter { !$0.isHidden }.sorted { $0.id < $1.id }.map(gitlab.observation)
            if world.rates.hiddenProject > 0 { return Poll(jobs: active, isComplete: false, remarks: ["the project 2 answers 403"]) }
            // As when one project of several could not be asked.
            guard world.strikes("partial page", world.rates.failBefore) else { return Poll(jobs: active, isComplete: true) }
            return Poll(jobs: active.filter { _ in world.random.chance(0.5) }, isComplete: false, remarks: ["a project could not be asked"])
        }
    }

    func registrations(instance: String) async throws -> [ForgeRunner] {
        try await call("registrations") { gitlab in
            gitlab.runners.values.filter { $0.note.contains("instance=\(instance) ") }.sorted { $0.id < $1.id }.map { Self.value($0, gitlab) }
        }
    }

    func installHook(project: String, url: String, secret: Secret) async throws -> HookInstallation { HookInstallation(id: 1, isNew: true) }

    private static func value(_ runner: SimulatedGitLab.Runner, _ gitlab: SimulatedGitLab) -> ForgeRunner {
        ForgeRunner(id: gitlab.outside(runner.id), description: runner.description, maintenanceNote: runner.note, hasContacted: runner.hasContacted)
    }
}
