import ControlModel

/// A whole page around its content.
struct Document {
    let title: String
    /// Without one, the header says nothing about AutoGit: the reader may not be allowed to know.
    let frame: PageFrame?
    let main: HTML
    /// Whether the header leads to the sections of the overview.
    var sections = false
    var footer = HTML.empty
    /// Of events, only those that hold this text are about the page; nil for all.
    var match: String?
    /// Seconds after which the page is read again without an event; nil for never.
    var refresh: Int?

    static let sources: HTML = """
        The same as JSON: <a href='/status'>status</a>, <a href='/jobs'>jobs</a>, <a href='/runners'>runners</a>, <a href='/pools'>pools</a>, \
        <a href='/hosts'>hosts</a>, <a href='/health'>health</a>; <a href='/metrics'>metrics</a>.
        """

    func text() -> String {
        let page: HTML = """
            <!DOCTYPE html>
            <html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width, initial-scale=1'>\
            <meta name='color-scheme' content='light dark'><title>\(title) · AutoGit</title>\
            <link rel='icon' type='image/svg+xml' href='/assets/autogit.svg?v=\(StatusPage.assetVersion)'>\
            <link rel='stylesheet' href='/assets/autogit.css?v=\(StatusPage.assetVersion)'>\
            <script src='/assets/autogit.js?v=\(StatusPage.assetVersion)' defer></script></head>
            <body><a class='skip' href='#main'>Skip to the content</a>\(header())
            <main id='main' tabindex='-1'\(liveAttributes())>\(main)</main>
            <footer>\(footer)\(readOnly())<p>AutoGit \(autogitVersion)</p></footer></body></html>

            """
        return page.markup
    }

    private func header() -> HTML {
        guard let frame else { return "<header><a class='home' href='/'>AutoGit</a></header>" }
        let nav: HTML? =
            sections
            ? """
            <nav aria-label='Sections'><a href='#waiting'>Waiting</a><a href='#pools'>Pools</a><a href='#runners'>Runners</a><a href='#history'>History</a>\
            <a href='#failures'>Failures</a></nav>
            """ : nil
        return """
            <header><a class='home' href='/'>AutoGit</a><div id='state' class='state'>\(HealthSection.word(frame.health))</div>\(nav)\
            <div class='meta'><p id='live' class='live' role='status'></p><p id='as-of'>as of \(Words.clock(Moments.text(frame.now), now: frame.now))</p>\
            \(account(frame.session))</div></header><p id='notice' class='notice' role='alert' hidden></p>
            """
    }

    private func account(_ session: Session) -> HTML {
        switch session {
        case .unavailable: "<a href='#read-only'>Read-only</a>"
        case .signedOut: "<a href='/ui/sign-in'>Sign in</a>"
        case .signedIn(let csrf):
            "<form method='post' action='/ui/sign-out'><input type='hidden' name='csrf' value='\(csrf)'><button class='quiet'>Sign out</button></form>"
        }
    }

    private func readOnly() -> HTML? {
        guard let frame, frame.session == .unavailable else { return nil }
        return """
            <p id='read-only'>This page is read-only because no control token is configured. To pause, drain and read logs here, \
            \(SignInPage.configure)</p>
            """
    }

    /// Only a page with a frame follows events.
    private func liveAttributes() -> HTML? {
        guard let frame else { return nil }
        let match: HTML? = match.map { " data-match='\($0)'" }
        let refresh: HTML? = refresh.map { " data-refresh='\($0)'" }
        return " data-now='\(Int(bounded: frame.now * 1000))' data-events='/events'\(match)\(refresh)"
    }
}
