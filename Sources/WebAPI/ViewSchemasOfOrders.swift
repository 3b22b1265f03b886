import Fleet
import JSONSchema

/// What orders take and answer.
extension ViewSchemas {
    static let webhookAnswer = Schema.object(
        "What became of a webhook.", ["status": .word("`ignored` for events that aren't about jobs.", of: ["accepted", "ignored"])])

    static let spawnRequest = Schema.object("Which runner to start.", ["pool": .string("The name of the pool to start a runner in.")])

    static let hookRequest = Schema.object(
        "Which project gets the webhook.",
        [
            "project": .string("The project's path or id."),
            "url": .string("The webhook as GitLab reaches it; absent for the address that this host has on the way to GitLab.").optional,
        ])

    static let hook = Schema.object(
        "A project's webhook.",
        [
            "project": .string("As in the request."), "id": gitlabID("GitLab's id of the hook."), "url": .string("The address that GitLab calls."),
            "result": .word(
                "`updated` when the project had this hook already, `revived` when GitLab had turned that one off.", of: ["installed", "updated", "revived"]),
        ])

    static let reload = Schema.object(
        "What the configuration is now.",
        [
            "pools": names("The names of all pools from now on."),
            "needs_restart": .flag("Whether settings changed that only a restart takes over."),
        ])

    static let correction = Schema.object(
        "One correction of the actual state.",
        [
            "what": .string("`container`, `scope`, `registration` or `runner`; with `dry_run=true` also `network` or `volume`."),
            "name": .string("Its name for people."),
            "action": .string(
                "What was done, or would be: `remove`, `ask GitLab what it does`, or `leave` for what nobody knows the owner of."),
            "reason": .string("Why."),
        ])

    static let clearedCache = Schema.object(
        "What was removed of a cache.",
        [
            "pool": .string("The pool's name."), "removed": names("The volumes that were removed, by their names; empty when there was none."),
            "freed_bytes": bytes("What they had; absent where the engine didn't say").optional,
        ])

    static let notifyTestRequest = Schema.object(
        "Whom to send a test.", ["name": .string("The name of one target; absent for all.").optional])

    static let notifyTest = Schema.object(
        "How one target's test went.",
        [
            "name": .string("The target's name."), "kind": words("How it is told.", NotifyTarget.Kind.self),
            "to": .string("Scheme and host of its address, or the program."), "delivered": .flag("Whether the target took it."),
            "error": .string("Why not.").optional,
        ])

    static let drain = Schema.object(
        "Whether a host is drained.",
        ["name": .string("The host's name."), "drained": .flag("Its state from now on; it survives a restart of the daemon.")])

    static let pause = Schema.object(
        "Whether a pool is paused.",
        ["name": .string("The pool's name."), "paused": .flag("Its state from now on; it survives a restart of the daemon.")])
}
