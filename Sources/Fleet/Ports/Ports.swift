/// A container or scope that carries our instance's id.
public struct DriverObject: Sendable, Equatable {
    /// The engine's id of the container, or the scope's name.
    public var id: String
    /// The runner that it was made for, which may be unknown here.
    public var runner: RunnerID
    /// It hasn't ended; it may be waiting to be started.
    public var running: Bool
    /// It was let go, and may have a job.
    public var started: Bool
    /// nil while it runs, and where the list does not have it.
    public var exitCode: Int?
    /// Why it should get no more jobs; nil where nothing is known against it.
    public var retirement: Retirement?

    /// What makes a runner that works worse than a new one.
    public enum Retirement: Sendable, Equatable {
        /// It can no longer have containers made for its jobs, because the engine was restarted with another socket.
        case cutOff
        /// Its pool wants the newest image, and there is a newer one.
        case imageReplaced
        /// Its cluster is ending it of its own accord, because its node is drained or lost, for instance.
        case evicted
    }

    public init(id: String, runner: RunnerID, running: Bool, started: Bool, exitCode: Int?, retirement: Retirement? = nil) {
        self.retirement = retirement
        self.started = started
        self.id = id
        self.runner = runner
        self.running = running
        self.exitCode = exitCode
    }
}

/// A driver's report of a change. Reports can be lost or come late: `RunnerDriver.list` shows how things are.
public enum DriverEvent: Sendable, Equatable {
    case exited(runner: RunnerID, exitCode: Int?)
    /// The kernel killed a process of the runner, or of its job in a container of its own, at a memory limit.
    case outOfMemory(runner: RunnerID, inContainerOfJob: Bool = false)
    /// A container of a runner, or of one of its jobs, was started: the image's name or its id, as the engine tells it.
    case imageUsed(String)
    /// The event stream (re)connected: anything may have happened meanwhile, so look at everything.
    case resync
    case disconnected(String)
}

/// Finds out what a host is.
public protocol HostSurveyor: Sendable {
    /// Returns what could be found, with a remark for what could not. An engine that does not answer is an `engineTrouble` where something else tells of the
    /// host; then what the engine told before stays. That it answers is seen by looks at its place, never by this.
    /// - Parameter usesEngine: some runners there are an engine's, whose machine counts.
    /// - Throws: when that engine does not answer; then what was known stays.
    func survey(usesEngine: Bool) async throws -> HostFacts
}

/// Wakes a host, and sends it to sleep.
///
/// An error that is not a `DriverFailure` counts as a refusal, not as an outage.
public protocol PowerSwitch: Sendable {
    /// Calls the host, and doesn't wait until it is up: that its engine answers shows it.
    func wake() async throws
    /// - Throws: an outage where the host is to stay awake for now, for instance because a person uses it.
    func sleep() async throws
}

/// Runs runners in one place: as containers of an engine, or in scopes of a user's systemd.
///
/// An error that is not a `DriverFailure` counts as a refusal, not as an outage.
public protocol RunnerDriver: Sendable {
    /// Makes the runner without starting it, fetching its image if need be. Called once for a runner.
    /// - Returns: the container's id or the scope's name.
    /// - Throws: when it was not made, or the answer was lost: it can be there all the same.
    func create(_ spec: RunnerSpec) async throws -> String
    /// Hands the credentials over and starts the runner. Called once for a runner, after `create`; returns when its process runs.
    /// - Throws: when the start failed, or its answer was lost: it can take effect all the same.
    func start(_ spec: RunnerSpec, credentials: RunnerCredentials) async throws
    /// Sends a signal to the runner's process. Done when the signal is on its way, or when the runner has ended or is gone.
    /// - Parameter signal: a name such as `SIGQUIT`.
    /// - Throws: when the signal is refused, or nobody could be asked.
    func signal(_ runner: RunnerID, _ signal: String) async throws
    /// Kills what still runs and removes everything of the runner, and everything that it made for its jobs. Returns when nothing is left;
    /// a runner that is already gone is success.
    /// - Throws: when something may be left; then it is called again.
    func remove(_ remains: Remains) async throws
    /// Everything that carries our instance's id, ended or not; of an engine also each runner, of whatever driver, of which only its jobs'
    /// containers are left.
    /// - Throws: when it can't be listed as a whole, because a runner that the list lacks is taken for gone.
    func list() async throws -> [DriverObject]
    /// The end of the runner's output, in whole lines; empty where there is none, or no such runner. Returns within minutes, whatever the other
    /// side does.
    /// - Parameter bytes: how much at most.
    /// - Throws: when the output can't be read.
    func lastOutput(_ runner: RunnerID, bytes: Int) async throws -> [UInt8]
    /// The last lines of the runner's output as bytes, and with `follow` all further output until the runner ends. A scope's output is not
    /// followed.
    /// - Throws: when the output can't be read; the stream also throws when it breaks off.
    func log(_ runner: RunnerID, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error>
    /// Fetches an image again, if its registry has another. Where there are no images, nothing.
    /// - Throws: when it could not be fetched; the one that is there stays in use.
    func refresh(_ image: WantedImage) async throws
    /// The pulls that are under way now.
    func pulls() -> [Pull]
    /// The file system that holds the engine's storage; nil where there is none, or it can't be seen from here.
    func disk() async throws -> DiskSpace?
    /// All images that the engine has, of whomever.
    func images() async throws -> [EngineImage]
    /// Removes an image with all its names, unless something uses it. One that isn't there is success.
    /// - Throws: when it stays.
    func removeImage(_ image: EngineImage) async throws
    /// Removes what nobody uses, of whomever: images without a name, and caches of builds.
    func sweepStorage() async throws
    /// Bytes that the runner has written outside of volumes; nil where that is not known.
    func written(by runner: RunnerID) async throws -> Int64?
    /// What the jobs of these runners use now, by runner: all containers of the job where it has its own, else the runner itself. A runner that
    /// can't be measured is left out.
    /// - Throws: when none can be measured.
    func use(of runners: Set<RunnerID>) async throws -> [RunnerID: [ResourceSample]]
    /// The volumes that hold caches of pools of our instance, configured or not. Where there are no volumes, none.
    /// - Throws: when they can't be listed as a whole.
    func caches() async throws -> [StoredCache]
    /// Removes one of `caches`, and returns false when somebody has it. One that is already gone is success.
    /// - Throws: when it may still be there for another reason.
    func removeCache(_ name: String) async throws -> Bool
    /// What some gitlab-runner has had the engine make for jobs and nobody seems to want any more: nothing of it says whose it is, so it is only
    /// shown. Where jobs have no containers, nothing.
    /// - Parameter tokens: the beginnings of the tokens of runners that live.
    func doubtful(except tokens: Set<String>) async throws -> [Doubtful]
    /// Reports of changes to runners of our instance, until the reader stops. For one reader at a time. Begins with `resync` once it is connected,
    /// reconnects by itself, and has another `resync` then.
    func events() -> AsyncStream<DriverEvent>
}

/// A thing of an engine that may be a leftover.
public struct Doubtful: Sendable, Equatable {
    /// `container`, `network` or `volume`.
    public var what: String
    /// Its name for people.
    public var name: String
    public init(what: String, name: String) {
        self.what = what
        self.name = name
    }
}

extension RunnerDriver {
    public func doubtful(except tokens: Set<String>) async throws -> [Doubtful] { [] }
    public func refresh(_ image: WantedImage) async throws {}
    public func pulls() -> [Pull] { [] }
    public func disk() async throws -> DiskSpace? { nil }
    public func images() async throws -> [EngineImage] { [] }
    public func removeImage(_ image: EngineImage) async throws {}
    public func sweepStorage() async throws {}
    public func written(by runner: RunnerID) async throws -> Int64? { nil }
    public func use(of runners: Set<RunnerID>) async throws -> [RunnerID: [ResourceSample]] { [:] }
    public func caches() async throws -> [StoredCache] { [] }
    public func removeCache(_ name: String) async throws -> Bool { true }

    /// Removes a runner of which nothing is known but its id.
    public func remove(_ runner: RunnerID) async throws { try await remove(Remains(runner)) }
}

/// A registration that GitLab has just made.
public struct Registration: Sendable {
    /// GitLab's id of the runner.
    public var id: Int64
    /// The runner's authentication token, which GitLab shows this once.
    public var token: Secret
    public init(id: Int64, token: Secret) {
        self.id = id
        self.token = token
    }
}

/// A registration as GitLab shows it.
public struct ForgeRunner: Sendable, Equatable {
    /// GitLab's id of the runner.
    public var id: Int64
    /// `Runner.name` for ours; empty when GitLab has none.
    public var description: String
    /// For ours it names the instance and the runner; nil where GitLab leaves it out, as in lists.
    public var maintenanceNote: String?
    /// Whether GitLab has ever heard from the runner.
    public var hasContacted: Bool
    public init(id: Int64, description: String, maintenanceNote: String?, hasContacted: Bool) {
        self.id = id
        self.description = description
        self.maintenanceNote = maintenanceNote
        self.hasContacted = hasContacted
    }
}

/// The content of an authentic webhook.
public enum DecodedEvent: Sendable, Equatable {
    case job(JobObservation)
    /// Authentic JSON that is of no use here, with the reason for the log.
    case unusable(String)
}

/// One look at all jobs that wait or run.
public struct Poll: Sendable, Equatable {
    /// Every pending and running job that could be read.
    public var jobs: [JobObservation]
    /// false when something could not be asked or read: absence then means nothing.
    public var isComplete: Bool
    /// The omissions and their reasons, a sentence each, in words that stay the same from poll to poll.
    public var remarks: [String]
    public init(jobs: [JobObservation], isComplete: Bool, remarks: [String] = []) {
        self.jobs = jobs
        self.isComplete = isComplete
        self.remarks = remarks
    }
}

/// The properties of a forge's error that the control loop acts on.
public protocol ForgeFailure: Error {
    /// When the forge wants to be asked again; nil when it doesn't say.
    var retryAfter: Duration? { get }
    /// Nothing will work until the operator gives us another token.
    var tokenRefused: Bool { get }
    /// The forge could not be asked, or had trouble of its own: it says nothing about the request.
    var isOutage: Bool { get }
}

/// The properties of a driver's error that the control loop acts on.
public protocol DriverFailure: Error {
    /// The engine or bus could not be asked; says nothing about the runner.
    var isOutage: Bool { get }
}

/// The body of a webhook is not even a JSON object.
public struct MalformedEvent: Error, CustomStringConvertible {
    public init() {}
    /// For the answer to whoever sent it.
    public var description: String { "the body is not a JSON object" }
}

/// A project's job hook.
public struct HookInstallation: Sendable, Equatable {
    /// GitLab's id of the hook.
    public var id: Int64
    /// false: there was one for this URL, and it was brought up to date.
    public var isNew: Bool
    /// GitLab had turned the one that was there off, so it was made anew.
    public var wasOff: Bool
    public init(id: Int64, isNew: Bool, wasOff: Bool = false) {
        self.id = id
        self.isNew = isNew
        self.wasOff = wasOff
    }
}

/// A GitLab instance, asked with the operator's token.
///
/// An error that is not a `ForgeFailure` counts as a refusal, not as an outage.
public protocol Forge: Sendable {
    /// How runners reach it.
    var runnerAccess: RunnerAccess { get }
    /// - Throws: `MalformedEvent` for a body that is not a JSON object.
    func decodeEvent(_ body: [UInt8]) throws -> DecodedEvent
    /// Makes a registration for the spec's pool. Its description is the runner's name, and its maintenance note names this instance. Not
    /// idempotent: each call makes another.
    /// - Throws: when it was not made, or the answer was lost: it can be there all the same.
    func register(_ spec: RunnerSpec) async throws -> Registration
    /// Removes a registration. One that is already gone is success.
    /// - Throws: when it may still be there.
    func unregister(_ id: Int64) async throws
    /// Has GitLab give a runner no more jobs, or jobs again. A registration that is already gone is success.
    /// - Throws: when it is not certain whether that took effect.
    func setPaused(_ id: Int64, _ paused: Bool) async throws
    /// nil when GitLab doesn't know the runner.
    func runner(_ id: Int64) async throws -> ForgeRunner?
    /// The jobs the runner has right now.
    func runningJobs(ofRunner id: Int64) async throws -> [JobID]
    /// The job as it is now; nil when there is no such job, or the token may not see it.
    func job(project: Int64, id: JobID) async throws -> JobObservation?
    /// Every pending and running job, on every call, also those that have not changed.
    /// - Throws: when the token is refused, or nothing at all could be asked. Where only a part is missing, the poll is incomplete.
    func activeJobs() async throws -> Poll
    /// Asks for as little as possible. Returns when the forge has answered.
    func ping() async throws
    /// Has GitLab send the project's job events to `url`. Done twice, there is still one hook for that URL.
    /// - Parameter project: its path or its number.
    func installHook(project: String, url: String, secret: Secret) async throws -> HookInstallation
    /// Has GitLab send a project's job events again, where it has turned a hook to `url`, or to another webhook of AutoGit's, off after failures.
    /// - Returns: whether there was such a hook.
    /// - Throws: when hooks can't be seen, or it stays off.
    func reviveHook(project: String, url: String, secret: Secret) async throws -> Bool
    /// All registrations whose maintenance note names this instance.
    func registrations(instance: String) async throws -> [ForgeRunner]
}

extension Forge {
    public func reviveHook(project: String, url: String, secret: Secret) async throws -> Bool { false }
}
