import Fleet
import FoundationEssentials
import HostTools
import Settings
import Synchronization

@testable import Setup

/// A machine in memory.
final class WorkshopDouble: Workshop {
    private struct State {
        var files: [String: FileLook] = [:]
        var ran: [String] = []
        var inputs: [String] = []
    }
    private let state = Mutex(State())
    /// What programs answer, by a part of their words; all others succeed without a word.
    let answers: [String: ProgramRun]

    init(files: [String: String] = [:], answers: [String: ProgramRun] = [:]) {
        self.answers = answers
        state.withLock { state in state.files = files.mapValues { .text($0, mode: 0o644, owner: 0) } }
    }

    var files: [String: String] { state.withLock { $0.files.compactMapValues(\.text) } }
    var ran: [String] { state.withLock { $0.ran } }
    var inputs: [String] { state.withLock { $0.inputs } }
    func mode(_ path: String) -> UInt32? { if case .text(_, let mode, _) = file(path) { mode } else { nil } }

    func run(_ words: [String], input: String?, limit: Duration) async -> ProgramRun {
        let all = words.joined(separator: " ")
        state.withLock { state in
            state.ran.append(all)
            if let input { state.inputs.append(input) }
        }
        return answers.first { all.contains($0.key) }?.value ?? .ended(0, output: words[0] == "systemd-creds" ? "sealed\n" : "", errors: "")
    }
    func file(_ path: String) -> FileLook { state.withLock { $0.files[path] ?? .missing } }
    func write(_ path: String, _ content: String, mode: UInt32, owner: UInt32?) throws(WorkshopError) {
        state.withLock { $0.files[path] = .text(content, mode: mode, owner: owner ?? 0) }
    }
    func remove(_ path: String) throws(WorkshopError) { state.withLock { $0.files[path] = nil } }
}

/// Answers from a list; what was said is kept.
final class ConsoleDouble: Console {
    let isInteractive: Bool
    private let state: Mutex<(answers: [String], said: [String])>

    init(answers: [String]? = nil) {
        isInteractive = answers != nil
        state = Mutex((answers ?? [], []))
    }

    var said: [String] { state.withLock { $0.said } }
    func say(_ line: String) { state.withLock { $0.said.append(line) } }
    func ask(_ question: String, usual: String?) -> String? { state.withLock { $0.answers.isEmpty ? nil : $0.answers.removeFirst() } }
    func askSecret(_ question: String) -> String? { ask(question, usual: nil) }
}

/// A home in which a setup succeeds.
struct World {
    static let token = "glpat-of-the-setup"
    var workshop = WorkshopDouble(files: ["/usr/bin/podman": "", "/etc/autogit/autogit.toml": "# nothing\n"])
    var console = ConsoleDouble()
    var facts = MachineFacts(architecture: "amd64", cpus: 8, memory: 16 << 30)
    var welcome = GitLabWelcome(lacks: [], isAdministrator: true)
    var hasEngine = true
    var isHere = false
    /// The webhook's address for a GitLab in a container here; nil where there is none.
    var webhook: String?
    /// Addresses that containers reach, with all that is below them.
    var reached: Set<String> = ["http://gitlab.home:3000"]
    var daemonTrouble: String?
    var hookTrouble: String?
    /// Ctrl-C is pressed while this command runs, counted from one.
    var interruptedAt = Int.max
    var wishes: Setup.Wishes

    init() {
        wishes = Setup.Wishes()
        wishes.url = "http://gitlab.home:3000/"
        wishes.token = Self.token
    }

    func setup() -> Setup {
        let (workshop, welcome, reached, trouble, hook, here, engine, interrupted, webhook) = (
            workshop, welcome, reached, daemonTrouble, hookTrouble, isHere, hasEngine, interruptedAt, webhook
        )
        return Setup(
            wishes,
            Setup.Surroundings(
                workshop: workshop, console: console, facts: facts, day: "2026-11-29", stamp: "20261129", user: ("homelab", 1000),
                isHere: { _ in here }, welcome: { _, _, _ throws(SetupError) in welcome },
                engine: { engine || workshop.ran.contains { $0.contains("enable --now podman.socket") } ? "Podman Engine 4.3.1" : nil },
                fetch: { _ throws(SetupError) in }, webhookOfContained: { _ in webhook },
                reach: { url, _ in .seen(reached.contains { url.hasPrefix($0 + "/") } ? nil : "refused") },
                errors: { text, token in Self.errors(text, token) }, awaitDaemon: { trouble }, installHook: { _ in hook },
                isInterrupted: { workshop.ran.count >= interrupted }))
    }

    /// As the daemon reads it.
    static func errors(_ text: String, _ token: String) -> [String] {
        var environment = SettingsEnvironment(machineMemory: 16 << 30, credentialsDirectory: nil, architecture: .amd64)
        environment.credentials["gitlab-token"] = Secret(token)
        do { _ = try Settings.parse(text, file: "f", environment: environment) } catch { return ["\(error)"] }
        return []
    }
}
