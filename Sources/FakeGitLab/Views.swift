import Foundation

/// GitLab's JSON for what the instance holds.
extension Instance {
    /// The API's times, in an instance whose time zone is two hours east: `2026-11-24T11:10:00.102+02:00`.
    static func iso(_ date: Date?) -> JSON {
        guard let date else { return .null }
        let local = (date + 7200).formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        return .string(local.dropLast() + "+02:00")
    }

    /// GraphQL's times and the newer ones of hooks: `2026-11-24T09:10:00Z`.
    static func isoWhole(_ date: Date?) -> JSON {
        guard let date else { return .null }
        return .string(date.formatted(.iso8601))
    }

    /// Days: `2026-11-24`.
    static func day(_ date: Date?) -> JSON {
        guard let date else { return .null }
        return .string(date.formatted(.iso8601.year().month().day()))
    }

    /// The older times of hooks: `2026-11-24 09:10:00 UTC`.
    private static func hookTime(_ date: Date?) -> JSON {
        guard let date else { return .null }
        return .string(date.formatted(.iso8601).replacing("T", with: " ").replacing("Z", with: " UTC"))
    }

    func hookPayload(_ job: FakeJob) -> JSON {
        let project = projects[job.projectID]
        let path = project?.path ?? ""
        let web = "\(url)/\(path)"
        let ref = pipelines[job.pipelineID]?.ref ?? "main"
        let runner: JSON =
            job.runnerID.flatMap { runners[$0] }.map {
                [
                    "id": .int($0.id), "description": .string($0.description), "runner_type": .string($0.type), "active": .bool(!$0.paused),
                    "is_shared": .bool($0.type == "instance_type"), "tags": .array($0.tags.map { .string($0) }),
                ]
            } ?? job.runnerID.map { ["id": .int($0), "description": "gone", "tags": []] } ?? nil
        let payload: JSON = [
            "object_kind": "build", "ref": .string(ref), "tag": false, "before_sha": .string(String(repeating: "0", count: 40)),
            "sha": .string(project?.sha ?? ""), "retries_count": 0, "build_id": .int(job.id), "build_name": .string(job.definition.name),
            "build_stage": .string(job.definition.stage), "build_status": .string(job.status), "build_created_at": Self.hookTime(job.createdAt),
            "build_started_at": Self.hookTime(job.startedAt), "build_finished_at": Self.hookTime(job.finishedAt),
            "build_created_at_iso": Self.isoWhole(job.createdAt), "build_started_at_iso": Self.isoWhole(job.startedAt),
            "build_finished_at_iso": Self.isoWhole(job.finishedAt), "build_duration": Self.seconds(job.startedAt, job.finishedAt),
            "build_queued_duration": Self.seconds(job.queuedAt, job.startedAt ?? Date()), "build_allow_failure": .bool(job.definition.allowFailure),
            "build_failure_reason": .string(job.failureReason ?? "unknown_failure"), "pipeline_id": .int(job.pipelineID), "runner": runner,
            "project_id": .int(job.projectID), "project_name": .string("Home / \(project?.name ?? "")"),
            "user": ["id": 1, "name": "Administrator", "username": "root", "avatar_url": nil, "email": "root@example.test"],
            "commit": [
                "id": .int(job.pipelineID), "name": nil, "sha": .string(project?.sha ?? ""), "message": "Add CI configuration\n",
                "author_name": "Administrator", "status": "running", "duration": nil, "started_at": nil, "finished_at": nil,
            ],
            "repository": ["name": .string(project?.name ?? ""), "homepage": .string(web), "git_http_url": .string(web + ".git"), "visibility_level": 0],
            "project": [
                "id": .int(job.projectID), "name": .string(project?.name ?? ""), "web_url": .string(web), "git_http_url": .string(web + ".git"),
                "namespace": "Home", "visibility_level": 0, "path_with_namespace": .string(path), "default_branch": "main", "ci_config_path": "",
            ],
            "environment": nil,
        ]
        guard disturbances.hooksLikeGitLab15, case .object(let fields) = payload else { return payload }
        return .object(fields.filter { $0.key != "project" && !$0.key.hasSuffix("_iso") })
    }

    private static func seconds(_ from: Date?, _ to: Date?) -> JSON {
        guard let from, let to else { return .null }
        return .double(to.timeIntervalSince(from))
    }

    func resource(_ job: FakeJob) -> JSON {
        let project = projects[job.projectID]
        let runner: JSON =
            job.runnerID.flatMap { runners[$0] }.map {
                [
                    "id": .int($0.id), "description": .string($0.description), "active": .bool(!$0.paused), "paused": .bool($0.paused),
                    "runner_type": .string($0.type), "is_shared": .bool($0.type == "instance_type"), "online": true, "status": "online",
                ]
            } ?? nil
        let archive = job.archive(at: Date())
        return [
            "id": .int(job.id), "status": .string(job.status), "stage": .string(job.definition.stage), "name": .string(job.definition.name),
            "ref": .string(pipelines[job.pipelineID]?.ref ?? "main"), "tag": false, "allow_failure": .bool(job.definition.allowFailure),
            "created_at": Self.iso(job.createdAt), "started_at": Self.iso(job.startedAt), "finished_at": Self.iso(job.finishedAt),
            "duration": Self.seconds(job.startedAt, job.finishedAt), "queued_duration": Self.seconds(job.queuedAt, job.startedAt),
            "user": ["id": 1, "username": "root"], "failure_reason": JSON(job.failureReason),
            "pipeline": [
                "id": .int(job.pipelineID), "project_id": .int(job.projectID), "ref": .string(pipelines[job.pipelineID]?.ref ?? "main"), "status": "running",
            ],
            "project": ["ci_job_token_scope_enabled": false], "runner": runner, "runner_manager": nil,
            "tag_list": .array(job.definition.tags.map { .string($0) }), "artifacts_expire_at": Self.iso(archive?.expiresAt),
            "artifacts": .array(job.artifacts.values.sorted { $0.type < $1.type }.map(Self.resource)),
            "artifacts_file": archive.map { ["filename": .string($0.filename), "size": .int(Int64($0.bytes.count))] } ?? nil,
            "web_url": .string("\(url)/\(project?.path ?? "")/-/jobs/\(job.id)"),
        ]
    }

    private static func resource(_ artifact: StoredArtifact) -> JSON {
        [
            "file_type": .string(artifact.type), "size": .int(Int64(artifact.bytes.count)), "filename": .string(artifact.filename),
            "file_format": .string(artifact.format),
        ]
    }

    func resource(_ runner: RegisteredRunner, whole: Bool) -> JSON {
        let status = runner.contactedAt.map { Date().timeIntervalSince($0) < 7200 ? "online" : "offline" } ?? "never_contacted"
        var members: [String: JSON] = [
            "id": .int(runner.id), "description": .string(runner.description), "active": .bool(!runner.paused), "paused": .bool(runner.paused),
            "is_shared": .bool(runner.type == "instance_type"), "runner_type": .string(runner.type), "online": .bool(status == "online"),
            "status": .string(status), "name": nil, "ip_address": nil,
            "job_execution_status": .string(jobs.values.contains { $0.runnerID == runner.id && $0.status == "running" } ? "running" : "idle"),
        ]
        if whole {
            members["tag_list"] = .array(runner.tags.map { .string($0) })
            members["run_untagged"] = .bool(runner.runUntagged)
            members["maintenance_note"] = JSON(runner.maintenanceNote)
            members["contacted_at"] = Self.iso(runner.contactedAt)
            members["access_level"] = "not_protected"
            members["locked"] = .bool(runner.locked)
        }
        return .object(members)
    }

    func resource(_ project: Project) -> JSON {
        [
            "id": .int(project.id), "name": .string(project.name), "path_with_namespace": .string(project.path),
            "http_url_to_repo": .string("\(url)/\(project.path).git"), "web_url": .string("\(url)/\(project.path)"), "default_branch": "main",
            "empty_repo": .bool(project.repository == nil), "archived": .bool(project.markedAt != nil),
            "marked_for_deletion_at": Self.day(project.markedAt), "marked_for_deletion_on": Self.day(project.markedAt),
        ]
    }
}
