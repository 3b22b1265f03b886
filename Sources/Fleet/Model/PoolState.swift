/// The most that all runners together may be promised.
public struct HostBudget: Sendable, Equatable {
    /// Bytes; nil for no bound.
    public var memory: Int64?
    /// CPUs, with a fraction; nil for no bound.
    public var cpus: Double?
    public init(memory: Int64? = nil, cpus: Double? = nil) {
        self.memory = memory
        self.cpus = cpus
    }
}

/// A pool as configured, and its pause and failed starts, which stay with its name when the configuration is read again.
public struct PoolState: Sendable, Equatable {
    /// The pool as configured now.
    public var pool: Pool
    /// An operator paused it: it starts runners by order only.
    public var paused: Bool
    /// Where its runners may be placed, in the order of the configuration.
    public internal(set) var hosts: [HostID]
    /// Failed starts in a row, by host.
    private var starts: [HostID: Starts] = [:]
    /// The error of the last failed start, kept after later starts have worked; nil before any has failed.
    public private(set) var lastError: String?

    private struct Starts: Sendable, Equatable {
        var backoff = Backoff()
        var error: String?
    }

    /// A pool without failed starts, on the pool's own host.
    public init(_ pool: Pool, paused: Bool = false) {
        self.pool = pool
        self.paused = paused
        hosts = [pool.host]
    }

    /// Failed starts in a row on the host where they are most; those that were under way together count as one.
    public var failures: Int { starts.values.map(\.backoff.failures).max() ?? 0 }
    /// When a runner is started again after failed starts, other than by order, on the host where that is first; it may have passed. nil without
    /// failures in a row.
    public var retryAt: Timestamp? { starts.values.compactMap(\.backoff.until).min() }
    /// Failed starts in a row on a host.
    public func failures(on host: HostID) -> Int { starts[host]?.backoff.failures ?? 0 }
    /// When a runner is started there again; nil without failures in a row.
    func retryAt(on host: HostID) -> Timestamp? { starts[host]?.backoff.until }
    /// The last of these failures.
    func error(on host: HostID) -> String? { starts[host]?.error }

    /// Counts a failed start that is held against the pool itself. See `Backoff.failed` for the other parameters.
    public mutating func failed(_ error: String, on host: HostID = .local, at now: Timestamp, jitter: Double, atLeast: Duration = .zero) {
        lastError = error
        starts[host, default: Starts()].error = error
        starts[host]?.backoff.failed(.launch, at: now, jitter: jitter, atLeast: atLeast)
    }

    /// Failed starts in a row on one host that put a pool in quarantine there: its last error is reported, and one runner at a time is tried until
    /// one works.
    public static let quarantineAfter = 5
    /// Whether that many starts in a row have failed on some host.
    public var isQuarantined: Bool { failures >= Self.quarantineAfter }
    /// The same for one host.
    public func isQuarantined(on host: HostID) -> Bool { failures(on: host) >= Self.quarantineAfter }

    /// A runner made contact: the failures there are forgotten, the last error is kept.
    public mutating func succeeded(on host: HostID = .local) { starts[host] = nil }

    /// Where its runners run, and what engines they need.
    public var places: [Place] { hosts.flatMap { pool.on($0).places } }
    /// The engines among them.
    public var engines: [Place] { hosts.compactMap { pool.on($0).engine } }
}
