import Fleet
import Testing

@testable import HostProbe

/// Texts as the drivers' sources and manuals have them (NVIDIA's "XID Errors", drivers/gpu/drm), not recorded.
@Suite struct KernelMessageTests {
    @Test(
        arguments: [
            ("NVRM: Xid (PCI:0000:01:00): 31, pid=1234, name=python3, Ch 00000008, MMU Fault", .nvidia, .jobKilled, "0000:01:00.0"),
            ("NVRM: Xid (PCI:0000:01:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.", .nvidia, .lost, "0000:01:00.0"),
            ("NVRM: GPU 0000:01:00.0: GPU has fallen off the bus.", .nvidia, .lost, "0000:01:00.0"),
            ("amdgpu 0000:03:00.0: amdgpu: ring gfx_0.0.0 timeout, signaled seq=12, emitted seq=14", .amd, .jobKilled, "0000:03:00.0"),
            ("[drm:amdgpu_job_timedout [amdgpu]] *ERROR* ring gfx timeout, signaled seq=12, emitted seq=14", .amd, .jobKilled, nil),
            ("amdgpu 0000:03:00.0: amdgpu: GPU reset begin!", .amd, .reset, "0000:03:00.0"),
            ("amdgpu 0000:03:00.0: amdgpu: GPU reset end with ret = -62", .amd, .lost, "0000:03:00.0"),
            ("i915 0000:00:02.0: [drm] GPU HANG: ecode 12:1:85dffffb, in python3 [1234]", .intel, .jobKilled, "0000:00:02.0"),
            ("xe 0000:03:00.0: [drm] GT0: Timedout job: seqno=4294967169, lrc_seqno=4294967169, guc_id=0", .intel, .jobKilled, "0000:03:00.0"),
            ("xe 0000:03:00.0: [drm] *ERROR* CRITICAL: Xe has declared device 0000:03:00.0 as wedged.", .intel, .lost, "0000:03:00.0"),
        ] as [(String, GPUVendor, GPUFault.Kind, String?)])
    func whatDriversSay(_ text: String, _ vendor: GPUVendor, _ kind: GPUFault.Kind, _ pci: String?) throws {
        let message = try #require(KernelMessage("4,7,1000,-;\(text)\n"))
        let fault = try #require(message.fault)
        #expect((fault.vendor, fault.kind, message.pci) == (vendor, kind, pci))
    }

    @Test(arguments: [
        "NVRM: Xid (PCI:0000:01:00): 63, pid=1, Row Remapper", "NVRM: loading NVIDIA UNIX x86_64 Kernel Module", "NVRM: Xid (PCI",
        "amdgpu: ring gfx uses VM inv eng 0",
        "i915 0000:00:02.0: [drm] Finished loading", "usb 1-1: GPU HANG", "",
    ])
    func otherMessagesAreNoFaults(_ text: String) { #expect(KernelMessage("4,7,1000,-;\(text)\n")?.fault == nil) }

    @Test(arguments: ["", "x", "4,7,1000;text", "12,7,1000,-;NVRM: GPU has fallen off the bus.", "4,x,1,-;a", "4,7,-1,-;a"])
    func whatIsNoRecordOfTheKernelIsNone(_ record: String) { #expect(KernelMessage(record[...]) == nil) }

    @Test func theDeviceOfARecordIsTakenWhereItsTextHasNone() {
        let text = "3,5,2000000,-;[drm] GPU HANG: ecode 9:1\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:02.0\n6,6,3000000,-;other\n"
        let messages = KernelMessage.all(text)
        #expect(messages.map(\.sequence) == [5, 6])
        #expect(messages[0].pci == "0000:00:02.0")
        let faults = KernelLog.faults(in: text, booted: 1_000_000)
        #expect(faults == [GPUFault(sequence: 5, time: 1_002_000, vendor: .intel, pci: "0000:00:02.0", kind: .jobKilled, message: "[drm] GPU HANG: ecode 9:1")])
    }

    @Test func timesThatNoClockReachesDoNotOverflow() {
        let faults = KernelLog.faults(in: "3,5,\(UInt64.max),-;NVRM: GPU has fallen off the bus.", booted: .max)
        #expect(faults.map(\.time) == [.max])
    }
}
