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

/// What of a driver's error the control loop acts on.
public protocol DriverFailure: Error {
    /// The engine or bus could not be asked; says nothing about the runner.
    var isOutage: Bool { get }
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

public enum PollResult: Sendable {
    case unchanged
    /// Every pending and running job there is. `complete` is false when some project could not be
    /// asked, so absence then means nothing.
    case jobs([JobObservation], complete: Bool)
}

/// What of a forge's error the control loop acts on.
public protocol ForgeFailure: Error {
    /// When the forge wants to be asked again; nil when it doesn't say.
    var retryAfter: Duration? { get }
    /// Nothing will work until the operator gives us another token.
    var tokenRefused: Bool { get }
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
    /// A registration that is already gone is no error.
    func unregister(_ id: Int64) async throws
    /// A registration that is already gone is no error.
    func setPaused(_ id: Int64, _ paused: Bool) async throws
    /// nil when GitLab doesn't know the runner.
    func runner(_ id: Int64) async throws -> ForgeRunner?
    /// The jobs the runner has right now.
    func runningJobs(ofRunner id: Int64) async throws -> [JobID]
    /// nil when there is no such job, or the token may not see it.
    func job(project: Int64, id: JobID) async throws -> JobObservation?
    func activeJobs() async throws -> PollResult
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
