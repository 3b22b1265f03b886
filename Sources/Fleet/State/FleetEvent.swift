/// A change of the fleet: the one source of journal lines and history. It carries values; its message is constant for a kind, so that a
/// log can be grouped by it, and the details are in its fields.
public struct FleetEvent: Sendable, Equatable {
    /// The kinds of change, with the details of each.
    public enum Kind: Sendable, Equatable {
        // Of a job.
        case jobSeen(byHook: Bool)
        case jobDispatched, jobStarted, jobFinished, jobEnded, jobGone, jobReplaced, jobWithdrawn, staleHook
        case jobWaits(WaitingReason)
        case jobRefused
        // Of a runner.
        case requested, registered, created, started, foundAgain, contacted, leaving, drained, removed, dismissedByForce
        case startUnclear(String), startFailed(String, Incident), startInterrupted(String)
        case exited(String, expected: Bool), ended, lastLines([String]), logNotKept(String), outOfMemory(limit: Int64?)
        case stepFailed(String, String), stuck(String)
        // Of a pool.
        case quarantined(String), poolRecovered, poolPaused, poolResumed
        // Of the world around.
        case gitlabTrouble(String, tokenRefused: Bool), gitlabAnswers, pollRemark(String), pollComplete
        case driverTrouble(String), driverAnswers, imageNotRefreshed(String)
        case hostLost(away: Duration, runners: Int), runnerLost, runnerForgotten, hostBack(runners: Int), hostDrained, hostResumed
        case hostCalled, hostWoke(after: Duration), hostSentToSleep, hostAsleep, hostPowerFailed(String)
        case gpuLost([RunnerID]), gpuBack, gpuFault(String), hostRemark(String)
        case diskShort(free: Int64, reserve: Int64), diskRoomy, imageRemoved(bytes: Int64)
        case storeTrouble(String), storeWorks
        case orphan(Place), orphanStays(String), ghost, ghostStays(String), sweepTrouble(String)
        case unusableHook(String)
        case remembered(runners: Int, jobs: Int)
        case evacuating
    }

    /// The change.
    public var kind: Kind
    /// The runner that it is about, as it was then.
    public var runner: Runner?
    /// The job that it is about, as it was then.
    public var job: Job?
    /// The name of the pool that it is about, or of the runner's.
    public var pool: String?
    /// A GitLab, a place, or a name outside of the state that it is about.
    public var subject: String?

    init(_ kind: Kind, runner: Runner? = nil, job: Job? = nil, pool: String? = nil, subject: String? = nil) {
        self.kind = kind
        self.runner = runner
        self.job = job
        self.pool = pool
        self.subject = subject
    }
}
