import ContainerDriver
import ControlModel
import Fleet
import Foundation
import HTTPTransfer
import Notify
import SSHForward
import Settings
import TestBench
import Testing

@testable import autogitd

@Suite struct HostLinksTests {
    /// A daemon that starts without the section of a host where runners are.
    @Test(arguments: [
        EngineAddress.ssh("ssh://me@desktop1/run/user/1000/podman/podman.sock"), .unix("/run/other.sock"), .swarm("/run/docker.sock"),
        .tcp("10.0.0.7", 2376, tls: EngineTLS(ca: "/nowhere/ca", certificate: "/nowhere/cert", key: "/nowhere/key")),
        .kubernetes(KubernetesPlace(kubeconfig: "KUBECONFIG")),
    ])
    func aHostThatWasTakenOutIsStillReached(_ address: EngineAddress) throws {
        let scratch = try ScratchFolder("links")
        var address = address
        if case .kubernetes = address {
            let file = "\(scratch.path)/kubeconfig"
            try Data(Self.kubeconfig.utf8).write(to: URL(filePath: file))
            address = .kubernetes(KubernetesPlace(kubeconfig: file))
        }
        let runner = Runner(id: "one", pool: Pool(name: "p").on(HostID("old")), launchedFor: nil, at: Timestamp(milliseconds: 0))
        let memory = Memory(
            instance: "i", jobs: [], runners: [runner], finishedJobs: [], pausedPools: [], engines: [HostID("old"): address.remembered])
        let links = HostLinks(
            [], memory, http: HTTPClient(), registries: RegistryAccess(), commands: NoCommands(), stateDirectory: scratch.path, key: nil,
            file: "\(scratch.path)/autogit.toml", log: LogBook().logger)
        #expect(links.drivers.keys.map(\.self) == [Place(HostID("old"), .container)])
        #expect(links.surveyors[HostID("old")] != nil)
    }

    @Test(arguments: [("ssh://me@desktop1", 1), ("ssh://me@desktop2", 0)])
    func aHostThatHasAnotherEngineThanBeforeIsToldOf(before: String, told: Int) throws {
        let scratch = try ScratchFolder("links")
        let runner = Runner(id: "one", pool: Pool(name: "p").on(HostID("desktop")), launchedFor: nil, at: Timestamp(milliseconds: 0))
        let memory = Memory(instance: "i", jobs: [], runners: [runner], finishedJobs: [], pausedPools: [], engines: [HostID("desktop"): before])
        let book = LogBook()
        _ = HostLinks(
            [HostSettings(Host(HostID("desktop")), engine: .ssh("ssh://me@desktop2"))], memory, http: HTTPClient(), registries: RegistryAccess(),
            commands: NoCommands(), stateDirectory: scratch.path, key: nil, file: "\(scratch.path)/autogit.toml", log: book.logger)
        #expect(book.lines.count { $0.message.hasPrefix("A host has another engine than before") } == told)
    }

    private struct NoCommands: CommandRunner {
        func run(_ command: [String], input: [UInt8], environment: [String: String], timeout: Duration, id: String) async -> DeliveryOutcome { .delivered }
    }

    private static let kubeconfig = """
        {"clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.9:6443"}}], "users": [{"name": "u", "user": {"token": "t"}}],
         "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x"}
        """

    @Test func runnersOnAHostWithoutASectionAreTold() throws {
        func runner(_ host: String?, job: Int64? = nil) throws -> RunnerView {
            var view = RunnerView(
                id: "r", name: "r", status: "idle", phase: "ready", pool: "p", driver: "container", architecture: "amd64", gpu_enabled: false, tags: [],
                jobs_done: 0, cpus: 1, memory_bytes: 1, requested_at: "", last_seen: "")
            (view.host, view.current_job) = (host, job)
            return view
        }
        let scratch = try ScratchFolder("hosts")
        let token = "\(scratch.path)/token"
        #expect(FileManager.default.createFile(atPath: token, contents: Data("glpat-x".utf8), attributes: [.posixPermissions: 0o600]))
        let settings = try Settings.parse(
            "[gitlab]\nurl = \"http://h\"\ntoken_file = \"\(token)\"\n[[pool]]\nname = \"p\"\nrun_untagged = true\n", file: "f",
            environment: SettingsEnvironment(machineMemory: 10 << 30, credentialsDirectory: nil))
        let told = HostsTakenOut.warnings(
            for: settings, [try runner("local"), try runner(nil), try runner("old", job: 7), try runner("old"), try runner("older")])
        #expect(told.count == 2)
        #expect(told.first?.hasPrefix("2 runners, 1 of them with a job, are on the host old, which has no section") == true, "\(told)")
        #expect(told.last?.hasPrefix("1 runner, none of them with a job, is on the host older") == true, "\(told)")
    }

    /// As GNU's, busybox's and BSD's df write it with -P -k.
    @Test(arguments: [
        (
            "Filesystem     1024-blocks     Used Available Capacity Mounted on\n/dev/sda1        102400000 51200000  46080000      53% /\n", 46_080_000,
            102_400_000
        ),
        ("Filesystem           1024-blocks    Used Available Capacity Mounted on\noverlay 1000 400 600 40% /var/lib/my containers\n", 600, 1000),
        ("Filesystem 1024-blocks Used Available Capacity Mounted on\n//nas/my share 2000 0 2000 0% /mnt\n", 2000, 2000),
    ])
    func aDisksRoomIsReadAsPOSIXHasIt(output: String, free: Int64, total: Int64) {
        #expect(HostLinks.space(Array(output.utf8)) == DiskSpace(free: free << 10, total: total << 10))
    }

    @Test(arguments: [
        "", "df: /x: No such file or directory\n", "Filesystem\n", "a\nb c d\n", "a\n1 2 3 50%\n", "h\n/dev/x -5 0 -5 0% /\n",
        "h\n/dev/x 9999999999999999999 0 1 0% /\n",
        "h\n/dev/x 9223372036854775807 0 9223372036854775807 0% /\n", "h\n% % % % % %\n",
    ])
    func whatIsNotThatIsNoDisk(output: String) { #expect(HostLinks.space(Array(output.utf8)) == nil) }

    /// The namespace's own account may make no pods as a rule.
    @Test(arguments: [
        ("", true), ("executor = \"shell\"", false), ("hosts = [\"local\"]", false), ("[pool.kubernetes]\nservice_account = \"gitlab-runner\"", false),
        ("[pool.kubernetes]\npod_template = '{\"spec\": {\"serviceAccountName\": \"x\"}}'", false), ("[pool.kubernetes]\npod_template = '{}'", true),
    ])
    func runnersThatMakePodsAreToldToHaveAnAccount(lines: String, isTold: Bool) throws {
        let scratch = try ScratchFolder("links")
        #expect(FileManager.default.createFile(atPath: "\(scratch.path)/token", contents: Data("x".utf8), attributes: [.posixPermissions: 0o600]))
        let hosts = "[[host]]\nname = \"local\"\n[[host]]\nname = \"home\"\nengine = \"kubernetes\"\n"
        let text = "[gitlab]\nurl = \"http://h\"\ntoken_file = \"\(scratch.path)/token\"\n\(hosts)[[pool]]\nname = \"p\"\ntags = [\"a\"]\n\(lines)\n"
        let settings = try Settings.parse(text, file: "f", environment: SettingsEnvironment(machineMemory: 10 << 30, credentialsDirectory: nil))
        let told = HostLinks.warnings(for: settings).filter { $0.contains("service_account in [pool.kubernetes]") }
        #expect(told.count == (isTold ? 1 : 0) && told.allSatisfy { $0.hasPrefix("runners of the pool p make pods for their jobs on home as") }, "\(told)")
    }

    /// The socket here is ssh's: whether it is there says nothing of the engine over there.
    @Test(
        arguments: [
            (true, "h has nobody at /s", .unreachable, "h has nobody at /s"),
            (true, "h has nobody at /s", .timeout, "the engine of desk, at /s there, does not answer (curl's words): is its service running?"),
            (true, nil, .unreachable, "the engine of desk, at /s there, does not answer (curl's words): is its service running?"),
            (false, nil, .unreachable, "desk can't be reached by ssh: it is off"),
        ] as [(Bool, String?, TransferError.Kind, String)])
    func whatKeepsTheEngineOfAHostFromAnsweringIsToldOfThatHost(isOpen: Bool, refusal: String?, kind: TransferError.Kind, words: String) {
        let now = Timestamp(milliseconds: 0)
        let state = isOpen ? SSHForwardState.open(remoteSocket: "/s", since: now) : .closed(reason: "it is off", until: now)
        #expect(HostLinks.obstacle(state, refusal: refusal, HostID("desk"), TransferError(kind: kind, message: "curl's words")) == words)
    }
}
