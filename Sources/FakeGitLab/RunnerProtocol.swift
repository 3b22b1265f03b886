import Foundation

/// What runners ask, with their own tokens or with a job's.
extension Instance {
    private func runner(token: String?) throws -> RegisteredRunner {
        guard let token, let runner = runners.values.first(where: { $0.token == token }) else { throw Refused.forbidden() }
        return runner
    }

    func verify(token: String?) throws -> JSON {
        let runner = try runner(token: token)
        return ["id": .int(runner.id), "token": .string(runner.token), "token_expires_at": nil]
    }

    func unregister(token: String?) throws {
        runners[try runner(token: token).id] = nil
        changed()
    }

    /// - Returns: the job, or nil when there is none for this runner.
    func requestJob(token: String?) throws -> JSON? {
        let asking = try runner(token: token)
        let isFirst = asking.contactedAt == nil
        runners[asking.id]?.contactedAt = Date()
        if isFirst { changed() }
        guard !asking.paused, let id = queue.first(where: { jobs[$0].map { mayRun($0, on: asking) } ?? false }) else { return nil }
        jobs[id]?.runnerID = asking.id
        runners[asking.id]?.jobsTaken += 1
        setStatus(id, "running")
        guard let job = jobs[id], let project = projects[job.projectID] else { return nil }
        return jobPayload(job, project, asking)
    }

    private func mayRun(_ job: FakeJob, on runner: RegisteredRunner) -> Bool {
        switch runner.type {
        case "project_type" where runner.projectID != job.projectID: return false
        case "group_type":
            guard let group = runner.groupID else { return false }
            // Of a group that nobody made, nothing is known.
            if let path = groups[group], projects[job.projectID]?.path.hasPrefix("\(path)/") != true { return false }
        default: break
        }
        return job.definition.tags.isEmpty ? runner.runUntagged : job.definition.tags.allSatisfy(runner.tags.contains)
    }

    /// A job that runs, as its own token shows it.
    func runningJob(_ id: Int64, token: String?) throws -> FakeJob {
        guard let job = jobs[id], let token, job.token == token else { throw Refused.forbidden() }
        guard job.status == "running" else {
            throw Refused(status: 403, body: ["message": "403 Forbidden - Job is not running"], headers: [("Job-Status", job.status)])
        }
        return job
    }

    /// Appends to the log. As in GitLab only the start of the range counts: runners of different ages disagree
    /// on whether its end is inclusive.
    /// - Returns: the job's status and the log's length.
    func appendTrace(_ id: Int64, token: String?, range: String?, body: [UInt8]) throws -> (status: String, length: Int) {
        let job = try runningJob(id, token: token)
        guard let range, let start = range.split(separator: "-", omittingEmptySubsequences: false).first.flatMap({ Int($0) }) else {
            throw Refused.bad("Missing header Content-Range")
        }
        guard start == job.trace.count else {
            throw Refused(
                status: 416, body: ["message": "416 Range Not Satisfiable"], headers: [("Range", "0-\(job.trace.count)"), ("Job-Status", job.status)])
        }
        jobs[id]?.trace += body
        if let runnerID = job.runnerID { runners[runnerID]?.contactedAt = Date() }
        return (job.status, job.trace.count + body.count)
    }

    func updateJob(_ id: Int64, token: String?, state: String?, reason: String?) throws {
        _ = try runningJob(id, token: token)
        switch state {
        case "running", nil: break
        case "success": finish(id, "success")
        case "failed": finish(id, "failed", reason: reason ?? "script_failure")
        default: throw Refused.bad("state does not have a valid value")
        }
    }
}
