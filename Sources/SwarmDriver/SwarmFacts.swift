import ContainerDriver
import Fleet
import FoundationEssentials

/// What a swarm is, for placing runners on it: all its nodes that take tasks, added up.
public struct SwarmFacts: HostSurveyor {
    private let engine: Engine

    /// - Parameter engine: of a manager.
    public init(engine: Engine) { self.engine = engine }

    /// - Throws: `EngineError`; an outage while the engine is no manager of a swarm.
    public func survey(usesEngine: Bool) async throws -> HostFacts {
        let kind = try await engine.kind()
        try await engine.checkIsManager()
        var facts = Self.facts(try await engine.nodes())
        facts.engine = EngineKind(name: "Docker Swarm", version: kind.version)
        return facts
    }

    static func facts(_ nodes: [SwarmNode]) -> HostFacts {
        let active = nodes.filter { $0.fact.status == .ready }
        let resources = active.compactMap { $0.Description?.Resources }
        var facts = HostFacts(
            cpus: Int(resources.reduce(0) { $0 + ($1.NanoCPUs ?? 0) } / 1_000_000_000), memory: resources.reduce(0) { $0 + ($1.MemoryBytes ?? 0) },
            gpus: active.flatMap(gpus))
        // The one that most nodes have is that of pools that ask for none.
        let counts = Dictionary(grouping: active.compactMap(\.architecture)) { $0 }.mapValues(\.count)
        facts.architecture = counts.max { ($0.value, $1.key.rawValue) < ($1.value, $0.key.rawValue) }?.key
        facts.nodes = nodes.map(\.fact).sorted { $0.name < $1.name }
        facts.remarks = facts.nodes.filter { $0.status == .away }.map { "the swarm's node \($0.name) does not answer" }
        return facts
    }

    /// From the generic resources of a node, such as `NVIDIA-GPU=UUID` of its daemon.json. Their name is the kind, by which they are asked for.
    private static func gpus(_ node: SwarmNode) -> [GPU] {
        (node.Description?.Resources?.GenericResources ?? []).flatMap { resource -> [GPU] in
            if let named = resource.NamedResourceSpec, let vendor = vendor(named.Kind) { return [GPU(id: named.Value, vendor: vendor, name: named.Kind)] }
            guard let counted = resource.DiscreteResourceSpec, let vendor = vendor(counted.Kind) else { return [] }
            return (0..<max(0, counted.Value)).map { GPU(id: "\(node.name)/\(counted.Kind)/\($0)", vendor: vendor, name: counted.Kind) }
        }
    }

    /// Docker's documentation calls NVIDIA's `NVIDIA-GPU`, and `gpu`.
    private static func vendor(_ kind: String) -> GPUVendor? {
        let kind = kind.lowercased()
        guard kind.contains("gpu") else { return nil }
        return GPUVendor.allCases.first { kind.contains($0.rawValue) } ?? .nvidia
    }
}

extension SwarmNode {
    fileprivate var fact: HostFacts.Node {
        let resources = Description?.Resources
        return HostFacts.Node(
            name: name, status: !isReady ? .away : Spec?.Availability ?? "active" == "active" ? .ready : .drained, architecture: architecture,
            cpus: Int((resources?.NanoCPUs ?? 0) / 1_000_000_000), memory: resources?.MemoryBytes ?? 0)
    }
}
