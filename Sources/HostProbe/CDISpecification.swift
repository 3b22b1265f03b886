import Fleet
import FoundationEssentials

/// A file that says how containers get a vendor's devices, of the Container Device Interface
/// (github.com/cncf-tags/container-device-interface, SPEC.md).
struct CDISpecification: Equatable, Sendable {
    struct Device: Equatable, Sendable {
        /// Such as `0`, `all` or a UUID.
        var name: String
        /// What the device changes in a container. Names of one device share it.
        var edits: PlainTree
        /// The host's device nodes among that.
        var nodes: [String]
    }
    /// The vendor and the class, such as `nvidia.com/gpu`.
    var kind: String
    var devices: [Device]
    /// The host's device nodes that come with each device.
    var commonNodes: [String]

    /// Whose GPUs it is about; nil for devices that are none, or of a vendor that AutoGit knows no GPUs of.
    var vendor: GPUVendor? {
        switch kind {
        case "nvidia.com/gpu": .nvidia
        case "amd.com/gpu": .amd
        case "intel.com/gpu": .intel
        default: nil
        }
    }

    /// Reads a file; its name tells the format. As the engines do, it refuses the whole file for one fault.
    /// - Throws: `Malformed`
    init(_ bytes: [UInt8], isYAML: Bool) throws {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Malformed(reason: "it isn't text in UTF-8") }
        let tree: PlainTree
        if isYAML {
            tree = try PlainYAML.read(text)
        } else {
            do { tree = try JSONDecoder().decode(PlainTree.self, from: Data(bytes)) } catch { throw Malformed(reason: "it isn't JSON") }
        }
        guard tree["cdiVersion"]?.text != nil else { throw Malformed(reason: "it has no cdiVersion") }
        guard let kind = tree["kind"]?.text, kind.split(separator: "/", omittingEmptySubsequences: false).count == 2, kind.allSatisfy(Self.isOfNames)
        else { throw Malformed(reason: "it has no kind such as nvidia.com/gpu") }
        self.kind = kind
        commonNodes = Self.nodes(tree["containerEdits"])
        devices = try (tree["devices"]?.elements ?? []).map { device in
            guard let name = device["name"]?.text, !name.isEmpty, name.utf8.count <= 253, name.allSatisfy({ Self.isOfNames($0) && $0 != "/" }) else {
                throw Malformed(reason: "one of its devices has no usable name")
            }
            guard let edits = device["containerEdits"], case .map = edits else { throw Malformed(reason: "its device \(name) has no containerEdits") }
            return Device(name: name, edits: edits, nodes: Self.nodes(edits))
        }
        guard !devices.isEmpty else { throw Malformed(reason: "it has no devices") }
        guard Set(devices.map(\.name)).count == devices.count else { throw Malformed(reason: "two of its devices have one name") }
    }

    private static func isOfNames(_ character: Character) -> Bool {
        character.isASCII && (character.isLetter || character.isNumber || "._:-/".contains(character))
    }

    private static func nodes(_ edits: PlainTree?) -> [String] {
        (edits?["deviceNodes"]?.elements ?? []).compactMap { node in
            [node["hostPath"]?.text, node["path"]?.text].compactMap { $0 }.first { !$0.isEmpty }
        }
    }
}

/// A device of a CDI specification, under all its names.
struct CDIDevice: Equatable, Sendable {
    /// How one of its names tells of it.
    enum Name: Equatable, Sendable {
        /// The driver's number.
        case index(Int)
        /// NVIDIA's UUID of a GPU, or of a part of one (MIG).
        case uuid(String)
        /// A part of a GPU (MIG), by the GPU's number and its own there.
        case part(of: Int, String)
        case other(String)
    }
    var vendor: GPUVendor
    /// The name to ask an engine for: the UUID's where there is one, because numbers change with what is plugged in.
    var qualified: String
    var names: [Name]
    /// Its own nodes of the host.
    var nodes: [String]
    /// Those that come with each device of its file.
    var commonNodes: [String]
    /// The path of the specification.
    var file: String

    /// `nil` for a name that stands for all devices.
    static func name(_ name: String) -> Name? {
        if name == "all" { return nil }
        if name.hasPrefix("GPU-") || name.hasPrefix("MIG-") { return .uuid(name) }
        // `nvidia-ctk cdi generate --device-name-strategy`: index, uuid or type-index.
        let number = name.hasPrefix("gpu") || name.hasPrefix("mig") ? name.dropFirst(3) : name[...]
        if let index = Int(number), index >= 0 { return .index(index) }
        let pair = number.split(separator: ":", omittingEmptySubsequences: false)
        if pair.count == 2, let index = Int(pair[0]), index >= 0, Int(pair[1]) != nil { return .part(of: index, String(number)) }
        return .other(name)
    }

    var uuid: String? { names.lazy.compactMap { if case .uuid(let uuid) = $0 { uuid } else { nil } }.first }
    var index: Int? { names.lazy.compactMap { if case .index(let index) = $0 { index } else { nil } }.first }
    var part: (of: Int, name: String)? { names.lazy.compactMap { if case .part(let index, let name) = $0 { (index, name) } else { nil } }.first }
    var isPart: Bool { part != nil || uuid?.hasPrefix("MIG-") == true }

    /// The devices of some specifications. Of one name in several files the last one's counts, as with engines, which prefer /var/run/cdi.
    static func all(_ files: [(path: String, specification: CDISpecification)], remarks: inout [String]) -> [CDIDevice] {
        var owners: [String: String] = [:]
        for (path, specification) in files {
            for device in specification.devices {
                let qualified = "\(specification.kind)=\(device.name)"
                if let other = owners[qualified], folder(other) == folder(path) {
                    remarks.append("\(other) and \(path) both have the device \(qualified), so engines refuse it: remove one of the files.")
                }
                owners[qualified] = path
            }
        }
        return files.flatMap { path, specification in
            guard let vendor = specification.vendor else { return [CDIDevice]() }
            let own = specification.devices.filter { owners["\(specification.kind)=\($0.name)"] == path }
            return grouped(own).map { group in
                let names = group.compactMap { name($0.name) }
                let preferred = group.first { $0.name.hasPrefix("GPU-") || $0.name.hasPrefix("MIG-") } ?? group[0]
                return CDIDevice(
                    vendor: vendor, qualified: "\(specification.kind)=\(preferred.name)", names: names, nodes: preferred.nodes,
                    commonNodes: specification.commonNodes, file: path)
            }
        }
    }

    private static func folder(_ path: String) -> Substring { path[..<(path.lastIndex(of: "/") ?? path.startIndex)] }

    /// Puts the names of one device together: they make the same edits, and each tells of it in another way. Two numbers are two devices,
    /// whatever their edits.
    private static func grouped(_ devices: [CDISpecification.Device]) -> [[CDISpecification.Device]] {
        func way(_ device: CDISpecification.Device) -> Int? {
            switch name(device.name) {
            case .index: 0
            case .uuid: 1
            case .part: 2
            case .other: 3
            case nil: nil
            }
        }
        var groups: [[CDISpecification.Device]] = []
        for device in devices {
            guard let ours = way(device) else { continue }
            let alike = devices.filter { $0.edits == device.edits && way($0) != nil }
            let isClear = Set(alike.compactMap(way)).count == alike.count
            if isClear, let at = groups.firstIndex(where: { $0[0].edits == device.edits }) {
                groups[at].append(device)
            } else if isClear || ours != 1 || !alike.contains(where: { way($0) != 1 }) {
                // A UUID that could be that of several numbers is left out: they are the devices.
                groups.append([device])
            }
        }
        return groups
    }
}
