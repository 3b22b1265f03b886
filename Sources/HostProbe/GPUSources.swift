import Fleet

/// What the files and the vendors' programs say about GPUs, before it is one list.
struct GPUSources {
    /// A render node of the kernel (/sys/class/drm/renderD*).
    struct RenderNode: Equatable {
        /// Such as `renderD128`.
        var name: String
        var vendor: GPUVendor
        /// Of the PCI device, such as `1002:73bf`.
        var id: String?
        var pci: String?
        var productName: String?
        /// Bytes.
        var memory: Int64?
    }

    var cdi: [CDIDevice] = []
    /// nil where nvidia-smi is missing or failed.
    var rows: [NvidiaRow]?
    /// The GPUs at whose addresses nvidia-smi failed.
    var lost: Set<String> = []
    var information: [NvidiaInformation] = []
    var renderNodes: [RenderNode] = []
    /// The device nodes that are there, with their groups.
    var groups: [String: UInt32] = [:]

    static let nvidiaShared = ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"]
    static let kfd = "/dev/kfd"

    /// A GPU that a driver has, before CDI is looked at.
    private struct Card {
        var vendor: GPUVendor
        var uuid: String?
        var pci: String?
        var index: Int?
        var name: String
        var memory: Int64?
        /// Its own device node.
        var node: String?
        var cdi: String?
    }

    /// The GPUs, and what is wrong with those that are left out.
    func gpus(remarks: inout [String]) -> [GPU] {
        var cards = nvidiaCards(&remarks) + renderCards()
        var alone: [GPU] = []
        // A GPU that is divided is not given as a whole.
        var divided: Set<Int> = []
        for device in cdi {
            let missing = device.nodes.filter { groups[$0] == nil }
            guard missing.isEmpty else {
                remarks.append("\(device.file) has the device \(device.qualified), but \(missing[0]) of it isn't there: is the driver loaded?")
                continue
            }
            let found = matches(device, cards)
            // A device with the nodes of several GPUs is not one of them.
            if found.count > 1 { continue }
            if device.isPart {
                let parent = found.first ?? device.part.flatMap { part in cards.firstIndex { $0.vendor == device.vendor && $0.index == part.of } }
                if let parent { divided.insert(parent) }
                alone.append(gpu(of: device, partOf: parent.map { cards[$0] }))
            } else if let found = found.first {
                cards[found].cdi = cards[found].cdi ?? device.qualified
            } else if let uuid = device.uuid, rows?.isEmpty == false, device.vendor == .nvidia {
                remarks.append("\(device.file) has a GPU \(uuid), which the driver doesn't have: write the file again with nvidia-ctk cdi generate.")
            } else if cards.contains(where: { $0.vendor == device.vendor && $0.node.map(device.nodes.contains) == true }) {
                // Listed by itself it would be that GPU once more, and be given twice.
                remarks.append(
                    "\(device.file) has \(device.qualified) with the device node of another GPU: write the file again, as with nvidia-ctk cdi generate.")
            } else {
                alone.append(gpu(of: device, partOf: nil))
            }
        }
        let whole = cards.enumerated().filter { !divided.contains($0.offset) }.compactMap { gpu($0.element, &remarks) }
        return Self.unique(whole + alone).sorted(by: Self.isBefore)
    }

    private func matches(_ device: CDIDevice, _ cards: [Card]) -> [Int] {
        let ours = cards.indices.filter { cards[$0].vendor == device.vendor }
        if let uuid = device.uuid, let same = ours.first(where: { cards[$0].uuid == uuid }) { return [same] }
        let byNode = ours.filter { index in cards[index].node.map(device.nodes.contains) ?? false }
        if !byNode.isEmpty {
            // The number of a node may have gone to another GPU since the file was written.
            return device.uuid != nil && !device.isPart ? byNode.filter { cards[$0].uuid == nil } : byNode
        }
        guard device.uuid == nil, let index = device.index else { return [] }
        return ours.filter { cards[$0].index == index }
    }

    private func nvidiaCards(_ remarks: inout [String]) -> [Card] {
        var cards = (rows ?? []).map { Card(vendor: .nvidia, uuid: $0.uuid, pci: $0.pci, index: $0.index, name: $0.name, memory: $0.memory) }
        let isListed = !cards.isEmpty
        for found in information where !found.isExcluded {
            let node = found.minor.map { "/dev/nvidia\($0)" }
            if let same = cards.firstIndex(where: { ($0.uuid != nil && $0.uuid == found.uuid) || ($0.pci != nil && $0.pci == found.pci) }) {
                cards[same].node = node
            } else if isListed || found.pci.map(lost.contains) == true {
                remarks.append("The GPU at \(found.pci ?? "an unknown address") is left out: the driver has it, but nvidia-smi can't use it.")
            } else {
                cards.append(Card(vendor: .nvidia, uuid: found.uuid, pci: found.pci, name: found.name ?? "NVIDIA GPU", node: node))
            }
        }
        let numbered = groups.keys.filter { $0.hasPrefix("/dev/nvidia") && Int($0.dropFirst(11)) != nil }.sorted()
        if cards.isEmpty && rows == nil && information.isEmpty && lost.isEmpty {
            cards = numbered.map { Card(vendor: .nvidia, name: "NVIDIA GPU", node: $0) }
        } else if cards.count == 1, numbered.count == 1, cards[0].node == nil {
            cards[0].node = numbered[0]
        }
        return cards
    }

    private func renderCards() -> [Card] {
        renderNodes.map { node in
            let make = node.vendor == .amd ? "AMD" : "Intel"
            return Card(
                vendor: node.vendor, pci: node.pci, name: node.productName ?? "\(make) GPU" + (node.id.map { " (PCI id \($0))" } ?? ""), memory: node.memory,
                node: "/dev/dri/\(node.name)")
        }
    }

    private func gpu(_ card: Card, _ remarks: inout [String]) -> GPU? {
        let own = card.node.flatMap { groups[$0] == nil ? nil : $0 }
        guard own != nil || card.cdi != nil else {
            let what = card.node.map { "its device node \($0) isn't there" } ?? "it isn't known which device node is its own"
            remarks.append("The GPU \(card.uuid ?? card.pci ?? card.name) is left out: \(what), and no CDI specification has it.")
            return nil
        }
        var paths = own.map { [$0] } ?? []
        switch card.vendor {
        case .nvidia: paths += Self.nvidiaShared
        case .amd: paths.insert(Self.kfd, at: 0)
        case .intel: break
        }
        if own == nil, let device = cdi.first(where: { $0.qualified == card.cdi }) { paths = device.nodes + device.commonNodes }
        return GPU(
            id: card.uuid ?? card.pci ?? card.node ?? card.name, vendor: card.vendor, name: card.name, memory: card.memory, nodes: nodes(paths),
            cdi: card.cdi, index: card.index, pci: card.pci)
    }

    private func gpu(of device: CDIDevice, partOf parent: Card?) -> GPU {
        let part = device.part.map { " MIG \($0.name)" } ?? (device.isPart ? " MIG" : "")
        let name = parent.map { $0.name + part } ?? device.qualified
        return GPU(
            id: device.uuid ?? device.qualified, vendor: device.vendor, name: name, nodes: nodes(device.nodes + device.commonNodes), cdi: device.qualified,
            index: device.index, pci: parent?.pci)
    }

    private func nodes(_ paths: [String]) -> [GPU.Node] {
        var seen: Set<String> = []
        return paths.compactMap { path in groups[path].flatMap { seen.insert(path).inserted ? GPU.Node(path: path, group: $0) : nil } }
    }

    /// Two with one id would be one GPU that is given twice.
    private static func unique(_ gpus: [GPU]) -> [GPU] {
        var seen: Set<String> = []
        return gpus.filter { seen.insert($0.id).inserted }
    }

    private static func isBefore(_ a: GPU, _ b: GPU) -> Bool {
        let order = GPUVendor.allCases
        let (first, second) = (order.firstIndex(of: a.vendor)!, order.firstIndex(of: b.vendor)!)
        return (first, a.index ?? .max, a.id) < (second, b.index ?? .max, b.id)
    }
}
