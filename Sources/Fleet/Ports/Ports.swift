/// What a driver needs to know to make a runner.
public struct RunnerSpec: Sendable {
    public var runner: RunnerID
    public var instance: String
    public var pool: Pool
    public init(runner: RunnerID, instance: String, pool: Pool) {
        self.runner = runner
        self.instance = instance
        self.pool = pool
    }
}

/// What a runner needs to reach GitLab; put where only the runner reads it.
public struct RunnerCredentials: Sendable {
    public var url: String
    public var token: Secret
    public init(url: String, token: Secret) {
        self.url = url
        self.token = token
    }
}

/// A container or scope that carries our instance's id.
public struct DriverObject: Sendable, Equatable {
    public var id: String
    public var runner: RunnerID
    /// It hasn't ended; it may be waiting to be started.
    public var running: Bool
    /// It was let go, and may have a job.
    public var started: Bool
    public var exitCode: Int?
    public init(id: String, runner: RunnerID, running: Bool, started: Bool, exitCode: Int?) {
        self.started = started
        self.id = id
        self.runner = runner
        self.running = running
        self.exitCode = exitCode
    }
}

public enum DriverEvent: Sendable, Equatable {
    case exited(runner: RunnerID, exitCode: Int?)
    /// The kernel killed a process of the runner, because the runner was at its memory limit.
    case outOfMemory(runner: RunnerID)
    /// The event stream (re)connected: anything may have happened meanwhile, so look at everything.
    case resync
    case disconnected(String)
}

/// How runners are run. Every call is idempotent: what is already so is success.
public protocol RunnerDriver: Sendable {
    /// Makes the runner without starting it, fetching its image if need be.
    func create(_ spec: RunnerSpec) async throws -> String
    func start(_ spec: RunnerSpec, credentials: RunnerCredentials) async throws
    /// A runner that is already gone is no error.
    func signal(_ runner: RunnerID, _ signal: String) async throws
    /// Kills what still runs and removes everything of the runner.
    func remove(_ runner: RunnerID) async throws
    func list() async throws -> [DriverObject]
    func logTail(_ runner: RunnerID, lines: Int) async throws -> [String]
    /// The last lines of what the runner wrote, and with `follow` what it writes until it ends.
    func log(_ runner: RunnerID, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error>
    func events() -> AsyncStream<DriverEvent>
}

public struct Registration: Sendable {
    public var id: Int64
    public var token: Secret
    public init(id: Int64, token: Secret) {
        self.id = id
        self.token = token
    }
}

public struct ForgeRunner: Sendable, Equatable {
    public var id: Int64
    public var description: String
    public var maintenanceNote: String?
    public var hasContacted: Bool
    public init(id: Int64, description: String, maintenanceNote: String?, hasContacted: Bool) {
        self.id = id
        self.description = description
        self.maintenanceNote = maintenanceNote
        self.hasContacted = hasContacted
    }
}

public enum DecodedEvent: Sendable, Equatable {
    case job(JobObservation)
    /// Authentic JSON that is of no use here, with the reason for the log.
    case unusable(String)
}

/// One look at all pending and running jobs. Each poll is the whole list, also when nothing has changed since the last.
public struct Poll: Sendable, Equatable {
    /// Every pending and running job that could be read, each once.
    public var jobs: [JobObservation]
    /// false when something could not be asked or read: the absence of a job then means nothing.
    public var isComplete: Bool
    /// What was left out and why, one sentence each, naming the project or element. The same trouble is worded the same
    /// at each poll, without counters and times, so that a repetition can be recognised.
    public var remarks: [String]

    /// - Parameters:
    ///   - jobs: every pending and running job that could be read.
    ///   - isComplete: false when something could not be asked or read.
    ///   - remarks: what was left out and why.
    public init(jobs: [JobObservation], isComplete: Bool, remarks: [String]) {
        self.jobs = jobs
        self.isComplete = isComplete
        self.remarks = remarks
    }
}

/// The part of a forge's error that the control loop acts on.
public protocol ForgeFailure: Error {
    /// When the forge wants to be asked again; nil when it doesn't say.
    var retryAfter: Duration? { get }
    /// Nothing will work until the operator gives us another token.
    var tokenRefused: Bool { get }
    /// The forge could not be asked or had trouble of its own, which says nothing about the request: ask again later.
    var isOutage: Bool { get }
}

/// The body of a webhook is not even a JSON object.
public struct MalformedEvent: Error, CustomStringConvertible {
    public init() {}
    public var description: String { "the body is not a JSON object" }
}

/// A project's job hook.
public struct HookInstallation: Sendable, Equatable {
    public var id: Int64
    /// false: there was one for this URL, and it was brought up to date.
    public var isNew: Bool
    public init(id: Int64, isNew: Bool) {
        self.id = id
        self.isNew = isNew
    }
}

/// The GitLab instance.
public protocol Forge: Sendable {
    var runnerURL: String { get }
    /// - Throws: `MalformedEvent` for a body that is not a JSON object.
    func decodeEvent(_ body: [UInt8]) throws -> DecodedEvent
    func register(_ spec: RunnerSpec) async throws -> Registration
    /// Returns when GitLab itself has answered; an error of the transport or of a proxy is thrown.
    /// - Throws: a `ForgeFailure`; not an outage when GitLab is there and the token lacks the scope to ask.
    func ping() async throws
    /// A registration that is already gone is no error; only GitLab's own 404 counts as gone.
    func unregister(_ id: Int64) async throws
    /// A registration that is already gone is no error; only GitLab's own 404 counts as gone.
    func setPaused(_ id: Int64, _ paused: Bool) async throws
    /// nil when GitLab itself says that it doesn't know the runner.
    func runner(_ id: Int64) async throws -> ForgeRunner?
    /// The jobs the runner has right now.
    func runningJobs(ofRunner id: Int64) async throws -> [JobID]
    /// nil when GitLab itself says that there is no such job, or that the token may not see it.
    func job(project: Int64, id: JobID) async throws -> JobObservation?
    /// Every pending and running job that the token may see.
    /// - Throws: a `ForgeFailure` when the token is refused or nothing at all could be asked; a part that could not be
    ///   is left out instead, with a remark.
    func activeJobs() async throws -> Poll
    /// Has GitLab send the project's job events to `url`. Done twice, there is still one hook.
    func installHook(project: String, url: String, secret: Secret) async throws -> HookInstallation
    /// All registrations whose maintenance note names this instance.
    func registrations(instance: String) async throws -> [ForgeRunner]
}

/// One thing to remember.
public enum Change: Sendable {
    case job(Job)
    case runner(Runner)
    case history(HistoryEntry)
    case pool(name: String, paused: Bool)
}

public struct Memory: Sendable {
    public var instance: String
    public var jobs: [Job]
    public var runners: [Runner]
    public var finishedJobs: [JobID]
    public var pausedPools: Set<String>
    public init(
        instance: String, jobs: [Job], runners: [Runner], finishedJobs: [JobID], pausedPools: Set<String>
    ) {
        self.finishedJobs = finishedJobs
        self.instance = instance
        self.jobs = jobs
        self.runners = runners
        self.pausedPools = pausedPools
    }
}

/// Where everything is remembered.
public protocol StateStore: Sendable {
    /// Begins to write the changes, and returns at once. The order of calls is the order on disk.
    func enqueue(_ changes: [Change])
    /// Returns when all that was enqueued before is on disk. What could not be written is not forgotten: it is
    /// written with the next changes, or the next flush.
    func flush() async throws
    /// Forgets jobs that are over and runners that were removed before a time, with their history.
    func forget(before time: Timestamp) async throws
    /// Active jobs, live runners, and the newest of the jobs that are over.
    func load() async throws -> Memory
    func history(of runner: RunnerID) async throws -> [HistoryEntry]
    func recentJobs(limit: Int) async throws -> [Job]
    func job(_ id: JobID) async throws -> Job?
    func runner(_ id: RunnerID) async throws -> Runner?
    func jobCounts() async throws -> [String: Int]
}

extension StateStore {
    /// Returns when the changes, and all that were enqueued before, are on disk.
    public func save(_ changes: [Change]) async throws {
        enqueue(changes)
        try await flush()
    }
}
