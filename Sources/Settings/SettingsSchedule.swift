import Fleet
import JSONSchema
import TOMLKit

/// A schedule while it is read.
struct ScheduleDraft: Sendable {
    var days = ["mon-sun"]
    var from = 0
    var to = 1440
    var timeZone: String?
    var warm: Warm?
    var warmMax: Int?
    var maxRunners: Int?
    var cooldown: Duration?
}

extension SettingsSchema {
    /// The array of tables within `[[pool]]`.
    static let scheduleSection = "schedule"

    /// The keys of `[[pool.schedule]]`.
    static let schedule: [SettingKey<ScheduleDraft>] = [
        .strings("days", \.days, example: ["mon-fri"], of: .string().matching(dayPattern), "days on which it begins; absent: every day") {
            days($0) == nil ? "\"\($0)\" is not a day: use mon, tue, wed, thu, fri, sat, sun, a range such as mon-fri, weekdays or weekend" : nil
        },
        .parsed(
            "from", \.from, .string().matching(clockPattern), "when it begins", hint: "expected HH:MM, for example 08:00", parse: { minutes($0, atMost: 1439) },
            print: Schedule.clock),
        .parsed(
            "to", \.to, .string().matching(clockPattern), "when it ends, on the next day if not later", hint: "expected HH:MM, for example 18:00",
            parse: { minutes($0, atMost: 1440) },
            print: Schedule.clock),
        .string("time_zone", \.timeZone, example: .string("Europe/Berlin"), "absent: the machine's"),
        .warm("warm", \.warm, example: .count(2), "the pool's values meanwhile; absent: as they are"),
        .count("warm_max", \.warmMax, in: 1...1_000_000, example: 4, "the most with warm = \"auto\""),
        .count("max_runners", \.maxRunners, in: 0...1_000_000, example: 10, "the most runners at once; those that run stay"),
        .optionalDuration("cooldown", \.cooldown, example: .seconds(1800), "how long an idle runner stays"),
    ]

    private static let dayPattern = "^(weekdays|weekend|\(dayNames)(-\(dayNames))?)$"
    private static let dayNames = "(\(Schedule.Days.names.joined(separator: "|")))"
    private static let clockPattern = "^[0-2][0-9]:[0-5][0-9]$"

    /// nil for what is no day and no days.
    static func days(_ text: String) -> Schedule.Days? {
        let names = Schedule.Days.names
        switch text {
        case "weekdays": return .weekdays
        case "weekend": return .weekend
        default: break
        }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { names.firstIndex(of: String($0)) }
        guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2 else { return nil }
        // Also over the end of a week, as sat-mon.
        return (0...(last - first + 7) % 7).reduce(into: Schedule.Days()) { $0.insert(.init(weekday: (first + $1) % 7)) }
    }

    /// Minutes after midnight.
    static func minutes(_ text: String, atMost most: Int) -> Int? {
        guard let match = text.wholeMatch(of: /([0-2][0-9]):([0-5][0-9])/), let hours = Int(match.1), let minutes = Int(match.2) else { return nil }
        let time = hours * 60 + minutes
        return time <= most ? time : nil
    }
}

extension Schema {
    /// See `SettingsReader.warm`.
    fileprivate static let warm = Schema.any(of: [.integer().from(0, to: 1_000_000), .word(of: ["auto"])])
}

extension SettingKey {
    /// A number, or `"auto"`.
    static func warm(_ name: String, _ place: Place<Target, Warm>, _ summary: String) -> Self {
        Self(
            name, summary, .warm,
            read: { reader, section, target in if let value = reader.warm(section, name) { target[keyPath: place] = value } },
            show: { $0[keyPath: place].setting })
    }

    static func warm(_ name: String, _ place: Place<Target, Warm?>, example: SettingValue, _ summary: String) -> Self {
        Self(
            name, summary, .warm, example: example,
            read: { reader, section, target in if let value = reader.warm(section, name) { target[keyPath: place] = value } },
            show: { $0[keyPath: place]?.setting ?? .none })
    }

    static func optionalDuration(_ name: String, _ place: Place<Target, Duration?>, example: Duration, _ summary: String) -> Self {
        Self(
            name, summary, .string().adding("pattern", .string(Units.durationPattern)), example: .duration(example),
            read: { reader, section, target in if let value = reader.duration(section, name) { target[keyPath: place] = value } },
            show: { $0[keyPath: place].map(SettingValue.duration) ?? .none })
    }
}

extension Warm {
    fileprivate var setting: SettingValue {
        switch self {
        case .fixed(let count): .count(count)
        case .auto: .string("auto")
        }
    }
}

extension SettingsReader {
    fileprivate mutating func warm(_ section: Section, _ key: String) -> Warm? {
        if let text = section.table?[key]?.string {
            if text == "auto" { return .auto }
            fail(section, key, "\"\(text)\" is not valid; expected an integer, or \"auto\"")
            return nil
        }
        return count(section, key, in: 0...1_000_000).map(Warm.fixed)
    }

    /// The schedules of a pool whose own values were read.
    mutating func schedules(_ section: Section, of pool: Pool) -> [Schedule] {
        let name = SettingsSchema.scheduleSection
        guard let value = section.table?[name] else { return [] }
        guard let array = value.array, array.count <= 50 else {
            fail(section, name, "expected at most 50 sections [[pool.\(name)]], with two brackets")
            return []
        }
        var schedules: [Schedule] = []
        var taken: [String: Set<Int>] = [:]
        for (index, entry) in array.enumerated() {
            let place = Section(name: "pool.\(name)", index: section.index, element: index, table: entry.table)
            guard entry.table != nil else {
                fail(place, nil, "expected sections [[pool.\(name)]]")
                continue
            }
            var draft = ScheduleDraft()
            let before = errors.count
            read(SettingsSchema.schedule, place, into: &draft)
            guard errors.count == before, let schedule = schedule(draft, place, of: pool) else { continue }
            // Those of another time zone are not compared.
            let minutes = schedule.minutesOfTheWeek
            if !minutes.isEmpty, minutes.isSubset(of: taken[schedule.zone.name] ?? []) {
                fail(place, nil, "is never in force: the first schedule that matches counts, and those before it have all of its hours; put it before them")
            }
            taken[schedule.zone.name, default: []].formUnion(minutes)
            schedules.append(schedule)
        }
        return schedules
    }

    private mutating func schedule(_ draft: ScheduleDraft, _ place: Section, of pool: Pool) -> Schedule? {
        var schedule = Schedule(zone: environment.zones.machine())
        if let name = draft.timeZone {
            guard let zone = environment.zones.rules(named: name) else {
                fail(
                    place, "time_zone",
                    "\"\(name)\" is not a time zone of this machine, such as Europe/Berlin; timedatectl list-timezones has them, from tzdata")
                return nil
            }
            schedule.zone = zone
        }
        schedule.days = draft.days.compactMap(SettingsSchema.days).reduce(into: []) { $0.formUnion($1) }
        (schedule.from, schedule.to) = (draft.from, draft.to)
        (schedule.warm, schedule.warmMax, schedule.maxRunners, schedule.cooldown) = (draft.warm, draft.warmMax, draft.maxRunners, draft.cooldown)
        if schedule.days.isEmpty { fail(place, "days", "must not be empty, for example [\"mon-fri\"]") }
        if draft.warm == nil, draft.warmMax == nil, draft.maxRunners == nil, draft.cooldown == nil {
            fail(place, nil, "changes nothing: give it warm, warm_max, max_runners or cooldown")
        }
        let most = draft.maxRunners ?? pool.maxRunners
        if case .fixed(let count) = draft.warm, count > most { fail(place, "warm", "must not exceed max_runners (\(most))") }
        if let warmMax = draft.warmMax, draft.warm ?? pool.warmth != .auto || warmMax > most {
            fail(place, "warm_max", warmMax > most ? "must not exceed max_runners (\(most))" : "has no effect without warm = \"auto\"")
        }
        return schedule
    }

    mutating func checkWarmMax(_ pool: Pool, _ section: Section) {
        guard let most = pool.warmMax else { return }
        if !pool.learns { fail(section, "warm_max", "has no effect without warm = \"auto\"") }
        if most > pool.maxRunners { fail(section, "warm_max", "must not exceed max_runners (\(pool.maxRunners))") }
    }
}

extension Schedule {
    fileprivate var minutesOfTheWeek: Set<Int> {
        (0..<7).filter { days.contains(.init(weekday: $0)) }.reduce(into: []) { minutes, day in
            for minute in from..<from + length { minutes.insert((day * 1440 + minute) % 10_080) }
        }
    }
}
