/// An event in the words of the journal and of the history.
extension FleetEvent {
    /// Constant for a kind of event, so that a log can be grouped by it. Four lines carry an id, because the guide that
    /// AutoGit grew from promises them.
    public var message: String {
        switch kind {
        case .jobSeen: "Job seen"
        case .jobDispatched: "Dispatching job \(job?.id.id ?? 0) for project \(job.map { $0.projectPath ?? "\($0.projectID)" } ?? "")"
        case .jobStarted: "Job \(jobNumber) assigned to runner \(runner?.name ?? "")"
        case .jobFinished: "Job finished"
        case .jobEnded: "Job ended without a runner of ours"
        case .jobGone: "GitLab does not know the job any more"
        case .jobReplaced: "Another job has this id: GitLab was installed afresh"
        case .jobWithdrawn: "The job does not wait any more"
        case .staleHook: "Ignored a webhook about a job of an earlier installation of GitLab"
        case .jobWaits: "The job waits for a runner"
        case .jobRefused: "An idle runner did not take the job; starting another"
        case .requested: "Starting a runner"
        case .registered: "Runner registered successfully"
        case .created: "Runner created"
        case .started: "Runner started"
        case .foundAgain: "Found a runner that an earlier life of the daemon started"
        case .contacted: "Runner made contact with GitLab"
        case .leaving: "Runner gets no more jobs"
        case .drained: "Runner \(runner?.name ?? "") finished, tearing down"
        case .removed: "Runner removed"
        case .dismissedByForce: "Removing a runner by force"
        case .startUnclear: "It is unclear whether the runner was started; looking"
        case .startFailed: "Runner could not be started"
        case .startInterrupted: "Removing a runner whose start was interrupted"
        case .exited(_, let expected): expected ? "Runner exited" : "Runner exited unexpectedly"
        case .ended: "Runner ended"
        case .lastLines: "The runner's last lines"
        case .logNotKept: "The runner's log can't be kept; it is removed all the same. Is the disk full?"
        case .outOfMemory: "The kernel killed a process of the runner at its memory limit"
        case .stepFailed: "A step of the runner's end failed, trying again"
        case .stuck: "Runner is stuck; it keeps its share of the host's budget, and the pool goes on without it"
        case .quarantined: "Pool is in quarantine after failed starts; one runner at a time is tried"
        case .poolRecovered: "Pool works again"
        case .poolPaused: "Pool paused"
        case .poolResumed: "Pool resumed"
        case .gitlabTrouble(_, let refused): refused ? "GitLab refuses the token" : "GitLab does not answer as it should; trying again"
        case .gitlabAnswers: "GitLab answers again"
        case .pollRemark: "Polling leaves something out"
        case .pollComplete: "Polling sees everything again"
        case .driverTrouble: "Cannot ask what runs runners; trying again"
        case .driverAnswers: "What runs runners answers again"
        case .hostLost: "A host has been away for too long; its runners don't count any more, and are removed when it comes back, unless they have jobs then"
        case .runnerForgotten:
            "The runner's host is not configured any more and does not answer: it is forgotten, and what is left of it there has to be removed by hand"
        case .runnerLost: "The runner's host is lost; what became of the runner is not known"
        case .hostBack: "A lost host is back"
        case .hostDrained: "Host drained: it gets no runners, and those without a job leave"
        case .hostResumed: "Host resumed"
        case .hostCalled: "Waking a host, because runners are needed there"
        case .hostWoke: "A host woke up"
        case .hostSentToSleep: "Sending a host without runners to sleep"
        case .hostAsleep: "A host without runners does not answer: it sleeps, or is off"
        case .hostPowerFailed: "A host could not be woken or sent to sleep; trying again"
        case .imageNotRefreshed: "Cannot ask for a newer image; the one that is there stays in use"
        case .gpuLost: "A GPU is not there any more; runners that have it leave, and its pools wait"
        case .gpuBack: "A GPU is there again"
        case .gpuFault: "The kernel tells of a GPU that failed"
        case .hostRemark: "Something about the host could not be found out"
        case .diskShort: "The engine's disk has less room than its reserve; images that were not used for long go, and no runner is started"
        case .diskRoomy: "The engine's disk has room again"
        case .imageRemoved: "Removed an image that was not used for long"
        case .storeTrouble: "Cannot write the state; is the disk full? Trying again"
        case .storeWorks: "The state can be written again"
        case .orphan: "Removing an orphan of ours"
        case .orphanStays: "Cannot remove the orphan, trying again"
        case .ghost: "Removing a registration that no runner owns"
        case .ghostStays: "Cannot remove the registration, trying again"
        case .sweepTrouble: "Cannot list registrations, so those that no runner owns stay; trying again"
        case .unusableHook: "Ignored an authentic webhook"
        case .remembered: "Found runners and jobs from before"
        case .evacuating: "Removing all runners; none is started until the daemon is restarted"
        }
    }

    /// One word for the kind of event, for programs: `startFailed`, `jobWaits`.
    public var code: String { String("\(kind)".prefix { $0 != "(" }) }

    private var jobNumber: String { job.map { "\($0.id.id)" } ?? subject ?? "" }

    /// How much it matters to the operator: the level of its journal line.
    public var severity: Severity {
        switch kind {
        case .jobWaits(let reason): reason.severity
        case .jobSeen, .jobEnded, .created, .started, .contacted, .leaving, .ended, .staleHook, .pollComplete: .debug
        case .jobDispatched, .jobStarted, .jobFinished, .jobWithdrawn, .requested, .registered, .drained, .removed, .remembered: .info
        case .exited(_, let expected): expected ? .info : .warning
        case .diskRoomy, .imageRemoved, .gpuBack, .hostRemark, .hostBack, .hostDrained, .hostResumed, .hostCalled, .hostWoke, .hostSentToSleep, .hostAsleep:
            .notice
        case .poolRecovered, .poolPaused, .poolResumed, .gitlabAnswers, .driverAnswers, .storeWorks, .unusableHook, .evacuating, .foundAgain: .notice
        case .jobGone, .jobReplaced, .jobRefused, .dismissedByForce, .startUnclear, .startInterrupted, .lastLines, .logNotKept, .outOfMemory, .stepFailed,
            .pollRemark, .orphan, .ghost, .sweepTrouble, .imageNotRefreshed, .diskShort, .gpuLost, .gpuFault, .runnerLost, .runnerForgotten,
            .hostPowerFailed:
            .warning
        case .startFailed, .stuck, .quarantined, .gitlabTrouble, .driverTrouble, .storeTrouble, .orphanStays, .ghostStays, .hostLost: .error
        }
    }

    /// The entry of the journal's catalog that explains it; nil where there is none.
    public var incident: Incident? {
        switch kind {
        case .jobWaits(let reason): reason.incident
        case .startFailed(_, let incident): incident
        case .outOfMemory: .outOfMemory
        case .stuck: .runnerStuck
        case .quarantined: .poolQuarantined
        case .gitlabTrouble(_, let refused): refused ? .tokenRefused : .gitlabUnreachable
        case .pollRemark: .pollIncomplete
        case .gpuLost, .gpuFault: .gpuFailed
        case .driverTrouble: .driverUnreachable
        case .storeTrouble: .storeFailed
        case .orphan, .ghost: .orphanRemoved
        default: nil
        }
    }

    /// The details by name, each name once.
    public var fields: [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        func add(_ name: String, _ value: Any?) { if let value { fields.append((name, "\(value)")) } }
        add("runner", runner?.id)
        add("pool", pool)
        add("job", job.map { "\($0.id.id)" } ?? (kind == .jobStarted || kind == .jobFinished ? subject : nil))
        add("project", job.map { $0.projectPath ?? "\($0.projectID)" })
        add("gitlab_id", kind == .registered ? runner?.gitlabID : nil)
        switch kind {
        case .jobWaits(let reason):
            add("reason", reason.text)
            add("code", reason.code)
        case .jobFinished, .jobEnded: add("status", job?.status)
        case .jobSeen(let byHook):
            add("status", job?.status)
            add("source", byHook ? "hook" : "poll")
        case .jobStarted, .jobGone: break
        case .leaving, .removed, .ended: add("reason", runner?.reason)
        case .outOfMemory(let limit): add("limit", limit.map { "\($0 >> 20) MiB" })
        case .startUnclear(let why), .startFailed(let why, _), .startInterrupted(let why), .exited(let why, _), .stuck(let why), .quarantined(let why),
            .gitlabTrouble(let why, _), .pollRemark(let why), .driverTrouble(let why), .storeTrouble(let why), .orphanStays(let why),
            .ghostStays(let why), .sweepTrouble(let why), .unusableHook(let why), .imageNotRefreshed(let why), .logNotKept(let why), .gpuFault(let why),
            .hostRemark(let why), .hostPowerFailed(let why):
            add("reason", why)
        case .diskShort(let free, let reserve):
            add("free_mib", free >> 20)
            add("reserve_mib", reserve >> 20)
        case .requested, .jobDispatched:
            if let runner, runner.place.host != .local { add("host", runner.place.host) }
            if let runner, runner.equipment.isEmulated { add("architecture", runner.equipment.architecture.map { "\($0), emulated" }) }
            if let runner, !runner.equipment.gpus.isEmpty { add("gpus", runner.equipment.gpus.joined(separator: " ")) }
        case .hostLost(let away, let runners):
            add("away", away.text)
            add("runners", runners)
        case .hostBack(let runners): add("runners", runners)
        case .hostWoke(let after): add("after", after.text)
        case .gpuLost(let runners): if !runners.isEmpty { add("runners", runners.joined(separator: " ")) }
        case .imageRemoved(let bytes): add("mib", bytes >> 20)
        case .lastLines(let lines): add("last_lines", lines.joined(separator: " | "))
        case .stepFailed(let step, let why):
            add("step", step)
            add("reason", why)
        case .remembered(let runners, let jobs):
            add("runners", runners)
            add("jobs", jobs)
        default: break
        }
        switch kind {
        case .jobStarted, .jobFinished: break
        default: add("subject", subject)
        }
        return fields
    }

    /// A line of the runner's history; nil where there is nothing to keep.
    public var history: (event: String, detail: String?)? {
        switch kind {
        case .jobDispatched, .requested: ("requested", job.map { "for job \($0.id.id)" })
        case .registered: ("registered", runner?.gitlabID.map { "GitLab runner \($0)" })
        case .created: ("created", subject)
        case .started: ("started", nil)
        case .startUnclear(let why): ("start unclear", why)
        case .foundAgain: ("found again", "started by an earlier life of the daemon")
        case .contacted: ("first contact", nil)
        case .jobStarted: ("job started", "job \(jobNumber)")
        case .jobFinished: ("job finished", "job \(jobNumber)" + (job?.status.isOver == true ? ": \(job?.status.rawValue ?? "")" : ", as GitLab says"))
        case .jobRefused: ("took no job", "job \(jobNumber)")
        case .leaving: ("leaving", runner?.reason)
        case .drained: ("drained", nil)
        case .startFailed(let why, _): ("failed", why)
        case .exited(let text, _): ("exited", text + (job.map { ", and it had job \($0.id.id)" } ?? ""))
        case .ended: ("ended", runner?.reason)
        case .outOfMemory(let limit): ("out of memory", "a process was killed at the memory limit" + (limit.map { " of \($0 >> 20) MiB" } ?? ""))
        case .stuck(let why): ("stuck", why)
        case .runnerForgotten: ("forgotten", "its host \(runner.map { "\($0.place.host)" } ?? "") is not configured any more and does not answer")
        case .runnerLost: ("lost", "its host \(runner.map { "\($0.place.host)" } ?? "") does not answer" + (job.map { ", and it had job \($0.id.id)" } ?? ""))
        case .removed: ("removed", runner?.reason)
        default: nil
        }
    }
}
