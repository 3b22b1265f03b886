/// What things cost, for reports; nothing is decided by it.
public struct Cost: Sendable, Equatable {
    /// Written behind amounts, such as `EUR`.
    public var currency = "EUR"
    /// For an hour of CPU time; nil is nothing.
    public var perCPUHour: Double?
    /// For an hour that a runner is there.
    public var perRunnerHour: Double?
    /// For a kilowatt-hour.
    public var perKWh: Double?
    /// What a runner adds to the machine's power while it has no job, and while it has one.
    public var wattsIdle: Double?
    public var wattsBusy: Double?
    public init() {}

    /// Whether there is any price.
    public var hasPrices: Bool { perCPUHour != nil || perRunnerHour != nil || (perKWh != nil && hasPower) }
    /// Whether energy can be told.
    public var hasPower: Bool { wattsIdle != nil || wattsBusy != nil }

    /// Kilowatt-hours of runners that were there for so many hours, of which some without a job.
    public func energy(runnerHours: Double, idleHours: Double) -> Double {
        (max(0, runnerHours - idleHours) * (wattsBusy ?? wattsIdle ?? 0) + idleHours * (wattsIdle ?? 0)) / 1000
    }

    /// The sum of all prices.
    public func amount(cpuHours: Double, runnerHours: Double, energy: Double) -> Double {
        cpuHours * (perCPUHour ?? 0) + runnerHours * (perRunnerHour ?? 0) + energy * (perKWh ?? 0)
    }
}
