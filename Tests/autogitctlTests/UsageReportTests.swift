import ControlModel
import Testing

@testable import autogitctl

@Suite struct UsageReportTests {
    private func view(_ rows: [UsageView.Row], currency: String? = nil) -> UsageView {
        var total = UsageView.Row(name: "total")
        total.jobs = rows.map(\.jobs).reduce(0, +)
        total.energy_kwh = currency == nil ? nil : 1
        return UsageView(since: "2026-11-01", until: "2026-11-30", by: "project", rows: rows, total: total, currency: currency)
    }

    private func row(_ name: String, jobs: Int) -> UsageView.Row {
        var row = UsageView.Row(name: name)
        row.jobs = jobs
        row.succeeded = jobs
        row.success_rate = 1
        row.wait_p50 = 1.26
        row.job_hours = 2.345
        row.measured_share = 0.5
        row.cpu_hours = 0.5
        row.peak_memory_bytes = 180 << 20
        row.runner_hours = 10
        row.idle_share = 0.254
        row.cost = 1.25
        row.energy_kwh = 0.5
        return row
    }

    @Test func aRowSaysWhatWasDoneAndUsed() {
        let text = UsageReport.text(view([row("root/a", jobs: 7), row("root/b", jobs: 1)]), width: nil)
        let lines = text.split(separator: "\n").map { $0.split(whereSeparator: { $0 == " " }).joined(separator: " ") }
        #expect(lines[0] == "2026-11-01 to 2026-11-30")
        #expect(lines[1] == "PROJECT JOBS SUCCESS WAIT P50 P95 JOB H CPU H RUNNER H IDLE PEAK")
        #expect(lines[2] == "root/a 7 100 % 1.3s - 2.35 0.50 10.00 25 % 180 MiB")
        #expect(lines.last?.hasPrefix("total 8") == true)
    }

    @Test func withPricesItHasTheirColumns() {
        let text = UsageReport.text(view([row("root/a", jobs: 7)], currency: "EUR"), width: nil)
        #expect(text.contains("KWH   EUR") && text.contains("0.50  1.25") && !text.contains("total"))
    }

    @Test func nothingIsSaidInWords() { #expect(UsageReport.text(view([]), width: 80) == "nothing ran from 2026-11-01 to 2026-11-30\n") }

    @Test func valuesAreSeparatedSafely() {
        let lines = UsageReport.csv(view([row("a,\"b\"", jobs: 7)])).split(separator: "\r\n")
        #expect(lines[0].hasPrefix("project,jobs,succeeded,failed,"))
        #expect(lines[1] == "\"a,\"\"b\"\"\",7,7,0,1.0,1.26,,2.345,0.5,0.5,188743680,10.0,0.254,0.5,1.25")
        #expect(lines[0].split(separator: ",", omittingEmptySubsequences: false).count == 15)
    }

    @Test(arguments: [("30d", 30), ("4w", 28), ("366d", 366), ("367d", nil), ("53w", nil), ("0d", nil), ("-1d", nil), ("d", nil), ("3h", nil), ("", nil)])
    func aTimeIsInDaysOrWeeks(text: String, days: Int?) { #expect(UsageReport.days(text) == days) }
}
