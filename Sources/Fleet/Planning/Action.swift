/// A decision of the planner. Each is taken as an observation first, so that the state shows the intent; one with an effect outside is
/// then carried out, once the intent is on disk.
public enum Action: Sendable, Hashable {
    // Changes of the state alone.

    /// The runner is to go: its phase becomes `pausing`.
    /// With `failed`, it is because it never worked, which is held against its pool unless GitLab knows better.
    case leave(RunnerID, reason: String, failed: Bool)
    /// Its process is given up; whatever of it still runs is killed with its removal.
    case end(RunnerID, reason: String, failed: Bool)
    /// An idle runner of its kind did not take the job.
    case refuse(JobRef, by: RunnerID)
    /// A start that an earlier life of the daemon began cannot be finished.
    case abandon(RunnerID)
    /// The place has been away for longer than its host may.
    case lose(Place)
    /// Nobody looks any more for what is left of it on its host.
    case forget(RunnerID)
    /// The host was called, twice, and does not answer.
    case oversleep(HostID)

    // Effects.

    case launch(RunnerID, pool: String, job: JobRef?, with: Equipment = Equipment(), on: HostID = .local)
    /// Has GitLab heard from it?
    case checkContact(RunnerID, RegistrationRef)
    case pause(RunnerID, RegistrationRef?)
    /// Which jobs does GitLab say it has, and has it called at all?
    case verify(RunnerID, RegistrationRef?)
    case signal(RunnerID, Place, String)
    /// Its last output, while it can still be had; it is kept for after the removal.
    case readLog(RunnerID, Place)
    /// Removes its container or scope, and its registration; nil for a half that is gone, never was, or can't be reached now.
    case remove(RunnerID, Place?, RegistrationRef?)
    case ask(JobRef, project: Int64)
    case poll(ForgeID)
    case ping(ForgeID)
    /// All registrations of this instance, to find those that no runner owns.
    case sweep(ForgeID)
    /// A registration that no runner owns, while GitLab shows that name under that number.
    case unregister(RegistrationRef, name: String)
    /// What is the host?
    case survey(HostID)
    case look(Place)
    case removeOrphan(Place, RunnerID)
    /// Asks the registry for a newer image.
    case refresh(Place, image: WantedImage)
    /// How much room has the engine's storage?
    case measure(Place)
    /// Which images are there that could go?
    case listImages(Place)
    case removeImage(Place, EngineImage)
    /// Removes what nobody uses of others'.
    case sweepStorage(Place)
    /// How much has the runner written?
    case weigh(RunnerID, Place)
    /// What do the jobs there use?
    case sample(Place)
    case flush
    /// Deletes jobs and runners that have been over for longer than `Beat.retention`.
    case expire
    /// When did jobs of the pools come that learn from it?
    case learn
    /// Calls a host that sleeps.
    case wake(HostID)
    /// Sends a host without runners to sleep.
    case sleep(HostID)

    /// At most one action of a key is under way.
    public enum Key: Sendable, Hashable {
        case runner(RunnerID)
        case job(JobRef)
        case poll(ForgeID)
        case sweep(ForgeID)
        case registration(RegistrationRef)
        case place(Place)
        case host(HostID)
        case orphan(RunnerID)
        case image(Place, WantedImage)
        case disk(Place)
        case use(Place)
        case store
        case history
        case demand
        case power(HostID)
    }

    /// nil for a change of the state alone.
    public var key: Key? {
        switch self {
        case .leave, .end, .refuse, .abandon, .lose, .forget, .oversleep: nil
        case .launch(let id, _, _, _, _), .checkContact(let id, _), .pause(let id, _), .verify(let id, _), .signal(let id, _, _), .readLog(let id, _),
            .weigh(let id, _), .remove(let id, _, _):
            .runner(id)
        case .ask(let job, _): .job(job)
        case .poll(let forge), .ping(let forge): .poll(forge)
        case .sweep(let forge): .sweep(forge)
        case .unregister(let registration, _): .registration(registration)
        case .look(let place): .place(place)
        case .survey(let host): .host(host)
        case .removeOrphan(_, let id): .orphan(id)
        case .refresh(let place, let image): .image(place, image)
        case .measure(let place), .listImages(let place), .removeImage(let place, _), .sweepStorage(let place): .disk(place)
        case .sample(let place): .use(place)
        case .flush: .store
        case .expire: .history
        case .learn: .demand
        case .wake(let host), .sleep(let host): .power(host)
        }
    }

    /// It changes something outside, so that its intent must be on disk before.
    public var needsIntent: Bool {
        switch self {
        case .launch, .pause, .signal, .remove, .unregister, .removeOrphan, .removeImage, .sweepStorage: true
        default: false
        }
    }
}

/// The actions for now, and a reason for every job that has to wait.
public struct Plan: Sendable, Equatable {
    /// In the order in which they are to be decided.
    public var actions: [Action] = []
    /// Of every pending job without a runner on its way.
    public var waiting: [JobRef: WaitingReason] = [:]
    /// Why an operator's orders for runners are refused, by pool.
    public var refusals: [String: WaitingReason] = [:]
    /// When time alone will next change the plan.
    public var wakeAt: Timestamp?

    mutating func wake(at time: Timestamp) { wakeAt = min(wakeAt ?? time, time) }
}
