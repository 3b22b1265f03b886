import ArgumentParser
import ContainerDriver
import ControlModel
import Doctor
import FoundationEssentials
import GitLab
import Glibc
import HTTPTransfer
import HostTools
import Settings
import Systemd

/// `autogitctl doctor`.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "doctor", abstract: "Look for what keeps runners from working.", shouldDisplay: false)

    @Option(help: "The configuration file.")
    var config = "/etc/autogit/autogit.toml"

    @Option(help: "The daemon's control socket.")
    var socket = "/run/autogit/control.sock"

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "Offer to run the commands that mend what was found.")
    var fix = false

    func validate() throws {
        if json, fix { throw ValidationError("--fix asks, and --json is for programs: give one of them.") }
    }

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        let diagnosis = await Self.diagnosis(config: config, socket: socket, isQuiet: json)
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(diagnosis), as: UTF8.self))
        } else {
            print(diagnosis.text, terminator: "")
            if fix { await Remedies(machine: ThisMachine()).offer(for: diagnosis) }
        }
        throw ExitCode(diagnosis.exitStatus)
    }

    /// - Parameter isQuiet: say nothing of the progress.
    static func diagnosis(config: String, socket: String, isQuiet: Bool) async -> Diagnosis {
        let isSeen = !isQuiet && isatty(2) == 1
        let examination = Examination(await subject(config: config, socket: socket)) { what in
            if isSeen { FileHandles.standardError("\r\u{1B}[Klooking at \(what)…") }
        }
        let evidence = await examination.evidence()
        if isSeen { FileHandles.standardError("\r\u{1B}[K") }
        return Checkup.diagnosis(of: evidence)
    }

    // MARK: What is looked at

    static func subject(config: String, socket: String) async -> Examination.Subject {
        let http = HTTPClient()
        let machine = ThisMachine()
        let (configuration, settings) = await self.configuration(config, machine)
        var webhook: String?
        if let settings { webhook = try? await WebhookAddress.ofUnit(settings).url(forGitLabAt: settings.gitlab.url) }
        let find: @Sendable (String) -> (name: String, uid: UInt32)? = { UserRecord.find($0).map { ($0.name, $0.uid) } }
        let daemon = DaemonInterview(socket: socket, http: http)
        let logins = settings?.registries ?? []
        var subject = Examination.Subject(
            machine: machine, isRoot: getuid() == 0, configurationPath: config, configuration: configuration,
            engine: Engine(sockets: settings?.engineSocket.map { [$0] } ?? Daemon.engineCandidates([:]), http: http),
            gitlab: settings.map { gitlab($0, webhook, http) }, registry: { await RegistryInquiry(http: http, logins: logins).head($0) },
            daemon: { await daemon.look() }, find: find, now: Date(), version: autogitVersion)
        subject.projects = { await daemon.projects() }
        subject.isTokenElsewhere = settings?.gitlab.namesTokenFile ?? false
        if let settings, await SetupCommand.isHere(settings.gitlab.url) { subject.webhookFromHere = webhook }
        subject.runnerURL = settings.map { $0.gitlab.runnerURL ?? $0.gitlab.url } ?? ""
        return subject
    }

    private static func configuration(_ path: String, _ machine: ThisMachine) async -> (Evidence.Configuration, Settings?) {
        do {
            let settings = try await SettingsFile(path: path).read(asInstalled: true)
            let listening = await WebhookAddress.ofUnit(settings)
            var settled = Evidence.Settled(url: settings.gitlab.url)
            let here = Set(settings.poolsHere.map(\.name))
            settled.pools = settings.pools.map {
                .init(name: $0.name, isContainer: $0.driver == .container, image: $0.image, network: $0.network, isHere: here.contains($0.name))
            }
            settled.otherHosts = settings.hosts.map(\.host.id).filter { $0 != .local }.map(\.name)
            settled.sectionsWithCommands = settings.sectionsWithCommands
            settled.warnings = [listening.warning].compactMap { $0 }
            settled.hasWebhookSecret = settings.gitlab.webhookSecret != nil
            settled.pollSeconds = settings.gitlab.pollInterval.inSeconds
            settled.projects = settings.gitlab.projects
            settled.listening = "\(listening.listening)"
            settled.isLoopback = listening.listening.isLoopback
            settled.stateDirectory = settings.stateDirectory
            settled.diskReserve = settings.diskReserve
            return (.valid(settled), settings)
        } catch is NotConfigured {
            return (.missing, nil)
        } catch let error as InvalidSettings {
            return (machine.file(path).exists ? .invalid(error.errors.map(\.description)) : .missing, nil)
        } catch {
            return (.invalid(["\(error)"]), nil)
        }
    }

    private static func gitlab(_ settings: Settings, _ webhook: String?, _ http: HTTPClient) -> any GitLabInterview {
        let gitlab = settings.gitlab
        let forge = GitLabForge(.init(url: gitlab.url, token: gitlab.token, projects: gitlab.projects, caFile: gitlab.caFile), http: http)
        let needs = TokenNeeds(instanceRunners: settings.pools.contains { $0.register == .instance })
        return GitLabAsked(forge: forge, http: http, url: gitlab.url, caFile: gitlab.caFile, webhook: webhook, needs: needs)
    }
}

/// The daemon's own word, over its control socket.
struct DaemonInterview: Sendable {
    let socket: String
    let http: HTTPClient

    func look() async -> Seen<Evidence.DaemonLook> {
        do {
            let status = try await get("/status", as: StatusView.self)
            let health = try await get("/health", as: HealthView.self)
            let pools = try await get("/pools", as: [PoolView].self)
            var look = Evidence.DaemonLook(version: status.version)
            (look.gitlab, look.engine, look.store) = (health.gitlab, health.engine, health.store)
            look.warnings = health.warnings ?? []
            look.failingPools = pools.filter { $0.failures > 0 }.map { ($0.name, $0.last_error ?? "no reason is known") }
            look.pausedPools = pools.filter(\.paused).map(\.name)
            look.waiting = status.waiting.values.reduce(into: [:]) { $0[$1, default: 0] += 1 }
            look.hosts = ((try? await get("/hosts", as: [HostView].self)) ?? []).filter { $0.name != "local" }.map {
                .init(name: $0.name, isAway: ["away", "lost"].contains($0.status), isDrained: $0.drained == true, remarks: $0.remarks)
            }
            return .seen(look)
        } catch let error as TransferError {
            return .unseen("the daemon does not answer at \(socket): \(error.message)")
        } catch {
            return .unseen("\(error)")
        }
    }

    /// All that live; none while the daemon can't be asked.
    func runners() async -> [RunnerView] { (try? await get("/runners", as: [RunnerView].self)) ?? [] }

    /// Of the newest jobs.
    func projects() async -> [String] {
        guard let jobs = try? await get("/jobs", as: [JobView].self) else { return [] }
        var seen: Set<String> = []
        return jobs.map { $0.project ?? "\($0.project_id)" }.filter { seen.insert($0).inserted }
    }

    private struct Odd: Error, CustomStringConvertible {
        var description: String
    }

    private func get<Value: Decodable>(_ path: String, as type: Value.Type) async throws -> Value {
        let answer = try await http.send(HTTPRequest("GET", "http://autogit\(path)", unixSocket: socket, timeout: .seconds(20)))
        do { return try JSONDecoder().decode(type, from: Data(answer.body)) } catch {
            let problem = try? JSONDecoder().decode(Problem.self, from: Data(answer.body))
            throw Odd(description: problem?.detail ?? "the daemon's answer to \(path) is of another version")
        }
    }
}

/// `--fix`: one question for each command.
struct Remedies {
    let machine: any Machine
    var ask: (String) -> Bool = { question in
        FileHandles.standardError(question)
        return ["y", "yes"].contains(readLine()?.lowercased() ?? "")
    }

    func offer(for diagnosis: Diagnosis) async {
        for finding in diagnosis.findings where finding.isFixable {
            guard let command = finding.command, ask("\nrun \(command) [y/N]? ") else { continue }
            switch await machine.run(["sh", "-c", command], input: nil, limit: .seconds(120)) {
            case .ended(0, let output, let errors): FileHandles.standardError(output + errors + "done\n")
            case .ended(let code, let output, let errors): FileHandles.standardError(output + errors + "failed with status \(code)\n")
            case .missing: FileHandles.standardError("there is no sh\n")
            case .failed(let reason): FileHandles.standardError("failed: \(reason)\n")
            }
        }
    }
}
