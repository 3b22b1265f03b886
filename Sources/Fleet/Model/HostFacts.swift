/// What a host is, as far as placing runners depends on it.
public struct HostFacts: Sendable, Equatable {
    /// nil where it is one that we have no name for.
    public var architecture: Architecture?
    /// The machines of an engine that spreads over several, which the other facts are the sum of; none where it is of one.
    public var nodes: [Node] = []
    /// As many as the engine, or else the kernel, counts.
    public var cpus: Int?
    /// Bytes.
    public var memory: Int64?
    /// Name and version, such as `Podman Engine 4.3.1`; nil without one.
    public var engine: EngineKind?
    /// Why the engine that runners need told nothing of all this; nil where it did, and where none is needed.
    public var engineTrouble: String?
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

extension HostFacts {
    /// Nothing is missing that the engine alone knows. What runners need beside CPUs and memory can't be promised without that.
    var isWhole: Bool { engine != nil || engineTrouble == nil }

    /// After a look at which the engine told nothing, what it told before still counts: as a rule it comes back as it was, and then it is asked.
    func keeping(_ before: HostFacts?) -> HostFacts {
        guard engineTrouble != nil, var kept = before, kept.engine != nil else { return self }
        (kept.engineTrouble, kept.remarks) = (engineTrouble, remarks)
        return kept
    }

    /// Whether programs of that architecture run there by themselves.
    public func runs(_ wanted: Architecture) -> Bool {
        architecture?.runs(wanted) == true || nodes.contains { $0.status == .ready && $0.architecture?.runs(wanted) == true }
    }

    /// A machine of an engine that spreads over several.
    public struct Node: Sendable, Equatable {
        /// Whether the engine would place a container there.
        public enum Status: String, Sendable {
            case ready
            /// Somebody has taken it out of use.
            case drained
            /// It does not answer.
            case away
        }

        /// Its host name.
        public var name: String
        public var status: Status
        /// nil where it is one that we have no name for.
        public var architecture: Architecture?
        public var cpus: Int
        /// Bytes.
        public var memory: Int64
        public init(name: String, status: Status, architecture: Architecture?, cpus: Int, memory: Int64) {
            self.name = name
            self.status = status
            self.architecture = architecture
            self.cpus = cpus
            self.memory = memory
        }
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
    /// It stands for several engines, of which it chooses one for each container.
    public var isSwarm: Bool { name.lowercased().contains("swarm") }

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
