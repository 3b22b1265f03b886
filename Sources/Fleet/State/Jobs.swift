/// Observations of jobs, and their consequences for the runners that have them.
extension FleetState {
    /// - Parameter asked: when GitLab was asked for this answer, so that is how things were then or later; nil for an event,
    ///   which can be late.
    mutating func see(_ seen: JobObservation, of forge: ForgeID, asked: Timestamp?, at now: Timestamp) {
        let id = JobRef(forge, seen.id)
        let isAnswer = asked != nil
        guard admit(seen, as: id, asked: asked) else { return }
        guard var tracked = jobs[id] ?? (seen.status.isActive ? TrackedJob(Job(seen, of: forge, at: now)) : nil) else {
            // Not waiting yet, or over before we ever heard of it: kept for the record only.
            if seen.status.isOver { finished.insert(id, createdAt: seen.createdAt, at: now) }
            return save(.job(Job(seen, of: forge, at: now)))
        }
        let isNew = jobs[id] == nil
        let before = tracked.job
        let isNewer = asked.map { $0 >= tracked.confirmedAt ?? $0 } ?? true
        tracked.confirmedAt = now
        tracked.goneSince = nil
        var moved = tracked.job.merge(seen, at: now) || isNew
        if isAnswer, isNewer, !seen.status.isActive, !seen.status.isOver, !tracked.job.status.isOver {
            // Skipped, or waiting for somebody: it comes back under its id when it is to run.
            tracked.job.status = seen.status
            moved = true
        } else if !seen.status.isActive, !seen.status.isOver, !isNew, isAnswer || seen.status == .skipped {
            // It may be from before a retry, or before a hook that came meanwhile: GitLab knows.
            tracked.askAt = now
        }
        if tracked.job.tags == nil, tracked.job.status == .pending {
            // An answer can lack them, too.
            if isAnswer { tracked.asking.failed(.question, at: now) }
            tracked.askAt = isAnswer ? tracked.asking.until : tracked.askAt ?? now
        } else if isAnswer, isNewer {
            tracked.askAt = nil
            tracked.asking.succeeded()
        }
        if isAnswer { tracked.refusal = nil }
        // Each poll shows thousands that are as they were.
        if isNew || tracked.job != before { tracked.priority = configuration.priority(of: tracked.job) }
        if moved, tracked.job.status.isOver { tracked.job.usage = usage(of: tracked.job) }
        jobs[id] = tracked
        if tracked.job == before, !isNew { return }
        save(.job(tracked.job))
        if isNew { tell(.jobSeen(byHook: !isAnswer), job: tracked.job) }
        if let old = before.runnerID, old != tracked.job.runnerID { release(tracked.job, from: old) }
        if moved || before.runnerID != tracked.job.runnerID { follow(tracked.job, at: now) }
        if !tracked.job.status.isActive {
            drop(id)
            if tracked.job.status.isOver { finished.insert(id, createdAt: tracked.job.createdAt, at: now) } else { tell(.jobWithdrawn, job: tracked.job) }
        }
    }

    /// Whether the observation is of use: not a late one of a job that is over, and not one of a job that had this id in a GitLab that has been
    /// installed afresh since. A new job with such an id is let in, and the old one is forgotten.
    private mutating func admit(_ seen: JobObservation, as id: JobRef, asked: Timestamp?) -> Bool {
        let isAnswer = asked != nil
        let known: Timestamp?
        if let job = jobs[id]?.job {
            if job.isSame(as: seen) { return true }
            known = job.createdAt
        } else if let entry = finished.entry(id) {
            if let ours = entry.createdAt, let theirs = seen.createdAt, ours != theirs {
                known = ours
            } else {
                // GitLab says long afterwards that it lives: whatever we knew of its end was another job's.
                guard let asked, seen.status.isActive, asked - entry.endedAt > Beat.verify else { return false }
                known = entry.createdAt
            }
        } else {
            return true
        }
        if !isAnswer, let known, let theirs = seen.createdAt, theirs < known {
            tell(.staleHook, job: jobs[id]?.job ?? Job(seen, of: id.forge, at: known))
            return false
        }
        if let old = jobs[id]?.job {
            tell(.jobReplaced, job: old)
            if let runner = old.runnerID { release(old, from: runner) }
            drop(id)
        }
        finished.remove(id)
        return true
    }

    private mutating func drop(_ id: JobRef) {
        jobs[id] = nil
        waiting[id] = nil
    }

    /// A runner that we believed to have the job has not, or has another of that id.
    private mutating func release(_ job: Job, from gitlabID: Int64) {
        guard let id = owners[RegistrationRef(job.id.forge, gitlabID)], runners[id]?.job == job.id else { return }
        update(id) { $0.lostJob() }
        progress[id]?.verifiedAt = nil
    }

    /// Passes a change of a job on to the runner that has it.
    private mutating func follow(_ job: Job, at now: Timestamp) {
        guard let gitlabID = job.runnerID, let id = owners[RegistrationRef(job.id.forge, gitlabID)], let runner = runners[id] else {
            if job.status.isOver { tell(.jobEnded, job: job) }
            return
        }
        if job.status.occupiesRunner, runner.job != job.id, runner.phase < .ended {
            // It has one at a time: whatever it had before is over, and no event said so.
            if let previous = runner.job {
                jobs[previous]?.askAt = now
                if let usage = jobs[previous].flatMap({ self.usage(of: $0.job) }) { jobs[previous]?.job.usage = usage }
            }
            tookJob(id, job.id.id, at: now)
            tell(.jobStarted, runners[id], job: job)
        } else if job.status.isOver {
            // Where the begin of its next job was heard of first, it has that.
            if runner.job == job.id {
                update(id) { $0.finishedJob(job.id.id, at: now) }
                progress[id]?.jobChangedAt = sequence
            }
            tell(.jobFinished, runners[id], job: job)
        }
    }

    mutating func tookJob(_ id: RunnerID, _ job: JobID, at now: Timestamp) {
        let isFirst = runners[id]?.contactedAt == nil
        update(id) { $0.tookJob(job, at: now) }
        progress[id]?.jobChangedAt = sequence
        beginMeasuring(id, job)
        if isFirst { noteContact(id, at: now) }
    }

    // MARK: Answers

    /// Only a poll finds the job of such a webhook again, should this process end now.
    mutating func pollSoon(_ forge: ForgeID, at now: Timestamp) {
        forges[forge, default: ForgeState()].unstoredAt = now
        if let planned = forges[forge]?.pollAt { forges[forge]?.pollAt = min(planned, now + Beat.pollSoon) }
    }

    mutating func polled(_ forge: ForgeID, _ poll: Poll, at now: Timestamp) {
        let began = forges[forge]?.pollBegan ?? now
        let interval = configuration.pollInterval
        forges[forge]?.pollAt = now + .milliseconds(Int64(Double(interval.milliseconds) * (0.9 + 0.2 * dice.unit())))
        if let unstored = forges[forge]?.unstoredAt, unstored >= began {
            // This one began too early to show its job.
            pollSoon(forge, at: now)
        } else {
            forges[forge]?.unstoredAt = nil
        }
        for job in poll.jobs { see(job, of: forge, asked: began, at: now) }
        remark(forge, poll.remarks, isComplete: poll.isComplete)
        // A job that we believe active and the list lacks is over, or gone, or in the part that was left out: only the job itself tells.
        let present = Set(poll.jobs.map(\.id))
        for (id, tracked) in jobs where id.forge == forge && !present.contains(id.id) {
            if let confirmed = tracked.confirmedAt, confirmed >= began { continue }
            jobs[id]?.askAt = tracked.askAt ?? now
        }
    }

    /// Reports each omission of polls once.
    mutating func remark(_ forge: ForgeID, _ remarks: [String], isComplete: Bool) {
        let known = Set(forges[forge]?.remarks ?? [])
        for remark in remarks where !known.contains(remark) { tell(.pollRemark(remark), subject: forge.name) }
        if isComplete, !known.isEmpty { tell(.pollComplete, subject: forge.name) }
        forges[forge]?.remarks = remarks
    }

    mutating func answered(about id: JobRef, _ seen: JobObservation?, at now: Timestamp) {
        let asked = jobs[id]?.askedAt ?? now
        if let seen { return see(seen, of: id.forge, asked: asked, at: now) }
        guard var tracked = jobs[id] else { return }
        tracked.refusal = nil
        tracked.asking.failed(.question, at: now)
        tracked.askAt = tracked.asking.until
        let since = tracked.goneSince ?? now
        tracked.goneSince = since
        jobs[id] = tracked
        // A hook can be ahead of the API, and an answer can be wrong once: it takes two that are apart.
        guard now - since >= Beat.gone else { return }
        tracked.job.status = .canceled
        tracked.job.failureReason = Job.goneReason
        tracked.job.finishedAt = now
        tracked.job.waitingReason = nil
        save(.job(tracked.job))
        tell(.jobGone, job: tracked.job)
        // Not one of the finished: should it be seen alive, it lives.
        drop(id)
    }

    mutating func couldNotAsk(about id: JobRef, _ trouble: Trouble, at now: Timestamp) {
        guard var tracked = jobs[id] else { return }
        if !trouble.isOutage, !trouble.tokenRefused { tracked.refusal = trouble.text }
        tracked.asking.failed(.question, at: now, jitter: dice.unit())
        tracked.askAt = tracked.asking.until
        jobs[id] = tracked
    }
}

extension Job {
    /// Of a job that GitLab does not know any more; it is `canceled` for the record.
    public static let goneReason = "gone from GitLab"
}
