import ArgumentParser
import Glibc

// Commands that need what the daemon is made of: it carries them out, so that this program stays small.

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Look for what keeps runners from working, and name the command that mends it. Run it as root.",
        discussion: """
            It works with the daemon down, when it can't tell of other hosts, and changes nothing without --fix, which asks before each command. For \
            GitLab's reach from a pool's network it runs a container for a moment. Pools that use other hosts only are not judged by this machine.

            Exit status: 0 all well, 1 warnings, 2 faults.
            """)
    @Option(help: "The configuration file.") var config = "/etc/autogit/autogit.toml"
    @Flag(help: "Offer to run the commands that mend what was found.") var fix = false
    @OptionGroup var common: Common

    func run() async throws {
        try become("autogitd", ["doctor", "--config", config, "--socket", common.socket] + (common.json ? ["--json"] : []) + (fix ? ["--fix"] : []))
    }
}

struct ReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Report what was done and used, or pack a report of a fault, which is the default.",
        subcommands: [BugReport.self, UsageReport.self], defaultSubcommand: BugReport.self)
}

struct BugReport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bug", abstract: "Pack the doctor's findings, the journal and the configuration, without secrets, into a file for a bug report.")
    @Option(help: ArgumentHelp("The file to write. Default: autogit-report-TIME.tar.gz here.", valueName: "path")) var output: String?
    @Option(help: "The configuration file.") var config = "/etc/autogit/autogit.toml"
    @OptionGroup var common: Common

    func run() async throws {
        try become("autogitd", ["report", "--config", config, "--socket", common.socket] + (output.map { ["--output", $0] } ?? []))
    }
}

struct SchemaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "Print a JSON schema of the configuration file, by which editors complete and check it.",
        discussion: "An editor that knows Taplo's comments takes it from the first line of the file: #:schema file:///usr/share/autogit/autogit.schema.json")

    func run() async throws { try become("autogitd", ["schema"]) }
}

struct SetupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "setup", abstract: "Configure AutoGit and start it: asks, tries what it is told, and writes the configuration. Run it as root.",
        discussion: """
            Everything can be given by flags, for scripts: --url, --token-file and --yes are enough where the token is an administrator's. Nothing is \
            changed before GitLab takes the token; when a later step fails, or is interrupted, everything is put back as it was.
            """)
    @Option(help: "GitLab's address, such as http://gitlab.home:3000.") var url: String?
    @Option(help: ArgumentHelp("A file with an access token; - for the standard input.", valueName: "path")) var tokenFile: String?
    @Option(help: ArgumentHelp("CA certificates in PEM, where GitLab's is not known to this machine.", valueName: "path")) var caFile: String?
    @Option(help: ArgumentHelp("A project that gets the webhook, and without an administrator's token its runners; may be repeated.", valueName: "path"))
    var project: [String] = []
    @Option(help: "docker or shell.") var executor: String?
    @Option(help: "The runner's own image.") var image: String?
    @Option(help: ArgumentHelp("GitLab's address for runners, where they need another than this machine.", valueName: "url")) var runnerUrl: String?
    @Option(help: "How the token is stored: encrypted for this machine, plain, or auto.") var storage = "auto"
    @Option(help: "The configuration file.") var config = "/etc/autogit/autogit.toml"
    @Flag(help: "Ask nothing.") var yes = false
    @Flag(help: "Install no webhooks: jobs are found by polling.") var noHooks = false
    @Flag(help: "Run no job to try it.") var noSelftest = false
    @Flag(help: ArgumentHelp("Start GitLab CE itself first, of the package autogit-gitlab, and have it make the token.")) var withGitlab = false
    @OptionGroup var common: Common

    func run() async throws {
        func option(_ name: String, _ value: String?) -> [String] { value.map { [name, $0] } ?? [] }
        try become(
            "autogitd",
            ["setup", "--config", config, "--socket", common.socket, "--storage", storage] + option("--url", url) + option("--token-file", tokenFile)
                + option("--ca-file", caFile) + project.flatMap { ["--project", $0] } + option("--executor", executor) + option("--image", image)
                + option("--runner-url", runnerUrl) + (yes ? ["--yes"] : []) + (noHooks ? ["--no-hooks"] : [])
                + (noSelftest ? ["--no-selftest"] : []) + (withGitlab ? ["--with-gitlab"] : []))
    }
}

struct Token: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "token", abstract: "Manage the access token for GitLab.", subcommands: [Set.self])

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Store another access token, encrypted or in the clear as the one before, and restart the service. Runners and jobs go on.")
        @Option(help: ArgumentHelp("A file with the token; - for the standard input. Without it you are asked.", valueName: "path")) var tokenFile: String?
        @Option(help: "How it is stored: encrypted for this machine, plain, or auto, as it is now.") var storage = "auto"
        @Option(help: "The configuration file.") var config = "/etc/autogit/autogit.toml"

        func run() async throws {
            try become("autogitd", ["token", "set", "--config", config, "--storage", storage] + (tokenFile.map { ["--token-file", $0] } ?? []))
        }
    }
}

struct SelftestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "selftest", abstract: "Run a real job in a runner of each pool, in a project that is made for it and removed. Run it as root.",
        discussion: """
            It takes a running daemon and a token with the scope api, and removes the project whatever happens, also after Ctrl-C.

            Exit status: 0 every job succeeded on a runner of its pool, 1 not, 130 interrupted.
            """)
    @Option(help: "The configuration file.") var config = "/etc/autogit/autogit.toml"
    @Option(help: "A pool to try, in place of all. May be repeated.") var pool: [String] = []
    @Option(help: "Minutes that each job gets, from waiting to its end.") var timeout = 10
    @Flag(help: "Print what was found as JSON; progress goes to the standard error.") var json = false

    func run() async throws {
        let pools = pool.flatMap { ["--pool", $0] }
        try become("autogitd", ["selftest", "--config", config, "--timeout", "\(timeout)"] + pools + (json ? ["--json"] : []))
    }
}

/// Replaces this process with another program.
func become(_ program: String, _ arguments: [String]) throws {
    var words = ([program] + arguments).map { strdup($0) } + [nil]
    // execv(3) returns only when it failed. Our own folder comes first, for builds that are not installed.
    if let slash = CommandLine.arguments[0].lastIndex(of: "/") { execv(CommandLine.arguments[0][...slash] + program, &words) }
    for folder in ["/usr/sbin/", "/usr/bin/", "/bin/"] { execv(folder + program, &words) }
    throw Failure("\(program) cannot be run; install it, or add it to /usr/sbin or /usr/bin", .unavailable)
}
