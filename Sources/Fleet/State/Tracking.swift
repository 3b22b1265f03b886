/// A job, and how it is kept track of. Only the job itself is written.
public struct TrackedJob: Sendable {
    /// The job, merged from all observations.
    public var job: Job
    /// When GitLab last said of it, in this life of the daemon, that it is as it is here.
    public internal(set) var confirmedAt: Timestamp?
    /// When GitLab is to be asked about it; nil while there is nothing to ask.
    var askAt: Timestamp?
    /// When it was last asked.
    var askedAt: Timestamp?
    var asking = Backoff()
    /// GitLab's words when it refused to tell.
    var refusal: String?
    /// Since when GitLab says that there is no such job.
    var goneSince: Timestamp?
    /// When an idle runner of the right kind last did not take it; only runners that are newer count for it.
    var refusedAt: Timestamp?
    var refusals = 0
    /// While it waits nothing is started for it.
    var hold = Backoff()
    /// The group of the reason why it waits that was told last.
    var toldGroup: String?
    /// By the rule that it fits; nil where it fits none.
    var priority: Int?

    init(_ job: Job) { self.job = job }
}

/// How far a runner's steps have come in this life of the daemon. The state that must outlive it is in the `Runner`.
struct Progress: Sendable {
    /// Steps of its end that failed.
    var step = Backoff()
    /// How often such a step was refused, which waiting may not mend.
    var refusals = 0
    /// When GitLab is asked again whether it has called.
    var contact = Backoff()
    /// When GitLab last said which jobs it has, and which observation last asked it.
    var verifiedAt: Timestamp?
    var verifyBegan: Int?
    /// Which observation last changed its job here: an answer to an older question says nothing.
    var jobChangedAt: Int?
    /// It exited before the answer to its start came.
    var exitedEarly = false
    var earlyCode: Int?
    /// Since when GitLab says that it does not know it.
    var missingSince: Timestamp?
    /// The error of a start that may have taken effect all the same.
    var startTrouble: String?
    /// The launch failed because of GitLab, an engine or the disk, which is not held against the pool.
    var isBlameless = false
    var isSignaled = false
    /// What its job uses.
    var meter: UsageMeter?
    /// How many jobs it had done when its disk was last looked at.
    var weighedJobs: Int?
    /// What the last look found against it.
    var retirement: DriverObject.Retirement?
    /// Its output is to be read before it is removed.
    var wantsLog = false
    /// How often that failed because its place could not be asked.
    var logFailures = 0
    var containerGone = false
    var containerGoneAt: Timestamp?
    var registrationGone = false
    /// Its host was lost, and it had no job when the host came back.
    var wasLost = false
    /// Why it can't be taken further.
    var stuck: String?
}
