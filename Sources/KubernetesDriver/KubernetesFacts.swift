import Fleet
import FoundationEssentials
import HTTPTransfer

/// Finds out what a cluster has for runners. Its nodes together are one host: a runner must still fit on a single node.
public struct KubernetesFacts: HostSurveyor {
    private let api: KubeAPI
    /// The only nodes that count; nil for all.
    private let architecture: Architecture?

    /// - Parameter architecture: of the nodes that count, for a host that stands for one kind of a cluster's nodes; nil for all.
    public init(_ api: KubeAPI, architecture: Architecture? = nil) {
        self.api = api
        self.architecture = architecture
    }

    /// The version, and the sums of what the nodes that are ready can give to pods. An account that may not see nodes leaves that to the host's budget.
    /// - Throws: `KubernetesError` when Kubernetes does not answer.
    public func survey(usesEngine: Bool) async throws -> HostFacts {
        struct Version: Decodable { var gitVersion: String? }
        let version = try api.decode(Version.self, try await api.call("GET", "/version"))
        var facts = HostFacts(architecture: architecture)
        facts.engine = EngineKind(name: "Kubernetes", version: version.gitVersion.map { $0.hasPrefix("v") ? String($0.dropFirst()) : $0 } ?? "")
        if let engine = facts.engine, !engine.version.isEmpty, !engine.isAtLeast(1, 26) {
            facts.remarks.append("\(engine) is older than 1.26, the oldest that AutoGit is meant for: a runner's exit code can get lost there")
        }
        do {
            let answer = try await api.call("GET", "/api/v1/nodes?limit=5000")
            Self.add(try api.decode(KubeList<KubeNode>.self, answer).items ?? [], to: &facts)
        } catch let error as KubernetesError where error.status == 403 {
            facts.remarks.append(
                "AutoGit's account may not list the cluster's nodes, so its architecture, CPUs, memory and GPUs are not known. Give it the ClusterRole "
                    + "of autogit's documentation for pools with an architecture or a GPU")
        }
        return facts
    }

    /// Adds what the nodes have.
    static func add(_ nodes: [KubeNode], to facts: inout HostFacts) {
        func architecture(of node: KubeNode) -> Architecture? { node.metadata.labels?["kubernetes.io/arch"].flatMap { Architecture(named: $0) } }
        let usable = nodes.filter { node in
            (node.metadata.labels?["kubernetes.io/os"] ?? "linux") == "linux" && node.spec?.unschedulable != true
                && node.status?.conditions?.contains { $0.type == "Ready" && $0.isTrue } == true
                && (facts.architecture == nil || architecture(of: node) == facts.architecture)
        }.sorted { $0.metadata.name < $1.metadata.name }
        func sum(_ resource: String) -> Double { usable.compactMap { $0.status?.allocatable?[resource].flatMap(Quantity.value) }.reduce(0, +) }
        if usable.isEmpty {
            facts.remarks.append("none of the cluster's \(nodes.count) nodes is ready for runners")
            return
        }
        facts.cpus = Int(sum("cpu"))
        facts.memory = Int64(sum("memory"))
        let architectures = Set(usable.compactMap(architecture))
        if architectures.count == 1 {
            facts.architecture = architectures.first
        } else if architectures.count > 1 {
            let names = architectures.map(\.rawValue).sorted().joined(separator: " and ")
            facts.remarks.append("the cluster has nodes of \(names): pools with an architecture need a host for each, with its architecture")
        }
        // Kubernetes tells how many GPUs a node has, and chooses among them itself: ids only count here.
        for vendor in GPUVendor.allCases {
            for node in usable {
                let count = node.status?.allocatable?[vendor.clusterResource].flatMap(Quantity.value) ?? 0
                for index in 0..<Int(min(count, 1024)) {
                    facts.gpus.append(
                        GPU(id: "\(node.metadata.name)/\(vendor.rawValue)-\(index)", vendor: vendor, name: "\(vendor.title) GPU of \(node.metadata.name)"))
                }
            }
        }
    }
}
