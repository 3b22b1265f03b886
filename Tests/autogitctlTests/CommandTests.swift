import ArgumentParser
import Testing

@testable import autogitctl

/// Command lines as they are typed.
@Suite struct CommandTests {
    private func parse<C: ParsableCommand>(_ words: String, as type: C.Type) throws -> C {
        try #require(try Autogitctl.parseAsRoot(words.split(separator: " ").map(String.init)) as? C, "\(words) is another command")
    }

    @Test func everyCommandIsParsed() throws {
        #expect(try parse("status --json", as: Status.self).common.json)
        #expect(try parse("runners", as: Runners.self).runner == nil)
        #expect(try parse("runners abc", as: Runners.self).runner == "abc")
        #expect(try parse("jobs 12", as: Jobs.self).job == 12)
        #expect(try parse("jobs --active", as: Jobs.self).active)
        #expect(try parse("pools --socket /s", as: Pools.self).common.socket == "/s")
        #expect(try parse("cache --json", as: Cache.List.self).common.json)
        #expect(try parse("cache list", as: Cache.List.self).common.socket == "/run/autogit/control.sock")
        #expect(try parse("cache clear p", as: Cache.Clear.self).pool == "p")
        #expect(try parse("spawn p", as: Spawn.self).pool == "p")
        #expect(try parse("drain r", as: Drain.self).runner == "r")
        #expect(try parse("pause p", as: Pause.self).pool == "p")
        #expect(try parse("resume p", as: Resume.self).pool == "p")
        #expect(try !parse("reload", as: Reload.self).common.json)
        #expect(try parse("check --config /c", as: Check.self).config == "/c")
        _ = try parse("schema", as: SchemaCommand.self)
        #expect(try parse("reconcile --dry-run", as: Reconcile.self).dryRun)
    }

    @Test func optionsHaveTheirDocumentedDefaults() throws {
        let status = try parse("status", as: Status.self)
        #expect(status.common.socket == "/run/autogit/control.sock" && !status.common.json)
        #expect(try parse("logs", as: Logs.self).runner == nil)
        let logs = try parse("logs r", as: Logs.self)
        #expect(logs.lines == 100 && !logs.follow)
        let followed = try parse("logs r -f -n 5", as: Logs.self)
        #expect(followed.lines == 5 && followed.follow)
        #expect(try parse("evacuate", as: Evacuate.self).timeout == 60)
        #expect(try parse("check", as: Check.self).config == "/etc/autogit/autogit.toml")
        // Nobody ends a job by leaving something out.
        #expect(try !parse("remove r", as: Remove.self).force)
        #expect(try parse("remove r --force", as: Remove.self).force)
        #expect(try !parse("reconcile", as: Reconcile.self).dryRun)
        let hook = try parse("hook install g/p", as: Hook.Install.self)
        #expect(hook.project == "g/p" && hook.url == nil)
        #expect(try parse("hook install g/p --url http://h/", as: Hook.Install.self).url == "http://h/")
    }

    /// EX_USAGE of sysexits.h(3head).
    @Test(arguments: [
        "fly", "spawn", "drain", "jobs x", "jobs 1 2", "logs -f", "logs r -n many", "remove --force", "status --unknown", "hook install", "cache clear",
        "cache p",
    ])
    func wrongUsageExitsWith64(words: String) {
        let error = #expect(throws: (any Error).self) { try Autogitctl.parseAsRoot(words.split(separator: " ").map(String.init)) }
        if let error { #expect(Autogitctl.exitCode(for: error).rawValue == 64) }
    }

    @Test(arguments: ["--help", "--version", "jobs --help"]) func helpIsNoFailure(words: String) {
        do {
            // A subcommand's help is a command of its own, which prints when it runs.
            var command = try Autogitctl.parseAsRoot(words.split(separator: " ").map(String.init))
            #expect(throws: (any Error).self) { try command.run() }
        } catch {
            #expect(Autogitctl.exitCode(for: error) == .success)
        }
    }
}
