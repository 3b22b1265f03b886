import ArgumentParser
import ContainerDriver
import Coordinator
import Fleet
import FoundationEssentials
import GitLab
import Glibc
import HTTPTransfer
import Logging
import ServiceLifecycle
import Settings
import Store
import WebAPI

@main
struct Autogitd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "autogitd",
        abstract: "Starts GitLab runners when jobs wait and removes them when they don't.",
        version: version)

    static let version = "0.1.0"

    @Option(help: "The configuration file.")
    var config = "/etc/autogit/autogit.toml"

    @Flag(help: "Check the configuration, print what was understood, and exit.")
    var check = false

    @Option(help: "The least severe messages to log: trace, debug, info, notice, warning, error.")
    var logLevel: Logger.Level = .info

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        let settings: Settings
        do {
            settings = try Settings.read(
                path: config,
                environment: SettingsEnvironment(
                    machineMemory: Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE))),
                    credentialsDirectory: ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"]))
        } catch let invalid as InvalidSettings {
            FileHandles.standardError("\(invalid)\n")
            // EX_CONFIG of sysexits.h(3head).
            throw ExitCode(78)
        }
        if check {
            print(Understood(settings))
            return
        }
        let level = logLevel
        LoggingSystem.bootstrap { _ in LineLogHandler(level: level) }
        do {
            try await Daemon(settings).run()
        } catch let error as StartError {
            FileHandles.standardError("autogitd: \(error.message)\n")
            throw ExitCode(1)
        }
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}

/// Why the daemon can't start, with the next step.
struct StartError: Error {
    var message: String
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
