import Glibc
import Testing

@testable import HostProbe

@Suite struct KernelLogTests {
    private func faults(_ tree: TestTree) -> (sequences: [UInt64], remarks: [String]) {
        var remarks: [String] = []
        return (KernelLog.faults(in: HostTree(root: tree.root), booted: 0, remarks: &remarks).map(\.sequence), remarks)
    }

    @Test func theNewestFaultsOfALongLog() throws {
        let lines = (1...1000).map { "3,\($0),\($0)000000,-;NVRM: GPU 0000:01:00.0: GPU has fallen off the bus.\n6,\($0),1,-;usb\n" }
        let (sequences, remarks) = faults(try TestTree(["/dev/kmsg": lines.joined()]))
        #expect(sequences == Array(937...1000))
        #expect(remarks == [])
    }

    @Test func whatIsNotTheKernelsLogIsNotRead() throws {
        let tree = try TestTree(["/dev/null": ""])
        #expect(faults(tree).remarks == [])
        #expect(mkfifo("\(tree.root)/dev/kmsg", 0o600) == 0)
        #expect(faults(tree).remarks == ["/dev/kmsg isn't the kernel's log, so failures of GPUs aren't seen."])
    }

    @Test func thisMachinesLogEnds() {
        var remarks: [String] = []
        #expect(KernelLog.faults(in: HostTree(root: ""), booted: 0, remarks: &remarks).count <= KernelLog.mostFaults)
    }
}
