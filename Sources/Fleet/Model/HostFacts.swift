/// What a host is, as far as placing runners depends on it.
public struct HostFacts: Sendable, Equatable {
    /// nil where it is one that we have no name for.
    public var architecture: Architecture?
    /// As many as the engine, or else the kernel, counts.
    public var cpus: Int?
    /// Bytes.
    public var memory: Int64?
    /// Name and version, such as `Podman Engine 4.3.1`; nil without one.
    public var engine: EngineKind?
    /// Those that the runners' cgroups have, such as `memory`.
    public var cgroupControllers: [String]
    /// The engine's OCI runtimes; the default first.
    public var runtimes: [String]
    /// In the order of their names.
    public var emulators: [Emulator]
    /// In a stable order.
    public var gpus: [GPU]
    /// What the kernel said lately of GPUs that failed, a line each.
    public var gpuFaults: [String]
    /// What could not be found out, and why, a sentence each.
    public var remarks: [String]

    public init(
        architecture: Architecture? = nil, cpus: Int? = nil, memory: Int64? = nil, engine: EngineKind? = nil, cgroupControllers: [String] = [],
        runtimes: [String] = [], emulators: [Emulator] = [], gpus: [GPU] = [], gpuFaults: [String] = [], remarks: [String] = []
    ) {
        self.architecture = architecture
        self.cpus = cpus
        self.memory = memory
        self.engine = engine
        self.cgroupControllers = cgroupControllers
        self.runtimes = runtimes
        self.emulators = emulators
        self.gpus = gpus
        self.gpuFaults = gpuFaults
        self.remarks = remarks
    }
}

/// A container engine's make, on which it depends how GPUs get into containers.
public struct EngineKind: Sendable, Equatable {
    /// Such as `Podman Engine`.
    public var name: String
    /// Such as `4.3.1`.
    public var version: String
    public init(name: String, version: String) {
        self.name = name
        self.version = version
    }

    public var isPodman: Bool { name.lowercased().contains("podman") }

    /// Whether the version is that or a later one. A version that can't be read is none.
    public func isAtLeast(_ major: Int, _ minor: Int) -> Bool {
        let parts = version.split(separator: ".").map { Int($0.prefix { $0.isNumber }) }
        guard let first = parts.first, let first else { return false }
        let second = parts.dropFirst().first.flatMap { $0 } ?? 0
        return (first, second) >= (major, minor)
    }
}

extension EngineKind: CustomStringConvertible {
    public var description: String { version.isEmpty ? name : "\(name) \(version)" }
}

extension HostFacts {
    /// What the kernel has is known, and the controller of memory is not among it.
    public var lacksMemoryController: Bool { !cgroupControllers.isEmpty && !cgroupControllers.contains("memory") }

    /// For operators. Raspberry Pi OS starts its kernel so.
    public static let noMemoryController =
        "runners' cgroups have no memory controller, so starts of runners with a memory limit fail. On a Raspberry Pi put cgroup_enable=memory at the end of "
        + "the line in /boot/firmware/cmdline.txt and restart it; or give the pools memory = \"none\". autogitctl doctor tells more"
}
