import ControlModel

/// Live runners with their jobs.
struct RunnersSection {
    let runners: [RunnerView]
    /// To name the runners' jobs.
    let jobs: [Int64: JobView]
    let frame: PageFrame

    func html() -> HTML {
        if runners.isEmpty {
            return Words.section("runners", "Runners", count: 0, "<p class='none'>No runner is up. AutoGit starts one when a job waits for it.</p>")
        }
        let sorted = runners.sorted { (rank($0), $0.requested_at, $0.id) < (rank($1), $1.requested_at, $1.id) }
        var rows = HTML.empty
        for runner in sorted.prefix(Bounds.runners) { rows += row(runner) }
        if sorted.count > Bounds.runners {
            rows += "<tr class='rest'><td colspan='8'>and \(sorted.count - Bounds.runners) more: \(summary(of: sorted.dropFirst(Bounds.runners)))</td></tr>"
        }
        let last: HTML? = canOrder ? "<th scope='col'><span class='unseen'>Orders</span></th>" : nil
        return Words.section(
            "runners", "Runners", count: runners.count,
            """
            <table class='rows runners'><caption class='unseen'>Live runners</caption><thead><tr><th scope='col'>Runner</th><th scope='col'>Pool</th>\
            <th scope='col'>State</th><th scope='col'>Job</th><th scope='col' class='num'>Age</th><th scope='col' class='num'>Leaves in</th>\
            <th scope='col' class='num'>Jobs done</th>\(last)</tr></thead><tbody>\(rows)</tbody></table>
            """)
    }

    private var canOrder: Bool { if case .signedIn = frame.session { true } else { false } }

    /// Trouble first, then work.
    private func rank(_ runner: RunnerView) -> Int {
        if runner.stuck != nil { return 0 }
        return switch runner.status {
        case "offline": 1
        case "busy": 2
        case "provisioning": 3
        case "idle": 4
        default: 5
        }
    }

    private func row(_ runner: RunnerView) -> HTML {
        let leaves: HTML? = runner.cooldown_left.map { Words.countdown(to: frame.now + $0, now: frame.now) }
        let drain = Words.order("Drain", about: "runner \(runner.id)", to: ["runners", runner.id, "drain"], frame.session)
        // A runner that leaves anyway needs no order. The row still needs the cell.
        let order: HTML? = canOrder ? "<td class='order'>\(["draining", "offline"].contains(runner.status) ? nil : drain)</td>" : nil
        return """
            <tr id='runner-\(Escaping.pathSegment(runner.id))'><td class='main'>\(Words.runner(runner.id))</td>\
            <td data-label='Pool'>\(Words.name(runner.pool))</td>\
            <td data-label='State'>\(Words.state(shownState(runner), Tone(runner: runner.status)))\(remark(runner))</td>\(job(runner))\
            <td class='num' data-label='Age'>\(Words.age(since: runner.requested_at, now: frame.now))</td>\(Self.cell("Leaves in", leaves))\
            <td class='num' data-label='Jobs done'>\(runner.jobs_done)</td>\(order)</tr>
            """
    }

    private static func cell(_ label: HTML, _ value: HTML?) -> HTML {
        value.map { "<td class='num' data-label='\(label)'>\($0)</td>" } ?? "<td class='num empty'>–</td>"
    }

    private func shownState(_ runner: RunnerView) -> String {
        switch (runner.status, runner.phase) {
        case ("provisioning", "requested"): "requested"
        case ("provisioning", _): "starting"
        default: runner.status
        }
    }

    private func remark(_ runner: RunnerView) -> HTML? {
        if let stuck = runner.stuck { return "<span class='error'>Stuck: \(stuck.clipped(to: Bounds.sentence))</span>" }
        return runner.reason.map { "<span class='soft'>\($0.clipped(to: Bounds.sentence))</span>" }
    }

    private func job(_ runner: RunnerView) -> HTML {
        guard let id = runner.current_job else { return "<td class='empty'>–</td>" }
        guard let job = jobs[id] else { return "<td data-label='Job'><a href='/ui/jobs/\(id)'>job \(id)</a></td>" }
        let running: HTML? = job.running_at.map { " · \(Words.age(since: $0, now: frame.now))" }
        return "<td data-label='Job'>\(Words.job(job)) <span class='soft'>\(Words.project(job))\(running)</span></td>"
    }

    private func summary(of runners: ArraySlice<RunnerView>) -> HTML {
        let counts = runners.reduce(into: [:]) { $0[$1.status, default: 0] += 1 }
        return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \($0.key)" }.joined(by: ", ")
    }
}
