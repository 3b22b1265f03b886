import Testing

@testable import Fleet

@Suite struct ScheduleTests {
    static func schedule(
        _ days: Schedule.Days, _ from: Int, _ to: Int, _ zone: TimeZoneRules = .utc, warm: Int? = nil, max: Int? = nil, cooldown: Duration? = nil
    ) -> Schedule {
        var schedule = Schedule(zone: zone)
        (schedule.days, schedule.from, schedule.to) = (days, from, to)
        (schedule.warm, schedule.maxRunners, schedule.cooldown) = (warm.map(Warm.fixed), max, cooldown)
        return schedule
    }

    private func pool(_ schedules: Schedule...) -> Pool {
        var pool = Scene.pool()
        pool.schedules = schedules
        return pool
    }

    private static let hour = 60

    /// Working hours in Berlin, nights in New York over midnight, hours that clocks skip, and hours that are there twice.
    @Test(
        arguments: [
            // Monday to Friday, 8 to 18 o'clock: summer, winter, and days without.
            ("work", "2026-07-15T05:59Z", nil, "2026-07-15T06:00Z"), ("work", "2026-07-15T06:00Z", 0, "2026-07-15T16:00Z"),
            ("work", "2026-07-15T15:59Z", 0, "2026-07-15T16:00Z"), ("work", "2026-07-15T16:00Z", nil, "2026-07-16T06:00Z"),
            ("work", "2026-01-15T07:00Z", 0, "2026-01-15T17:00Z"), ("work", "2026-07-17T16:00Z", nil, "2026-07-20T06:00Z"),
            // The Monday after clocks were set: an hour earlier, and later.
            ("work", "2026-03-27T17:00Z", nil, "2026-03-30T06:00Z"), ("work", "2026-10-23T16:00Z", nil, "2026-10-26T07:00Z"),
            // Monday to Friday from 22 to 6 o'clock, so Saturday morning, and not Monday morning.
            ("night", "2026-07-18T01:00Z", nil, "2026-07-18T02:00Z"), ("night", "2026-07-18T02:00Z", 0, "2026-07-18T10:00Z"),
            ("night", "2026-07-18T09:59Z", 0, "2026-07-18T10:00Z"), ("night", "2026-07-18T10:00Z", nil, "2026-07-21T02:00Z"),
            ("night", "2026-07-20T09:00Z", nil, "2026-07-21T02:00Z"),
            // Clocks are set in the night to Sunday; those of Saturday are seven hours long, and nine.
            ("every night", "2026-03-08T02:59Z", nil, "2026-03-08T03:00Z"), ("every night", "2026-03-08T03:00Z", 0, "2026-03-08T10:00Z"),
            ("every night", "2026-11-01T02:00Z", 0, "2026-11-01T11:00Z"), ("every night", "2026-11-01T11:00Z", nil, "2026-11-02T03:00Z"),
            // From 2:30 to 4 in Berlin: 2:30 is left out in March, and is there twice in October.
            ("gap", "2026-03-29T00:59Z", nil, "2026-03-29T01:00Z"), ("gap", "2026-03-29T01:00Z", 0, "2026-03-29T02:00Z"),
            ("gap", "2026-03-28T01:30Z", 0, "2026-03-28T03:00Z"), ("gap", "2026-10-25T00:30Z", 0, "2026-10-25T03:00Z"),
            ("gap", "2026-10-25T01:15Z", 0, "2026-10-25T03:00Z"), ("gap", "2026-10-25T00:29Z", nil, "2026-10-25T00:30Z"),
            // From 2:15 to 2:45 in Berlin: nothing is left of it in March.
            ("short", "2026-03-28T01:45Z", nil, "2026-03-30T00:15Z"), ("short", "2026-10-25T00:15Z", 0, "2026-10-25T01:45Z"),
            // The same in New York: 2 to 3 is left out, 1 to 2 is there twice.
            ("gap there", "2026-03-08T06:59Z", nil, "2026-03-08T07:00Z"), ("gap there", "2026-03-08T07:00Z", 0, "2026-03-08T08:00Z"),
            ("twice there", "2026-11-01T05:30Z", 0, "2026-11-01T06:45Z"), ("twice there", "2026-11-01T06:45Z", nil, "2026-11-02T06:30Z"),
            // A zone without summer time, and an offset of half an hour.
            ("India", "2026-03-29T02:29Z", nil, "2026-03-29T02:30Z"), ("India", "2026-10-25T12:29Z", 0, "2026-10-25T12:30Z"),
            // For ever, and a day from noon to noon.
            ("always", "2026-07-15T12:00Z", 0, nil), ("noon", "2026-07-15T10:00Z", 0, "2026-07-16T10:00Z"),
            ("noon", "2026-07-16T10:00Z", nil, "2026-07-22T10:00Z"),
            // The first that matches wins: the holiday of the first within the hours of the second, then the third.
            ("three", "2026-07-15T09:59Z", 1, "2026-07-15T10:00Z"), ("three", "2026-07-15T10:00Z", 0, "2026-07-15T11:00Z"),
            ("three", "2026-07-15T11:00Z", 1, "2026-07-15T16:00Z"), ("three", "2026-07-15T16:00Z", 2, "2026-07-16T08:00Z"),
        ] as [(String, String, Int?, String?)])
    func whatIsInForceAndUntilWhen(name: String, time: String, index: Int?, until: String?) {
        let (hour, berlin, newYork) = (Self.hour, Zones.berlin, Zones.newYork)
        let pool =
            switch name {
            case "work": pool(Self.schedule(.weekdays, 8 * hour, 18 * hour, berlin))
            case "night": pool(Self.schedule(.weekdays, 22 * hour, 6 * hour, newYork))
            case "every night": pool(Self.schedule(.all, 22 * hour, 6 * hour, newYork))
            case "gap": pool(Self.schedule(.all, 2 * hour + 30, 4 * hour, berlin))
            case "short": pool(Self.schedule(.all, 2 * hour + 15, 2 * hour + 45, berlin))
            case "gap there": pool(Self.schedule(.all, 2 * hour + 30, 4 * hour, newYork))
            case "twice there": pool(Self.schedule(.all, hour + 30, hour + 45, newYork))
            case "India": pool(Self.schedule(.all, 8 * hour, 18 * hour, Zones.kolkata))
            case "always": pool(Self.schedule(.all, 0, 1440, berlin))
            case "noon": pool(Self.schedule(Schedule.Days(weekday: 2), 12 * hour, 12 * hour, berlin))
            default:
                pool(
                    Self.schedule(.all, 10 * hour, 11 * hour), Self.schedule(.all, 8 * hour, 16 * hour), Self.schedule(.all, 0, 1440))
            }
        // At that hour of UTC, where the others are in their zones.
        let values = pool.values(at: Zones.time(time))
        #expect(values.schedule == index)
        #expect(values.until == until.map(Zones.time), "\(values.until?.iso8601 ?? "never")")
    }

    /// Whatever the hours and the zone, what is in force changes when it is said to, and not before.
    @Test(arguments: 0..<20)
    func nothingChangesBeforeItIsSaidTo(seed: Int) {
        var random = SplitMix(seed: UInt64(seed))
        let zones = [Zones.berlin, Zones.newYork, Zones.kolkata, Zones.sydney, .utc]
        let schedules = (0..<random.below(3) + 1).map { _ in
            Self.schedule(Schedule.Days(rawValue: UInt8(random.below(127) + 1)), random.below(1440), random.below(1441), zones[random.below(zones.count)])
        }
        var pool = Scene.pool()
        pool.schedules = schedules
        var time = Zones.time(["2026-03-05T00:00Z", "2026-03-27T00:00Z", "2026-10-22T00:00Z", "2026-10-30T00:00Z"][random.below(4)])
        for _ in 0..<20 {
            let values = pool.values(at: time)
            guard let until = values.until else { return }
            #expect(until > time && pool.values(at: until).schedule != values.schedule)
            var between = time
            while between < until {
                #expect(pool.values(at: between).schedule == values.schedule, "\(schedules) \(between.iso8601)")
                between = between + .seconds(13 * 60)
            }
            #expect(pool.values(at: until + .milliseconds(-1)).schedule == values.schedule)
            time = until
        }
    }

    @Test func aScheduleIsWrittenAsItIsRead() {
        #expect("\(Self.schedule(.weekdays, 480, 1080, Zones.berlin))" == "mon-fri 08:00-18:00 Europe/Berlin")
        #expect("\(Self.schedule([.init(weekday: 0), .init(weekday: 2), .weekend], 1320, 1440))" == "mon,wed,sat,sun 22:00-24:00 UTC")
    }

    @Test func aScheduleCanTakeFromThePoolsOwnValues() {
        var pool = pool(Self.schedule(.all, 0, 1440, max: 1))
        pool.warm = 3
        let values = pool.values(at: Scene.start)
        #expect(values.warm == .fixed(1) && values.maxRunners == 1 && values.cooldown == pool.cooldown)
    }

    // MARK: The planner

    /// The scene begins on a Monday at 16:00 UTC.
    @Test func workingHoursAreWarmAndNightsAreNot() {
        var scene = Scene([pool(Self.schedule(.weekdays, 16 * 60 + 30, 18 * 60, warm: 2, cooldown: .seconds(60)))])
        #expect(scene.plan().launches.isEmpty && scene.plan().wakeAt == scene.now + .seconds(1800))
        scene.pass(.seconds(1800))
        #expect(scene.plan().launches == ["p:-", "p:-"] && scene.plan().wakeAt == Zones.time("2025-11-24T18:00Z"))
        scene.add("one", gitlab: 1)
        scene.add("two", gitlab: 2)
        scene.pass(.seconds(5399))
        #expect(scene.plan().actions.isEmpty)
        // Idle for longer than the pool's own cooldown, which holds from now on.
        scene.pass(.seconds(1))
        #expect(scene.plan().actions.count == 2 && scene.plan().contains { $0 == .leave("one", reason: "idle for 5m", failed: false) })
        #expect(scene.state.targets(of: scene.state.pools[0].pool, at: scene.now).until == Zones.time("2025-11-25T16:30Z"))
    }

    @Test func fewerRunnersMeansThatNoneIsStartedAndNoneIsTaken() {
        var scene = Scene([pool(Self.schedule(.all, 17 * 60, 18 * 60, max: 1))])
        scene.add("one", gitlab: 1, job: 1)
        scene.add("two", gitlab: 2, job: 2)
        scene.queue(3)
        #expect(scene.plan().launches == ["p:3"])
        scene.pass(.seconds(3600))
        #expect(scene.plan().launches.isEmpty && scene.plan().reason(3) == .atMaximum(pool: "p", max: 1))
        #expect(!scene.plan().contains { if case .leave = $0 { true } else { false } })
        #expect(scene.plan().wakeAt == Zones.time("2025-11-24T18:00Z"))
    }

    /// The loop's clock stood still while the machine slept, or was wrong at the start; schedules go by the calendar.
    @Test func schedulesGoByTheCalendar() {
        var scene = Scene([pool(Self.schedule(.all, 20 * 60, 21 * 60, warm: 1))])
        #expect(scene.plan().wakeAt == scene.now + .seconds(4 * 3600))
        scene.take(.calendar(ahead: .seconds(3 * 3600)))
        #expect(scene.plan().launches.isEmpty && scene.plan().wakeAt == scene.now + .seconds(3600))
        scene.take(.calendar(ahead: .seconds(4 * 3600)))
        #expect(scene.plan().launches == ["p:-"] && scene.plan().wakeAt == scene.now + .seconds(3600))
    }
}
