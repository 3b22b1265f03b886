import ControlModel

/// The last runners that failed to start or died, with the last lines of their logs.
struct FailuresSection {
    let failures: [HistoryView.Failure]
    /// By runner.
    let lastLines: [String: [String]]
    let frame: PageFrame

    func html() -> HTML {
        if failures.isEmpty { return Words.section("failures", "Last failures", "<p class='none'>No runner failed lately.</p>") }
        var items = HTML.empty
        for (index, failure) in failures.prefix(Bounds.failures).enumerated() { items += item(failure, isOpen: index == 0) }
        // Without a session the caller may have left the lines out.
        let isHidden = frame.session == .signedOut && lastLines.values.allSatisfy(\.isEmpty)
        return Words.section(
            "failures", "Last failures", note: isHidden ? "<a href='/ui/sign-in'>Sign in</a> to read their last lines" : nil,
            "<ol class='failures'>\(items)</ol>")
    }

    private func item(_ failure: HistoryView.Failure, isOpen: Bool) -> HTML {
        let key = "\(failure.at) \(failure.pool) \(failure.runner) \(failure.reason)".fingerprint
        return """
            <li id='failure-\(key)'><p class='soft'>\(Words.clock(failure.at, now: frame.now)) · \(Words.name(failure.pool)) · \(Words.runner(failure.runner))</p>\
            <p class='what'>\(failure.reason.capitalizedSentence.clipped(to: Bounds.sentence))</p>\(lines(failure, isOpen: isOpen))</li>
            """
    }

    private func lines(_ failure: HistoryView.Failure, isOpen: Bool) -> HTML? {
        let lines = (lastLines[failure.runner] ?? []).suffix(Bounds.failureLines)
        guard !lines.isEmpty else { return nil }
        return """
            <details\(isOpen ? " open" : "")><summary>Last \(Amounts.count(lines.count, "line"))</summary>\
            <pre tabindex='0'>\(LogText.html(lines, atMost: Bounds.shortLine))</pre></details>
            """
    }
}

/// The lines of a log.
enum LogText {
    static func html(_ lines: ArraySlice<String>, atMost bound: Int) -> HTML {
        lines.map { "\(Escaping.logLine($0, atMost: bound))" }.joined(by: "\n")
    }
}
