import ControlModel

/// The status page: functions from values to whole HTML documents. They do no I/O, keep nothing, and can be called from any thread.
///
/// Documents refer to `/assets/autogit.css`, `.js` and `.svg` (see `style`, `script` and `icon`), to `/ui/runners/ID` and `/ui/jobs/ID`, and to the
/// JSON of the API. Their forms send `application/x-www-form-urlencoded` by POST, to be answered with 303 back to the page: `/ui/sign-in` (`token`),
/// and with the field `csrf` `/ui/sign-out`, `/ui/pools/NAME/pause`, `/ui/pools/NAME/resume`, `/ui/pools/NAME/spawn`, `/ui/runners/ID/drain`.
public enum StatusPage {
    /// The page at `/`. Its size is bounded whatever the content, at about 200 KiB.
    public static func overview(_ content: PageContent) -> String {
        let (frame, now) = (content.frame, content.frame.now)
        let waiting = WaitingSection(content)
        let health = HealthSection(frame.health)
        let jobs = Dictionary(content.jobs.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        var main: HTML = "<h1 class='unseen'>Jobs and runners</h1>"
        main += NumbersSection.html(content, waiting: waiting)
        main += health.troublesHTML()
        main += FirstSteps.apply(to: content) ? FirstSteps.html(content) : waiting.html()
        main += health.warningsHTML()
        main += PoolsSection(pools: content.pools, frame: frame).html()
        main += RunnersSection(runners: content.runners, jobs: jobs, frame: frame).html()
        main += HistorySection(content.history.hours, now: now).html()
        main += "<div class='pair wide'>"
        main += FailuresSection(failures: content.history.failures, lastLines: content.lastLines, frame: frame).html()
        main += RecentJobsSection(jobs: content.jobs, now: now).html()
        main += "</div>"
        let title = waiting.count > 0 ? "\(waiting.count) waiting" : "Nothing waiting"
        let up: HTML? = Moments.seconds(content.status.started_at).map {
            ", up <time datetime='\(Moments.text($0))' data-since>\(Moments.age(now - $0))</time>"
        }
        let footer: HTML = "<p>Instance \(content.status.instance.clipped(to: Bounds.name))\(up). \(Document.sources)</p>"
        return Document(title: title, frame: frame, main: main, sections: true, footer: footer).text()
    }

    /// The page at `/ui/runners/ID`.
    /// - Parameters:
    ///   - view: with its history, as `GET /runners/ID` answers.
    ///   - job: the one that it runs, for its name.
    ///   - log: the last lines of its log; nil for readers who are not signed in, and when there is none. The page shows at most the last 1,000.
    public static func runner(_ view: RunnerView, job: JobView?, log: [String]?, frame: PageFrame) -> String {
        let page = RunnerPage(view: view, job: job, log: log, frame: frame)
        return Document(title: view.name.clipped(to: Bounds.name), frame: frame, main: page.html(), match: view.id, refresh: page.refreshSeconds).text()
    }

    /// The page at `/ui/jobs/ID`.
    /// - Parameters:
    ///   - gitlab: the address of its GitLab, for a link to the job there; nil for none.
    public static func job(_ view: JobView, gitlab: String?, frame: PageFrame) -> String {
        let page = JobPage(view: view, gitlab: gitlab, frame: frame)
        return Document(title: (view.name ?? "Job \(view.id)").clipped(to: Bounds.name), frame: frame, main: page.html(), match: "\(view.id)").text()
    }

    /// The page at `/ui/sign-in`.
    /// - Parameters:
    ///   - message: why it is shown again, such as "The token is wrong."; nil the first time.
    ///   - isAvailable: whether a control token is configured. Without one, the page says which key to set.
    public static func signIn(message: String?, isAvailable: Bool = true) -> String {
        Document(title: "Sign in", frame: nil, main: SignInPage.html(message: message, isAvailable: isAvailable)).text()
    }

    /// A page for an error.
    /// - Parameters:
    ///   - status: the HTTP status.
    ///   - title: what happened, in a few words.
    ///   - detail: what happened and what to do, in a sentence or two.
    public static func problem(status: Int, title: String, detail: String) -> String {
        let main: HTML = """
            <section class='narrow' aria-labelledby='problem-title'><p class='soft'>\(status)</p>\
            <h1 id='problem-title'>\(title.clipped(to: Bounds.sentence))</h1>\
            <p id='problem'>\(detail.clipped(to: Bounds.longLine))</p><p><a href='/'>To the overview</a></p></section>
            """
        return Document(title: title.clipped(to: Bounds.name), frame: nil, main: main).text()
    }

    /// For the header `Content-Security-Policy` of every document: nothing inline, nothing from elsewhere, no frames.
    public static let contentSecurityPolicy =
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        + "frame-ancestors 'none'"

    /// The other headers of every document. The referrer stays within the origin: with `no-referrer`, browsers would send `Origin: null` with forms,
    /// and a check of the origin could not tell ours from others.
    public static let securityHeaders: [(name: String, value: String)] = [
        ("Content-Security-Policy", contentSecurityPolicy), ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"), ("Cache-Control", "no-store"),
    ]

    /// The style sheet, at `/assets/autogit.css` as `text/css`. Documents ask for it with `?v=` and its version, so it may be cached for good.
    public static let style = StyleSheet.base + StyleSheet.parts

    /// The script, at `/assets/autogit.js` as `text/javascript`. As `style`.
    public static let script = Script.text

    /// The icon, at `/assets/autogit.svg` as `image/svg+xml`. As `style`.
    public static let icon = """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#1f5fbf"/>\
        <path d="M8 22V14M13 22V10M18 22v-6M23 22V8" stroke="#fff" stroke-width="3" stroke-linecap="round"/></svg>
        """

    /// Changes when an asset does.
    static let assetVersion = (style + script + icon).fingerprint
}
