import ControlModel

/// The last 24 hours as three small charts, and as a table for readers who can't see them.
struct HistorySection {
    let hours: [HistoryView.Hour]
    let now: Double

    init(_ hours: [HistoryView.Hour], now: Double) {
        self.hours = hours.suffix(Bounds.history)
        self.now = now
    }

    func html() -> HTML {
        if !hours.contains(where: { $0.jobs > 0 || $0.wait_p50 != nil || $0.spawn_p50 != nil }) {
            return Words.section("history", "Last 24 hours", "<p class='none'>No job ran, and no runner was started.</p>")
        }
        let waits = hours.map { Chart.Slot(startsAt: $0.starts_at, dark: $0.wait_p50, light: $0.wait_p95) }
        let spawns = hours.map { Chart.Slot(startsAt: $0.starts_at, dark: $0.spawn_p50, light: $0.spawn_p95) }
        let jobs = hours.map { Chart.Slot(startsAt: $0.starts_at, dark: Double($0.failed), light: Double($0.jobs)) }
        return Words.section(
            "history", "Last 24 hours",
            """
            <div class='charts'>\(Chart(id: "waits", title: "Wait for a runner", unit: .seconds, slots: waits).html())\
            \(Chart(id: "starts", title: "Start of a runner", unit: .seconds, slots: spawns).html())\
            \(Chart(id: "done", title: "Finished jobs", unit: .jobs, slots: jobs).html())</div>\(table())
            """)
    }

    private func table() -> HTML {
        var rows = HTML.empty
        for hour in hours.reversed() {
            rows += """
                <tr><th scope='row'>\(Words.clock(hour.starts_at, now: now))</th><td class='num'>\(hour.jobs)</td><td class='num'>\(hour.failed)</td>\
                \(cell(hour.wait_p50))\(cell(hour.wait_p95))\(cell(hour.spawn_p50))\(cell(hour.spawn_p95))</tr>
                """
        }
        return """
            <details id='history-table'><summary>As a table</summary><div class='scroll' tabindex='0' role='region' aria-label='History as a table'><table>\
            <thead><tr><th scope='col'>Hour from</th><th scope='col'>Jobs</th><th scope='col'>Failed</th><th scope='col'>Wait, median</th>\
            <th scope='col'>Wait, 95 %</th><th scope='col'>Start, median</th><th scope='col'>Start, 95 %</th></tr></thead>\
            <tbody>\(rows)</tbody></table></div></details>
            """
    }

    private func cell(_ seconds: Double?) -> HTML { "<td class='num'>\(seconds.map(Moments.duration) ?? "–")</td>" }
}
