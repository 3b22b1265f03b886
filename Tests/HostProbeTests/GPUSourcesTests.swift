import Fleet
import Testing

@testable import HostProbe

@Suite struct GPUSourcesTests {
    private static let uuids = ["GPU-a", "GPU-b"]

    /// Two GPUs of NVIDIA, whose nodes are numbered the other way round than nvidia-smi counts.
    private func nvidia() throws -> GPUSources {
        var sources = GPUSources()
        sources.rows = try (0...1).map { try #require(NvidiaRow("\($0), \(Self.uuids[$0]), NVIDIA T4, 15360, 00000000:0\($0 + 1):00.0")) }
        sources.information = (0...1).map {
            NvidiaInformation(folder: "0000:0\($0 + 1):00.0", "GPU UUID: \(Self.uuids[$0])\nDevice Minor: \(1 - $0)\nModel: NVIDIA T4\n")
        }
        for path in ["/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia-uvm"] { sources.groups[path] = 44 }
        return sources
    }

    private func device(_ names: [CDIDevice.Name], _ qualified: String, _ nodes: [String], vendor: GPUVendor = .nvidia) -> CDIDevice {
        CDIDevice(vendor: vendor, qualified: qualified, names: names, nodes: nodes, commonNodes: [], file: "/etc/cdi/x.yaml")
    }

    private func list(_ sources: GPUSources) -> (gpus: [GPU], remarks: [String]) {
        var remarks: [String] = []
        return (sources.gpus(remarks: &remarks), remarks)
    }

    @Test func nodesAreFoundByTheDriversMinorAndNotByTheIndex() throws {
        let (gpus, remarks) = list(try nvidia())
        #expect(gpus.map(\.id) == ["GPU-a", "GPU-b"])
        #expect(gpus.map(\.index) == [0, 1])
        #expect(
            gpus.map { $0.nodes.map(\.path) } == [
                ["/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia-uvm"], ["/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"],
            ])
        #expect(gpus[0].nodes[0].group == 44 && gpus[0].memory == 15360 << 20 && gpus[0].name == "NVIDIA T4" && gpus[0].pci == "0000:01:00.0")
        #expect(remarks == [])
    }

    @Test func cdiDevicesGoToTheGPUWhoseUUIDOrNodeTheyName() throws {
        var sources = try nvidia()
        sources.cdi = [
            device([.index(1), .uuid("GPU-b")], "nvidia.com/gpu=GPU-b", ["/dev/nvidia0"]), device([.index(0)], "nvidia.com/gpu=0", ["/dev/nvidia1"]),
        ]
        #expect(list(sources).gpus.map(\.cdi) == ["nvidia.com/gpu=0", "nvidia.com/gpu=GPU-b"])
        #expect(list(sources).gpus.count == 2)
    }

    @Test func aNumberOfAnOldFileDoesNotGiveAnotherGPU() throws {
        var sources = try nvidia()
        // Written when the GPUs were plugged in otherwise: index 0 had the node that is the second GPU's now.
        sources.cdi = [device([.index(0)], "nvidia.com/gpu=0", ["/dev/nvidia0"])]
        #expect(list(sources).gpus.map(\.cdi) == [nil, "nvidia.com/gpu=0"])
    }

    @Test func aUUIDThatTheDriverDoesNotHaveIsLeftOutWithARemark() throws {
        var sources = try nvidia()
        sources.cdi = [device([.uuid("GPU-old")], "nvidia.com/gpu=GPU-old", ["/dev/nvidia0"])]
        let (gpus, remarks) = list(sources)
        #expect(gpus.map(\.id) == ["GPU-a", "GPU-b"] && gpus.allSatisfy { $0.cdi == nil })
        #expect(remarks == ["/etc/cdi/x.yaml has a GPU GPU-old, which the driver doesn't have: write the file again with nvidia-ctk cdi generate."])
    }

    @Test func whereTheDriverTellsAnotherUUIDTheGPUIsNotThereTwice() throws {
        var sources = try nvidia()
        sources.rows = nil
        sources.cdi = [device([.uuid("GPU-old")], "nvidia.com/gpu=GPU-old", ["/dev/nvidia0"])]
        let (gpus, remarks) = list(sources)
        #expect(gpus.map(\.id) == ["GPU-a", "GPU-b"] && gpus.allSatisfy { $0.cdi == nil })
        #expect(remarks.count == 1 && remarks[0].hasPrefix("/etc/cdi/x.yaml has nvidia.com/gpu=GPU-old with the device node of another GPU: "))
    }

    @Test func aNumberWhoseNodesAreNotKnownIsTheDriversNumber() throws {
        var sources = try nvidia()
        sources.groups["/dev/other"] = 0
        sources.cdi = [device([.index(1)], "nvidia.com/gpu=1", ["/dev/other"])]
        #expect(list(sources).gpus.map(\.cdi) == [nil, "nvidia.com/gpu=1"])
    }

    @Test func aDeviceWithTheNodesOfSeveralGPUsIsNoneOfThem() throws {
        var sources = try nvidia()
        sources.cdi = [device([.other("both")], "nvidia.com/gpu=both", ["/dev/nvidia0", "/dev/nvidia1"])]
        #expect(list(sources).gpus.map(\.cdi) == [nil, nil])
    }

    @Test func aSpecificationWithoutADriverIsAGPUByItself() {
        var sources = GPUSources()
        sources.groups = ["/dev/null": 0]
        sources.cdi = [device([.index(0)], "nvidia.com/gpu=0", ["/dev/null"]), device([.index(1)], "nvidia.com/gpu=1", ["/dev/null"])]
        let (gpus, remarks) = list(sources)
        #expect(gpus.map(\.id) == ["nvidia.com/gpu=0", "nvidia.com/gpu=1"])
        #expect(
            gpus[0]
                == GPU(
                    id: "nvidia.com/gpu=0", vendor: .nvidia, name: "nvidia.com/gpu=0", nodes: [.init(path: "/dev/null", group: 0)], cdi: "nvidia.com/gpu=0",
                    index: 0))
        #expect(remarks == [])
    }

    @Test func aSpecificationWhoseNodeIsGoneIsNoGPU() {
        var sources = GPUSources()
        sources.cdi = [device([.index(0)], "nvidia.com/gpu=0", ["/dev/nvidia0"])]
        let (gpus, remarks) = list(sources)
        #expect(gpus == [])
        #expect(remarks == ["/etc/cdi/x.yaml has the device nvidia.com/gpu=0, but /dev/nvidia0 of it isn't there: is the driver loaded?"])
    }

    @Test func aDividedGPUIsItsPartsAndNotTheWhole() throws {
        var sources = try nvidia()
        sources.groups["/dev/nvidia-caps/nvidia-cap21"] = 0
        sources.cdi = [
            device([.part(of: 0, "0:0"), .uuid("MIG-1")], "nvidia.com/gpu=MIG-1", ["/dev/nvidia1", "/dev/nvidia-caps/nvidia-cap21"]),
            device([.part(of: 0, "0:1")], "nvidia.com/gpu=0:1", ["/dev/nvidia1"]),
            device([.index(1)], "nvidia.com/gpu=1", ["/dev/nvidia0"]),
        ]
        let (gpus, _) = list(sources)
        #expect(gpus.map(\.id) == ["GPU-b", "MIG-1", "nvidia.com/gpu=0:1"])
        #expect(gpus.map(\.name) == ["NVIDIA T4", "NVIDIA T4 MIG 0:0", "NVIDIA T4 MIG 0:1"])
        #expect(gpus.map(\.pci) == ["0000:02:00.0", "0000:01:00.0", "0000:01:00.0"])
    }

    @Test func aGPUThatNvidiaSmiDoesNotListIsLeftOut() throws {
        var sources = try nvidia()
        sources.rows?.removeLast()
        let (gpus, remarks) = list(sources)
        #expect(gpus.map(\.id) == ["GPU-a"])
        #expect(remarks == ["The GPU at 0000:02:00.0 is left out: the driver has it, but nvidia-smi can't use it."])
    }

    @Test func whereNvidiaSmiFailsTheDriverTellsExceptOfTheOneThatFailed() throws {
        var sources = try nvidia()
        (sources.rows, sources.lost) = (nil, ["0000:02:00.0"])
        #expect(list(sources).gpus.map(\.id) == ["GPU-a"])
    }

    @Test func nodesAloneAreGPUsOfWhichNothingElseIsKnown() {
        var sources = GPUSources()
        sources.groups = ["/dev/nvidia0": 0, "/dev/nvidia1": 0, "/dev/nvidiactl": 0]
        #expect(list(sources).gpus.map(\.id) == ["/dev/nvidia0", "/dev/nvidia1"])
    }

    @Test func aGPUWhoseNodeIsNotKnownIsLeftOut() throws {
        var sources = try nvidia()
        sources.information = []
        let (gpus, remarks) = list(sources)
        #expect(gpus == [])
        #expect(remarks.first == "The GPU GPU-a is left out: it isn't known which device node is its own, and no CDI specification has it.")
        // With one GPU there is no doubt.
        sources.rows?.removeLast()
        sources.groups["/dev/nvidia1"] = nil
        #expect(list(sources).gpus.map { $0.nodes.map(\.path) } == [["/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"]])
    }

    @Test func amdsAndIntelsAreTheirRenderNodes() {
        var sources = GPUSources()
        sources.renderNodes = [
            .init(name: "renderD129", vendor: .intel, id: "8086:56a0", pci: "0000:04:00.0"),
            .init(name: "renderD128", vendor: .amd, id: "1002:73bf", pci: "0000:03:00.0", productName: "Radeon Pro W6800", memory: 32 << 30),
            .init(name: "renderD130", vendor: .amd, id: "1002:164e", pci: "0000:0c:00.0"),
        ]
        sources.groups = ["/dev/kfd": 107, "/dev/dri/renderD128": 107, "/dev/dri/renderD129": 107]
        sources.cdi = [device([.index(0)], "amd.com/gpu=0", ["/dev/dri/renderD128"], vendor: .amd)]
        let (gpus, remarks) = list(sources)
        let node = GPU.Node(path: "/dev/dri/renderD128", group: 107)
        #expect(
            gpus == [
                GPU(
                    id: "0000:03:00.0", vendor: .amd, name: "Radeon Pro W6800", memory: 32 << 30, nodes: [.init(path: "/dev/kfd", group: 107), node],
                    cdi: "amd.com/gpu=0", pci: "0000:03:00.0"),
                GPU(
                    id: "0000:04:00.0", vendor: .intel, name: "Intel GPU (PCI id 8086:56a0)", nodes: [.init(path: "/dev/dri/renderD129", group: 107)],
                    pci: "0000:04:00.0"),
            ])
        #expect(remarks == ["The GPU 0000:0c:00.0 is left out: its device node /dev/dri/renderD130 isn't there, and no CDI specification has it."])
    }
}
