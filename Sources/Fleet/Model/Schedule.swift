/// How many runners a pool keeps warm.
public enum Warm: Sendable, Hashable {
    case fixed(Int)
    /// As many as the last weeks' jobs make probable: see `Forecast`.
    case auto
}

/// Hours of some days of the week in which a pool has other values than at other times (`[[pool.schedule]]`).
public struct Schedule: Sendable, Equatable {
    /// Days of the week.
    public struct Days: OptionSet, Sendable, Hashable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// - Parameter weekday: 0 is Monday.
        public init(weekday: Int) { rawValue = 1 << UInt8(weekday) }
        public static let weekdays = Days(rawValue: 0b001_1111)
        public static let weekend = Days(rawValue: 0b110_0000)
        public static let all = Days(rawValue: 0b111_1111)
        /// As in the configuration, Monday first.
        public static let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    }

    /// The days on which its hours begin.
    public var days = Days.all
    /// Minutes after midnight, from 0 to 1439, when they begin.
    public var from = 0
    /// Minutes after midnight, from 0 to 1440, when they end: on the next day, where that is not after `from`.
    public var to = 1440
    /// Whose midnight that is.
    public var zone: TimeZoneRules
    /// In place of the pool's own; nil leaves it.
    public var warm: Warm?
    /// In place of the pool's own; nil leaves it.
    public var warmMax: Int?
    /// In place of the pool's own, at least 0; nil leaves it.
    public var maxRunners: Int?
    /// In place of the pool's own; nil leaves it.
    public var cooldown: Duration?

    /// Always, and without any values.
    public init(zone: TimeZoneRules) { self.zone = zone }

    /// Minutes; a day for hours that end when they begin.
    public var length: Int { to > from ? to - from : to + 1440 - from }

    /// The hours that a time is in; nil when it is in none. Where clocks are set they begin when clocks first show `from`, or skip it, and end when
    /// they last show `to`: so they are always in one piece.
    func hours(at time: Timestamp) -> Range<Timestamp>? {
        let today = day(at: time)
        for day in today - 1...today + 1 where days.contains(Days(weekday: Int((day + 3).modulo(7)))) {
            let hours = hours(of: day)
            if hours.contains(time) { return hours }
        }
        return nil
    }

    /// When its hours begin next; nil without a day.
    func begin(after time: Timestamp) -> Timestamp? {
        let today = day(at: time)
        for day in today - 1...today + 8 where days.contains(Days(weekday: Int((day + 3).modulo(7)))) {
            let begin = hours(of: day).lowerBound
            if begin > time { return begin }
        }
        return nil
    }

    /// Days since 1970-01-01, a Thursday, of its zone's calendar.
    private func day(at time: Timestamp) -> Int64 {
        let local = zone.local(time.milliseconds / 1000)
        return (local - local.modulo(86_400)) / 86_400
    }

    private func hours(of day: Int64) -> Range<Timestamp> {
        let begin = zone.begin(day * 86_400 + Int64(from) * 60)
        let end = zone.end(day * 86_400 + Int64(from + length) * 60)
        return Timestamp(milliseconds: begin * 1000)..<Timestamp(milliseconds: max(begin, end) * 1000)
    }
}

/// As people write it, such as `mon-fri 08:00-18:00 Europe/Berlin`.
extension Schedule: CustomStringConvertible {
    public var description: String { "\(days) \(Self.clock(from))-\(Self.clock(to)) \(zone.name)" }

    /// Minutes after midnight as `HH:MM`.
    public static func clock(_ minutes: Int) -> String {
        let (hours, minutes) = (minutes / 60, minutes % 60)
        return "\(hours < 10 ? "0" : "")\(hours):\(minutes < 10 ? "0" : "")\(minutes)"
    }
}

extension Schedule.Days: CustomStringConvertible {
    /// Days in a row with a hyphen, such as `mon-fri` or `mon,wed`.
    public var description: String {
        var parts: [String] = []
        var day = 0
        while day < 7 {
            guard contains(.init(weekday: day)) else {
                day += 1
                continue
            }
            var last = day
            while last < 6, contains(.init(weekday: last + 1)) { last += 1 }
            parts.append(last == day ? Self.names[day] : "\(Self.names[day])\(last == day + 1 ? "," : "-")\(Self.names[last])")
            day = last + 1
        }
        return parts.joined(separator: ",")
    }
}

/// What a pool goes by at a time: its own values, or those of the first schedule whose hours it is.
public struct PoolValues: Sendable, Equatable {
    public var warm: Warm
    /// The most that `Warm.auto` keeps.
    public var warmMax: Int
    public var maxRunners: Int
    public var cooldown: Duration
    /// By its place among the pool's schedules; nil while none is in force.
    public var schedule: Int?
    /// When another schedule is in force, or none any more; nil when nothing changes within a week.
    public var until: Timestamp?
}

extension Pool {
    /// What is in force at a time of the calendar. O(s) for s schedules.
    public func values(at time: Timestamp) -> PoolValues {
        guard !schedules.isEmpty else {
            return PoolValues(warm: warmth, warmMax: min(warmMax ?? maxRunners, maxRunners), maxRunners: maxRunners, cooldown: cooldown)
        }
        let index = schedules.firstIndex { $0.hours(at: time) != nil }
        let schedule = index.map { schedules[$0] }
        let most = schedule?.maxRunners ?? maxRunners
        var warm = schedule?.warm ?? warmth
        // The pool's own may be more than a schedule allows.
        if case .fixed(let count) = warm { warm = .fixed(min(count, most)) }
        return PoolValues(
            warm: warm, warmMax: min(schedule?.warmMax ?? warmMax ?? most, most), maxRunners: most, cooldown: schedule?.cooldown ?? cooldown,
            schedule: index, until: change(after: time, from: index))
    }

    /// When another schedule than `index` is in force first.
    private func change(after time: Timestamp, from index: Int?) -> Timestamp? {
        let horizon = time + .seconds(8 * 86_400)
        var at = time
        while at <= horizon {
            // Only one that comes before it can take its place while its hours last.
            let begins = schedules.prefix(index ?? schedules.count).compactMap { $0.begin(after: at) }
            let end = index.flatMap { schedules[$0].hours(at: at)?.upperBound }
            guard let next = (begins + [end].compactMap { $0 }).min() else { return nil }
            if schedules.firstIndex(where: { $0.hours(at: next) != nil }) != index { return next }
            at = next
        }
        return nil
    }

    /// Whether it keeps runners warm by what came before, at some time at least.
    public var learns: Bool { warmth == .auto || schedules.contains { $0.warm == .auto } }
}
