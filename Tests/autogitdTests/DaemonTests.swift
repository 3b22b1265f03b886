import Coordinator
import Fleet
import Foundation
import Settings
import TestBench
import Testing

@testable import autogitd

@Suite struct DaemonTests {
    @Test(
        arguments: [
            ([:], ["/run/user/1000/podman/podman.sock", "/run/user/1000/docker.sock"]),
            (
                ["DOCKER_HOST": "unix:///srv/docker.sock"],
                ["/run/user/1000/podman/podman.sock", "/srv/docker.sock", "/run/user/1000/docker.sock"]
            ),
            (["DOCKER_HOST": "tcp://10.0.0.2:2376"], ["/run/user/1000/podman/podman.sock", "/run/user/1000/docker.sock"]),
        ] as [([String: String], [String])])
    func whereAnEngineIsLookedFor(_ environment: [String: String], _ sockets: [String]) {
        #expect(Daemon.engineCandidates(environment) == sockets)
    }

    // MARK: Hosts

    private func settings(_ hosts: String) throws -> Settings {
        let scratch = try ScratchFolder("daemon")
        let made = FileManager.default.createFile(
            atPath: "\(scratch.path)/token", contents: Data("glpat-x".utf8), attributes: [.posixPermissions: 0o600])
        #expect(made)
        let text = "[gitlab]\nurl = \"http://h\"\ntoken_file = \"\(scratch.path)/token\"\n\(hosts)\n[[pool]]\nname = \"p\"\ntags = [\"a\"]\n"
        return try withExtendedLifetime(scratch) {
            try Settings.parse(text, file: "f", environment: SettingsEnvironment(machineMemory: 10 << 30, credentialsDirectory: nil))
        }
    }

    private let two = "[[host]]\nname = \"local\"\n[[host]]\nname = \"desktop1\"\nengine = \"ssh://desktop1\"\n"

    /// What the planner goes by is read again while the daemon runs; how hosts are reached is not.
    @Test(arguments: [
        ("memory = \"8GiB\"\ncpus = 2\nlabels = [\"fast\"]\nresources = { jtag = 1 }\nlost_after = \"1h\"\ndisk_reserve = \"1GiB\"", false),
        ("runner_socket = \"/s\"", true), ("[host.power]\nwake = [\"/bin/wake\"]", true), ("[[host]]\nname = \"third\"\nengine = \"ssh://third\"", true),
    ])
    func whatOfAHostNeedsARestart(_ more: String, _ needsIt: Bool) throws {
        #expect(try settings(two).needsRestart(for: settings(two + more)) == needsIt)
    }

    @Test func anotherWayToAHostNeedsARestart() throws {
        let before = try settings(two)
        for (old, new) in [("ssh://desktop1", "ssh://other"), ("name = \"desktop1\"", "name = \"desktop2\""), ("ssh://desktop1", "ssh://desktop1/s")] {
            #expect(try before.needsRestart(for: settings(two.replacingOccurrences(of: old, with: new))), "\(new)")
        }
        #expect(try before.needsRestart(for: settings("")) && settings("").needsRestart(for: before))
        #expect(try !settings("").needsRestart(for: settings("[host]\nmemory = \"4GiB\"")))
        #expect(try !settings("").needsRestart(for: settings("[[host]]\nname = \"local\"\nmemory = \"4GiB\"")))
    }

    @Test func anotherPlaceOfAClusterNeedsARestartAndIsNamed() throws {
        func cluster(_ more: String) throws -> Settings { try settings("[[host]]\nname = \"c\"\nengine = \"kubernetes\"\n\(more)") }
        #expect(try cluster("").needsRestart(for: cluster("namespace = \"ci\"")) && !cluster("").needsRestart(for: cluster("cpus = 8")))
        let reloaded: Set = ["memory", "cpus", "labels", "resources", "lost_after", "disk_reserve"]
        let named = Reloader.restarted.split { " ,".contains($0) }.map(String.init)
        for key in SettingsSchema.host.map(\.name) { #expect(named.contains(key) != reloaded.contains(key), "\(key)") }
    }

    /// A host that the daemon did not know when it started has no driver.
    @Test func hostsThatAReloadAddsWaitForARestart() throws {
        let (one, both) = (try settings(""), try settings(two + "memory = \"8GiB\""))
        #expect(Coordinator.Configuration(both).fleet.hosts == both.hosts.map(\.host))
        #expect(Coordinator.Configuration(both, started: one.hosts).fleet.hosts.map(\.id) == [.local])
        let sleeper = try settings(two + "[host.power]\nwake = [\"/bin/wake\"]")
        #expect(Coordinator.Configuration(sleeper, started: both.hosts).fleet.hosts.map(\.power) == [nil, nil])
        #expect(Coordinator.Configuration(sleeper, started: sleeper.hosts).fleet.hosts.map(\.power) == [nil, HostPower(wakeTime: .seconds(120))])
        #expect(Coordinator.Configuration(one, started: both.hosts).fleet.hosts == one.hosts.map(\.host))
        #expect(Coordinator.Configuration(both, started: try settings(two).hosts).fleet.hosts[1].budget.memory == 8 << 30)
    }
}
