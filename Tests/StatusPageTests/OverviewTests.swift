import ControlModel
import Testing

@testable import StatusPage

@Suite struct OverviewTests {
    private func text(_ content: PageContent) -> String { Markup(StatusPage.overview(content)).text.replacing("\u{A0}", with: " ") }

    @Test func hasFourNumbers() {
        var content = Fixtures.content(
            jobs: [Fixtures.job(1, "pending"), Fixtures.job(2, "running"), Fixtures.job(3, "canceling"), Fixtures.job(4, "success")],
            runners: [Fixtures.runner("a"), Fixtures.runner("b", "busy"), Fixtures.runner("c", "provisioning")])
        content.history.median_wait_last_hour = 2.14
        let text = text(content)
        #expect(text.contains("Jobs waiting1oldest 5 m 00 s"))
        #expect(text.contains("Jobs running23 of 4 runners up"))
        #expect(text.contains("Idle runners11 starting"))
        #expect(text.contains("Median wait, last hour2.1 s"))
        #expect(StatusPage.overview(content).contains("<title>1 waiting · AutoGit</title>"))
    }

    @Test func showsWaitingJobsByReasonWithAdvice() throws {
        var content = Fixtures.content(jobs: [
            Fixtures.job(1, "pending", "soon"),
            Fixtures.job(2, "pending", "full", since: "2026-07-01T11:00:00.000Z", reason: "pool default is at max_runners (4)"),
            Fixtures.job(3, "pending", "stray", since: "2026-07-01T11:59:18.000Z", reason: "no pool has the tag gpu"),
        ])
        (content.jobs[1].waiting_code, content.jobs[2].waiting_code) = ("at-maximum", "no-pool")
        let text = text(content)
        let (act, bound, soon) = try (
            #require(text.firstRange(of: "No pool has the tag gpu")), #require(text.firstRange(of: "Pool default is at max_runners (4)")),
            #require(text.firstRange(of: "A runner is on its way"))
        )
        // What somebody has to act on comes first, however young; then the bound; and all of it before the pools.
        #expect(act.lowerBound < bound.lowerBound && bound.lowerBound < soon.lowerBound)
        #expect(try soon.lowerBound < #require(text.firstRange(of: "4 / 4") ?? text.firstRange(of: " / 4")).lowerBound)
        #expect(text.contains("Add the tags to a pool in /etc/autogit/autogit.toml, then systemctl reload autogit"))
        #expect(text.contains("raise max_runners"))
        #expect(text.contains("42 sstraygroup/projectmaindocker"))
        #expect(text.contains("1 h 00 mfull"))
        #expect(StatusPage.overview(content).contains("<dd class='value bad'>3</dd>"))
    }

    @Test func boundsWaitingJobsAndCountsTheRest() {
        let page = StatusPage.overview(Fixtures.crowd())
        let markup = Markup(page)
        let rows = markup.all("tr").count { $0.attributes["id"]?.hasPrefix("job-") == true }
        #expect(rows == Bounds.waitingJobs)
        // All five jobs without a pool are there.
        #expect(markup.text.contains("5No pool has the tag gpu"))
        for id in [1000, 1100, 1200, 1300, 1400] { #expect(page.contains("id='job-\(id)'")) }
        let text = markup.text.replacing("\u{A0}", with: " ")
        #expect(text.contains("× arm64, docker; "))
        let hidden = text.matches(of: /and (\d+) more: \d+ ×/).compactMap { Int($0.1) }
        #expect(hidden.reduce(0, +) == 500 - rows)
    }

    @Test func boundsReasons() {
        let jobs = (0..<40).map { Fixtures.job(Int64($0), "pending", reason: "GitLab does not say what is asked about it: \($0)") }
        let text = text(Fixtures.content(jobs: jobs))
        #expect(text.contains("28 jobs wait for 28 more reasons"))
    }

    @Test(arguments: [Session.signedOut, Fixtures.signedIn]) func isBoundedInSize(session: Session) {
        let common = StatusPage.overview(Fixtures.crowd(session)).utf8.count
        #expect(common < 200_000, "\(common)")
        var content = Fixtures.crowd(session)
        let long = String(repeating: "<\u{202E}", count: 50_000)
        for index in content.jobs.indices {
            (content.jobs[index].name, content.jobs[index].project, content.jobs[index].ref) = (long, long, long)
            content.jobs[index].tags = Array(repeating: long, count: 100)
        }
        content.history.failures = (0..<50).map { .init(at: "\($0)", runner: "r\($0)", pool: "p", reason: long) }
        content.lastLines = Dictionary(uniqueKeysWithValues: (0..<50).map { ("r\($0)", Array(repeating: long, count: 1000)) })
        content.frame.health.warnings = Array(repeating: long, count: 100)
        let worst = StatusPage.overview(content).utf8.count
        #expect(worst < 2_000_000, "\(worst)")
    }

    @Test func showsTroubleAboveWaitingAndWarningsBelow() throws {
        var content = Fixtures.content(jobs: [Fixtures.job(1, "pending")])
        content.frame.health = HealthView(
            status: "degraded", gitlab: "refuses connections", engine: "unknown", store: "disk full", warnings: ["the token expires in 9 days"])
        let text = text(content)
        let order = ["Degraded", "Trouble", "GitLab refuses connections", "Database disk full", "A runner is on its way", "The token expires in 9 days"]
        let places = try order.map { try #require(text.firstRange(of: $0)).lowerBound }
        #expect(places == places.sorted())
        #expect(!text.contains("Engine unknown"))
    }

    @Test func showsPoolsAsBars() {
        var full = Fixtures.pool("full", runners: ["busy": 2, "idle": 1], max: 4)
        full.warm = 1
        var broken = Fixtures.pool("broken")
        (broken.failures, broken.last_error, broken.retry_at, broken.paused) = (5, "no such image", "2026-07-01T12:01:14.000Z", true)
        var recovered = Fixtures.pool("recovered", max: 100)
        recovered.last_error = "long ago"
        (recovered.warm, recovered.warm_reason, recovered.schedule) = (1, "a <job> came last week", "mon-fri 08:00-18:00 UTC")
        let page = StatusPage.overview(Fixtures.content(pools: [full, broken, recovered]))
        let text = Markup(page).text.replacing("\u{A0}", with: " ")
        #expect(text.contains("full3 / 42 busy, 1 idle · 1 kept warm"))
        #expect(text.contains("1 kept warm, as a <job> came last week · mon-fri 08:00-18:00 UTC"))
        #expect(page.contains("aria-label='3 of 4 runners: 2 busy, 1 idle'"))
        #expect(
            page.contains("<path class='busy' d='M0 0h9v10h-9zM10 0h9v10h-9z'/><path class='idle' d='M20 0h9v10h-9z'/><path class='free' d='M30 0h9v10h-9z'/>"))
        #expect(text.contains("brokenpausedquarantined0 / 4"))
        #expect(text.contains("No such image 5 failed starts in a row · next try in 1 m 14 s"))
        #expect(!text.contains("ong ago"))
        #expect(page.contains("<path class='free' d='M0 0h1000v10h-1000z'/>"))
    }

    @Test func showsRunnersWithJobAgeAndCooldown() {
        var (busy, idle, stuck) = (Fixtures.runner("aaaa", "busy"), Fixtures.runner("bbbb"), Fixtures.runner("cccc", "draining"))
        (busy.current_job, idle.cooldown_left, stuck.stuck) = (9, 143, "the engine refuses")
        var job = Fixtures.job(9, "running", "unit")
        job.running_at = "2026-07-01T11:59:00.000Z"
        let page = StatusPage.overview(Fixtures.content(Fixtures.signedIn, jobs: [job], runners: [idle, busy, stuck]))
        let text = Markup(page).text.replacing("\u{A0}", with: " ")
        #expect(text.contains("aaaadefaultbusyunit group/project · 1 m 00 s1 m 40 s–3Drain"))
        #expect(text.contains("bbbbdefaultidle–1 m 40 s2 m 23 s3Drain"))
        #expect(text.contains("ccccdefaultdrainingStuck: the engine refuses"))
        #expect(page.contains("<time datetime='2026-07-01T12:02:23Z' data-until>"))
        #expect(!page.contains("/ui/runners/cccc/drain"))
    }

    @Test func offersOrdersOnlyWhenSignedIn() {
        for session in [Session.unavailable, .signedOut] {
            let markup = Markup(StatusPage.overview(Fixtures.content(session, runners: [Fixtures.runner("a")])))
            #expect(markup.all("form").isEmpty && markup.all("button").isEmpty && markup.all("input").isEmpty)
        }
        let markup = Markup(StatusPage.overview(Fixtures.content(Fixtures.signedIn, runners: [Fixtures.runner("a")])))
        #expect(markup.values(of: "action") == ["/ui/sign-out", "/ui/pools/default/pause", "/ui/pools/default/spawn", "/ui/runners/a/drain"])
        #expect(markup.all("input").allSatisfy { $0.attributes["name"] == "csrf" && $0.attributes["value"] == Fixtures.csrf })
        #expect(text(Fixtures.content(.unavailable)).contains("set control_token_file under [listen] in /etc/autogit/autogit.toml"))
        #expect(StatusPage.overview(Fixtures.content(.signedOut)).contains("<a href='/ui/sign-in'>Sign in</a>"))
    }

    @Test func showsFailuresWithTheirLines() {
        var content = Fixtures.content()
        content.history.failures = (0..<20).map {
            .init(at: "2026-06-30T23:00:00.000Z", runner: "r\($0)", pool: "p\($0)", reason: "exited with code \($0)")
        }
        content.lastLines = Dictionary(uniqueKeysWithValues: (0..<20).map { ("r\($0)", (0..<30).map { "line \($0)" }) })
        let page = StatusPage.overview(content)
        let markup = Markup(page)
        #expect(markup.text.contains("2026-06-30 23:00:00 UTC · p0 · r0Exited with code 0Last 12\u{A0}linesline 18\nline 19"))
        #expect(markup.all("details").count { $0.attributes["open"] != nil } == 1)
        #expect(!markup.text.contains("p\(Bounds.failures) ·"))
        #expect(!markup.text.contains("to read their last lines"))
        content.lastLines = [:]
        #expect(text(content).contains("Sign in to read their last lines"))
    }

    @Test func greetsANewInstallation() {
        let text = text(Fixtures.fresh())
        #expect(text.contains("Ready for the first job"))
        #expect(text.contains("autogitctl hook install GROUP/PROJECT"))
        #expect(text.contains("hello:\n  tags: [docker, linux]\n  script:"))
        #expect(!self.text(Fixtures.content()).contains("Ready for the first job"))
    }

    @Test func saysWhatIsEmpty() {
        let text = text(Fixtures.content(pools: []))
        for sentence in [
            "No job waits.", "No pool is configured.", "No runner is up.", "No job ran, and no runner was started.", "No runner failed lately.", "None yet.",
        ] { #expect(text.contains(sentence)) }
    }

    @Test func listsFinishedJobs() {
        var job = Fixtures.job(5, "failed", "unit")
        (job.running_at, job.finished_at, job.wait_seconds, job.failure_reason) = ("2026-07-01T11:55:03.000Z", "2026-07-01T11:57:00.000Z", 3, "script_failure")
        #expect(text(Fixtures.content(jobs: [job])).contains("unit group/projectfailedscript_failure3.0 s1 m 57 s3 m 00 s"))
    }
}
