/// Something that happened to the fleet. Nothing else changes its state.
public enum Observation: Sendable {
    /// The state that an earlier life of the daemon stored.
    case remembered(Memory)
    case configured(FleetState.Configuration)
    /// A webhook.
    case hook(ForgeID, JobObservation)
    /// That webhook was taken and is not on disk.
    case unstoredHook(ForgeID)
    /// The planner's decision, about to be carried out.
    case decided(Action)
    /// A step of a launch, while it goes on.
    case launching(RunnerID, LaunchStep)
    /// The end of an action that had an effect, or was to have one.
    case done(Action, Result<Answer, Trouble>)
    /// A driver's own word.
    case heard(Place, DriverEvent)
    case ordered(Order)
    /// A write, and the trouble it met.
    case stored(Trouble?)
    /// Conditions that will end runners later, in place of all earlier ones.
    case warned(by: String, [String])
    /// The planner's reasons, to be reported when they change.
    case explained([JobRef: WaitingReason])
    /// How far the calendar is ahead of the loop's clock by now.
    case calendar(ahead: Duration)
    /// A webhook that was authentic and of no use.
    case unusableHook(String)
    case stopping
}

/// How far a launch has come.
public enum LaunchStep: Sendable, Equatable {
    /// GitLab's id, and the beginning of the token where that tells runners apart.
    case registered(Int64, shortToken: String?)
    case registrationFailed(Trouble)
    case created(String)
    case creationFailed(Trouble)
    /// Registered and created, and about to be started if it is still wanted.
    case prepared
    case started
    /// The start failed, and may have taken effect all the same.
    case startUnclear(Trouble)
}

/// The result of an action.
public enum Answer: Sendable {
    case done
    case contact(ForgeRunner?)
    case jobs([JobID], contacted: Bool)
    /// GitLab says that it does not know the runner.
    case noRegistration
    case job(JobObservation?)
    case poll(Poll)
    case registrations([ForgeRunner])
    case objects([DriverObject])
    case host(HostFacts)
    case disk(DiskSpace?)
    case images([EngineImage])
    /// Bytes; nil where nobody knows.
    case written(Int64?)
    /// What the jobs used that those runners had when they were looked at.
    case use([RunnerID: [ResourceSample]], of: [RunnerID: JobID])
    /// When jobs came, by pool; a pool without jobs is absent.
    case demand([String: DemandHistory])
    /// The end of a log that was read, and the trouble with which it could not be kept.
    case lines([String], notKept: Trouble? = nil)
    /// The trouble that each half of a removal met; nil for a half that worked or was not tried.
    case removal(container: Trouble?, registration: Trouble?)
}

/// An operator's order.
public enum Order: Sendable, Equatable {
    case spawn(pool: String)
    case dismiss(RunnerID, force: Bool)
    case pause(pool: String, Bool)
    case drain(HostID, Bool)
    case evacuate
    /// Places and registrations are looked at at once, and removals and runners' steps that failed are tried again at once.
    case reconcile
}
