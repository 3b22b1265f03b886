import Fleet
import Testing
import Threads

@testable import HostProbe

@Suite struct CDISpecificationTests {
    /// A specification with a node for each of some names.
    static func json(_ devices: [(String, String)], kind: String = "nvidia.com/gpu") -> String {
        let list = devices.map { #"{"name":"\#($0)","containerEdits":{"deviceNodes":[{"path":"/dev/inside","hostPath":"\#($1)"}],"env":["A=1"]}}"# }
        return
            #"{"cdiVersion":"0.6.0","kind":"\#(kind)","devices":[\#(list.joined(separator: ","))],"containerEdits":{"deviceNodes":[{"path":"/dev/shared"}]}}"#
    }

    private func devices(_ files: [(String, [(String, String)])]) throws -> ([CDIDevice], [String]) {
        var remarks: [String] = []
        let read = try files.map { ($0, try CDISpecification(Array(Self.json($1).utf8), isYAML: false)) }
        return (CDIDevice.all(read, remarks: &remarks), remarks)
    }

    @Test func jsonAndYAMLSayTheSame() throws {
        let specification = try CDISpecification(Array(PlainYAMLTests.nvidia.utf8), isYAML: true)
        #expect(specification.vendor == .nvidia)
        #expect(specification.devices.map(\.name) == ["0", "GPU-5f1dbd4c-0a54-4c1c-9e5a-4d1d4a2b9f10", "all"])
        #expect(specification.devices[0].nodes == ["/dev/nvidia0", "/dev/dri/card1"])
        #expect(specification.commonNodes == ["/dev/nvidiactl", "/dev/nvidia-uvm"])
        let json = try CDISpecification(Array(Self.json([("0", "/dev/x")]).utf8), isYAML: false)
        #expect((json.devices[0].nodes, json.commonNodes) == (["/dev/x"], ["/dev/shared"]))
    }

    @Test func namesOfOneGPUAreOneDeviceAndAllIsNone() throws {
        let (found, remarks) = try devices([
            ("/etc/cdi/a.json", [("0", "/dev/a"), ("1", "/dev/b"), ("GPU-A", "/dev/a"), ("GPU-B", "/dev/b"), ("all", "/dev/a")])
        ])
        #expect(found.map(\.qualified) == ["nvidia.com/gpu=GPU-A", "nvidia.com/gpu=GPU-B"])
        #expect(found.map(\.names) == [[.index(0), .uuid("GPU-A")], [.index(1), .uuid("GPU-B")]])
        #expect(remarks == [])
    }

    @Test func twoNumbersAreTwoDevicesWhateverTheirEdits() throws {
        let (found, _) = try devices([("/etc/cdi/a.json", [("0", "/dev/null"), ("1", "/dev/null"), ("GPU-A", "/dev/null")])])
        #expect(found.map(\.qualified) == ["nvidia.com/gpu=0", "nvidia.com/gpu=1"])
    }

    @Test(
        arguments: [
            ("all", nil), ("0", .index(0)), ("gpu3", .index(3)), ("GPU-5f", .uuid("GPU-5f")), ("MIG-5f", .uuid("MIG-5f")), ("1:2", .part(of: 1, "1:2")),
            ("mig1:2", .part(of: 1, "1:2")), ("-1", .other("-1")), ("99999999999999999999", .other("99999999999999999999")),
            ("0000:03:00.0-0x56a0", .other("0000:03:00.0-0x56a0")),
        ] as [(String, CDIDevice.Name?)])
    func names(_ name: String, _ meaning: CDIDevice.Name?) { #expect(CDIDevice.name(name) == meaning) }

    @Test func theLaterFolderWinsAndTwoFilesOfOneFolderAreTold() throws {
        let (found, remarks) = try devices([
            ("/etc/cdi/a.json", [("0", "/dev/a")]), ("/etc/cdi/b.json", [("1", "/dev/b")]), ("/var/run/cdi/c.json", [("0", "/dev/c")]),
            ("/var/run/cdi/d.json", [("1", "/dev/d")]), ("/var/run/cdi/e.json", [("1", "/dev/e")]),
        ])
        #expect(found.map(\.file) == ["/var/run/cdi/c.json", "/var/run/cdi/e.json"])
        #expect(
            remarks == ["/var/run/cdi/d.json and /var/run/cdi/e.json both have the device nvidia.com/gpu=1, so engines refuse it: remove one of the files."])
    }

    @Test func devicesThatAreNoGPUsAreNone() throws {
        var remarks: [String] = []
        let other = try CDISpecification(Array(Self.json([("0", "/dev/a")], kind: "example.com/net").utf8), isYAML: false)
        #expect(CDIDevice.all([("/etc/cdi/a.json", other)], remarks: &remarks).isEmpty)
    }

    @Test(arguments: [
        ("", "it isn't JSON"), ("{", "it isn't JSON"), ("[]", "it has no cdiVersion"), (#"{"cdiVersion":"0.5.0"}"#, "it has no kind such as nvidia.com/gpu"),
        (#"{"cdiVersion":"0.5.0","kind":"gpu"}"#, "it has no kind such as nvidia.com/gpu"),
        (#"{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[]}"#, "it has no devices"),
        (#"{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[{"containerEdits":{}}]}"#, "one of its devices has no usable name"),
        (#"{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[{"name":"a=b","containerEdits":{}}]}"#, "one of its devices has no usable name"),
        (#"{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[{"name":"0"}]}"#, "its device 0 has no containerEdits"),
        (
            #"{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[{"name":"0","containerEdits":{}},{"name":"0","containerEdits":{}}]}"#,
            "two of its devices have one name"
        ), (String(repeating: "[", count: 100_000), "it isn't JSON"),
    ])
    func whatIsNoneIsRefusedWithTheReason(_ text: String, _ reason: String) {
        #expect(throws: Malformed(reason: reason)) { try CDISpecification(Array(text.utf8), isYAML: false) }
    }

    @Test func aSpecificationThatIsNestedDeepEndsNoThread() async throws {
        let deep = #"{"x":\#(String(repeating: "[", count: 500))\#(String(repeating: "]", count: 500))}"#
        let refused = try await onThread("test", stackSize: ProbedHost.stackSize) {
            Result { try CDISpecification(Array(deep.utf8), isYAML: false) }
        }
        #expect(throws: Malformed(reason: "it has no cdiVersion")) { try refused.get() }
    }

    @Test func bytesThatAreNoTextAreRefused() {
        #expect(throws: Malformed(reason: "it isn't text in UTF-8")) { try CDISpecification([0x7B, 0xFF, 0x00], isYAML: true) }
    }
}
