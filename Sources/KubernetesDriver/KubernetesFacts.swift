import Fleet
import FoundationEssentials
import HTTPTransfer

/// Finds out what a cluster has for runners. Its nodes together are one host: a runner must still fit on a single node.
public struct KubernetesFacts: HostSurveyor {
    private let api: KubeAPI

    public init(_ api: KubeAPI) { self.api = api }

    /// The version, and the sums of what the nodes that are ready can give to pods. An account that may not see nodes leaves that to the host's budget.
    /// - Throws: `KubernetesError` when Kubernetes does not answer.
    public func survey(usesEngine: Bool) async throws -> HostFacts {
        struct Version: Decodable { var gitVersion: String? }
        let version = try api.decode(Version.self, try await api.call("GET", "/version"))
        var facts = HostFacts()
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
        func status(of node: KubeNode) -> HostFacts.Node.Status {
            let isReady = node.status?.conditions?.contains { $0.type == "Ready" && $0.isTrue } == true
            return !isReady ? .away : node.spec?.unschedulable == true ? .drained : .ready
        }
        func amount(_ resource: String, of node: KubeNode) -> Int64 {
            Int64(node.status?.allocatable?[resource].flatMap(Quantity.value) ?? 0)
        }
        let linux = nodes.filter { ($0.metadata.labels?["kubernetes.io/os"] ?? "linux") == "linux" }.sorted { $0.metadata.name < $1.metadata.name }
        facts.nodes = linux.map {
            HostFacts.Node(
                name: $0.metadata.name, status: status(of: $0), architecture: architecture(of: $0), cpus: Int(amount("cpu", of: $0)),
                memory: amount("memory", of: $0))
        }
        facts.remarks += facts.nodes.filter { $0.status == .away }.map { "the cluster's node \($0.name) does not answer" }
        let usable = linux.filter { status(of: $0) == .ready }
        func sum(_ resource: String) -> Double { usable.compactMap { $0.status?.allocatable?[resource].flatMap(Quantity.value) }.reduce(0, +) }
        if usable.isEmpty {
            facts.remarks.append("none of the cluster's \(nodes.count) nodes is ready for runners")
            return
        }
        facts.cpus = Int(sum("cpu"))
        facts.memory = Int64(sum("memory"))
        // The one that most nodes have is that of pools that ask for none.
        let counts = Dictionary(grouping: usable.compactMap(architecture)) { $0 }.mapValues(\.count)
        facts.architecture = counts.max { ($0.value, $1.key.rawValue) < ($1.value, $0.key.rawValue) }?.key
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
