import ArgumentParser
import ControlModel

extension UsageView.Dimension: ExpressibleByArgument {}

struct UsageReport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "usage", abstract: "Show jobs, waits, and the hours of runners and CPUs of the last days.",
        discussion: """
            Waits are told to a tenth. CPU hours are those of the jobs that were measured. Hours of runners, and what of them was idle, are told by pool \
            and in all. With prices in [cost] it also says what it cost.
            """)

    @Option(help: ArgumentHelp("How far back: 30d or 4w, up to a year. Today counts.", valueName: "time")) var since = "30d"
    @Option(help: "A row for each pool, project or tag.") var by = UsageView.Dimension.pool
    @Flag(help: "Print comma-separated values.") var csv = false
    @OptionGroup var common: Common

    func validate() throws {
        guard Self.days(since) != nil else { throw ValidationError("--since is not 1d to 366d, or 1w to 52w: \(since)") }
        if csv, common.json { throw ValidationError("either --json or --csv") }
    }

    func run() async throws {
        let (view, raw) = try await common.daemon.get("/usage?days=\(Self.days(since) ?? 30)&by=\(by.rawValue)", as: UsageView.self)
        if common.json { return writeAll(raw) }
        writeAll(csv ? Self.csv(view) : Self.text(view, width: terminalWidth()))
    }

    static func days(_ text: String) -> Int? {
        guard let unit = text.last, let number = Int(text.dropLast()), number > 0 else { return nil }
        let days: Int? = unit == "d" ? number : unit == "w" && number <= 52 ? 7 * number : nil
        return days.flatMap { $0 <= 366 ? $0 : nil }
    }

    static func text(_ view: UsageView, width: Int?) -> String {
        if view.total.jobs == 0, view.total.runner_hours ?? 0 == 0 { return "nothing ran from \(view.since) to \(view.until)\n" }
        var heads = [view.by.uppercased(), "JOBS", "SUCCESS", "WAIT P50", "P95", "JOB H", "CPU H", "RUNNER H", "IDLE", "PEAK"]
        if view.total.energy_kwh != nil { heads.append("KWH") }
        if let currency = view.currency { heads.append(currency) }
        var table = Table(heads)
        func percent(_ share: Double?) -> String? { share.map { "\(Int(($0 * 100).rounded())) %" } }
        for row in view.rows + (view.rows.count == 1 ? [] : [view.total]) {
            var cells: [String?] = [
                row.name, "\(row.jobs)", percent(row.success_rate), row.wait_p50.map(seconds), row.wait_p95.map(seconds), rounded(row.job_hours),
                row.measured_share ?? 0 > 0 ? rounded(row.cpu_hours) : nil, row.runner_hours.map { rounded($0) }, percent(row.idle_share),
                row.peak_memory_bytes.map { "\($0 >> 20) MiB" },
            ]
            if view.total.energy_kwh != nil { cells.append(row.energy_kwh.map { rounded($0) }) }
            if view.currency != nil { cells.append(row.cost.map { rounded($0) }) }
            table.add(cells)
        }
        return "\(view.since) to \(view.until)\n" + table.text(width: width)
    }

    /// RFC 4180, with the API's names.
    static func csv(_ view: UsageView) -> String {
        func number(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
        let head =
            "\(view.by),jobs,succeeded,failed,success_rate,wait_p50,wait_p95,job_hours,cpu_hours,measured_share,peak_memory_bytes,runner_hours,idle_share,energy_kwh,cost"
        let lines = view.rows.map { row in
            let name = "\"\(row.name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\""))\""
            return
                ([name, "\(row.jobs)", "\(row.succeeded)", "\(row.failed)"]
                + [row.success_rate, row.wait_p50, row.wait_p95, row.job_hours, row.cpu_hours, row.measured_share].map(number)
                + [row.peak_memory_bytes.map { "\($0)" } ?? ""] + [row.runner_hours, row.idle_share, row.energy_kwh, row.cost].map(number))
                .joined(separator: ",")
        }
        return ([head] + lines).map { $0 + "\r\n" }.joined()
    }

    /// With two digits behind the point.
    private static func rounded(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }
}
