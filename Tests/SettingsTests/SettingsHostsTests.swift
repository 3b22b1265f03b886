import Fleet
import Foundation
import TestBench
import Testing

@testable import Settings

/// Sections `[[host]]`, and the keys of pools that choose among them.
@Suite struct SettingsHostsTests {
    private let scratch: ScratchFolder
    private let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    private let key = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"

    init() throws {
        scratch = try ScratchFolder("settings-hosts")
        for (name, text, mode) in [
            ("token", "glpat-secret\n", 0o600), ("ca.pem", certificate, 0o644), ("cert.pem", certificate, 0o644), ("key.pem", key, 0o600),
            ("open.pem", key, 0o644), ("other.pem", certificate, 0o600), ("empty.pem", "", 0o600),
        ] {
            #expect(
                FileManager.default.createFile(atPath: "\(scratch.path)/\(name)", contents: Data(text.utf8), attributes: [.posixPermissions: mode]))
        }
    }

    private func parse(_ text: String, on architecture: Architecture? = nil) throws -> Settings {
        let text = "[gitlab]\nurl = \"http://g\"\ntoken_file = \"DIR/token\"\n\(text)\n".replacingOccurrences(of: "DIR", with: scratch.path)
        return try Settings.parse(
            text, file: "f", environment: .init(machineMemory: 100 << 30, credentialsDirectory: nil, architecture: architecture))
    }

    private func errors(_ text: String, on architecture: Architecture? = nil) -> [SettingsError] {
        do {
            _ = try parse(text, on: architecture)
            return []
        } catch let invalid as InvalidSettings {
            return invalid.errors
        } catch {
            Issue.record("unexpected error: \(error)")
            return []
        }
    }

    private let pool = "[[pool]]\nname = \"p\"\ntags = [\"a\"]\n"
    private let local = "[[host]]\nname = \"local\"\n"
    private let desktop =
        "[[host]]\nname = \"desktop1\"\nengine = \"ssh://desktop1\"\nmemory = \"8GiB\"\ncpus = 6\nlabels = [\"fast\"]\nresources = { usb-jtag = 1 }\n"
    private let tls = "tls_ca = \"DIR/ca.pem\"\ntls_cert = \"DIR/cert.pem\"\ntls_key = \"DIR/key.pem\"\n"

    // MARK: One machine

    /// Nobody has to change a file, and nothing is decided otherwise.
    @Test func withoutHostsThereIsThisMachineAsBefore() throws {
        let bare = try parse(pool)
        #expect(bare.hosts == [HostSettings(Host(.local, budget: HostBudget(memory: (100 << 30) / 10 * 9)), engine: .usual)])
        #expect(bare.budget == bare.hosts[0].host.budget && bare.diskReserve == 2 << 30 && bare.prune == .ours && !bare.hasSeveralHosts)
        #expect(bare.pools[0].choice == HostChoice() && bare.pools[0].host == .local)
        let table = try parse("[host]\nmemory = \"20GiB\"\ncpus = 8\ndisk_reserve = \"3GiB\"\nprune = \"all\"\n\(pool)")
        #expect(table.hosts == [HostSettings(Host(.local, budget: HostBudget(memory: 20 << 30, cpus: 8)), engine: .usual)])
        #expect(table.diskReserve == 3 << 30 && table.prune == .all && table.pools == bare.pools && !table.hasSeveralHosts)
    }

    @Test func aListOfThisMachineAloneSaysTheSameOfIt() throws {
        let settings = try parse("[engine]\nprune = \"none\"\n\(local)memory = \"20GiB\"\ndisk_reserve = \"0\"\n\(pool)")
        #expect(settings.hosts == [HostSettings(Host(.local, budget: HostBudget(memory: 20 << 30), diskReserve: 0), engine: .usual)])
        #expect(settings.diskReserve == 0 && settings.prune == ImagePrune.nothing && !settings.hasSeveralHosts)
        #expect(try parse(local + pool).budget.memory == (100 << 30) / 10 * 9)
        #expect(try parse("\(local)labels = [\"big\"]\n\(pool)").hasSeveralHosts)
    }

    @Test func pruneIsSaidOnce() throws {
        #expect(try parse("[engine]\nprune = \"all\"\n[host]\nprune = \"all\"\n\(pool)").prune == .all)
        #expect(
            errors("[engine]\nprune = \"all\"\n[host]\nprune = \"none\"\n\(pool)").map(\.description) == [
                "f:7: host.prune: is \"all\" in [engine]: remove one of the two"
            ])
    }

    // MARK: Several

    @Test func everyKeyOfAHostIsRead() throws {
        let settings = try parse(
            """
            [[host]]
            name = "server"
            engine = "ssh://user@desktop1:22/run/user/1000/podman/podman.sock"
            memory = "56GiB"
            cpus = 8
            labels = ["fast", "big"]
            resources = { usb-jtag = 1, camera = 1000 }
            lost_after = "1h"
            disk_reserve = "10GiB"
            \(local)labels = ["slow"]
            runner_socket = "/run/other.sock"
            [[host]]
            name = "plain"
            engine = "tcp://10.0.0.2:2376"
            \(tls)runner_socket = "/run/docker.sock"
            [[host]]
            name = "bare"
            engine = "ssh://bare"
            \(pool)
            """)
        let resources = ["usb-jtag": 1, "camera": 1000]
        let files = EngineTLS(ca: "\(scratch.path)/ca.pem", certificate: "\(scratch.path)/cert.pem", key: "\(scratch.path)/key.pem")
        #expect(
            settings.hosts == [
                HostSettings(
                    Host(
                        HostID("server"), labels: ["fast", "big"], budget: HostBudget(memory: 56 << 30, cpus: 8), resources: resources, diskReserve: 10 << 30,
                        lostAfter: .seconds(3600)),
                    engine: .ssh("ssh://user@desktop1:22/run/user/1000/podman/podman.sock"), runnerSocket: "/run/user/1000/podman/podman.sock"),
                HostSettings(
                    Host(.local, labels: ["slow"], budget: HostBudget(memory: (100 << 30) / 10 * 9), diskReserve: 2 << 30), engine: .usual,
                    runnerSocket: "/run/other.sock"),
                HostSettings(
                    Host(HostID("plain"), diskReserve: 0, lostAfter: .seconds(600)), engine: .tcp("10.0.0.2", 2376, tls: files),
                    runnerSocket: "/run/docker.sock"),
                HostSettings(Host(HostID("bare"), diskReserve: 2 << 30, lostAfter: .seconds(600)), engine: .ssh("ssh://bare")),
            ])
        #expect(settings.hasSeveralHosts && settings.budget.memory == (100 << 30) / 10 * 9)
    }

    @Test func aSwarmsNodesHaveTheManagersSocketPathUnlessAnotherIsNamed() throws {
        func socket(_ more: String) throws -> String? {
            try parse("[[host]]\nname = \"s\"\nengine = \"swarm+unix:///run/docker.sock\"\n\(more)\n\(pool)").hosts[0].runnerSocket
        }
        #expect(try socket("") == "/run/docker.sock" && socket("runner_socket = \"/run/user/7/docker.sock\"") == "/run/user/7/docker.sock")
        let found = errors("[[host]]\nname = \"s\"\nengine = \"swarm+unix://run/docker.sock\"\n\(pool)")
        #expect(found.map(\.key) == ["host[0].engine"] && found.allSatisfy { $0.message.contains("as in swarm+unix:///run/docker.sock") }, "\(found)")
    }

    /// A host whose section is deleted is still reached, until the last runner there is gone.
    @Test(arguments: [
        EngineAddress.unix("/run/x.sock"), .ssh("ssh://me@desktop1:2222/run/x.sock"), .swarm("/run/docker.sock"), .tcp("127.0.0.1", 2375, tls: nil),
        .tcp("fd00::1", 2376, tls: EngineTLS(ca: "/a/ca.pem", certificate: "/a/cert.pem", key: "/a/key.pem")), .kubernetes(KubernetesPlace()),
        .kubernetes(KubernetesPlace(kubeconfig: "/etc/autogit/kube config", context: "home", namespace: "ci")),
    ])
    func anAddressIsRememberedWhole(_ address: EngineAddress) { #expect(EngineAddress(remembered: address.remembered) == address) }

    /// By 0.10 and before; or by a later version.
    @Test(arguments: [
        "kubernetes", "tcp://10.0.0.7:2376", "", "{", "{}", #"{"engine":"carrier-pigeon://x"}"#, #"{"engine":"tcp://10.0.0.7:2376","tls_ca":"/a"}"#,
    ])
    func whatIsNotRememberedWholeIsNoAddress(_ text: String) { #expect(EngineAddress(remembered: text) == nil) }

    @Test func anAddressOfAnEarlierVersionIsReadWhereItIsWhole() {
        #expect(EngineAddress(remembered: "ssh://me@desktop1") == .ssh("ssh://me@desktop1"))
        #expect(EngineAddress(remembered: "unix:///run/x.sock") == .unix("/run/x.sock"))
    }

    @Test func howAHostIsWokenIsRead() throws {
        let settings = try parse(
            """
            [[host]]
            name = "one"
            engine = "ssh://one"
            [host.power]
            wake = "wol:00:1A:2b-33-44-55"
            sleep = ["/usr/bin/ssh", "one", "systemctl suspend"]
            idle = "30m"
            wake_time = "45s"
            timeout = "10s"
            [[host]]
            name = "two"
            engine = "ssh://two"
            [host.power]
            wake = ["/usr/local/bin/switch", "on"]
            [[host]]
            name = "three"
            engine = "ssh://three"
            \(pool)
            """)
        let address = try #require(MACAddress("00:1a:2b:33:44:55"))
        #expect("\(address)" == "00:1a:2b:33:44:55")
        #expect(
            settings.hosts.map(\.power) == [
                PowerSettings(wake: .lan(address), sleep: ["/usr/bin/ssh", "one", "systemctl suspend"], timeout: .seconds(10)),
                PowerSettings(wake: .command(["/usr/local/bin/switch", "on"]), timeout: .seconds(60)), nil,
            ])
        #expect(
            settings.hosts.map(\.host.power) == [HostPower(wakeTime: .seconds(45), idle: .seconds(1800)), HostPower(wakeTime: .seconds(120)), nil])
    }

    @Test(arguments: [
        ("sleep = [\"/bin/s\"]", "host[0].power.wake", "is required"), ("wake = \"wol:01:00:00:00:00:00\"", "host[0].power.wake", "of one network card"),
        ("wake = \"00:11:22:33:44:55\"", "host[0].power.wake", "expected \"wol:\""), ("wake = [\"switch\"]", "host[0].power.wake", "absolute path"),
        ("wake = []", "host[0].power.wake", "absolute path"), ("wake = [\"/b\"]\nsleep = [\"systemctl\"]", "host[0].power.sleep", "absolute path"),
        ("wake = [\"/b\"]\nidle = \"1h\"", "host[0].power.idle", "has no effect without sleep"),
        ("wake = [\"/b\"]\nsleep = [\"/s\"]\nidle = \"59s\"", "host[0].power.idle", "at least 1m"),
        ("wake = \"wol:00:11:22:33:44:55\"\ntimeout = \"5s\"", "host[0].power.timeout", "has no effect without a command"),
        ("wake = [\"/b\"]\nwake_tme = \"5s\"", "host[0].power.wake_tme", "did you mean wake_time?"),
    ])
    func whatWakesNobodyIsRefused(text: String, key: String, says: String) {
        let found = errors("[[host]]\nname = \"h\"\nengine = \"ssh://h\"\n[host.power]\n\(text)\n\(pool)")
        #expect(found.map(\.key) == [key] && found.allSatisfy { $0.message.contains(says) }, "\(found)")
    }

    @Test func thisMachineIsNotSentToSleep() {
        let found = errors("\(local)[host.power]\nwake = [\"/b\"]\n\(pool)")
        #expect(found.map(\.key) == ["host[0].power"] && found.allSatisfy { $0.message.contains("on which AutoGit itself runs") }, "\(found)")
        #expect(errors("[host]\npower = 1\n\(pool)").count == 1 && errors("\(local)power = 1\n\(pool)").count == 1)
    }

    @Test func everyKeyOfAPoolsChoiceIsRead() throws {
        let settings = try parse(
            "\(local)\(desktop)\(pool)hosts = [\"desktop1\", \"local\"]\nneeds = { usb-jtag = 1 }\nplacement = \"pack\"\nprefer = [\"fast\"]\n"
                + "overflow_after = \"1m\"")
        #expect(
            settings.pools[0].choice
                == HostChoice(hosts: ["desktop1", "local"], needs: ["usb-jtag": 1], strategy: .pack, prefer: ["fast"], overflowAfter: .seconds(60)))
    }

    @Test(
        arguments: [
            ("unix:///run/podman/podman.sock", .unix("/run/podman/podman.sock")), ("ssh://desktop1", .ssh("ssh://desktop1")),
            ("ssh://u@h:2222", .ssh("ssh://u@h:2222")), ("ssh://[fe80::1]:22/s.sock", .ssh("ssh://[fe80::1]:22/s.sock")),
            ("ssh://h/run/s.sock", .ssh("ssh://h/run/s.sock")), ("tcp://127.0.0.1:2375", .tcp("127.0.0.1", 2375, tls: nil)),
            ("tcp://[::1]:2375", .tcp("::1", 2375, tls: nil)), ("tcp://localhost:65535", .tcp("localhost", 65535, tls: nil)),
            ("swarm+unix:///run/docker.sock", .swarm("/run/docker.sock")), ("kubernetes", .kubernetes(KubernetesPlace())),
            ("unix:///\(String(repeating: "a", count: 106))", .unix("/\(String(repeating: "a", count: 106))")),
        ] as [(String, EngineAddress)])
    func addressesOfEngines(text: String, address: EngineAddress) throws {
        #expect(try EngineAddress(text) == address && address.description == text)
        #expect(try Regex(EngineAddress.pattern).wholeMatch(in: text) != nil)
        if case .kubernetes = address { return }
        let settings = try parse("[[host]]\nname = \"h\"\nengine = \"\(text)\"\nrunner_socket = \"/s\"\n\(pool)")
        #expect(settings.hosts[0].engine == address && settings.hosts[0].runnerSocket == "/s")
    }

    /// Whatever could be an option of ssh, too.
    @Test(
        arguments: [
            ("desktop1", "expected unix:///PATH, ssh://"), ("http://h:1", "expected unix:///PATH, ssh://"), ("ssh://", "expected unix:///PATH"),
            ("ssh://-oProxyCommand=x", "expected unix"), ("ssh://-l@h", "expected unix"), ("ssh://a b", "expected unix"), ("ssh://h:0", "is not a port"),
            ("ssh://h:65536", "is not a port"), ("ssh://h/", "is not the absolute path"), ("ssh://h/a?b", "without spaces and : ? # %"),
            ("ssh://h/run/\(String(repeating: "a", count: 103))", "exceeds the 107 bytes"), ("ssh://u:s3cret@h", "ssh logs in with a key"),
            ("tcp://u:s3cret@h:1", "ssh logs in with a key"), ("tcp://127.0.0.1", "has no port; engines with TLS are usually at 2376: tcp://127.0.0.1:2376"),
            ("tcp://127.0.0.1:1/x", "expected unix"), ("tcp://127.0.0.1:99999", "is not a port"), ("unix://run/x", "is not the absolute path"),
            ("unix:///a:b", "without spaces"), ("unix:///\(String(repeating: "a", count: 107))", "exceeds the 107 bytes"), ("", "expected unix"),
        ])
    func whatIsNoAddressIsRefusedWithWhatIsExpected(text: String, says: String) {
        let found = errors("[[host]]\nname = \"h\"\nengine = \"\(text)\"\n\(pool)")
        #expect(found.count == 1 && found[0].key == "host[0].engine" && found[0].line == 6 && found[0].message.contains(says), "\(found)")
        #expect(!"\(found)".contains("s3cret"))
    }

    /// Each is refused once, under the key that is wrong, at its line, and with what is expected.
    @Test(
        arguments: [
            ("[[host]]\nengine = \"ssh://h\"", "host[0].name", "is required, for example name = \"desktop1\""),
            ("[[host]]\nname = \"Big\"\nengine = \"ssh://h\"", "host[0].name", "use 1 to 32 lower-case letters, digits and hyphens"),
            ("[[host]]\nname = \"h\"", "host[0].engine", "is required, for example engine = \"ssh://user@h\""),
            ("[[host]]\nname = \"local\"\nengine = \"unix:///s\"", "host[0].engine", "is that of [engine]: remove it"),
            ("[[host]]\nname = \"local\"\nlost_after = \"10m\"", "host[0].lost_after", "which is never lost"),
            ("[[host]]\nname = \"h\"\nengine = \"ssh://h\"\nlost_after = \"29s\"", "host[0].lost_after", "must be at least 30s"),
            ("[[host]]\nname = \"h\"\nengine = \"ssh://h\"\nlabels = [\"A\"]", "host[0].labels", "\"A\" is not valid: use 1 to 32"),
            ("[[host]]\nname = \"h\"\nengine = \"ssh://h\"\nlabels = [\"local\"]", "host[0].labels", "is the name of this machine"),
            ("[[host]]\nname = \"h\"\nengine = \"ssh://h\"\nresources = { a = 0 }", "host[0].resources", "a must be an integer from 1 to 1000"),
            ("[[host]]\nname = \"h\"\nengine = \"ssh://h\"\nresources = { a = 1001 }", "host[0].resources", "from 1 to 1000"),
            ("[[host]]\nname = \"h\"\nengine = \"ssh://h\"\nresources = { a = \"1\" }", "host[0].resources", "from 1 to 1000"),
            ("[[host]]\nname = \"h\"\nengine = \"ssh://h\"\nresources = { a_b = 1 }", "host[0].resources", "\"a_b\" is not valid"),
            ("[[host]]\nname = \"h\"\nengine = \"ssh://h\"\nresources = [\"a\"]", "host[0].resources", "for example { usb-jtag = 1 }, found an array"),
            ("[[host]]\nname = \"h\"\nengine = \"ssh://h\"\nmemory = \"big\"", "host[0].memory", "is not a valid size"),
            ("[[host]]\nname = \"h\"\nengine = \"ssh://h\"\nrunner_socket = \"s.sock\"", "host[0].runner_socket", "for example /run/user/1000"),
            ("[[host]]\nname = \"h\"\nengine = \"ssh://h\"\nmemry = \"1GiB\"", "host[0].memry", "did you mean memory?"),
            ("[[host]]\nname = \"h\"\nengine = \"ssh://h\"\nprune = \"all\"", "host[0].prune", "unknown key"),
            ("[[host]]\nname = \"h\"\nengine = \"tcp://h:2376\"\nrunner_socket = \"/s\"", "host[0].engine", "is root on its host. Set tls_ca, tls_cert and"),
            ("[[host]]\nname = \"h\"\nengine = \"tcp://127.0.0.1.evil.example:1\"\nrunner_socket = \"/s\"", "host[0].engine", "is not protected"),
            ("[[host]]\nname = \"h\"\nengine = \"ssh://h\"\ntls_ca = \"DIR/ca.pem\"", "host[0].tls_ca", "has no effect without engine = \"tcp://"),
            (
                "[[host]]\nname = \"h\"\nengine = \"tcp://h:1\"\nrunner_socket = \"/s\"\ntls_ca = \"DIR/ca.pem\"\ntls_key = \"DIR/key.pem\"",
                "host[0].tls_cert",
                "is required where one of"
            ),
        ])
    func whatAHostCannotBeIsRefused(text: String, key: String, says: String) {
        let found = errors(text + "\n" + pool)
        #expect(found.map(\.key) == [key], "\(found)")
        #expect(found.allSatisfy { $0.message.contains(says) && ($0.line ?? 0) > 3 }, "\(found)")
    }

    @Test(arguments: [
        ("[]", "host", "expected a section [host], or sections [[host]]"), ("1", "host", "expected a section [host]"),
        ("[1]", "host[0]", "expected sections [[host]]"),
    ])
    func whatIsNoHostIsRefused(value: String, key: String, says: String) {
        let text = "host = \(value)\n[gitlab]\nurl = \"http://g\"\ntoken_file = \"\(scratch.path)/token\"\n\(pool)"
        let error = #expect(throws: InvalidSettings.self) {
            try Settings.parse(text, file: "f", environment: .init(machineMemory: 100 << 30, credentialsDirectory: nil))
        }
        #expect(
            error?.errors.map(\.key) == [key] && error?.errors[0].line == 1 && error?.errors[0].message.contains(says) == true, "\(String(describing: error))")
    }

    @Test(arguments: [
        ("tls_key", "open.pem", "run: chmod 600"), ("tls_key", "other.pem", "has no block in PEM that ends with PRIVATE KEY-----"),
        ("tls_cert", "empty.pem", "has no block in PEM"), ("tls_ca", "none.pem", "cannot be read: No such file"),
    ])
    func filesOfTLSAreLookedInto(key: String, file: String, says: String) throws {
        let files = tls.replacing(try Regex("\(key) = \"[^\"]*\""), with: "\(key) = \"DIR/\(file)\"")
        let found = errors("[[host]]\nname = \"h\"\nengine = \"tcp://h:2376\"\nrunner_socket = \"/s\"\n\(files)\(pool)")
        #expect(found.first?.key == "host[0].\(key)" && found.first?.message.contains(says) == true, "\(found)")
    }

    @Test func hostsAreToldApart() throws {
        let found = errors(desktop + desktop.replacingOccurrences(of: "ssh://desktop1", with: "ssh://other") + pool)
        #expect(found.map(\.key) == ["host[1].name"] && found[0].message == "two hosts have the name \"desktop1\"; give each its own" && found[0].line == 12)
        let twice = errors(desktop + desktop.replacingOccurrences(of: "\"desktop1\"", with: "\"desktop2\"") + pool)
        #expect(twice.map(\.key) == ["host[1].engine"] && twice[0].message.contains("is that of the host \"desktop1\", too"), "\(twice)")
        let own = errors("[engine]\nsocket = \"/s\"\n\(local)[[host]]\nname = \"h\"\nengine = \"unix:///s\"\n\(pool)")
        #expect(own.map(\.key) == ["host[1].engine"] && own[0].message.contains("is that of [engine], too"), "\(own)")
        let label = errors("\(local)labels = [\"desktop1\"]\n\(desktop)\(pool)")
        #expect(label.map(\.key) == ["host[0].labels"] && label[0].message.contains("is the name of a host"), "\(label)")
    }

    @Test func aReserveOnADiskThatNobodySeesIsTold() throws {
        let tunnel = "[[host]]\nname = \"h\"\nengine = \"tcp://localhost:2375\"\nrunner_socket = \"/s\"\n"
        let swarm = "[[host]]\nname = \"s\"\nengine = \"swarm+unix:///s\"\n"
        let cluster = "[[host]]\nname = \"c\"\nengine = \"kubernetes\"\n"
        #expect(try parse("\(tunnel)\(swarm)\(cluster)\(desktop)\(pool)").notes.isEmpty)
        let reserve = "disk_reserve = \"1GiB\"\n"
        let notes = try parse("\(tunnel)\(reserve)\(swarm)\(reserve)\(cluster)\(reserve)\(desktop)\(reserve)\(local)\(reserve)\(pool)").notes
        #expect(notes.map { String($0.prefix { $0 != ":" }) } == ["h", "s", "c"].map { "disk_reserve of the host \($0) has no effect" }, "\(notes)")
        #expect(try parse("\(cluster)disk_reserve = \"0\"\n\(pool)").notes.isEmpty)
    }

    // MARK: Files

    /// What root can read when it checks the configuration, the service may not: so it is named.
    @Test func filesThatTheServiceReadsAreNamed() throws {
        let settings = try parse("\(local)[[host]]\nname = \"h\"\nengine = \"tcp://h:2376\"\nrunner_socket = \"/s\"\n\(tls)\(pool)")
        let files = [("gitlab.token_file", "token"), ("host[1].tls_ca", "ca.pem"), ("host[1].tls_cert", "cert.pem"), ("host[1].tls_key", "key.pem")]
        #expect(settings.files == files.map { ServiceFile(key: $0, path: "\(scratch.path)/\($1)") })
    }

    // MARK: Pools among hosts

    /// Of two hosts: `local` with 10 GiB and 8 CPUs, and `desktop1` with 8 GiB and 6 CPUs, the label `fast` and a `usb-jtag`.
    @Test(
        arguments: [
            ("hosts = [\"desktop2\"]", "hosts", "no host has the name or label \"desktop2\"; known are local, desktop1, and by label fast"),
            ("hosts = [\"Desktop\"]", "hosts", "is not valid: use 1 to 32"), ("prefer = [\"quick\"]", "prefer", "no host has the name or label \"quick\""),
            ("overflow_after = \"1m\"", "overflow_after", "has no effect without prefer"),
            ("placement = \"random\"", "placement", "expected \"spread\" or \"pack\""),
            ("needs = { usb-jtag = 2 }", "needs", "2 of usb-jtag are more than any of its hosts (local, desktop1) has, which is 1"),
            ("needs = { usb-jtag = 1 }\nhosts = [\"local\"]", "needs", "none of its hosts (local) has usb-jtag"),
            ("needs = { usb-jtag = 1, camera = 1 }", "needs", "none of its hosts (local, desktop1) has all of camera = 1, usb-jtag = 1"),
            (
                "memory = \"20GiB\"", "memory",
                "budget of any of its hosts (the largest is local's, 10240 MiB); lower it or services_limit in [pool.docker], or raise memory in [[host]]"
            ),
            ("memory = \"9GiB\"\nhosts = [\"fast\"]", "memory", "more than the memory budget of the host desktop1 (8192 MiB)"),
            ("cpus = 4\nhosts = [\"fast\"]", "cpus", "more than the CPU budget of the host desktop1 (6.0)"),
            ("memory = \"9GiB\"\nneeds = { usb-jtag = 1 }", "memory", "of the host desktop1"),
            ("driver = \"scope\"\nhosts = [\"fast\"]", "hosts", "no host is left: driver = \"scope\" makes processes of the host \"local\""),
        ])
    func whatNoHostCanGiveIsRefused(lines: String, key: String, says: String) {
        let hosts = "\(local)memory = \"10GiB\"\ncpus = 8\nresources = { camera = 1 }\n\(desktop)"
        let found = errors("\(hosts)\(pool)\(lines)\n")
        #expect(found.map(\.key) == ["pool[0].\(key)"], "\(found)")
        #expect(found.allSatisfy { $0.message.contains(says) && ($0.line ?? 0) > 17 }, "\(found)")
    }

    /// One host is enough, and one without bounds always is.
    @Test(arguments: [
        "memory = \"8GiB\"", "memory = \"100GiB\"\nhosts = [\"open\"]", "memory = \"100GiB\"", "cpus = 100", "driver = \"scope\"", "needs = { usb-jtag = 1 }",
    ])
    func whatOneHostCanGiveIsTaken(lines: String) {
        #expect(errors("\(local)memory = \"9GiB\"\n\(desktop)[[host]]\nname = \"open\"\nengine = \"ssh://open\"\n\(pool)\(lines)\n") == [])
    }

    @Test func memoryAndCPUsAreNeededOnOneHost() {
        let hosts = "\(local)memory = \"4GiB\"\ncpus = 64\n\(desktop)"
        #expect(errors("\(hosts)\(pool)memory = \"5GiB\"\ncpus = 1\nexecutor = \"shell\"\n") == [])
        let found = errors("\(hosts)\(pool)memory = \"5GiB\"\ncpus = 32\nexecutor = \"shell\"\n")
        #expect(
            found.map(\.key) == ["pool[0].memory"] && found[0].message.contains("5120 MiB and 32.0 CPUs, and none of its hosts has room for both"), "\(found)")
    }

    @Test func theTextsOfOneMachineStay() {
        let found = errors("[host]\nmemory = \"4GiB\"\ncpus = 4\n\(pool)memory = \"5GiB\"\ncpus = 8\nexecutor = \"shell\"\n")
        #expect(
            found.map(\.description) == [
                "f:10: pool[0].memory: one runner may use 5120 MiB, more than the host's memory budget (4096 MiB); lower it, or raise host.memory",
                "f:11: pool[0].cpus: one runner may use 8.0 CPUs, more than the host's CPU budget (4.0); lower it, or raise host.cpus",
            ])
        let word = errors("\(pool)hosts = [\"desktop1\"]")
        #expect(word.map(\.message) == ["no host has the name or label \"desktop1\"; known are local. Other machines have sections [[host]]"])
        #expect(errors("\(pool)hosts = [\"local\"]\nplacement = \"pack\"") == [])
    }

    @Test func withoutThisMachineThereAreNoScopes() {
        #expect(errors(desktop + pool) == [])
        let found = errors(desktop + pool + "driver = \"scope\"\n")
        #expect(found.map(\.key) == ["pool[0].driver"] && found[0].message.contains("add a section [[host]] with name = \"local\""), "\(found)")
    }

    @Test func whichPoolsMayBeOnThisMachineIsKnown() throws {
        let pools = ["hosts = [\"local\"]", "hosts = [\"fast\"]", "hosts = [\"fast\", \"local\"]", "driver = \"scope\"", ""].enumerated()
            .map { "[[pool]]\nname = \"p\($0)\"\ntags = [\"a\"]\n\($1)\n" }
        #expect(try parse(local + desktop + pools.joined()).poolsHere.map(\.name) == ["p0", "p2", "p3", "p4"])
        #expect(try parse(desktop + pools[1] + pools[4]).poolsHere.map(\.name) == [])
        #expect(try parse(pools[4]).poolsHere.map(\.name) == ["p4"])
    }

    @Test(
        arguments: [
            ("", []), ("[host.power]\nwake = \"wol:00:11:22:33:44:55\"\n", []),
            ("[host.power]\nwake = \"wol:00:11:22:33:44:55\"\nsleep = [\"/usr/bin/ssh\", \"desktop1\"]\n", ["[host.power]"]),
            (
                "[host.power]\nwake = [\"/bin/true\"]\n[[notify]]\nkind = \"command\"\ncommand = [\"/bin/true\"]\n",
                ["[[notify]]", "[host.power]"]
            ),
        ] as [(String, [String])])
    func sectionsWithCommandsAreKnown(lines: String, sections: [String]) throws {
        #expect(try parse(desktop + lines + pool).sectionsWithCommands == sections)
    }

    /// Of a host that has no name nothing more can be said.
    @Test func aBrokenHostIsNotHeldAgainstPools() {
        let found = errors("[[host]]\nname = \"Big\"\nengine = \"ssh://h\"\n\(local)\(pool)hosts = [\"big\"]\n")
        #expect(found.map(\.key) == ["host[0].name"], "\(found)")
    }

    @Test func anEngineAtAPortNeedsTheSocketForRunners() {
        let host = "[[host]]\nname = \"h\"\nengine = \"tcp://localhost:2375\"\n"
        let found = errors(host + pool)
        #expect(found.map(\.key) == ["host[0].runner_socket"] && found[0].message.contains("runners of the pool \"p\" (executor = \"docker\")"), "\(found)")
        #expect(found[0].line == 4)
        #expect(errors(host + pool + "executor = \"shell\"\n") == [])
        #expect(errors(host + local + pool + "hosts = [\"local\"]\n") == [])
        #expect(errors(host + local + pool + "driver = \"scope\"\nexecutor = \"docker\"\n") == [])
        #expect(errors(host + "runner_socket = \"/run/docker.sock\"\n" + pool) == [])
    }

    /// Another machine may be of that architecture, which only its engine knows.
    @Test func architecturesOfOtherMachinesAreFoundOutLater() throws {
        let arm = "\(pool)architecture = \"arm64\"\n"
        #expect(try parse(local + arm, on: .amd64).pools[0].executor == .shell)
        #expect(try parse(local + desktop + arm, on: .amd64).pools[0].executor == .docker)
        #expect(try parse("\(local)\(desktop)\(arm)hosts = [\"local\"]", on: .amd64).pools[0].executor == .shell)
        #expect(errors("\(local)\(desktop)\(arm)executor = \"docker\"", on: .amd64) == [])
        let tags = errors("\(local)\(desktop)\(pool)architecture_tags = true", on: .amd64)
        #expect(tags.map(\.message) == ["needs architecture, because its hosts may be of several"])
    }
}
