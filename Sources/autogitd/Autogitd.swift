import ArgumentParser
import CSystemd
import Dispatch
import ControlModel
import Fleet
import FoundationEssentials
import Glibc
import HTTPTransfer
import HostProbe
import HostTools
import Logging
import Settings
import Setup
import Systemd
import Threads

@main
struct Autogitd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "autogitd",
        abstract: "Starts GitLab runners when jobs wait and removes them when they don't.",
        version: autogitVersion,
        // The others are behind autogitctl, which has their help; they are here because they need what the daemon is made of.
        subcommands: [Run.self, DoctorCommand.self, ReportCommand.self, SchemaCommand.self, SetupCommand.self, SelftestCommand.self, TokenCommand.self],
        defaultSubcommand: Run.self
    )

    /// EX_CONFIG of sysexits.h(3head).
    static let badConfiguration = ExitCode(78)

    /// Swift's own main would run at a high priority that all tasks inherit. libdispatch then requests high-priority threads, which an
    /// unprivileged user can't have, and logs each refusal to the journal.
    static func main() {
        Task.detached(priority: .medium) {
            do {
                var command = try parseAsRoot()
                if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
            } catch let failure as CommandFailure {
                // Of a command behind autogitctl, in whose name it speaks.
                FileHandles.standardError("autogitctl: \(failure.description)\n")
                Glibc.exit(1)
            } catch {
                Self.exit(withError: error)
            }
            Glibc.exit(0)
        }
        dispatchMain()
    }
}

/// The daemon itself, and what is done with its configuration.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "run", abstract: "Run the service, or check its configuration.")

    @Option(help: "The configuration file.")
    var config = "/etc/autogit/autogit.toml"

    @Flag(help: "With --check: print JSON.")
    var json = false

    @Flag(help: "Check the configuration, print what was understood, and exit.")
    var check = false

    @Option(help: .hidden)
    var probe: Int?

    @Option(help: .hidden)
    var probeHost: String?

    @Option(help: .hidden)
    var hostFile = ProbedHost.usualPath

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
        if let probeHost { return try await Self.probe(hostInto: probeHost) }
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
                let listening = await WebhookAddress.ofUnit(settings)
                // A call to the socket of a service that was stopped would start it.
                let isRunning = await ServiceUser.isRunning()
                let runners = isRunning ? await DaemonInterview(socket: settings.controlSocket, http: HTTPClient()).runners() : []
                let user = await ServiceUser.ofUnit()
                let warnings =
                    await user.warnings(for: settings) + user.unreadable(settings.files) + UnitCredentials.warnings(for: settings)
                    + HostLinks.warnings(for: settings) + HostsTakenOut.warnings(for: settings, runners) + [listening.warning].compactMap { $0 }
                let understood = Understood(settings, listening: listening, warnings: warnings)
                print(json ? try understood.json() : understood.description)
                return
            }
            try await Daemon(settings, file: SettingsFile(path: config), sockets: sockets, manager: manager, hostFile: hostFile).run()
        } catch let error as any CustomStringConvertible & Error where error is InvalidSettings || error is NotConfigured {
            FileHandles.standardError("\(error)\n")
            manager.status("the configuration has errors, see: journalctl -u autogit")
            throw Autogitd.badConfiguration
        } catch let error as StartError {
            FileHandles.standardError("autogitd: \(error.message)\n")
            manager.status(error.message)
            throw ExitCode(1)
        }
    }
}

extension Run {
    /// The part of autogit-probe.service, and of root before a start: looks at the machine outside of the daemon's sandbox.
    private static func probe(hostInto path: String) async throws {
        // Files of a device that has failed can keep a reader for ever; the daemon starts without.
        alarm(45)
        do {
            try await onThread("looking at the machine", stackSize: ProbedHost.stackSize) {
                try ProbedHost.collect(user: ProbeRequest.sender()).write(to: path)
            }
        } catch {
            FileHandles.standardError("autogitd: \(error)\n")
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
        // The service gets the token in the clear from systemd.
        let unsealed = asInstalled && getuid() == 0 ? await TokenStorage(ThisMachine()).unsealed() : nil
        return try await read(asInstalled: asInstalled, token: unsealed.map { Secret($0) })
    }

    /// - Parameter token: in place of the one that is installed.
    func read(asInstalled: Bool, token: Secret?) async throws -> Settings {
        // It waits for a child process, and for the disk. The parser calls itself for each bracket: what the child survived
        // must not end this process.
        try await onThread("reading the configuration", stackSize: ParserProbe.stackSize * 2) { try readNow(asInstalled: asInstalled, token: token) }
    }

    private func readNow(asInstalled: Bool, token: Secret?) throws -> Settings {
        try ParserProbe(path: path).check()
        var file = stat()
        let hasTokenFile = stat(TokenFiles.plain, &file) == 0 && file.st_size > 1
        let besides = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        var environment = SettingsEnvironment(
            machineMemory: Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE))),
            credentialsDirectory: ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"] ?? (asInstalled ? besides : nil),
            architecture: Architecture(named: ProbedHost.machine),
            proxy: Self.proxy(ProcessInfo.processInfo.environment),
            // Whoever looks from outside reads the files themselves.
            hasTokenFile: hasTokenFile && !asInstalled && getenv("NOTIFY_SOCKET") != nil)
        if let token { environment.credentials["gitlab-token"] = token }
        return try Settings.read(path: path, environment: environment)
    }

    /// The proxy variables of an environment, by their lower-case names; those in lower case win.
    static func proxy(_ environment: [String: String]) -> [String: String] {
        ["http_proxy", "https_proxy", "no_proxy"].reduce(into: [:]) { found, name in
            found[name] = [environment[name], environment[name.uppercased()]].compactMap { $0 }.first { !$0.isEmpty }
        }
    }
}

enum FileHandles {
    static func standardError(_ text: String) { put(text, 2) }
    /// At once, whether it is a terminal or a pipe.
    static func standardOutput(_ text: String) { put(text, 1) }

    private static func put(_ text: String, _ descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if written <= 0 { return }
            bytes = bytes.dropFirst(written)
        }
    }
}
