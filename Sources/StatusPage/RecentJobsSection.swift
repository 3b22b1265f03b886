import ControlModel

/// Jobs that finished, the newest first.
struct RecentJobsSection {
    let jobs: [JobView]
    let now: Double

    func html() -> HTML {
        let finished = jobs.filter { $0.finished_at != nil }.sorted { ($1.finished_at ?? "", $1.id) < ($0.finished_at ?? "", $0.id) }
        if finished.isEmpty { return Words.section("recent", "Finished jobs", "<p class='none'>None yet.</p>") }
        var rows = HTML.empty
        for job in finished.prefix(Bounds.recentJobs) { rows += row(job) }
        return Words.section(
            "recent", "Finished jobs",
            """
            <table class='rows recent'><caption class='unseen'>Jobs that finished last</caption><thead><tr><th scope='col'>Job</th><th scope='col'>Result</th>\
            <th scope='col' class='num'>Waited</th><th scope='col' class='num'>Ran</th><th scope='col' class='num'>Ago</th></tr></thead>\
            <tbody>\(rows)</tbody></table>
            """)
    }

    private func row(_ job: JobView) -> HTML {
        let failure: HTML? = job.failure_reason.map { "<span class='soft'>\($0.clipped(to: Bounds.name))</span>" }
        let ended = job.finished_at.map { Words.age(since: $0, now: now) }
        return """
            <tr id='done-\(job.id)'><td class='main'>\(Words.job(job)) <span class='soft'>\(Words.project(job))</span></td>\
            <td data-label='Result'>\(Words.state(job.status, Tone(job: job.status)))\(failure)</td>\
            <td class='num' data-label='Waited'>\(job.wait_seconds.map(Moments.duration) ?? "–")</td>\
            <td class='num' data-label='Ran'>\(job.runSeconds.map(Moments.duration) ?? "–")</td><td class='num' data-label='Ago'>\(ended)</td></tr>
            """
    }
}

extension JobView {
    /// Seconds that it ran; nil while it has not ended, and when it never ran.
    var runSeconds: Double? {
        guard let from = running_at.flatMap(Moments.seconds), let to = finished_at.flatMap(Moments.seconds) else { return nil }
        return to - from
    }
}
