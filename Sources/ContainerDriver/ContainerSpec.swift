import Fleet
import FoundationEssentials
import RunnerConfiguration

/// The body of `POST /containers/create`.
struct ContainerSpec: Encodable {
    var Image: String
    var Entrypoint: [String]?
    var Cmd: [String]?
    var User: String?
    var Env: [String]
    var Labels: [String: String]
    var StopSignal: String
    var HostConfig: Host

    struct Host: Encodable {
        var NanoCpus: Int64
        var Memory: Int64
        var MemorySwap: Int64
        var PidsLimit: Int
        var SecurityOpt: [String]
        var CapDrop: [String]
        var CapAdd: [String]
        var NetworkMode: String?
        var Binds: [String]
        var Devices: [Device]?
        var DeviceRequests: [DeviceRequest]?
        var GroupAdd: [String]?
        var LogConfig = Log()
    }

    struct Device: Encodable {
        var PathOnHost: String
        var PathInContainer: String
        var CgroupPermissions = "rwm"
    }

    struct DeviceRequest: Encodable {
        var Driver: String
        var DeviceIDs: [String]
        var Capabilities = [["gpu"]]
    }

    /// Whatever the engine's own setting is: Podman's is journald on most machines, whose journal an engine without privileges often can't read,
    /// and Docker's has no bound. Podman takes this name for its `k8s-file`, of which one file is enough for it, and ignores what it doesn't
    /// know; Docker knows no `k8s-file`, and needs a second file in order not to begin with an empty one at the bound.
    struct Log: Encodable {
        var `Type` = "json-file"
        var Config = ["max-size": "4m", "max-file": "2"]
    }

    /// - Parameter socket: for runners that have the engine make containers for their jobs: where they see it, and how it gets there.
    init(_ spec: RunnerSpec, socket: (path: String, mount: SocketMount)?) {
        let pool = spec.pool
        Image = "\(ImageName(pool.image))"
        if pool.command.isEmpty {
            Cmd = ["run", "--config", RunnerFiles.configuration]
        } else {
            Entrypoint = [pool.command[0]]
            Cmd = Array(pool.command.dropFirst())
        }
        Labels = [
            ContainerDriver.instanceLabel: spec.instance,
            RunnerConfiguration.ownerLabel: spec.instance,
            ContainerDriver.runnerLabel: spec.runner,
            ContainerDriver.imageLabel: Image,
            "autogit.pool": pool.name,
        ]
        if let architecture = pool.hardware.architecture { Labels[ContainerDriver.architectureLabel] = architecture.rawValue }
        StopSignal = pool.stopSignal
        let limits = pool.runnerLimits
        HostConfig = Host(
            NanoCpus: Int64(limits.cpus * 1e9), Memory: limits.memory,
            // The same as Memory: no swap beside it, so that the limit is the limit.
            MemorySwap: limits.memory, PidsLimit: pool.pids, SecurityOpt: ["no-new-privileges"],
            CapDrop: ["ALL"], CapAdd: [], NetworkMode: pool.network, Binds: [])
        switch pool.executor {
        case .docker:
            // Only root of the engine's user namespace may open the socket, whatever user the image names.
            User = "0:0"
            Env = ["HOME=/root"]
            HostConfig.CapAdd = ["DAC_OVERRIDE"]
            guard let (path, mount) = socket else { break }
            // Where a pool's own command and Docker's client look.
            Env.append("DOCKER_HOST=unix://\(path)")
            let destination = mount.destination(in: ContainerDriver.socketDirectory)
            HostConfig.Binds = [mount.isFolder ? "\(mount.source):\(destination):ro" : "\(mount.source):\(destination)"]
            Labels[ContainerDriver.socketLabel] = mount.identity
        case .shell:
            Env = pool.env.map { "\($0.key)=\($0.value)" }.sorted()
            HostConfig.CapAdd = pool.capabilities
            HostConfig.Binds = RunnerConfiguration.cacheMount(of: spec) + pool.mounts
        }
    }

    /// For Docker.
    mutating func add(_ gpus: GPUAccess) {
        switch gpus {
        case .nodes(let paths, let groups):
            HostConfig.Devices = paths.map { Device(PathOnHost: $0, PathInContainer: $0) }
            HostConfig.GroupAdd = groups.map { "\($0)" }
        case .cdi(let names): HostConfig.DeviceRequests = [DeviceRequest(Driver: "cdi", DeviceIDs: names)]
        case .requests(let driver, let ids): HostConfig.DeviceRequests = [DeviceRequest(Driver: driver, DeviceIDs: ids)]
        }
    }
}
