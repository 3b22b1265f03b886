import Foundation

/// Pipelines and what becomes of their jobs.
extension Instance {
    /// Makes a pipeline of the project's file, as a push to `main` does.
    @discardableResult
    public func createPipeline(project id: Int64, ref: String = "main") throws -> [Int64] {
        guard let project = projects[id] else { throw Refused.notFound("Project") }
        let file = try PipelineFile(project.pipelineFile, acceptingUnquotedColons: project.acceptsUnquotedColons)
        let pipelineID = newID()
        var ids: [Int64] = []
        for job in file.jobs.sorted(by: { file.position(of: $0.stage) < file.position(of: $1.stage) }) {
            let jobID = newID()
            jobs[jobID] = FakeJob(
                id: jobID, pipelineID: pipelineID, projectID: id, definition: job,
                variables: Self.variables(of: project, job),
                status: "created", token: newSecret("glcbt-64_"), createdAt: Date())
            ids.append(jobID)
        }
        pipelines[pipelineID] = Pipeline(id: pipelineID, projectID: id, ref: ref, file: file, jobs: ids)
        for jobID in ids { announce(jobID) }
        advance(pipelineID)
        return ids
    }

    /// The project's own variables go before the file's.
    private static func variables(of project: Project, _ job: PipelineFile.Job) -> [PipelineVariable] {
        job.variables.filter { project.variables[$0.key] == nil } + project.variables.map { PipelineVariable(key: $0, value: $1) }
    }

    /// Queues what may run now, and skips what never will.
    func advance(_ id: Int64) {
        guard let pipeline = pipelines[id] else { return }
        var moved = true
        while moved {
            moved = false
            for jobID in pipeline.jobs {
                guard let job = jobs[jobID], job.status == "created" else { continue }
                let before = prerequisites(of: job, in: pipeline).compactMap { jobs[$0] }
                let good = before.allSatisfy { $0.status == "success" || $0.isOver && $0.definition.allowFailure }
                let hopeless = before.contains { $0.isOver && $0.status != "success" && !$0.definition.allowFailure }
                if hopeless {
                    finish(jobID, "skipped")
                    moved = true
                } else if good {
                    setStatus(jobID, job.definition.manual ? "manual" : "pending")
                    moved = true
                }
            }
        }
    }

    private func prerequisites(of job: FakeJob, in pipeline: Pipeline) -> [Int64] {
        let stage = pipeline.file.position(of: job.definition.stage)
        return pipeline.jobs.filter { id in
            guard let other = jobs[id], id != job.id else { return false }
            if let needs = job.definition.needs { return needs.contains { $0.name == other.definition.name } }
            return pipeline.file.position(of: other.definition.stage) < stage && !other.definition.manual
        }
    }

    func setStatus(_ id: Int64, _ status: String) {
        guard var job = jobs[id] else { return }
        job.status = status
        if status == "pending" {
            job.queuedAt = Date()
            queue.append(id)
            queueVersion += 1
        } else {
            queue.removeAll { $0 == id }
        }
        if status == "running" { job.startedAt = Date() }
        if job.isOver { job.finishedAt = Date() }
        jobs[id] = job
        announce(id)
    }

    func finish(_ id: Int64, _ status: String, reason: String? = nil) {
        jobs[id]?.failureReason = reason
        setStatus(id, status)
        if let pipeline = jobs[id]?.pipelineID { advance(pipeline) }
    }

    /// As a person does in the web page: a running job's runner hears of it with its next call.
    public func cancel(_ id: Int64) {
        guard let job = jobs[id], !job.isOver else { return }
        finish(id, "canceled")
    }

    /// A new job in the old one's place, as GitLab does it.
    @discardableResult
    public func retry(_ id: Int64) throws -> Int64 {
        guard let old = jobs[id], old.isOver, var pipeline = pipelines[old.pipelineID] else { throw Refused.forbidden("403 Forbidden - Job is not retryable") }
        let new = newID()
        jobs[new] = FakeJob(
            id: new, pipelineID: old.pipelineID, projectID: old.projectID, definition: old.definition, variables: old.variables, status: "created",
            token: newSecret("glcbt-64_"), createdAt: Date())
        pipeline.jobs = pipeline.jobs.map { $0 == id ? new : $0 }
        pipelines[old.pipelineID] = pipeline
        announce(new)
        setStatus(new, "pending")
        // What was skipped because of the old job gets another chance, under the id it had.
        for skipped in pipeline.jobs where jobs[skipped]?.status == "skipped" {
            jobs[skipped]?.finishedAt = nil
            setStatus(skipped, "created")
        }
        advance(old.pipelineID)
        return new
    }
}
