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
    /// The pool starts no more runners for jobs of its project.
    case projectAtMaximum(pool: String, max: Int)
    /// The host's budget is used up, and an idle runner of another pool leaves for the job.
    case makingRoom(by: RunnerID)
    /// Bytes.
    case memoryBudget(promised: Int64, bound: Int64)
    case cpuBudget(promised: Double, bound: Double)
    case engineDown(Place, String)
    /// The host, or its engine, is not what the pool needs.
    case hostUnfit(pool: String, why: String)
    /// QEMU is not registered for the architecture, or only for programs outside of containers.
    case noEmulator(Architecture, host: Architecture, isOutsideOnly: Bool)
    case noGPU(pool: String, vendor: GPUVendor, wanted: Int, found: Int)
    case gpusInUse(total: Int, runners: [RunnerID])
    /// Runners have as many of the host's things as leave too few.
    case resourceInUse(String, taken: Int, of: Int)
    case hostDrained(HostID)
    /// A host sleeps, or wakes, that has room for it.
    case hostWaking(HostID, within: Duration)
    /// In what words the last try to wake it failed.
    case hostStaysAsleep(HostID, String)
    /// No host that is configured is one of the pool's.
    case noHost(pool: String)
    /// Each of the pool's hosts has a reason of its own.
    case noHostTakes(pool: String, [HostObstacle])
    /// The preferred hosts have no room, and the next ones may not be used yet.
    case preferredFull(pool: String, after: Duration)
    /// Bytes: the engine's storage has less room than it is to keep, also without the images that may go.
    case diskReserve(free: Int64, reserve: Int64)
    /// The place already has as many launches under way as it may.
    case launchesAtBound(Int)

    /// Why a host takes no runner of a pool now.
    public struct HostObstacle: Sendable, Hashable {
        public var host: HostID
        public var reason: WaitingReason
        public init(host: HostID, reason: WaitingReason) {
            self.host = host
            self.reason = reason
        }
    }

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
        case .projectAtMaximum: "project-at-maximum"
        case .makingRoom: "making-room"
        case .memoryBudget: "memory-budget"
        case .cpuBudget: "cpu-budget"
        case .engineDown: "engine-down"
        case .hostUnfit: "host-unfit"
        case .noEmulator: "no-emulator"
        case .noGPU: "no-gpu"
        case .gpusInUse: "gpus-in-use"
        case .diskReserve: "disk-reserve"
        case .resourceInUse: "resource-in-use"
        case .hostDrained: "host-drained"
        case .hostWaking: "host-waking"
        case .hostStaysAsleep: "host-stays-asleep"
        case .noHost: "no-host"
        case .noHostTakes(_, let obstacles): Set(obstacles.map(\.reason.code)).count == 1 ? obstacles[0].reason.code : "no-host-takes"
        case .preferredFull: "preferred-full"
        case .launchesAtBound: "launches-at-bound"
        }
    }

    /// Reasons that alternate while the same thing is wrong; a change among them is not reported.
    public var group: String {
        switch self {
        case .backingOff, .quarantined, .probing: "failed-starts"
        case .startingUp, .tagsUnknown, .launchesAtBound, .makingRoom: "soon"
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
        case .projectAtMaximum(let pool, let max): "pool \(pool) has max_per_project (\(max)) jobs of this project"
        case .makingRoom(let runner): "the idle runner \(runner) leaves to make room"
        case .memoryBudget(let promised, let bound): "the host's memory budget is used up (\(promised >> 20) of \(bound >> 20) MiB promised)"
        case .cpuBudget(let promised, let bound): "the host's CPU budget is used up (\(promised) of \(bound) promised)"
        case .engineDown(let place, let why): "\(place.kind == .container ? "the engine" : "the user's systemd") does not answer: \(why)"
        case .hostUnfit(let pool, let why): "pool \(pool) can't run here: \(why)"
        case .noEmulator(let wanted, let host, false):
            "the host is \(host) and has no emulator for \(wanted): apt install qemu-user-static"
        case .noEmulator(let wanted, _, true):
            "the emulator for \(wanted) does not reach containers, because it is registered without flag F: apt install qemu-user-static"
        case .noGPU(let pool, let vendor, let wanted, let found):
            "pool \(pool) wants \(wanted) \(vendor.title) GPU\(wanted == 1 ? "" : "s"), and the host has \(found == 0 ? "none" : "\(found)"): autogitctl gpus"
        case .gpusInUse(let total, let runners):
            "\(total == 1 ? "the GPU is" : "all \(total) GPUs are") "
                + (runners.isEmpty ? "promised to other jobs" : "in use (runner\(runners.count == 1 ? "" : "s") \(runners.joined(separator: ", ")))")
        case .diskReserve(let free, let reserve):
            "the engine's disk has \(free >> 20) MiB left, less than disk_reserve (\(reserve >> 20) MiB)"
        case .resourceInUse(let thing, let taken, let all): "\(taken) of \(all) \(thing) are in use"
        case .hostDrained(let host): "the host \(host) is drained: autogitctl hosts resume \(host)"
        case .hostWaking(let host, let time): "the host \(host) is being woken, which takes about \(time.text)"
        case .hostStaysAsleep(let host, let why): "the host \(host) does not wake: \(why)"
        case .noHost(let pool): "no configured host is one of pool \(pool)'s"
        case .noHostTakes(let pool, let obstacles):
            "no host takes a runner of pool \(pool): " + obstacles.map { "\($0.host): \($0.reason.text)" }.joined(separator: "; ")
        case .preferredFull(let pool, let after): "pool \(pool) waits \(after.text) for room on a preferred host before it uses the next"
        case .launchesAtBound(let bound): "\(bound) runners are being started already"
        }
    }

    /// `debug` for reasons that pass within seconds, `info` for bounds, probes and the operator's orders, `warning` for trouble.
    public var severity: Severity {
        switch self {
        case .startingUp, .tagsUnknown, .launchesAtBound, .makingRoom: .debug
        case .evacuating, .poolPaused, .atMaximum, .projectAtMaximum, .memoryBudget, .cpuBudget, .gpusInUse, .probing, .resourceInUse, .hostDrained,
            .preferredFull, .hostWaking:
            .info
        case .noHostTakes(_, let obstacles): obstacles.allSatisfy { $0.reason.passes } ? .info : .warning
        case .gitlabRefuses, .gitlabAway, .tokenRefused, .storeNotWritable, .held, .backingOff, .quarantined, .engineDown, .diskReserve, .hostUnfit,
            .noEmulator, .noGPU, .noHost, .hostStaysAsleep:
            .warning
        case .noPoolForUntagged, .noPoolHasTags, .noPoolHasAllTags: .warning
        }
    }

    /// It passes within seconds, or when runners of ours end or leave: the host is well.
    var passes: Bool {
        switch self {
        case .startingUp, .memoryBudget, .cpuBudget, .gpusInUse, .resourceInUse, .launchesAtBound: true
        default: false
        }
    }

    /// An idle runner that leaves would change it.
    var isRoom: Bool {
        switch self {
        case .memoryBudget, .cpuBudget, .gpusInUse, .resourceInUse: true
        case .noHostTakes(_, let obstacles): obstacles.contains { $0.reason.isRoom }
        default: false
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
