@testable import Doctor
import Testing

/// What is said of machines beside this one, and of this one where runners are on others only.
@Suite struct OtherHostsTests {
    /// Without all that runners would need.
    private static func bare() -> Home {
        var home = Home()
        home.settled.pools[0].isHere = false
        home.settled.otherHosts = ["desk", "attic"]
        home.engine.introduced = .failure(.init(description: "no such file"))
        home.engine.made = nil
        home.engine.unreached = "refused"
        home.registry = .seen(404)
        home.machine.units["homelab/podman.socket"] = nil
        home.machine.units["user@1000.service"]?["ActiveState"] = "inactive"
        home.machine.programs["newuidmap"] = nil
        for path in ["/var/lib/systemd/linger/homelab", "/dev/net/tun", "/sys/fs/cgroup/cgroup.controllers"] { home.machine.files[path] = .missing }
        home.machine.files["/proc/sys/user/max_user_namespaces"] = .text("0\n", mode: 0o644, owner: 0)
        return home
    }

    @Test func aMachineThatIsNoHostNeedsNothingThatRunnersNeed() async {
        let diagnosis = await Self.bare().diagnosis()
        #expect(diagnosis.findings.filter { $0.level != .ok } == [])
        #expect(!diagnosis.findings.contains { ["engine", "image", "network", "lingering", "cgroups"].contains($0.check) })
    }

    /// They are run by that systemd wherever the runners are.
    @Test func commandsNeedTheUsersSystemdThereToo() async {
        var home = Self.bare()
        home.settled.sectionsWithCommands = ["[[notify]]", "[host.power]"]
        let faults = await home.diagnosis().findings.filter { $0.level == .fault }
        #expect(faults.map(\.check) == ["lingering", "user-manager"])
        #expect(faults.allSatisfy { $0.seen.hasSuffix("runs the commands of [[notify]] and [host.power]") }, "\(faults)")
    }

    /// Of two pools the engine of this machine has to do with one.
    @Test func poolsOfOtherHostsAreNotJudgedByTheEngineHere() async {
        var home = Home()
        home.settled.pools.append(.init(name: "attic", isContainer: true, image: "attic.example/image", network: "attic", isHere: false))
        let findings = await home.diagnosis().findings
        #expect(findings.filter { $0.level != .ok } == [])
        #expect(findings.filter { $0.check == "image" }.count == 1 && findings.filter { $0.check == "network" }.count == 1)
        #expect(!findings.contains { $0.seen.contains("attic") })
    }

    @Test func otherHostsAreToldNotToHaveBeenLookedAtWhileTheDaemonIsDown() async {
        var home = Home()
        home.settled.otherHosts = ["desk", "attic"]
        #expect(await home.diagnosis().findings.filter { $0.check == "hosts" } == [])
        home.daemon = .unseen("no socket")
        let found = await home.diagnosis().findings.filter { $0.check == "hosts" }
        #expect(found.map(\.seen) == ["could not be checked: only the daemon looks at other hosts (desk, attic), while it runs"])
        #expect(found.map(\.level) == [.warning])
    }
}
