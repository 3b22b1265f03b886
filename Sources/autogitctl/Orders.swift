import ArgumentParser
import ControlModel
import FoundationEssentials
import Glibc
import HTTPTransfer

/// Any name as one segment of a path.
func pathSegment(_ name: String) -> String { percentEncoded(name) }

struct Logs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the log of a runner, or list the logs of runners that are gone.",
        discussion: "The last 256 KiB of a runner that failed to start or died are kept for 30 days, the last 200 logs of them, without tokens.")
    @Argument(help: "A runner's id or name. Without it, the kept logs are listed.") var runner: String?
    @Flag(name: .shortAndLong, help: "Follow the log until the runner ends.") var follow = false
    @Option(name: [.customShort("n"), .long], help: "How many of the last lines to show.") var lines = 100
    @OptionGroup var common: Common

    func validate() throws {
        if runner == nil, follow { throw ValidationError("Name the runner whose log is to be followed.") }
    }

    func run() async throws {
        guard let runner else { return try await list() }
        let (view, _) = try await common.daemon.get("/runners/\(pathSegment(runner))", as: RunnerView.self)
        if view.driver == "scope", view.has_log != true {
            // The journal may have it, even after the runner is gone.
            try become("journalctl", ["--no-pager", "--output=cat", "--identifier=\(view.name)", "--lines=\(lines)"] + (follow ? ["--follow"] : []))
        }
        try await common.daemon.stream("/runners/\(view.id)/log?lines=\(lines)&follow=\(follow)") { chunk in
            writeAll(isatty(1) == 1 ? Array(Self.terminalText(chunk).utf8) : chunk)
        }
    }

    private func list() async throws {
        let (views, raw) = try await common.daemon.get("/logs", as: [KeptLogView].self)
        if common.json { return writeAll(raw) }
        writeAll(views.isEmpty ? "no log of a runner is kept\n" : Self.table(views, at: Date()).text(width: terminalWidth()))
    }

    static func table(_ views: [KeptLogView], at now: Date) -> Table {
        var table = Table("RUNNER", "POOL", "AGE", "BYTES", "REASON")
        for view in views { table.add(view.runner, view.pool, age(view.at, at: now), "\(view.bytes)", view.reason) }
        return table
    }

    /// Keeps the lines of a log, and replaces everything that could control the terminal.
    static func terminalText(_ chunk: [UInt8]) -> String {
        String(decoding: chunk, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map { printable(String($0)) }
            .joined(separator: "\n")
    }
}

struct Spawn: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Start a runner now, within the bounds of the pool and the host.")
    @Argument(help: "The name of the pool.") var pool: String
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
    static let configuration = CommandConfiguration(abstract: "Remove an idle runner, or with --force any runner at once.")
    @Argument(help: "A runner's id or name.") var runner: String
    @Flag(help: "Remove it at once; its job fails.") var force = false
    @OptionGroup var common: Common

    func run() async throws {
        if !force {
            let (view, _) = try await common.daemon.get("/runners/\(pathSegment(runner))", as: RunnerView.self)
            if let job = view.current_job {
                throw Failure(
                    "\(view.name) is running job \(job) and was not removed; let it finish with autogitctl drain, or end it with --force", .conflict)
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
    static let configuration = CommandConfiguration(abstract: "Start no more runners in a pool; those that run keep running.")
    @Argument(help: "The name of the pool.") var pool: String
    @OptionGroup var common: Common

    func run() async throws { try await setPaused(pool, "pause", common) }
}

struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Start runners in a pool again.")
    @Argument(help: "The name of the pool.") var pool: String
    @OptionGroup var common: Common

    func run() async throws { try await setPaused(pool, "resume", common) }
}

private func setPaused(_ pool: String, _ verb: String, _ common: Common) async throws {
    let raw = try await common.daemon.call("POST", "/pools/\(pathSegment(pool))/\(verb)")
    if common.json { return writeAll(raw) }
    writeAll("pool \(pool) is \(try common.daemon.decode(PauseView.self, raw).paused ? "paused" : "open")\n")
}

struct Reload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Reload the configuration.")
    @OptionGroup var common: Common

    func run() async throws {
        let raw = try await common.daemon.call("POST", "/reload")
        if common.json { return writeAll(raw) }
        let view = try common.daemon.decode(ReloadView.self, raw)
        writeAll("reloaded; pools: \(view.pools.joined(separator: ", "))\n")
        if view.needs_restart { writeAll("some changes take effect after a restart only; run: systemctl restart autogit\n") }
    }
}

struct Reconcile: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare the engine, scopes and GitLab with the database now, and remove orphans. The daemon does so by itself every one to ten minutes.")
    @Flag(help: "Only list what would be removed, and why.") var dryRun = false
    @OptionGroup var common: Common

    func run() async throws {
        let raw = try await common.daemon.call("POST", "/reconcile\(dryRun ? "?dry_run=true" : "")")
        if common.json { return writeAll(raw) }
        let views = try common.daemon.decode([ReconcileView].self, raw)
        if views.isEmpty { return writeAll("everything is as it should be\n") }
        var table = Table("KIND", "NAME", dryRun ? "WOULD" : "ACTION", "REASON")
        for view in views { table.add(view.what, view.name, view.action, view.reason) }
        writeAll(table.text(width: terminalWidth()))
    }
}

struct Evacuate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Remove all runners at once, busy or not, and start none until the daemon is restarted.")
    @Option(help: "Seconds to wait until all are gone.") var timeout = 60
    @OptionGroup var common: Common

    func run() async throws {
        let raw = try await common.daemon.call("POST", "/evacuate?timeout=\(timeout)", timeout: .seconds(timeout + 30))
        let left = try common.daemon.decode([RunnerView].self, raw)
        if common.json { writeAll(raw) }
        guard left.isEmpty else {
            throw Failure("not removed yet: \(left.map(\.name).joined(separator: ", ")); the daemon keeps trying, see: journalctl -u autogit", .failure)
        }
        if !common.json { writeAll("no runners are left\n") }
    }
}

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Check a configuration file without applying it.")
    @Option(help: "The file.") var config = "/etc/autogit/autogit.toml"
    @OptionGroup var common: Common

    func run() async throws {
        try become("autogitd", ["--check", "--config", config] + (common.json ? ["--json"] : []))
    }
}

struct Hook: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Manage the job webhook of a project.", subcommands: [Install.self])

    struct Install: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Have GitLab send the job events of a project to this daemon.")
        @Argument(help: "The project's path or id.") var project: String
        @Option(help: "The address of the webhook as GitLab reaches it. Default: this host's address on the route to GitLab.") var url: String?
        @OptionGroup var common: Common

        func run() async throws {
            let raw = try await common.daemon.call("POST", "/hooks", body: HookRequest(project: project, url: url))
            if common.json { return writeAll(raw) }
            let view = try common.daemon.decode(HookView.self, raw)
            writeAll("\(view.result) hook \(view.id) of \(view.project) to \(view.url)\n")
        }
    }
}

struct Notify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Try out who is told of troubles.", subcommands: [Test.self])

    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Send a test notification, and say how each target took it.")
        @Argument(help: "The name of a target. Default: all.") var name: String?
        @OptionGroup var common: Common

        func run() async throws {
            let raw = try await common.daemon.call("POST", "/notify/test", body: NotifyTestRequest(name: name), timeout: .seconds(900))
            let views = try common.daemon.decode([NotifyTestView].self, raw)
            if common.json {
                writeAll(raw)
            } else {
                var table = Table("NAME", "KIND", "TO", "RESULT")
                for view in views { table.add(view.name, view.kind, view.to, view.delivered ? "delivered" : view.error ?? "failed") }
                writeAll(table.text(width: terminalWidth()))
            }
            let failed = views.filter { !$0.delivered }.map(\.name)
            if !failed.isEmpty { throw Failure("not delivered: \(failed.joined(separator: ", "))", .failure) }
        }
    }
}
