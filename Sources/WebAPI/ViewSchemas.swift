import ControlModel
import Fleet
import JSONSchema

/// The schemas of what the API takes and answers, each for a type of `ControlModel`, whose properties are named as their keys. A test holds
/// each of them against its type.
enum ViewSchemas {
    /// By their names in the document.
    static let all: [(name: String, schema: Schema)] = [
        ("Index", index), ("Problem", problem), ("Health", health), ("Status", status), ("Runner", runner), ("Job", job), ("Pool", pool), ("Pull", pull),
        ("Host", host), ("GPU", gpu), ("History", history), ("Usage", usage), ("KeptLog", keptLog), ("Cache", cache), ("ClearedCache", clearedCache),
        ("Event", event),
        ("WebhookAnswer", webhookAnswer), ("SpawnRequest", spawnRequest), ("HookRequest", hookRequest), ("Hook", hook), ("Reload", reload),
        ("Correction", correction), ("Pause", pause), ("Drain", drain), ("NotifyTestRequest", notifyTestRequest), ("NotifyTest", notifyTest),
    ]

    static func reference(to name: String, _ description: String? = nil) -> Schema { .reference("#/components/schemas/\(name)", description) }

    static func time(_ description: String) -> Schema { .string(description + "; ISO 8601 in UTC with milliseconds.").adding("format", "date-time") }
    static func bytes(_ description: String) -> Schema { .int64(description + ", in bytes.").from(0) }
    static func count(_ description: String) -> Schema { .integer(description).from(0) }
    static func seconds(_ description: String) -> Schema { .number(description).adding("minimum", 0) }
    static func amount(_ description: String) -> Schema { .number(description).adding("minimum", 0) }
    static func names(_ description: String) -> Schema { .array(description, of: .string()) }
    static func words<Word: RawRepresentable & CaseIterable>(_ description: String, _ type: Word.Type, and more: [String] = []) -> Schema
    where Word.RawValue == String { .word(description, of: type.allCases.map(\.rawValue) + more) }
    /// A number in GitLab's database.
    static func gitlabID(_ description: String) -> Schema { .int64(description) }

    static let runnerStatuses = ["provisioning", "idle", "busy", "draining", "offline"]
    static let runnersByStatus = Schema.map("Live runners by status; a status without any is absent.", of: count("How many."))
    private static let healthWord = "`ok`, `unknown` before the first call, or the last error."

    static let index = Schema.object(
        "What this is, for whoever asks at the root.",
        ["service": .word("Always the same.", of: ["autogit"]), "see": .string("Paths, with spaces between them.")])

    static let problem = Schema.object(
        "The body of every error (RFC 9457).",
        [
            "type": .word("The status says it all.", of: ["about:blank"]), "title": .string("The status's own words."),
            "status": .integer("The HTTP status.").from(400, to: 599), "detail": .string("What happened and what to do, for people."),
        ])

    // MARK: The whole

    static let health = Schema.object(
        "Whether GitLab, what runs runners and the database are well.",
        [
            "status": .word("With `degraded` the HTTP status is 503.", of: ["healthy", "degraded"]), "gitlab": .string(healthWord),
            "engine": .string("The same for the drivers in use: the container engine, or the systemd of scopes."),
            "store": .string("`ok`, or why the database cannot be written."),
            "warnings": names("Conditions that will end runners later, each with its remedy. They don't change the status.").optional,
        ])

    static let status = Schema.object(
        "Everything at a glance.",
        [
            "version": .string("The daemon's version."),
            "instance": .string("The id of this installation, by which it knows its own containers, scopes and registrations."),
            "started_at": time("When the daemon started"), "gitlab": .string(healthWord), "engine": .string("As in Health."),
            "warnings": names("As in Health.").optional, "runners": runnersByStatus,
            "jobs": .map("Jobs in the database, which keeps 30 days, by GitLab's status.", of: count("How many.")),
            "waiting": .map("Why pending jobs have no runner on its way, by the jobs' ids.", of: .string("The reason.")),
            "spawns": .object(
                "Starts of runners since the daemon started.",
                [
                    "count": count("Starts that were begun."), "failed": count("Those of them that failed."),
                    "last_seconds": seconds("From the decision to the first contact, of the newest runner that made contact; absent before any did.").optional,
                    "mean_seconds": seconds("The mean of the same over all that made contact.").optional,
                ]),
            "success_rate": amount("The share of successes among finished jobs in the database; absent without any.").adding("maximum", 1).optional,
            "memory_promised_bytes": bytes("The sum of the memory limits of all runners that are not gone yet"),
            "cpus_promised": amount("The sum of the CPU limits of the same runners."),
        ])

    // MARK: Runners and jobs

    static let runner = Schema.object(
        "A runner.",
        [
            "id": .string("AutoGit's own id: eight letters and digits, unique in this instance."),
            "name": .string("`autogit-runner-ID`: the name of its container or units, and its description in GitLab. Calls take it in place of the id."),
            "status": .word("From its phase, and whether it has a job.", of: runnerStatuses),
            "phase": words("In this order, and never back.", Runner.Phase.self),
            "pool": .string("The pool that it was started in, which may be gone from the configuration."),
            "driver": words("What it is.", DriverKind.self), "host": .string("The host that it was placed on.").optional,
            "architecture": words(
                "That of its image, in the words of container images; `unknown` before its host was looked at.", Architecture.self, and: ["unknown"]),
            "emulated": .flag("Whether it is another than its host's, so that QEMU runs it.").optional, "gpu_enabled": .flag("Whether it has a GPU."),
            "gpus": names("The ids of its GPUs.").optional, "tags": names("The tags that it was registered with."),
            "gitlab_id": gitlabID("GitLab's id of the runner; absent before its registration.").optional,
            "container_id": .string("The engine's id of the container, or the scope's name; absent before it is made.").optional,
            "current_job": gitlabID("GitLab's id of the job that it runs; absent while it has none.").optional,
            "jobs_done": count("Jobs that it has finished, whatever their result."), "cpus": amount("Its CPU limit; fractions are common."),
            "memory_bytes": bytes("Its memory limit"), "requested_at": time("When AutoGit decided to start it"),
            "started_at": time("When its process started; absent before").optional,
            "contacted_at": time("Its first contact with GitLab; absent before").optional,
            "idle_since": time("The end of its last job, or its first contact; absent while it is busy").optional,
            "cooldown_left": seconds("Seconds until an idle runner leaves; absent in any other status.").optional,
            "spawn_seconds": seconds("From `requested_at` to `contacted_at`; absent before the first contact.").optional,
            "last_seen": time("The last sign of life"), "reason": .string("Why it leaves or left; absent before.").optional,
            "stuck": .string("Why it can't be taken further; absent while it can.").optional,
            "has_log": .flag("Whether the end of its log is kept, to be read after it is gone. Only in the answer for a single runner.").optional,
            "history": .array(
                "Its steps in their order. Only in the answer for a single runner.",
                of: .object(
                    "A step.",
                    [
                        "at": time("When it happened"), "event": .string("A word or a short phrase, such as `requested` or `removed`."),
                        "detail": .string("The reason, where the step has one.").optional,
                    ])
            ).optional,
        ])

    static let job = Schema.object(
        "A job.",
        [
            "id": gitlabID("GitLab's id of the job."), "project_id": gitlabID("GitLab's id of the project."),
            "project": .string("The project's path with its groups; absent while only the id is known.").optional,
            "name": .string("As in .gitlab-ci.yml. Written by other people: it may hold control characters.").optional,
            "stage": .string("The stage in its pipeline.").optional, "ref": .string("The branch or tag.").optional,
            "status": .string("GitLab's word: `pending`, `running`, `success`, `failed`, `canceled` and so on (https://docs.gitlab.com/api/jobs/)."),
            "tags": names("Absent while they are unknown, which is something else than an empty list.").optional,
            "runner": .string("AutoGit's id of the runner that took it; absent when another runner did, or none yet.").optional,
            "gitlab_runner_id": gitlabID("GitLab's id of the runner that took it, whoever's it is.").optional,
            "failure_reason": .string("GitLab's word for why it failed, such as `script_failure`.").optional,
            "waiting_reason": .string("Why a pending job has no runner on its way, for people; absent when one is.").optional,
            "waiting_code": .string("One word for that reason, such as `at-maximum`; words are added over time.").optional,
            "pending_at": time("When it was first seen pending").optional, "running_at": time("When it was first seen running").optional,
            "finished_at": time("When it was first seen in a final status").optional,
            // A job that was seen running before it was seen pending, because its webhooks came in another order.
            "wait_seconds": .number("Seconds from `pending_at` to `running_at`; absent before it runs.").optional,
            "usage": .object(
                "What it used, or uses so far, by looks every five seconds; absent where it was not measured, as a job that was over before its second look.",
                [
                    "cpu_seconds": seconds("CPU time of all its processes; two CPUs for a second are two."),
                    "peak_memory_bytes": bytes("The largest of the looks, without what the kernel keeps of files"),
                    "memory_limit_bytes": bytes("What it was allowed; absent where its pool had no limit").optional,
                    "memory_kills": count("Processes that the kernel killed at the limit; absent where nobody tells.").optional,
                    "measured_seconds": seconds("From the first look to the last: the rest was not measured."),
                ]
            ).optional,
            "hint": .string("What its memory limit could be, by what the last jobs of its name used. Only in the answer for a single job.").optional,
        ])

    private static let usageRow = Schema.object(
        "Sums of some jobs.",
        [
            "name": .string("The pool, project or tag; `-` for jobs without tags."), "jobs": count("Jobs that ended."),
            "succeeded": count("Those of them that succeeded."), "failed": count("Those of them that failed."),
            "success_rate": amount("Of those that succeeded or failed; absent without any.").adding("maximum", 1).optional,
            "wait_p50": seconds("Seconds before they ran, the median, to a tenth of the figure; absent without any.").optional,
            "wait_p95": seconds("The same, the 95th percentile.").optional, "job_hours": amount("Hours that jobs ran."),
            "cpu_hours": amount("Hours of CPU time, of the jobs that were measured."),
            "measured_share": amount("The share of jobs that were measured; absent without jobs.").adding("maximum", 1).optional,
            "peak_memory_bytes": bytes("The largest of the jobs' peaks; absent where none was measured").optional,
            "runner_hours": amount("Hours that runners were there; of pools and of all only.").optional,
            "idle_share": amount("The share of these hours without a job.").adding("maximum", 1).optional,
            "energy_kwh": amount("By `watts_idle` and `watts_busy`; absent where these aren't configured.").optional,
            "cost": amount("By `[cost]`; absent where it has no prices.").optional,
        ])

    static let usage = Schema.object(
        "What was done and used.",
        [
            "since": .string("The first day that is counted; days are UTC's.").adding("format", "date"),
            "until": .string("The last one, which may be under way.").adding("format", "date"), "by": .string("`pool`, `project` or `tag`."),
            "rows": .array("The most jobs first. A job with two tags is in two rows.", of: usageRow), "total": usageRow,
            "currency": .string("What `cost` is counted in; absent where no prices are configured.").optional,
        ])

    static let keptLog = Schema.object(
        "The kept log of a runner that failed to start or died.",
        [
            "runner": .string("AutoGit's id of the runner."), "name": .string("Its name."), "at": time("When it was read, which is when the runner had ended"),
            "bytes": count("Its length."), "pool": .string("The runner's pool; absent where the runner is forgotten.").optional,
            "reason": .string("Why the runner ended; absent where that is not known.").optional,
        ])

    static let history = Schema.object(
        "The last 24 hours.",
        [
            "hours": .array(
                "The oldest first; the last one is under way.",
                of: .object(
                    "One hour.",
                    [
                        "starts_at": time("Its beginning, a full hour"), "jobs": count("Jobs that ended, whatever their result."),
                        "failed": count("Those of them that failed."),
                        "wait_p50": .number("Seconds that jobs waited before they ran, the median; absent when none began to run.").optional,
                        "wait_p95": .number("The same, the 95th percentile.").optional,
                        "spawn_p50": seconds(
                            "Seconds from the decision to start a runner to its first contact, the median; absent when none made contact."
                        ).optional,
                        "spawn_p95": seconds("The same, the 95th percentile.").optional,
                    ])),
            "median_wait_last_hour": .number("Seconds that jobs waited which began to run within the last hour; absent when none did.").optional,
            "failures": .array(
                "Runners that failed to start or died, the newest first, at most ten.",
                of: .object(
                    "A runner that failed.",
                    [
                        "at": time("When it was removed"), "runner": .string("The runner's id."), "pool": .string("The name of its pool."),
                        "reason": .string("A sentence without a full stop."),
                    ])),
        ])

    // MARK: Events

    static let event = Schema.object(
        "Something that happened: the data of a server-sent event.",
        [
            "at": time("When it happened"), "kind": words("What it is about.", EventView.Kind.self),
            "event": .string("One word for what happened, such as `jobStarted`; words are added over time."),
            "severity": .word("As in the journal.", of: Severity.allCases.map { "\($0)" }), "message": .string("The line of the journal."),
            "fields": .map("The details, as the journal has them.", of: .string()),
            "pool": .string("The name of the pool that it is about, or of the runner's.").optional,
            "runner": reference(to: "Runner", "The runner that it is about, as it is then.").optional,
            "job": reference(to: "Job", "The job that it is about, as it is then.").optional,
        ])
}
