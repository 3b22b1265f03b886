import Fleet
import Glibc

/// Looks at a host's files, and runs the vendors' programs.
struct HostSearch {
    let tree: HostTree
    /// For each program.
    let programLimit: Duration
    var remarks: [String] = []

    init(_ tree: HostTree, programLimit: Duration) {
        self.tree = tree
        self.programLimit = programLimit
    }

    // MARK: Emulators

    private static let formats = "/proc/sys/fs/binfmt_misc"

    /// What runs other architectures' programs, in the order of the registrations' names.
    mutating func emulators() -> [Emulator] {
        // The kernel has a switch for all of them.
        let isOff = tree.line("\(Self.formats)/status", remarks: &remarks) == "disabled"
        let found = tree.names(Self.formats, remarks: &remarks).filter { $0 != "register" && $0 != "status" }.compactMap { emulator($0, isOff) }
        if isOff && !found.isEmpty { remarks.append("\(Self.formats)/status says disabled, so no emulator works: write 1 into it.") }
        return found
    }

    private mutating func emulator(_ name: String, _ isOff: Bool) -> Emulator? {
        let path = "\(Self.formats)/\(name)"
        guard let text = tree.text(path, limit: 4096, remarks: &remarks) else { return nil }
        do {
            let format = try BinaryFormat(name: name, text)
            guard let architecture = format.architecture else { return nil }
            return Emulator(
                architecture: architecture.rawValue, interpreter: format.interpreter, flags: format.flags, isEnabled: format.isEnabled && !isOff)
        } catch {
            remarks.append("\(path) can't be understood: \((error as? Malformed)?.reason ?? "\(error)").")
            return nil
        }
    }

    // MARK: cgroups

    /// The controllers that the systemd of a user may give its units: the runners' limits depend on them.
    /// - Parameter user: root's runners are in system.slice, which has all of them.
    mutating func cgroupControllers(of user: UInt32) -> [String] {
        let path = user == 0 ? "/sys/fs/cgroup/cgroup.controllers" : "/sys/fs/cgroup/user.slice/user-\(user).slice/user@\(user).service/cgroup.controllers"
        switch tree.read(path, limit: 4096) {
        case .bytes(let bytes): return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
        case .missing: remarks.append("\(path) isn't there: cgroup v2 isn't in use, or user@\(user).service doesn't run.")
        case .failed(let reason): remarks.append("\(path) \(reason).")
        }
        return []
    }

    // MARK: GPUs

    mutating func gpus() -> [GPU] {
        var sources = GPUSources()
        sources.cdi = cdiDevices()
        sources.renderNodes = renderNodes()
        let folder = "/proc/driver/nvidia/gpus"
        sources.information = tree.names(folder, remarks: &remarks).compactMap { name in
            tree.text("\(folder)/\(name)/information", limit: 1 << 16, remarks: &remarks).map { NvidiaInformation(folder: name, $0) }
        }
        askNvidia(&sources)
        let numbered = tree.names("/dev", remarks: &remarks).filter { $0.hasPrefix("nvidia") && Int($0.dropFirst(6)) != nil }.map { "/dev/\($0)" }
        let paths =
            numbered + GPUSources.nvidiaShared + [GPUSources.kfd] + sources.renderNodes.map { "/dev/dri/\($0.name)" }
            + sources.cdi.flatMap { $0.nodes + $0.commonNodes }
        for path in paths where path.hasPrefix("/") { sources.groups[path] = tree.group(ofNode: path) }
        return sources.gpus(remarks: &remarks)
    }

    /// The engines' folders for CDI, in the order in which later ones win.
    private static let cdiFolders = ["/etc/cdi", "/var/run/cdi"]

    private mutating func cdiDevices() -> [CDIDevice] {
        var files: [(path: String, specification: CDISpecification)] = []
        for folder in Self.cdiFolders {
            // Engines read no other names.
            for name in tree.names(folder, remarks: &remarks) where name.hasSuffix(".json") || name.hasSuffix(".yaml") {
                let path = "\(folder)/\(name)"
                switch tree.read(path, limit: 1 << 20) {
                case .missing: break
                case .failed(let reason): remarks.append("\(path) \(reason), so its devices aren't known.")
                case .bytes(let bytes):
                    do {
                        files.append((path, try CDISpecification(bytes, isYAML: name.hasSuffix(".yaml"))))
                    } catch {
                        remarks.append("\(path) can't be used as a CDI specification: \((error as? Malformed)?.reason ?? "\(error)").")
                    }
                }
            }
        }
        return CDIDevice.all(files, remarks: &remarks)
    }

    private mutating func renderNodes() -> [GPUSources.RenderNode] {
        let folder = "/sys/class/drm"
        return tree.names(folder, remarks: &remarks).filter { $0.hasPrefix("renderD") }.compactMap { name in
            let device = "\(folder)/\(name)/device"
            let vendor: GPUVendor
            switch tree.line("\(device)/vendor", remarks: &remarks) {
            case "0x1002": vendor = .amd
            case "0x8086": vendor = .intel
            default: return nil
            }
            let event = tree.text("\(device)/uevent", limit: 1 << 16, remarks: &remarks) ?? ""
            func value(_ key: String) -> Substring? {
                event.split(whereSeparator: \.isNewline).first { $0.hasPrefix("\(key)=") }.map { $0.dropFirst(key.utf8.count + 1) }
            }
            // Of AMD's driver (docs.kernel.org/gpu/amdgpu/driver-misc.html): product_name on some cards, mem_info_vram_total in bytes.
            return GPUSources.RenderNode(
                name: name, vendor: vendor, id: value("PCI_ID").map { $0.lowercased() }, pci: value("PCI_SLOT_NAME").flatMap(PCIAddress.find),
                productName: vendor == .amd ? tree.line("\(device)/product_name", remarks: &remarks) : nil,
                memory: vendor == .amd ? tree.line("\(device)/mem_info_vram_total", remarks: &remarks).flatMap { Int64($0) }.flatMap { $0 > 0 ? $0 : nil } : nil
            )
        }
    }

    /// Where distributions and NVIDIA's own installer put it; the last one is WSL's.
    private static let nvidiaPrograms = ["/usr/bin/nvidia-smi", "/usr/local/bin/nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi"]

    private mutating func askNvidia(_ sources: inout GPUSources) {
        guard let program = Self.nvidiaPrograms.first(where: tree.isExecutable) else { return }
        switch ProgramOutput.of(tree.root + program, NvidiaRow.query, limit: programLimit) {
        case .failed(let reason): remarks.append("\(program) \(reason).")
        case .exited(0, let output): sources.rows = NvidiaRow.all(output, remarks: &remarks)
        case .exited(let code, let output):
            // It names the GPU that it can't use, and may still list others.
            sources.lost = Set(output.split(whereSeparator: \.isNewline).filter { NvidiaRow($0) == nil }.compactMap(PCIAddress.find))
            var ignored: [String] = []
            let rows = NvidiaRow.all(output, remarks: &ignored)
            if !rows.isEmpty { sources.rows = rows }
            remarks.append("\(program) failed with exit code \(code). \(ignored.first ?? "It says nothing.")")
        }
    }
}
