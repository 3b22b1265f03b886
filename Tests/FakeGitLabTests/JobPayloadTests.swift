import FakeGitLab
import Testing

/// What a runner gets for what stands in the file.
@Suite struct JobPayloadTests {
    /// A job's line in a pipeline's file, the member of the payload, and what it is. Shapes as in GitLab's own
    /// spec/requests/api/ci/runner.
    static let table: [(String, String, JSON)] = [
        ("tags: []", "image", nil),
        ("image: alpine:3", "image", ["name": "alpine:3", "entrypoint": nil, "ports": [], "pull_policy": nil, "executor_opts": [:]]),
        (
            #"image: {name: alpine, entrypoint: ["/bin/sh", "-c"], pull_policy: if-not-present, docker: {user: dave, platform: arm64}}"#, "image",
            [
                "name": "alpine", "entrypoint": ["/bin/sh", "-c"], "ports": [], "pull_policy": ["if-not-present"],
                "executor_opts": ["docker": ["user": "dave", "platform": "arm64"]],
            ]
        ),
        (
            "image: {name: alpine, pull_policy: [always, never]}", "image",
            ["name": "alpine", "entrypoint": nil, "ports": [], "pull_policy": ["always", "never"], "executor_opts": [:]]
        ), ("tags: []", "services", []),
        (
            "services: [postgres:16]", "services",
            [
                [
                    "name": "postgres:16", "entrypoint": nil, "ports": [], "pull_policy": nil, "executor_opts": [:], "alias": nil, "command": nil,
                    "variables": [],
                ]
            ]
        ),
        (
            #"services: [{name: mysql, alias: "db,store", entrypoint: [e], command: [a, b], pull_policy: never, variables: {Z: 1, A: two}}]"#, "services",
            [
                [
                    "name": "mysql", "entrypoint": ["e"], "ports": [], "pull_policy": ["never"], "executor_opts": [:], "alias": "db,store",
                    "command": ["a", "b"], "variables": [["key": "Z", "value": "1"], ["key": "A", "value": "two"]],
                ]
            ]
        ), ("tags: []", "cache", []),
        (
            "cache: {paths: [c/]}", "cache",
            [
                [
                    "key": "default-protected", "untracked": nil, "paths": ["c/"], "policy": "pull-push", "when": "on_success", "fallback_keys": [],
                ]
            ]
        ),
        (
            "cache: [{key: $CI_COMMIT_REF_SLUG, untracked: true, policy: pull, when: always, fallback_keys: [f]}, {key: k, unprotect: true}]", "cache",
            [
                [
                    "key": "$CI_COMMIT_REF_SLUG-protected", "untracked": true, "paths": nil, "policy": "pull", "when": "always",
                    "fallback_keys": ["f-protected"],
                ],
                ["key": "k-non_protected", "untracked": nil, "paths": nil, "policy": "pull-push", "when": "on_success", "fallback_keys": []],
            ]
        ), ("tags: []", "artifacts", nil), ("artifacts: {reports: {junit: r.xml}}", "artifacts", []),
        (
            "artifacts: {paths: [out/]}", "artifacts",
            [["name": nil, "paths": ["out/"], "when": nil, "expire_in": nil, "artifact_type": "archive", "artifact_format": "zip"]]
        ),
        (
            #"artifacts: {name: "$CI_JOB_NAME", paths: [out/], exclude: [out/x], untracked: false, when: always, expire_in: 1 week}"#, "artifacts",
            [
                [
                    "name": "$CI_JOB_NAME", "untracked": false, "paths": ["out/"], "exclude": ["out/x"], "when": "always", "expire_in": "1 week",
                    "artifact_type": "archive", "artifact_format": "zip",
                ]
            ]
        ),
        (
            "before_script: [one, [two]], after_script: [last], timeout: 5m", "steps",
            [
                ["name": "script", "script": ["one", "two", "run"], "timeout": 300, "when": "on_success", "allow_failure": false],
                ["name": "after_script", "script": ["last"], "timeout": 300, "when": "always", "allow_failure": true],
            ]
        ), ("timeout: 1h 30m", "runner_info", ["timeout": 5400, "runner_session_url": nil]), ("tags: []", "hooks", []),
        ("hooks: {pre_get_sources_script: [echo]}", "hooks", [["name": "pre_get_sources_script", "script": ["echo"]]]),
        ("tags: []", "credentials", []), ("tags: []", "dependencies", []),
    ]

    @Test(arguments: table) func theFileMakesThePayload(line: String, member: String, expected: JSON) async throws {
        try await Rig.run { rig in
            let job = try await rig.firstJob("a: {script: run, \(line)}")
            #expect(job[member] == expected)
        }
    }

    /// As GitLab makes it of the blobs' ids: compared with what git and sha1sum say.
    @Test(arguments: [
        ("{files: [package.json]}", "0_package-82bb4fbabc502909eb974ee717b0f253bdc79075"),
        ("{files: [package.json, sub/x.lock]}", "0_package_sub/x-0b0d1eb9a99ca35ca99b3c987e5e3c9f6f2e2ef2"),
        ("{files: [\"*.json\"], prefix: deps}", "deps-82bb4fbabc502909eb974ee717b0f253bdc79075"), ("{files: [missing], prefix: p}", "p-default"),
    ]) func aCachesKeyFollowsTheContentsOfFiles(key: String, expected: String) async throws {
        try await Rig.run { rig in
            let job = try await rig.firstJob(
                "a: {script: run, cache: {key: \(key), paths: [c]}}", files: ["package.json": "{\"a\": 1}\n", "sub/x.lock": "lock\n"])
            #expect(job["cache"]?.items.first?["key"] == .string(expected + "-protected"))
        }
    }

    @Test func variablesOfTheProjectGoBeforeTheFiles() async throws {
        try await Rig.run { rig in
            let project = try await rig.instance.addProject(
                path: "root/p",
                pipelineFile: "variables: {A: global, B: global, C: global}\na: {script: run, variables: {B: job, C: {value: $A, expand: false}}}",
                withRepository: false, variables: ["A": "project"])
            try await rig.instance.createPipeline(project: project.id)
            let job = try await rig.request(try await rig.runner())
            #expect(job["variables"]?.items.filter { $0["key"] == "A" }.map { $0["value"] } == ["project"])
            #expect(job.variable("B")?["value"] == "job")
            #expect(job.variable("C") == ["key": "C", "value": "$A", "public": true, "masked": false, "file": false, "raw": true])
            #expect(job.variable("CI_SERVER_URL")?["value"] == .string(rig.gitlab.url) && job.variable("CI_COMMIT_REF_SLUG")?["value"] == "main")
        }
    }

    @Test func aRegistryMakesCredentials() async throws {
        try await Rig.run { rig in
            await rig.instance.setRegistry("registry.example.test:5050")
            let job = try await rig.firstJob("a: {script: run}")
            #expect(
                job["credentials"] == [
                    ["type": "registry", "url": "registry.example.test:5050", "username": "gitlab-ci-token", "password": .string(job.token)]
                ])
            #expect(job.variable("CI_REGISTRY_IMAGE")?["value"] == "registry.example.test:5050/root/p")
        }
    }

    // MARK: Dependencies

    static let stages = """
        one: {stage: build, script: run, artifacts: {paths: [x]}}
        two: {stage: build, script: run}
        beside: {script: run, stage: test}
        """

    @Test(arguments: [
        ("stage: test", ["one", "two"]), ("stage: deploy", ["one", "two", "beside"]), ("stage: deploy, dependencies: []", []),
        ("stage: deploy, dependencies: [two]", ["two"]), ("stage: deploy, needs: [one, {job: two, artifacts: false}, beside]", ["one", "beside"]),
        ("stage: test, needs: [one, beside], dependencies: [beside]", ["beside"]), ("stage: test, needs: []", []),
    ]) func aJobMayHaveTheArtifactsOfThese(line: String, names: [String]) async throws {
        try await Rig.run { rig in
            let project = try await rig.instance.addProject(
                path: "root/p", pipelineFile: Self.stages + "\na: {script: run, tags: [last], \(line)}", withRepository: false)
            try await rig.instance.createPipeline(project: project.id)
            let others = try await rig.runner()
            while case let job = try await rig.request(others), job != .null { try await rig.finish(job) }
            let job = try await rig.request(try await rig.runner(tags: ["last"]))
            #expect(job.name == "a")
            #expect(job["dependencies"]?.items.map(\.name) == names)
            // No one uploaded anything.
            #expect(job["dependencies"]?.items.allSatisfy { $0["artifacts_file"] == nil && $0.token == job.token } == true)
        }
    }
}
