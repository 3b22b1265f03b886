import Testing

@testable import HostProbe

@Suite struct NvidiaTextsTests {
    /// Built from nvidia-smi's manual, not recorded.
    static let two = """
        0, GPU-5f1dbd4c-0a54-4c1c-9e5a-4d1d4a2b9f10, NVIDIA GeForce RTX 3060, 12288, 00000000:01:00.0
        1, GPU-8c0a7a3e-6b51-4b7f-9df5-1f4f0f6f2a11, NVIDIA H100 PCIe, 81559, 00000000:C1:00.0

        """

    @Test func rowsOfGPUs() {
        var remarks: [String] = []
        let rows = NvidiaRow.all(Self.two, remarks: &remarks)
        #expect(rows.map(\.index) == [0, 1])
        #expect(rows.map(\.name) == ["NVIDIA GeForce RTX 3060", "NVIDIA H100 PCIe"])
        #expect(rows.map(\.memory) == [12288 << 20, 81559 << 20])
        #expect(rows.map(\.pci) == ["0000:01:00.0", "0000:c1:00.0"])
        #expect(remarks == [])
    }

    @Test func aGPUOfWhichLittleIsKnown() throws {
        let row = try #require(NvidiaRow("0, GPU-a, [N/A], [N/A], [N/A]"))
        #expect((row.name, row.memory, row.pci) == ("NVIDIA GPU", nil, nil))
        #expect(try #require(NvidiaRow("0, GPU-a, A, B, 99999999999999999, 00000000:01:00.0")).name == "A, B")
    }

    @Test(arguments: [
        "[GPU is lost], [GPU is lost], [GPU is lost], [GPU is lost], 00000000:01:00.0", "No devices were found", "0, 1, 2, 3, 4", "-1, GPU-a, b, 1, c", ",,,,",
    ])
    func anythingElseIsARemark(_ line: String) {
        var remarks: [String] = []
        #expect(NvidiaRow.all(line, remarks: &remarks).isEmpty)
        #expect(remarks == ["nvidia-smi says: \(line)"])
    }

    /// Built from the README of NVIDIA's driver, not recorded.
    @Test func theDriversInformation() {
        let text = """
            Model: \t\t NVIDIA GeForce RTX 3060
            IRQ:   \t\t 165
            GPU UUID: \t GPU-5f1dbd4c-0a54-4c1c-9e5a-4d1d4a2b9f10
            Bus Type: \t PCIe
            Bus Location: \t 0000:01:00.0
            Device Minor: \t 3
            GPU Excluded:\t No
            """
        let found = NvidiaInformation(folder: "0000:01:00.0", text)
        #expect((found.uuid, found.name, found.minor, found.pci) == ("GPU-5f1dbd4c-0a54-4c1c-9e5a-4d1d4a2b9f10", "NVIDIA GeForce RTX 3060", 3, "0000:01:00.0"))
        #expect(!found.isExcluded)
    }

    @Test func aGPUThatNobodyHasUsedHasNoUUIDYet() {
        let found = NvidiaInformation(
            folder: "0000:02:00.0", "Model: \nGPU UUID: GPU-????????-????-????-????-????????????\nDevice Minor: 4711\nGPU Excluded: Yes\n:\n")
        #expect((found.uuid, found.name, found.minor, found.pci, found.isExcluded) == (nil, nil, nil, "0000:02:00.0", true))
    }
}
