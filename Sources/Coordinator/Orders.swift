import ControlModel
import Fleet

/// Why an order from outside was not carried out.
public struct Refusal: Error, Sendable {
    /// `notFound`: there is no such pool or runner. `conflict`: it is not possible now. The API answers 404 and 409.
    public enum Kind: Sendable { case notFound, conflict }
    /// The class of the reason.
    public var kind: Kind
    /// The reason, for the operator.
    public var message: String
}

/// The API's questions and orders.
extension Coordinator {
    // MARK: Questions

    /// The state, with its times as the calendar has them now.
    var shown: FleetState {
        var state = state
        state.shownTimes = ShownTimes(since: startedAt, now: clock.now(), correction: clock.correction())
        return state
    }

    /// Takes from the state what `body` makes of it, with the time.
    public func look<Value: Sendable>(_ body: @Sendable (FleetState, Timestamp) -> Value) -> Value { body(state, clock.now()) }

    /// The same, with times that can be shown.
    public func lookAtShown<Value: Sendable>(_ body: @Sendable (FleetState, Timestamp) -> Value) -> Value { body(shown, clock.now()) }

    /// The answer of `GET /status`.
    /// - Throws: when the store can't be read.
    public func statusView() async throws -> StatusView {
        let counts = try await store.jobCounts()
        return shown.statusView(version: version, startedAt: startedAt, counts: counts)
    }

    /// The runners that are not removed yet, the oldest first.
    public func runnerViews() -> [RunnerView] { shown.runnerViews(at: clock.now()) }

    /// The configured pools, in the order of the configuration, each with its image if that is on its way.
    public func poolViews() -> [PoolView] {
        zip(state.pools, shown.poolViews(at: clock.now())).map { pool, view in
            var view = view
            let image = ImageName.key(pool.pool.image)
            let pull = pool.hosts.lazy.compactMap { self.hands.drivers[Place($0, pool.pool.driver)]?.pulls().first { ImageName.key($0.image) == image } }.first
            view.pull = pull.map { PullView(image: $0.image, received_bytes: $0.received, total_bytes: $0.total) }
            return view
        }
    }

    /// - Returns: nil when there is and was no such runner.
    public func runnerView(_ id: RunnerID) async throws -> RunnerView? {
        let id = bare(id)
        let stored = try await store.runner(id)
        guard let runner = state.runners[id] ?? stored else { return nil }
        var whole = shown.view(runner, at: clock.now())
        whole.has_log = try await !store.keptLogs(of: id).isEmpty
        let times = shown.shownTimes
        whole.history = try await store.history(of: id).map { .init(at: times.text($0.at), event: $0.event, detail: $0.detail) }
        return whole
    }

    /// The 500 jobs that were first seen last, the newest first.
    /// - Throws: when the store can't be read.
    public func jobViews() async throws -> [JobView] {
        let jobs = try await store.recentJobs(limit: 500)
        let shown = shown
        return jobs.map { shown.view(shown.jobs[$0.id]?.job ?? $0) }
    }

    /// All jobs that wait or run, and those that ended last.
    /// - Throws: when the store can't be read.
    public func jobViews(ended: Int) async throws -> [JobView] {
        let stored = try await store.endedJobs(limit: ended)
        let shown = shown
        let active = shown.jobs.values.map { shown.view($0.job) }.sorted { $0.id > $1.id }
        return active + stored.filter { shown.jobs[$0.id] == nil }.map(shown.view)
    }

    /// - Parameter id: GitLab's; of several GitLabs that have it, the first by name.
    /// - Returns: nil when there is and was no such job.
    public func jobView(_ id: JobID) async throws -> JobView? {
        for forge in state.forgesInUse {
            let ref = JobRef(forge, id)
            let stored = try await store.job(ref)
            guard let job = state.jobs[ref]?.job ?? stored else { continue }
            let usages = try await store.usages(like: job, limit: JobUsage.hintJobs)
            var view = shown.view(job)
            view.hint = JobUsage.hint(usages)
            return view
        }
        return nil
    }

    /// Whether runners of some pool are registered for the whole instance.
    public var registersInstanceRunners: Bool { state.configuration.pools.contains { $0.register == .instance } }

    /// Runners are known by id; people copy names.
    func bare(_ id: RunnerID) -> RunnerID { Runner.id(ofName: id) ?? id }

    // MARK: Orders

    /// Starts a runner by an operator's order, within the pool's and the host's bounds; neither a pause nor failed starts stand in the way.
    /// - Returns: the runner, whose launch has only begun.
    /// - Throws: `Refusal`
    public func spawn(pool name: String) throws -> RunnerView {
        guard state.pools.contains(where: { $0.pool.name == name }) else { throw noPool(name) }
        guard state.isRecovered else { throw Refusal(kind: .conflict, message: "the daemon has just started; try again in a moment") }
        if state.isStopping { throw Refusal(kind: .conflict, message: "the daemon is stopping") }
        let before = Set(state.runners.keys)
        observe(.ordered(.spawn(pool: name)))
        if let reason = plan()[name] { throw Refusal(kind: .conflict, message: reason.text) }
        let new = state.runners.values.first { !before.contains($0.id) && $0.pool == name && $0.launchedFor == nil }
        guard let new else { throw Refusal(kind: .conflict, message: "no runner could be started") }
        return shown.view(new, at: clock.now())
    }

    private func noPool(_ name: String) -> Refusal {
        Refusal(kind: .notFound, message: "there is no pool \(name); the pools are \(state.pools.map(\.pool.name).joined(separator: ", "))")
    }

    /// Drains a runner; with `force` it ends at once, job or not. Returns when this is decided, not when it is done.
    /// - Throws: `Refusal` when there is no such live runner, and without `force` while it is just being made.
    public func dismiss(_ id: RunnerID, force: Bool) throws -> RunnerView {
        let id = bare(id)
        guard let runner = state.runners[id] else { throw Refusal(kind: .notFound, message: "there is no live runner \(id)") }
        if !force, runner.phase == .requested {
            throw Refusal(kind: .conflict, message: "the runner is just being made; try again in a moment or use force")
        }
        observe(.ordered(.dismiss(id, force: force)))
        plan()
        return shown.view(state.runners[id] ?? runner, at: clock.now())
    }

    /// Pauses or resumes a pool; done twice it is success, too. Returns when it is on disk.
    /// - Throws: `Refusal`. A `conflict` means that it has taken effect, and that a restart may forget it.
    public func setPaused(pool name: String, _ paused: Bool) async throws {
        guard state.pools.contains(where: { $0.pool.name == name }) else { throw noPool(name) }
        try await carryOut(.pause(pool: name, paused), "pool \(name) is \(paused ? "paused" : "resumed") now")
    }

    /// Has a host get no runners, and those leave that have no job; or takes that back. Done twice it is success, too. Returns when it is on disk.
    /// - Throws: `Refusal`. A `conflict` means that it has taken effect, and that a restart may forget it.
    public func setDrained(host name: String, _ drained: Bool) async throws {
        let host = HostID(name)
        guard state.configuration.host(host) != nil else {
            let known = state.configuration.hosts.map(\.id.name).joined(separator: ", ")
            throw Refusal(
                kind: .notFound,
                message: state.hostsInUse.contains(host)
                    ? "the host \(name) is not configured any more, and drained for that" : "there is no host \(name); there are: \(known)")
        }
        try await carryOut(.drain(host, drained), "the host \(name) is \(drained ? "drained" : "resumed") now")
    }

    /// An order that outlives the daemon.
    private func carryOut(_ order: Order, _ effect: String) async throws {
        observe(.ordered(order))
        do { try await store.flush() } catch {
            let trouble = Trouble("\(error)", isOfStore: true)
            observe(.stored(trouble))
            throw Refusal(kind: .conflict, message: "\(effect), but that can't be written: a restart would forget it (\(trouble.text))")
        }
    }

    /// Removes all runners at once, and starts none from now on: AutoGit is being removed.
    /// - Returns: those that are still there after `time`.
    public func evacuate(within time: Duration) async -> [RunnerView] {
        observe(.ordered(.evacuate))
        if await wait(until: { $0.runners.isEmpty }, within: time) {
            // Objects and registrations without an owner go, too.
            let began = clock.now()
            observe(.ordered(.reconcile))
            _ = await wait(until: { $0.isReconciled(since: began) }, within: .seconds(10))
        }
        return runnerViews()
    }

    /// The differences between the state and the outside: objects and registrations that no runner owns, runners whose object is gone or that
    /// ended, and runners whose job is not tracked; each with its remedy. Without `dryRun` returns after all removals were tried, or after 60 s.
    /// Another host that does not answer is left out, and said to be.
    /// - Throws: the error of this machine's driver or GitLab: half a look is not enough.
    public func reconcile(dryRun: Bool) async throws -> [ReconcileView] {
        let began = clock.now()
        var found: [ReconcileView] = []
        var looked: [Place] = []
        for place in state.placesInUse {
            let objects: [DriverObject]
            do { objects = try await hands.driver(place).list() } catch {
                if place.host == .local || error is CancellationError { throw error }
                found.append(.init(what: "host", name: place.host.name, action: "skip", reason: "it does not answer: \(error)"))
                continue
            }
            looked.append(place)
            for object in objects where state.isOrphan(object, since: began) {
                found.append(.init(what: place.kind.rawValue, name: Runner.name(of: object.runner), action: "remove", reason: "no runner owns it"))
            }
            let started = Set(objects.filter(\.started).map(\.runner))
            for runner in state.runners.values where runner.place == place && !started.contains(runner.id) {
                guard runner.phase < .ended, let start = runner.startedAt, start < began, !state.isUnderWay(runner) else { continue }
                found.append(.init(what: "runner", name: runner.name, action: "remove", reason: "its \(place.kind.rawValue) is gone"))
            }
        }
        if dryRun { found += try await doubtful(at: looked) }
        for id in state.forgesInUse {
            for ghost in try await hands.forge(id).registrations(instance: state.instance) where state.isGhost(ghost, of: id, since: began) {
                found.append(.init(what: "registration", name: "\(ghost.description) (\(ghost.id))", action: "remove", reason: "no runner owns it"))
            }
        }
        for runner in state.runners.values {
            if runner.phase == .ended, !state.isUnderWay(runner) {
                found.append(.init(what: "runner", name: runner.name, action: "remove", reason: runner.reason ?? "it ended"))
            } else if let job = runner.job, !state.followsJob(of: runner) {
                found.append(.init(what: "runner", name: runner.name, action: "ask GitLab what it does", reason: "nothing is known of its job \(job.id)"))
            }
        }
        if !dryRun {
            let now = clock.now()
            observe(.ordered(.reconcile))
            _ = await wait(until: { $0.isReconciled(since: now) }, within: .seconds(60))
        }
        return found.sorted { ($0.what, $0.name) < ($1.what, $1.name) }
    }

    private func doubtful(at places: [Place]) async throws -> [ReconcileView] {
        let tokens = Set(state.runners.values.compactMap(\.shortToken))
        var found: [ReconcileView] = []
        for place in places {
            found += try await hands.driver(place).doubtful(except: tokens).map {
                .init(
                    what: $0.what, name: $0.name, action: "leave",
                    reason: "some gitlab-runner made it for a job and seems to be gone; nothing says whose it was, so remove it yourself if nobody wants it")
            }
        }
        return found
    }

    /// Has a project's job events sent to `url`; for a hook that is there already, its settings are renewed. With several GitLabs, in the first
    /// by name.
    /// - Throws: `Refusal` with GitLab's reason.
    public func installHook(project: String, url: String, secret: Secret) async throws -> HookInstallation {
        guard let (_, forge) = hands.forges.min(by: { $0.key < $1.key }) else { throw Refusal(kind: .conflict, message: "no GitLab is configured") }
        do {
            return try await forge.installHook(project: project, url: url, secret: secret)
        } catch let error as any ForgeFailure & CustomStringConvertible {
            throw Refusal(kind: .conflict, message: error.description)
        }
    }

    /// What came of a look at a project's hooks, where it is worth telling.
    public enum HookFinding: Sendable, Equatable {
        case revived(project: String)
        case failed(project: String, String)
    }

    /// Turns on again the hooks that GitLab has turned off, in the projects of the 500 newest jobs. While GitLab is away the rest is left to the next time.
    public func reviveHooks(url: String, secret: Secret) async -> [HookFinding] {
        guard let (id, forge) = hands.forges.min(by: { $0.key < $1.key }), let jobs = try? await store.recentJobs(limit: 500) else { return [] }
        var findings: [HookFinding] = []
        let projects = Dictionary(jobs.filter { $0.id.forge == id }.map { ($0.projectID, $0.projectPath) }, uniquingKeysWith: { $0 ?? $1 })
        for (number, path) in projects.sorted(by: { $0.key < $1.key }) {
            let name = path ?? "\(number)"
            do {
                if try await forge.reviveHook(project: "\(number)", url: url, secret: secret) { findings.append(.revived(project: name)) }
            } catch let refusal as any ForgeFailure & CustomStringConvertible {
                if refusal.isOutage || refusal.tokenRefused { break }
                findings.append(.failed(project: name, refusal.description))
            } catch {
                findings.append(.failed(project: name, "\(error)"))
            }
        }
        return findings
    }
}
