import Foundation

/// The variables that GitLab adds to a job's own; of its long list, those that scripts and runners use.
extension Instance {
    /// With the job's token as password, under the URL that clients reach the instance by.
    func repositoryURL(_ project: Project, _ job: FakeJob) -> String {
        let parts = url.components(separatedBy: "://")
        return "\(parts.first ?? "http")://gitlab-ci-token:\(job.token)@\(parts.last ?? "")/\(project.path).git"
    }

    func payloadVariables(_ job: FakeJob, _ project: Project, _ runner: RegisteredRunner, _ ref: String) -> [JSON] {
        let predefined = predefined(job, project, runner, ref).map { key, value, isSecret -> JSON in
            ["key": .string(key), "value": .string(value), "public": .bool(!isSecret), "masked": .bool(isSecret), "file": false, "raw": false]
        }
        return predefined
            + job.variables.sorted { $0.key < $1.key }.map { variable in
                [
                    "key": .string(variable.key), "value": .string(variable.value), "public": true, "masked": false, "file": false,
                    "raw": .bool(variable.isRaw),
                ]
            }
    }

    private func predefined(_ job: FakeJob, _ project: Project, _ runner: RegisteredRunner, _ ref: String) -> [(String, String, isSecret: Bool)] {
        let server = URLComponents(string: url)
        let scheme = server?.scheme ?? "http"
        let namespace = project.path.split(separator: "/").dropLast().joined(separator: "/")
        var found: [(String, String, isSecret: Bool)] = [
            ("CI", "true", false), ("GITLAB_CI", "true", false), ("CI_JOB_ID", "\(job.id)", false), ("CI_JOB_NAME", job.definition.name, false),
            ("CI_JOB_STAGE", job.definition.stage, false), ("CI_JOB_TOKEN", job.token, true),
            ("CI_JOB_URL", "\(url)/\(project.path)/-/jobs/\(job.id)", false), ("CI_JOB_TIMEOUT", "\(job.definition.timeout)", false),
            ("CI_PIPELINE_ID", "\(job.pipelineID)", false), ("CI_PIPELINE_SOURCE", "push", false),
            ("CI_PIPELINE_URL", "\(url)/\(project.path)/-/pipelines/\(job.pipelineID)", false), ("CI_PROJECT_ID", "\(project.id)", false),
            ("CI_PROJECT_NAME", project.name, false), ("CI_PROJECT_NAMESPACE", namespace, false), ("CI_PROJECT_PATH", project.path, false),
            ("CI_PROJECT_PATH_SLUG", Self.slug(project.path), false), ("CI_PROJECT_URL", "\(url)/\(project.path)", false),
            ("CI_DEFAULT_BRANCH", "main", false), ("CI_COMMIT_SHA", project.sha, false), ("CI_COMMIT_SHORT_SHA", String(project.sha.prefix(8)), false),
            ("CI_COMMIT_REF_NAME", ref, false), ("CI_COMMIT_REF_SLUG", Self.slug(ref), false), ("CI_COMMIT_BRANCH", ref, false),
            ("CI_COMMIT_REF_PROTECTED", "\(ref == "main")", false), ("CI_CONFIG_PATH", ".gitlab-ci.yml", false), ("CI_SERVER", "yes", false),
            ("CI_SERVER_NAME", "GitLab", false), ("CI_SERVER_URL", url, false), ("CI_SERVER_HOST", server?.host ?? "", false),
            ("CI_SERVER_PORT", "\(server?.port ?? (scheme == "https" ? 443 : 80))", false), ("CI_SERVER_PROTOCOL", scheme, false),
            ("CI_SERVER_VERSION", Self.version, false), ("CI_API_V4_URL", "\(url)/api/v4", false),
            ("CI_REPOSITORY_URL", repositoryURL(project, job), true), ("CI_RUNNER_ID", "\(runner.id)", false),
            ("CI_RUNNER_DESCRIPTION", runner.description, false), ("CI_RUNNER_TAGS", runner.tags.joined(separator: ","), false),
        ]
        if let image = job.definition.image { found.append(("CI_JOB_IMAGE", image.name, false)) }
        if let registry {
            found += [
                ("CI_REGISTRY", registry, false), ("CI_REGISTRY_IMAGE", "\(registry)/\(project.path)", false), ("CI_REGISTRY_USER", "gitlab-ci-token", false),
                ("CI_REGISTRY_PASSWORD", job.token, true),
            ]
        }
        return found
    }

    /// What it says it is.
    static let version = "18.5.0"

    /// Lower-case letters, digits and dashes, none at the ends, at most 63 (GitLab's `Gitlab::Utils.slugify`).
    private static func slug(_ text: String) -> String {
        let dashed = text.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
        return String(dashed.prefix(63)).trimmingCharacters(in: CharacterSet(charactersIn: "-"))
    }
}
