import ControlModel

/// A runner with all that is known about it, its history, and its log for those who may read it.
struct RunnerPage {
    let view: RunnerView
    let job: JobView?
    let log: [String]?
    let frame: PageFrame

    /// A log grows without events, so it is read again while the runner is up.
    var refreshSeconds: Int? { log != nil && view.phase != "removed" && view.phase != "ended" ? 5 : nil }

    func html() -> HTML {
        let drain =
            ["draining", "offline"].contains(view.status)
            ? nil : Words.order("Drain", about: "runner \(view.id)", to: ["runners", view.id, "drain"], frame.session)
        let stuck: HTML? = view.stuck.map { "<section class='alert' aria-label='Stuck'><p><b>Stuck</b> \($0.clipped(to: Bounds.longLine))</p></section>" }
        return """
            <nav class='crumbs' aria-label='Breadcrumb'><a href='/'>Overview</a> / <a href='/#runners'>Runners</a></nav>\
            <div class='heading page'><h1>\(Words.name(view.name))</h1>\
            \(Words.state(view.status, Tone(runner: view.status)))<div class='orders'>\(drain)</div></div>\
            \(stuck)\(fields())\
            <div class='pair'>\(history())\(logSection())</div>
            """
    }

    private func fields() -> HTML {
        var list = Fields()
        let now = frame.now
        list.add("Pool", Words.name(view.pool))
        list.add(
            "Job",
            view.current_job.map { id in
                job.map { "\(Words.job($0)) <span class='soft'>\(Words.project($0))</span>" } ?? "<a href='/ui/jobs/\(id)'>job \(id)</a>"
            })
        list.add("Phase", "\(view.phase)")
        list.add("Reason", view.reason.map { "\($0.clipped(to: Bounds.longLine))" })
        list.add("Leaves in", view.cooldown_left.map { Words.countdown(to: now + $0, now: now) })
        list.add("Requested", "\(Words.clock(view.requested_at, now: now)) <span class='soft'>\(Words.age(since: view.requested_at, now: now)) ago</span>")
        list.add("Started", view.started_at.map { Words.clock($0, now: now) })
        list.add("First contact", view.contacted_at.map { Words.clock($0, now: now) })
        list.add("Start took", view.spawn_seconds.map { "\(Moments.duration($0))" })
        list.add("Idle for", view.idle_since.map { Words.age(since: $0, now: now) })
        list.add("Last seen", "\(Words.age(since: view.last_seen, now: now)) ago")
        list.add("Jobs done", "\(view.jobs_done)")
        list.add("Limits", "\(Amounts.decimal(view.cpus)) CPU, \(Amounts.bytes(view.memory_bytes))")
        list.add("Architecture", "\(view.architecture)\(view.emulated == true ? ", emulated" : "")")
        list.add(
            "GPUs",
            (view.gpus?.isEmpty == false ? view.gpus : nil).map { "<code>\($0.prefix(Bounds.tags).joined(separator: ", "))</code>" }
                ?? (view.gpu_enabled ? "yes" : nil))
        list.add("Tags", Words.tags(view.tags))
        list.add(view.driver == "scope" ? "Scope" : "Container", view.container_id.map { "<code>\($0.clipped(to: Bounds.name))</code>" })
        list.add("Runner in GitLab", view.gitlab_id.map { "\($0)" })
        return list.html()
    }

    private func history() -> HTML {
        let events = (view.history ?? []).suffix(Bounds.steps)
        if events.isEmpty { return Words.section("steps", "History", "<p class='none'>Nothing is recorded.</p>") }
        var items = HTML.empty
        for event in events {
            let detail: HTML? = event.detail.map { " <span class='soft'>\($0.clipped(to: Bounds.sentence))</span>" }
            items += "<li>\(Words.clock(event.at, now: frame.now))<span>\(event.event.capitalizedSentence.clipped(to: Bounds.name))\(detail)</span></li>"
        }
        return Words.section("steps", "History", "<ol class='steps-taken'>\(items)</ol>")
    }

    private func logSection() -> HTML {
        switch frame.session {
        case .unavailable: return Words.section("log", "Log", "<p class='none'>Shown after signing in. To allow that, \(SignInPage.configure)</p>")
        case .signedOut: return Words.section("log", "Log", "<p class='none'><a href='/ui/sign-in'>Sign in</a> to read it.</p>")
        case .signedIn:
            guard let log, !log.isEmpty else {
                return Words.section("log", "Log", "<p class='none'>Empty so far, or not kept: only runners that failed leave a log.</p>")
            }
            let lines = log.suffix(Bounds.logLines)
            let note: HTML? = log.count > lines.count ? "the last \(lines.count) of \(log.count) lines" : nil
            return Words.section("log", "Log", note: note, "<pre class='log' tabindex='0'>\(LogText.html(lines, atMost: Bounds.longLine))</pre>")
        }
    }
}

/// Names with values; those without a value are left out.
struct Fields {
    private var items = HTML.empty

    mutating func add(_ name: HTML, _ value: HTML?) { if let value { items += "<div><dt>\(name)</dt><dd>\(value)</dd></div>" } }

    func html() -> HTML { "<dl class='fields'>\(items)</dl>" }
}
