/// One thing to remember.
public enum Change: Sendable {
    case job(Job)
    case runner(Runner)
    case history(HistoryEntry)
    case pool(name: String, paused: Bool)
    case host(name: String, drained: Bool)
    /// How a host's engine is reached: once it is not configured any more, what is left there must still be removed.
    case engine(host: String, address: String)
    case image(ImageUse)
    /// The image was removed, and with it the memory of its use.
    case imageGone(host: HostID, image: String)
}

/// The state that the store gives back when the daemon starts.
public struct Memory: Sendable {
    /// The id of this installation: twelve hexadecimal digits, made with the database.
    public var instance: String
    /// Jobs that wait or run, as they were when they were written last.
    public var jobs: [Job]
    /// Runners that were not removed.
    public var runners: [Runner]
    /// Jobs that are over by GitLab's own word, with their creation times as far as known, the oldest first.
    public var finishedJobs: [(job: JobRef, createdAt: Timestamp?)]
    /// Names of pools that an operator paused, configured or not.
    public var pausedPools: Set<String>
    /// Hosts that an operator drained, configured or not.
    public var drainedHosts: Set<HostID>
    /// How the engines of hosts were reached last, configured or not.
    public var engines: [HostID: String]
    /// Images that were used and not removed since.
    public var images: [ImageUse]
    public init(
        instance: String, jobs: [Job], runners: [Runner], finishedJobs: [(job: JobRef, createdAt: Timestamp?)], pausedPools: Set<String>,
        drainedHosts: Set<HostID> = [], engines: [HostID: String] = [:], images: [ImageUse] = []
    ) {
        self.engines = engines
        self.drainedHosts = drainedHosts
        self.images = images
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
    /// Returns when all that was enqueued before is on disk. Changes that could not be written are
    /// kept, and written with the next changes or the next flush.
    func flush() async throws
    /// Forgets jobs that are over and runners that were removed before a time, with their history, and logs that were kept before it.
    func forget(before time: Timestamp) async throws
    /// Active jobs, live runners, and the newest of the jobs that are over.
    func load() async throws -> Memory
    /// The lines of a runner's history, the oldest first; none for an unknown one.
    func history(of runner: RunnerID) async throws -> [HistoryEntry]
    /// The jobs that were first seen last, the newest first.
    func recentJobs(limit: Int) async throws -> [Job]
    /// The jobs that are over, the one that ended last first.
    func endedJobs(limit: Int) async throws -> [Job]
    /// A job, over or not; nil when it is unknown or was forgotten.
    func job(_ id: JobRef) async throws -> Job?
    /// A runner, removed or not; nil when it is unknown or was forgotten.
    func runner(_ id: RunnerID) async throws -> Runner?
    /// The number of jobs by status; a status without jobs is absent.
    func jobCounts() async throws -> [String: Int]
    /// Jobs that ran or ended since a time, runners that made contact since, and the last ones that failed.
    /// - Parameter failures: how many of the last at most.
    func past(since time: Timestamp, failures: Int) async throws -> Past
    /// Adds up the days that are over and were not added up before, and forgets sums of more than a year ago. To be called before `forget`.
    func rollUp(at now: Timestamp) async throws
    /// Days since a time, the oldest first, without those in which nothing happened; the last is under way. Of a day that is not over yet, or not
    /// added up, the sum is made now.
    func days(since: Timestamp, now: Timestamp) async throws -> [UsageDay]
    /// When the jobs came that began to run since a time, to the second, by the pool of their runner, in no order.
    func arrivals(since: Timestamp) async throws -> [String: [Timestamp]]
    /// What jobs of the same name in the same project used that are over and were measured, the newest first.
    /// - Parameter limit: how many at most.
    func usages(like job: Job, limit: Int) async throws -> [JobUsage]
    /// Keeps a runner's log, in place of one that was kept before, and drops the oldest of those that exceed `KeptLog`'s bounds. Returns when it
    /// is on disk; nothing else waits for it, and nothing is tried again.
    func keep(_ log: KeptLog) async throws
    /// The kept log of a runner; nil where there is none.
    func keptLog(of runner: RunnerID) async throws -> KeptLog?
    /// What is kept of a runner, or of all, the newest first.
    func keptLogs(of runner: RunnerID?) async throws -> [KeptLog.Entry]
}

extension StateStore {
    public func rollUp(at now: Timestamp) async throws {}
    public func days(since: Timestamp, now: Timestamp) async throws -> [UsageDay] { [] }
    public func arrivals(since: Timestamp) async throws -> [String: [Timestamp]] { [:] }
    public func usages(like job: Job, limit: Int) async throws -> [JobUsage] { [] }

    /// Returns when the changes, and all that were enqueued before, are on disk.
    public func save(_ changes: [Change]) async throws {
        enqueue(changes)
        try await flush()
    }
}
