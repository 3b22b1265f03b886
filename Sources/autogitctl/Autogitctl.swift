import ArgumentParser
import ControlModel
import Glibc

@main
struct Autogitctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "autogitctl",
        abstract: "Show and control AutoGit over its control socket.",
        discussion: """
            Exit status: 0 done, 1 failed (for status: degraded), 3 no such runner, job or pool, 4 refused in the present state, 64 wrong usage, \
            69 the daemon does not answer, 77 no permission.
            """,
        version: autogitVersion,
        subcommands: [
            Status.self, Top.self, Runners.self, Jobs.self, Pools.self, Hosts.self, GPUs.self, Cache.self, Logs.self, Events.self, Spawn.self, Drain.self,
            Remove.self, Pause.self,
            Resume.self,
            Reload.self, Check.self, SchemaCommand.self, DoctorCommand.self, ReportCommand.self, SetupCommand.self, SelftestCommand.self, Token.self, Hook.self,
            Notify.self,
            Reconcile.self,
            Evacuate.self,
        ])

    /// The only place where a failure is printed and becomes an exit status.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
        } catch let failure as Failure {
            writeAll("autogitctl: \(printable(failure.message))\n", to: 2)
            Glibc.exit(failure.status.rawValue)
        } catch {
            exit(withError: error)
        }
    }
}

/// The options of every command.
struct Common: ParsableArguments {
    @Option(help: ArgumentHelp("The daemon's control socket.", valueName: "path"))
    var socket = "/run/autogit/control.sock"

    @Flag(help: "Print the API's JSON instead of text.")
    var json = false

    var daemon: ControlClient { ControlClient(socket: socket) }
}
