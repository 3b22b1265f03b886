import Fleet
import FoundationEssentials
import Glibc
import Testing

@testable import HostProbe

@Suite struct HostSearchTests {
    private static let formats = "/proc/sys/fs/binfmt_misc"

    @Test func emulatorsInTheOrderOfTheirNames() throws {
        let tree = try TestTree([
            "\(Self.formats)/register": "", "\(Self.formats)/status": "enabled\n", "\(Self.formats)/qemu-aarch64": BinaryFormatTests.aarch64,
            "\(Self.formats)/python3.11": "enabled\ninterpreter /usr/bin/python3.11\nflags: \noffset 0\nmagic a70d0d0a\n",
            "\(Self.formats)/qemu-arm": "disabled\ninterpreter /usr/bin/qemu-arm\nflags: OC\n", "\(Self.formats)/broken": "enabled\n",
            "\(Self.formats)/huge": String(repeating: "x", count: 10_000_000),
        ])
        let host = tree.look()
        #expect(
            host.emulators == [
                Emulator(architecture: "arm64", interpreter: "/usr/libexec/qemu-binfmt/aarch64-binfmt-P", flags: "POCF"),
                Emulator(architecture: "arm", interpreter: "/usr/bin/qemu-arm", flags: "OC", isEnabled: false),
            ])
        #expect(host.emulators.map(\.reachesContainers) == [true, false])
        #expect(host.remarks == ["\(Self.formats)/broken can't be understood: it names no interpreter.", "\(Self.formats)/huge has more than 4096 bytes."])
    }

    @Test func theSwitchForAllEmulatorsIsSeen() throws {
        let host = try TestTree(["\(Self.formats)/status": "disabled\n", "\(Self.formats)/qemu-aarch64": BinaryFormatTests.aarch64]).look()
        #expect(host.emulators.map(\.isEnabled) == [false])
        #expect(host.remarks == ["\(Self.formats)/status says disabled, so no emulator works: write 1 into it."])
    }

    @Test func theControllersOfAUsersSystemd() throws {
        let tree = try TestTree([
            "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers": "cpu memory pids\n",
            "/sys/fs/cgroup/cgroup.controllers": "cpu io\n",
        ])
        #expect(tree.look(user: 1000).cgroupControllers == ["cpu", "memory", "pids"])
        #expect(tree.look(user: 0).cgroupControllers == ["cpu", "io"])
        let other = tree.look(user: 1001)
        #expect(other.cgroupControllers == [])
        #expect(other.remarks.count == 1 && other.remarks[0].hasSuffix("isn't there: cgroup v2 isn't in use, or user@1001.service doesn't run."))
        #expect(tree.look().remarks == [])
    }

    /// From docs.kernel.org/gpu/amdgpu/driver-misc.html and the PCI bus's uevent, not recorded.
    private static func card(_ name: String, vendor: String, slot: String, id: String, _ more: [String: String] = [:]) -> [String: String] {
        let device = "/sys/class/drm/\(name)/device"
        return [
            "\(device)/vendor": "\(vendor)\n", "\(device)/uevent": "DRIVER=x\nPCI_CLASS=30000\nPCI_ID=\(id)\nPCI_SLOT_NAME=\(slot)\n", "/dev/dri/\(name)": "",
        ]
        .merging(more.map { ("\(device)/\($0)", $1) }) { $1 }
    }

    @Test func gpusOfAMDAndIntel() throws {
        let amd = Self.card(
            "renderD128", vendor: "0x1002", slot: "0000:03:00.0", id: "1002:73BF",
            ["mem_info_vram_total": "17163091968\n", "product_name": "Radeon RX 6900 XT\n"])
        let intel = Self.card("renderD129", vendor: "0x8086", slot: "0000:00:02.0", id: "8086:A780")
        let virtual = Self.card("renderD130", vendor: "0x1af4", slot: "0000:00:01.0", id: "1AF4:1050")
        let host = try TestTree(amd.merging(intel) { $1 }.merging(virtual) { $1 }.merging(["/dev/kfd": "", "/sys/class/drm/card0/x": ""]) { $1 }).look()
        #expect(host.gpus.map(\.id) == ["0000:03:00.0", "0000:00:02.0"])
        #expect(host.gpus.map(\.name) == ["Radeon RX 6900 XT", "Intel GPU (PCI id 8086:a780)"])
        #expect(host.gpus.map(\.memory) == [17_163_091_968, nil])
        #expect(host.gpus.map { $0.nodes.map(\.path) } == [["/dev/kfd", "/dev/dri/renderD128"], ["/dev/dri/renderD129"]])
        #expect(host.gpus[0].nodes[0].group == getgid())
        #expect(host.remarks == [])
    }

    @Test func aBrokenGPUsFilesCrashNothing() throws {
        let device = "/sys/class/drm/renderD128/device"
        let tree = try TestTree(["\(device)/vendor": "0x1002", "\(device)/mem_info_vram_total": "-1", "/dev/dri/renderD128": ""])
        try tree.write("\(device)/uevent", Data([0xFF, 0x00, 0x50, 0x43, 0x49]))
        try tree.write("\(device)/product_name", Data(repeating: 0x41, count: 10_000_000))
        let host = tree.look()
        #expect(host.gpus == [GPU(id: "/dev/dri/renderD128", vendor: .amd, name: "AMD GPU", nodes: [.init(path: "/dev/dri/renderD128", group: getgid())])])
        #expect(host.remarks == ["\(device)/product_name has more than 4096 bytes."])
    }

    @Test func gpusOfNVIDIAFromAllThatTellsOfThem() throws {
        let folder = "/proc/driver/nvidia/gpus/0000:01:00.0"
        let tree = try TestTree([
            "/etc/cdi/nvidia.yaml": PlainYAMLTests.nvidia, "\(folder)/information": "Model: NVIDIA GeForce RTX 3060\nDevice Minor: 0\n", "/dev/nvidia0": "",
            "/dev/nvidiactl": "", "/dev/nvidia-uvm": "", "/dev/nvidia-uvm-tools": "", "/dev/nvidia-modeset": "", "/dev/dri/card1": "",
        ])
        try tree.program("/usr/bin/nvidia-smi", "echo '0, GPU-5f1dbd4c-0a54-4c1c-9e5a-4d1d4a2b9f10, NVIDIA GeForce RTX 3060, 12288, 00000000:01:00.0'")
        let host = tree.look()
        let nodes = ["/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"].map { GPU.Node(path: $0, group: getgid()) }
        let uuid = "GPU-5f1dbd4c-0a54-4c1c-9e5a-4d1d4a2b9f10"
        #expect(
            host.gpus == [
                GPU(
                    id: uuid, vendor: .nvidia, name: "NVIDIA GeForce RTX 3060", memory: 12288 << 20, nodes: nodes, cdi: "nvidia.com/gpu=\(uuid)", index: 0,
                    pci: "0000:01:00.0")
            ])
        #expect(host.remarks == [])
    }

    @Test func aSpecificationOfOnesOwnWithoutAnyDriver() throws {
        let tree = try TestTree([
            "/etc/cdi/test.json": CDISpecificationTests.json([("0", "/dev/null"), ("1", "/dev/null"), ("all", "/dev/null")]), "/dev/null": "",
        ])
        #expect(tree.look().gpus.map(\.cdi) == ["nvidia.com/gpu=0", "nvidia.com/gpu=1"])
    }

    @Test func specificationsThatCannotBeReadAreTold() throws {
        let tree = try TestTree([
            "/etc/cdi/empty.json": "", "/etc/cdi/tab.yaml": "a: 1\n\tb: 2", "/etc/cdi/note.txt": "x", "/etc/cdi/old.yml": "x",
            "/var/run/cdi/huge.yaml": String(repeating: "a: 1\n", count: 2_000_000),
        ])
        try tree.write("/etc/cdi/binary.json", Data((0...255).map { UInt8($0) }))
        #expect(mkfifo("\(tree.root)/etc/cdi/fifo.json", 0o600) == 0)
        let host = tree.look()
        #expect(host.gpus == [])
        #expect(
            host.remarks == [
                "/etc/cdi/binary.json can't be used as a CDI specification: it isn't text in UTF-8.",
                "/etc/cdi/empty.json can't be used as a CDI specification: it isn't JSON.", "/etc/cdi/fifo.json isn't a file, so its devices aren't known.",
                "/etc/cdi/tab.yaml can't be used as a CDI specification: line 2 is indented with a tab.",
                "/var/run/cdi/huge.yaml has more than 1048576 bytes, so its devices aren't known.",
            ])
    }

    @Test func anNvidiaSmiThatFailsOrHangsIsARemark() throws {
        let tree = try TestTree(["/proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: T4\nDevice Minor: 0\n", "/dev/nvidia0": ""])
        try tree.program("/usr/bin/nvidia-smi", "echo 'Unable to determine the device handle for GPU0000:01:00.0: GPU is lost.'; exit 15")
        let lost = tree.look()
        #expect(lost.gpus == [])
        #expect(
            lost.remarks.first
                == "/usr/bin/nvidia-smi failed with exit code 15. nvidia-smi says: Unable to determine the device handle for GPU0000:01:00.0: GPU is lost.")
        try tree.program("/usr/bin/nvidia-smi", "exec sleep 600")
        let hung = tree.look(programLimit: .milliseconds(100))
        #expect(hung.gpus.map(\.id) == ["0000:01:00.0"])
        #expect(hung.remarks == ["/usr/bin/nvidia-smi did not end within 100 ms."])
    }
}
