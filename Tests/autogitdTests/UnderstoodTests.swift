import Foundation
import Settings
import TestBench
import Testing

@testable import autogitd

/// The two outputs of `autogitd --check`.
@Suite struct UnderstoodTests {
    private let understood: Understood
    private let scratch: ScratchFolder

    init() throws {
        scratch = try ScratchFolder("understood")
        #expect(
            FileManager.default.createFile(atPath: "\(scratch.path)/token", contents: Data("glpat-secret".utf8), attributes: [.posixPermissions: 0o600]))
        let settings = try Settings.parse(
            """
            [gitlab]
            url = "http://h"
            name = "main"
            token_file = "\(scratch.path)/token"
            [[pool]]
            name = "c"
            tags = ["a", "b"]
            env = { PASSWORD = "env-secret" }
            [[pool]]
            name = "s"
            run_untagged = true
            driver = "scope"
            cooldown = "90s"
            [[pool]]
            name = "sd"
            tags = ["a"]
            driver = "scope"
            executor = "docker"
            network = "runners"
            [[pool.schedule]]
            days = ["weekdays"]
            from = "08:00"
            to = "18:00"
            time_zone = "UTC"
            warm = 2
            cooldown = "30m"
            """, file: "f", environment: SettingsEnvironment(machineMemory: 10 << 30, credentialsDirectory: nil))
        understood = Understood(settings, warnings: ["a warning"])
    }

    private func pools() throws -> [[String: Any]] {
        let document = try #require(try JSONSerialization.jsonObject(with: Data(try understood.json().utf8)) as? [String: Any])
        #expect(document["valid"] as? Bool == true && document["gitlab_name"] as? String == "main")
        return try #require(document["pools"] as? [[String: Any]])
    }

    @Test func noSecretIsPrinted() throws {
        for text in [understood.description, try understood.json()] {
            #expect(text.contains("PASSWORD") && !text.contains("env-secret") && !text.contains("glpat"), "\(text)")
        }
    }

    /// Scripts read these.
    @Test func aPoolsKeysAreTheFilesWithUnits() throws {
        let pools = try pools()
        for key in ["name", "driver", "tags", "run_untagged", "cpus", "memory_bytes", "max_runners", "warm", "cooldown", "max_jobs"] {
            #expect(pools.allSatisfy { $0[key] != nil }, "\(key)")
        }
        #expect(pools[0]["memory_bytes"] as? Int == 2 << 30 && pools[1]["cooldown"] as? Double == 90)
    }

    @Test func keysOfContainersAreAbsentInScopes() throws {
        let pools = try pools()
        #expect(pools[0]["image"] as? String == "docker.io/gitlab/gitlab-runner:alpine" && pools[1]["image"] == nil && pools[1]["mounts"] == nil)
        // Its jobs have containers, and its runners none.
        #expect(pools[2]["network"] as? String == "runners" && pools[2]["image"] == nil && (pools[2]["docker"] as? [String: Any])?["image"] != nil)
        let line = try #require(understood.description.split(separator: "\n").first { $0.hasPrefix("pool      s: ") })
        #expect(line.contains("driver scope") && line.contains("cooldown 1m30s") && !line.contains("image"))
    }

    @Test func schedulesAreToldWithWhatTheyChange() throws {
        #expect(understood.description.contains("\nschedule  sd, mon-fri 08:00-18:00 UTC: warm 2, cooldown 30m\n"))
        let schedules = try #require(try pools()[2]["schedule"] as? [[String: Any]])
        #expect(schedules.count == 1 && schedules[0]["days"] as? String == "mon-fri" && schedules[0]["from"] as? String == "08:00")
        #expect(schedules[0]["time_zone"] as? String == "UTC" && schedules[0]["warm"] as? Int == 2 && schedules[0]["cooldown"] as? Double == 1800)
    }

    // MARK: Hosts

    @Test func oneHostIsTheBudgetAndSeveralAreALineEach() throws {
        #expect(understood.description.contains("\nbudget    memory 9216 MiB, CPUs unbounded\n") && !understood.description.contains("\nhost "))
        #expect(!understood.description.contains("placement") && !understood.description.contains("overflow_after"))
        let settings = try Settings.parse(
            """
            [gitlab]
            url = "http://h"
            token_file = "\(scratch.path)/token"
            [[host]]
            name = "local"
            labels = ["slow"]
            [[host]]
            name = "desktop1"
            engine = "ssh://user@desktop1/run/podman.sock"
            memory = "8GiB"
            cpus = 6
            resources = { usb-jtag = 1 }
            [[host]]
            name = "tunnel"
            engine = "tcp://localhost:2375"
            runner_socket = "/run/podman.sock"
            [[pool]]
            name = "p"
            tags = ["a"]
            needs = { usb-jtag = 1 }
            prefer = ["slow", "desktop1"]
            """, file: "f", environment: SettingsEnvironment(machineMemory: 10 << 30, credentialsDirectory: nil))
        let several = Understood(settings, warnings: [])
        for line in [
            "engine    the first that answers",
            "host      local: engine as [engine] says, memory 9216 MiB, CPUs unbounded, labels slow, disk_reserve 2048 MiB",
            "host      desktop1: engine ssh://user@desktop1/run/podman.sock, runner_socket /run/podman.sock, memory 8192 MiB, CPUs 6.0, "
                + "resources usb-jtag=1, disk_reserve 2048 MiB, lost_after 10m",
            // Its disk can't be seen from here.
            "host      tunnel: engine tcp://localhost:2375 without TLS, runner_socket /run/podman.sock, memory unbounded, CPUs unbounded, lost_after 10m",
        ] {
            #expect(several.description.split(separator: "\n").contains { $0 == line }, "\(several)")
        }
        #expect(!several.description.contains("\nbudget"))
        #expect(several.description.contains("needs usb-jtag=1, placement spread, prefer slow desktop1, overflow_after 30s"), "\(several)")
        let document = try #require(try JSONSerialization.jsonObject(with: Data(try several.json().utf8)) as? [String: Any])
        let hosts = try #require(document["hosts"] as? [[String: Any]])
        #expect(hosts.map { $0["name"] as? String } == ["local", "desktop1", "tunnel"] && hosts[0]["engine"] == nil && hosts[0]["lost_after"] == nil)
        #expect(hosts[1]["engine"] as? String == "ssh://user@desktop1/run/podman.sock" && hosts[1]["memory_budget_bytes"] as? Int == 8 << 30)
        #expect(hosts[1]["resources"] as? [String: Int] == ["usb-jtag": 1] && hosts[1]["lost_after"] as? Double == 600 && hosts[2]["tls"] as? Bool == false)
        let pool = try #require((document["pools"] as? [[String: Any]])?.first)
        #expect(pool["needs"] as? [String: Int] == ["usb-jtag": 1] && pool["overflow_after"] as? Double == 30 && pool["placement"] as? String == "spread")
    }

    @Test func whereAClusterIsIsTold() throws {
        let file = "\(scratch.path)/kubeconfig"
        #expect(FileManager.default.createFile(atPath: file, contents: Data("{}".utf8), attributes: [.posixPermissions: 0o600]))
        let settings = try Settings.parse(
            """
            [gitlab]
            url = "http://h"
            token_file = "\(scratch.path)/token"
            [[host]]
            name = "home"
            engine = "kubernetes"
            kubeconfig = "\(file)"
            context = "admin"
            namespace = "ci"
            [[host]]
            name = "around"
            engine = "kubernetes"
            [[pool]]
            name = "p"
            tags = ["a"]
            """, file: "f", environment: SettingsEnvironment(machineMemory: 10 << 30, credentialsDirectory: nil))
        let clusters = Understood(settings, warnings: [])
        for line in [
            "host      home: engine kubernetes, kubeconfig \(file), context admin, namespace ci, memory unbounded, CPUs unbounded, lost_after 10m",
            "host      around: engine kubernetes, by the service account of AutoGit's pod, memory unbounded, CPUs unbounded, lost_after 10m",
        ] {
            #expect(clusters.description.split(separator: "\n").contains { $0 == line }, "\(clusters)")
        }
        let document = try #require(try JSONSerialization.jsonObject(with: Data(try clusters.json().utf8)) as? [String: Any])
        let hosts = try #require(document["hosts"] as? [[String: Any]])
        #expect(hosts[0]["kubeconfig"] as? String == file && hosts[0]["context"] as? String == "admin" && hosts[0]["namespace"] as? String == "ci")
        #expect(["kubeconfig", "context", "namespace"].allSatisfy { hosts[1][$0] == nil })
    }

    @Test func warningsComeLast() { #expect(understood.description.hasSuffix("\nwarning   a warning")) }
}
