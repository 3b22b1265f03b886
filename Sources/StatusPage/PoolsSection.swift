import ControlModel

/// Pools as bars: the runners of each, out of the most that it may have.
struct PoolsSection {
    /// Failed starts in a row that put a pool in quarantine; the same as `PoolState.quarantineAfter`.
    static let quarantineAfter = 5
    /// Bars for at most this many runners have a cell for each.
    private static let mostCells = 40
    /// In the order of the bar.
    private static let states = ["busy", "idle", "provisioning", "draining", "offline"]

    let pools: [PoolView]
    let frame: PageFrame

    func html() -> HTML {
        var items = HTML.empty
        for pool in pools.prefix(Bounds.pools) { items += item(pool) }
        if pools.isEmpty { items = "<li class='none'>No pool is configured. <code>autogitctl setup</code> writes one.</li>" }
        if pools.count > Bounds.pools { items += "<li>and \(pools.count - Bounds.pools) more: <a href='/pools'>all of them</a></li>" }
        return Words.section("pools", "Pools", count: pools.count, note: pools.isEmpty ? nil : Self.legend, "<ul class='pools'>\(items)</ul>")
    }

    private static let legend: HTML = """
        <span class='key busy'>busy</span> <span class='key idle'>idle</span> <span class='key provisioning'>starting</span> \
        <span class='key draining'>draining</span> <span class='key free'>free</span>
        """

    private func item(_ pool: PoolView) -> HTML {
        let used = pool.runners.reduce(0) { $0 + $1.value }
        let parts = Self.states.compactMap { state -> String? in
            guard let count = pool.runners[state], count > 0 else { return nil }
            return "\(count) \(state == "provisioning" ? "starting" : state)"
        }
        let shown = parts.isEmpty ? "no runner" : parts.joined(separator: ", ")
        let warm: HTML? = pool.warm > 0 ? " · \(pool.warm) kept warm\(pool.warm_reason.map { ", as \($0)" } ?? "")" : nil
        let schedule: HTML? = pool.schedule.map { " · \($0)" }
        return """
            <li id='pool-\(Escaping.pathSegment(pool.name))'><div class='line'><h3>\(Words.name(pool.name))</h3>\(badges(pool))\
            <p class='used'><b>\(used)</b> / \(pool.max_runners)</p></div>\(bar(pool, used: used, described: shown))\
            <p class='soft'>\(shown)\(warm)\(schedule) · \(kind(pool))</p>\(tags(pool))\(pull(pool))\(trouble(pool))\(orders(pool))</li>
            """
    }

    private func badges(_ pool: PoolView) -> HTML {
        var badges = HTML.empty
        if pool.paused { badges += "<span class='badge wait'>paused</span>" }
        if isQuarantined(pool) { badges += "<span class='badge bad'>quarantined</span>" }
        return badges
    }

    private func isQuarantined(_ pool: PoolView) -> Bool { pool.failures >= Self.quarantineAfter }

    private func kind(_ pool: PoolView) -> HTML {
        // Jobs in containers of their own are the rule, and their runner's place matters little.
        var parts: [HTML] = [pool.executor == "docker" ? "docker" : "\(pool.executor ?? "jobs") in a \(pool.driver)"]
        parts.append("\(Amounts.decimal(pool.cpus)) CPU, \(Amounts.bytes(pool.memory_bytes))")
        if let architecture = pool.architecture { parts.append("\(architecture)") }
        if let gpu = pool.gpu { parts.append("\(gpu) GPU") }
        return parts.joined(by: " · ")
    }

    private func tags(_ pool: PoolView) -> HTML {
        let untagged: HTML? = pool.run_untagged ? "<li class='more'>untagged jobs</li>" : nil
        var all = HTML.empty
        for tag in pool.tags.prefix(Bounds.tags) { all += "<li>\(Words.name(tag))</li>" }
        if pool.tags.count > Bounds.tags { all += "<li class='more'>\(pool.tags.count - Bounds.tags) more</li>" }
        return "<ul class='tags' aria-label='Tags'>\(all)\(untagged)</ul>"
    }

    private func bar(_ pool: PoolView, used: Int, described: String) -> HTML {
        let total = max(pool.max_runners, used, 1)
        let label: HTML = "\(used) of \(pool.max_runners) runners: \(described)"
        var (shapes, from) = (HTML.empty, 0)
        let counts = Self.states.map { ($0, pool.runners[$0] ?? 0) } + [("free", total - Self.states.reduce(0) { $0 + (pool.runners[$1] ?? 0) })]
        // A unit of the drawing is a tenth of a runner; a gap of one keeps cells apart.
        for (state, count) in counts where count > 0 {
            var path = HTML.empty
            if total <= Self.mostCells {
                for cell in from..<from + count { path += "M\(cell * 10) 0h9v10h-9z" }
            } else {
                path = "M\(from * 10) 0h\(count * 10)v10h-\(count * 10)z"
            }
            shapes += "<path class='\(state)' d='\(path)'/>"
            from += count
        }
        // Without the gap after the last cell.
        let width = total <= Self.mostCells ? from * 10 - 1 : from * 10
        return "<svg class='bar' viewBox='0 0 \(max(width, 1)) 10' preserveAspectRatio='none' role='img' aria-label='\(label)'>\(shapes)</svg>"
    }

    private func pull(_ pool: PoolView) -> HTML? {
        guard let pull = pool.pull else { return nil }
        let total: HTML? = pull.total_bytes.map { " of \(Amounts.bytes($0))" }
        return "<p class='soft'>Pulling \(Words.name(pull.image)): \(Amounts.bytes(pull.received_bytes))\(total)</p>"
    }

    private func trouble(_ pool: PoolView) -> HTML? {
        guard pool.failures > 0 else { return nil }
        var retry = HTML.empty
        if let text = pool.retry_at, let at = Moments.seconds(text), at > frame.now { retry = " · next try in \(Words.countdown(to: at, now: frame.now))" }
        let cause: HTML = pool.last_error.map { "\($0.capitalizedSentence.clipped(to: Bounds.sentence))" } ?? "The last start failed"
        let count = Amounts.count(pool.failures, "failed start") + (pool.failures > 1 ? " in a row" : "")
        return "<p class='error'>\(cause) <span class='soft'>\(count)\(retry)</span></p>"
    }

    private func orders(_ pool: PoolView) -> HTML? {
        guard case .signedIn = frame.session else { return nil }
        let toggle = Words.order(
            pool.paused ? "Resume" : "Pause", about: "pool \(pool.name)", to: ["pools", pool.name, pool.paused ? "resume" : "pause"], frame.session)
        let spawn = pool.paused ? nil : Words.order("Start a runner", about: "in pool \(pool.name)", to: ["pools", pool.name, "spawn"], frame.session)
        return "<div class='orders'>\(toggle)\(spawn)</div>"
    }
}
