import ArgumentParser
import FoundationEssentials
import GitLab
import Glibc
import HTTPTransfer
import HostTools
import Fleet
import Settings
import Setup

/// `autogitctl token set`.
struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Manage GitLab's access token.", shouldDisplay: false, subcommands: [Set.self])

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Store another access token, and restart the service.")

        @Option(help: "A file with the token; - for the standard input. Without it you are asked.")
        var tokenFile: String?

        @Option(help: "encrypted, plain, or auto: as it is stored now.")
        var storage = TokenStorage.Form.automatic

        @Option(help: "The configuration file.")
        var config = "/etc/autogit/autogit.toml"

        func run() async throws {
            signal(SIGPIPE, SIG_IGN)
            guard getuid() == 0 else { throw CommandFailure("only root can store the token: sudo autogitctl token set") }
            let machine = ThisMachine()
            let token = try given() ?? ask()
            guard !token.isEmpty, !token.contains(where: \.isWhitespace) else { throw CommandFailure("a token is one word; nothing was changed") }
            let isTried = try await tries(token)
            Interruption.note()
            var transaction = Transaction(machine)
            do {
                let (changes, place) = try await TokenStorage(machine).changes(storing: token, as: storage)
                let isBooted = machine.file("/run/systemd/system").exists
                if isBooted { try await transaction.apply(.serviceWhenUndone) }
                for change in changes { try await transaction.apply(change) }
                if isBooted {
                    try await transaction.apply(.run(["systemctl", "daemon-reload"]))
                    // One that isn't running stays so.
                    try await transaction.apply(.run(["systemctl", "try-restart", "autogit.service"]))
                }
                print("the token is in \(place)" + (isTried ? ", and GitLab takes it" : "; it was not tried, because there is no valid configuration yet"))
            } catch {
                let left = await transaction.undoAll()
                throw CommandFailure(
                    "\(error)" + (left.isEmpty ? "; the token is the one before" : "; it could not all be undone: \(left.joined(separator: "; "))"))
            }
        }

        private func given() throws -> String? {
            guard let path = tokenFile else { return nil }
            return try SecretInput.read(path)
        }

        private func ask() throws -> String {
            guard isatty(0) == 1 else {
                throw CommandFailure("there is no terminal to ask on: give a file with the token by --token-file, or - for the standard input")
            }
            guard let typed = TerminalConsole(isInteractive: true).askSecret("the access token (it is not shown): ") else {
                throw CommandFailure("nothing was changed")
            }
            return typed.trimmed
        }

        /// Whether GitLab was asked, which takes a configuration that is valid but for the token.
        private func tries(_ token: String) async throws -> Bool {
            guard let settings = try? await SettingsFile(path: config).read(asInstalled: true, token: Secret(token)) else { return false }
            if settings.gitlab.namesTokenFile {
                throw CommandFailure("the configuration names a file for the token (token_file in [gitlab]): write it there, then: systemctl restart autogit")
            }
            let forge = GitLabForge(.init(url: settings.gitlab.url, token: settings.gitlab.token, caFile: settings.gitlab.caFile), http: HTTPClient())
            let facts: TokenFacts
            do {
                try await forge.ping()
                facts = try await forge.tokenFacts()
            } catch let error as GitLabError {
                throw CommandFailure("\(error.message); nothing was changed")
            }
            let lacks = facts.lacks(for: TokenNeeds(instanceRunners: settings.pools.contains { $0.register == .instance }))
            if !lacks.isEmpty { throw CommandFailure("\(lacks.map(\.text).joined(separator: "; ")). Nothing was changed") }
            return true
        }
    }
}

extension TokenStorage.Form: ExpressibleByArgument {}

/// A command that could not be carried out; it is printed as it is.
struct CommandFailure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// A secret from a file or the standard input.
enum SecretInput {
    /// - Parameter path: `-` for the standard input.
    static func read(_ path: String) throws -> String {
        if path == "-" { return (TerminalConsole.line() ?? "").trimmed }
        switch ThisMachine().file(path) {
        case .text(let text, _, _): return text.trimmed
        case .missing: throw CommandFailure("\(path) is not there")
        case .other: throw CommandFailure("\(path) is not a file")
        case .unreadable(let reason): throw CommandFailure("\(path): \(reason)")
        }
    }
}
