import HostTools
import Testing

@testable import Setup

@Suite struct SetupTests {
    @Test func flagsAloneConfigureAndStart() async throws {
        var world = World()
        world.wishes.projects = ["root/hello"]
        try await world.setup().run()
        let files = world.workshop.files
        #expect(files["/etc/autogit/autogit.toml"]?.contains("url = \"http://gitlab.home:3000\"") == true)
        #expect(files["/etc/autogit/autogit.toml.20261129"] == "# nothing\n")
        #expect(files["/etc/credstore.encrypted/autogit.gitlab-token"] == "sealed\n")
        #expect(world.workshop.mode("/etc/credstore.encrypted/autogit.gitlab-token") == 0o600)
        #expect(files[TokenStorage.dropInPath]?.contains("LoadCredentialEncrypted=gitlab-token:") == true)
        #expect(
            world.workshop.ran.suffix(4).map { String($0.prefix(17)) } == ["systemctl daemon-", "systemctl enable ", "systemctl start a", "systemctl restart"])
        #expect(world.console.said.contains("✓ GitLab sends the jobs of root/hello"))
    }

    /// Neither in files, nor in arguments, nor on the terminal.
    @Test func theTokenGoesNowhereElse() async throws {
        let world = World()
        try await world.setup().run()
        let all = world.workshop.files.values.joined() + world.workshop.ran.joined() + world.console.said.joined()
        #expect(!all.contains(World.token))
        #expect(world.workshop.inputs == [World.token + "\n"])
    }

    @Test func aPersonIsAskedAndCanCorrect() async throws {
        var world = World()
        world.wishes = Setup.Wishes()
        // A wrong token at first, then the right one; the projects; the last question.
        world.console = ConsoleDouble(answers: ["http://gitlab.home:3000", "two words", "http://gitlab.home:3000", World.token, "root/a root/b", ""])
        let answers = try await world.setup().run()
        #expect(answers.projects == ["root/a", "root/b"])
        #expect(world.console.said.contains("✗ a token is one word"))
    }

    static let before = ["/usr/bin/podman": "", "/etc/autogit/autogit.toml": "# nothing\n", "/etc/autogit/gitlab-token": "glpat-old\n"]

    private func fresh(answers: [String: ProgramRun] = [:]) -> World {
        var world = World()
        world.workshop = WorkshopDouble(files: Self.before, answers: answers)
        world.hasEngine = false
        world.wishes.storage = .encrypted
        return world
    }

    /// Ctrl-C while any of the commands runs, and the failure of any of them.
    @Test func whateverEndsItTheMachineIsAsBefore() async throws {
        let whole = fresh()
        try await whole.setup().run()
        let commands = whole.workshop.ran
        #expect(commands.count == 7)
        for (number, command) in commands.enumerated() {
            var interrupted = fresh()
            interrupted.interruptedAt = number + 1
            await #expect(throws: SetupError.self, "\(command)") { try await interrupted.setup().run() }
            #expect(interrupted.workshop.files == Self.before, "interrupted in \(command)")

            let failing = fresh(answers: [command: .ended(1, output: "", errors: "no")])
            await #expect(throws: SetupError.self, "\(command)") { try await failing.setup().run() }
            #expect(failing.workshop.files == Self.before, "failed: \(command)")
            // What was switched on is off again.
            #expect(number == 0 || failing.workshop.ran.contains("loginctl disable-linger homelab"))
            #expect(number <= 1 || failing.workshop.ran.contains("systemctl --user --machine=homelab@ disable --now podman.socket"))
        }
        var ill = fresh()
        ill.daemonTrouble = "no"
        await #expect(throws: SetupError("the daemon does not run: no; everything is as it was before")) { try await ill.setup().run() }
        #expect(ill.workshop.files == Self.before)
    }

    @Test func aTokenThatMayTooLittleChangesNothing() async {
        var world = World()
        world.welcome = GitLabWelcome(lacks: ["the access token lacks the scope api"], isAdministrator: false)
        await #expect(throws: SetupError("the access token lacks the scope api")) { try await world.setup().run() }
        #expect(world.workshop.ran == [])
    }

    @Test func withoutAnAdministratorsTokenProjectsHavePools() async throws {
        var world = World()
        world.welcome.isAdministrator = false
        await #expect(throws: SetupError.self) { try await world.setup().run() }
        world.wishes.projects = ["root/a", "group/a"]
        try await world.setup().run()
        let text = world.workshop.files["/etc/autogit/autogit.toml"] ?? ""
        for line in ["projects = [\"root/a\", \"group/a\"]", "register = \"project:root/a\"", "register = \"project:group/a\"", "name = \"default-root-a\""] {
            #expect(text.contains(line), "\(text)")
        }
    }

    @Test func gitlabOnThisMachineGetsTheNameThatContainersKnow() async throws {
        var world = World()
        (world.isHere, world.reached) = (true, ["http://host.containers.internal:3000"])
        try await world.setup().run()
        let text = world.workshop.files["/etc/autogit/autogit.toml"] ?? ""
        #expect(text.contains("runner_url = \"http://host.containers.internal:3000\"\nclone_url = \"http://host.containers.internal:3000\""), "\(text)")
        world.isHere = false
        world.workshop = WorkshopDouble(files: ["/usr/bin/podman": ""])
        await #expect(throws: SetupError.self) { try await world.setup().run() }
        #expect(world.workshop.files == ["/usr/bin/podman": ""])
    }

    /// Behind pasta a container has its host's own address itself; behind slirp4netns that leads to the host.
    @Test(
        arguments: [
            (["http://192.168.1.170:8080"], nil, "✓ GitLab's container reaches AutoGit at http://192.168.1.170:8080/webhook/job"),
            (
                ["http://host.containers.internal:8080"], "http://host.containers.internal:8080/webhook/job",
                "✓ GitLab's container reaches AutoGit at http://host.containers.internal:8080/webhook/job"
            ),
            ([], nil, "! GitLab's container does not reach AutoGit at http://192.168.1.170:8080/webhook/job (refused)"),
        ] as [(Set<String>, String?, String)])
    func aGitLabInAContainerHereGetsTheAddressThatItReaches(_ reached: Set<String>, _ written: String?, _ said: String) async throws {
        var world = World()
        world.webhook = "http://192.168.1.170:8080/webhook/job"
        world.reached.formUnion(reached)
        try await world.setup().run()
        let text = world.workshop.files["/etc/autogit/autogit.toml"] ?? ""
        #expect(text.contains("webhook_url") == (written != nil) && written.map { text.contains("webhook_url = \"\($0)\"\n") } != false, "\(text)")
        #expect(world.console.said.contains { $0.hasPrefix(said) }, "\(world.console.said)")
        // Elsewhere GitLab has its own way.
        world.webhook = nil
        try await world.setup().run()
        #expect(world.workshop.files["/etc/autogit/autogit.toml"]?.contains("webhook_url") == false)
    }

    @Test func aMachineThatCannotEncryptKeepsItForRootOnly() async throws {
        var world = World()
        world.workshop = WorkshopDouble(files: ["/usr/bin/podman": ""], answers: ["systemd-creds": .missing])
        try await world.setup().run()
        #expect(world.workshop.files["/etc/autogit/gitlab-token"] == World.token + "\n" && world.workshop.mode("/etc/autogit/gitlab-token") == 0o600)
        world.wishes.storage = .encrypted
        world.workshop = WorkshopDouble(files: ["/usr/bin/podman": ""], answers: ["systemd-creds": .missing])
        await #expect(throws: SetupError.self) { try await world.setup().run() }
    }

    @Test func aTokenStaysInItsForm() async throws {
        let plain = WorkshopDouble(files: ["/etc/autogit/gitlab-token": "old\n"])
        #expect(
            try await TokenStorage(plain).changes(storing: "new", as: .automatic).changes == [
                .write("/etc/autogit/gitlab-token", content: "new\n", mode: 0o600)
            ])
        let sealed = WorkshopDouble(files: [TokenFiles.sealed: "old", TokenStorage.dropInPath: "x"])
        #expect(
            try await TokenStorage(sealed).changes(storing: "new", as: .automatic).changes.first
                == .write(TokenFiles.sealed, content: "sealed\n", mode: 0o600))
        let back = try await TokenStorage(sealed).changes(storing: "new", as: .plain).changes
        #expect(back.contains(.remove(TokenStorage.dropInPath)) && back.contains(.remove(TokenFiles.sealed)))
    }

    static let machines: [MachineFacts] = [
        MachineFacts(architecture: "arm64", cpus: 1, memory: 1 << 30, limitsMemory: false), MachineFacts(architecture: "amd64", cpus: 4, memory: 4 << 30),
        MachineFacts(architecture: "amd64", cpus: 64, memory: 256 << 30, gpus: ["nvidia": 2, "intel": 1], emulates: ["arm64", "riscv64"]),
    ]

    /// Each is read back as the daemon reads it.
    @Test(arguments: machines, [true, false])
    func everyMachineGetsAValidConfiguration(_ facts: MachineFacts, _ isAdministrator: Bool) {
        var answers = Answers(url: "https://gitlab.home/root", projects: ["group/with \"quotes\"", "a/b"], isAdministrator: isAdministrator)
        for executor in ["docker", "shell"] {
            answers.executor = executor
            let text = Draft.configuration(answers, facts, day: "2026-11-29")
            #expect(World.errors(text, "t") == [], "\(text)")
        }
    }
}
