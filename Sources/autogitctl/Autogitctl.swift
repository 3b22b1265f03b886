import ArgumentParser
import ControlModel

@main
struct Autogitctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "autogitctl",
        abstract: "Looks at AutoGit and steers it, over its control socket.",
        discussion: """
            Exit codes: 0 done, 1 failed (for status: degraded), 3 no such thing, 4 refused in the present state, 64 wrong usage, 69 the daemon \
            does not answer, 77 no permission.
            """,
        version: autogitVersion,
        subcommands: [
            Status.self, Runners.self, Jobs.self, Pools.self, Logs.self, Spawn.self, Drain.self, Remove.self, Pause.self, Resume.self, Reload.self,
            Check.self, Hook.self, Reconcile.self, Evacuate.self,
        ])
}

/// What every command takes.
struct Common: ParsableArguments {
    @Option(help: ArgumentHelp("The daemon's control socket.", valueName: "path"))
    var socket = "/run/autogit/control.sock"

    @Flag(help: "Print the API's JSON in place of text.")
    var json = false

    var daemon: ControlClient { ControlClient(socket: socket) }
}
