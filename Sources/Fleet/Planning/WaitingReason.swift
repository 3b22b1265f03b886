/// Why a pending job has no runner on its way. Every pending job has one of these or a runner.
public enum WaitingReason: Sendable, Hashable {
    /// AutoGit has just started: it is asking which runners there are, and whether the job still waits.
    case startingUp
    /// No event has a job's tags; the jobs API is being asked for them.
    case tagsUnknown
    /// GitLab refuses to tell about this job; in GitLab's words.
    case gitlabRefuses(String)
    case evacuating
    case gitlabAway(String)
    case tokenRefused(String)
    case storeNotWritable(String)
    /// No pool has `run_untagged`, and the job has no tags.
    case noPoolForUntagged
    case noPoolHasTags([String])
    /// Each tag is some pool's, but no pool has them all.
    case noPoolHasAllTags([String])
    /// Runners of the right kind were there for it and did not take it.
    case held
    case poolPaused(String)
    case backingOff(pool: String, error: String)
    case quarantined(pool: String, error: String)
    /// One runner is tried after a failed start.
    case probing(pool: String)
    case atMaximum(pool: String, max: Int)
    /// Bytes.
    case memoryBudget(promised: Int64, bound: Int64)
    case cpuBudget(promised: Double, bound: Double)
    case engineDown(Place, String)
    /// Bytes: the engine's storage has less room than it is to keep, also without the images that may go.
    case diskReserve(free: Int64, reserve: Int64)
    /// The place already has as many launches under way as it may.
    case launchesAtBound(Int)

    /// One word for logs, metrics and programs; it is the same whatever the figures are.
    public var code: String {
        switch self {
        case .startingUp: "starting-up"
        case .tagsUnknown: "tags-unknown"
        case .gitlabRefuses: "gitlab-refuses"
        case .evacuating: "evacuating"
        case .gitlabAway: "gitlab-away"
        case .tokenRefused: "token-refused"
        case .storeNotWritable: "store-not-writable"
        case .noPoolForUntagged, .noPoolHasTags, .noPoolHasAllTags: "no-pool"
        case .held: "held"
        case .poolPaused: "pool-paused"
        case .backingOff: "backing-off"
        case .quarantined: "quarantined"
        case .probing: "probing"
        case .atMaximum: "at-maximum"
        case .memoryBudget: "memory-budget"
        case .cpuBudget: "cpu-budget"
        case .engineDown: "engine-down"
        case .diskReserve: "disk-reserve"
        case .launchesAtBound: "launches-at-bound"
        }
    }

    /// Reasons that alternate while the same thing is wrong; a change among them is not reported.
    public var group: String {
        switch self {
        case .backingOff, .quarantined, .probing: "failed-starts"
        case .startingUp, .tagsUnknown, .launchesAtBound: "soon"
        default: code
        }
    }

    /// For people, without a full stop.
    public var text: String {
        switch self {
        case .startingUp: "AutoGit has just started and is looking at what there is"
        case .tagsUnknown: "GitLab is being asked for its tags"
        case .gitlabRefuses(let why): "GitLab does not say what is asked about it: \(why)"
        case .evacuating: "all runners are being removed"
        case .gitlabAway(let why): "GitLab does not answer: \(why)"
        case .tokenRefused(let why): "GitLab refuses the token: \(why)"
        case .storeNotWritable(let why): "the state can't be written: \(why)"
        case .noPoolForUntagged: "no pool has run_untagged"
        case .noPoolHasTags(let tags): "no pool has the tag \(tags.joined(separator: ", "))"
        case .noPoolHasAllTags(let tags): "no one pool has all of the tags \(tags.joined(separator: ", "))"
        case .held: "no runner that was there for it took it: is the pool's kind of runner allowed in its project?"
        case .poolPaused(let pool): "pool \(pool) is paused"
        case .backingOff(let pool, let error): "pool \(pool) waits after a failed start: \(error)"
        case .quarantined(let pool, let error): "pool \(pool) is in quarantine after failed starts: \(error)"
        case .probing(let pool): "pool \(pool) tries one runner after a failed start"
        case .atMaximum(let pool, let max): "pool \(pool) is at max_runners (\(max))"
        case .memoryBudget(let promised, let bound): "the host's memory budget is used up (\(promised >> 20) of \(bound >> 20) MiB promised)"
        case .cpuBudget(let promised, let bound): "the host's CPU budget is used up (\(promised) of \(bound) promised)"
        case .engineDown(let place, let why): "\(place.kind == .container ? "the engine" : "the user's systemd") does not answer: \(why)"
        case .diskReserve(let free, let reserve):
            "the engine's disk has \(free >> 20) MiB left, less than disk_reserve (\(reserve >> 20) MiB)"
        case .launchesAtBound(let bound): "\(bound) runners are being started already"
        }
    }

    /// `debug` for reasons that pass within seconds, `info` for bounds, probes and the operator's orders, `warning` for trouble.
    public var severity: Severity {
        switch self {
        case .startingUp, .tagsUnknown, .launchesAtBound: .debug
        case .evacuating, .poolPaused, .atMaximum, .memoryBudget, .cpuBudget, .probing: .info
        case .gitlabRefuses, .gitlabAway, .tokenRefused, .storeNotWritable, .held, .backingOff, .quarantined, .engineDown, .diskReserve: .warning
        case .noPoolForUntagged, .noPoolHasTags, .noPoolHasAllTags: .warning
        }
    }

    /// The entry of the journal's catalog that explains it; nil where there is none.
    public var incident: Incident? {
        switch self {
        case .noPoolForUntagged, .noPoolHasTags, .noPoolHasAllTags: .noPoolFits
        default: nil
        }
    }
}
