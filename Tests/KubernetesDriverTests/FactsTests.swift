import Fleet
import Foundation
import HTTPTransfer
import TestBench
import Testing

@testable import KubernetesDriver

@Suite(.timeLimit(.minutes(10))) struct FactsTests {
    private let bench: Bench
    init() throws { bench = try Bench() }

    private func node(_ name: String, _ architecture: String = "amd64", ready: Bool = true, cordoned: Bool = false, gpus: Int = 0) -> JSONValue {
        var allocatable: [String: JSONValue] = ["cpu": .string("3920m"), "memory": .string("16Gi")]
        if gpus > 0 { allocatable["nvidia.com/gpu"] = .string("\(gpus)") }
        return .object([
            "metadata": .object([
                "name": .string(name), "labels": .object(["kubernetes.io/arch": .string(architecture), "kubernetes.io/os": .string("linux")]),
            ]),
            "spec": cordoned ? .object(["unschedulable": .bool(true)]) : .object([:]),
            "status": .object([
                "allocatable": .object(allocatable),
                "conditions": .array([.object(["type": .string("Ready"), "status": .string(ready ? "True" : "Unknown")])]),
            ]),
        ])
    }

    private func survey(_ nodes: [JSONValue]?) async throws -> HostFacts {
        bench.cluster.state.withLock { $0.nodes = nodes }
        return try await KubernetesFacts(KubeAPI(bench.cluster.access, http: HTTPClient())).survey(usesEngine: true)
    }

    @Test func theNodesThatCanTakeRunnersAreAddedUp() async throws {
        defer { bench.cluster.stop() }
        let facts = try await survey([node("b", gpus: 2), node("a"), node("c", ready: false), node("d", cordoned: true)])
        #expect(facts.engine == EngineKind(name: "Kubernetes", version: "1.31.4") && facts.remarks == ["the cluster's node c does not answer"])
        #expect(facts.nodes.map(\.status) == [.ready, .ready, .away, .drained])
        #expect(facts.architecture == .amd64 && facts.cpus == 7 && facts.memory == 32 << 30)
        #expect(facts.gpus.map(\.id) == ["b/nvidia-0", "b/nvidia-1"] && facts.gpus.allSatisfy { $0.vendor == .nvidia })
    }

    @Test func nodesOfSeveralArchitecturesAreOneHost() async throws {
        defer { bench.cluster.stop() }
        let facts = try await survey([node("a"), node("b", "arm64"), node("c", "arm64"), node("d", "riscv64", ready: false)])
        #expect(facts.architecture == .arm64 && facts.runs(.amd64) && facts.runs(.arm64) && !facts.runs(.riscv64))
        #expect(try await survey([node("d", ready: false)]).remarks.contains("none of the cluster's 1 nodes is ready for runners"))
    }

    @Test func aRunnerGoesToNodesOfItsArchitecture() async throws {
        defer { bench.cluster.stop() }
        var spec = Bench.spec("abcd2345")
        spec.equipment = Equipment(architecture: .arm64)
        try await bench.launch(spec)
        #expect(bench.cluster.things("pods").first?["spec"]?["nodeSelector"]?["kubernetes.io/arch"]?.text == "arm64")
    }

    @Test func whoMaySeeNoNodesKnowsTheVersion() async throws {
        defer { bench.cluster.stop() }
        let facts = try await survey(nil)
        #expect(facts.engine?.version == "1.31.4" && facts.cpus == nil && facts.remarks.first?.contains("may not list the cluster's nodes") == true)
        bench.cluster.state.withLock { $0.version1 = "v1.24.9+k3s1" }
        #expect(try await survey([]).remarks.contains { $0.contains("older than 1.26") })
    }

    @Test func aClusterThatDoesNotAnswerIsNoFact() async throws {
        bench.cluster.stop()
        let error = try await bench.failure { _ = try await survey([]) }
        #expect(error.isOutage)
    }

    /// A runner asks for as many as it was given; which ones, the cluster decides.
    @Test func gpusAreAskedForByNumber() async throws {
        defer { bench.cluster.stop() }
        var spec = Bench.spec("abcd2345") { $0.hardware.gpu = .nvidia }
        spec.gpus = try await survey([node("a", gpus: 4)]).gpus.suffix(2)
        try await bench.launch(spec)
        guard case .array(let containers)? = bench.cluster.things("pods").first?["spec"]?["containers"] else { throw CocoaError(.coderReadCorrupt) }
        #expect(containers.first?["resources"]?["limits"]?["nvidia.com/gpu"]?.text == "2")
    }
}
