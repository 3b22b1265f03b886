import ControlModel
import FoundationEssentials

/// Draws the model: as many lines as the terminal has at most, none wider than it.
struct TopScreen {
    private let model: TopModel
    /// Printed once, not shown on a full screen.
    private let isPrinted: Bool
    private var width: Int { model.size.columns }

    /// - Parameter isPrinted: whether to leave out the selection and the keys.
    static func lines(_ model: TopModel, isPrinted: Bool = false) -> [TopLine] {
        let screen = TopScreen(model: model, isPrinted: isPrinted)
        let lines = if case .log(let log) = model.mode { screen.log(log) } else { screen.table }
        return lines.prefix(max(0, model.size.rows)).map { $0.fitted(columns: model.size.columns) }
    }

    private var table: [TopLine] {
        let head = [totals] + troubles
        let foot = isPrinted ? [] : footer
        let room = max(0, model.size.rows - head.count - foot.count)
        let sections = [waiting, pools, runners]
        // An empty line between sections, where there is room for all of them.
        let isAiry = sections.reduce(2) { $0 + $1.height } <= room
        let heights = Self.share(room, among: sections.map(\.height))
        var body: [TopLine] = []
        for (section, height) in zip(sections, heights) where height > 0 {
            if isAiry, !body.isEmpty { body.append(TopLine()) }
            body += section.lines(height: height)
        }
        guard !isPrinted else { return head + body }
        return head + body + Array(repeating: TopLine(), count: max(0, room - body.count)) + foot
    }

    /// Deals out lines in turn, two to the first section, of jobs that wait, so that a short section gets all that it needs.
    static func share(_ room: Int, among heights: [Int]) -> [Int] {
        var shares = heights.map { _ in 0 }
        var left = room
        while left > 0, shares != heights {
            for index in Array(heights.indices) + [0] where left > 0 && shares[index] < heights[index] {
                shares[index] += 1
                left -= 1
            }
        }
        return shares
    }

    // MARK: Head and foot

    private var totals: TopLine {
        let status = model.views.status
        let isFine = !Status.isDegraded(status)
        let counts = (max(model.waiting.count, status.jobs["pending"] ?? 0), status.jobs["running"] ?? 0, status.runners["idle"] ?? 0)
        let isWide = width >= 60
        var line = TopLine(width >= 80 ? "AutoGit \(status.version)  " : "", .bold)
        line.add(isWide ? "\(counts.0) waiting" : "\(counts.0) wait", counts.0 > 0 ? .warning : .plain)
        line.add(isWide ? "  \(counts.1) running  \(counts.2) idle" : " \(counts.1) run \(counts.2) idle")
        guard isWide else {
            line.add(isFine ? "  healthy" : "  degraded", isFine ? .good : .failure)
            return line
        }
        for (name, health) in [("GitLab", status.gitlab), ("engine", status.engine)] {
            let word = ["ok", "unknown"].contains(health) ? health : "in trouble"
            line.add("  \(name) \(word)", health == "ok" ? .good : health == "unknown" ? .dim : .failure)
        }
        return line
    }

    private var troubles: [TopLine] {
        let status = model.views.status
        var lines: [TopLine] = []
        if let trouble = model.trouble {
            lines.append(TopLine("as of \(seconds(max(0, model.now.timeIntervalSince(model.readAt)))) ago: \(trouble)", .failure))
        }
        for (name, health) in [("GitLab", status.gitlab), ("engine", status.engine)] where !["ok", "unknown"].contains(health) {
            lines.append(TopLine("\(name): \(health)", .failure))
        }
        lines += (status.warnings ?? []).map { TopLine("warning: \($0)", .warning) }
        if model.trouble == nil, model.eventsAreOpen == false {
            lines.append(TopLine("no live events from the daemon; read every \(seconds(TopModel.longestPause))", .dim))
        }
        return Array(lines.prefix(model.size.rows < 16 ? 1 : 4))
    }

    private var footer: [TopLine] {
        if case .confirming(let runner) = model.mode {
            return [TopLine(width >= 60 ? "drain \(model.name(of: runner)) when its job is over? y/n" : "drain \(runner)? y/n", .bold)]
        }
        var lines = model.showsHelp ? Self.filled(Self.help, width: width) : []
        if let message = model.message {
            lines.append(TopLine(message.text, message.isFailure ? .failure : .plain))
        } else if !model.showsHelp {
            lines.append(TopLine(width >= 60 ? "j/k select  p pause  d drain  l log  ? help  q quit" : "? help  q quit", .dim))
        }
        return lines
    }

    private static let help = [
        "up/down or j/k: select", "p: pause or resume the pool", "d: drain the runner", "l: its log", "?: hide this", "q: quit",
    ]

    private static func filled(_ items: [String], width: Int) -> [TopLine] {
        var lines: [String] = []
        for item in items {
            if let line = lines.last, line.count + item.count + 2 <= width { lines[lines.count - 1] += "  " + item } else { lines.append(item) }
        }
        return lines.map { TopLine($0, .dim) }
    }

    private func log(_ log: TopLog) -> [TopLine] {
        let shown = log.visible
        let place = log.rows.isEmpty ? "empty" : "\(shown.startIndex + 1)-\(shown.endIndex) of \(log.rows.count)"
        var lines = [TopLine("log of \(width >= 60 ? model.name(of: log.runner) : log.runner), \(place)", .bold)]
        lines += shown.map { TopLine($0) }
        lines += Array(repeating: TopLine(), count: max(0, log.height - shown.count))
        if let message = model.message, message.isFailure {
            lines.append(TopLine(message.text, .failure))
        } else {
            lines.append(TopLine(width >= 60 ? "up/down scroll  g/G first/last  r read again  q back" : "up/down scroll  q back", .dim))
        }
        return lines
    }

    // MARK: Sections

    private var waiting: TopSection {
        let jobs = model.waiting
        return TopSection(
            title: "WAITING", empty: "no job waits", count: jobs.count, unlisted: max(0, (model.views.status.jobs["pending"] ?? 0) - jobs.count),
            selected: nil, width: width
        ) { range in
            var grid = TopGrid(floors: [8, 4, 12, 12, 8, 30])
            for job in jobs[range] {
                grid.add([
                    span("\(job.id)"), span(job.pending_at.flatMap { age($0, at: model.now) } ?? "-"), span(width >= 60 ? job.name : nil),
                    span(width >= 100 ? job.project : nil, .dim), span(width >= 140 ? job.tags?.joined(separator: ",") : nil, .dim),
                    job.waiting_reason.map { span($0, .warning) } ?? span("a runner is on its way"),
                ])
            }
            return grid
        }
    }

    private var pools: TopSection {
        let pools = model.views.pools
        return TopSection(
            title: "POOLS", empty: "no pool is configured", count: pools.count,
            selected: isPrinted ? nil : pools.firstIndex { .pool($0.name) == model.selection }, width: width
        ) { range in
            var grid = TopGrid(floors: [8, 20, 8, 8, 20])
            for pool in pools[range] {
                let counts = pool.runners.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
                grid.add([
                    span(pool.name), span(Self.bar(pool, longest: width >= 60 ? 20 : 8)), span("\(Self.used(pool))/\(pool.max_runners)"),
                    span(width >= 80 ? counts : nil), state(pool),
                ])
            }
            return grid
        }
    }

    private var runners: TopSection {
        let runners = model.runners
        let jobs = Dictionary(model.views.jobs.map { ($0.id, $0) }) { first, _ in first }
        return TopSection(
            title: "RUNNERS", empty: "no runners", count: runners.count,
            selected: isPrinted ? nil : runners.firstIndex { .runner($0.id) == model.selection }, width: width
        ) { range in
            var grid = TopGrid(floors: [8, 12, 8, 16, 7])
            for runner in runners[range] {
                grid.add([
                    span(runner.id), span(runner.status, Self.style(runner)), span(width >= 60 ? runner.pool : nil),
                    doing(runner, runner.current_job.flatMap { jobs[$0] }),
                    span(width >= 60 ? age(runner.requested_at, at: model.now).map { "up \($0)" } : nil, .dim),
                ])
            }
            return grid
        }
    }

    private func span(_ text: String?, _ style: TopLine.Style = .plain) -> TopLine.Span { .init(text: text ?? "", style: style) }

    private static func used(_ pool: PoolView) -> Int { pool.runners.values.reduce(0, +) }

    /// A cell for each runner, or for several in a large pool: busy, other and none.
    static func bar(_ pool: PoolView, longest: Int) -> String {
        let cells = min(longest, max(0, pool.max_runners))
        func share(_ runners: Int) -> Int { runners <= 0 || cells == 0 ? 0 : min(cells, max(1, runners * cells / pool.max_runners)) }
        let used = share(used(pool))
        let busy = min(used, share(pool.runners["busy"] ?? 0))
        return String(repeating: "█", count: busy) + String(repeating: "▒", count: used - busy) + String(repeating: "░", count: cells - used)
    }

    private func state(_ pool: PoolView) -> TopLine.Span {
        var words = pool.paused ? ["paused"] : []
        if let pull = pool.pull { words.append(Pools.progress(pull)) }
        if pool.failures > 0 {
            words.append("\(pool.failures) failed \(pool.failures == 1 ? "start" : "starts")\(pool.last_error.map { ": \($0)" } ?? "")")
        }
        return span(words.joined(separator: ", "), pool.failures > 0 ? .failure : pool.paused ? .warning : .plain)
    }

    private static func style(_ runner: RunnerView) -> TopLine.Style {
        switch runner.status {
        case "busy": .good
        case "draining": .warning
        case "offline": .failure
        default: .plain
        }
    }

    private func doing(_ runner: RunnerView, _ job: JobView?) -> TopLine.Span {
        if let stuck = runner.stuck { return span("stuck: \(stuck)", .failure) }
        if let id = runner.current_job {
            let time = job?.running_at.flatMap { age($0, at: model.now) } ?? ""
            guard width >= 60 else { return span("\(id) \(time)") }
            let name = [width >= 100 ? job?.project : nil, job?.name].compactMap { $0 }.joined(separator: " ")
            return span("\(time.isEmpty ? "" : time + " in ")job \(id) \(name)")
        }
        if let left = model.cooldownLeft(of: runner) { return span(width >= 60 ? "leaves in \(Self.countdown(left))" : "\(Self.countdown(left)) left") }
        return span(runner.reason, .dim)
    }

    /// Whole seconds, which tick evenly.
    private static func countdown(_ left: Double) -> String { left < 120 ? "\(Int(left.rounded(.up)))s" : seconds(left) }
}
