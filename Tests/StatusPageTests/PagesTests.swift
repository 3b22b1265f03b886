import ControlModel
import Testing

@testable import StatusPage

@Suite struct PagesTests {
    private func text(_ page: String) -> String { Markup(page).text.replacing("\u{A0}", with: " ") }

    @Test func showsARunnerWithItsHistory() {
        var runner = Fixtures.runner("k7q2", "busy")
        (runner.current_job, runner.spawn_seconds, runner.gitlab_id, runner.emulated) = (9, 2.14, 1184, true)
        runner.history = [.init(at: "2026-07-01T11:58:20.000Z", event: "requested", detail: "for job 9")]
        let page = StatusPage.runner(runner, job: Fixtures.job(9, "running", "unit"), log: nil, frame: Fixtures.frame())
        let text = text(page)
        for part in [
            "Jobunit group/project", "Start took2.1 s", "1.5 CPU, 512 MiB", "amd64, emulated", "1184", "11:58:20 UTCRequested for job 9", "Sign in to read it",
        ] {
            #expect(text.contains(part), "\(part)")
        }
        #expect(page.contains("data-match='k7q2'") && !page.contains("data-refresh"))
    }

    @Test func showsTheLogOnlyWhenSignedIn() {
        let (runner, log) = (Fixtures.runner("k7q2"), (0..<3000).map { "line \($0)" })
        for session in [Session.signedOut, .unavailable] {
            #expect(!StatusPage.runner(runner, job: nil, log: log, frame: Fixtures.frame(session)).contains("line 2999"))
        }
        let page = StatusPage.runner(runner, job: nil, log: log, frame: Fixtures.frame(Fixtures.signedIn))
        #expect(page.contains("\nline 2999</pre>") && page.contains("data-refresh='5'") && page.contains("/ui/runners/k7q2/drain"))
        #expect(!page.contains("line 1999\n") && text(page).contains("the last 1000 of 3000 lines"))
        #expect(text(StatusPage.runner(runner, job: nil, log: nil, frame: Fixtures.frame(Fixtures.signedIn))).contains("only runners that failed leave a log"))
    }

    @Test func showsAJobWithItsTimeline() {
        var job = Fixtures.job(9, "success", "unit")
        (job.running_at, job.finished_at, job.wait_seconds, job.runner) = ("2026-07-01T11:55:03.000Z", "2026-07-01T11:57:00.000Z", 3, "k7q2")
        job.usage = .init(cpu_seconds: 90, peak_memory_bytes: 180 << 20, memory_limit_bytes: 2 << 30, memory_kills: 2, measured_seconds: 115)
        job.hint = "used at most 180 MiB of 2 GiB in the last 20 jobs of this name"
        let page = StatusPage.job(job, gitlab: "https://gitlab.example.org/", frame: Fixtures.frame())
        let text = text(page)
        #expect(text.contains("11:55:00 UTCFirst seen waiting11:55:03 UTCRunning, after 3.0 s11:57:00 UTCSuccess, after 1 m 57 s"))
        #expect(Markup(page).values(of: "href").contains("https://gitlab.example.org/group/project/-/jobs/9"))
        #expect(Markup(page).values(of: "href").contains("/ui/runners/k7q2"))
        #expect(
            text.contains("CPU time1") && text.contains("Memory180 MiB at most, of 2 GiBKilled2 processes at the memory limitHintused at most"))
        job.usage = nil
        #expect(self.text(StatusPage.job(job, gitlab: nil, frame: Fixtures.frame())).contains("CPU and memorynot measured"))
    }

    @Test func saysWhyAJobWaits() {
        var job = Fixtures.job(9, "pending", reason: "no pool has the tag gpu")
        job.waiting_code = "no-pool"
        let page = StatusPage.job(job, gitlab: "javascript:alert(1)//", frame: Fixtures.frame())
        #expect(text(page).contains("No pool has the tag gpu. Add the tags to a pool"))
        #expect(text(page).contains("Waiting for 5 m 00 s"))
        #expect(!page.contains("javascript:"))
    }

    @Test func asksForTheToken() throws {
        let markup = Markup(StatusPage.signIn(message: "The token is wrong."))
        let input = try #require(markup.all("input").first)
        #expect(input.attributes["type"] == "password" && input.attributes["name"] == "token" && input.attributes["aria-describedby"] == "sign-in-message")
        #expect(markup.values(of: "action") == ["/ui/sign-in"] && markup.values(of: "for") == ["token"])
        #expect(markup.text.contains("The token is wrong."))
        #expect(Markup(StatusPage.signIn(message: nil, isAvailable: false)).all("form").isEmpty)
        #expect(text(StatusPage.signIn(message: nil, isAvailable: false)).contains("control_token_file"))
    }

    @Test func explainsAProblem() {
        let text = text(StatusPage.problem(status: 404, title: "No such runner", detail: "There is no runner x."))
        #expect(text.contains("404No such runnerThere is no runner x."))
    }

    @Test(arguments: [
        "starting-up", "tags-unknown", "gitlab-refuses", "evacuating", "gitlab-away", "token-refused", "store-not-writable", "no-pool", "held", "pool-paused",
        "backing-off", "quarantined", "probing", "at-maximum", "memory-budget", "cpu-budget", "engine-down", "host-unfit", "no-emulator", "no-gpu",
        "gpus-in-use",
        "disk-reserve", "launches-at-bound",
    ]) func hasAdviceForEachReason(code: String) {
        #expect(Advice.forCode(code).steps.markup != Advice.forCode("of the future").steps.markup)
    }

    @Test func drawsCharts() {
        let page = StatusPage.overview(Fixtures.crowd())
        let markup = Markup(page)
        #expect(markup.all("svg").count { $0.attributes["class"] == "chart" } == 3)
        #expect(markup.all("figure").count == 3 && markup.all("title").count > 3 && markup.all("desc").count == 3)
        #expect(markup.text.contains("In the worst hour: median 23\u{A0}s, 95 % within 1\u{A0}m\u{A0}09\u{A0}s."))
        #expect(markup.text.contains("276\u{A0}jobs, 46 failed."))
        // The tallest bar is 69 s under a bound of 2 m.
        #expect(page.contains("<rect class='light' x='347.7' y='49.1' width='11.3' height='52.9'/>"))
    }
}

@Suite struct MomentsTests {
    @Test func readsAndWritesTimes() {
        #expect(Moments.seconds("1970-01-01T00:00:00.000Z") == 0)
        #expect(Moments.seconds("2026-07-01T12:00:00.250Z") == 1_782_907_200.25)
        #expect(Moments.seconds("2024-02-29T23:59:59Z") == 1_709_251_199)
        for text in [
            "", "yesterday", "2026-07-01", "2026-07-01 12:00:00.000Z", "2026-13-01T12:00:00.000Z", "2026-07-01T12:00:00.00xZ", "2026-07-01T12:00:00+02:00",
        ] {
            #expect(Moments.seconds(text) == nil)
        }
        for seconds in [0, 951_782_399, 951_782_400, 1_709_164_800, 1_782_907_200, 253_402_300_799] as [Double] {
            #expect(Moments.seconds(Moments.text(seconds)) == seconds)
        }
        #expect(Moments.text(-.infinity) == "1970-01-01T00:00:00Z" && Moments.text(.infinity) == "9999-12-31T23:59:59Z" && Moments.text(.nan).hasSuffix("Z"))
    }

    @Test(arguments: [
        (-5, "0 s"), (0, "0 s"), (59.9, "59 s"), (60, "1 m 00 s"), (3599, "59 m 59 s"), (3600, "1 h 00 m"), (86_399, "23 h 59 m"), (273_600, "3 d 4 h"),
    ])
    func writesAges(seconds: Double, text: String) { #expect(Moments.age(seconds).replacing("\u{A0}", with: " ") == text) }

    @Test(arguments: [(0, "0 ms"), (0.0801, "80 ms"), (0.0996, "0.1 s"), (2.14, "2.1 s"), (9.96, "10 s"), (59.6, "1 m 00 s"), (197, "3 m 17 s")])
    func writesDurations(seconds: Double, text: String) { #expect(Moments.duration(seconds).replacing("\u{A0}", with: " ") == text) }

    @Test func writesAmounts() {
        #expect(Amounts.bytes(2 << 30) == "2\u{A0}GiB" && Amounts.bytes(1536 << 20) == "1.5\u{A0}GiB" && Amounts.bytes(-1) == "0\u{A0}B")
        #expect(Amounts.decimal(1.25) == "1.3" && Amounts.decimal(.infinity).isEmpty == false)
    }
}
