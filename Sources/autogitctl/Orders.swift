import ArgumentParser
import ControlModel
import FoundationEssentials
import Glibc
import HTTPTransfer

/// A name as one segment of a path, whatever is in it.
func pathSegment(_ name: String) -> String { percentEncoded(name) }

struct Logs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "What a runner wrote.")
    @Argument(help: "A runner's id or name.") var runner: String
    @Flag(name: .shortAndLong, help: "Go on with what it writes, until it ends.") var follow = false
    @Option(name: [.customShort("n"), .long], help: "How many of the last lines.") var lines = 100
    @OptionGroup var common: Common

    func run() async throws {
        let (view, _) = try await common.daemon.get("/runners/\(pathSegment(runner))", as: RunnerView.self)
        if view.driver == "scope" {
            // The journal has it, also of runners that are gone.
            try become("journalctl", ["--no-pager", "--output=cat", "--identifier=\(view.name)", "--lines=\(lines)"] + (follow ? ["--follow"] : []))
        }
        try await common.daemon.stream("/runners/\(view.id)/log?lines=\(lines)&follow=\(follow)") { chunk in
            writeAll(isatty(1) == 1 ? Array(terminalText(chunk).utf8) : chunk)
        }
    }

    /// Lines and colours are a log's own; everything else that could steer a terminal is taken out.
    private func terminalText(_ chunk: [UInt8]) -> String {
        String(decoding: chunk, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map { printable(String($0)) }
            .joined(separator: "\n")
    }
}

struct Spawn: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Start a runner now, within the pool's bounds.")
    @Argument(help: "The pool.") var pool: String
    @OptionGroup var common: Common

    func run() async throws {
        let raw = try await common.daemon.call("POST", "/runners", body: SpawnRequest(pool: pool))
        if common.json { return writeAll(raw) }
        writeAll("starting \(try common.daemon.decode(RunnerView.self, raw).name)\n")
    }
}

struct Drain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Let a runner finish its job, then remove it.")
    @Argument(help: "A runner's id or name.") var runner: String
    @OptionGroup var common: Common

    func run() async throws { try await dismiss(runner, force: false, common) }
}

struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Remove a runner: when it has no job, or at once with --force.")
    @Argument(help: "A runner's id or name.") var runner: String
    @Flag(help: "At once; a job that it has fails.") var force = false
    @OptionGroup var common: Common

    func run() async throws {
        if !force {
            let (view, _) = try await common.daemon.get("/runners/\(pathSegment(runner))", as: RunnerView.self)
            if let job = view.current_job {
                throw fail("\(view.name) has job \(job): drain it, or end the job with --force", .conflict)
            }
        }
        try await dismiss(runner, force: force, common)
    }
}

private func dismiss(_ runner: String, force: Bool, _ common: Common) async throws {
    let raw = try await common.daemon.call("DELETE", "/runners/\(pathSegment(runner))\(force ? "?force=true" : "")")
    if common.json { return writeAll(raw) }
    let view = try common.daemon.decode(RunnerView.self, raw)
    writeAll("\(view.name) is \(view.status)\n")
}

struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Start no more runners in a pool.")
    @Argument(help: "The pool.") var pool: String
    @OptionGroup var common: Common

    func run() async throws { try await setPaused(pool, "pause", common) }
}

struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Start runners in a pool again.")
    @Argument(help: "The pool.") var pool: String
    @OptionGroup var common: Common

    func run() async throws { try await setPaused(pool, "resume", common) }
}

private func setPaused(_ pool: String, _ verb: String, _ common: Common) async throws {
    let raw = try await common.daemon.call("POST", "/pools/\(pathSegment(pool))/\(verb)")
    if common.json { return writeAll(raw) }
    writeAll("pool \(pool) is \(try common.daemon.decode(PauseView.self, raw).paused ? "paused" : "open")\n")
}

struct Reload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Have the daemon read its configuration again.")
    @OptionGroup var common: Common

    func run() async throws {
        let raw = try await common.daemon.call("POST", "/reload")
        if common.json { return writeAll(raw) }
        let view = try common.daemon.decode(ReloadView.self, raw)
        writeAll("reloaded; pools: \(view.pools.joined(separator: ", "))\n")
        if view.needs_restart { writeAll("some changes need: systemctl restart autogit\n") }
    }
}

struct Reconcile: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at engine, scopes and GitLab now, and remove what nobody owns. The daemon does so by itself every minute to ten.")
    @Flag(help: "Only say what would be done, and why.") var dryRun = false
    @OptionGroup var common: Common

    func run() async throws {
        let raw = try await common.daemon.call("POST", "/reconcile\(dryRun ? "?dry_run=true" : "")")
        if common.json { return writeAll(raw) }
        let views = try common.daemon.decode([ReconcileView].self, raw)
        if views.isEmpty { return writeAll("everything is as it should be\n") }
        var table = Table("WHAT", "NAME", dryRun ? "WOULD" : "ACTION", "WHY")
        for view in views { table.add(view.what, view.name, view.action, view.reason) }
        writeAll(table.text(width: terminalWidth()))
    }
}

struct Evacuate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Remove all runners at once, jobs or not, and start none until the daemon is restarted.")
    @Option(help: "Seconds to wait for the last one to be gone.") var timeout = 60
    @OptionGroup var common: Common

    func run() async throws {
        let raw = try await common.daemon.call("POST", "/evacuate?timeout=\(timeout)", timeout: .seconds(timeout + 30))
        let left = try common.daemon.decode([RunnerView].self, raw)
        if common.json { writeAll(raw) }
        guard left.isEmpty else {
            throw fail("still there: \(left.map(\.name).joined(separator: ", ")); journalctl -u autogit says why", .failure)
        }
        if !common.json { writeAll("no runners are left\n") }
    }
}

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Check a configuration file without using it.")
    @Option(help: "The file.") var config = "/etc/autogit/autogit.toml"
    @OptionGroup var common: Common

    func run() async throws {
        try become("autogitd", ["--check", "--config", config] + (common.json ? ["--json"] : []))
    }
}

struct Hook: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "A project's job webhook.", subcommands: [Install.self])

    struct Install: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Have GitLab send a project's job events to this daemon.")
        @Argument(help: "The project's path or id.") var project: String
        @Option(help: "The webhook's address as GitLab reaches it; without it, this host's address on the way to GitLab.") var url: String?
        @OptionGroup var common: Common

        func run() async throws {
            let raw = try await common.daemon.call("POST", "/hooks", body: HookRequest(project: project, url: url))
            if common.json { return writeAll(raw) }
            let view = try common.daemon.decode(HookView.self, raw)
            writeAll("\(view.result) hook \(view.id) of \(view.project) to \(view.url)\n")
        }
    }
}

/// Becomes another program.
private func become(_ program: String, _ arguments: [String]) throws {
    var words = ([program] + arguments).map { strdup($0) } + [nil]
    // Only comes back when it failed; our own folder comes first, for an autogitd that is not installed.
    if let slash = CommandLine.arguments[0].lastIndex(of: "/") { execv(CommandLine.arguments[0][...slash] + program, &words) }
    for folder in ["/usr/sbin/", "/usr/bin/", "/bin/"] { execv(folder + program, &words) }
    throw fail("\(program) cannot be run: is it installed?", .unavailable)
}
