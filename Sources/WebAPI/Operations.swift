import ControlModel
import Coordinator
import HTTPTypes
import JSONSchema

extension Operation {
    /// Every route of the router; a test compares the two.
    static let all: [Operation] = reading + writing + [webhook] + pages + pageOrders

    // MARK: Reading

    private static let runnerID = Parameter.path("id", "A runner's id or name.")
    private static let jobID = Parameter.path("id", "GitLab's id of the job.", .int64())
    private static let poolName = Parameter.path("name", "A pool's name.")

    private static func read(
        _ path: String, _ id: String, _ summary: String, _ tag: Tag = .reading, _ access: Guard = .reading, _ parameters: [Parameter] = [],
        _ answers: Answer...
    ) -> Operation {
        Operation(
            method: .get, path: path, id: id, tag: tag, access: access, summary: summary, parameters: parameters, answers: answers, hasPages: access == .reading
        )
    }

    private static let reading: [Operation] = [
        read(
            "/", "getIndex", "The page for people where HTML is asked for, else where to read on.", .page, .reading, [], .ok("Either.", .json("Index"), .page)),
        read(
            "/health", "getHealth", "Whether all is well.", .reading, .open, [], .ok("All is well.", .json("Health")),
            Answer(status: .serviceUnavailable, description: "Something is not well, or this could not be said now.", contents: [.json("Health"), .problem])),
        read("/status", "getStatus", "Everything at a glance.", .reading, .reading, [], .ok("The state.", .json("Status"))),
        read("/runners", "listRunners", "The live runners.", .reading, .reading, [], .ok("The oldest first.", .list(of: "Runner"))),
        read(
            "/runners/{id}", "getRunner", "A runner, also one that is gone, with its steps.", .reading, .reading, [runnerID],
            .ok("The runner.", .json("Runner")), .problem(.notFound, "There is no such runner.")),
        read("/jobs", "listJobs", "The newest 500 jobs, with the reason why one waits.", .reading, .reading, [], .ok("The newest first.", .list(of: "Job"))),
        read(
            "/jobs/{id}", "getJob", "A job.", .reading, .reading, [jobID], .ok("The job.", .json("Job")), .problem(.notFound, "There is no such job.")),
        read("/pools", "listPools", "The pools.", .reading, .reading, [], .ok("In the order of the configuration.", .list(of: "Pool"))),
        read("/hosts", "listHosts", "The machines that runners are placed on.", .reading, .reading, [], .ok("The hosts.", .list(of: "Host"))),
        read(
            "/gpus", "listGPUs", "The GPUs of all hosts, also those that were there and are gone.", .reading, .reading, [], .ok("The GPUs.", .list(of: "GPU"))),
        read("/history", "getHistory", "The last 24 hours.", .reading, .reading, [], .ok("Hour by hour.", .json("History"))),
        read(
            "/usage", "getUsage", "What was done and used in the last days, by jobs that runners of AutoGit took.", .reading, .reading,
            [
                .query(
                    "days", "How many, with today.",
                    .integer().from(Int64(APIBounds.days.lowerBound), to: Int64(APIBounds.days.upperBound)).byDefault(30)),
                .query("by", "What there is a row for.", .word(of: UsageView.Dimension.allCases.map(\.rawValue)).byDefault("pool")),
            ], .ok("The sums.", .json("Usage")), .problem(.badRequest, "The query can't be understood.")),
        read("/logs", "listLogs", "Runners that failed and whose log is kept.", .reading, .reading, [], .ok("The newest first.", .list(of: "KeptLog"))),
        Operation(
            method: .get, path: "/events", id: "followEvents", tag: .events, access: .reading,
            summary: "What happens, as server-sent events. The data of each is an Event; one with the name `reset` says to read the views again.",
            parameters: [
                .query("pool", "Only what is about this pool."), .query("job", "Only what is about this job, by GitLab's id.", .int64()),
                {
                    var kind = Parameter.query("kind", "Only these kinds.", .array(of: .word(of: EventFilter.kinds)).adding("minItems", 1))
                    kind.isList = true
                    return kind
                }(),
                .query("recent", "Begin with as many of the last events, whoever they are about.", .integer().from(0, to: Int64(EventFeed.size))),
                .query("follow", "Whether to go on with what happens, instead of ending with what has happened.", .flag().byDefault(true)),
                .query("last_event_id", "As the header Last-Event-ID, for clients that can't set it."),
                .header(.lastEventID, "Begin after this event."),
            ],
            answers: [
                .ok(
                    "Events, until the reader leaves or the daemon stops. The schema is that of one.",
                    Content(type: "text/event-stream", schema: serverSentEvent)),
                .problem(.badRequest, "The query can't be understood."),
            ], hasPages: true),
        read(
            "/metrics", "getMetrics", "For Prometheus. OpenMetrics where it is asked for.", .reading, .metrics, [],
            .ok("All metrics.", .text("text/plain"), .text("application/openmetrics-text"))),
        read("/openapi.json", "getDocument", "This document.", .reading, .reading, [], .ok("OpenAPI 3.1.", .json(.object(nil, [])))),
    ]

    private static let serverSentEvent = Schema.object(
        "A server-sent event.",
        [
            "id": .string("Its place in the feed."), "event": .word("What it is about.", of: EventFilter.kinds + ["reset"]),
            "data": .string("An Event, or with `reset` nothing.").adding("contentMediaType", "application/json")
                .adding("contentSchema", Schema.any(of: [ViewSchemas.reference(to: "Event"), .object(nil, []).adding("maxProperties", 0)]).value),
            "retry": .integer("Milliseconds to wait before the next try.").optional,
        ])

    // MARK: Orders

    private static func order(
        _ method: HTTPRequest.Method, _ path: String, _ id: String, _ summary: String, _ parameters: [Parameter] = [], body: Content? = nil,
        _ answers: Answer...
    ) -> Operation {
        Operation(
            method: method, path: path, id: id, tag: .orders, access: .writing, summary: summary, parameters: parameters, body: body, answers: answers)
    }

    private static let noRunner = Answer.problem(.notFound, "There is no such runner.")
    private static let noPool = Answer.problem(.notFound, "There is no such pool.")
    private static let refused = Answer.problem(.conflict, "This can't be done in the present state.")
    private static let tooLarge = Answer.problem(.contentTooLarge, "The body is too large.")
    private static let badQuery = Answer.problem(.badRequest, "The query can't be understood.")
    private static let elsewhere = Answer.problem(.badGateway, "The engine or GitLab did not do its part.")

    private static let writing: [Operation] = [
        order(
            .post, "/runners", "startRunner", "Start a runner now, within the pool's and the host's bounds.", body: .json("SpawnRequest"),
            .accepted("It is being started.", .json("Runner")), .problem(.badRequest, "The body can't be understood."), noPool, refused, tooLarge),
        order(
            .delete, "/runners/{id}", "removeRunner", "Let a runner finish its job, then remove it.",
            [runnerID, .query("force", "Remove it at once; its job fails.", .flag().byDefault(false))],
            .accepted("It is on its way out.", .json("Runner")), badQuery, noRunner, refused),
        order(
            .get, "/runners/{id}/log", "readLog", "The log of a runner; of one that failed the end of it, also after it is gone.",
            [
                runnerID,
                .query(
                    "lines", "How many of the last lines.",
                    .integer().from(Int64(APIBounds.logLines.lowerBound), to: Int64(APIBounds.logLines.upperBound)).byDefault(100)),
                .query("follow", "Whether to go on with what it writes.", .flag().byDefault(false)),
            ],
            .ok("The text.", .text("text/plain")), badQuery, noRunner),
        order(
            .post, "/evacuate", "evacuate", "Remove all runners at once, busy or not, and start none until the daemon is restarted.",
            [
                .query(
                    "timeout", "Seconds to wait for it.",
                    .integer().from(Int64(APIBounds.evacuation.lowerBound), to: Int64(APIBounds.evacuation.upperBound)).byDefault(60))
            ], .ok("The runners that are left.", .list(of: "Runner")), badQuery),
        order(
            .post, "/reconcile", "reconcile", "Compare the engine, scopes and GitLab with the database now, and remove what belongs to no runner.",
            [.query("dry_run", "Only say what would be done.", .flag().byDefault(false))], .ok("What was found.", .list(of: "Correction")), badQuery, elsewhere),
        order(
            .post, "/reload", "reload", "Read the configuration again.", [], .ok("It is in effect.", .json("Reload")),
            .problem(.unprocessableContent, "It has errors, and nothing changed.")),
        order(
            .post, "/hooks", "installHook", "Have GitLab send the job events of a project to this daemon.", body: .json("HookRequest"),
            .ok("It is there.", .json("Hook")), .problem(.badRequest, "The body can't be understood."),
            .problem(.notFound, "GitLab shows the token no such project."), refused, tooLarge),
        order(
            .post, "/notify/test", "testNotifications", "Send a test to one target of notifications, or to all.", body: .json("NotifyTestRequest"),
            .ok("How it went, by target.", .list(of: "NotifyTest")), .problem(.badRequest, "The body can't be understood."),
            .problem(.notFound, "There is no such target."), .problem(.conflict, "None is configured."), tooLarge),
        order(
            .get, "/caches", "listCaches", "The caches of pools, as the engine has them. It looks through all of its volumes for it.", [],
            .ok("The caches.", .list(of: "Cache")), elsewhere),
        order(
            .delete, "/caches/{pool}", "clearCache", "Remove the volume with the cache of a pool.", [.path("pool", "A pool's name.")],
            .ok("It is gone.", .json("ClearedCache")), noPool, refused, elsewhere),
        order(
            .post, "/pools/{name}/pause", "pausePool", "Start no more runners in a pool.", [poolName], .ok("It is paused.", .json("Pause")), noPool, refused),
        order(
            .post, "/pools/{name}/resume", "resumePool", "Start runners in a pool again.", [poolName], .ok("It isn't.", .json("Pause")), noPool, refused),
        order(
            .post, "/hosts/{name}/drain", "drainHost", "Place no more runners on a host, and let those go that have no job.",
            [.path("name", "A host's name.")], .ok("It is drained.", .json("Drain")), .problem(.notFound, "There is no such host."), refused),
        order(
            .post, "/hosts/{name}/resume", "resumeHost", "Place runners on a host again.", [.path("name", "A host's name.")],
            .ok("It isn't.", .json("Drain")), .problem(.notFound, "There is no such host."), refused),
    ]

    private static let webhook = Operation(
        method: .post, path: "/webhook/job", id: "takeWebhook", tag: .webhook, access: .webhook, summary: "A job event of GitLab's.",
        parameters: [.header(.gitlabEvent, "What it is about; anything but `Job Hook` is ignored.")],
        // What GitLab puts into it is its own to say (https://docs.gitlab.com/user/project/integrations/webhook_events/#job-events).
        body: .json(.object("A job event.", [])),
        answers: [
            .accepted("It is on disk, or was of no interest.", .json("WebhookAnswer")), .problem(.badRequest, "It is not a job event."),
            .problem(.contentTooLarge, "It is larger than 1 MiB."),
        ])

    // MARK: The page

    private static let form = Content(type: "application/x-www-form-urlencoded", schema: .map(of: .string()))

    private static let pages: [Operation] =
        [
            ("/assets/autogit.css", "getStyle", "text/css"), ("/assets/autogit.js", "getScript", "text/javascript"),
            ("/assets/autogit.svg", "getIcon", "image/svg+xml"),
        ]
        .map { path, id, type in
            read(path, id, "A part of the page.", .page, .open, [], .ok("It.", .text(type)))
        } + [
            read("/ui/sign-in", "getSignIn", "The form to sign in.", .page, .open, [], .ok("The form.", .page)),
            Operation(
                method: .post, path: "/ui/sign-in", id: "signIn", tag: .page, access: .open, summary: "Sign in with the control token.", body: form,
                answers: [
                    .redirect("Signed in; the answer sets a cookie."),
                    Answer(status: .forbidden, description: "The token is wrong, or the form was sent from another site.", contents: [.page, .problem]),
                    tooLarge,
                ], hasPages: true),
            read(
                "/ui/runners/{id}", "getRunnerPage", "The page of a runner.", .page, .reading, [runnerID], .ok("The page.", .page),
                .problem(.notFound, "There is no such runner.")),
            read(
                "/ui/jobs/{id}", "getJobPage", "The page of a job.", .page, .reading, [jobID], .ok("The page.", .page),
                .problem(.notFound, "There is no such job.")),
        ]

    private static let pageOrders: [Operation] = [
        ("/ui/sign-out", "signOut", "Sign out.", []), ("/ui/pools/{name}/pause", "pausePoolOnPage", "As the call without /ui.", [poolName]),
        ("/ui/pools/{name}/resume", "resumePoolOnPage", "As the call without /ui.", [poolName]),
        ("/ui/pools/{name}/spawn", "startRunnerOnPage", "As POST /runners.", [poolName]),
        ("/ui/runners/{id}/drain", "removeRunnerOnPage", "As DELETE /runners/{id}.", [runnerID]),
    ].map { path, id, summary, parameters in
        Operation(
            method: .post, path: path, id: id, tag: .page, access: .session, summary: summary, parameters: parameters, body: form,
            answers: [.redirect("Done."), .problem(.notFound, "There is no such thing."), refused, tooLarge], hasPages: true)
    }
}
