import ControlModel
import Fleet

/// What was done and used, by day.
extension Coordinator {
    /// The answer of `GET /usage`.
    /// - Parameter days: how many to count, with today.
    /// - Throws: when the store can't be read.
    public func usageView(days: Int, by dimension: UsageView.Dimension) async throws -> UsageView {
        let now = clock.now()
        let since = now + .seconds(-86_400 * Int64(max(1, days) - 1))
        let found = try await store.days(since: since, now: now)
        return UsageView(found, since: since, until: now, by: dimension, cost: cost)
    }
}

extension UsageView {
    /// A row while it is added up.
    private struct Sum {
        var row: Row
        var waits = Spread()
        var measured = 0
        var runners: (hours: Double, idle: Double)?

        init(_ name: String) { row = Row(name: name) }

        mutating func add(_ day: JobDay) {
            row.jobs += day.jobs
            row.succeeded += day.succeeded
            row.failed += day.failed
            row.job_hours += day.runSeconds / 3600
            row.cpu_hours += day.cpuSeconds / 3600
            if day.measured > 0 { row.peak_memory_bytes = max(row.peak_memory_bytes ?? 0, day.peakMemory) }
            measured += day.measured
            waits.add(day.waits)
        }

        mutating func add(_ day: RunnerDay) {
            let known = runners ?? (0, 0)
            runners = (known.hours + day.seconds / 3600, known.idle + max(0, day.seconds - day.busySeconds) / 3600)
        }

        func finished(_ cost: Cost) -> Row {
            var row = row
            if row.succeeded + row.failed > 0 { row.success_rate = Double(row.succeeded) / Double(row.succeeded + row.failed) }
            row.wait_p50 = waits.quantile(0.5)
            row.wait_p95 = waits.quantile(0.95)
            if row.jobs > 0 { row.measured_share = Double(measured) / Double(row.jobs) }
            if let runners {
                row.runner_hours = runners.hours
                if runners.hours > 0 { row.idle_share = runners.idle / runners.hours }
            }
            // Hours in which a runner had nothing to do are no project's.
            let (hours, idle) = runners ?? (row.job_hours, 0)
            let energy = cost.energy(runnerHours: hours, idleHours: idle)
            if cost.hasPower { row.energy_kwh = energy }
            if cost.hasPrices { row.cost = cost.amount(cpuHours: row.cpu_hours, runnerHours: hours, energy: energy) }
            return row
        }
    }

    init(_ days: [UsageDay], since: Timestamp, until: Timestamp, by dimension: Dimension, cost: Cost) {
        var rows: [String: Sum] = [:]
        var total = Sum("total")
        for day in days {
            for jobs in day.jobs {
                total.add(jobs)
                let names =
                    switch dimension {
                    case .pool: [jobs.kind.pool]
                    case .project: [jobs.kind.project]
                    case .tag: jobs.kind.tags.isEmpty ? ["-"] : Array(Set(jobs.kind.tags))
                    }
                for name in names { rows[name, default: Sum(name)].add(jobs) }
            }
            for runners in day.runners {
                total.add(runners)
                if dimension == .pool { rows[runners.pool, default: Sum(runners.pool)].add(runners) }
            }
        }
        self.init(
            since: String(since.iso8601.prefix(10)), until: String(until.iso8601.prefix(10)), by: dimension.rawValue,
            rows: rows.values.map { $0.finished(cost) }.sorted { $0.jobs != $1.jobs ? $0.jobs > $1.jobs : $0.name < $1.name }, total: total.finished(cost),
            currency: cost.hasPrices ? cost.currency : nil)
    }
}
