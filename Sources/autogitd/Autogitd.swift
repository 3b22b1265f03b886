import ArgumentParser
import CSystemd
import Dispatch
import ControlModel
import Fleet
import FoundationEssentials
import Glibc
import Logging
import Settings
import Systemd
import Threads

@main
struct Autogitd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "autogitd",
        abstract: "Starts GitLab runners when jobs wait and removes them when they don't.",
        version: autogitVersion)

    /// EX_CONFIG of sysexits.h(3head).
    static let badConfiguration = ExitCode(78)

    /// Swift's own main would run at a high priority that all tasks inherit. libdispatch then requests high-priority threads, which an
    /// unprivileged user can't have, and logs each refusal to the journal.
    static func main() {
        Task.detached(priority: .medium) {
            await Self.main(nil)
            Glibc.exit(0)
        }
        dispatchMain()
    }

    @Option(help: "The configuration file.")
    var config = "/etc/autogit/autogit.toml"

    @Flag(help: "With --check: print JSON.")
    var json = false

    @Flag(help: "Check the configuration, print what was understood, and exit.")
    var check = false

    @Option(help: .hidden)
    var probe: Int?

    @Option(help: "The least severe messages to log: trace, debug, info, notice, warning, error.")
    var logLevel: Logger.Level = .info

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        if let probe {
            // No core dump for an expected crash.
            var none = rlimit()
            setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
            let config = config
            return try await onThread("probing the configuration", stackSize: ParserProbe.stackSize) { ParserProbe.run(config, lines: probe) }
        }
        // Jobs in scopes run as our user, and must not read the token in our memory.
        if autogit_set_undumpable() != 0 {
            FileHandles.standardError("autogitd: prctl(PR_SET_DUMPABLE) failed, so jobs in scopes may be able to read this process's memory\n")
        }
        let sockets = InheritedSockets.take()
        let manager = ServiceManager()
        let level = logLevel
        let isJournalConnected = JournalLogHandler.isConnected
        // Whichever way the process exits, what was logged before is written; a journal that hangs gets five seconds.
        if isJournalConnected { atexit { JournalWriter.shared.flush(atMost: .seconds(5)) } }
        LoggingSystem.bootstrap { _ in
            if isJournalConnected { return JournalLogHandler(identifier: "autogitd", level: level) }
            return LineLogHandler(level: level)
        }
        do {
            let settings: Settings
            do {
                settings = try await SettingsFile(path: config).read(asInstalled: check)
            } catch let missing as NotConfigured where !check && getenv("NOTIFY_SOCKET") != nil {
                // A fresh installation: stay up and say so, instead of failing and restarting in a loop.
                guard let late = try await Unconfigured(file: SettingsFile(path: config), sockets: sockets, manager: manager).wait(missing) else { return }
                settings = late
            }
            if check {
                let understood = Understood(settings, warnings: await ServiceUser.ofUnit().warnings(for: settings))
                print(json ? try understood.json() : understood.description)
                return
            }
            try await Daemon(settings, file: SettingsFile(path: config), sockets: sockets, manager: manager).run()
        } catch let error as any CustomStringConvertible & Error where error is InvalidSettings || error is NotConfigured {
            FileHandles.standardError("\(error)\n")
            manager.status("the configuration has errors, see: journalctl -u autogit")
            throw Self.badConfiguration
        } catch let error as StartError {
            FileHandles.standardError("autogitd: \(error.message)\n")
            manager.status(error.message)
            throw ExitCode(1)
        }
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}

/// The daemon can't start.
struct StartError: Error {
    /// The reason, with the next step.
    var message: String
}

/// The configuration file, read with the facts of this machine.
struct SettingsFile: Sendable {
    let path: String

    /// - Parameter asInstalled: take the secrets that the unit would pass as credentials, for a look at the file
    ///   outside of the unit.
    /// - Throws: `InvalidSettings`, `NotConfigured`, `ThreadError`
    func read(asInstalled: Bool = false) async throws -> Settings {
        // It waits for a child process, and for the disk. The parser calls itself for each bracket: what the child survived
        // must not end this process.
        try await onThread("reading the configuration", stackSize: ParserProbe.stackSize * 2) { try readNow(asInstalled: asInstalled) }
    }

    private func readNow(asInstalled: Bool) throws -> Settings {
        try ParserProbe(path: path).check()
        let besides = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        return try Settings.read(
            path: path,
            environment: SettingsEnvironment(
                machineMemory: Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE))),
                credentialsDirectory: ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"] ?? (asInstalled ? besides : nil),
                proxy: Self.proxy(ProcessInfo.processInfo.environment)))
    }

    /// The proxy variables of an environment, by their lower-case names; those in lower case win.
    static func proxy(_ environment: [String: String]) -> [String: String] {
        ["http_proxy", "https_proxy", "no_proxy"].reduce(into: [:]) { found, name in
            found[name] = [environment[name], environment[name.uppercased()]].compactMap { $0 }.first { !$0.isEmpty }
        }
    }
}

enum FileHandles {
    static func standardError(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
            if written <= 0 { return }
            bytes = bytes.dropFirst(written)
        }
    }
}
