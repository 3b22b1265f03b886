import FakeGitLab
import Testing

/// What is read of a `.gitlab-ci.yml`, and what is refused.
@Suite struct PipelineFileTests {
    private func job(_ name: String, _ text: String) throws -> PipelineFile.Job {
        try #require(try PipelineFile(text).jobs.first { $0.name == name })
    }

    // MARK: The guide's files

    /// The first can be read as YAML, with mappings for lines; the second can't.
    @Test(arguments: [#"echo "Job: ${CI_JOB_ID}""#, #"python -c "print(f'a: {b.c()}')""#])
    func aLineWithAColonIsTakenAsItIsMeantWhereThatIsAskedFor(line: String) throws {
        let text = """
            services:
              - name: alpine
                alias: web
            a:
              script:
                - true
                - \(line)
              tags:
                - x
            """
        let file = try PipelineFile(text, acceptingUnquotedColons: true)
        #expect(file.jobs.map(\.script) == [["true", line]] && file.jobs.first?.services.map(\.image.name) == ["alpine"])
        #expect(throws: PipelineFile.Invalid.self) { try PipelineFile(text) }
    }

    // MARK: Inheritance

    static let everythingByDefault = """
        default:
          image: alpine
          services: [postgres]
          cache: {key: k, paths: [c]}
          before_script: ["echo before"]
          after_script: ["echo after"]
          hooks: {pre_get_sources_script: "echo hook"}
          tags: [x]
          timeout: 10m
          artifacts: {paths: [out]}
        variables: {A: "1", B: "2"}
        """

    @Test func aJobInheritsAllDefaults() throws {
        let job = try job("a", Self.everythingByDefault + "\na: {script: echo}")
        #expect(job.image?.name == "alpine" && job.services.map(\.image.name) == ["postgres"] && job.caches.map(\.key) == [.text("k")])
        #expect(job.script == ["echo before", "echo"] && job.afterScript == ["echo after"] && job.preGetSourcesScript == ["echo hook"])
        #expect(job.tags == ["x"] && job.timeout == 600 && job.artifacts?.paths == ["out"])
        #expect(job.variables.map(\.key) == ["A", "B"])
    }

    @Test func whatAJobSaysItselfReplacesTheDefaultAsAWhole() throws {
        let job = try job(
            "a",
            Self.everythingByDefault + """

                a:
                  script: echo
                  image: {name: debian}
                  services: []
                  cache: []
                  before_script: []
                  after_script: ["echo own"]
                  tags: []
                  timeout: 90
                  artifacts: {untracked: true}
                  variables: {B: mine, C: "3"}
                """)
        #expect(job.image?.name == "debian" && job.services.isEmpty && job.caches.isEmpty)
        #expect(job.script == ["echo"] && job.afterScript == ["echo own"] && job.tags.isEmpty && job.timeout == 90)
        #expect(job.artifacts?.paths == nil && job.artifacts?.untracked == true)
        #expect(job.variables.map(\.value) == ["1", "mine", "3"])
    }

    @Test func aKeyWithoutAValueInherits() throws {
        let job = try job("a", Self.everythingByDefault + "\na:\n  script: echo\n  image:\n  before_script: ~\n")
        #expect(job.image?.name == "alpine" && job.script == ["echo before", "echo"])
    }

    @Test(arguments: ["image: alpine", "services: [alpine]", "cache: {key: k}", "before_script: [echo]", "after_script: [echo]"])
    func fiveDefaultsMayStandAtTheTopButNotInBothPlaces(line: String) throws {
        let key = String(line.prefix { $0 != ":" })
        let atTheTop = try job("a", "\(line)\na: {script: run}")
        #expect(atTheTop == (try job("a", "default: {\(line)}\na: {script: run}")))
        #expect(atTheTop != (try job("a", "a: {script: run}")))
        let error = #expect(throws: PipelineFile.Invalid.self) { try PipelineFile("\(line)\ndefault: {\(line)}\na: {script: run}") }
        #expect(error?.description == "\(key) is defined in top-level and `default:` entry")
    }

    @Test func aJobChoosesWhatItInherits() throws {
        let nothing = try job("a", Self.everythingByDefault + "\na: {script: echo, inherit: {default: false, variables: false}}")
        #expect(nothing.image == nil && nothing.script == ["echo"] && nothing.tags.isEmpty && nothing.timeout == 3600 && nothing.variables.isEmpty)
        let some = try job("a", Self.everythingByDefault + "\na: {script: echo, inherit: {default: [image, tags], variables: [B]}}")
        #expect(some.image?.name == "alpine" && some.tags == ["x"] && some.services.isEmpty && some.variables.map(\.key) == ["B"])
    }

    @Test func mergeKeysAndAnchorsAreFollowed() throws {
        let job = try job(
            "a",
            """
            .base: &base
              image: alpine
              tags: [x]
            .other: &other {tags: [z], timeout: 5m}
            a:
              script: echo
              <<: [*base, *other]
              image: debian
            """)
        #expect(job.image?.name == "debian" && job.tags == ["x"] && job.timeout == 300)
    }

    // MARK: Single keys

    @Test func variablesMayBeNumbersHashesAndRaw() throws {
        let job = try job("a", "variables: {N: 5, D: {value: v, description: about}}\na: {script: echo, variables: {R: {value: $N, expand: false}, E: }}")
        #expect(job.variables.map(\.key) == ["N", "D", "R", "E"] && job.variables.map(\.value) == ["5", "v", "$N", ""])
        #expect(job.variables.map(\.isRaw) == [false, false, true, false])
    }

    @Test func needsTellWhoseArtifactsCome() throws {
        let file = """
            one: {stage: build, script: echo}
            two: {stage: build, script: echo}
            a: {script: echo, needs: [one, {job: two, artifacts: false}, {job: missing, optional: true}], dependencies: [one]}
            """
        #expect(try job("a", file).needs?.map(\.artifacts) == [true, false, true])
        #expect(try job("a", file).dependencies == ["one"])
    }

    // MARK: Refusals

    static let refused: [(String, String)] = [
        // Unknown to GitLab as well.
        ("a: {script: echo, imagge: x}", "jobs:a config contains unknown keys: imagge"),
        ("a: {script: echo, image: {name: x, tag: y}}", "jobs:a:image config contains unknown keys: tag"),
        ("a: {script: echo, image: {name: x, docker: {privileged: true}}}", "jobs:a:image:docker config contains unknown keys: privileged"),
        ("a: {script: echo, services: [{name: x, volumes: []}]}", "jobs:a:services:service config contains unknown keys: volumes"),
        ("a: {script: echo, cache: {path: [x]}}", "jobs:a:cache config contains unknown keys: path"),
        ("a: {script: echo, artifacts: {path: [x]}}", "jobs:a:artifacts config contains unknown keys: path"),
        ("default: {variables: {A: b}}\na: {script: echo}", "default config contains unknown keys: variables"),
        ("tags: [x]\na: {script: echo}", "jobs:tags config should be a hash"),
        // Known to GitLab, not here.
        ("a: {script: echo, rules: [{if: $A}]}", "jobs:a:rules is not supported by the fake GitLab"),
        ("a: {script: echo, extends: .b}", "jobs:a:extends is not supported by the fake GitLab"),
        ("a: {script: echo, retry: 2}", "jobs:a:retry is not supported by the fake GitLab"),
        ("a: {script: echo, when: delayed}", "jobs:a:when: delayed is not supported by the fake GitLab"),
        ("a: {script: echo, allow_failure: {exit_codes: 3}}", "jobs:a:allow_failure:exit_codes is not supported by the fake GitLab"),
        ("a: {script: echo, image: {name: x, kubernetes: {user: y}}}", "jobs:a:image:kubernetes is not supported by the fake GitLab"),
        ("a: {script: echo, artifacts: {paths: [x], expose_as: y}}", "jobs:a:artifacts:expose_as is not supported by the fake GitLab"),
        ("a: {script: echo, needs: [{job: b, pipeline: $P}]}", "jobs:a:needs:need:pipeline is not supported by the fake GitLab"),
        ("include: x.yml\na: {script: echo}", "include is not supported by the fake GitLab"),
        ("workflow: {name: x}\na: {script: echo}", "workflow is not supported by the fake GitLab"),
        ("default: {retry: 2}\na: {script: echo}", "default:retry is not supported by the fake GitLab"),
        // Of the wrong kind, also where nothing inherits it.
        ("a: {script: echo, image: [x]}", "jobs:a:image config should be a hash or a string"),
        ("a: {script: echo, image: {entrypoint: [\"\"]}}", "jobs:a:image name can't be blank"),
        ("a: {script: echo, image: {name: x, entrypoint: sh}}", "jobs:a:image entrypoint should be an array of strings"),
        ("a: {script: echo, image: {name: x, pull_policy: [often]}}", "jobs:a:image:pull_policy config should be one of: always, if-not-present, never"),
        ("a: {script: echo, services: postgres}", "jobs:a:services config should be a array"),
        ("a: {script: echo, services: [{alias: x}]}", "jobs:a:services:service name can't be blank"),
        ("a: {script: echo, cache: {key: a/b}}", "jobs:a:cache:key config cannot contain the \"/\" character"),
        ("a: {script: echo, cache: {key: {prefix: x}}}", "jobs:a:cache:key config missing required keys: files"),
        ("a: {script: echo, cache: {key: {files: [a, b, c]}}}", "jobs:a:cache:key:files config has too many items (maximum is 2)"),
        ("a: {script: echo, cache: {policy: take}}", "jobs:a:cache policy should be a variable or one of: pull-push, push, pull"),
        ("a: {script: echo, cache: {when: never}}", "jobs:a:cache when should be one of: on_success, on_failure, always"),
        ("a: {script: echo, cache: {fallback_keys: [a, b, c, d, e, f]}}", "jobs:a:cache fallback_keys has to many entries (maximum 5)"),
        ("a: {script: echo, cache: [{}, {}, {}, {}, {}]}", "jobs:a:cache config no more than 4 caches can be created"),
        ("a: {script: echo, artifacts: {paths: x}}", "jobs:a:artifacts paths should be an array of strings"),
        ("a: {script: echo, artifacts: {untracked: 1}}", "jobs:a:artifacts untracked should be a boolean value"),
        ("a: {script: echo, artifacts: {expire_in: soon}}", "jobs:a:artifacts expire_in should be a duration"),
        ("a: {script: echo, variables: {A: [b]}}", "jobs:a:variables:A config must be either a string or a hash"),
        ("a: {script: echo, variables: {A: true}}", "jobs:a:variables:A config must be either a string or a hash"),
        ("a: {script: echo, before_script: {b: c}}", "jobs:a:before_script config should be a string or a nested array of strings up to 10 levels deep"),
        ("a: {before_script: [echo]}", "jobs:a config should implement the script:, run:, or trigger: keyword"),
        ("a: {script: echo, timeout: 2 months}", "jobs:a:timeout config should not exceed the limit"),
        ("a: {script: echo, timeout: infinity}", "jobs:a:timeout config should be a duration"),
        ("default: {image: [x]}\na: {script: echo, image: y}", "default:image config should be a hash or a string"),
        ("cache: x\na: {script: echo}", "cache config should be a hash"),
        // What jobs say of each other.
        ("a: {script: echo, stage: nowhere}", "a job: chosen stage nowhere does not exist; available stages are .pre, build, test, deploy, .post"),
        ("a: {script: echo, needs: [b]}", "a job: undefined need: b"),
        ("a: {script: echo, dependencies: [b]}", "a job: undefined dependency: b"),
        ("a: {script: echo, needs: [b]}\nb: {script: echo, stage: deploy}", "a job: need b is not defined in current or prior stages"),
        ("a: {script: echo, needs: [b, b]}\nb: {script: echo}", "a has the following needs duplicated: b."),
        (
            "a: {script: echo, stage: deploy, needs: [b], dependencies: [c]}\nb: {script: echo}\nc: {script: echo}",
            "jobs:a dependencies the c should be part of needs"
        ), ("a: {script: echo, needs: [b]}\nb: {script: echo, needs: [a]}", "The pipeline has circular dependencies"),
    ]

    @Test(arguments: refused) func whatIsNotUnderstoodIsRefusedByName(text: String, complaint: String) {
        let error = #expect(throws: PipelineFile.Invalid.self) { try PipelineFile(text) }
        #expect(error?.description == complaint)
    }
}
