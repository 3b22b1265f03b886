import ArgumentParser
import ContainerDriver
import ControlModel
import Doctor
import Fleet
import FoundationEssentials
import GitLab
import Glibc
import HTTPTransfer
import HostProbe
import HostTools
import Settings
import Setup
import Systemd
import Threads

/// `autogitctl setup`.
struct SetupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "setup", abstract: "Configure and start AutoGit.", shouldDisplay: false)

    @Option var url: String?
    @Option var tokenFile: String?
    @Option var caFile: String?
    @Option var project: [String] = []
    @Option var executor: Executor?
    @Option var image: String?
    @Option var runnerUrl: String?
    @Option var storage = TokenStorage.Form.automatic
    @Option var config = "/etc/autogit/autogit.toml"
    @Option var socket = "/run/autogit/control.sock"
    @Flag var yes = false
    @Flag var noHooks = false
    @Flag var noSelftest = false
    @Flag var withGitlab = false

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        guard getuid() == 0 else { throw CommandFailure("only root can set AutoGit up: sudo autogitctl setup") }
        guard ThisMachine().file("/run/systemd/system").exists else {
            throw CommandFailure("systemd does not run this machine, and AutoGit is a service of it")
        }
        Interruption.note()
        var wishes = Setup.Wishes()
        wishes.url = url
        wishes.token = try tokenFile.map(SecretInput.read)
        if withGitlab {
            let here = try await GitLabHere(machine: ThisMachine()) { FileHandles.standardOutput($0 + "\n") }.bringUp()
            wishes.url = url ?? here.url
            wishes.token = here.token
        }
        wishes.caFile = caFile
        wishes.projects = project
        wishes.executor = executor?.rawValue
        wishes.image = image
        wishes.runnerURL = runnerUrl
        wishes.storage = storage
        wishes.installsHooks = !noHooks
        let isInteractive = !yes && isatty(0) == 1 && tokenFile != "-"
        let console = TerminalConsole(isInteractive: isInteractive)
        do {
            let surroundings = try await surroundings(console)
            try await Setup(wishes, surroundings).run()
        } catch let error as SetupError {
            throw CommandFailure(error.description)
        }
        try await runJob(console)
        print("autogitctl doctor looks at everything; autogitctl selftest runs a job.")
    }

    /// What was set up stays, whatever comes of it. A token that may not make a project is no failure: nothing was tried.
    private func runJob(_ console: TerminalConsole) async throws {
        guard !noSelftest else { return }
        if console.isInteractive {
            let said = console.ask("Run a job now, in a project that is made for it and removed", usual: "yes")?.lowercased()
            guard said == "" || said == "y" || said == "yes" else { return }
        }
        let report = try await SelftestCommand.parse(["--config", config]).report()
        guard !report.ok else { return }
        console.say("! AutoGit runs, but no job \(report.jobs.isEmpty ? "was tried" : "succeeded"), see above")
        if !report.jobs.isEmpty { throw ExitCode.failure }
    }

    private func surroundings(_ console: TerminalConsole) async throws -> Setup.Surroundings {
        let machine = ThisMachine()
        let http = HTTPClient()
        let user: UserRecord
        switch await ServiceUser.ofUnit() {
        case .found(let found): user = found
        case .missing(let name): throw CommandFailure("autogit.service runs as the user \(name), and there is no such user: systemctl edit autogit.service")
        case .unknown: throw CommandFailure("autogit.service is not installed")
        }
        let engine = Engine(sockets: ["/run/user/\(user.uid)/podman/podman.sock", "/run/user/\(user.uid)/docker.sock"], http: http)
        let facts = try await onThread("looking at the machine", stackSize: ProbedHost.stackSize) { Self.facts(of: ProbedHost.collect(user: user.uid)) }
        let now = Date().formatted(.iso8601)
        let daemon = DaemonCall(socket: socket, http: http)
        let config = config
        var surroundings = Setup.Surroundings(
            workshop: machine, console: console, facts: facts, day: String(now.prefix(10)), stamp: String(now.filter(\.isNumber)), user: (user.name, user.uid),
            isHere: { url in await Self.isHere(url) },
            welcome: { url, token, caFile throws(SetupError) in try await Self.welcome(url, token, caFile, http) },
            engine: { try? await engine.introduction().product },
            fetch: { image throws(SetupError) in try await Self.fetch(image, engine, console) },
            webhookOfContained: { url in
                guard await Self.isHere(url), await GitLabHere.isRunning(on: machine), (try? await engine.kind())?.isPodman == true else { return nil }
                let socket = await WebhookAddress.socketOfUnit() ?? SocketAddress(host: "0.0.0.0", port: 8080)
                return try? await WebhookAddress(listening: socket).url(forGitLabAt: url)
            },
            reach: { url, image in
                do { return .seen(try await engine.reach(url, from: nil, image: image)) } catch { return .unseen("\(error)") }
            },
            errors: { text, token in await Self.errors(text, token, beside: config, machine) },
            awaitDaemon: { await daemon.awaitIt() },
            installHook: { await daemon.installHook($0) },
            isInterrupted: { Interruption.isNoted })
        surroundings.configurationPath = config
        return surroundings
    }

    // MARK: The edges

    private static func facts(of host: ProbedHost) -> MachineFacts {
        let kernel = ThisMachine().file("/sys/fs/cgroup/cgroup.controllers").text?.split(whereSeparator: \.isWhitespace) ?? []
        return MachineFacts(
            architecture: host.architecture, cpus: host.cpus, memory: host.memory,
            gpus: host.gpus.reduce(into: [:]) { $0[$1.vendor.rawValue, default: 0] += 1 },
            emulates: host.emulators.filter { $0.flags.contains("F") }.map { "\($0.architecture)" }, limitsMemory: kernel.isEmpty || kernel.contains("memory"))
    }

    /// The name resolves to an address that this machine's own packets to it leave from.
    static func isHere(_ url: String) async -> Bool {
        guard let own = try? await LocalAddress.towards(url), let host = URLComponents(string: url)?.host else { return false }
        if ["localhost", "127.0.0.1", "[::1]", own].contains(host) { return true }
        // Packets to oneself leave from where they arrive.
        return await ThisMachine().run(["ip", "-o", "route", "get", own == host ? host : await resolved(host)]).output?.contains("local ") == true
    }

    private static func resolved(_ host: String) async -> String {
        (await ThisMachine().run(["getent", "ahosts", host])).output?.split(separator: " ").first.map(String.init) ?? host
    }

    private static func welcome(_ url: String, _ token: String, _ caFile: String?, _ http: HTTPClient) async throws(SetupError) -> GitLabWelcome {
        guard let parts = URLComponents(string: url), ["http", "https"].contains(parts.scheme), parts.host?.isEmpty == false else {
            throw SetupError("\(url) is not an address such as http://gitlab.home:3000")
        }
        let forge = GitLabForge(.init(url: url, token: Secret(token), caFile: caFile), http: http)
        do {
            try await forge.ping()
            let facts = try await forge.tokenFacts()
            // Runners for the whole instance are better, and not needed.
            let isAdministrator =
                facts.lacks(for: TokenNeeds(instanceRunners: true)).allSatisfy { if case .scopes = $0 { true } else { false } }
                && facts.administrator == .yes
            return GitLabWelcome(
                lacks: facts.lacks(for: TokenNeeds(instanceRunners: false, writesProjects: true)).map(\.text), isAdministrator: isAdministrator)
        } catch {
            throw SetupError((error as? GitLabError)?.message ?? "\(error)")
        }
    }

    private static func fetch(_ image: String, _ engine: Engine, _ console: TerminalConsole) async throws(SetupError) {
        do {
            if try await engine.imageExists(image) { return }
            console.say("• fetching \(image)")
            struct Line: Decodable { var error: String? }
            let name = ImageName(image).canonical
            for try await piece in try await engine.stream("POST", "/images/create?fromImage=\(percentEncoded(name))") {
                for line in piece.split(separator: UInt8(ascii: "\n")) {
                    if let error = (try? JSONDecoder().decode(Line.self, from: Data(line)))?.error {
                        throw SetupError("\(image) could not be fetched: \(error)")
                    }
                }
            }
        } catch let error as SetupError {
            throw error
        } catch {
            throw SetupError("\(image) could not be fetched: \(error)")
        }
    }

    private static func errors(_ text: String, _ token: String, beside config: String, _ machine: ThisMachine) async -> [String] {
        let draft = "\(config).setup-\(getpid())"
        do {
            try machine.write(draft, text, mode: 0o600, owner: nil)
            defer { try? machine.remove(draft) }
            _ = try await SettingsFile(path: draft).read(asInstalled: true, token: Secret(token))
            return []
        } catch let error as InvalidSettings {
            return error.errors.map(\.description)
        } catch {
            return ["\(error)"]
        }
    }
}

extension Executor: ExpressibleByArgument {}

/// GitLab itself on this machine, from the package autogit-gitlab.
struct GitLabHere {
    static let unit = "autogit-gitlab.service"
    let machine: any Machine
    let say: (String) -> Void

    /// Starts GitLab, which takes up to half an hour the first time, and has it make a token.
    /// - Throws: `CommandFailure`
    func bringUp() async throws -> (url: String, token: String) {
        guard await state("LoadState") == "loaded" else {
            throw CommandFailure("the package autogit-gitlab is not installed: apt install autogit-gitlab, then autogitctl setup --with-gitlab again")
        }
        say("• starting GitLab; the first start takes 5 to 30 minutes, and Ctrl-C leaves it running")
        guard await machine.run(["systemctl", "enable", "--now", "--no-block", Self.unit]).output != nil else {
            throw CommandFailure("GitLab could not be started: systemctl status \(Self.unit)")
        }
        var said = ""
        while true {
            let (active, status) = (await state("ActiveState"), await state("StatusText"))
            if status != said, !status.isEmpty { say("  \(status)") }
            said = status
            if active == "active" { break }
            if active == "failed" { throw CommandFailure("GitLab did not start: journalctl -u autogit-gitlab -e") }
            if Interruption.isNoted { throw CommandFailure("interrupted; GitLab goes on starting: systemctl status autogit-gitlab") }
            try await Task.sleep(for: .seconds(2))
        }
        // The unit's own words, which have the address that it was given.
        guard let url = said.split(separator: " ").last.map(String.init), url.hasPrefix("http") else {
            throw CommandFailure("GitLab runs, and its unit doesn't say where: give its address by --url")
        }
        switch await machine.run(["/usr/lib/autogit/gitlab-token"], input: nil, limit: .seconds(600)) {
        case .ended(0, let token, _): return (url, token.trimmed)
        case .ended(_, _, let errors): throw CommandFailure(errors.trimmed)
        case .missing: throw CommandFailure("/usr/lib/autogit/gitlab-token is missing: apt install --reinstall autogit-gitlab")
        case .failed(let reason): throw CommandFailure("/usr/lib/autogit/gitlab-token \(reason)")
        }
    }

    /// Whether its container is there, or on its way.
    static func isRunning(on machine: any Machine) async -> Bool {
        ["active", "activating"].contains(await GitLabHere(machine: machine) { _ in }.state("ActiveState"))
    }

    private func state(_ property: String) async -> String {
        (await machine.run(["systemctl", "show", "-p", property, "--value", Self.unit])).output?.trimmed ?? ""
    }
}

/// What a setup asks of the daemon.
private struct DaemonCall: Sendable {
    let socket: String
    let http: HTTPClient

    /// Waits up to a minute: a start recovers what was there.
    func awaitIt() async -> String? {
        var trouble = ""
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline, !Interruption.isNoted {
            do {
                let answer = try await http.send(HTTPRequest("GET", "http://autogit/health", unixSocket: socket, timeout: .seconds(10)))
                let health = try? JSONDecoder().decode(HealthView.self, from: Data(answer.body))
                if answer.isSuccess { return nil }
                trouble = health.map { [$0.gitlab, $0.engine, $0.store].filter { !["ok", "unknown"].contains($0) }.joined(separator: "; ") } ?? answer.text
            } catch {
                trouble = (error as? TransferError)?.message ?? "\(error)"
            }
            do { try await Task.sleep(for: .milliseconds(500)) } catch { break }
        }
        return trouble + " (journalctl -u autogit says more)"
    }

    func installHook(_ project: String) async -> String? {
        do {
            let body = Array(try JSONEncoder().encode(HookRequest(project: project, url: nil)))
            let answer = try await http.send(
                HTTPRequest(
                    "POST", "http://autogit/hooks", headers: [("Content-Type", "application/json")], body: body, unixSocket: socket, timeout: .seconds(60)))
            if answer.isSuccess { return nil }
            return (try? JSONDecoder().decode(Problem.self, from: Data(answer.body)))?.detail ?? "the daemon answered \(answer.status)"
        } catch {
            return (error as? TransferError)?.message ?? "\(error)"
        }
    }
}
