import Fleet

/// Carries out the planner's actions and returns their results. It holds no state and decides nothing.
struct Hands: Sendable {
    let forges: [ForgeID: any Forge]
    let drivers: [Place: any RunnerDriver]
    var surveyors: [HostID: any HostSurveyor] = [:]
    /// Of hosts that may sleep.
    var switches: [HostID: any PowerSwitch] = [:]
    let store: any StateStore
    let clock: any WallClock

    /// Something in the state is of a GitLab or a place that this daemon's configuration no longer has.
    struct NotConfigured: Error, CustomStringConvertible {
        var description: String
    }

    func forge(_ id: ForgeID) throws -> any Forge {
        guard let forge = forges[id] else {
            throw NotConfigured(description: "the GitLab \(id) is no longer configured: give [gitlab] name back, or remove the runner in GitLab by hand")
        }
        return forge
    }

    func driver(_ place: Place) throws -> any RunnerDriver {
        guard let driver = drivers[place] else { throw NotConfigured(description: "this daemon runs no runners as \(place)") }
        return driver
    }

    private func powerSwitch(_ host: HostID) throws -> any PowerSwitch {
        guard let known = switches[host] else { throw NotConfigured(description: "this daemon can't wake the host \(host.name), or send it to sleep") }
        return known
    }

    /// What an action needs to know beside itself, as the state had it when it was decided.
    struct Knowledge: Sendable {
        var instance: String
        /// Of a launch.
        var spec: RunnerSpec?
        /// Of a removal.
        var remains: Remains?
        /// Of a survey.
        var usesEngine = true
        /// Of a look at what jobs use.
        var busy: [RunnerID: JobID] = [:]

        init(_ state: FleetState, for action: Action) {
            instance = state.instance
            switch action {
            case .launch(let id, let name, _, let equipment, let host):
                guard let pool = state.pools.first(where: { $0.pool.name == name })?.pool.on(host) else { break }
                let gpus = state.hosts[pool.host]?.facts?.gpus.filter { equipment.gpus.contains($0.id) } ?? []
                spec = RunnerSpec(runner: id, instance: instance, pool: pool, equipment: equipment, gpus: gpus)
            case .survey(let host): usesEngine = state.placesInUse.contains(Place(host, .container))
            case .remove(let id, _, _): remains = state.remains(of: id)
            case .sample(let place): busy = state.busyRunners(at: place)
            default: break
            }
        }
    }

    /// - Parameter report: told of the steps of a launch, while it goes on.
    func carryOut(
        _ action: Action, knowing: Knowledge, report: @escaping @Sendable (RunnerID, LaunchStep) async -> Bool
    ) async -> Result<Answer, Trouble> {
        do {
            if action.needsIntent { try await flush() }
            return .success(try await perform(action, knowing, report: report))
        } catch {
            return .failure(Trouble(error))
        }
    }

    private func flush() async throws(Trouble) {
        do { try await store.flush() } catch { throw Trouble("\(error)", isOfStore: true) }
    }

    private func perform(
        _ action: Action, _ knowing: Knowledge, report: @escaping @Sendable (RunnerID, LaunchStep) async -> Bool
    ) async throws -> Answer {
        switch action {
        case .leave, .end, .refuse, .abandon, .lose, .forget, .oversleep: break
        case .launch:
            if let spec = knowing.spec { try await launch(spec) { await report(spec.runner, $0) } }
        case .checkContact(let id, let registration): return .contact(try await ours(id, registration))
        case .pause(let id, let registration):
            if let registration, try await ours(id, registration) != nil { try await forge(registration.forge).setPaused(registration.id, true) }
        case .verify(let id, let registration):
            guard let registration else { return .jobs([], contacted: false) }
            guard let seen = try await ours(id, registration) else { return .noRegistration }
            return .jobs(try await forge(registration.forge).runningJobs(ofRunner: registration.id), contacted: seen.hasContacted)
        case .signal(let id, let place, let signal): try await driver(place).signal(id, signal)
        case .readLog(let id, let place): return await keep(try await driver(place).lastOutput(id, bytes: KeptLog.mostBytes), of: id)
        case .remove(let id, let place, let registration): return await remove(knowing.remains ?? Remains(id), place, registration)
        case .ask(let job, let project): return .job(try await forge(job.forge).job(project: project, id: job.id))
        case .poll(let id): return .poll(try await forge(id).activeJobs())
        case .ping(let id): try await forge(id).ping()
        case .sweep(let id): return .registrations(try await forge(id).registrations(instance: knowing.instance))
        case .unregister(let registration, let name):
            let forge = try forge(registration.forge)
            if try await forge.runner(registration.id)?.description == name { try await forge.unregister(registration.id) }
        case .survey(let host):
            guard let surveyor = surveyors[host] else { throw NotConfigured(description: "this daemon does not know the host \(host.name)") }
            return .host(try await surveyor.survey(usesEngine: knowing.usesEngine))
        case .wake(let host): try await powerSwitch(host).wake()
        case .sleep(let host): try await powerSwitch(host).sleep()
        case .look(let place): return .objects(try await driver(place).list())
        case .removeOrphan(let place, let id): try await driver(place).remove(id)
        case .refresh(let place, let image): try await driver(place).refresh(image)
        case .measure(let place): return .disk(try await driver(place).disk())
        case .listImages(let place): return .images(try await driver(place).images())
        case .removeImage(let place, let image): try await driver(place).removeImage(image)
        case .sweepStorage(let place): try await driver(place).sweepStorage()
        case .sample(let place): return .use(try await driver(place).use(of: Set(knowing.busy.keys)), of: knowing.busy)
        case .weigh(let id, let place): return .written(try await driver(place).written(by: id))
        case .flush: try await flush()
        case .learn: return .demand(try await store.arrivals(since: clock.now() + DemandHistory.memory * -1).mapValues(DemandHistory.init))
        case .expire:
            do {
                try await store.rollUp(at: clock.now())
                try await store.forget(before: clock.now() + Beat.retention * -1)
            } catch { throw Trouble("\(error)", isOfStore: true) }
        }
        return .done
    }

    /// nil when GitLab doesn't know it, and when the number is somebody else's by now: a GitLab that was installed afresh
    /// gives them out again.
    private func ours(_ id: RunnerID, _ registration: RegistrationRef) async throws -> ForgeRunner? {
        let seen = try await forge(registration.forge).runner(registration.id)
        return seen?.description == Runner.name(of: id) ? seen : nil
    }

    // MARK: Launching

    private func launch(_ spec: RunnerSpec, report: @escaping @Sendable (LaunchStep) async -> Bool) async throws {
        let forge = try forge(spec.pool.forge)
        let driver = try driver(spec.pool.place)
        // Registering and creating don't need each other; a launch takes as long as the slower of the two.
        async let registering = register(spec, with: forge, report)
        async let creating = create(spec, with: driver, report)
        let (registered, created) = await (registering, creating)
        let registration = try registered.get()
        try created.get()
        // From here on it may take a job at any moment: a daemon that is killed now must find it again.
        try await flush()
        // An operator may have sent it away meanwhile.
        guard await report(.prepared) else { throw Trouble.unwanted }
        do {
            try await driver.start(spec, credentials: RunnerCredentials(forge.runnerAccess, token: registration.token))
            _ = await report(.started)
        } catch {
            _ = await report(.startUnclear(Trouble(error)))
        }
    }

    private func register(
        _ spec: RunnerSpec, with forge: any Forge, _ report: @Sendable (LaunchStep) async -> Bool
    ) async -> Result<Registration, Trouble> {
        do {
            let registration = try await forge.register(spec)
            _ = await report(.registered(registration.id, shortToken: ShortToken.of(registration.token)))
            return .success(registration)
        } catch {
            _ = await report(.registrationFailed(Trouble(error)))
            return .failure(Trouble(error))
        }
    }

    private func create(
        _ spec: RunnerSpec, with driver: any RunnerDriver, _ report: @Sendable (LaunchStep) async -> Bool
    ) async -> Result<Void, Trouble> {
        do {
            _ = await report(.created(try await driver.create(spec)))
            return .success(())
        } catch {
            _ = await report(.creationFailed(Trouble(error)))
            return .failure(Trouble(error))
        }
    }

    // MARK: Removing

    /// On its own, not with the other changes: a log that the disk has no room for must not keep a webhook from it.
    private func keep(_ output: [UInt8], of id: RunnerID) async -> Answer {
        let log = KeptLog(runner: id, at: clock.now(), output: output)
        // One that is gone has nothing to add to what an earlier life of the daemon may have kept.
        if log.output.isEmpty { return .lines([]) }
        let trouble = await trouble { try await store.keep(log) }
        return .lines(log.lastLines(10), notKept: trouble)
    }

    /// Both halves are tried, whatever comes of the other.
    private func remove(_ remains: Remains, _ place: Place?, _ registration: RegistrationRef?) async -> Answer {
        async let container = trouble { if let place { try await driver(place).remove(remains) } }
        async let unregistered = trouble {
            if let registration, try await ours(remains.runner, registration) != nil { try await forge(registration.forge).unregister(registration.id) }
        }
        return .removal(container: await container, registration: await unregistered)
    }

    private func trouble(_ body: () async throws -> Void) async -> Trouble? {
        do {
            try await body()
            return nil
        } catch {
            return Trouble(error)
        }
    }
}
