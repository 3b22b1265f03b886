import Fleet
import FoundationEssentials
import Glibc
import TestBench
import Testing

@testable import HostProbe

@Suite struct RemoteProbeTests {
    private static let now = Timestamp(milliseconds: 1_764_000_000_000)

    /// What the script writes, by this machine's shell, about a tree.
    private func output(_ tree: TestTree) throws -> [UInt8] {
        try tree.write("/script", "root='\(tree.root)'\n\(RemoteProbe.script)")
        guard case .exited(let code, let text) = ProgramOutput.of("/bin/sh", ["\(tree.root)/script"], limit: .seconds(600), most: RemoteProbe.longestOutput)
        else { return [] }
        #expect(code == 0)
        return Array(text.utf8)
    }

    private static let device = "/sys/class/drm/renderD128/device"
    private static var controllers: String {
        getuid() == 0 ? "/sys/fs/cgroup/cgroup.controllers" : "/sys/fs/cgroup/user.slice/user-\(getuid()).slice/user@\(getuid()).service/cgroup.controllers"
    }

    private func machine() throws -> TestTree {
        let tree = try TestTree([
            "/proc/sys/fs/binfmt_misc/status": "enabled\n", "/proc/sys/fs/binfmt_misc/register": "",
            "/proc/sys/fs/binfmt_misc/qemu-aarch64": BinaryFormatTests.aarch64,
            "\(Self.device)/vendor": "0x1002\n", "\(Self.device)/uevent": "PCI_ID=1002:73BF\nPCI_SLOT_NAME=0000:03:00.0\n",
            "\(Self.device)/mem_info_vram_total": "17163091968\n", "/dev/dri/renderD128": "", "/dev/kfd": "", Self.controllers: "cpu memory pids\n",
            "/proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA H200\nGPU UUID: \t GPU-1\nDevice Minor: \t 0\n", "/dev/nvidia0": "",
            "/dev/nvidiactl": "", "/sys/devices/system/cpu/online": "0-7,9\n", "/proc/meminfo": "MemTotal:       16384 kB\nMemFree: 1 kB\n",
            "/etc/cdi/nvidia.yaml":
                "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: \"0\"\n  containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia0\n",
            "/etc/cdi/with blank.json": "{}",
        ])
        try tree.program("/usr/bin/nvidia-smi", "touch \(tree.root)/ran")
        return tree
    }

    @Test func theScriptFindsWhatTheMachineIs() throws {
        let tree = try machine()
        let probe = try RemoteProbe(try output(tree), now: Self.now)
        #expect(probe.uid == getuid() && !probe.user.isEmpty && !probe.lingers && !probe.podmanListens && probe.isPodmanEnabled == nil)
        #expect(probe.host.time == Self.now.milliseconds && probe.host.cpus == 9 && probe.host.memory == 16 << 20)
        #expect(probe.host.architecture == ProbedHost.collect(root: tree.root, user: nil, programLimit: .seconds(60)).architecture)
        #expect(probe.host.cgroupControllers == ["cpu", "memory", "pids"])
        #expect(probe.host.emulators.map(\.architecture) == ["arm64"])
        #expect(probe.host.gpus.map(\.name) == ["NVIDIA H200", "AMD GPU (PCI id 1002:73bf)"])
        #expect(probe.host.gpus.map(\.cdi) == ["nvidia.com/gpu=0", nil])
        #expect(probe.host.gpus.map { $0.nodes.map(\.path) } == [["/dev/nvidia0", "/dev/nvidiactl"], ["/dev/kfd", "/dev/dri/renderD128"]])
        #expect(probe.host.gpus[1].nodes[0].group == getgid() && probe.host.gpus[1].memory == 17_163_091_968)
        #expect(probe.host.remarks == [])
    }

    @Test func bothSearchesFindTheSame() throws {
        let tree = try machine()
        unlink("\(tree.root)/usr/bin/nvidia-smi")
        let (there, here) = (try RemoteProbe(try output(tree), now: Self.now).host, tree.look(user: getuid()))
        #expect(there.gpus == here.gpus && there.emulators == here.emulators && there.cgroupControllers == here.cgroupControllers)
    }

    @Test func lingeringIsSeen() throws {
        let tree = try machine()
        let user = try RemoteProbe(try output(tree), now: Self.now).user
        try tree.write("/var/lib/systemd/linger/\(user)", "")
        #expect(try RemoteProbe(try output(tree), now: Self.now).lingers)
    }

    /// As the kernel lists sockets: those that listen, and those that are connected to them, which have their path as well.
    @Test func whoListensAtPodmansSocketIsSeen() throws {
        let tree = try machine()
        let path = "/run/user/\(getuid())/podman/podman.sock"
        func listens(_ lines: String...) throws -> Bool {
            let head = "Num       RefCount Protocol Flags    Type St Inode Path\n"
            try tree.write("/proc/net/unix", head + lines.map { "0000000000000000: 00000002 00000000 \($0)\n" }.joined())
            return try RemoteProbe(try output(tree), now: Self.now).podmanListens
        }
        #expect(try listens("00000000 0001 03 7", "00010000 0001 01 8 \(path)"))
        #expect(try !listens("00000000 0001 03 7 \(path)"))
        #expect(try !listens("00010000 0001 01 8 \(path).old", "00010000 0001 01 9 /srv\(path)"))
        #expect(try !listens())
    }

    @Test(
        arguments: [
            ([], nil), (["/usr/lib/systemd/user/podman.socket"], false), (["/etc/systemd/user/sockets.target.wants/podman.socket"], true),
            (["/usr/lib/systemd/user/podman.socket", "/usr/lib/systemd/user/sockets.target.wants/dirmngr.socket"], false),
            (["/usr/lib/systemd/user/podman.socket", "/etc/systemd/user/default.target.wants/podman.service"], true),
        ] as [([String], Bool?)])
    func whetherPodmansSocketIsEnabledIsSeen(_ files: [String], _ isEnabled: Bool?) throws {
        let tree = try machine()
        for file in files { try tree.write(file, "") }
        #expect(try RemoteProbe(try output(tree), now: Self.now).isPodmanEnabled == isEnabled)
    }

    @Test func anEmptyMachineHasNothing() throws {
        let probe = try RemoteProbe(try output(try TestTree()), now: Self.now)
        #expect(probe.host.gpus == [] && probe.host.emulators == [] && probe.host.cpus == 1 && probe.host.memory == 0)
        #expect(probe.host.remarks.count == 1, "the controllers are missing")
    }

    @Test func aLoginShellMayTalkBefore() throws {
        let probe = try RemoteProbe(Array("Welcome!\nfile /etc/cdi/x.json 99\n".utf8) + (try output(try machine())), now: Self.now)
        #expect(probe.host.gpus.count == 2)
    }

    @Test func aFileThatIsTooLongIsToldAndNotUsed() throws {
        let tree = try machine()
        try tree.write("/etc/cdi/a.json", String(repeating: "x", count: 2_000_000))
        try tree.write("/proc/sys/fs/binfmt_misc/huge", String(repeating: "x", count: 10_000))
        let probe = try RemoteProbe(try output(tree), now: Self.now)
        #expect(probe.host.gpus.count == 2)
        #expect(probe.host.remarks.contains("/proc/sys/fs/binfmt_misc/huge has more than 4096 bytes."))
        #expect(probe.host.remarks.contains { $0.hasPrefix("/etc/cdi/a.json has more than") })
    }

    @Test(arguments: [
        ("", "begin and end"), ("autogit-probe 1\n", "begin and end"), ("autogit-probe 2\nfact uid 1\nautogit-probe end\n", "begin and end"),
        ("autogit-probe 1\nautogit-probe end\n", "no uid"), ("autogit-probe 1\nfact uid -1\nautogit-probe end\n", "no uid"),
        ("autogit-probe 1\nfile /etc/cdi/a.json 99\nx\nautogit-probe end\n", "cut off"), ("autogit-probe 1\nfile /etc/cdi/a.json -1\n\n", "cut off"),
        ("autogit-probe 1\nfile /etc/cdi/a.json 9223372036854775807\n\n", "cut off"), ("autogit-probe 1\nfile /etc/cdi/a.json 1\nxx\n", "cut off"),
        ("autogit-probe 1\nfile /etc/passwd 1\nx\n", "asked for"), ("autogit-probe 1\nfile /etc/cdi/../passwd 1\nx\n", "asked for"),
        ("autogit-probe 1\nfile /etc/cdi//x 1\nx\n", "asked for"), ("autogit-probe 1\nunreadable etc/cdi/x\n", "asked for"),
        ("autogit-probe 1\nnode /dev/./x 1\n", "asked for"),
        ("autogit-probe 1\nnode /dev/kfd x\n", "no group"), ("autogit-probe 1\n\n", "doesn't write"), ("autogit-probe 1\nhello there\n", "doesn't write"),
    ])
    func whatTheScriptDoesNotWriteIsRefused(_ text: String, _ fault: String) {
        let error = #expect(throws: RemoteProbeError.self) { try RemoteProbe(Array(text.utf8), now: Self.now) }
        #expect(error?.message.contains(fault) == true, "\(error?.message ?? "")")
    }

    @Test func moreFilesThanAMachineHasAreRefused() {
        let text = "autogit-probe 1\n" + (0..<3000).map { "node /dev/dri/\($0) 1\n" }.joined()
        #expect(throws: RemoteProbeError(message: "it tells of more than 2000 files")) { try RemoteProbe(Array(text.utf8), now: Self.now) }
        #expect(throws: RemoteProbeError.self) { try RemoteProbe([UInt8](repeating: 10, count: RemoteProbe.longestOutput + 1), now: Self.now) }
    }

    /// Cut off anywhere, and with bytes changed, it is understood or refused, and nothing else.
    @Test func brokenOutputsCrashNothing() throws {
        let whole = try output(try machine())
        for length in 0..<whole.count { #expect(throws: RemoteProbeError.self) { try RemoteProbe(Array(whole.prefix(length)), now: Self.now) } }
        var random = SplitMix(seed: 1)
        for _ in 0..<2000 {
            var bytes = whole
            for _ in 0...random.below(4) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
            _ = try? RemoteProbe(bytes, now: Self.now)
        }
    }

    @Test(arguments: [(nil, 1), ("0", 1), ("0-3", 4), ("0-3,8,10-11", 7), ("3-0", 1), ("x", 1), ("0-99999999999", 1), ("-", 1), ("", 1)] as [(String?, Int)])
    func cpusAreCounted(_ list: String?, _ count: Int) { #expect(RemoteProbe.cpus(list) == count) }

    @Test(
        arguments: [(nil, 0), ("MemTotal: 1 kB", 1024), ("MemTotal: x kB", 0), ("MemTotal:", 0), ("MemTotal: 9223372036854775807 kB", 0)] as [(String?, Int64)])
    func memoryIsRead(_ text: String?, _ bytes: Int64) { #expect(RemoteProbe.memory(text) == bytes) }
}
