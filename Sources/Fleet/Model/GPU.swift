/// Who made a GPU, and so how a container gets it.
public enum GPUVendor: String, Sendable, CaseIterable, Codable {
    case nvidia
    case amd
    case intel

    /// As its maker writes it.
    public var title: String {
        switch self {
        case .nvidia: "NVIDIA"
        case .amd: "AMD"
        case .intel: "Intel"
        }
    }
}

/// How many of a host's GPUs a runner gets.
public enum GPUCount: Sendable, Equatable {
    case some(Int)
    case all
}

/// A GPU of a host.
public struct GPU: Sendable, Equatable, Codable {
    /// The same after a restart, and unique on its host: NVIDIA's UUID or the address on the PCI bus where known, else the name of its node or CDI
    /// device.
    public var id: String
    /// Who made it.
    public var vendor: GPUVendor
    /// For people, such as `NVIDIA GeForce RTX 3060`.
    public var name: String
    /// Bytes; nil where it is not known.
    public var memory: Int64?
    /// The device nodes that a container of its own needs.
    public var nodes: [Node]
    /// Its CDI device, such as `nvidia.com/gpu=0`; nil where no specification has it.
    public var cdi: String?
    /// The driver's own number for it; nil where it has none.
    public var index: Int?
    /// The address on the PCI bus, such as `0000:01:00.0`, by which the kernel's messages name it; nil where it is not known.
    public var pci: String?

    /// A device node.
    public struct Node: Sendable, Equatable, Codable {
        public var path: String
        /// The group that may open it.
        public var group: UInt32
        public init(path: String, group: UInt32) {
            self.path = path
            self.group = group
        }
    }

    public init(
        id: String, vendor: GPUVendor, name: String, memory: Int64? = nil, nodes: [Node] = [], cdi: String? = nil, index: Int? = nil, pci: String? = nil
    ) {
        self.id = id
        self.vendor = vendor
        self.name = name
        self.memory = memory
        self.nodes = nodes
        self.cdi = cdi
        self.index = index
        self.pci = pci
    }
}

extension Sequence<GPU> {
    /// The paths of all their device nodes, each once: GPUs of one driver share some.
    public var nodePaths: [String] { flatMap(\.nodes).map(\.path).reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }
}
