/// A machine that runners are placed on, as `GET /hosts` answers.
public struct HostView: Codable, Sendable, Equatable {
    /// `local` for the machine of the daemon.
    public var name: String
    /// `ok`, `away` while it does not answer, `lost` when that has lasted so long that its runners don't count, or `unknown` before it was asked. This
    /// and the next five are absent from daemons before 0.10.
    public var status: String?
    /// Since when it has not answered; absent while it does.
    public var away_since: String?
    /// It gets no runners, because an operator wants it, or because it is not configured any more.
    public var drained: Bool?
    /// By which pools may name it, beside its name.
    public var labels: [String]?
    /// What runners take for themselves.
    public var resources: [Resource]?
    /// Runners there that are not removed yet.
    public var runners: Int?
    /// In the words of container images, such as `amd64`; absent until it is known.
    public var architecture: String?
    /// Absent until they are known.
    public var cpus: Int?
    /// Absent until it is known.
    public var memory_bytes: Int64?
    /// Such as `Podman Engine 4.3.1`; absent without one that answers.
    public var engine: String?
    /// Those that limits of runners can use, such as `memory`.
    public var cgroup_controllers: [String]
    /// The engine's OCI runtimes, its default first.
    public var runtimes: [String]
    /// For programs of other architectures.
    public var emulators: [Emulator]
    /// As in `GET /gpus`.
    public var gpus: [GPUView]
    /// The machines of a swarm, whose sum the host is; absent for a host that is one machine.
    public var nodes: [Node]?
    /// The memory that runners and their jobs were promised, in bytes, and the most that they may be; absent where there is no bound.
    public var memory_promised_bytes: Int64
    /// See `memory_promised_bytes`.
    public var memory_budget_bytes: Int64?
    /// The CPUs that they were promised.
    public var cpus_promised: Double
    /// The most that they may be; absent where there is no bound.
    public var cpus_budget: Double?
    /// What could not be found out, a sentence each.
    public var remarks: [String]

    /// Things of a host that a runner takes for itself.
    public struct Resource: Codable, Sendable, Equatable {
        /// Such as `usb-jtag`.
        public var name: String
        /// How many there are.
        public var count: Int
        /// How many of them runners have.
        public var taken: Int
        public init(name: String, count: Int, taken: Int) {
            self.name = name
            self.count = count
            self.taken = taken
        }
    }

    /// A machine of a swarm.
    public struct Node: Codable, Sendable, Equatable {
        /// Its host name.
        public var name: String
        /// `ready`, `drained` in the swarm, or `away` while it does not answer.
        public var status: String
        /// As the host's; absent where AutoGit has no name for it.
        public var architecture: String?
        public var cpus: Int
        public var memory_bytes: Int64
        public init(name: String, status: String, architecture: String?, cpus: Int, memory_bytes: Int64) {
            self.name = name
            self.status = status
            self.architecture = architecture
            self.cpus = cpus
            self.memory_bytes = memory_bytes
        }
    }

    /// A program that runs other architectures' programs.
    public struct Emulator: Codable, Sendable, Equatable {
        /// What it runs.
        public var architecture: String
        /// Its path.
        public var interpreter: String
        /// Of its registration with the kernel.
        public var flags: String
        /// Whether containers have it, too.
        public var usable: Bool
        public init(architecture: String, interpreter: String, flags: String, usable: Bool) {
            self.architecture = architecture
            self.interpreter = interpreter
            self.flags = flags
            self.usable = usable
        }
    }

    /// A host of which nothing is known yet.
    public init(name: String, memory_promised_bytes: Int64, cpus_promised: Double) {
        self.name = name
        self.memory_promised_bytes = memory_promised_bytes
        self.cpus_promised = cpus_promised
        cgroup_controllers = []
        runtimes = []
        emulators = []
        gpus = []
        remarks = []
    }
}

/// A GPU and who has it, as `GET /gpus` answers.
public struct GPUView: Codable, Sendable, Equatable {
    /// Unique on its host.
    public var id: String
    /// The name of the host that it is in.
    public var host: String
    /// `nvidia`, `amd` or `intel`.
    public var vendor: String
    /// For people.
    public var name: String
    /// Absent where it is not known.
    public var memory_bytes: Int64?
    /// Its CDI device; absent where no specification has it.
    public var cdi: String?
    /// Its device nodes.
    public var nodes: [String]
    /// `free`, `in use`, or `gone` when it was there and is not any more.
    public var status: String
    /// The runners that have it now.
    public var holders: [Holder]

    /// A runner that has a GPU.
    public struct Holder: Codable, Sendable, Equatable {
        /// Its id.
        public var runner: String
        /// Its pool.
        public var pool: String
        /// GitLab's id of the job that it has; absent while it has none.
        public var job: Int64?
        /// When the GPU was given to it.
        public var since: String
        public init(runner: String, pool: String, job: Int64?, since: String) {
            self.runner = runner
            self.pool = pool
            self.job = job
            self.since = since
        }
    }

    public init(
        id: String, host: String, vendor: String, name: String, memory_bytes: Int64?, cdi: String?, nodes: [String], status: String, holders: [Holder]
    ) {
        self.id = id
        self.host = host
        self.vendor = vendor
        self.name = name
        self.memory_bytes = memory_bytes
        self.cdi = cdi
        self.nodes = nodes
        self.status = status
        self.holders = holders
    }
}
