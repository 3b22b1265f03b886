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
        /// GitLab is being told to give it no more jobs. It is no supply from here on, and is never unpaused.
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

    /// What its life needs of its pool, from its launch on: the pool may change, get another name, or go.
    public struct Terms: Sendable, Equatable {
        /// From its start to its first contact.
        public var startTimeout: Duration
        /// From its stop signal to its end by force.
        public var stopTimeout: Duration
        public var stopSignal: String
        /// Jobs before it is replaced; 0 means any number.
        public var maxJobs: Int
        /// What it was registered with; nil is unknown, from before that was kept.
        public var tags: [String]?
        public var runUntagged: Bool
        public init(
            startTimeout: Duration, stopTimeout: Duration, stopSignal: String, maxJobs: Int, tags: [String]? = nil, runUntagged: Bool = false
        ) {
            self.tags = tags
            self.runUntagged = runUntagged
            self.startTimeout = startTimeout
            self.stopTimeout = stopTimeout
            self.stopSignal = stopSignal
            self.maxJobs = maxJobs
        }
        public init(_ pool: Pool) {
            self.init(
                startTimeout: pool.startTimeout, stopTimeout: pool.stopTimeout, stopSignal: pool.stopSignal, maxJobs: pool.maxJobs, tags: pool.tags,
                runUntagged: pool.runUntagged)
        }
    }

    public let id: RunnerID
    public let pool: String
    /// The GitLab it is registered with.
    public let forge: ForgeID
    public let place: Place
    public var terms: Terms
    public var phase: Phase
    public var cpus: Double
    public var memory: Int64
    /// The job it was started for; GitLab may give it another.
    public var launchedFor: JobID?
    public var gitlabID: Int64?
    public var containerID: String?
    public var currentJob: JobID?
    public var jobsDone: Int
    public var requestedAt: Timestamp
    public var startedAt: Timestamp?
    public var contactedAt: Timestamp?
    public var idleSince: Timestamp?
    public var stoppingAt: Timestamp?
    public var removedAt: Timestamp?
    public var lastSeen: Timestamp
    /// Why it goes or went.
    public var reason: String?
    public var failed: Bool

    public init(id: RunnerID, pool: Pool, launchedFor: JobID?, at now: Timestamp) {
        self.id = id
        self.pool = pool.name
        forge = pool.forge
        place = pool.place
        terms = Terms(pool)
        phase = .requested
        cpus = pool.cpus
        memory = pool.memory
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
        self.phase = phase
        self.cpus = cpus
        self.memory = memory
        jobsDone = 0
        self.requestedAt = requestedAt
        lastSeen = requestedAt
        failed = false
    }

    public static let namePrefix = "autogit-runner-"
    public static func name(of id: RunnerID) -> String { namePrefix + id }
    /// nil for a name that is none of ours.
    public static func id(ofName name: some StringProtocol) -> RunnerID? {
        name.hasPrefix(namePrefix) ? String(name.dropFirst(namePrefix.count)) : nil
    }
    public var name: String { Self.name(of: id) }
    public var driver: DriverKind { place.kind }
    public var registration: RegistrationRef? { gitlabID.map { RegistrationRef(forge, $0) } }
    public var job: JobRef? { currentJob.map { JobRef(forge, $0) } }
    /// It has had as many jobs as it may have, or has the last of them.
    public var isSpent: Bool { terms.maxJobs > 0 && jobsDone + (isBusy ? 1 : 0) >= terms.maxJobs }

    /// Whether GitLab takes it for one that the pool would start today.
    public func isAsIn(_ pool: Pool) -> Bool {
        guard forge == pool.forge, place == pool.place else { return false }
        guard let tags = terms.tags else { return true }
        return terms.runUntagged == pool.runUntagged && Set(tags) == Set(pool.tags)
    }

    public var isBusy: Bool { currentJob != nil }
    public var isLive: Bool { phase != .removed }
    /// May still take a job by itself.
    public var isSupply: Bool {
        !isBusy && (phase == .requested || phase == .starting || phase == .ready)
    }

    /// The first prototype's word for it.
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

    public mutating func tookJob(_ job: JobID, at now: Timestamp) {
        guard phase < .ended else { return }
        currentJob = job
        idleSince = nil
        contacted(at: now)
    }

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
    public static func < (a: Self, b: Self) -> Bool { a.order < b.order }
}

/// One line of a runner's or job's history.
public struct HistoryEntry: Sendable, Equatable {
    public var runner: RunnerID
    public var at: Timestamp
    public var event: String
    public var detail: String?
    public init(runner: RunnerID, at: Timestamp, event: String, detail: String? = nil) {
        self.runner = runner
        self.at = at
        self.event = event
        self.detail = detail
    }
}
