import Fleet
import RunnerConfiguration

/// The way in which an engine gives GPUs to a container.
enum GPUAccess: Equatable {
    /// Device nodes, and the groups that may open them.
    case nodes([String], groups: [UInt32])
    /// CDI devices by their names, over Podman's own endpoint: its Docker-compatible one ignores them without a word (seen with 4.3.1), and takes
    /// them from 5.4 on (seen with 5.4.2).
    case cdi([String])
    /// `DeviceRequests` of Docker's interface, for a driver of that name.
    case requests(driver: String, [String])

    /// The same for gitlab-runner, which makes jobs' containers over the Docker-compatible endpoint.
    /// - Parameter isRootless: the engine can only let a container keep the groups of its own user.
    func forJobs(isRootless: Bool) -> RunnerSurroundings.JobGPUs {
        switch self {
        case .nodes(let paths, let groups): .init(devices: paths, groups: isRootless ? ["keep-groups"] : groups.map { "\($0)" })
        case .cdi(let names): .init(request: Self.option("cdi", names))
        case .requests(let driver, let ids): .init(request: Self.option(driver, ids))
        }
    }

    /// A line of CSV, as docs.docker.com/reference/cli/docker/container/run has it.
    private static func option(_ driver: String, _ ids: [String]) -> String {
        let device = "device=\(ids.joined(separator: ","))"
        return "driver=\(driver)," + (ids.count > 1 ? "\"\(device)\"" : device)
    }

    /// - Parameter knowsCDI: Docker's CDI is switched on.
    /// - Throws: `EngineError` with the next step when the engine can't be given them.
    init(_ gpus: [GPU], _ engine: EngineKind, knowsCDI: Bool) throws {
        let names = gpus.compactMap(\.cdi)
        guard gpus.first?.vendor == .nvidia else {
            self = .nodes(gpus.nodePaths, groups: Set(gpus.flatMap(\.nodes).map(\.group)).sorted())
            return
        }
        if engine.isPodman {
            guard names.count == gpus.count else {
                throw EngineError(
                    message: "Podman finds NVIDIA's GPUs by a CDI specification, and there is none for \(gpus.first { $0.cdi == nil }?.name ?? ""): "
                        + "install nvidia-container-toolkit, then: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml", isOutage: false)
            }
            self = .cdi(names)
        } else if knowsCDI, names.count == gpus.count {
            self = .requests(driver: "cdi", names)
        } else {
            self = .requests(driver: "nvidia", gpus.map { $0.index.map(String.init) ?? $0.id })
        }
    }
}
