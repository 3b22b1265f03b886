import Fleet
import FoundationEssentials
import Glibc
import TestBench
import Testing

@testable import HostProbe

@Suite struct ProbedHostTests {
    private let host = ProbedHost(
        time: 1_796_000_000_000, architecture: "amd64", cpus: 2, memory: 24 << 30, cgroupControllers: ["cpu"],
        emulators: [Emulator(architecture: "arm64", interpreter: "/usr/bin/qemu-aarch64", flags: "F")],
        gpus: [GPU(id: "GPU-a", vendor: .nvidia, name: "T4", memory: 1, nodes: [.init(path: "/dev/nvidia0", group: 44)], cdi: "nvidia.com/gpu=0", index: 0)],
        gpuFaults: [GPUFault(sequence: 7, time: 1, vendor: .amd, pci: nil, kind: .reset, message: "x")], remarks: ["a"])

    @Test func thisMachine() {
        let before = Timestamp(Date())
        let found = ProbedHost.collect(user: nil)
        var names = utsname()
        uname(&names)
        let machine = withUnsafeBytes(of: &names.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        #expect(Architecture(named: machine)?.rawValue == found.architecture)
        #expect(found.cpus >= 1 && found.memory > 1 << 20)
        #expect((before.milliseconds...Timestamp(Date()).milliseconds).contains(found.time))
    }

    @Test func aFileIsReadAsItWasWritten() throws {
        let scratch = try ScratchFolder("host")
        let path = "\(scratch.path)/host.json"
        try host.write(to: path)
        try host.write(to: path)
        #expect(try ProbedHost.read(path: path) == host)
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o7777 == 0o644)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["host.json"])
    }

    @Test func aLinkInItsPlaceIsReplacedAndNotFollowed() throws {
        let scratch = try ScratchFolder("host")
        let (path, victim) = ("\(scratch.path)/host.json", "\(scratch.path)/victim")
        for name in [path, "\(path).\(getpid())"] { #expect(symlink(victim, name) == 0) }
        try host.write(to: path)
        #expect(access(victim, F_OK) != 0)
        var status = stat()
        #expect(lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG)
    }

    @Test func aFolderThatIsNotThereIsTold() {
        #expect(throws: ProbeFileError(message: "/nonexistent/host.json can't be written: No such file or directory")) {
            try host.write(to: "/nonexistent/host.json")
        }
        #expect(throws: ProbeFileError(message: "/nonexistent/host.json can't be read: No such file or directory")) {
            try ProbedHost.read(path: "/nonexistent/host.json")
        }
    }

    @Test func anythingElseIsNotRead() throws {
        let tree = try TestTree([
            "/empty": "", "/other": #"{"version":2}"#, "/cut": #"{"version":1,"time":"#, "/huge": String(repeating: " ", count: 10_000_000),
        ])
        func message(_ name: String) -> String {
            do {
                _ = try ProbedHost.read(path: tree.root + name)
                return "no error"
            } catch {
                return "\(error)".replacing(tree.root, with: "")
            }
        }
        let again = "; run: systemctl start autogit-probe.service"
        #expect(message("/empty") == "/empty isn't what autogitd --probe-host writes\(again)")
        #expect(message("/cut") == "/cut isn't what autogitd --probe-host writes\(again)")
        #expect(message("/other") == "/other is of format 2, and this is for 1\(again)")
        #expect(message("/huge") == "/huge has more than 1048576 bytes")
        #expect(message("") == " isn't a file")
    }

    @Test func onlyFaultsSinceAnEarlierLook() {
        var later = host
        later.gpuFaults.append(GPUFault(sequence: 9, time: 2, vendor: .nvidia, pci: nil, kind: .lost, message: "y"))
        #expect(later.faults(after: host).map(\.sequence) == [9])
        #expect(later.faults(after: nil).map(\.sequence) == [7, 9])
        #expect(host.faults(after: later).isEmpty)
    }

    @Test func remarksAreFewShortAndWithoutControlCharacters() throws {
        let names = (0..<200).map { "/etc/cdi/\u{1B}[2J\(String(repeating: "x", count: 200))\($0).json" }
        let found = try TestTree(Dictionary(uniqueKeysWithValues: names.map { ($0, "") })).look()
        #expect(found.remarks.count == 100)
        #expect(found.remarks.allSatisfy { $0.unicodeScalars.count <= 400 && !$0.contains("\u{1B}") })
    }
}
