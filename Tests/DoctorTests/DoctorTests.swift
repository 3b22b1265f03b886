@testable import Doctor
import Fleet
import FoundationEssentials
import HostTools
import Testing

@Suite struct DoctorTests {
    @Test func aHomeInWhichAllIsWellHasNothingButTicks() async {
        let diagnosis = await Home().diagnosis()
        #expect(diagnosis.findings.filter { $0.level != .ok } == [])
        #expect(diagnosis.exitStatus == 0)
        #expect(diagnosis.text.hasSuffix("all \(diagnosis.findings.count) checks are well\n"))
    }

    /// A fault, how it is planted, and what the doctor must say of it: a part of what was seen, and the command that mends it.
    struct Planted: Sendable, CustomTestStringConvertible {
        var name: String
        var check: String
        var level = Finding.Level.fault
        var seen: String
        var command: String?
        var plant: @Sendable (inout Home) -> Void
        var testDescription: String { name }

        init(
            _ name: String, _ check: String, _ level: Finding.Level = .fault, seen: String, command: String?, plant: @escaping @Sendable (inout Home) -> Void
        ) {
            self.name = name
            self.check = check
            self.level = level
            self.seen = seen
            self.command = command
            self.plant = plant
        }
    }

    static let planted: [Planted] = [
        .init("no configuration", "configuration", seen: "there is none", command: "autogitctl setup") { $0.configuration = .missing },
        .init("a wrong configuration", "configuration", seen: "line 3: what is this", command: "autogitctl check --config /etc/autogit/autogit.toml") {
            $0.configuration = .invalid(["line 3: what is this"])
        },
        .init("no webhook secret", "webhook-secret", .warning, seen: "webhooks are refused", command: "(umask 077;") { $0.settled.hasWebhookSecret = false },
        .init("no polling", "polling", .warning, seen: "polling is off", command: nil) { $0.settled.pollSeconds = 0 },
        .init("no token", "token-file", seen: "is missing", command: "autogitctl token set") { $0.machine.files["/etc/autogit/gitlab-token"] = .missing },
        .init("an empty token", "token-file", seen: "is empty", command: "autogitctl token set") {
            $0.machine.files["/etc/autogit/gitlab-token"] = .text("\n", mode: 0o600, owner: 0)
        },
        .init("a token for all to read", "token-file", seen: "every user", command: "chmod 600 /etc/autogit/gitlab-token") {
            $0.machine.files["/etc/autogit/gitlab-token"] = .text("x\n", mode: 0o644, owner: 0)
        },
        .init("a drop-in that clears the credentials", "token-file", seen: "LoadCredential=", command: "install -o 1000 -m 400") {
            $0.machine.unitText += "# /run/systemd/system/service.d/zzz-lxc-service.conf\n[Service]\nLoadCredential=\n"
        },
        .init(
            "a token in the clear beside the encrypted one", "token-file", .warning, seen: "still holds a token in the clear",
            command: "rm /etc/autogit/gitlab-token"
        ) {
            $0.machine.files["/etc/credstore.encrypted/autogit.gitlab-token"] = .text("x", mode: 0o600, owner: 0)
            $0.machine.unitText += "LoadCredential=\nLoadCredentialEncrypted=gitlab-token:/etc/credstore.encrypted/autogit.gitlab-token\n"
        },
        .init("a masked service", "service", seen: "masked", command: "systemctl unmask autogit") {
            $0.machine.units["autogit.service"]?["LoadState"] = "masked"
        },
        .init("a service that was stopped", "service", seen: "is not running", command: "systemctl start autogit") {
            $0.machine.units["autogit.service"]?["ActiveState"] = "inactive"
        },
        .init("LXC without nesting", "service", seen: "226/NAMESPACE", command: "pct set ID --features nesting=1") {
            $0.machine.units["autogit.service"]?.merge(["ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "226"]) { $1 }
            $0.machine.programs["systemd-detect-virt"] = .ended(0, output: "lxc\n", errors: "")
        },
        .init("a user of the unit that is not there", "service", seen: "217/USER", command: "systemctl edit autogit") {
            $0.machine.units["autogit.service"]?.merge(["ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "217"]) { $1 }
        },
        .init("too many failures", "service", seen: "given up", command: "systemctl reset-failed autogit.service autogit.socket && systemctl start autogit") {
            $0.machine.units["autogit.service"]?.merge(["ActiveState": "failed", "Result": "start-limit-hit"]) { $1 }
        },
        .init("not started at boot", "boot", .warning, seen: "does not start at boot", command: "systemctl enable autogit") {
            $0.machine.units["autogit.service"]?["UnitFileState"] = "disabled"
        },
        .init("GitLab's own port", "webhook-socket", seen: "in use by puma (process 12)", command: "systemctl edit autogit.socket") {
            $0.machine.units["autogit.socket"]?["ActiveState"] = "failed"
            $0.machine.programs["ss"] = .ended(0, output: "LISTEN 0 4096 127.0.0.1:8080 0.0.0.0:* users:((\"puma\",pid=12,fd=3))\n", errors: "")
        },
        .init("a control socket that is closed", "control-socket", seen: "inactive", command: "systemctl restart autogit-control.socket") {
            $0.machine.units["autogit-control.socket"]?["ActiveState"] = "inactive"
        },
        .init("webhooks for this machine alone", "webhook-socket", .warning, seen: "on another machine", command: "systemctl edit autogit.socket") {
            $0.settled.isLoopback = true
            $0.settled.listening = "127.0.0.1:8080"
        },
        .init("no such user", "user", seen: "no such user", command: "systemctl edit autogit") { $0.user = nil },
        .init("no lingering", "lingering", seen: "last logout", command: "loginctl enable-linger homelab") {
            $0.machine.files["/var/lib/systemd/linger/homelab"] = .missing
        },
        .init("the user's systemd is down", "user-manager", seen: "user@1000.service is inactive", command: "systemctl start user@1000.service") {
            $0.machine.units["user@1000.service"]?["ActiveState"] = "inactive"
        },
        .init("no subordinate ids", "subordinate-ids", seen: "0 and 65536", command: "usermod --add-subuids") {
            $0.machine.files["/etc/subuid"] = .text("root:100000:65536\n", mode: 0o644, owner: 0)
        },
        .init("no newuidmap", "subordinate-ids", seen: "newuidmap", command: "apt install uidmap") { $0.machine.programs["newuidmap"] = nil },
        .init("a Raspberry Pi", "cgroups", seen: "no memory controller", command: "sed -i '1s/$/ cgroup_enable=memory/' /boot/firmware/cmdline.txt") {
            $0.machine.files["/boot/firmware/cmdline.txt"] = .text("root=x\n", mode: 0o755, owner: 0)
            $0.machine.files["/sys/fs/cgroup/cgroup.controllers"] = .text("cpuset cpu io pids\n", mode: 0o444, owner: 0)
        },
        .init(
            "a kernel without the memory controller", "cgroups", seen: "no memory controller",
            command: "sed -i 's/cgroup_disable=memory//' /etc/default/grub && update-grub"
        ) {
            $0.machine.files["/sys/fs/cgroup/cgroup.controllers"] = .text("cpuset cpu io pids\n", mode: 0o444, owner: 0)
        },
        .init("controllers that were not delegated", "cgroups", seen: "was not given memory", command: "systemctl edit user@.service") {
            $0.machine.files["/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers"] = .text("pids cpu\n", mode: 0o444, owner: 0)
        },
        .init("cgroups of version 1", "cgroups", .warning, seen: "version 1", command: nil) {
            $0.machine.files["/sys/fs/cgroup/cgroup.controllers"] = .missing
        },
        .init("no user namespaces", "user-namespaces", seen: "user.max_user_namespaces = 0", command: "echo 'user.max_user_namespaces = 15000'") {
            $0.machine.files["/proc/sys/user/max_user_namespaces"] = .text("0\n", mode: 0o644, owner: 0)
        },
        .init("no tunnel device", "tun", seen: "/dev/net/tun", command: "modprobe tun") { $0.machine.files["/dev/net/tun"] = .missing },
        .init("a clock of 1970", "clock", seen: "years behind", command: "timedatectl set-ntp true") { $0.now = at("1970-01-01T00:10:00Z") },
        .init("a clock that is late", "clock", .warning, seen: "300 s behind GitLab's", command: "timedatectl set-ntp true") {
            $0.now = at("2026-11-29T11:55:03Z")
        },
        .init("a full disk", "disk", seen: "no runner is started", command: "du -xh") { $0.free = 1 << 30 },
        .init(
            "no engine", "engine", seen: "has no podman.socket", command: "apt install podman && systemctl --user --machine=homelab@ enable --now podman.socket"
        ) {
            $0.engine.introduced = .failure(.init(description: "no such file"))
            $0.machine.units["homelab/podman.socket"] = nil
        },
        .init(
            "an engine that was never enabled", "engine", seen: "podman.socket is inactive",
            command: "systemctl --user --machine=homelab@ enable --now podman.socket"
        ) {
            $0.engine.introduced = .failure(.init(description: "no such file"))
            $0.machine.units["homelab/podman.socket"]?["ActiveState"] = "inactive"
        },
        .init("an engine that hangs", "engine", seen: "took too long", command: "systemctl --user --machine=homelab@ restart podman.socket") {
            $0.engine.introduced = .failure(.init(description: "took too long"))
        },
        .init(
            "an engine that is gone after a boot", "engine-boot", .warning, seen: "not enabled",
            command: "systemctl --user --machine=homelab@ enable --now podman.socket"
        ) {
            $0.machine.units["homelab/podman.socket"]?["UnitFileState"] = "disabled"
        },
        .init("an engine that copies images", "engine-storage", .warning, seen: "vfs", command: "podman system reset") {
            $0.engine.introduced = .success(.init(product: "Podman Engine 4.3.1", storageDriver: "vfs"))
        },
        .init("Podman without its recommended parts", "engine-network", seen: "netavark, aardvark-dns", command: "apt install netavark aardvark-dns") {
            $0.machine.files["/usr/lib/podman/netavark"] = .missing
        },
        .init("an image that nobody has", "image", seen: "the registry has no", command: "autogitctl check") {
            $0.engine.made = nil
            $0.registry = .seen(404)
        },
        .init("an image behind a login", "image", seen: "wants a login", command: "podman login docker.io") {
            $0.engine.made = nil
            $0.registry = .seen(401)
        },
        .init("a registry's limit", "image", .warning, seen: "429", command: "podman login docker.io") {
            $0.engine.made = nil
            $0.registry = .seen(429)
        },
        .init("a registry that is away", "image", .warning, seen: "no route", command: nil) {
            $0.engine.made = nil
            $0.registry = .unseen("no route")
        },
        .init("an old image", "image", .warning, seen: "730 days ago", command: "podman pull") { $0.engine.made = .some(at("2024-11-29T12:00:00Z")) },
        .init(
            "GitLab out of a container's reach", "network", seen: "does not reach http://gitlab.home:3000: refused",
            command: "${EDITOR:-nano} /etc/autogit/autogit.toml"
        ) {
            $0.engine.unreached = "refused"
        },
        .init("GitLab is down", "gitlab", seen: "no answer", command: "curl -v http://gitlab.home:3000/api/v4/version") {
            $0.gitlab.look = .failed("no answer")
        },
        .init("a token that is refused", "gitlab", seen: "401", command: "autogitctl token set") { $0.gitlab.look = .refused("401") },
        .init("a token that may too little", "token", seen: "create_runner", command: "autogitctl token set") {
            $0.gitlab.may = .seen(.init(lacks: ["the scope create_runner is missing"], daysLeft: nil))
        },
        .init("a token that ends soon", "token-expiry", .warning, seen: "in 14 days", command: "autogitctl token set") {
            $0.gitlab.may = .seen(.init(lacks: [], daysLeft: 14))
        },
        .init("a token that is over", "token-expiry", seen: "has expired", command: "autogitctl token set") {
            $0.gitlab.may = .seen(.init(lacks: [], daysLeft: -1))
        },
        .init("a hook that GitLab turned off", "hook", seen: "turned the webhook of root/hello off", command: "autogitctl hook install root/hello") {
            $0.gitlab.isOff = .seen(true)
        },
        .init(
            "a webhook out of GitLab's container's reach", "webhook-address", .warning, seen: "does not reach AutoGit at http://192.168.1.170:8080/webhook/job",
            command: "${EDITOR:-nano} /etc/autogit/autogit.toml"
        ) {
            $0.holdsGitLab()
            $0.engine.unreached = "refused"
            $0.engine.unreachedURL = $0.webhookFromHere
        },
        .init("no hook", "hook", .warning, seen: "found by polling only", command: "autogitctl hook install root/hello") { $0.gitlab.isOff = .seen(nil) },
        .init("a delivery that failed", "hook", .warning, seen: "internal error", command: "journalctl -u autogit -e") {
            $0.gitlab.lastAnswer = "internal error"
        },
        .init("another runner", "other-runners", .warning, seen: "an old one (7)", command: nil) { $0.gitlab.others = ["an old one (7)"] },
        .init("a daemon of another version", "version", .warning, seen: "1.2.2", command: "systemctl restart autogit") {
            $0.daemon = .seen(.init(version: "1.2.2"))
        },
        .init("a daemon that doesn't answer", "daemon", .warning, seen: "could not be checked: no socket", command: nil) { $0.daemon = .unseen("no socket") },
        .init("a pool whose starts fail", "pool", seen: "out of ids", command: "autogitctl logs") {
            var look = Evidence.DaemonLook(version: "1.2.3")
            look.failingPools = [("docker", "out of ids")]
            $0.daemon = .seen(look)
        },
        .init("a paused pool", "pool", .warning, seen: "the pool docker is paused", command: "autogitctl resume docker") {
            var look = Evidence.DaemonLook(version: "1.2.3")
            look.pausedPools = ["docker"]
            $0.daemon = .seen(look)
        },
        .init("a host that is away", "host", seen: "the host desk does not answer: connection refused", command: "journalctl -u autogit -e") {
            var look = Evidence.DaemonLook(version: "1.2.3")
            look.hosts = [.init(name: "attic"), .init(name: "desk", isAway: true, remarks: ["connection refused"])]
            $0.daemon = .seen(look)
        },
        .init("a host that is drained", "host", .warning, seen: "the host desk is drained", command: "autogitctl hosts resume desk") {
            var look = Evidence.DaemonLook(version: "1.2.3")
            look.hosts = [.init(name: "desk", isDrained: true)]
            $0.daemon = .seen(look)
        },
        .init("a host whose user does not linger", "host", .warning, seen: "of the host desk: its user does not linger", command: "autogitctl hosts") {
            var look = Evidence.DaemonLook(version: "1.2.3")
            look.hosts = [.init(name: "desk", remarks: ["its user does not linger"])]
            $0.daemon = .seen(look)
        },
        .init("jobs that no pool has the tags of", "waiting", .warning, seen: "2 jobs wait: no pool has the tag", command: "autogitctl jobs") {
            var look = Evidence.DaemonLook(version: "1.2.3")
            look.waiting = ["no pool has the tag gpu": 2]
            $0.daemon = .seen(look)
        },
        .init("a database that can't be written", "daemon-store", seen: "disk is full", command: "journalctl -u autogit -e") {
            var look = Evidence.DaemonLook(version: "1.2.3")
            look.store = "the disk is full"
            $0.daemon = .seen(look)
        },
        .init("nobody's eyes", "root", .warning, seen: "not root", command: "sudo autogitctl doctor") { $0.isRoot = false },
        .init("no systemd", "service", .warning, seen: "systemctl is not installed", command: nil) { $0.machine.programs["systemctl"] = .missing },
    ]

    @Test(arguments: planted)
    func aPlantedFaultIsFound(_ planted: Planted) async throws {
        var home = Home()
        planted.plant(&home)
        let diagnosis = await home.diagnosis()
        let found = diagnosis.findings.filter { $0.check == planted.check && $0.level == planted.level && $0.seen.contains(planted.seen) }
        let finding = try #require(found.first, "\(diagnosis.text)")
        if let command = planted.command { #expect(finding.command?.hasPrefix(command) == true, "\(finding)") } else { #expect(finding.command == nil) }
        #expect(diagnosis.exitStatus == (diagnosis.faults > 0 ? 2 : 1))
        #expect(planted.level != .fault || diagnosis.exitStatus == 2)
    }

    /// It is tried where GitLab's container is, and nowhere else.
    @Test func theWebhookIsTriedFromAContainerWhereGitLabIsInOne() async {
        func findings(_ change: (inout Home) -> Void) async -> [Finding] {
            var home = Home()
            home.holdsGitLab()
            change(&home)
            return await home.diagnosis().findings.filter { $0.check == "webhook-address" }
        }
        #expect(await findings { _ in }.map(\.level) == [.ok])
        #expect(await findings { $0.machine.units["autogit-gitlab.service"]?["ActiveState"] = "inactive" } == [])
        #expect(await findings { $0.webhookFromHere = nil } == [])
        // Docker's containers have another way here than Podman's, which GitLab's is.
        #expect(await findings { $0.engine.introduced = .success(.init(product: "Docker Engine 26.1.5")) } == [])
        let unreached = await findings { ($0.engine.unreached, $0.engine.unreachedURL) = ("refused", $0.webhookFromHere) }
        #expect(unreached.first?.advice?.contains("webhook_url = \"http://host.containers.internal:8080/webhook/job\"") == true, "\(unreached)")
    }

    /// What others wrote is shown, and nothing of it reaches the terminal as more than text.
    @Test func wordsOfOthersAreOnOneLine() async {
        var home = Home()
        home.gitlab.others = ["bad\u{1B}[2J\nline (1)"]
        let text = await home.diagnosis().text
        #expect(!text.contains("\u{1B}") && text.contains("bad [2J line (1)"))
    }

    @Test func theTokenIsNowhere() async throws {
        for planted in Self.planted {
            var home = Home()
            planted.plant(&home)
            let diagnosis = await home.diagnosis()
            let json = String(decoding: try JSONEncoder().encode(diagnosis), as: UTF8.self)
            #expect(!diagnosis.text.contains("glpat-of-this-test") && !json.contains("glpat-of-this-test"))
        }
    }

    @Test func programsReadTheSame() async throws {
        struct Read: Decodable {
            var findings: [Finding]
            var faults: Int
            var warnings: Int
        }
        var home = Home()
        home.engine.unreached = "refused"
        let diagnosis = await home.diagnosis()
        let read = try JSONDecoder().decode(Read.self, from: JSONEncoder().encode(diagnosis))
        #expect(read.findings == diagnosis.findings && read.faults == 1 && read.warnings == 0)
    }

    @Test(arguments: [("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"), ("yesterday", nil), ("Sun, 99 Nov 1994 08:49:37 GMT", nil)])
    func datesOfHTTP(_ text: String, _ date: String?) { #expect(HTTPDate.read(text) == date.map(at)) }

    @Test func aProgramIsRunWithItsInputAndItsTime() async {
        let machine = ThisMachine()
        #expect(await machine.run(["cat"], input: "hello", limit: .seconds(600)) == .ended(0, output: "hello", errors: ""))
        #expect(await machine.run(["sh", "-c", "echo no >&2; exit 3"], input: nil, limit: .seconds(600)) == .ended(3, output: "", errors: "no\n"))
        #expect(await machine.run(["there-is-no-such-program"]) == .missing)
        guard case .failed = await machine.run(["sleep", "600"], input: nil, limit: .milliseconds(50)) else {
            Issue.record("it was not ended")
            return
        }
    }

    @Test func aReportHasNoSecrets() {
        var report = Report(hiding: [Secret("hook-secret"), Secret("glpat-0123456789abcdefghij"), Secret("b")])
        report.add("a", "by hook-secret, glpat-0123456789abcdefghij and glrt-t1_0123456789abcdefghij at http://user:pass-word@proxy/")
        #expect(report.files[0].text == "by [MASKED], [MASKED] and glrt-[MASKED] at http://user:[MASKED]@proxy/")
    }

    @Test func aConfigurationThatIsNotValidShowsItsKeysOnly() {
        let text = """
            # secret
            [gitlab]
            url = "http://user:pass@g"
              token_file="x"
            env = { A = "b" }
              "B" = "c"
            ""\"
            multi = line
            [[pool]]
            """
        #expect(Report.keys(of: text) == "#\n[gitlab]\nurl = …\ntoken_file= …\nenv = …\n…\n…\nmulti = …\n[[pool]]")
    }

    @Test(arguments: [
        ("LoadCredential=gitlab-token:/a\n", Examination.Loading.plain), ("LoadCredential=other:/a\n", .not), ("LoadCredential=gitlab-token\n", .plain),
        ("LoadCredential=gitlab-token:/a\nLoadCredential=\n", .not), ("LoadCredentialEncrypted = gitlab-token:/a\n", .sealed),
        ("LoadCredential=gitlab-token:/a\nLoadCredential=\nLoadCredential=x:/b\nLoadCredentialEncrypted=gitlab-token:/c\n", .sealed),
        ("#LoadCredential=gitlab-token:/a\n", .not), ("", .not),
    ])
    func whatAUnitLoads(_ unit: String, _ loading: Examination.Loading) { #expect(Examination.loads("gitlab-token", in: unit) == loading) }
}
