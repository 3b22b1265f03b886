import Fleet
import HeapModule

/// One week of jobs before the shipped reducer and planner, on a virtual clock: the engine and GitLab always answer, and a runner needs its time to
/// start. What only guards against faults, such as looks, is begun and never answered, so that a week takes a second.
struct WarmRun {
    /// What came of it.
    struct Outcome: Sendable {
        var jobs = 0
        /// Jobs for which a runner was there with nothing to do.
        var warm = 0
        /// From the decision to start a runner to its removal, of all runners.
        var runnerMinutes = 0.0
        /// Of these, with a job.
        var busyMinutes = 0.0
        var starts = 0
        var share: Double { jobs == 0 ? 1 : Double(warm) / Double(jobs) }
    }

    private enum Event {
        case job(Int)
        /// A runner asks GitLab for its first job.
        case contact(RunnerID)
        case over(RunnerID, job: Int)
        case wake
    }

    private struct Due: Comparable {
        var at: Timestamp
        var number: Int
        var event: Event
        static func < (a: Due, b: Due) -> Bool { (a.at, a.number) < (b.at, b.number) }
        static func == (a: Due, b: Due) -> Bool { a.number == b.number }
    }

    /// A runner as GitLab sees it.
    private struct Peer {
        var registration: RegistrationRef
        var requestedAt: Timestamp
        var hasContacted = false
        var isPaused = false
        var job: Int?
    }

    private let jobs: [WarmJob]
    private let learned: [Timestamp]
    private let end: Timestamp
    private var state: FleetState
    private var now: Timestamp
    private var dues = Heap<Due>()
    private var made = 0
    private var random: SplitMix
    private var peers: [RunnerID: Peer] = [:]
    /// Jobs that wait, the oldest first.
    private var queue: [Int] = []
    private var wakeAt: Timestamp?
    private var outcome = Outcome()

    /// The most runners of the pool, and so the most that are kept warm.
    static let maxRunners = 30

    /// Replays the last week.
    static func replay(_ weeks: WarmWeeks, seed: UInt64, warm: Warm) -> Outcome {
        var run = WarmRun(weeks, seed: seed, warm: warm)
        return run.run()
    }

    private init(_ weeks: WarmWeeks, seed: UInt64, warm: Warm) {
        let last = WarmWeeks.count - 1
        let (begin, end) = (WarmWeeks.begin(last), WarmWeeks.begin(last + 1))
        jobs = weeks.jobs.filter { $0.at >= begin && $0.at < end }
        learned = weeks.jobs.map(\.at)
        self.end = end
        now = begin
        random = SplitMix(seed: seed ^ 0x77A7)
        var pool = Pool(name: "p")
        pool.tags = ["a"]
        pool.configuredExecutor = .shell
        pool.diskMax = nil
        pool.maxRunners = Self.maxRunners
        pool.warmth = warm
        state = FleetState(.init(pools: [pool], pollInterval: .zero, zone: WarmWeeks.zone), seed: seed)
    }

    private mutating func run() -> Outcome {
        take(.remembered(Memory(instance: "i", jobs: [], runners: [], finishedJobs: [], pausedPools: [])))
        for index in jobs.indices { later(.job(index), at: jobs[index].at) }
        plan()
        while let due = dues.popMin(), due.at < end {
            now = due.at
            switch due.event {
            case .job(let index): came(index)
            case .contact(let id): contact(id)
            case .over(let id, let job): over(id, job)
            case .wake: if wakeAt == due.at { wakeAt = nil } else { continue }
            }
            plan()
        }
        now = end
        for id in peers.keys.sorted() { leave(id) }
        outcome.jobs = jobs.count
        return outcome
    }

    private mutating func later(_ event: Event, at time: Timestamp) {
        made += 1
        dues.insert(Due(at: time, number: made, event: event))
    }

    private mutating func take(_ observation: Observation) {
        _ = state.take(observation, at: now)
        _ = state.changes()
    }

    // MARK: GitLab and the runners

    private mutating func see(_ job: Int, _ status: JobStatus, runner: Int64? = nil) {
        take(.hook(.default, JobObservation(id: JobID(job) + 1, projectID: 1, status: status, tags: ["a"], runnerID: runner)))
    }

    private mutating func came(_ job: Int) {
        see(job, .pending)
        let idle = peers.filter { $0.value.hasContacted && !$0.value.isPaused && $0.value.job == nil }.keys.sorted()
        guard !idle.isEmpty else { return queue.append(job) }
        outcome.warm += 1
        plan()
        // They ask in no order.
        give(job, to: idle[random.below(idle.count)])
    }

    private mutating func give(_ job: Int, to id: RunnerID) {
        peers[id]?.job = job
        see(job, .running, runner: peers[id]?.registration.id)
        outcome.busyMinutes += jobs[job].lasts.inSeconds / 60
        later(.over(id, job: job), at: now + jobs[job].lasts)
    }

    private mutating func contact(_ id: RunnerID) {
        guard peers[id] != nil else { return }
        peers[id]?.hasContacted = true
        next(id)
    }

    private mutating func next(_ id: RunnerID) {
        guard let peer = peers[id], !peer.isPaused, !queue.isEmpty else { return }
        give(queue.removeFirst(), to: id)
    }

    private mutating func over(_ id: RunnerID, _ job: Int) {
        peers[id]?.job = nil
        see(job, .success, runner: peers[id]?.registration.id)
        next(id)
    }

    private mutating func leave(_ id: RunnerID) {
        guard let peer = peers.removeValue(forKey: id) else { return }
        outcome.runnerMinutes += (now - peer.requestedAt).inSeconds / 60
    }

    // MARK: The loop, as the coordinator has it

    private mutating func plan() {
        while true {
            let plan = Planner.plan(state, at: now)
            take(.explained(plan.waiting))
            for action in plan.actions {
                take(.decided(action))
                carryOut(action)
            }
            guard plan.actions.isEmpty else { continue }
            if let time = plan.wakeAt, time != wakeAt {
                wakeAt = max(time, now + .milliseconds(1))
                later(.wake, at: wakeAt ?? time)
            }
            return
        }
    }

    private mutating func done(_ action: Action, _ answer: Answer) { take(.done(action, .success(answer))) }

    private mutating func carryOut(_ action: Action) {
        switch action {
        case .launch(let id, _, _, _, _):
            outcome.starts += 1
            let registration = RegistrationRef(.default, Int64(outcome.starts))
            peers[id] = Peer(registration: registration, requestedAt: now)
            for step in [.registered(registration.id, shortToken: nil), .created("c-\(id)"), .prepared, .started] as [LaunchStep] { take(.launching(id, step)) }
            done(action, .done)
            // With an image that is there; emulated ones take longer.
            later(.contact(id), at: now + random.between(4000, 20_000))
        case .checkContact(let id, let registration):
            done(action, .contact(seen(id, registration)))
        case .pause(let id, _):
            peers[id]?.isPaused = true
            done(action, .done)
        case .verify(let id, _):
            done(action, .jobs(peers[id]?.job.map { [JobID($0) + 1] } ?? [], contacted: peers[id]?.hasContacted ?? false))
        case .signal(let id, let place, _):
            done(action, .done)
            take(.heard(place, .exited(runner: id, exitCode: 0)))
        case .remove(let id, _, _):
            done(action, .removal(container: nil, registration: nil))
            leave(id)
        case .readLog: done(action, .lines([]))
        case .learn:
            // As the store has them: no later ones, and none from before its memory.
            let since = now + DemandHistory.memory * -1
            done(action, .demand(["p": DemandHistory(learned.filter { $0 >= since && $0 < now })]))
        case .look where state.places.values.allSatisfy({ !$0.isSeen }): done(action, .objects([]))
        case .ping, .survey: done(action, action.isSurvey ? .host(HostFacts(architecture: .amd64)) : .done)
        default: break
        }
    }

    private func seen(_ id: RunnerID, _ registration: RegistrationRef) -> ForgeRunner {
        ForgeRunner(id: registration.id, description: Runner.name(of: id), maintenanceNote: nil, hasContacted: peers[id]?.hasContacted ?? false)
    }
}

extension Action {
    fileprivate var isSurvey: Bool { if case .survey = self { true } else { false } }
}
