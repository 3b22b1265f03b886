import Fleet
import Testing

@testable import HostProbe

@Suite struct HostFactsTests {
    private static var probed: ProbedHost {
        ProbedHost(
            time: 1, architecture: "amd64", cpus: 4, memory: 8 << 30, cgroupControllers: ["cpu", "memory"],
            emulators: [Emulator(architecture: "arm64", interpreter: "/q", flags: "F")], gpus: [GPU(id: "0", vendor: .nvidia, name: "G")],
            gpuFaults: [GPUFault(sequence: 1, time: 0, vendor: .nvidia, pci: nil, kind: .lost, message: "fallen off the bus")], remarks: ["r"])
    }

    @Test func withoutAnEngineItIsThisMachine() {
        let facts = HostFacts(.success(Self.probed), engine: nil)
        #expect(facts.architecture == .amd64 && facts.cpus == 4 && facts.memory == 8 << 30 && facts.engine == nil)
        #expect(facts.gpuFaults == ["1970-01-01T00:00:00.000Z fallen off the bus"] && facts.remarks == ["r"])
    }

    @Test func theEngineGoesFirst() {
        let engine = HostFacts(architecture: .amd64, cpus: 2, memory: 4 << 30, engine: EngineKind(name: "Podman Engine", version: "5"), runtimes: ["crun"])
        let facts = HostFacts(.success(Self.probed), engine: engine)
        #expect(facts.cpus == 2 && facts.memory == 4 << 30 && facts.runtimes == ["crun"])
        #expect(facts.emulators.count == 1 && facts.gpus.count == 1 && facts.cgroupControllers == ["cpu", "memory"])
    }

    /// Behind a socket that somebody forwarded.
    @Test func anEngineOnAnotherMachineHasNoneOfThisOnes() {
        let facts = HostFacts(.success(Self.probed), engine: HostFacts(architecture: .arm64))
        #expect(facts.architecture == .arm64 && facts.emulators.isEmpty && facts.gpus.isEmpty)
        #expect(facts.remarks.first?.contains("the engine is on another machine, which is arm64 while this one is amd64") == true)
    }

    @Test func withoutTheProbeTheEngineIsAllThatIsKnown() {
        let facts = HostFacts(.failure(ProbeFileError(message: "/x can't be read")), engine: HostFacts(architecture: .arm64))
        #expect(facts.architecture == .arm64 && facts.remarks == ["emulators and GPUs are not known, because /x can't be read"])
    }
}
