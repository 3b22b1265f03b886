import FoundationEssentials
import HostTools

/// Who answers the questions of a setup.
public protocol Console: Sendable {
    /// False for scripts: then only flags answer, and what is missing is an error that names its flag.
    var isInteractive: Bool { get }
    func say(_ line: String)
    /// - Parameter usual: what an empty answer means; nil where there must be one.
    /// - Returns: nil at the end of the input.
    func ask(_ question: String, usual: String?) -> String?
    /// The same, and nothing of it is shown.
    func askSecret(_ question: String) -> String?
}

/// What GitLab says of an address and a token.
public struct GitLabWelcome: Sendable, Equatable {
    /// What the token lacks for everything that a setup does, in words.
    public var lacks: [String]
    public var isAdministrator: Bool
    public init(lacks: [String], isAdministrator: Bool) {
        self.lacks = lacks
        self.isAdministrator = isAdministrator
    }
}

/// The setup can't go on.
public struct SetupError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What happened, and the next step.
    public var description: String
    public init(_ description: String) { self.description = description }
}

/// `autogitctl setup`: everything is asked and tried first, then changed as a whole, and undone as a whole when a part fails.
public struct Setup: Sendable {
    /// What flags say.
    public struct Wishes: Sendable {
        public var url: String?
        /// The token itself, from a file or the standard input.
        public var token: String?
        public var caFile: String?
        public var projects: [String] = []
        public var executor: String?
        public var image: String?
        public var storage = TokenStorage.Form.automatic
        public var runnerURL: String?
        public var installsHooks = true
        public init() {}
    }

    /// The world, as far as a setup touches it.
    public struct Surroundings: Sendable {
        public var workshop: any Workshop
        public var console: any Console
        public var facts: MachineFacts
        public var configurationPath = "/etc/autogit/autogit.toml"
        /// `2026-11-29`, and a stamp for the name of a copy.
        public var day: String
        public var stamp: String
        /// The service's user: its name and number.
        public var user: (name: String, uid: UInt32)
        /// Whether an address is one of this machine's.
        public var isHere: @Sendable (String) async -> Bool
        /// Tries an address and a token.
        public var welcome: @Sendable (_ url: String, _ token: String, _ caFile: String?) async throws(SetupError) -> GitLabWelcome
        /// The engine's name and version; nil when none answers.
        public var engine: @Sendable () async -> String?
        /// Fetches an image, where it isn't there.
        public var fetch: @Sendable (String) async throws(SetupError) -> Void
        /// The webhook's address that the daemon would give to the GitLab at a URL, where that GitLab is in a container of this machine's Podman; nil elsewhere.
        public var webhookOfContained: @Sendable (_ gitlab: String) async -> String?
        /// Has a container ask for an address: nil when it got an answer.
        public var reach: @Sendable (_ url: String, _ image: String) async -> Seen<String?>
        /// Reads a configuration as the daemon would: what is wrong with it.
        public var errors: @Sendable (_ text: String, _ token: String) async -> [String]
        /// Waits until the daemon answers: nil, or why it doesn't.
        public var awaitDaemon: @Sendable () async -> String?
        /// Has the daemon install the webhook of a project: nil, or what went wrong.
        public var installHook: @Sendable (String) async -> String?
        /// Whether Ctrl-C was pressed.
        public var isInterrupted: @Sendable () -> Bool

        public init(
            workshop: any Workshop, console: any Console, facts: MachineFacts, day: String, stamp: String, user: (name: String, uid: UInt32),
            isHere: @escaping @Sendable (String) async -> Bool,
            welcome: @escaping @Sendable (String, String, String?) async throws(SetupError) -> GitLabWelcome, engine: @escaping @Sendable () async -> String?,
            fetch: @escaping @Sendable (String) async throws(SetupError) -> Void, webhookOfContained: @escaping @Sendable (String) async -> String?,
            reach: @escaping @Sendable (String, String) async -> Seen<String?>,
            errors: @escaping @Sendable (String, String) async -> [String], awaitDaemon: @escaping @Sendable () async -> String?,
            installHook: @escaping @Sendable (String) async -> String?, isInterrupted: @escaping @Sendable () -> Bool
        ) {
            self.workshop = workshop
            self.console = console
            self.facts = facts
            self.day = day
            self.stamp = stamp
            self.user = user
            self.isHere = isHere
            self.welcome = welcome
            self.engine = engine
            self.fetch = fetch
            self.webhookOfContained = webhookOfContained
            self.reach = reach
            self.errors = errors
            self.awaitDaemon = awaitDaemon
            self.installHook = installHook
            self.isInterrupted = isInterrupted
        }
    }

    let wishes: Wishes
    let around: Surroundings
    private var console: any Console { around.console }

    public init(_ wishes: Wishes, _ surroundings: Surroundings) {
        self.wishes = wishes
        around = surroundings
    }

    /// - Returns: the answers, when everything is in place.
    /// - Throws: `SetupError`; the machine is as it was before then, unless the error says otherwise.
    @discardableResult
    public func run() async throws(SetupError) -> Answers {
        let (url, token, welcome) = try await gitlab()
        var answers = Answers(url: url, caFile: wishes.caFile, projects: try projects(welcome), isAdministrator: welcome.isAdministrator)
        if let executor = wishes.executor { answers.executor = executor }
        if let image = wishes.image { answers.image = image }
        // The daemon looks for the package's user by itself.
        if around.user.uid != 1000 { answers.engineSocket = "/run/user/\(around.user.uid)/podman/podman.sock" }
        var transaction = Transaction(around.workshop)
        do {
            try await bringUpEngine(&transaction)
            try await findRunnerURL(&answers)
            try await findWebhookURL(&answers)
            let text = Draft.configuration(answers, around.facts, day: around.day)
            let errors = await around.errors(text, token)
            guard errors.isEmpty else { throw SetupError("the configuration would not be valid: \(errors.joined(separator: "; "))") }
            let storage = try await TokenStorage(around.workshop).changes(storing: token, as: wishes.storage)
            try confirm(text, storage.place)
            try await start(storage.changes + configurationChanges(text), &transaction)
        } catch {
            if !transaction.isEmpty { console.say("undoing what was done") }
            let left = await transaction.undoAll()
            throw SetupError("\(error)" + (left.isEmpty ? "; everything is as it was before" : "; it could not all be undone: \(left.joined(separator: "; "))"))
        }
        console.say("✓ AutoGit runs with \(around.configurationPath)")
        await installHooks(answers.projects)
        return answers
    }

    // MARK: Asking

    private func gitlab() async throws(SetupError) -> (url: String, token: String, GitLabWelcome) {
        while true {
            let url = Self.bare(try answer("GitLab's address, such as http://gitlab.home:3000", wishes.url, flag: "--url"))
            let token: String
            if let given = wishes.token {
                token = given
            } else {
                guard console.isInteractive else {
                    throw SetupError("there is no access token: give a file with one by --token-file, or - for the standard input")
                }
                console.say("An access token with the scope api, best of an administrator (without one, runners are registered for projects):")
                console.say("  \(url)/-/user_settings/personal_access_tokens?name=autogit&scopes=api")
                guard let typed = console.askSecret("the token (it is not shown): ")?.trimmed else { throw SetupError("nothing was changed") }
                token = typed
            }
            do throws(SetupError) {
                guard !token.isEmpty, !token.contains(where: \.isWhitespace) else { throw SetupError("a token is one word") }
                let welcome = try await around.welcome(url, token, wishes.caFile)
                guard welcome.lacks.isEmpty else { throw SetupError(welcome.lacks.joined(separator: "; ")) }
                console.say("✓ \(url) takes the token" + (welcome.isAdministrator ? ", an administrator's" : ""))
                return (url, token, welcome)
            } catch {
                // What a person typed can be typed again; a flag stays as it is.
                guard console.isInteractive, wishes.url == nil || wishes.token == nil else { throw error }
                console.say("✗ \(error)")
            }
        }
    }

    private func projects(_ welcome: GitLabWelcome) throws(SetupError) -> [String] {
        if !wishes.projects.isEmpty { return wishes.projects }
        guard console.isInteractive else {
            if welcome.isAdministrator { return [] }
            throw SetupError("the token is no administrator's, so runners are registered for projects: name them by --project GROUP/PROJECT")
        }
        let hint =
            welcome.isAdministrator
            ? "Projects to install the webhook in, GROUP/PROJECT, with spaces between (or none)"
            : "Projects to have runners for, GROUP/PROJECT, with spaces between"
        while true {
            let named = try answer(hint, nil, usual: welcome.isAdministrator ? "" : nil, flag: "--project").split { $0 == " " || $0 == "," }.map(String.init)
            if !named.isEmpty || welcome.isAdministrator { return named }
        }
    }

    private func answer(_ question: String, _ given: String?, usual: String? = nil, flag: String) throws(SetupError) -> String {
        if let given { return given }
        guard console.isInteractive else { throw SetupError("\(question): give it by \(flag)") }
        while let typed = console.ask(question, usual: usual)?.trimmed {
            if !typed.isEmpty { return typed }
            if let usual { return usual }
        }
        throw SetupError("nothing was changed")
    }

    private func confirm(_ text: String, _ place: String) throws(SetupError) {
        guard console.isInteractive else { return }
        console.say("\nThe configuration, \(around.configurationPath):\n")
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) { console.say("  \(line)") }
        console.say("The token goes to \(place).")
        let yes = try answer("Write this and start AutoGit", nil, usual: "yes", flag: "--yes").lowercased()
        guard yes == "y" || yes == "yes" else { throw SetupError("nothing was changed") }
    }

    /// Without the slashes at its end.
    static func bare(_ url: String) -> String { String(url.trimmed.reversed().drop { $0 == "/" }.reversed()) }

    // MARK: Finding out

    private func bringUpEngine(_ transaction: inout Transaction) async throws {
        let user = around.user
        if user.uid != 0, !around.workshop.file("/var/lib/systemd/linger/\(user.name)").exists {
            try await apply(.run(["loginctl", "enable-linger", user.name], undo: ["loginctl", "disable-linger", user.name]), &transaction)
            console.say("✓ \(user.name) lingers, so that a logout ends no job")
        }
        if await around.engine() == nil {
            guard around.workshop.file("/usr/bin/podman").exists else {
                throw SetupError("no container engine answers, and podman is not installed: apt install podman, then autogitctl setup again")
            }
            let whose = ["systemctl", "--user", "--machine=\(user.name)@"]
            try await apply(.run(whose + ["enable", "--now", "podman.socket"], undo: whose + ["disable", "--now", "podman.socket"]), &transaction)
        }
        guard let engine = await around.engine() else { throw SetupError("\(user.name)'s podman.socket is enabled, and no engine answers: autogitctl doctor") }
        console.say("✓ \(engine) answers")
    }

    private func apply(_ change: Change, _ transaction: inout Transaction) async throws {
        if around.isInterrupted() { throw SetupError("interrupted") }
        try await transaction.apply(change)
    }

    /// With pasta a container can't reach its host by the host's own address, and 127.0.0.1 is the container itself.
    private func findRunnerURL(_ answers: inout Answers) async throws(SetupError) {
        if let told = wishes.runnerURL { answers.runnerURL = told == answers.url ? nil : told }
        if wishes.runnerURL != nil { return }
        try await around.fetch(answers.image)
        let own = await around.reach(Self.version(of: answers.url), answers.image)
        guard case .seen(let failure?) = own else {
            switch own {
            case .unseen(let reason): console.say("! whether containers reach \(answers.url) could not be tried: \(reason)")
            default: console.say("✓ containers reach \(answers.url)")
            }
            return
        }
        if await around.isHere(answers.url), let other = ContainerHost.url(answers.url) {
            if case .seen(nil) = await around.reach(Self.version(of: other), answers.image) {
                console.say("✓ containers reach this machine's GitLab as \(other)")
                answers.runnerURL = other
                return
            }
        }
        throw SetupError(
            "a container does not reach \(answers.url) (\(failure)): runners could not either. Give the address by which they do: --runner-url, such as "
                + "http://host.containers.internal:PORT where GitLab runs on this machine")
    }

    /// What GitLab answers to everybody, if only with a refusal.
    private static func version(of gitlab: String) -> String { gitlab + "/api/v4/version" }

    /// A GitLab in a container has the way to this machine that any other container has. Without webhooks jobs are found by polling, so none is no reason
    /// to give up.
    private func findWebhookURL(_ answers: inout Answers) async throws(SetupError) {
        guard let usual = await around.webhookOfContained(answers.url) else { return }
        try await around.fetch(answers.image)
        switch await around.reach(usual, answers.image) {
        case .unseen(let reason): console.say("! whether GitLab's container reaches AutoGit at \(usual) could not be tried: \(reason)")
        case .seen(nil): console.say("✓ GitLab's container reaches AutoGit at \(usual)")
        case .seen(let failure?):
            if let other = ContainerHost.url(usual), case .seen(nil) = await around.reach(other, answers.image) {
                console.say("✓ GitLab's container reaches AutoGit at \(other)")
                answers.webhookURL = other
            } else {
                console.say(
                    "! GitLab's container does not reach AutoGit at \(usual) (\(failure)): jobs are found by polling. If another address leads here, give it as "
                        + "webhook_url in [gitlab]")
            }
        }
    }

    // MARK: Changing

    private func configurationChanges(_ text: String) -> [Change] {
        let path = around.configurationPath
        var changes: [Change] = []
        // A file of comments, as the package brings it, is no loss; all the same it is kept.
        if case .text(let before, let mode, _) = around.workshop.file(path), before != text {
            changes.append(.write("\(path).\(around.stamp)", content: before, mode: mode))
        }
        return changes + [.write(path, content: text, mode: 0o644)]
    }

    private func start(_ changes: [Change], _ transaction: inout Transaction) async throws {
        let units = ["autogit.socket", "autogit-control.socket", "autogit.service"]
        let all: [Change] =
            [.serviceWhenUndone] + changes + [
                .run(["systemctl", "daemon-reload"]), .run(["systemctl", "enable"] + units),
                .run(["systemctl", "start", "autogit.socket", "autogit-control.socket"]),
                .run(["systemctl", "restart", "autogit.service"]),
            ]
        for change in all { try await apply(change, &transaction) }
        if let trouble = await around.awaitDaemon() { throw SetupError("the daemon does not run: \(trouble)") }
        if around.isInterrupted() { throw SetupError("interrupted") }
        for change in changes {
            if case .write(let copy, _, _, _) = change, copy == "\(around.configurationPath).\(around.stamp)" {
                console.say("• the configuration of before is \(copy)")
            }
        }
    }

    private func installHooks(_ projects: [String]) async {
        guard wishes.installsHooks else { return }
        for project in projects {
            // Without it jobs are found by polling: no reason to take everything back.
            if let trouble = await around.installHook(project) {
                console.say("! no webhook in \(project): \(trouble)")
            } else {
                console.say("✓ GitLab sends the jobs of \(project)")
            }
        }
    }
}
