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

    private func mayRun(_ job: SimulatedJob, on runner: RegisteredRunner) -> Bool {
        switch runner.type {
        case "project_type" where runner.projectID != job.projectID: return false
        case "group_type" where runner.groupID == nil: return false
        default: break
        }
        return job.definition.tags.isEmpty ? runner.runUntagged : job.definition.tags.allSatisfy(runner.tags.contains)
    }

    private func jobPayload(_ job: SimulatedJob, _ project: Project, _ runner: RegisteredRunner) -> JSON {
        let host = url.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: true).last.map { $0.drop { $0 == "/" } } ?? ""
        let repositoryURL = "http://gitlab-ci-token:\(job.token)@\(host)/\(project.path).git"
        let ref = pipelines[job.pipelineID]?.ref ?? "main"
        let predefined: [(String, String, masked: Bool)] = [
            ("CI", "true", false), ("GITLAB_CI", "true", false), ("CI_JOB_ID", "\(job.id)", false), ("CI_JOB_NAME", job.definition.name, false),
            ("CI_JOB_STAGE", job.definition.stage, false), ("CI_JOB_TOKEN", job.token, true), ("CI_PIPELINE_ID", "\(job.pipelineID)", false),
            ("CI_PROJECT_ID", "\(project.id)", false), ("CI_PROJECT_NAME", project.name, false), ("CI_PROJECT_PATH", project.path, false),
            ("CI_PROJECT_URL", "\(url)/\(project.path)", false), ("CI_COMMIT_SHA", project.sha, false), ("CI_COMMIT_REF_NAME", ref, false),
            ("CI_COMMIT_BRANCH", ref, false), ("CI_CONFIG_PATH", ".gitlab-ci.yml", false), ("CI_SERVER_URL", url, false),
            ("CI_API_V4_URL", "\(url)/api/v4", false), ("CI_REPOSITORY_URL", repositoryURL, true), ("CI_RUNNER_ID", "\(runner.id)", false),
            ("CI_RUNNER_DESCRIPTION", runner.description, false), ("CI_RUNNER_TAGS", runner.tags.joined(separator: ","), false),
        ]
        let variables =
            predefined.map { key, value, masked -> JSON in
                ["key": .string(key), "value": .string(value), "public": .bool(!masked), "masked": .bool(masked), "file": false, "raw": false]
            }
            + job.variables.sorted { $0.key < $1.key }.map { key, value -> JSON in
                ["key": .string(key), "value": .string(value), "public": true, "masked": false, "file": false, "raw": false]
            }
        var steps: [JSON] = [
            [
                "name": "script", "script": .array(job.definition.script.map { .string($0) }), "timeout": 3600, "when": "on_success",
                "allow_failure": false,
            ]
        ]
        if !job.definition.afterScript.isEmpty {
            steps.append([
                "name": "after_script", "script": .array(job.definition.afterScript.map { .string($0) }), "timeout": 300, "when": "always",
                "allow_failure": true,
            ])
        }
        return [
            "id": .int(job.id), "token": .string(job.token), "allow_git_fetch": true,
            "job_info": [
                "id": .int(job.id), "name": .string(job.definition.name), "stage": .string(job.definition.stage), "project_id": .int(project.id),
                "project_name": .string(project.name),
            ],
            "git_info": [
                "repo_url": .string(repositoryURL), "ref": .string(ref), "sha": .string(project.sha),
                "before_sha": .string(String(repeating: "0", count: 40)), "ref_type": "branch",
                "refspecs": [.string("+refs/heads/\(ref):refs/remotes/origin/\(ref)")], "depth": 20,
            ],
            "runner_info": ["timeout": 3600, "runner_session_url": nil], "variables": .array(variables), "steps": .array(steps),
            "image": nil, "services": [], "artifacts": [], "cache": [], "credentials": [], "dependencies": [],
            "features": ["trace_sections": true],
        ]
    }

    private func job(_ id: Int64, token: String?) throws -> SimulatedJob {
        guard let job = jobs[id], let token, job.token == token else { throw Refused.forbidden() }
        return job
    }

    /// Appends to the log. As in GitLab only the start of the range counts: runners of different ages disagree
    /// on whether its end is inclusive.
    /// - Returns: the job's status and the log's length.
    func appendTrace(_ id: Int64, token: String?, range: String?, body: [UInt8]) throws -> (status: String, length: Int) {
        let job = try job(id, token: token)
        guard job.status == "running" else {
            throw Refused(status: 403, body: ["message": "403 Forbidden - Job is not running"], headers: [("Job-Status", job.status)])
        }
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
        let job = try job(id, token: token)
        guard job.status == "running" else {
            throw Refused(status: 403, body: ["message": "403 Forbidden - Job is not running"], headers: [("Job-Status", job.status)])
        }
        switch state {
        case "running", nil: break
        case "success": finish(id, "success")
        case "failed": finish(id, "failed", reason: reason ?? "script_failure")
        default: throw Refused.bad("state does not have a valid value")
        }
    }
}
