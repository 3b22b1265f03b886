/// GitLab's id of a job, unique in one GitLab instance.
public typealias JobID = Int64

/// A job's status as GitLab names it. Values that GitLab adds later are kept as they are and treated
/// as not runnable.
public struct JobStatus: Hashable, Sendable, RawRepresentable, CustomStringConvertible {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue.lowercased() }
    public var description: String { rawValue }

    public static let created = JobStatus(rawValue: "created")
    public static let pending = JobStatus(rawValue: "pending")
    public static let running = JobStatus(rawValue: "running")
    public static let canceling = JobStatus(rawValue: "canceling")
    public static let success = JobStatus(rawValue: "success")
    public static let failed = JobStatus(rawValue: "failed")
    public static let canceled = JobStatus(rawValue: "canceled")
    public static let skipped = JobStatus(rawValue: "skipped")

    private static let early: Set<String> = [
        "created", "waiting_for_resource", "preparing", "waiting_for_callback", "manual", "scheduled",
    ]

    public var isKnown: Bool { isOver || isActive || Self.early.contains(rawValue) }
    public var isOver: Bool {
        self == .success || self == .failed || self == .canceled || self == .skipped
    }
    /// Waiting for a runner, or on one.
    public var isActive: Bool { self == .pending || self == .running || self == .canceling }
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

/// What one event or API answer says about a job. Absent fields are unknown, not empty.
public struct JobObservation: Sendable, Equatable {
    public var id: JobID
    public var projectID: Int64
    public var projectPath: String?
    public var name: String?
    public var stage: String?
    public var ref: String?
    public var status: JobStatus
    public var tags: [String]?
    /// GitLab's id of the runner that has the job.
    public var runnerID: Int64?
    public var failureReason: String?
    /// When GitLab made the job, cut to whole seconds, because hooks carry no more. Two jobs of one id that were made at
    /// different times are different jobs: a GitLab that is installed afresh counts from 1 again.
    public var createdAt: Timestamp?

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
    public let id: JobID
    public var projectID: Int64
    public var projectPath: String?
    public var name: String?
    public var stage: String?
    public var ref: String?
    public var status: JobStatus
    /// nil until the jobs API has been asked: job events don't carry the job's tags.
    public var tags: [String]?
    public var runnerID: Int64?
    public var failureReason: String?
    /// When each was first observed here.
    public var firstSeen: Timestamp
    public var pendingAt: Timestamp?
    public var runningAt: Timestamp?
    public var finishedAt: Timestamp?
    /// Why nothing serves the job, as last reported.
    public var waitingReason: String?

    public init(_ seen: JobObservation, at now: Timestamp) {
        id = seen.id
        projectID = seen.projectID
        status = seen.status
        firstSeen = now
        fill(from: seen)
        stampStatus(at: now)
    }

    /// Takes in what was observed. The same observation twice, or an old one after a newer one,
    /// changes nothing but details that were still unknown.
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

    /// Times that lie ahead count as now, as `Runner.keepTimes(within:)` has it.
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
        runnerID = runnerID ?? seen.runnerID
        if status == seen.status { failureReason = seen.failureReason ?? failureReason }
    }

    private mutating func stampStatus(at now: Timestamp) {
        if status == .pending { pendingAt = pendingAt ?? now }
        if status == .running { runningAt = runningAt ?? now }
        if status.isOver { finishedAt = finishedAt ?? now }
    }
}
