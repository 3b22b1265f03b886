import ControlModel

/// Waiting jobs by reason: reasons that need the operator first, then those with the oldest job.
struct WaitingSection {
    private struct Group {
        var key: String
        var reason: String?
        var advice: Advice
        /// The oldest first.
        var jobs: [(job: JobView, since: Double)]
        var oldest: Double { jobs.first?.since ?? .infinity }
    }

    private let groups: [Group]
    private let now: Double
    /// All that wait.
    let count: Int
    /// Seconds since 1970 since when the oldest waits; nil when none does.
    let oldest: Double?
    /// Whether a job waits for the operator.
    let needsAction: Bool

    init(_ content: PageContent) {
        now = content.frame.now
        var byReason: [String?: Group] = [:]
        let waiting = content.jobs.filter { $0.status == "pending" }
        for job in waiting {
            let since = job.pending_at.flatMap(Moments.seconds) ?? content.frame.now
            let code = job.waiting_code
            let advice = job.waiting_reason == nil ? .onItsWay : Advice.forCode(code)
            let key = "\(code ?? "") \(job.waiting_reason ?? "")"
            byReason[key, default: Group(key: key, reason: job.waiting_reason, advice: advice, jobs: [])].jobs.append((job, since))
        }
        let sorted = byReason.values.map { group in
            var group = group
            group.jobs.sort { ($0.since, $0.job.id) < ($1.since, $1.job.id) }
            return group
        }.sorted { ($0.advice.urgency, $0.oldest, $0.key) < ($1.advice.urgency, $1.oldest, $1.key) }
        groups = sorted
        count = waiting.count
        oldest = sorted.map(\.oldest).min()
        needsAction = sorted.contains { $0.advice.urgency == .act }
    }

    func html() -> HTML {
        guard count > 0 else { return Words.section("waiting", "Waiting", count: 0, "<p class='none'>No job waits.</p>") }
        let shares = rows()
        var body = HTML.empty
        for (group, share) in zip(groups, shares) { body += rows(of: group, shown: share) }
        if groups.count > shares.count {
            let hidden = groups.dropFirst(shares.count)
            body += """
                <tbody><tr class='rest'><td colspan='5'>\(hidden.reduce(0) { $0 + $1.jobs.count }) jobs wait for \
                \(Amounts.count(hidden.count, "more reason")). <a href='/status'>All of them</a></td></tr></tbody>
                """
        }
        return Words.section(
            "waiting", "Waiting", count: count,
            """
            <table class='rows waiting'><caption class='unseen'>Jobs that wait, by reason</caption><thead><tr><th scope='col' class='num'>Waits</th>\
            <th scope='col'>Job</th><th scope='col'>Project</th><th scope='col'>Ref</th><th scope='col'>Tags</th></tr></thead>\(body)</table>
            """)
    }

    /// The rows of each group. Every group gets some before any gets many, so that a long queue does not hide three jobs without a pool.
    private func rows() -> [Int] {
        let shown = groups.prefix(Bounds.reasons)
        var shares = shown.map { min($0.jobs.count, Bounds.waitingJobs / Bounds.reasons) }
        var left = Bounds.waitingJobs - shares.reduce(0, +)
        for (index, group) in shown.enumerated() {
            let more = min(left, group.jobs.count - shares[index])
            shares[index] += more
            left -= more
        }
        return shares
    }

    private func rows(of group: Group, shown: Int) -> HTML {
        let reason: HTML = group.reason.map { "\($0.capitalizedSentence.clipped(to: Bounds.sentence))" } ?? "A runner is on its way"
        var rows: HTML = """
            <tbody id='why-\(group.key.fingerprint)' class='\(group.advice.urgency.tone)'><tr class='why'><th colspan='5' scope='rowgroup'>\
            <p><span class='n'>\(group.jobs.count)</span><span><span class='reason'>\(reason)</span> \
            <span class='advice'>\(group.advice.steps)</span></span></p></th></tr>
            """
        for (job, _) in group.jobs.prefix(shown) {
            let age: HTML = job.pending_at.map { Words.age(since: $0, now: now) } ?? "–"
            rows += """
                <tr id='job-\(job.id)'><td class='num'>\(age)</td><td class='main'>\(Words.job(job))</td><td>\(Words.project(job))</td>\
                <td class='ref'>\(job.ref.map(Words.name) ?? "–")</td><td>\(job.tags.map(Words.tags) ?? "<span class='soft'>tags unknown</span>")</td></tr>
                """
        }
        if group.jobs.count > shown {
            rows +=
                "<tr class='rest'><td></td><td colspan='4'>and \(group.jobs.count - shown) more\(summary(of: group.jobs.dropFirst(shown).map(\.job)))</td></tr>"
        }
        rows += "</tbody>"
        return rows
    }

    /// Counts by set of tags.
    private func summary(of jobs: [JobView]) -> HTML {
        var counts: [String: Int] = [:]
        for job in jobs {
            // Bounded before they are put together, or long tags would make it slow.
            let known = job.tags?.prefix(Bounds.tags).map { $0.clipped(to: Bounds.name) }.sorted().joined(separator: ", ")
            let tags = known.map { $0.isEmpty ? "untagged" : $0 } ?? "tags unknown"
            counts[tags, default: 0] += 1
        }
        let sorted = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        var parts: [HTML] = sorted.prefix(Bounds.tagSets).map { "\($0.value) × \(Words.name($0.key))" }
        if sorted.count > Bounds.tagSets { parts.append("\(sorted.dropFirst(Bounds.tagSets).reduce(0) { $0 + $1.value }) with other tags") }
        return ": \(parts.joined(by: "; "))"
    }
}

extension Advice.Urgency {
    fileprivate var tone: HTML {
        switch self {
        case .act: "act"
        case .bound: "bound"
        case .soon: "soon"
        }
    }
}
