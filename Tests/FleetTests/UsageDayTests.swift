import Testing

@testable import Fleet

@Suite struct UsageDayTests {
    /// A midnight in UTC.
    private let midnight = Timestamp(milliseconds: 1_764_028_800_000)
    private func hour(_ hour: Double) -> Timestamp { midnight + .seconds(hour * 3600) }
    private let kind = JobDay.Kind(forge: "gitlab", pool: "p", project: "root/a", tags: ["x"])

    private func job(_ from: Double, _ to: Double?, _ status: JobStatus = .success, waited: Double = 60, cpu: Double? = nil) -> DayJob {
        DayJob(
            kind: kind, status: status, pendingAt: hour(from) + .seconds(-waited), runningAt: hour(from), finishedAt: to.map(hour),
            usage: cpu.map { JobUsage(cpuSeconds: $0, peakMemory: Int64($0)) })
    }

    private func runner(_ from: Double, _ to: Double?, failed: Bool = false, contacted: Bool = true) -> DayRunner {
        DayRunner(
            pool: "p", requestedAt: hour(from) + .seconds(-10), startedAt: hour(from), contactedAt: contacted ? hour(from) : nil, removedAt: to.map(hour),
            failed: failed)
    }

    @Test func aDayIsUTCs() {
        #expect(UsageDay.begin(hour(23.99)) == midnight && UsageDay.begin(midnight) == midnight && UsageDay.end(midnight) == hour(24))
        #expect(UsageDay(of: hour(3), jobs: [], runners: [], now: hour(4)).date == "2025-11-25")
    }

    @Test func jobsCountOnTheDayTheyEndedOn() throws {
        let day = UsageDay(
            of: midnight,
            jobs: [
                job(-1, 1, cpu: 30), job(2, 3, .failed, waited: 10, cpu: 50), job(4, 5, .canceled), job(23, 25), job(6, nil, .running), job(-3, -2),
            ], runners: [], now: hour(48))
        let jobs = try #require(day.jobs.first)
        #expect(day.jobs.count == 1 && jobs.kind == kind)
        #expect(jobs.jobs == 3 && jobs.succeeded == 1 && jobs.failed == 1)
        #expect(jobs.runSeconds == 4 * 3600 && jobs.measured == 2 && jobs.cpuSeconds == 80 && jobs.peakMemory == 50)
    }

    @Test func hoursOfRunnersAndOfTheirJobsAreThoseWithinTheDay() throws {
        // One from the evening before, one until the morning after, one that lives, and one that never made contact.
        let day = UsageDay(
            of: midnight, jobs: [job(-1, 1), job(23, 26), job(10, nil, .running)],
            runners: [runner(-2, 2), runner(22, 30), runner(9, nil), runner(5, 5.5, failed: true, contacted: false), runner(-9, -8)], now: hour(12))
        let pool = try #require(day.runners.first)
        #expect(pool.seconds == (2 + 2 + 3 + 0.5) * 3600)
        #expect(pool.busySeconds == (1 + 1 + 2) * 3600)
        #expect(pool.started == 2 && pool.failed == 1)
        #expect(try #require(pool.spawns.quantile(0.5)) > 9 && pool.spawns.quantile(0.5)! < 11)
    }

    @Test(arguments: [0.05, 0.5, 3, 42, 700, 90_000])
    func aQuantileIsRightToATenth(value: Double) throws {
        var spread = Spread()
        for _ in 0..<9 { spread.add(value) }
        spread.add(1e12)
        let found = try #require(spread.quantile(0.5))
        #expect(value < 0.1 ? found == 0 : abs(found - value) <= value * 0.1)
        #expect(try #require(spread.quantile(1)) > 1e7)
        #expect(Spread().quantile(0.5) == nil)
    }

    @Test func spreadsAddUp() {
        var (one, both) = (Spread(), Spread())
        for value in [1.0, 2, 3] { one.add(value) }
        both.add(one)
        both.add(one)
        #expect(both.counts.values.reduce(0, +) == 6 && both.quantile(0.5) == one.quantile(0.5))
    }

    @Test func energyAndCostsAddUp() {
        var cost = Cost()
        #expect(!cost.hasPrices && !cost.hasPower && cost.amount(cpuHours: 1, runnerHours: 1, energy: 1) == 0)
        cost.wattsIdle = 2
        #expect(cost.hasPower && !cost.hasPrices && cost.energy(runnerHours: 10, idleHours: 4) == 0.02)
        cost.wattsBusy = 100
        cost.perKWh = 0.5
        cost.perCPUHour = 1
        #expect(cost.hasPrices && cost.energy(runnerHours: 10, idleHours: 5) == 0.51)
        #expect(cost.amount(cpuHours: 2, runnerHours: 10, energy: 0.5) == 2.25)
    }
}
