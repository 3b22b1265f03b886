import Fleet
import RunnerConfiguration
import Systemd

/// The two transient units of a runner.
struct ScopePlan {
    let spec: RunnerSpec
    /// The runner's own: `identity`, which it sees as /run/autogit, and `work`.
    let folder: String
    let stateDirectory: String
    let database: String
    /// Where the jobs have containers: the way to the engine that makes them.
    let engine: (access: EngineAccess, mount: SocketMount)?

    init(
        _ spec: RunnerSpec, folder: String, stateDirectory: String, database: String, engine: (access: EngineAccess, mount: SocketMount)? = nil
    ) {
        self.engine = engine
        self.spec = spec
        self.folder = folder
        self.stateDirectory = stateDirectory
        self.database = database
    }

    static let slice = "autogit.slice"
    /// A process that can see this daemon's database is not contained, and must not start: EX_CONFIG.
    static let notContained = 78

    private var name: String { Runner.name(of: spec.runner) }
    private var description: String { "AutoGit runner \(spec.runner) of pool \(spec.pool.name), instance=\(spec.instance)" }

    static func instance(of description: String) -> String? {
        description.firstMatch(of: /instance=(\w+)$/).map { String($0.1) }
    }

    /// gitlab-runner as the images run it, unless the pool has another command.
    private var command: [String] {
        spec.pool.command.isEmpty
            ? ["gitlab-runner", "run", "--config", RunnerFiles.configuration, "--working-directory", "\(folder)/work"] : spec.pool.command
    }

    /// Waits until it was moved into its scope, makes sure that it is contained, and becomes the runner.
    private var gatekeeper: [String] {
        [
            "/bin/sh", "-c",
            """
            IFS= read -r _ < "$1" || exit 70
            if [ -e "$2" ]; then echo "the sandbox of this runner is not in effect (are user namespaces allowed?): refusing to start" >&2; exit \(Self.notContained); fi
            shift 2
            exec "$@"
            """, name, "\(RunnerFiles.directory)/gate", database,
        ] + command
    }

    var service: [UnitProperty] {
        let environment = [
            "HOME": "\(folder)/work", "TMPDIR": "/tmp", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ].merging(ownEnvironment) { $1 }
        return [
            .text("Description", description), .text("Type", "exec"), .text("Slice", Self.slice), .command(gatekeeper),
            .text("SyslogIdentifier", name), .text("StandardOutput", "journal"), .text("StandardError", "journal"),
            .texts("Environment", environment.map { "\($0.key)=\($0.value)" }.sorted()), .text("WorkingDirectory", "\(folder)/work"),
            // What the daemon wants ended it says itself; a stop of the user's manager gives a job a moment.
            .text("KillMode", "mixed"), .signal("KillSignal", SignalNumber.of(spec.pool.stopSignal) ?? 3), .number("TimeoutStopUSec", 10_000_000),
            .flag("NoNewPrivileges", true), .flag("PrivateUsers", true), .flag("PrivateTmp", true), .text("ProtectSystem", "strict"),
            // Homes, and with /run/user the user's bus, engine and systemd.
            .text("ProtectHome", "tmpfs"), .flag("PrivateIPC", true), .flag("ProtectControlGroups", true),
            .temporaryFileSystems([(stateDirectory, "mode=0755")]), .texts("InaccessiblePaths", ["-/run/credentials"]),
            .bindPaths([(folder, folder), ("\(folder)/identity", RunnerFiles.directory)] + gpuNodes.map { ($0, $0) }), .texts("ReadWritePaths", [folder]),
        ] + (gpuNodes.isEmpty ? [] : [.flag("PrivateDevices", true)]) + engineMount
    }

    /// Of all GPUs of the host the runner's own. A user's systemd doesn't enforce `DeviceAllow=`, but the mounts hold (seen with systemd 252). With
    /// the Docker executor its jobs' containers get them, and it has no use for them.
    private var gpuNodes: [String] {
        spec.pool.executor == .docker ? [] : spec.gpus.nodePaths
    }

    /// With the Docker executor the pool's variables are its jobs', by gitlab-runner's configuration.
    private var ownEnvironment: [String: String] {
        // Where a pool's own command and Docker's client look.
        if let engine { ["DOCKER_HOST": "unix://\(engine.access.path)"] } else { spec.pool.env }
    }

    /// Of all that is hidden in /run/user, the engine's socket. In the runner's folder, because a user's systemd can make no mount point in /run.
    private var engineMount: [UnitProperty] {
        guard let (access, mount) = engine else { return [] }
        // A socket can be connected to all the same.
        return [.readOnlyBindPaths([(mount.source, access.destination(of: mount))])]
    }

    /// - Parameter pid: the process that waits at the gate.
    func scope(pid: UInt32) -> [UnitProperty] {
        [
            .text("Description", description), .text("Slice", Self.slice), .pids([pid]), .text("CollectMode", "inactive-or-failed"),
            .number("CPUQuotaPerSecUSec", UInt64(spec.pool.runnerLimits.cpus * 1_000_000)),
            // The job that was too large fails; its runner lives to tell GitLab so.
            .text("OOMPolicy", "continue"), .number("TasksMax", UInt64(spec.pool.pids)), .number("IOWeight", UInt64(spec.pool.ioWeight)),
            .number("TimeoutStopUSec", 10_000_000),
        ] + memory
    }

    private var memory: [UnitProperty] {
        guard spec.pool.limitsMemory else { return [] }
        // No swap beside it, so that the limit is the limit.
        return [.number("MemoryMax", UInt64(spec.pool.runnerLimits.memory)), .number("MemorySwapMax", 0)]
    }
}

extension UnitProperty {
    var isOOMPolicy: Bool { if case .text("OOMPolicy", _) = self { true } else { false } }
}
