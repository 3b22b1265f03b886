import ControlModel

/// Trouble that stops work, right under the numbers; and warnings, which don't stop it yet.
struct HealthSection {
    private let troubles: [(title: HTML, text: String, advice: HTML)]
    private let warnings: [String]

    init(_ health: HealthView) {
        let fine = ["ok", "unknown"]
        let all: [(HTML, String, HTML)] = [
            (
                "GitLab", health.gitlab,
                "Running jobs go on, and AutoGit keeps trying. Check GitLab and the token: <code>autogitctl doctor</code>."
            ),
            ("Engine", health.engine, "No runner is started until it answers. <code>autogitctl doctor</code> says how to start it."),
            (
                "Database", health.store,
                "No runner is started until it can be written. Check space and permissions of <code>/var/lib/autogit</code>."
            ),
        ]
        troubles = all.filter { !fine.contains($0.1) }
        warnings = health.warnings ?? []
    }

    func troublesHTML() -> HTML {
        if troubles.isEmpty { return .empty }
        var items = HTML.empty
        for trouble in troubles {
            items += "<li><b>\(trouble.title)</b> <span>\(trouble.text.clipped(to: Bounds.sentence))</span> <span class='advice'>\(trouble.advice)</span></li>"
        }
        return "<section id='trouble' class='alert' aria-labelledby='trouble-title'><h2 id='trouble-title'>Trouble</h2><ul>\(items)</ul></section>"
    }

    func warningsHTML() -> HTML {
        if warnings.isEmpty { return .empty }
        var items = HTML.empty
        for warning in warnings.prefix(Bounds.warnings) { items += "<li>\(warning.capitalizedSentence.clipped(to: Bounds.sentence))</li>" }
        if warnings.count > Bounds.warnings { items += "<li>and \(warnings.count - Bounds.warnings) more: <code>autogitctl status</code></li>" }
        return Words.section("warnings", "Warnings", count: warnings.count, "<ul class='warnings'>\(items)</ul>")
    }

    /// The state in a word, for the header.
    static func word(_ health: HealthView) -> HTML {
        if health.status != "healthy" { return "<a class='tone bad' href='/#trouble'>Degraded</a>" }
        if let warnings = health.warnings, !warnings.isEmpty {
            return "<a class='tone wait' href='/#warnings'>Healthy, \(Amounts.count(warnings.count, "warning"))</a>"
        }
        return "<span class='tone good'>Healthy</span>"
    }
}
