import Fleet
import Logging

/// What the coordinator is told or finds out: jobs from hooks and polls, and runners that GitLab has heard from.
extension Coordinator {
    /// A webhook's body. Returns when what it says is on disk.
    public func receive(webhook body: [UInt8]) async throws {
        switch try forge.decodeEvent(body) {
        case .unusable(let why):
            log.notice("Ignored an authentic webhook: \(why)")
        case .job(let seen):
            let changes = take(seen)
            requestPlan()
            do {
                // Also when nothing changed: what this event says may be a write that is still on its way.
                try await store.save(changes)
                health.store = "ok"
            } catch {
                noteStoreTrouble(error)
                throw error
            }
        }
    }

    /// Merges what was seen of a job and passes it on to the runner that has it.
    /// - Returns: what must be saved.
    func take(_ seen: JobObservation) -> [Change] {
        let now = clock.now()
        var changes: [Change] = []
        let known = jobs[seen.id]
        if known == nil {
            if finished.contains(seen.id) { return [] }
            if !seen.status.isActive {
                // Not waiting yet, or over before we ever heard of it: kept for the record only.
                if seen.status.isOver { finished.insert(seen.id) }
                return [.job(Job(seen, at: now))]
            }
        }
        var job = known ?? Job(seen, at: now)
        let moved = job.merge(seen, at: now) || known == nil
        if job == known { return [] }
        changes.append(.job(job))
        jobs[job.id] = job
        if moved { changes += follow(job, at: now) }
        if job.status.isOver {
            jobs[job.id] = nil
            waiting[job.id] = nil
            ignored[job.id] = nil
            finished.insert(job.id)
        } else if job.status == .pending, job.tags == nil {
            askForTags(of: job.id)
        }
        return changes
    }

    private func follow(_ job: Job, at now: Timestamp) -> [Change] {
        guard let gitlabID = job.runnerID, let id = byGitLabID[gitlabID], var runner = runners[id] else {
            return []
        }
        var changes: [Change] = []
        if job.status.occupiesRunner, runner.currentJob != job.id {
            let first = runner.contactedAt == nil
            runner.tookJob(job.id, at: now)
            if first { changes += noteContact(runner) }
            log.info(
                "Job \(job.id) assigned to runner \(runner.name)", metadata: fields(runner, job: job))
            changes.append(history(runner, "job started", "job \(job.id)"))
        } else if job.status.isOver, runner.currentJob == job.id {
            runner.finishedJob(job.id, at: now)
            log.info(
                "Job \(job.id) finished: \(job.status)", metadata: fields(runner, job: job))
            changes.append(history(runner, "job finished", "job \(job.id): \(job.status)"))
        } else {
            return []
        }
        runners[id] = runner
        changes.insert(.runner(runner), at: 0)
        return changes
    }

    func noteContact(_ runner: Runner) -> [Change] {
        let seconds = (clock.now() - runner.requestedAt).inSeconds
        spawns.contacted += 1
        spawns.last = seconds
        spawns.sum += seconds
        if let index = pools.firstIndex(where: { $0.pool.name == runner.pool }) {
            if pools[index].isQuarantined { log.notice("Pool \(runner.pool) works again", metadata: ["pool": "\(runner.pool)"]) }
            pools[index].succeeded()
        }
        return [history(runner, "first contact", nil)]
    }
}

/// The last so many ids that were put in.
struct RecentIDs {
    private var order: [JobID] = []
    private var next = 0
    private var members: Set<JobID> = []
    let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    func contains(_ id: JobID) -> Bool { members.contains(id) }

    mutating func insert(_ id: JobID) {
        guard members.insert(id).inserted else { return }
        if order.count < capacity {
            order.append(id)
        } else {
            members.remove(order[next])
            order[next] = id
            next = (next + 1) % capacity
        }
    }
}
