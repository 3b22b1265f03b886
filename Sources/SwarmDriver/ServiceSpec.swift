import ContainerDriver
import Fleet
import RunnerConfiguration

/// What AutoGit sets of a service: the body of `POST /services/create` and of `/services/ID/update` (Docker Engine API).
struct ServiceSpec: Codable, Equatable {
    var Name: String
    var Labels: [String: String]
    var TaskTemplate: Template
    var Mode: ServiceMode

    struct ServiceMode: Codable, Equatable {
        struct Count: Codable, Equatable { var Replicas: Int }
        var Replicated: Count
    }

    struct Template: Codable, Equatable {
        var ContainerSpec: Container
        var Resources: Resources
        /// Only `none` never makes a second task: see docs/swarm.md.
        var RestartPolicy = Restart()
        var Placement: Placement?
        var Networks: [Network]?
        var LogDriver: Log? = Log()
    }

    struct Container: Codable, Equatable {
        var Image: String
        /// In place of the image's entrypoint.
        var Command: [String]?
        var Args: [String]?
        var User: String?
        var Env: [String]?
        var Labels: [String: String]?
        var StopSignal: String
        /// Nanoseconds.
        var StopGracePeriod: Int64
        var CapabilityAdd: [String]?
        var CapabilityDrop: [String]?
        /// Docker before version 25 leaves it out without a word.
        var Privileges: Privileges?
        var Mounts: [Mount]?
        var Secrets: [SecretReference]?
    }

    struct Privileges: Codable, Equatable { var NoNewPrivileges: Bool? }

    struct Mount: Codable, Equatable {
        struct Volume: Codable, Equatable { var Labels: [String: String] }
        var `Type`: String
        var Source: String
        var Target: String
        var ReadOnly: Bool?
        var VolumeOptions: Volume?
    }

    struct SecretReference: Codable, Equatable {
        struct Target: Codable, Equatable {
            var Name: String
            var UID = "0"
            var GID = "0"
            var Mode: UInt32
        }
        var File: Target
        var SecretID: String
        var SecretName: String
    }

    struct Resources: Codable, Equatable {
        struct Bounds: Codable, Equatable {
            var NanoCPUs: Int64?
            var MemoryBytes: Int64?
            var Pids: Int64?
        }
        struct Claims: Codable, Equatable {
            var NanoCPUs: Int64?
            var MemoryBytes: Int64?
            var GenericResources: [Generic]?
        }
        struct Generic: Codable, Equatable {
            struct Discrete: Codable, Equatable {
                var Kind: String
                var Value: Int
            }
            var DiscreteResourceSpec: Discrete
        }
        var Limits: Bounds
        var Reservations: Claims
    }

    struct Restart: Codable, Equatable { var Condition = "none" }

    struct Placement: Codable, Equatable {
        struct Platform: Codable, Equatable {
            var Architecture: String
            var OS: String
        }
        var Constraints: [String]?
        var Platforms: [Platform]?
    }

    struct Network: Codable, Equatable { var Target: String }

    /// As for containers: bounded, whatever the node's own setting is.
    struct Log: Codable, Equatable {
        var Name = "json-file"
        var Options: [String: String]? = ["max-size": "4m", "max-file": "2"]
    }
}

extension ServiceSpec {
    /// A service that runs nothing yet.
    /// - Parameter socket: the path of the engine's socket on every node, for runners that have it make containers for their jobs.
    init(_ spec: RunnerSpec, socket: String) {
        let pool = spec.pool
        Name = Runner.name(of: spec.runner)
        Labels = [
            ContainerDriver.instanceLabel: spec.instance, ContainerDriver.runnerLabel: spec.runner, "autogit.pool": pool.name,
        ]
        Mode = ServiceMode(Replicated: .init(Replicas: 0))
        var container = Container(
            Image: "\(ImageName(pool.image))",
            // Not those of runners' containers: the engine of a node may be a host of its own, whose driver would take this one for its.
            Labels: [SwarmTask.instanceLabel: spec.instance, SwarmTask.runnerLabel: spec.runner],
            StopSignal: pool.stopSignal, StopGracePeriod: pool.stopTimeout.milliseconds * 1_000_000, CapabilityDrop: ["ALL"],
            Privileges: Privileges(NoNewPrivileges: true))
        if pool.command.isEmpty {
            container.Args = ["run", "--config", RunnerFiles.configuration]
        } else {
            container.Command = [pool.command[0]]
            container.Args = Array(pool.command.dropFirst())
        }
        switch pool.executor {
        case .docker:
            // As in a container of ours: only root may open the socket.
            container.User = "0:0"
            container.CapabilityAdd = ["DAC_OVERRIDE"]
            let mount = SocketMount(remote: socket)
            container.Env = ["HOME=/root", "DOCKER_HOST=unix://\(SocketMount.path(of: socket, in: ContainerDriver.socketDirectory))"]
            container.Mounts = [
                Mount(
                    Type: "bind", Source: mount.source, Target: mount.destination(in: ContainerDriver.socketDirectory), ReadOnly: mount.isFolder ? true : nil)
            ]
        case .shell:
            container.Env = pool.env.map { "\($0.key)=\($0.value)" }.sorted()
            container.CapabilityAdd = pool.capabilities
            container.Mounts = (RunnerConfiguration.cacheMount(of: spec) + pool.mounts).compactMap { Mount($0, spec) }
        }
        let limits = pool.runnerLimits
        TaskTemplate = Template(
            ContainerSpec: container,
            Resources: Resources(
                Limits: .init(NanoCPUs: Int64(limits.cpus * 1e9), MemoryBytes: limits.memory > 0 ? limits.memory : nil, Pids: Int64(pool.pids)),
                // Memory is all that it may use with its jobs, as in AutoGit's own budgets. CPUs are shared when they run short, so what counts of them is
                // the job's: a runner waits for its job, and services for the job's questions.
                Reservations: .init(
                    NanoCPUs: Int64(pool.cpus * 1e9), MemoryBytes: pool.reservedMemory > 0 ? pool.reservedMemory : nil,
                    GenericResources: Self.generic(spec.gpus))),
            Placement: spec.equipment.architecture.map { Placement(Platforms: Self.platforms(for: $0)) },
            Networks: pool.network.map { [Network(Target: $0)] })
    }

    /// Which of them it gets is the swarm's choice.
    private static func generic(_ gpus: [GPU]) -> [Resources.Generic]? {
        if gpus.isEmpty { return nil }
        return Dictionary(grouping: gpus, by: \.name).sorted { $0.key < $1.key }.map { .init(DiscreteResourceSpec: .init(Kind: $0.key, Value: $0.value.count)) }
    }

    /// One of these will do. Nodes call themselves by uname's names, of which swarmkit knows those of amd64 and arm64 only.
    private static func platforms(for wanted: Architecture) -> [Placement.Platform] {
        Architecture.allCases.filter { $0.runs(wanted) }.flatMap { native in
            (native == .arm ? ["arm", "armv7l", "armv6l"] : native.tags).map { .init(Architecture: $0, OS: "linux") }
        }
    }

    // MARK: The stop

    /// No node has this id.
    private static let nowhere = "node.id==stopped"

    /// Whether it was told to stop.
    var isStopped: Bool { TaskTemplate.Placement?.Constraints?.contains(Self.nowhere) == true }

    /// Has its task stopped by signal, and keeps its exit code and its log, as the removal of the service would not.
    mutating func stop() {
        if isStopped { return }
        var placement = TaskTemplate.Placement ?? Placement()
        placement.Constraints = (placement.Constraints ?? []) + [Self.nowhere]
        TaskTemplate.Placement = placement
    }
}

extension ServiceSpec.Mount {
    /// A bind mount or a volume in the engine's notation, `SOURCE:TARGET[:OPTIONS]`; nil for anything else.
    init?(_ text: String, _ spec: RunnerSpec) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (2...3).contains(parts.count) else { return nil }
        let isBind = parts[0].hasPrefix("/")
        let options = parts.count == 3 ? parts[2].split(separator: ",") : []
        self.init(
            Type: isBind ? "bind" : "volume", Source: parts[0], Target: parts[1], ReadOnly: options.contains("ro") ? true : nil,
            VolumeOptions: isBind
                ? nil : .init(Labels: [ContainerDriver.instanceLabel: spec.instance, "autogit.pool": spec.pool.name, "autogit.volume": "cache"]))
    }
}
