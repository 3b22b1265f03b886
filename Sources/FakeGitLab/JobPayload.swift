import Foundation

/// What a runner gets with a job, in the shapes of GitLab's `Entities::Ci::JobRequest`: which members are null, absent or empty
/// is as there.
extension Instance {
    func jobPayload(_ job: FakeJob, _ project: Project, _ runner: RegisteredRunner) -> JSON {
        let definition = job.definition
        let ref = pipelines[job.pipelineID]?.ref ?? "main"
        var steps: [JSON] = [step("script", definition.script, definition.timeout, when: "on_success", allowFailure: false)]
        if !definition.afterScript.isEmpty {
            steps.append(step("after_script", definition.afterScript, definition.timeout, when: "always", allowFailure: true))
        }
        return [
            "id": .int(job.id), "token": .string(job.token), "allow_git_fetch": true,
            "job_info": [
                "id": .int(job.id), "name": .string(definition.name), "stage": .string(definition.stage), "project_id": .int(project.id),
                "project_name": .string(project.name),
            ],
            "git_info": [
                "repo_url": .string(repositoryURL(project, job)), "ref": .string(ref), "sha": .string(project.sha),
                "before_sha": .string(String(repeating: "0", count: 40)), "ref_type": "branch",
                "refspecs": [.string("+refs/heads/\(ref):refs/remotes/origin/\(ref)")], "depth": 20, "repo_object_format": "sha1",
            ],
            "runner_info": ["timeout": .int(Int64(definition.timeout)), "runner_session_url": nil],
            "variables": .array(payloadVariables(job, project, runner, ref)), "steps": .array(steps),
            "hooks": definition.preGetSourcesScript.isEmpty
                ? [] : [["name": "pre_get_sources_script", "script": strings(definition.preGetSourcesScript)]],
            "image": definition.image.map(imagePayload) ?? nil, "services": .array(definition.services.map(servicePayload)),
            "artifacts": definition.artifacts.map(artifactsPayload) ?? nil,
            "cache": .array(definition.caches.enumerated().map { cachePayload($1, at: $0, project, isProtected: ref == "main") }),
            "credentials": .array(credentials(job)), "dependencies": .array(dependencies(of: job).map { dependencyPayload($0, for: job) }),
            "features": ["trace_sections": true, "token_mask_prefixes": ["glpat-", "glcbt-", "glrt-"], "failure_reasons": Self.failureReasons],
        ]
    }

    private static let failureReasons: JSON = [
        "unknown_failure", "script_failure", "api_failure", "stuck_or_timeout_failure", "runner_system_failure", "job_execution_timeout",
        "runner_unsupported", "image_pull_failure",
    ]

    private func strings(_ texts: [String]?) -> JSON { texts.map { .array($0.map { .string($0) }) } ?? nil }

    private func step(_ name: String, _ script: [String], _ timeout: Int, when: String, allowFailure: Bool) -> JSON {
        [
            "name": .string(name), "script": strings(script), "timeout": .int(Int64(timeout)), "when": .string(when),
            "allow_failure": .bool(allowFailure),
        ]
    }

    private func imagePayload(_ image: JobImage) -> JSON { .object(imageMembers(image)) }

    private func imageMembers(_ image: JobImage) -> [String: JSON] {
        var docker: [String: JSON] = [:]
        if let user = image.user { docker["user"] = .string(user) }
        if let platform = image.platform { docker["platform"] = .string(platform) }
        return [
            "name": .string(image.name), "entrypoint": strings(image.entrypoint), "ports": [], "pull_policy": strings(image.pullPolicy),
            "executor_opts": docker.isEmpty ? [:] : ["docker": .object(docker)],
        ]
    }

    private func servicePayload(_ service: JobService) -> JSON {
        var members = imageMembers(service.image)
        members["alias"] = JSON(service.alias)
        members["command"] = strings(service.command)
        members["variables"] = .array(service.variables.map { ["key": .string($0.key), "value": .string($0.value)] })
        return .object(members)
    }

    /// Only what the runner keeps: reports are not asked for. Without paths and untracked files there is no archive.
    private func artifactsPayload(_ artifacts: JobArtifacts) -> JSON {
        guard artifacts.paths != nil || artifacts.untracked == true else { return [] }
        var members: [String: JSON] = [
            "name": JSON(artifacts.name), "paths": strings(artifacts.paths), "when": JSON(artifacts.when), "expire_in": JSON(artifacts.expireIn),
            "artifact_type": "archive", "artifact_format": "zip",
        ]
        if let untracked = artifacts.untracked { members["untracked"] = .bool(untracked) }
        if !artifacts.exclude.isEmpty { members["exclude"] = strings(artifacts.exclude) }
        return [.object(members)]
    }

    // MARK: Caches

    /// `unprotect` has no member of its own: it shows in the keys' ends, by which protected branches have caches of their own.
    private func cachePayload(_ cache: JobCache, at index: Int, _ project: Project, isProtected: Bool) -> JSON {
        let ending = isProtected && !cache.unprotect ? "-protected" : "-non_protected"
        let key =
            switch cache.key {
            case .text(let text): text
            case .files(let paths, let prefix): fileKey(paths, prefix ?? Self.cachePrefix(paths, at: index), project)
            }
        return [
            "key": .string(key + ending), "untracked": cache.untracked.map { .bool($0) } ?? nil, "paths": strings(cache.paths),
            "policy": .string(cache.policy), "when": .string(cache.when), "fallback_keys": strings(cache.fallbackKeys.map { $0 + ending }),
        ]
    }

    private static func cachePrefix(_ paths: [String], at index: Int) -> String {
        "\(index)_" + paths.map { $0.split(separator: ".", omittingEmptySubsequences: false).first.map(String.init) ?? "" }.joined(separator: "_")
    }

    private func fileKey(_ paths: [String], _ prefix: String, _ project: Project) -> String {
        let found = paths.flatMap { path -> [String] in
            guard path.contains("*") else { return project.blobs[path].map { [$0] } ?? [] }
            return project.blobs.filter { fnmatch(path, $0.key, 0) == 0 }.map(\.value)
        }
        let digest = found.isEmpty ? "default" : SHA1.hex(Set(found).sorted().joined(separator: "-"))
        return [prefix, digest].filter { !$0.isEmpty }.joined(separator: "-")
    }

    // MARK: Other jobs' artifacts

    /// All whose artifacts it may have, with and without any.
    func dependencies(of job: FakeJob) -> [FakeJob] {
        guard let pipeline = pipelines[job.pipelineID] else { return [] }
        let named = job.definition.dependencies
        if named?.isEmpty == true { return [] }
        return pipeline.jobs.sorted().compactMap { jobs[$0] }.filter { other in
            if let named, !named.contains(other.definition.name) { return false }
            if let needs = job.definition.needs { return needs.contains { $0.name == other.definition.name && $0.artifacts } }
            return pipeline.file.position(of: other.definition.stage) < pipeline.file.position(of: job.definition.stage)
        }
    }

    /// Its token is that of the job that asks: with it the artifacts are fetched.
    private func dependencyPayload(_ other: FakeJob, for job: FakeJob) -> JSON {
        var members: [String: JSON] = ["id": .int(other.id), "name": .string(other.definition.name), "token": .string(job.token)]
        if let archive = other.archive(at: Date()) {
            members["artifacts_file"] = ["filename": .string(archive.filename), "size": .int(Int64(archive.bytes.count))]
        }
        return .object(members)
    }

    // MARK: The registry

    private func credentials(_ job: FakeJob) -> [JSON] {
        guard let registry else { return [] }
        return [["type": "registry", "url": .string(registry), "username": "gitlab-ci-token", "password": .string(job.token)]]
    }
}
