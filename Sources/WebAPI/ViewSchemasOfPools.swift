import Fleet
import JSONSchema

/// Pools, and what they are on.
extension ViewSchemas {
    static let pool = Schema.object(
        "A pool with its settings and its state.",
        [
            "name": .string("Unique among the pools."), "driver": words("What its runners are.", DriverKind.self),
            "tags": names("The tags of its runners; a job needs all of its own to be among them."),
            "run_untagged": .flag("Whether its runners take jobs without tags."),
            "image": .string("The image of its containers; absent in scopes.").optional,
            "paused": .flag("Whether an operator paused it: no runner is started in it, and those that run keep running."),
            "max_runners": count("The most runners at once, now."), "warm": count("Idle runners kept ready, now."),
            "cooldown": seconds("Seconds that an idle runner stays, now."),
            "max_jobs": count("Jobs that a runner takes before it is replaced; 0 for any number."),
            "executor": words("Whether jobs have containers of their own.", Executor.self).optional,
            "architecture": words("The architecture that it names; absent where it is the host's.", Architecture.self).optional,
            "gpu": words("The vendor of the GPUs that its runners get; absent without any.", GPUVendor.self).optional,
            "cpus": amount("The CPU limit of each job."), "memory_bytes": bytes("The memory limit of each job"),
            "schedule": .string("The schedule that is in force now; absent while the pool's own values are.").optional,
            "schedule_until": time("When that ends, or when the next one begins; absent where nothing changes within a week").optional,
            "warm_reason": .string("Why so many are kept ready with `warm = \"auto\"`; absent without.").optional,
            "reserved_memory_bytes": bytes("What a runner with its job and services counts for in the host's budget").optional,
            "requests_per_second": amount("Requests for a job that an idle runner makes of GitLab in a second.").optional,
            "pull": reference(to: "Pull", "Its runners' image on its way; absent while none is.").optional, "runners": runnersByStatus,
            "failures": count("Starts that failed in a row; a start that works sets it to 0."),
            "retry_at": time("No runner is started before this time, because the last start failed").optional,
            "last_error": .string("What the last failed start said. Kept after a start that works.").optional,
        ])

    static let pull = Schema.object(
        "An image that is being pulled.",
        [
            "image": .string("Its name, with its tag."), "received_bytes": bytes("What has come so far"),
            "total_bytes": bytes("All layers that are known so far; absent before any is").optional,
        ])

    static let host = Schema.object(
        "A machine that runners are placed on.",
        [
            "name": .string("`local` for the machine of the daemon."),
            "status": .word(
                "`lost` when its runners don't count any more; `asleep` when it may sleep, has no runners and does not answer.",
                of: ["ok", "away", "lost", "asleep", "waking", "going-to-sleep", "unknown"]
            ).optional,
            "away_since": time("Since when it has not answered; absent while it does").optional,
            "drained": .flag("It gets no runners: an operator's wish, or it is not configured any more.").optional,
            "labels": names("By which pools may name it, beside its name.").optional, "runners": count("Those there that are not removed yet.").optional,
            "resources": .array(
                "What runners take for themselves.",
                of: .object(
                    "Things of a host.",
                    [
                        "name": .string("Such as `usb-jtag`."), "count": count("How many there are."), "taken": count("How many of them runners have."),
                    ])
            ).optional,
            "architecture": words("In the words of container images; absent until it is known.", Architecture.self).optional,
            "cpus": count("Absent until they are known.").optional, "memory_bytes": bytes("Absent until it is known").optional,
            "engine": .string("Such as `Podman Engine 4.3.1`; absent without one that answers.").optional,
            "cgroup_controllers": names("Those that limits of runners can use, such as `memory`."),
            "runtimes": names("The engine's OCI runtimes, its default first."),
            "emulators": .array(
                "For programs of other architectures.",
                of: .object(
                    "A program that runs other architectures' programs.",
                    [
                        "architecture": .string("What it runs."), "interpreter": .string("Its path."),
                        "flags": .string("Of its registration with the kernel."), "usable": .flag("Whether containers have it, too."),
                    ])),
            "gpus": .array("Its GPUs.", of: reference(to: "GPU")),
            "nodes": .array(
                "The machines of a swarm, whose sum the host is; absent for a host that is one machine.",
                of: .object(
                    "A machine of a swarm.",
                    [
                        "name": .string("Its host name."),
                        "status": .word("`away` when it does not answer; `drained` in the swarm, not by AutoGit.", of: ["ready", "drained", "away"]),
                        "architecture": words("As the host's; absent where AutoGit has no name for it.", Architecture.self).optional,
                        "cpus": count("Of the whole machine."), "memory_bytes": bytes("Of the whole machine"),
                    ])
            ).optional,
            "memory_promised_bytes": bytes("The memory that runners and their jobs were promised"),
            "memory_budget_bytes": bytes("The most that it may be; absent where there is no bound").optional,
            "cpus_promised": amount("The CPUs that they were promised."),
            "cpus_budget": amount("The most that they may be; absent where there is no bound.").optional,
            "remarks": names("What could not be found out, a sentence each."),
        ])

    static let gpu = Schema.object(
        "A GPU and who has it.",
        [
            "id": .string("Unique on its host."), "host": .string("The name of the host that it is in."),
            "vendor": words("Who made it.", GPUVendor.self), "name": .string("For people."),
            "memory_bytes": bytes("Absent where it is not known").optional, "cdi": .string("Its CDI device; absent where no specification has it.").optional,
            "nodes": names("Its device nodes."),
            "status": .word("`gone` when it was there and is not any more.", of: ["free", "in use", "gone"]),
            "holders": .array(
                "The runners that have it now.",
                of: .object(
                    "A runner that has it.",
                    [
                        "runner": .string("Its id."), "pool": .string("Its pool."),
                        "job": gitlabID("GitLab's id of the job that it has; absent while it has none.").optional,
                        "since": time("When the GPU was given to it"),
                    ])),
        ])

    static let cache = Schema.object(
        "A cache.",
        [
            "pool": .string("The pool that it was made for, which may be gone."), "kind": .word("Where it is.", of: ["volume", "s3"]),
            "name": .string("The volume's or the bucket's name."),
            "project": .string("The only project whose jobs get it; absent where all of the pool's do.").optional,
            "size_bytes": bytes("Absent for S3, and where the engine doesn't say").optional,
            "created_at": time("Absent for S3, and where the engine doesn't say").optional,
            "used_by": names("Names of the runners who, or whose jobs, have it mounted now, and of any other container that has. Empty for S3."),
            "configured": .flag("Whether a pool of the present configuration has it."),
        ])
}
