/// What a pool goes by now, with its schedules.
public struct PoolTargets: Sendable, Equatable {
    /// Runners without a job that are kept.
    public var warm: Int
    public var maxRunners: Int
    public var cooldown: Duration
    /// In force now; nil for the pool's own values.
    public var schedule: Schedule?
    /// When another schedule is in force, or none any more, by the loop's clock; nil when nothing changes within a week.
    public var until: Timestamp?
    /// When any of this is to be looked at again; nil for never.
    public var wakeAt: Timestamp?
}

/// The calendar, by which schedules go. The loop's own clock counts from the time of day at its start, and stands still while the machine sleeps.
extension FleetState {
    /// A time of the loop's clock, as the calendar has it.
    public func calendar(_ time: Timestamp) -> Timestamp { time + calendarAhead }

    /// The inverse of `calendar`.
    func loopTime(_ time: Timestamp) -> Timestamp { time + calendarAhead * -1 }

    /// What a pool goes by at a time of the loop's clock.
    public func targets(of pool: Pool, at now: Timestamp) -> PoolTargets {
        let values = pool.values(at: calendar(now))
        let until = values.until.map(loopTime)
        var targets = PoolTargets(
            warm: 0, maxRunners: values.maxRunners, cooldown: values.cooldown, schedule: values.schedule.map { pool.schedules[$0] }, until: until,
            wakeAt: until)
        switch values.warm {
        case .fixed(let count): targets.warm = count
        case .auto:
            guard let forecast = forecasts[pool.name] else { break }
            let local = configuration.zone.local(calendar(now).milliseconds / 1000)
            targets.warm = min(forecast.count(at: local), values.warmMax)
            if let change = forecast.change(after: local, most: values.warmMax) {
                let time = loopTime(Timestamp(milliseconds: configuration.zone.begin(change) * 1000))
                targets.wakeAt = min(targets.wakeAt ?? time, max(time, now + .seconds(1)))
            }
        }
        return targets
    }

    /// Why so many runners of a pool are kept warm now, without a full stop; nil where the number is the configuration's.
    public func warmReason(of pool: Pool, at now: Timestamp) -> String? {
        let values = pool.values(at: calendar(now))
        guard values.warm == .auto else { return nil }
        guard let forecast = forecasts[pool.name] else { return "no job of the pool is known from the last four weeks" }
        let local = configuration.zone.local(calendar(now).milliseconds / 1000)
        let isBounded = forecast.count(at: local) > values.warmMax
        return forecast.reason(at: local) + (isBounded ? "; warm_max is \(values.warmMax)" : "")
    }
}
