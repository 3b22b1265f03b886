import Fleet

/// A machine that runners are placed on, and how AutoGit gets there.
public struct HostSettings: Sendable, Equatable {
    /// What the planner goes by.
    public var host: Host
    /// Where its engine is; `usual` for the host `local` and no other.
    public var engine: EngineAddress
    /// The path of the engine's socket on that host, which runners of the Docker executor are given. nil for the host `local` where it is that of
    /// `[engine]`, for `ssh` where neither key nor URL says it, and for `tcp` where no pool needs it.
    public var runnerSocket: String?
    /// nil for a host that is always on.
    public var power: PowerSettings?

    public init(_ host: Host, engine: EngineAddress, runnerSocket: String? = nil, power: PowerSettings? = nil) {
        self.power = power
        self.host = host
        self.engine = engine
        self.runnerSocket = runnerSocket
    }
}

extension Settings {
    /// What runners on this machine may be promised; without bounds where none are placed on it.
    public var budget: HostBudget { hosts.first { $0.host.id == .local }?.host.budget ?? HostBudget() }
    /// Pools whose runners may be placed on this machine.
    public var poolsHere: [Pool] {
        let all = hosts.map(\.host)
        return pools.filter { $0.choice.candidates(of: all, $0.driver).contains { $0.id == .local } }
    }
    /// Which sections have commands, for which the service's user needs a systemd of its own, as `[[notify]]`.
    public var sectionsWithCommands: [String] {
        let notifies = notify.contains { $0.kind == .command }
        return (notifies ? ["[[notify]]"] : []) + (hosts.contains { $0.power?.hasCommands == true } ? ["[host.power]"] : [])
    }
    /// Whether the file has more to say of its hosts than the section `[host]` can.
    public var hasSeveralHosts: Bool { hosts.count != 1 || hosts.contains { $0.host.id != .local || !$0.host.labels.isEmpty || !$0.host.resources.isEmpty } }
}

extension Settings {
    /// Reserves that nobody can see to.
    var notesOnDisks: [String] {
        hosts.filter { !$0.engine.showsDisk && $0.host.diskReserve ?? 0 > 0 }.map { host in
            "disk_reserve of the host \(host.host.id) has no effect: the disks of an engine at \(host.engine) can't be seen from here, so images stay there and "
                + "runners are started however full they are. Remove it, and look after that disk over there"
        }
    }
}

extension EngineAddress {
    /// Whether AutoGit can measure the file system of the engine's storage: here itself, and over there by ssh.
    public var showsDisk: Bool {
        switch self {
        case .usual, .unix, .ssh: true
        case .tcp, .swarm, .kubernetes: false
        }
    }
}
