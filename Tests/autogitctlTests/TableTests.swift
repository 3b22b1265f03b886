import ControlModel
import Foundation
import Testing

@testable import autogitctl

@Suite struct TableTests {
    private func table() -> Table {
        var table = Table("ID", "NAME")
        table.add("1", "a long name that takes its room")
        table.add("200", nil)
        return table
    }

    @Test func columnsAreAsWideAsTheirContents() {
        #expect(table().text(width: nil) == "ID   NAME\n1    a long name that takes its room\n200  -\n")
    }

    @Test func theWidestColumnIsCutToFitTheTerminal() {
        let lines = table().text(width: 20).split(separator: "\n")
        #expect(lines == ["ID   NAME", "1    a long name th…", "200  -"])
        #expect(lines.allSatisfy { $0.count <= 20 })
    }

    /// Eight characters of each column stay, even when the terminal has no room for them.
    @Test func aNarrowTerminalCutsNoColumnToNothing() {
        #expect(table().text(width: 3).split(separator: "\n")[1] == "1    a long …")
    }

    @Test func contentsCannotControlTheTerminal() {
        var table = Table("NAME")
        table.add("a\u{1B}[2Jb\nc\u{202E}d")
        #expect(table.text(width: nil) == "NAME\na\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}d\n")
        #expect(Logs.terminalText(Array("one\ntwo\u{7}\n".utf8)) == "one\ntwo\u{FFFD}\n")
    }

    @Test(arguments: [
        (0, "0.0s"), (9.94, "9.9s"), (10, "10s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172_799, "47h"), (172_800, "2d"),
    ])
    func timesAreForPeople(value: Double, text: String) { #expect(seconds(value) == text) }

    @Test func agesAreOfTimesInThePast() throws {
        let now = try Date("2026-11-25T12:00:00.000Z", strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        #expect(age("2026-11-25T11:00:01.500Z", at: now) == "59m")
        // A clock that was set back.
        #expect(age("2026-11-25T13:00:00.000Z", at: now) == "0.0s")
        #expect(age("yesterday", at: now) == nil)
    }
}

/// The listings as people see them.
@Suite struct ListingTests {
    private let runner = RunnerView(
        id: "abcd2345", name: "autogit-runner-abcd2345", status: "busy", phase: "ready", pool: "p", driver: "container", architecture: "amd64",
        gpu_enabled: false, tags: ["x"], jobs_done: 2, cpus: 0.5, memory_bytes: 64 << 20, requested_at: "2026-11-25T11:00:00.000Z",
        last_seen: "2026-11-25T11:00:00.000Z")
    private var status: StatusView {
        StatusView(
            version: "1", instance: "i", started_at: "t", gitlab: "ok", engine: "unknown", warnings: ["w"], runners: ["busy": 1, "idle": 2], jobs: [:],
            waiting: ["10": "ten", "9": "nine\u{7}"], spawns: .init(count: 3, failed: 1, last_seconds: 1, mean_seconds: 2.5), success_rate: 0.666,
            memory_promised_bytes: 0, cpus_promised: 0)
    }

    @Test func keptLogsAreListedAndNamedWithTheirRunner() throws {
        let now = try Date("2026-11-25T12:00:00.000Z", strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        let kept = KeptLogView(
            runner: "abcd2345", name: "autogit-runner-abcd2345", at: "2026-11-25T11:00:00.000Z", bytes: 4711, pool: nil, reason: "exited with code 1")
        let lines = Logs.table([kept], at: now).text(width: nil).split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        #expect(lines == ["RUNNER POOL AGE BYTES REASON", "abcd2345 - 60m 4711 exited with code 1"])
        var view = runner
        #expect(!Runners.text(view).contains("autogitctl logs"))
        view.has_log = true
        #expect(Runners.text(view).contains("log      kept; show it with: autogitctl logs abcd2345\n"))
    }

    @Test func cachesTellTheirSizesAndWhoHasThem() {
        let text = Cache.table(
            [
                CacheView(
                    pool: "p", kind: "volume", name: "v", size_bytes: 1536 << 20, created_at: "2026-11-25T11:00:00.000Z", used_by: ["r"], configured: true),
                CacheView(pool: "old", kind: "volume", name: "w", project: "g/p", configured: false),
                CacheView(pool: "r", kind: "s3", name: "b", configured: true),
                CacheView(pool: "u", kind: "volume", name: "x", size_bytes: 0, configured: true),
            ], at: Date(timeIntervalSince1970: 1_795_604_400 + 30 * 3600)
        ).text(width: nil)
        let lines = text.split(separator: "\n").map {
            $0.components(separatedBy: "  ").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }.joined(separator: "|")
        }
        #expect(
            lines == [
                "POOL|KIND|SIZE|AGE|STATE|PROJECT|NAME", "p|volume|1.5 GiB|30h|used by 1|-|v", "old|volume|-|-|no longer configured|g/p|w",
                "r|s3|-|-|in S3|-|b",
                "u|volume|0 B|-|unused now|-|x",
            ])
        #expect(Cache.text(ClearedCacheView(pool: "p", removed: ["v"], freed_bytes: 11 << 20)) == "cleared the cache of pool p, 11 MiB")
        #expect(Cache.text(ClearedCacheView(pool: "p", removed: [], freed_bytes: 0)) == "pool p has no cache")
    }

    @Test func theStatusIsOneFactALine() {
        let lines = Status.text(status).split(separator: "\n")
        #expect(
            lines == [
                "autogit  1, up since t", "gitlab   ok", "engine   unknown", "runners  1 busy, 2 idle", "jobs     none",
                "spawns   3, 1 failed; mean time to first contact 2.5s", "success  67 % of finished jobs", "warning  w", "waiting  job 9: nine\u{FFFD}",
                "waiting  job 10: ten",
            ])
    }

    @Test func onlyTroubleOfGitLabOrTheEngineIsDegraded() {
        var view = status
        #expect(!Status.isDegraded(view))
        view.engine = "container: no answer"
        #expect(Status.isDegraded(view))
        (view.engine, view.gitlab) = ("ok", "401")
        #expect(Status.isDegraded(view))
    }

    @Test func aRunnerIsARow() throws {
        var view = runner
        view.current_job = 7
        let now = try Date("2026-11-25T11:01:00.000Z", strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        let words = Runners.table([view], at: now).text(width: nil).split(separator: "\n")[1].split(separator: " ")
        #expect(words == ["abcd2345", "p", "busy", "7", "2", "container", "60s", "-"])
    }

    @Test func aRunnersLifeIsItsHistory() {
        var view = runner
        view.reason = "idle"
        (view.architecture, view.emulated, view.gpus) = ("arm64", true, ["GPU-1", "GPU-2"])
        view.history = [.init(at: "t1", event: "requested", detail: nil), .init(at: "t2", event: "removed", detail: "by\u{7}")]
        #expect(
            Runners.text(view).split(separator: "\n") == [
                "autogit-runner-abcd2345  busy", "pool     p, container", "limits   0.5 CPUs, 64 MiB", "runs as  arm64, emulated",
                "gitlab   not registered", "gpus     GPU-1, GPU-2", "reason   idle",
                "t1  requested", "t2  removed: by\u{FFFD}",
            ])
    }

    @Test func aHostTellsWhatItCanRun() {
        var host = HostView(name: "local", memory_promised_bytes: 1 << 30, cpus_promised: 1)
        #expect(
            Hosts.text(host).hasPrefix("host       local, architecture unknown, ? CPUs, ?\nengine     none known\npromised   1.0 GiB of any, 1.0 of any CPUs\n")
        )
        (host.architecture, host.cpus, host.memory_bytes, host.engine) = ("amd64", 4, 8 << 30, "Podman Engine 4.3.1")
        (host.memory_budget_bytes, host.cpus_budget) = (7 << 30, 3)
        host.emulators = [
            .init(architecture: "arm64", interpreter: "/q", flags: "OCF", usable: true),
            .init(architecture: "riscv64", interpreter: "/q", flags: "OC", usable: false),
        ]
        host.gpus = [gpu(holders: [])]
        host.remarks = ["re\u{7}mark"]
        #expect(
            Hosts.text(host).split(separator: "\n") == [
                "host       local, amd64, 4 CPUs, 8.0 GiB", "engine     Podman Engine 4.3.1", "promised   1.0 GiB of 7.0 GiB, 1.0 of 3.0 CPUs",
                "cgroups    none", "runtimes   none", "emulates   arm64, riscv64 (not in containers: its flags OC lack F)", "GPUs       RTX (free)",
                "remark     re\u{FFFD}mark",
            ])
    }

    private func gpu(holders: [GPUView.Holder]) -> GPUView {
        GPUView(
            id: "GPU-1", host: "local", vendor: "nvidia", name: "RTX", memory_bytes: 12 << 30, cdi: nil, nodes: [], status: holders.isEmpty ? "free" : "in use",
            holders: holders)
    }

    @Test func aGPUHasARowForEachOfItsRunners() throws {
        let now = try Date("2026-11-25T11:01:00.000Z", strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        let since = "2026-11-25T11:00:00.000Z"
        let shared = gpu(holders: [.init(runner: "a", pool: "p", job: 7, since: since), .init(runner: "b", pool: "p", job: nil, since: since)])
        let rows = GPUs.table([gpu(holders: []), shared], at: now).text(width: nil).split(separator: "\n").map { $0.split(separator: " ") }
        #expect(rows.dropFirst().map { $0.suffix(4) } == [["free", "-", "-", "-"], ["use", "a", "7", "60s"], ["use", "b", "-", "60s"]])
    }

    @Test func aJobWithoutTagsIsNotOneWithUnknownTags() {
        var untagged = JobView(id: 1, project_id: 2, status: "pending")
        untagged.tags = []
        let rows = Jobs.table([untagged, JobView(id: 3, project_id: 4, status: "pending")]).text(width: nil).split(separator: "\n")
        #expect(!rows[1].contains("-  -  -") && rows[1].hasPrefix("1") && rows[2].split(separator: " ").suffix(5) == ["-", "-", "-", "-", "-"])
    }

    @Test(arguments: [(false, 0, "ok"), (true, 3, "paused"), (false, 3, "3")]) func aPoolHasAState(paused: Bool, failures: Int, state: String) {
        var view = PoolView(
            name: "p", driver: "scope", tags: ["x"], run_untagged: true, image: nil, paused: paused, max_runners: 5, warm: 1, cooldown: 300, max_jobs: 0,
            cpus: 1, memory_bytes: 1, runners: ["idle": 1, "busy": 1], failures: failures, retry_at: nil, last_error: "old")
        // As a daemon before 0.4 answers.
        let old = Pools.table([view]).text(width: nil).split(separator: "\n")[1].split(separator: " ")
        #expect(old[..<5] == ["p", "scope", "-", "x,(untagged)", Substring(state)] && old.contains("2/5"))
        view.executor = "shell"
        view.requests_per_second = 4
        let row = Pools.table([view]).text(width: nil).split(separator: "\n")[1]
        let words = row.split(separator: " ")
        #expect(words[..<5] == ["p", "scope", "shell", "x,(untagged)", Substring(state)] && row.contains("4/s (4 each)"))
        // An error that was overcome is not shown.
        #expect(words.contains("old") == (failures > 0))
    }

    @Test func aPoolSaysWhySoManyAreWarm() {
        var view = PoolView(
            name: "p", driver: "container", tags: ["x"], run_untagged: true, image: nil, paused: false, max_runners: 5, warm: 2, cooldown: 300, max_jobs: 0,
            cpus: 2, memory_bytes: 1 << 30, runners: ["idle": 2, "busy": 1], failures: 0, retry_at: nil, last_error: "old\u{1B}[1m")
        view.warm_reason = "2 jobs came at once around this time of Mondays, in 3 of the last 4 weeks"
        let lines = Pools.text(view, at: Date(timeIntervalSince1970: 0)).split(separator: "\n")
        #expect(lines.contains("warm      2: 2 jobs came at once around this time of Mondays, in 3 of the last 4 weeks; others go after 5m"))
        #expect(lines.contains("runners   3 of 5: 1 busy, 2 idle") && lines.last == "error     old\u{FFFD}[1m (a later start worked)")
    }

    @Test func aPoolsScheduleIsShownWhereThereIsOne() {
        let now = Date(timeIntervalSince1970: 1_764_000_000)
        func row(_ schedule: String?, _ until: String?) -> String {
            var view = PoolView(
                name: "p", driver: "scope", tags: ["x"], run_untagged: true, image: nil, paused: false, max_runners: 5, warm: 1, cooldown: 300, max_jobs: 0,
                cpus: 1, memory_bytes: 1, runners: [:], failures: 0, retry_at: nil, last_error: nil)
            (view.schedule, view.schedule_until) = (schedule, until)
            return Pools.table([view], at: now).text(width: nil)
        }
        #expect(!row(nil, nil).contains("SCHEDULE"))
        #expect(row("mon-fri 08:00-18:00 UTC", "2025-11-24T18:00:00.000Z").contains("mon-fri 08:00-18:00 UTC, 2h left"))
        #expect(row(nil, "2025-11-24T18:00:00.000Z").contains("none, next in 2h") && row("mon-sun 00:00-24:00 UTC", nil).contains("24:00 UTC  -"))
    }
}
