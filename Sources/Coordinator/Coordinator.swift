import ControlModel
import Fleet
import Logging
import Synchronization

/// Holds the fleet's state and has the planner's actions carried out, each in a task of its own, whose result is the next
/// observation. It decides nothing itself: `FleetState.take` draws the consequences of observations, and `Planner.plan` decides on actions.
public actor Coordinator {
    /// The loop's configuration, and the version to report.
    public struct Configuration: Sendable {
        /// Pools, budget, polling and the bound of launches.
        public var fleet: FleetState.Configuration
        /// The daemon's version, as `/status` shows it.
        public var version: String
        /// For reports.
        public var cost: Cost
        /// - Parameter version: as `/status` shows it.
        public init(_ fleet: FleetState.Configuration, version: String, cost: Cost = Cost()) {
            self.cost = cost
            self.fleet = fleet
            self.version = version
        }
    }

    private(set) var state: FleetState
    let hands: Hands
    let store: any StateStore
    let clock: any WallClock
    let version: String
    var cost: Cost
    let startedAt: Timestamp
    private let journal: Journal
    /// The answer of `/health`, for callers that must not wait while the loop takes in ten thousand jobs.
    private let board = Mutex(HealthView(status: "healthy", gitlab: "unknown", engine: "unknown", store: "ok"))
    /// Shown the state after each plan; the simulation's oracle.
    private let watch: (@Sendable (FleetState) -> Void)?
    private let audiences: [any FleetAudience]
    private var planRequested = false
    private var wake: (task: Task<Void, Never>, at: Timestamp)?
    /// Drivers whose events are being followed.
    private var following: [Place: Task<Void, Never>] = [:]
    private var isFollowing = false
    var lastHistory: (at: Timestamp, view: HistoryView)?
    var waiters: [(holds: @Sendable (FleetState) -> Bool, waiter: Waiter)] = []

    /// - Parameters:
    ///   - forges: by the names that the pools use. A webhook is from the first by name.
    ///   - drivers: by the places that the pools use.
    ///   - surveyors: of hosts, where pools have needs beside CPUs and memory.
    ///   - switches: of hosts that may sleep.
    ///   - audiences: told of all that happens.
    ///   - seed: of the dice for new ids and for the jitter of retries.
    public init(
        _ configuration: Configuration, forges: [ForgeID: any Forge], drivers: [Place: any RunnerDriver],
        surveyors: [HostID: any HostSurveyor] = [:], switches: [HostID: any PowerSwitch] = [:], store: any StateStore,
        clock: any WallClock = SystemClock(), log: Logger, seed: UInt64 = .random(in: .min ... .max),
        audiences: [any FleetAudience] = [], watch: (@Sendable (FleetState) -> Void)? = nil
    ) {
        self.watch = watch
        self.audiences = audiences
        state = FleetState(configuration.fleet, seed: seed)
        hands = Hands(forges: forges, drivers: drivers, surveyors: surveyors, switches: switches, store: store, clock: clock)
        self.store = store
        self.clock = clock
        version = configuration.version
        cost = configuration.cost
        startedAt = clock.now()
        journal = Journal(log: log)
    }

    // MARK: Observing

    /// Everything that happens comes through here.
    func observe(_ observation: Observation) {
        apply(observation)
        requestPlan()
    }

    private func apply(_ observation: Observation) {
        let events = state.take(observation, at: clock.now())
        let changes = state.changes()
        if !changes.isEmpty { store.enqueue(changes) }
        for event in events { journal.write(event) }
        if !events.isEmpty, !audiences.isEmpty {
            // The calendar is asked once for all of them.
            let shown = shown
            for audience in audiences { audience.happened(events, in: shown) }
        }
        guard !waiters.isEmpty else { return }
        for index in waiters.indices.reversed() where waiters[index].holds(state) { waiters.remove(at: index).waiter.resume() }
    }

    /// Takes in a webhook's body. Returns when its content is on disk, or when a poll will find it within seconds, in another life of the
    /// daemon, too. JSON of no use here is logged, and is success.
    /// - Returns: false when it is not on disk.
    /// - Throws: `MalformedEvent`, or without polling the store's error: the state has the change then, but a crash would lose it.
    @discardableResult
    public func receive(webhook body: [UInt8]) async throws -> Bool {
        guard let (id, forge) = hands.forges.min(by: { $0.key < $1.key }) else { return true }
        switch try forge.decodeEvent(body) {
        case .unusable(let why): observe(.unusableHook(why))
        case .job(let seen):
            observe(.hook(id, seen))
            do {
                // Also when nothing changed: the content of this event may be in a write that is still on its way.
                try await store.flush()
                if state.store.trouble != nil { observe(.stored(nil)) }
            } catch {
                observe(.stored(Trouble("\(error)", isOfStore: true)))
                // GitLab does not send again what was refused, and turns a hook off after a few refusals.
                guard state.configuration.pollInterval > .zero else { throw error }
                observe(.unstoredHook(id))
                return false
            }
        }
        return true
    }

    // MARK: Planning

    /// Asks for a plan soon. Several requests before it is made are one.
    private func requestPlan() {
        guard !planRequested else { return }
        planRequested = true
        Task { self.plan() }
    }

    /// - Returns: why an operator's wishes for runners were not met, by pool.
    @discardableResult
    func plan() -> [String: WaitingReason] {
        planRequested = false
        // The reasons reported before remain true.
        guard state.isRecovered, !state.isStopping else { return [:] }
        // Schedules go by the calendar.
        let ahead = clock.calendar() - clock.now()
        if abs((ahead - state.calendarAhead).milliseconds) >= 1000 { apply(.calendar(ahead: ahead)) }
        var isSettled = false
        var refusals: [String: WaitingReason] = [:]
        // Another decision may wait for a change of the state alone.
        for _ in 0..<8 {
            let began = ContinuousClock.now
            let plan = Planner.plan(state, at: clock.now())
            for audience in audiences { audience.planned(within: ContinuousClock.now - began) }
            apply(.explained(plan.waiting))
            refusals.merge(plan.refusals) { first, _ in first }
            isSettled = true
            for action in plan.actions {
                apply(.decided(action))
                if action.key == nil { isSettled = false } else { carryOut(action) }
            }
            wake(at: plan.wakeAt)
            if isSettled { break }
        }
        if !isSettled { requestPlan() }
        publishHealth()
        watch?(state)
        return refusals
    }

    private func carryOut(_ action: Action) {
        let (hands, knowing) = (hands, Hands.Knowledge(state, for: action))
        Task {
            let result = await hands.carryOut(action, knowing: knowing) { id, step in await self.launching(id, step) }
            self.observe(.done(action, result))
        }
    }

    /// - Returns: whether the runner is still wanted.
    private func launching(_ id: RunnerID, _ step: LaunchStep) -> Bool {
        observe(.launching(id, step))
        return state.runners[id]?.phase == .requested && !state.isEvacuating
    }

    private func wake(at time: Timestamp?) {
        guard time != wake?.at else { return }
        wake?.task.cancel()
        wake = nil
        guard let time else { return }
        let wait = max(.zero, time - clock.now())
        let task = Task {
            try? await clock.sleep(for: wait)
            if !Task.isCancelled { self.woke() }
        }
        wake = (task, time)
    }

    private func woke() {
        wake = nil
        requestPlan()
    }

    // MARK: Life

    /// Loads the stored state. It must have returned before anything else is called. It waits for no engine and no GitLab: these are asked from
    /// here on, and no runner is started for a job before GitLab has confirmed it, nor in a place before it was looked at.
    /// - Throws: when the store can't be read.
    public func recover() async throws {
        let memory = try await store.load()
        apply(.remembered(memory))
        plan()
    }

    /// Follows the drivers' events, and returns when the task is cancelled. Call `recover()` first.
    public func run() async {
        isFollowing = true
        followDrivers()
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiters.append(({ _ in false }, Waiter($0))) }
        } onCancel: {
            Task { await self.stopFollowing() }
        }
    }

    private func stopFollowing() {
        isFollowing = false
        for task in following.values { task.cancel() }
        following = [:]
        for index in waiters.indices.reversed() where !waiters[index].waiter.isTimed { waiters.remove(at: index).waiter.resume() }
    }

    private func followDrivers() {
        guard isFollowing else { return }
        for place in state.placesInUse where following[place] == nil {
            guard let driver = hands.drivers[place] else { continue }
            let events = driver.events()
            following[place] = Task { for await event in events { self.observe(.heard(place, event)) } }
        }
    }

    /// Puts a new configuration of pools, budget and polling into effect; the version stays. Pools keep their pauses and failures by name.
    public func reload(_ new: Configuration) {
        cost = new.cost
        observe(.configured(new.fleet))
        followDrivers()
    }

    /// Plans nothing more, waits at most `time` for actions on runners that are under way, so that no start is cut in half, and then until all
    /// changes are on disk. The next start of the daemon continues the rest.
    public func settle(within time: Duration) async {
        observe(.stopping)
        let end = clock.now() + time
        _ = await wait(until: { !$0.isActing }, within: time)
        // A disk that hangs must not hold up the end.
        await pause(atMost: max(.zero, end - clock.now())) { waiter in
            Task {
                do { try await store.flush() } catch { self.observe(.stored(Trouble("\(error)", isOfStore: true))) }
                waiter.resume()
            }
        }
    }

    // MARK: Being asked

    /// Makes a plan now, which shows that the loop can, and says how things stand.
    public func heartbeat() -> String {
        plan()
        return state.statusLine()
    }

    /// The answer of `/health` as of the last plan. It never waits for the actor.
    public nonisolated func healthView() -> HealthView { board.withLock { $0 } }

    private func publishHealth() {
        let view = state.healthView()
        board.withLock { $0 = view }
    }

    /// Replaces the warnings that `source` had in `/health`, `/status` and the status line. The status of the health stays as it is.
    public func warn(_ warnings: [String], from source: String) {
        if state.warnings(from: source) != warnings { observe(.warned(by: source, warnings)) }
        publishHealth()
    }

    /// Kinds of drivers that some pool or some live runner needs on this machine.
    public var driversInUse: Set<DriverKind> { Set(state.placesInUse.filter { $0.host == .local }.map(\.kind)) }
}

/// A caller that waits for a condition of the state, resumed once.
final class Waiter: @unchecked Sendable {
    /// Only the coordinator that made it touches it.
    var continuation: CheckedContinuation<Void, Never>?
    /// An alarm ends its wait.
    let isTimed: Bool

    init(_ continuation: CheckedContinuation<Void, Never>?) {
        self.continuation = continuation
        isTimed = continuation == nil
    }

    func resume() {
        continuation?.resume()
        continuation = nil
    }
}
