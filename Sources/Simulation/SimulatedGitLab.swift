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
        var attempt = 0
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
    private(set) var downUntil = Timestamp(milliseconds: 0)
    private var tokenBadUntil = Timestamp(milliseconds: 0)
    /// Takes a hook's body to the daemon, if there is one.
    var deliver: (JobID, [UInt8]) -> Void = { _, _ in }
    /// Runs when a job is queued.
    var onPending: () -> Void = {}

    init(world: World) { self.world = world }

    func newID() -> Int64 {
        lastID += 1
        return lastID
    }

    func goDown(for time: Duration, token: Bool) {
        world.count(token ? "token refused for a while" : "GitLab down for a while")
        if token { tokenBadUntil = world.now + time } else { downUntil = world.now + time }
    }

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
        job.visibleFrom = world.now + (delay ?? (world.random.chance(0.2) ? world.random.between(0, 3000) : .zero))
        jobs[job.id] = job
        set(job.id, .pending)
        return job.id
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
        if world.strikes("hook lost", world.rates.hookLost) { return }
        let runner = job.runner.map { #"{"id":\#($0)}"# } ?? "null"
        let body = Array(
            #"{"object_kind":"build","build_id":\#(job.id),"build_name":"j","build_stage":"s","build_status":"\#(job.status)","project_id":1,"runner":\#(runner)}"#
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
        JobObservation(id: job.id, projectID: 1, name: "j", status: job.status, tags: job.tags, runnerID: job.runner)
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

    let runnerURL = "http://gitlab.test"

    private func call<T>(_ what: String, _ effect: (SimulatedGitLab) throws -> T) async throws -> T {
        try await world.call(what, of: life, outage: world.gitlab.outage) { try effect(world.gitlab) }
    }

    func decodeEvent(_ body: [UInt8]) throws -> DecodedEvent { try JobHook.decode(body) }

    func register(_ spec: RunnerSpec) async throws -> Registration {
        try await call("register") { gitlab in
            world.check(world.disk.runners[spec.runner]?.isLive == true, "2: a registration is made for a runner that is not on disk")
            let id = gitlab.newID()
            gitlab.runners[id] = .init(
                id: id, description: Fleet.Runner.name(of: spec.runner), note: "instance=\(spec.instance) runner=\(spec.runner)", tags: spec.pool.tags,
                runUntagged: spec.pool.runUntagged)
            return Registration(id: id, token: Secret("\(id)"))
        }
    }

    func unregister(_ id: Int64) async throws {
        try await call("unregister") { gitlab in
            world.check(gitlab.runners[id]?.note.contains("instance=\(world.disk.instance) ") ?? true, "3: a registration that is not ours is removed")
            world.engine.checkNotBusy(registration: id, "unregistered")
            gitlab.runners[id] = nil
        }
    }

    func setPaused(_ id: Int64, _ paused: Bool) async throws { try await call("pause") { $0.runners[id]?.isPaused = paused } }

    func runner(_ id: Int64) async throws -> ForgeRunner? {
        try await call("runner") { $0.runners[id].map(Self.value) }
    }

    func runningJobs(ofRunner id: Int64) async throws -> [JobID] {
        try await call("runner's jobs") { gitlab in gitlab.jobs.values.filter { $0.runner == id && $0.status == .running }.map(\.id).sorted() }
    }

    func job(project: Int64, id: JobID) async throws -> JobObservation? {
        try await call("job") { gitlab in gitlab.jobs[id].flatMap { $0.visibleFrom <= world.now ? gitlab.observation($0) : nil } }
    }

    func ping() async throws { try await call("ping") { _ in } }

    func activeJobs() async throws -> Poll {
        try await call("poll") { gitlab in
            let active = gitlab.jobs.values.filter { $0.status.isActive && $0.visibleFrom <= world.now }.sorted { $0.id < $1.id }.map(gitlab.observation)
            // As when one project of several could not be asked.
            guard world.strikes("partial page", world.rates.failBefore) else { return Poll(jobs: active, isComplete: true, remarks: []) }
            return Poll(jobs: active.filter { _ in world.random.chance(0.5) }, isComplete: false, remarks: ["One project could not be asked."])
        }
    }

    func registrations(instance: String) async throws -> [ForgeRunner] {
        try await call("registrations") { gitlab in
            gitlab.runners.values.filter { $0.note.contains("instance=\(instance) ") }.sorted { $0.id < $1.id }.map(Self.value)
        }
    }

    func installHook(project: String, url: String, secret: Secret) async throws -> HookInstallation { HookInstallation(id: 1, isNew: true) }

    private static func value(_ runner: SimulatedGitLab.Runner) -> ForgeRunner {
        ForgeRunner(id: runner.id, description: runner.description, maintenanceNote: runner.note, hasContacted: runner.hasContacted)
    }
}
