/// What a pool's runners need of their host beside CPUs and memory.
public struct HardwareNeeds: Sendable, Equatable {
    /// nil for the host's own.
    public var architecture: Architecture?
    /// Says nothing without an architecture.
    public var emulation: Emulation
    /// nil for none.
    public var gpu: GPUVendor?
    /// How many of them each runner gets.
    public var gpus: GPUCount
    /// How many runners may have a GPU at once, at least 1.
    public var gpuShare: Int

    public init(
        architecture: Architecture? = nil, emulation: Emulation = .allow, gpu: GPUVendor? = nil, gpus: GPUCount = .some(1), gpuShare: Int = 1
    ) {
        self.architecture = architecture
        self.emulation = emulation
        self.gpu = gpu
        self.gpus = gpus
        self.gpuShare = gpuShare
    }

    /// Whether any host will do.
    public var isModest: Bool { architecture == nil && gpu == nil }
}

/// What a runner was given of its host, from the decision to start it to the end of its container.
public struct Equipment: Sendable, Hashable {
    /// Its image's; nil for a runner from before they were kept, and where the host's is not known.
    public var architecture: Architecture?
    /// Whether QEMU runs it.
    public var isEmulated: Bool
    /// The vendor of its GPUs; nil without any.
    public var vendor: GPUVendor?
    /// The ids of its GPUs.
    public var gpus: [String]
    /// The most runners, itself among them, that may have these GPUs at once.
    public var share: Int
    /// How many it has of the host's other things.
    public var resources: [String: Int]

    public init(
        architecture: Architecture? = nil, isEmulated: Bool = false, vendor: GPUVendor? = nil, gpus: [String] = [], share: Int = 1,
        resources: [String: Int] = [:]
    ) {
        self.resources = resources
        self.architecture = architecture
        self.isEmulated = isEmulated
        self.vendor = vendor
        self.gpus = gpus
        self.share = share
    }

    /// Whether a runner with it still is what the pool wants.
    public func meets(_ needs: HardwareNeeds) -> Bool {
        guard vendor == needs.gpu, gpus.isEmpty || share == needs.gpuShare else { return false }
        if needs.gpu != nil, case .some(let count) = needs.gpus, count != gpus.count { return false }
        guard let wanted = needs.architecture else { return !isEmulated }
        // Placed before anybody knew what the host is, for a pool that didn't care then.
        guard let architecture else { return false }
        return architecture == wanted && needs.emulation != (isEmulated ? .deny : .only)
    }
}

extension Architecture {
    /// Whether a host of this architecture runs programs of another by itself: Linux on these has 32-bit programs, too.
    public func runs(_ other: Architecture) -> Bool {
        self == other || (self == .amd64 && other == .i386) || (self == .arm64 && other == .arm)
    }
}
