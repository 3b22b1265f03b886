/// A job's status as GitLab names it. Values that GitLab adds later are kept as they are and treated
/// as not runnable.
public struct JobStatus: Hashable, Sendable, RawRepresentable, CustomStringConvertible {
    /// GitLab's word in lower case, such as `waiting_for_resource`.
    public let rawValue: String
    /// Takes GitLab's word in any case: GraphQL writes it in upper case, REST and webhooks in lower case.
    public init(rawValue: String) { self.rawValue = rawValue.lowercased() }
    /// The same as `rawValue`.
    public var description: String { rawValue }

    /// It waits for earlier jobs of its pipeline and is not offered to runners yet.
    public static let created = JobStatus(rawValue: "created")
    /// It waits for a runner.
    public static let pending = JobStatus(rawValue: "pending")
    /// A runner has it.
    public static let running = JobStatus(rawValue: "running")
    /// It is canceled, and its runner has not let go of it yet.
    public static let canceling = JobStatus(rawValue: "canceling")
    /// It is over, and worked.
    public static let success = JobStatus(rawValue: "success")
    /// It is over, and failed; a retry is another job, with another id.
    public static let failed = JobStatus(rawValue: "failed")
    /// It is over, because somebody or something canceled it. Also for jobs that are gone from GitLab (`Job.goneReason`).
    public static let canceled = JobStatus(rawValue: "canceled")
    /// It did not run, most often because an earlier job failed. It comes back under the same id when that job is retried.
    public static let skipped = JobStatus(rawValue: "skipped")

    private static let early: Set<String> = [
        "created", "waiting_for_resource", "preparing", "waiting_for_callback", "manual", "scheduled", "skipped",
    ]

    /// Whether it is one of the thirteen statuses that GitLab has up to 18.x.
    public var isKnown: Bool { isOver || isActive || Self.early.contains(rawValue) }
    /// For good. A skipped job is not over: it comes back under its id when an earlier job is retried.
    public var isOver: Bool { self == .success || self == .failed || self == .canceled }
    /// Waiting for a runner, or on one.
    public var isActive: Bool { self == .pending || self == .running || self == .canceling }
    /// Whether a runner has the job.
    public var occupiesRunner: Bool { self == .running || self == .canceling }

    /// How far along a job's life this is. A job only moves forward: a retry is a new job in GitLab,
    /// so a status of a lower rank is an old event that came late.
    var rank: Int {
        if isOver { return 4 }
        switch self {
        case .canceling: return 3
        case .running: return 2
        case .pending: return 1
        default: return 0
        }
    }
}

/// A job as one event or API answer shows it. Absent fields are unknown, not empty.
public struct JobObservation: Sendable, Equatable {
    /// GitLab's id of the job.
    public var id: JobID
    /// GitLab's id of the project.
    public var projectID: Int64
    /// The project's path, such as `group/name`.
    public var projectPath: String?
    /// The job's name in `.gitlab-ci.yml`.
    public var name: String?
    /// The name of its stage.
    public var stage: String?
    /// The branch or tag that the job runs for.
    public var ref: String?
    /// The status at the time of the event or answer, which may come late.
    public var status: JobStatus
    /// The job's own tags; empty for a job without any, nil from webhooks, which don't carry them.
    public var tags: [String]?
    /// GitLab's id of the runner that has the job.
    public var runnerID: Int64?
    /// GitLab's word for why it failed, such as `script_failure`.
    public var failureReason: String?
    /// GitLab's time of the job's creation, cut to whole seconds, for hooks have no finer one. nil is unknown.
    public var createdAt: Timestamp?

    /// Arguments that are left out are unknown.
    public init(
        id: JobID, projectID: Int64, projectPath: String? = nil, name: String? = nil, stage: String? = nil,
        ref: String? = nil, status: JobStatus, tags: [String]? = nil, runnerID: Int64? = nil,
        failureReason: String? = nil, createdAt: Timestamp? = nil
    ) {
        self.id = id
        self.projectID = projectID
        self.projectPath = projectPath
        self.name = name
        self.stage = stage
        self.ref = ref
        self.status = status
        self.tags = tags
        self.runnerID = runnerID
        self.failureReason = failureReason
        self.createdAt = createdAt
    }
}

/// A job as far as we know it, merged from everything that was observed of it.
public struct Job: Sendable, Equatable, Identifiable {
    /// Its GitLab and its id there.
    public let id: JobRef
    /// GitLab's id of the project.
    public var projectID: Int64
    /// The project's path, such as `group/name`; nil is unknown.
    public var projectPath: String?
    /// The job's name in `.gitlab-ci.yml`; nil is unknown.
    public var name: String?
    /// The name of its stage; nil is unknown.
    public var stage: String?
    /// The branch or tag that the job runs for.
    public var ref: String?
    /// As last believed: an old event that comes late does not set it back.
    public var status: JobStatus
    /// GitLab's, in whole seconds; nil is unknown.
    public var createdAt: Timestamp?
    /// nil until the jobs API has been asked: job events don't carry the job's tags.
    public var tags: [String]?
    /// GitLab's id of the runner that has or had the job, which may be none of ours; nil before, and while it is unknown.
    public var runnerID: Int64?
    /// GitLab's word for why it failed, such as `script_failure`, or `goneReason`.
    public var failureReason: String?
    /// When the job was first observed here, whatever its status was.
    public var firstSeen: Timestamp
    /// When it was first observed to be pending.
    public var pendingAt: Timestamp?
    /// When it was first observed to be running.
    public var runningAt: Timestamp?
    /// When it was first observed to be over, or was given up as gone from GitLab.
    public var finishedAt: Timestamp?
    /// Why nothing serves the job, as last reported.
    public var waitingReason: String?
    /// What it used, once it is over; nil where it was not measured.
    public var usage: JobUsage?

    /// A job that was not known before.
    public init(_ seen: JobObservation, of forge: ForgeID, at now: Timestamp) {
        id = JobRef(forge, seen.id)
        projectID = seen.projectID
        status = seen.status
        firstSeen = now
        fill(from: seen)
        stampStatus(at: now)
    }

    /// Whether the observation is of this job, and not of another one that has its id in a GitLab that was installed afresh: creation times
    /// are compared, and an unknown one matches.
    public func isSame(as seen: JobObservation) -> Bool {
        guard let ours = createdAt, let theirs = seen.createdAt else { return true }
        return ours == theirs
    }

    /// Takes in an observation. The same one twice, or an old one after a newer one, changes nothing but details that were still unknown.
    /// - Returns: whether the status moved on.
    public mutating func merge(_ seen: JobObservation, at now: Timestamp) -> Bool {
        let moves = seen.status.rank >= status.rank && seen.status != status && !status.isOver
        if moves {
            status = seen.status
            stampStatus(at: now)
            if !status.isActive || status.occupiesRunner { waitingReason = nil }
        }
        fill(from: seen)
        return moves
    }

    /// Sets times that lie ahead to now, for the reason that `Runner.keepTimes(within:)` gives.
    public mutating func keepTimes(within now: Timestamp) {
        firstSeen = min(firstSeen, now)
        pendingAt = pendingAt.map { min($0, now) }
        runningAt = runningAt.map { min($0, now) }
        finishedAt = finishedAt.map { min($0, now) }
    }

    private mutating func fill(from seen: JobObservation) {
        projectPath = seen.projectPath ?? projectPath
        name = seen.name ?? name
        stage = seen.stage ?? stage
        ref = seen.ref ?? ref
        tags = seen.tags ?? tags
        createdAt = createdAt ?? seen.createdAt
        // Later word corrects earlier; an old event that comes late does not.
        if seen.status.rank >= status.rank { runnerID = seen.runnerID ?? runnerID }
        if status == seen.status { failureReason = seen.failureReason ?? failureReason }
    }

    private mutating func stampStatus(at now: Timestamp) {
        if status == .pending { pendingAt = pendingAt ?? now }
        if status == .running { runningAt = runningAt ?? now }
        if status.isOver { finishedAt = finishedAt ?? now }
    }
}
