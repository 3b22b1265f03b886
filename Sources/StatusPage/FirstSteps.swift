import ControlModel

/// For a new installation, where all sections would be empty: the way to a first job.
enum FirstSteps {
    /// Whether AutoGit has not had anything to do yet.
    static func apply(to content: PageContent) -> Bool {
        content.jobs.isEmpty && content.runners.isEmpty && content.status.jobs.isEmpty && content.status.spawns.count == 0
    }

    static func html(_ content: PageContent) -> HTML {
        let pool = content.pools.first { $0.run_untagged } ?? content.pools.first
        var tags = HTML.empty
        if let pool, !pool.run_untagged, !pool.tags.isEmpty {
            let all = pool.tags.prefix(Bounds.tags).map { $0.clipped(to: Bounds.name) }.joined(separator: ", ")
            tags = "\n  tags: [\(all)]"
        }
        return """
            <section id='waiting' class='first' aria-labelledby='waiting-title'><div class='heading'><h2 id='waiting-title'>Ready for the first job</h2></div>\
            <p>AutoGit has not seen a job yet. Runners are started when one waits, and leave when none does.</p>\
            <ol class='steps'><li>Have GitLab tell AutoGit about a project’s jobs: <code>autogitctl hook install GROUP/PROJECT</code></li>\
            <li>Put a job into its <code>.gitlab-ci.yml</code> and push:\
            <pre tabindex='0'>hello:\(tags)\n  script: echo \"Hello from $CI_RUNNER_DESCRIPTION\"</pre></li>\
            <li>Watch it here: first under Waiting, then with its runner.</li></ol>\
            <p class='soft'>To try all pools without a project of yours: <code>autogitctl selftest</code>. \
            If nothing happens: <code>autogitctl doctor</code>.</p></section>
            """
    }
}
