import ControlModel

/// A job with all that is known about it, and its timeline.
struct JobPage {
    let view: JobView
    let gitlab: String?
    let frame: PageFrame

    func html() -> HTML {
        """
        <nav class='crumbs' aria-label='Breadcrumb'><a href='/'>Overview</a> / <a href='/#waiting'>Jobs</a></nav>\
        <div class='heading page'><h1>\(view.name.map(Words.name) ?? "Job \(view.id)")</h1>\(Words.state(view.status, Tone(job: view.status)))</div>\
        \(waiting())\(fields())\(timeline())
        """
    }

    private func waiting() -> HTML? {
        guard view.status == "pending" else { return nil }
        guard let reason = view.waiting_reason else {
            return "<section class='alert soon' aria-label='Waiting'><p><b>A runner is on its way.</b></p></section>"
        }
        let advice = Advice.forCode(view.waiting_code)
        return """
            <section class='alert \(advice.urgency == .act ? "act" : "bound")' aria-label='Waiting'>\
            <p><b>\(reason.capitalizedSentence.clipped(to: Bounds.longLine)).</b> \
            \(advice.steps)</p></section>
            """
    }

    private func fields() -> HTML {
        var list = Fields()
        list.add("Job", link() ?? "\(view.id)")
        list.add("Project", Words.project(view))
        list.add("Stage", view.stage.map(Words.name))
        list.add("Ref", view.ref.map(Words.name))
        list.add("Tags", view.tags.map(Words.tags) ?? "<span class='soft'>unknown</span>")
        list.add("Runner", view.runner.map(Words.runner) ?? view.gitlab_runner_id.map { "runner \($0) in GitLab, not of AutoGit" })
        list.add("Failed because of", view.failure_reason.map { "<code>\($0.clipped(to: Bounds.name))</code>" })
        list.add("Waited", view.wait_seconds.map { "\(Moments.duration($0))" })
        list.add("Ran", view.runSeconds.map { "\(Moments.duration($0))" })
        if let used = view.usage {
            list.add("CPU time", "\(Moments.duration(used.cpu_seconds))")
            list.add("Memory", "\(Amounts.bytes(used.peak_memory_bytes)) at most\(used.memory_limit_bytes.map { ", of \(Amounts.bytes($0))" as HTML })")
            if let kills = used.memory_kills, kills > 0 { list.add("Killed", "\(Amounts.count(kills, "process", "processes")) at the memory limit") }
        } else if view.finished_at != nil, view.runner != nil {
            list.add("CPU and memory", "<span class='soft'>not measured</span>")
        }
        list.add("Hint", view.hint.map { "\($0.clipped(to: Bounds.longLine))" })
        return list.html()
    }

    /// To the job in GitLab. Only http and https: a mistake in the configuration must not become a link of another kind.
    private func link() -> HTML? {
        guard let gitlab, gitlab.hasPrefix("https://") || gitlab.hasPrefix("http://"), let project = view.project else { return nil }
        let path = project.split(separator: "/").map { Escaping.pathSegment(String($0)) }.joined(separator: "/")
        let base = gitlab.hasSuffix("/") ? String(gitlab.dropLast()) : gitlab
        return "<a href='\(base)/\(path)/-/jobs/\(view.id)' rel='noreferrer'>\(view.id) in GitLab</a>"
    }

    private func timeline() -> HTML {
        var steps: [HTML] = []
        func step(_ at: String?, _ what: HTML) { if let at { steps.append("<li>\(Words.clock(at, now: frame.now))<span>\(what)</span></li>") } }
        step(view.pending_at, "First seen waiting")
        step(view.running_at, "Running\(view.wait_seconds.map { ", after \(Moments.duration($0))" as HTML })")
        step(
            view.finished_at, "\(view.status.capitalizedSentence.clipped(to: Bounds.name))\(view.runSeconds.map { ", after \(Moments.duration($0))" as HTML })")
        switch (view.status, view.pending_at, view.running_at) {
        case ("pending", let since?, _): steps.append("<li class='now'><span></span><span>Waiting for \(Words.age(since: since, now: frame.now))</span></li>")
        case ("running", _, let since?): steps.append("<li class='now'><span></span><span>Running for \(Words.age(since: since, now: frame.now))</span></li>")
        default: break
        }
        if steps.isEmpty { return Words.section("steps", "Timeline", "<p class='none'>Nothing is recorded.</p>") }
        return Words.section("steps", "Timeline", "<ol class='steps-taken'>\(steps)</ol>")
    }
}
