/// Eight characters of `0-9a-z` without those that look alike; unique in one store.
public typealias RunnerID = String

/// One runner from the wish for it to the removal of its last trace.
public struct Runner: Sendable, Equatable, Identifiable {
    /// The order is the order of life; a runner never goes back.
    public enum Phase: String, Sendable, CaseIterable {
        /// In the store; its container or scope and registration may or may not exist yet.
        case requested
        /// Its process runs; GitLab hasn't heard from it yet.
        case starting
        /// GitLab has heard from it, or it has taken a job.
        case ready
        /// GitLab is being told to give it no more jobs. From here on it does not count as supply, and it is never unpaused.
        case pausing
        /// Paused in GitLab: it gets no new job, and may finish the one it has.
        case draining
        /// Has no job, as GitLab confirmed, and is asked to quit.
        case stopping
        /// Its process is gone or must go; container and registration remain to be removed.
        case ended
        /// Nothing of it is left.
        case removed
    }

    /// The settings of its pool that its life needs, copied at its launch: the pool may change, get another name, or go.
    public struct Terms: Sendable, Equatable {
        /// From its start to its first contact; also how long it may be idle while a job of its kind waits.
        public var startTimeout: Duration
        /// From the decision to stop it to its end by force.
        public var stopTimeout: Duration
        /// The name of the signal that asks it to quit, such as `SIGQUIT`.
        public var stopSignal: String
        /// Jobs before it is replaced; 0 means any number.
        public var maxJobs: Int
        /// The tags that it was registered with; nil for a runner from before they were kept.
        public var tags: [String]?
        /// Whether it was registered for jobs without tags, too; says nothing while `tags` is nil.
        public var runUntagged: Bool
        /// What carries out its jobs.
        public var executor: Executor
        /// Bytes that its own container or scope may use; nil for a runner from before jobs had containers of their own.
        public var memoryLimit: Int64?
        public init(
            startTimeout: Duration, stopTimeout: Duration, stopSignal: String, maxJobs: Int, tags: [String]? = nil, runUntagged: Bool = false,
            executor: Executor = .shell, memoryLimit: Int64? = nil
        ) {
            self.tags = tags
            self.runUntagged = runUntagged
            self.executor = executor
            self.memoryLimit = memoryLimit
            self.startTimeout = startTimeout
            self.stopTimeout = stopTimeout
            self.stopSignal = stopSignal
            self.maxJobs = maxJobs
        }
        /// The pool's settings as they are now.
        public init(_ pool: Pool) {
            self.init(
                startTimeout: pool.startTimeout, stopTimeout: pool.stopTimeout, stopSignal: pool.stopSignal, maxJobs: pool.maxJobs, tags: pool.tags,
                runUntagged: pool.runUntagged, executor: pool.executor, memoryLimit: pool.runnerLimits.memory)
        }
    }

    /// AutoGit's own id.
    public let id: RunnerID
    /// The name of the pool that it was started in, which may no longer be configured.
    public let pool: String
    /// The GitLab it is registered with.
    public let forge: ForgeID
    /// Where it was placed, whatever its pool says now.
    public let place: Place
    /// Its timeouts, its stop signal, its bound of jobs and its tags in GitLab.
    public var terms: Terms
    /// Its architecture and its GPUs.
    public var equipment: Equipment
    /// How far its life has come.
    public var phase: Phase
    /// CPUs that it may use with its jobs, which count against the host's budget until its container is gone.
    public var cpus: Double
    /// Bytes that it may use with its jobs, which count against the host's budget until its container is gone.
    public var memory: Int64
    /// The job it was started for; GitLab may give it another.
    public var launchedFor: JobID?
    /// GitLab's id of the registration; nil until GitLab has answered to it.
    public var gitlabID: Int64?
    /// The beginning of its token, by which what it made for its jobs is found; nil before its registration, and where it tells nothing.
    public var shortToken: String?
    /// The engine's id of the container, or the scope's name; nil until it is known to have been made.
    public var containerID: String?
    /// GitLab's id of the job that it has; nil while it has none, as far as we know.
    public var currentJob: JobID?
    /// Jobs that it has finished, whatever their result.
    public var jobsDone: Int
    /// When it was decided to start it.
    public var requestedAt: Timestamp
    /// When its start was answered, or found to have happened; nil before.
    public var startedAt: Timestamp?
    /// When we learned that GitLab has heard from it; nil before.
    public var contactedAt: Timestamp?
    /// The end of its last job, or else its first contact. nil while it has a job, before its contact, after its end, and after a job that was
    /// wrongly taken for its own.
    public var idleSince: Timestamp?
    /// When GitLab confirmed that it has no job and it was to quit; nil before.
    public var stoppingAt: Timestamp?
    /// When its last trace was removed; nil before.
    public var removedAt: Timestamp?
    /// The newest of its request, its contact, the changes of its job, and its end.
    public var lastSeen: Timestamp
    /// Why it goes or went.
    public var reason: String?
    /// Whether it goes or went because of a failure, such as no contact in time or an exit code other than 0. A contact takes it back.
    public var failed: Bool

    /// A runner that was just asked for: phase `requested`, with its pool's settings as they are now.
    public init(id: RunnerID, pool: Pool, launchedFor: JobID?, with equipment: Equipment = Equipment(), at now: Timestamp) {
        self.id = id
        self.pool = pool.name
        forge = pool.forge
        place = pool.place
        terms = Terms(pool)
        self.equipment = equipment
        phase = .requested
        cpus = pool.reservedCPUs
        memory = pool.reservedMemory
        self.launchedFor = launchedFor
        jobsDone = 0
        requestedAt = now
        lastSeen = now
        failed = false
    }

    /// For the store, which sets the rest.
    public init(
        id: RunnerID, pool: String, forge: ForgeID, place: Place, terms: Terms, phase: Phase, cpus: Double, memory: Int64, requestedAt: Timestamp
    ) {
        self.id = id
        self.pool = pool
        self.forge = forge
        self.place = place
        self.terms = terms
        equipment = Equipment()
        self.phase = phase
        self.cpus = cpus
        self.memory = memory
        jobsDone = 0
        self.requestedAt = requestedAt
        lastSeen = requestedAt
        failed = false
    }

    /// Begins the names of our containers and units, and our runners' descriptions in GitLab.
    public static let namePrefix = "autogit-runner-"
    /// The name of a runner's container or units, and its description in GitLab.
    public static func name(of id: RunnerID) -> String { namePrefix + id }
    /// The id in such a name; nil for a name without our prefix.
    public static func id(ofName name: some StringProtocol) -> RunnerID? {
        name.hasPrefix(namePrefix) ? String(name.dropFirst(namePrefix.count)) : nil
    }
    /// The name of its container or units, and its description in GitLab.
    public var name: String { Self.name(of: id) }
    /// How it is run.
    public var driver: DriverKind { place.kind }
    /// The engine that has its container, or those of its jobs; nil where there are none.
    public var engine: Place? { place.engine(for: terms.executor) }
    /// Everything that it needs: its place and its engine.
    public var places: Set<Place> { Set([place, engine].compactMap { $0 }) }
    /// Its registration; nil until GitLab has answered to it.
    public var registration: RegistrationRef? { gitlabID.map { RegistrationRef(forge, $0) } }
    /// The job that it has, with its GitLab.
    public var job: JobRef? { currentJob.map { JobRef(forge, $0) } }
    /// It has had as many jobs as it may have, or has the last of them.
    public var isSpent: Bool { terms.maxJobs > 0 && jobsDone + (isBusy ? 1 : 0) >= terms.maxJobs }

    /// Bytes that its own container or scope may use.
    public var memoryLimit: Int64 { terms.memoryLimit ?? memory }

    /// Whether its GitLab, its executor, its architecture, its GPUs, its tags and its `runUntagged` are the pool's of today, and its place is one of
    /// the pool's. Unknown tags are taken for the pool's; image, limits and the kind of registration are not compared.
    public func isAsIn(_ state: PoolState) -> Bool {
        guard forge == state.pool.forge, place.kind == state.pool.driver, state.hosts.contains(place.host) else { return false }
        guard terms.executor == state.pool.executor, equipment.meets(state.pool.hardware), equipment.resources == state.pool.choice.needs else { return false }
        guard let tags = terms.tags else { return true }
        // Most often they are as they were given.
        return terms.runUntagged == state.pool.runUntagged && (tags == state.pool.tags || Set(tags) == Set(state.pool.tags))
    }

    /// Whether it has a job, as far as we know.
    public var isBusy: Bool { currentJob != nil }
    /// Whether something of it may be left: its container or scope, or its registration.
    public var isLive: Bool { phase != .removed }
    /// Whether GitLab may still give it a job: it has none, and is not on its way out.
    public var isSupply: Bool {
        !isBusy && (phase == .requested || phase == .starting || phase == .ready)
    }

    /// The coarse status of the first prototype's API: `provisioning`, `idle`, `busy`, `draining` or `offline`.
    public var status: String {
        switch phase {
        case .requested, .starting: isBusy ? "busy" : "provisioning"
        case .ready: isBusy ? "busy" : "idle"
        case .pausing, .draining, .stopping: "draining"
        case .ended, .removed: "offline"
        }
    }

    /// GitLab has heard from it, by whichever way we learned of it.
    public mutating func contacted(at now: Timestamp) {
        contactedAt = contactedAt ?? now
        lastSeen = now
        if phase == .starting {
            phase = .ready
            if !isBusy { idleSince = now }
        }
    }

    /// GitLab gave it a job, which is a contact, too. Without effect after its end.
    public mutating func tookJob(_ job: JobID, at now: Timestamp) {
        guard phase < .ended else { return }
        currentJob = job
        idleSince = nil
        contacted(at: now)
    }

    /// Its job is over, whatever the result. Without effect unless it has that job.
    public mutating func finishedJob(_ job: JobID, at now: Timestamp) {
        guard currentJob == job else { return }
        currentJob = nil
        jobsDone += 1
        lastSeen = now
        idleSince = now
    }

    /// It was heard from before its start was known to have worked.
    mutating func keepContact() {
        guard contactedAt != nil, phase == .starting else { return }
        phase = .ready
        if !isBusy { idleSince = idleSince ?? startedAt }
    }

    /// The job that we believed it to have is another runner's, or was another job.
    mutating func lostJob() { currentJob = nil }

    /// Times that lie ahead count as now. The clock may have been set back since they were taken, and whatever waits for them
    /// to be long enough ago would wait as long as the clock was wrong.
    public mutating func keepTimes(within now: Timestamp) {
        requestedAt = min(requestedAt, now)
        startedAt = startedAt.map { min($0, now) }
        contactedAt = contactedAt.map { min($0, now) }
        idleSince = idleSince.map { min($0, now) }
        stoppingAt = stoppingAt.map { min($0, now) }
        removedAt = removedAt.map { min($0, now) }
        lastSeen = min(lastSeen, now)
    }

    /// Its process is gone or given up. A reason that it had before is kept. Without effect after its end.
    public mutating func ended(_ why: String, failed: Bool, at now: Timestamp) {
        guard phase < .ended else { return }
        phase = .ended
        reason = reason ?? why
        self.failed = self.failed || failed
        currentJob = nil
        idleSince = nil
        lastSeen = now
    }
}

extension Runner.Phase: Comparable {
    private var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    /// By the order of life.
    public static func < (a: Self, b: Self) -> Bool { a.order < b.order }
}

/// One line of a runner's history.
public struct HistoryEntry: Sendable, Equatable {
    /// The runner that it is about.
    public var runner: RunnerID
    /// When we learned of it.
    public var at: Timestamp
    /// A word or a short phrase, such as `first contact`.
    public var event: String
    /// The reason, job or id that goes with it; nil where there is none.
    public var detail: String?
    public init(runner: RunnerID, at: Timestamp, event: String, detail: String? = nil) {
        self.runner = runner
        self.at = at
        self.event = event
        self.detail = detail
    }
}
