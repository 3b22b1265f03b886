/// How a runner is run.
public enum DriverKind: String, Sendable, CaseIterable {
    /// As a container of a Docker-compatible engine.
    case container
    /// As a process in a transient scope of the user's systemd.
    case scope
}

/// When an image is fetched from its registry.
public enum ImagePull: String, Sendable, CaseIterable {
    /// When the engine doesn't have it.
    case missing
    /// Then, and once a day in the background if the registry has another.
    case newer
    /// Before each start.
    case always
}

/// What is removed when an engine's disk is short of space.
public enum ImagePrune: String, Sendable, CaseIterable {
    /// Nothing.
    case nothing = "none"
    /// Images that runners of ours or their jobs have used, the longest unused first.
    case ours
    /// Then also what nobody uses of others': dangling images and build caches.
    case all
}

/// A kind of runner, as configured.
public struct Pool: Sendable, Equatable {
    /// Whose jobs a pool's runners are offered (`register`): the whole instance's, a group's or a project's. A group or project is
    /// given by its path or by its number. It decides which rights GitLab asks of the token.
    public enum Registration: Sendable, Equatable {
        case instance
        case group(String)
        case project(String)
    }

    /// Unique in the configuration: 1 to 63 ASCII letters, digits, `-`, `_` and `.`.
    public var name: String
    /// The GitLab whose jobs it serves.
    public var forge: ForgeID
    /// The machine that a runner of it is placed on; where runners may be placed, `choice` says.
    public var host: HostID
    /// How they are run there.
    public var driver: DriverKind
    /// The tags that its runners are registered with; none is empty or contains a comma.
    public var tags: [String]
    /// Whether its runners take jobs without tags, too.
    public var runUntagged: Bool
    /// The runner's own, for containers.
    public var image: String
    /// When the engine asks the registry for that image. Not for scopes.
    public var pull: ImagePull
    /// The whole command line of the runner. Empty means gitlab-runner's: in a container as arguments to the
    /// image's own entrypoint, in a scope the `gitlab-runner` of the host.
    public var command: [String]
    /// What carries out the jobs, as configured; nil for the default. See `executor`.
    public var configuredExecutor: Executor?
    /// How the Docker executor makes a job's containers; says nothing with another executor.
    public var docker: DockerExecutor {
        get { details.docker }
        set { details = details.with(docker: newValue) }
    }
    /// Where jobs keep what their `cache:` names.
    public var cache: JobCache {
        get { details.cache }
        set { details = details.with(cache: newValue) }
    }
    /// Further keys of gitlab-runner's `[[runners]]`, merged last.
    public var runnerSettings: [String: RunnerSetting] {
        get { details.runnerSettings }
        set { details = details.with(runnerSettings: newValue) }
    }
    /// Hours with other values, the first that matches before the others; see `values(at:)`.
    public var schedules: [Schedule] {
        get { details.schedules }
        set { details = details.with(schedules: newValue) }
    }
    /// Where its runners may be placed.
    public var choice: HostChoice {
        get { details.choice }
        set { details = details.with(choice: newValue) }
    }
    /// What its runners are given in a cluster; says nothing on another engine.
    public var kubernetes: KubernetesPool {
        get { details.kubernetes }
        set { details = details.with(kubernetes: newValue) }
    }
    /// One reference in place of many: the planner copies pools, and reads only the schedules.
    private var details: Details

    private final class Details: Sendable, Equatable {
        let docker: DockerExecutor
        let cache: JobCache
        let runnerSettings: [String: RunnerSetting]
        let schedules: [Schedule]
        let choice: HostChoice
        let kubernetes: KubernetesPool

        init(
            docker: DockerExecutor = DockerExecutor(), cache: JobCache = JobCache(), runnerSettings: [String: RunnerSetting] = [:], schedules: [Schedule] = [],
            choice: HostChoice = HostChoice(), kubernetes: KubernetesPool = KubernetesPool()
        ) {
            self.kubernetes = kubernetes
            self.choice = choice
            self.docker = docker
            self.cache = cache
            self.runnerSettings = runnerSettings
            self.schedules = schedules
        }

        func with(
            docker: DockerExecutor? = nil, cache: JobCache? = nil, runnerSettings: [String: RunnerSetting]? = nil, schedules: [Schedule]? = nil,
            choice: HostChoice? = nil, kubernetes: KubernetesPool? = nil
        ) -> Details {
            Details(
                docker: docker ?? self.docker, cache: cache ?? self.cache, runnerSettings: runnerSettings ?? self.runnerSettings,
                schedules: schedules ?? self.schedules, choice: choice ?? self.choice, kubernetes: kubernetes ?? self.kubernetes)
        }

        static func == (a: Details, b: Details) -> Bool {
            a === b
                || (a.docker == b.docker && a.cache == b.cache && a.runnerSettings == b.runnerSettings && a.schedules == b.schedules
                    && a.choice == b.choice && a.kubernetes == b.kubernetes)
        }
    }
    /// The time between two of an idle runner's requests for a job, at least 50 ms.
    public var requestInterval: Duration
    /// The architecture and the GPUs that its runners need.
    public var hardware: HardwareNeeds
    /// Whether the names of its architecture were put among its tags.
    public var architectureTags: Bool
    /// CPUs of a job, and with the shell executor of its runner, which are one then; a fraction is allowed.
    public var cpus: Double
    /// Bytes of a job, and with the shell executor of its runner.
    public var memory: Int64
    /// CPUs of a runner whose jobs have containers of their own.
    public var runnerCPUs: Double
    /// Bytes of a runner whose jobs have containers of their own.
    public var runnerMemory: Int64
    /// The most processes and threads of a runner, from 16 to 1000000.
    public var pids: Int
    /// The share of the disk's time among all that want it, from 1 to 10000 (systemd.resource-control(5)).
    public var ioWeight: Int
    /// The most runners at once, at least 1. Runners whose container is gone don't count, nor do those that ended and can't be removed.
    public var maxRunners: Int
    /// Jobs of one project that runners are started for at once; 0 is any number. A runner that is there for another project's job may be given
    /// one of this project by GitLab.
    public var maxPerProject: Int
    /// Of its jobs, where no rule says otherwise, and of its idle runners: the greater, the earlier. From -1000 to 1000.
    public var priority: Int
    /// Runners without a job that are kept beyond those that pending jobs need, from 0 to `maxRunners`.
    public var warmth: Warm
    /// The same as a number; 0 while it is `Warm.auto`.
    public var warm: Int {
        get { if case .fixed(let count) = warmth { count } else { 0 } }
        set { warmth = .fixed(newValue) }
    }
    /// The most that `Warm.auto` keeps; nil for `maxRunners`.
    public var warmMax: Int?
    /// How long an idle runner beyond `warm` is kept, from its last job or first contact; at least zero.
    public var cooldown: Duration
    /// Jobs before a runner is replaced; 0 means any number.
    public var maxJobs: Int
    /// How long a runner may take from its start to its first contact, at least 1 s; it begins again when GitLab was away meanwhile. An idle
    /// runner that leaves a job of its kind waiting for as long is replaced.
    public var startTimeout: Duration
    /// The name of the signal that asks a runner to quit, such as `SIGQUIT`.
    public var stopSignal: String
    /// How long a runner without a job may take to quit before it is killed, from the decision to stop it; at least zero.
    public var stopTimeout: Duration
    /// The scope of its runners' registrations in GitLab.
    public var register: Registration
    /// Bytes that a runner's container may have written by the end of a job before it is replaced; nil for any number. For containers with the
    /// shell executor.
    public var diskMax: Int64?
    /// The engine's network for its containers; nil for the engine's default. Not for scopes with the shell executor.
    public var network: String?
    /// Environment variables of the jobs, and with the shell executor of the runner's process. Values may be secrets.
    public var env: [String: String]
    /// Bind mounts of the jobs' containers in the engine's notation, such as `/srv/cache:/cache:ro`. Not for scopes with the shell executor.
    public var mounts: [String]
    /// Linux capabilities of the jobs' containers beside the eight that package managers need, such as `NET_RAW`. Not for scopes with the
    /// shell executor.
    public var capabilitiesAdd: [String]
    /// Capabilities that the jobs' containers don't get, even if `capabilitiesAdd` has them.
    public var capabilitiesDrop: [String]

    /// A pool with the defaults of autogit.toml(5).
    public init(name: String) {
        self.name = name
        forge = .default
        host = .local
        driver = .container
        tags = []
        runUntagged = false
        image = "docker.io/gitlab/gitlab-runner:alpine"
        pull = .missing
        command = []
        details = Details()
        requestInterval = .milliseconds(250)
        hardware = HardwareNeeds()
        architectureTags = false
        cpus = 2
        memory = 2 << 30
        runnerCPUs = 1
        runnerMemory = 128 << 20
        pids = 2048
        ioWeight = 100
        maxRunners = 10
        maxPerProject = 0
        priority = 0
        warmth = .fixed(0)
        cooldown = .seconds(300)
        maxJobs = 0
        startTimeout = .seconds(120)
        stopSignal = "SIGQUIT"
        stopTimeout = .seconds(3600)
        register = .instance
        diskMax = 10 << 30
        env = [:]
        mounts = []
        capabilitiesAdd = []
        capabilitiesDrop = []
    }

    /// Its host and driver.
    public var place: Place { Place(host, driver) }
    /// The engine that has its runners' containers, or those of their jobs; nil where there are none.
    public var engine: Place? { place.engine(for: executor) }
    /// Everything that its runners need: its place and its engine.
    public var places: Set<Place> { Set([place, engine].compactMap { $0 }) }
    /// The same pool with a runner placed on that host.
    public func on(_ host: HostID) -> Pool {
        var placed = self
        placed.host = host
        return placed
    }

    /// What carries out the jobs: as configured, else GitLab Runner's Docker executor in containers that run gitlab-runner, and the shell
    /// executor in scopes, with a GPU, which most engines can't give to a job's container, and for a command of the pool's own, of which we
    /// don't know what it can do.
    public var executor: Executor { configuredExecutor ?? (driver == .container && command.isEmpty && hardware.gpu == nil ? .docker : .shell) }

    /// The volume at /cache; nil where the pool keeps no cache in one, has mounted something else there, or has no containers, and where it
    /// would be a project's own and jobs of other projects may come.
    public var cacheVolume: CacheVolume? {
        guard cache.kind == .volume, driver == .container || executor == .docker else { return nil }
        let targets = (mounts + (executor == .docker ? docker.volumes : [])).map { $0.split(separator: ":") }
        if targets.contains(where: { $0.dropFirst().first == "/cache" || $0 == ["/cache"] }) { return nil }
        switch (cache.scope, register) {
        case (.pool, _): return CacheVolume(pool: name)
        case (.project, .project(let project)): return CacheVolume(pool: name, project: project)
        case (.project, _): return nil
        }
    }

    /// The limits of the runner's own container or scope: with the Docker executor the jobs have others.
    public var runnerLimits: (cpus: Double, memory: Int64) {
        executor == .docker ? (runnerCPUs, limitsMemory ? runnerMemory : 0) : (cpus, memory)
    }

    /// False where the kernel can't: then nothing of the pool has a memory limit, and nothing of it is reserved.
    public var limitsMemory: Bool { memory > 0 }

    /// CPUs that a runner with its jobs may use at most, which is what it reserves in the host's budget.
    public var reservedCPUs: Double {
        executor == .shell ? cpus : runnerCPUs + cpus + Double(docker.servicesLimit) * docker.serviceCPUs
    }

    /// Bytes that a runner with its jobs may use at most, which is what it reserves in the host's budget.
    public var reservedMemory: Int64 {
        guard limitsMemory else { return 0 }
        return executor == .shell ? memory : runnerMemory + memory + Int64(docker.servicesLimit) * docker.serviceMemory
    }

    /// Linux capabilities that the jobs' containers have: what a job needs to install packages with apt or apk as the container's
    /// root, and nothing that reaches outside: change owners and modes, keep set-id bits, switch users, and let apt kill its sandboxed
    /// fetchers. The pool's own are added and taken away.
    public var capabilities: [String] {
        let usual = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETFCAP"]
        return (usual + capabilitiesAdd.filter { !usual.contains($0) }).filter { !capabilitiesDrop.contains($0) }
    }

    /// GitLab's own rule: the runner's tags contain all of the job's; an untagged job needs `run_untagged`.
    public func serves(tags wanted: [String]) -> Bool {
        wanted.isEmpty ? runUntagged : wanted.allSatisfy(tags.contains)
    }
}

/// It prints as its name only: `env` can hold passwords, and must not reach a log or an error text by accident.
extension Pool: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "pool \(name)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
