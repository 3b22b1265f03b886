import ControlModel
import Fleet
import Testing

@testable import Coordinator

@Suite struct UsageViewTests {
    private func jobs(_ pool: String, _ project: String, _ tags: [String], _ count: Int, failed: Int = 0, cpu: Double = 0) -> JobDay {
        var day = JobDay(.init(forge: "g", pool: pool, project: project, tags: tags))
        day.jobs = count
        day.succeeded = count - failed
        day.failed = failed
        day.runSeconds = Double(count) * 3600
        if cpu > 0 {
            day.measured = count
            day.cpuSeconds = cpu * 3600
            day.peakMemory = 7
        }
        return day
    }

    private func runners(_ pool: String, hours: Double, busy: Double) -> RunnerDay {
        var day = RunnerDay(pool)
        day.seconds = hours * 3600
        day.busySeconds = busy * 3600
        return day
    }

    private func view(_ by: UsageView.Dimension, _ cost: Cost = Cost()) -> UsageView {
        let days = [
            UsageDay(date: "1", jobs: [jobs("p", "a", ["x", "y"], 3, failed: 1, cpu: 2), jobs("q", "b", [], 1)], runners: [runners("p", hours: 10, busy: 3)]),
            UsageDay(date: "2", jobs: [jobs("p", "b", ["y"], 2)], runners: [runners("p", hours: 10, busy: 2), runners("q", hours: 2, busy: 1)]),
        ]
        let now = Timestamp(milliseconds: 1_764_028_800_000)
        return UsageView(days, since: now + .seconds(-86_400), until: now, by: by, cost: cost)
    }

    @Test func poolsHaveTheirRunnersHoursToo() {
        let view = view(.pool)
        #expect(view.since == "2025-11-24" && view.until == "2025-11-25" && view.currency == nil)
        #expect(view.rows.map(\.name) == ["p", "q"] && view.rows.map(\.jobs) == [5, 1])
        #expect(view.rows[0].success_rate == 0.8 && view.rows[0].runner_hours == 20 && view.rows[0].idle_share == 0.75)
        #expect(view.rows[0].cpu_hours == 2 && view.rows[0].measured_share == 0.6 && view.rows[0].peak_memory_bytes == 7)
        #expect(view.total.jobs == 6 && view.total.runner_hours == 22 && view.total.cost == nil && view.total.energy_kwh == nil)
    }

    @Test func projectsAndTagsHaveTheirJobsHoursOnly() {
        #expect(view(.project).rows.map { "\($0.name) \($0.jobs) \($0.job_hours) \($0.runner_hours ?? -1)" } == ["a 3 3.0 -1.0", "b 3 3.0 -1.0"])
        #expect(view(.tag).rows.map { "\($0.name) \($0.jobs)" } == ["y 5", "x 3", "- 1"])
        #expect(view(.tag).total.jobs == 6)
    }

    @Test func withPricesItSaysWhatItCost() {
        var cost = Cost()
        cost.perRunnerHour = 0.5
        cost.perCPUHour = 1
        cost.wattsIdle = 100
        cost.perKWh = 1
        let pools = view(.pool, cost)
        #expect(pools.currency == "EUR" && pools.rows[0].energy_kwh == 2 && pools.rows[0].cost == 14)
        // Three hours of jobs and two of CPUs.
        #expect(view(.project, cost).rows[0].cost == 3 * 0.5 + 2 + 0.3)
    }
}
