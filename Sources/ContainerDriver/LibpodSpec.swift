import Fleet
import FoundationEssentials
import Glibc

/// The body of `POST /libpod/containers/create`, Podman's own way to make a container, which alone takes CDI devices before 5.4
/// (docs.podman.io/en/latest/_static/api.html, `SpecGenerator`). It makes the same container as a `ContainerSpec`, and gives it GPUs; only the
/// stop signal is left to the image, because it would have to be a number, and AutoGit never asks the engine to stop a container.
struct LibpodSpec: Encodable {
    var name: String
    var image: String
    var entrypoint: [String]?
    var command: [String]?
    var user: String?
    var env: [String: String]
    var labels: [String: String]
    var no_new_privileges = true
    var cap_drop: [String]
    var cap_add: [String]
    var resource_limits: Limits
    var netns: Namespace?
    var Networks: [String: Network]?
    var mounts: [Mount]
    var volumes: [Volume]
    var devices: [Device]
    var groups: [String]
    var annotations: [String: String]?
    var log_configuration: Log

    struct Limits: Encodable {
        struct Memory: Encodable {
            var limit: Int64
            var swap: Int64
        }
        struct CPU: Encodable {
            var period: UInt64
            var quota: Int64
        }
        struct Processes: Encodable { var limit: Int }
        var memory: Memory?
        var cpu: CPU
        var pids: Processes
    }

    struct Namespace: Encodable { var nsmode: String }
    struct Network: Encodable {}

    struct Mount: Encodable {
        var type = "bind"
        var source: String
        var destination: String
        var options: [String]
    }

    struct Volume: Encodable {
        var Name: String
        var Dest: String
        var Options: [String]
    }

    struct Device: Encodable { var path: String }

    struct Log: Encodable {
        var driver = "k8s-file"
        var size: Int64 = 4 << 20
    }

    init(_ spec: ContainerSpec, name: String, _ gpus: GPUAccess) {
        let host = spec.HostConfig
        self.name = name
        image = spec.Image
        entrypoint = spec.Entrypoint
        command = spec.Cmd
        user = spec.User
        env = Dictionary(spec.Env.map(Self.pair), uniquingKeysWith: { $1 })
        labels = spec.Labels
        cap_drop = host.CapDrop
        cap_add = host.CapAdd.map { "CAP_\($0)" }
        let period: UInt64 = 100_000
        resource_limits = Limits(
            memory: host.Memory > 0 ? .init(limit: host.Memory, swap: host.MemorySwap) : nil,
            cpu: .init(period: period, quota: Int64(Double(host.NanoCpus) / 1e9 * Double(period))), pids: .init(limit: host.PidsLimit))
        switch host.NetworkMode {
        case nil: break
        case .some(let mode) where ["host", "none", "bridge", "slirp4netns", "pasta", "private"].contains(mode): netns = Namespace(nsmode: mode)
        case .some(let network):
            netns = Namespace(nsmode: "bridge")
            Networks = [network: Network()]
        }
        (mounts, volumes) = ([], [])
        for bind in host.Binds {
            let parts = bind.split(separator: ":").map(String.init)
            guard parts.count > 1 else { continue }
            let options = parts.count > 2 ? parts[2].split(separator: ",").map(String.init) : []
            if parts[0].hasPrefix("/") {
                mounts.append(Mount(source: parts[0], destination: parts[1], options: options + ["rbind"]))
            } else {
                volumes.append(Volume(Name: parts[0], Dest: parts[1], Options: options))
            }
        }
        (devices, groups) = ([], [])
        log_configuration = Log()
        switch gpus {
        case .cdi(let names): devices = names.map { Device(path: $0) }
        case .nodes(let paths, let nodeGroups):
            devices = paths.map { Device(path: $0) }
            // Without privileges an engine can't give groups that its user lacks: it can let the runner keep those that it has, with crun only.
            annotations = ["run.oci.keep_original_groups": "1"]
            groups = getuid() == 0 ? nodeGroups.map { "\($0)" } : []
        case .requests: break
        }
    }

    private static func pair(_ text: String) -> (String, String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
    }
}
