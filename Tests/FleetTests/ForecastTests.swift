import Testing

@testable import Fleet

/// The scene begins on Monday, the 24th of November 2025, at 16:00 UTC.
@Suite struct ForecastTests {
    private let now = Scene.start
    private static let week = Duration.seconds(7 * 86_400)

    private func local(_ time: Timestamp) -> Int64 { time.milliseconds / 1000 }

    /// Jobs that come in the same second at a time of this week, as many in each of the last weeks, the last one first.
    private func history(_ weeks: [Int], at time: Timestamp, known: Int) -> DemandHistory {
        var arrivals: [Timestamp] = []
        for (index, count) in weeks.enumerated() { arrivals += Array(repeating: time + Self.week * -(index + 1), count: count) }
        // One at a time of its own, by which more weeks are known.
        if known > 1 { arrivals.append(now + .seconds((Int64(known) * 7 - 1) * -86_400)) }
        return DemandHistory(arrivals)
    }

    @Test func jobsThatComeWithinAMinuteComeAtOnce() {
        let begin = Timestamp(milliseconds: 1_764_000_000_000)
        let history = DemandHistory([119, 0, 10, 59, 60, 310, 290].map { begin + .seconds($0) })
        #expect(history.slots.map(\.most) == [3, 1] && history.slots.map(\.at) == [begin, begin + .seconds(310)] && history.since == begin)
        #expect(DemandHistory([]).since == nil)
    }

    @Test(arguments: [
        ([], 1, 0), ([3], 1, 3), ([2, 2, 2, 2], 4, 2), ([4, 4, 1, 1], 4, 4), ([3, 2, 0, 0], 4, 2), ([0, 0, 4, 4], 4, 4),
        // Once in four weeks is no rule, be it last week; in two it is.
        ([5, 0, 0, 0], 4, 0), ([0, 0, 0, 5], 4, 0), ([0, 5, 0, 5], 4, 5), ([5, 0], 2, 5), ([0, 5], 2, 5), ([1, 9, 1, 1], 4, 1),
    ])
    func asManyAreKeptAsCameInEnoughWeeks(weeks: [Int], known: Int, count: Int) {
        let time = now + .seconds(3600)
        let forecast = Forecast(history(weeks, at: time, known: known), at: now, zone: .utc)
        #expect(forecast.count(at: local(time)) == count, "\(forecast.reason(at: local(time)))")
    }

    @Test func theyAreThereBeforeTheirJobsAndForAWhileAfter() {
        let time = now + .seconds(3600)
        let forecast = Forecast(history([2, 2], at: time, known: 2), at: now, zone: .utc)
        for (seconds, count) in [(-601, 0), (-600, 2), (0, 2), (1199, 2), (1200, 0)] as [(Int64, Int)] {
            #expect(forecast.count(at: local(time) + seconds) == count, "\(seconds)")
        }
        #expect(forecast.change(after: local(now), most: 9) == local(time) - 600)
        #expect(forecast.change(after: local(time), most: 1) == local(time) + 1200)
        #expect(forecast.change(after: local(now), most: 0) == nil)
        #expect(Forecast(DemandHistory([]), at: now, zone: .utc).change(after: local(now), most: 9) == nil)
    }

    /// Over the end of a week, which begins on Monday at midnight.
    @Test func aWeekHasNoEnd() {
        let midnight = Zones.time("2025-12-01T00:00Z")
        let forecast = Forecast(history([1, 1], at: midnight, known: 2), at: now, zone: .utc)
        #expect(forecast.count(at: local(midnight) - 600) == 1 && forecast.count(at: local(midnight) - 601) == 0)
    }

    /// Jobs that came at eight in summer come at eight in winter.
    @Test func summerTimeMovesNoWorkingHours() {
        let before = ["2026-10-05T06:00Z", "2026-10-12T06:00Z", "2026-10-19T06:00Z"].map(Zones.time)
        let forecast = Forecast(DemandHistory(before), at: Zones.time("2026-10-25T12:00Z"), zone: Zones.berlin)
        func count(_ time: String) -> Int { forecast.count(at: Zones.berlin.local(Zones.time(time).milliseconds / 1000)) }
        #expect(count("2026-10-26T07:00Z") == 1 && count("2026-10-26T06:00Z") == 0)
    }

    @Test func aNumberHasAReason() {
        let time = now + .seconds(3600)
        func reason(_ weeks: [Int], _ known: Int) -> String { Forecast(history(weeks, at: time, known: known), at: now, zone: .utc).reason(at: local(time)) }
        #expect(reason([3, 3, 2, 0], 4) == "3 jobs came at once around this time of Mondays, in 2 of the last 4 weeks")
        #expect(reason([1, 0, 0, 0], 4) == "a job came around this time of Mondays, in 1 of the last 4 weeks, which is too few")
        #expect(reason([0, 0, 0], 3) == "no job came around this time of Mondays in the last 3 weeks")
        #expect(reason([1], 1) == "a job came around this time of Mondays, last week")
        #expect(reason([], 1) == "no job of the pool is known from the last four weeks")
    }

    // MARK: The loop

    private func pool(max: Int? = nil) -> Pool {
        var pool = Scene.pool()
        pool.warmth = .auto
        pool.warmMax = max
        return pool
    }

    /// A scene that has learned of three jobs at 16:30.
    private func learned(_ pool: Pool, budget: HostBudget = HostBudget()) -> Scene {
        var scene = Scene([pool], budget: budget)
        scene.take(.decided(.learn))
        scene.take(.done(.learn, .success(.demand(["p": history([3, 3], at: now + .seconds(1800), known: 2)]))))
        return scene
    }

    @Test func aPoolThatLearnsLooksBackEveryHour() {
        #expect(!Scene().plan().actions.contains(.learn))
        var scene = Scene([pool()])
        #expect(scene.plan().actions == [.learn])
        scene.take(.decided(.learn))
        #expect(scene.plan().actions.isEmpty)
        scene.take(.done(.learn, .failure(Trouble("the disk is away"))))
        #expect(scene.plan().actions.isEmpty && scene.plan().wakeAt == scene.now + .seconds(300))
        scene = learned(pool())
        scene.pass(.seconds(3599))
        #expect(!scene.plan().actions.contains(.learn))
        scene.pass(.seconds(1))
        #expect(scene.plan().actions.contains(.learn))
    }

    @Test func runnersAreStartedBeforeTheirJobs() {
        var scene = learned(pool())
        #expect(scene.plan().launches.isEmpty && scene.plan().wakeAt == scene.now + .seconds(1200))
        scene.pass(.seconds(1200))
        #expect(scene.plan().launches == ["p:-", "p:-", "p:-"])
    }

    @Test func noMoreAreStartedThanTheyMayBe() {
        var scene = learned(pool(max: 2))
        scene.pass(.seconds(1200))
        #expect(scene.plan().launches == ["p:-", "p:-"])
        #expect(scene.state.warmReason(of: scene.state.pools[0].pool, at: scene.now)?.hasSuffix("in 2 of the last 2 weeks; warm_max is 2") == true)
        scene = learned(pool(), budget: HostBudget(memory: 1 << 30))
        scene.pass(.seconds(1200))
        #expect(scene.plan().launches == ["p:-"])
        var few = Scene.pool(max: 1)
        few.warmth = .auto
        scene = learned(few)
        scene.pass(.seconds(1200))
        #expect(scene.plan().launches == ["p:-"])
    }

    /// Hours in which the number is the configuration's, and others in which it is learned.
    @Test func aScheduleDecidesWhetherToLearn() {
        var pool = Scene.pool()
        pool.warm = 1
        var schedule = ScheduleTests.schedule(.all, 16 * 60 + 25, 18 * 60)
        schedule.warm = .auto
        pool.schedules = [schedule]
        var scene = learned(pool)
        #expect(scene.plan().launches == ["p:-"] && scene.plan().wakeAt == scene.now + .seconds(1500))
        scene.pass(.seconds(1500))
        #expect(scene.plan().launches.count == 3 && scene.plan().wakeAt == scene.now + .seconds(1500))
    }
}
