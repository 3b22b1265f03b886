import Testing

@testable import HostProbe

@Suite struct PCIAddressTests {
    @Test(
        arguments: [
            ("0000:01:00.0", "0000:01:00.0"), ("00000000:C1:00.0", "0000:c1:00.0"), ("NVRM: Xid (PCI:0000:01:00): 79", "0000:01:00.0"),
            ("Unable to determine the device handle for GPU0000:0A:00.1: GPU is lost", "0000:0a:00.1"), ("amdgpu 0000:03:00.0: amdgpu: x", "0000:03:00.0"),
            ("0000:01", nil), ("12:34:56", nil), ("", nil), (":::", nil), ("0000:01:0.0", nil), ("[12:1:85dffffb]", nil),
        ] as [(String, String?)])
    func theFirstOneOfAText(_ text: String, _ address: String?) { #expect(PCIAddress.find(in: text[...]) == address) }
}
