/// A machine that runners are placed on, as configured.
public struct Host: Sendable, Equatable {
    /// Its name.
    public var id: HostID
    /// Words by which pools may name it, beside its name.
    public var labels: [String]
    /// The most that its runners together may be promised.
    public var budget: HostBudget
    /// How many it has of things that a runner takes for itself, such as `usb-jtag`.
    public var resources: [String: Int]
    /// Bytes that its engine's storage keeps free; nil for what the configuration says of all hosts.
    public var diskReserve: Int64?
    /// How long it may not answer before its runners don't count any more; nil for ever.
    public var lostAfter: Duration?
    /// How it is woken when jobs need it; nil for one that is always on.
    public var power: HostPower?

    /// Without bounds, never lost, and always on.
    public init(
        _ id: HostID, labels: [String] = [], budget: HostBudget = HostBudget(), resources: [String: Int] = [:], diskReserve: Int64? = nil,
        lostAfter: Duration? = nil, power: HostPower? = nil
    ) {
        self.id = id
        self.labels = labels
        self.budget = budget
        self.resources = resources
        self.diskReserve = diskReserve
        self.lostAfter = lostAfter
        self.power = power
    }

    /// Whether a pool's word for hosts means this one.
    public func isMeant(by word: String) -> Bool { id.name == word || labels.contains(word) }
}

/// What the planner has to know of a machine that may sleep while no runner needs it.
public struct HostPower: Sendable, Equatable {
    /// From the call that wakes it until its engine answers, as a rule.
    public var wakeTime: Duration
    /// How long it is without runners before it is sent to sleep; nil where AutoGit sends it nowhere.
    public var idle: Duration?

    public init(wakeTime: Duration, idle: Duration? = nil) {
        self.wakeTime = wakeTime
        self.idle = idle
    }
}

/// On which hosts a pool's runners may be placed, and which of them come first.
public struct HostChoice: Sendable, Equatable {
    /// How hosts are told apart that are as good.
    public enum Strategy: String, Sendable, CaseIterable {
        /// The one with the most room.
        case spread
        /// The fullest that has room.
        case pack
    }

    /// Names or labels; none for any host.
    public var hosts: [String]
    /// How many of a host's things each runner takes for itself.
    public var needs: [String: Int]
    /// Among hosts that are preferred alike.
    public var strategy: Strategy
    /// Names or labels of hosts that come first, in their order. All others come after them.
    public var prefer: [String]
    /// How long a job waits for room on preferred hosts before the next ones may be used.
    public var overflowAfter: Duration

    /// Any host, the one with the most room first.
    public init(
        hosts: [String] = [], needs: [String: Int] = [:], strategy: Strategy = .spread, prefer: [String] = [], overflowAfter: Duration = .seconds(30)
    ) {
        self.hosts = hosts
        self.needs = needs
        self.strategy = strategy
        self.prefer = prefer
        self.overflowAfter = overflowAfter
    }

    /// The hosts that it allows, in the order of the configuration. What a host is made of does not count here.
    /// - Parameter driver: scopes are made by the systemd of the daemon's own machine only.
    public func candidates(of all: [Host], _ driver: DriverKind) -> [Host] {
        all.filter { host in (driver == .container || host.id == .local) && (hosts.isEmpty || hosts.contains(where: host.isMeant)) }
    }

    /// The place of a host in the order of `prefer`: 0 is the best.
    func rank(of host: Host) -> Int { prefer.firstIndex(where: host.isMeant) ?? prefer.count }
}
