import ControlModel
import Foundation
import FakeGitLab
import HTTPTransfer
import TestBench
import Testing

/// What those see who look: metrics as a real Prometheus takes them, and events as they happen.
extension EndToEndTests {
    private static let tools = "/var/tmp/autogit-tools"
    static let promtool = ["/usr/bin/promtool", "\(tools)/usr/bin/promtool"].first { FileManager.default.isExecutableFile(atPath: $0) }
    static let prometheus = ["/usr/bin/prometheus", "\(tools)/usr/bin/prometheus"].first { FileManager.default.isExecutableFile(atPath: $0) }
    static let isSanitized = ProcessInfo.processInfo.environment["AUTOGIT_SANITIZED"] != nil
    static let hasParser = FileManager.default.fileExists(atPath: "\(tools)/python/prometheus_client")

    /// The value of a series in Prometheus' text; nil where there is none, or more than one.
    private func value(_ series: String, in text: String) -> Double? {
        let lines = text.split(separator: "\n").filter { $0.hasPrefix(series + " ") }
        return lines.count == 1 ? Double(lines[0].dropFirst(series.count + 1)) : nil
    }

    private func metrics(_ rig: Rig, accept: String = "*/*") async throws -> HTTPResponse {
        try await rig.daemon.send(HTTPRequest("GET", rig.daemon.url + "/metrics", headers: [("Accept", accept)]))
    }

    @Test(.enabled(if: promtool != nil && hasParser, "scripts/bootstrap could not fetch promtool and prometheus_client"))
    func metricsPassTheirCheckersAndSayWhatStatusSays() async throws {
        let rig = try await rig()
        let before = try await metrics(rig).text
        #expect(value(#"autogit_jobs_finished_total{pool="p",result="success"}"#, in: before) == 0)
        #expect(value(#"autogit_runner_starts_total{pool="p",result="failure"}"#, in: before) == 0)
        try await runToTheEnd(rig)
        let answer = try await metrics(rig)
        #expect(answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8")
        let text = answer.text
        let status = try await rig.daemon.get("/status", as: StatusView.self)
        #expect(value(#"autogit_jobs_finished_total{pool="p",result="success"}"#, in: text) == Double(status.jobs["success"] ?? 0))
        #expect(status.jobs["success"] == 2)
        #expect(value(#"autogit_runner_starts_total{pool="p",result="success"}"#, in: text) == Double(status.spawns.count))
        #expect(value(#"autogit_runner_start_seconds_count{pool="p",driver="container"}"#, in: text) == Double(status.spawns.count))
        #expect(value(#"autogit_runner_removals_total{pool="p",reason="idle"}"#, in: text) == 1)
        #expect(value(#"autogit_job_wait_seconds_count{pool="p"}"#, in: text) == 2)
        #expect(value(#"autogit_job_duration_seconds_count{pool="p",result="success"}"#, in: text) == 2)
        #expect(value(#"autogit_jobs{pool="p",state="waiting"}"#, in: text) == 0)
        #expect(value(#"autogit_jobs_seen_total{source="hook"}"#, in: text) == 2)
        #expect(value("autogit_gitlab_up", in: text) == 1)
        #expect(value(#"autogit_engine_up{host="local"}"#, in: text) == 1)
        #expect(value(#"autogit_build_info{version="\#(status.version)"}"#, in: text) == 1)
        #expect((value(#"autogit_webhooks_total{result="accepted"}"#, in: text) ?? 0) >= 6)
        #expect((value(#"autogit_gitlab_request_seconds_count{endpoint="POST /user/runners",status_class="2xx"}"#, in: text) ?? 0) == 1)
        #expect((value("autogit_store_write_seconds_count", in: text) ?? 0) > 0 && (value("autogit_plan_seconds_count", in: text) ?? 0) > 0)
        #expect((value("process_resident_memory_bytes", in: text) ?? 0) > 0)
        #expect(!text.contains(rig.token) && !text.contains(rig.daemon.webhookSecret) && !text.contains("glrt-"))

        let folder = rig.daemon.directory
        try text.write(toFile: "\(folder)/metrics", atomically: true, encoding: .utf8)
        let checked = try await run("/bin/sh", ["-c", "\(Self.promtool ?? "") check metrics < \(folder)/metrics"])
        #expect(checked.code == 0 && checked.out.isEmpty, "\(checked.out)")
        let open = try await metrics(rig, accept: "application/openmetrics-text;version=1.0.0")
        #expect(open.header("content-type") == "application/openmetrics-text; version=1.0.0; charset=utf-8")
        try open.text.write(toFile: "\(folder)/openmetrics", atomically: true, encoding: .utf8)
        let parser = """
            import sys; sys.path.insert(0, "\(Self.tools)/python")
            from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
            print(sum(len(family.samples) for family in parse(open("\(folder)/openmetrics").read())) > 100)
            """
        let parsed = try await run("/usr/bin/python3", ["-c", parser])
        #expect(parsed.code == 0 && parsed.out == "True\n", "\(parsed.out)")
        try await rig.end()
    }

    private static var examples: String { root + "/packaging/examples" }

    /// The shipped rules, in the states that they are for and in those that they aren't.
    @Test(.enabled(if: promtool != nil, "scripts/bootstrap could not fetch promtool"))
    func alertsFireWhenTheyShouldAndOnlyThen() async throws {
        for arguments in ["check rules prometheus-rules.yml", "test rules prometheus-rules.test.yml"] {
            let ran = try await run("/bin/sh", ["-c", "cd \(Self.examples) && \(Self.promtool ?? "") \(arguments)"])
            #expect(ran.code == 0 && ran.out.contains("SUCCESS") && !ran.out.contains("FAILED"), "\(ran.out)")
        }
    }

    /// Scraped each second under a load of jobs, a real Prometheus has a series for each query of the shipped dashboard, and its figures are those
    /// of /status.
    @Test(
        .enabled(if: prometheus != nil, "scripts/bootstrap could not fetch prometheus"),
        .disabled(if: isSanitized, "the other tests of metrics have a sanitizer look at all that the daemon does here"))
    func aRealPrometheusSeesWhatStatusSays() async throws {
        let count = 200
        let jobs = (1...count).map { "job\($0): {script: [\"true\"]}" }.joined(separator: "\n")
        let rig = try await rig(cooldown: "5m", pool: "max_runners = 6\n[host]\ncpus = 16")
        let project = try await rig.gitlab.instance.addProject(path: "root/load", pipelineFile: "default: {tags: [x]}\n\(jobs)\n")
        _ = await rig.gitlab.instance.addHook(project: project.id, url: "\(rig.daemon.url)/webhook/job", secret: rig.daemon.webhookSecret)
        let port = try freePort()
        try """
        global: {scrape_interval: 1s, evaluation_interval: 1s}
        rule_files: ["\(Self.examples)/prometheus-rules.yml"]
        scrape_configs: [{job_name: autogit, static_configs: [{targets: ["127.0.0.1:\(rig.daemon.port)"]}]}]
        """.write(toFile: "\(rig.daemon.directory)/prometheus.yml", atomically: true, encoding: .utf8)
        let prometheus = try await Child.start(
            Self.prometheus ?? "",
            [
                "--config.file=\(rig.daemon.directory)/prometheus.yml", "--storage.tsdb.path=\(rig.daemon.directory)/prometheus",
                "--web.listen-address=127.0.0.1:\(port)", "--log.level=warn",
            ], environment: [:], log: "\(rig.daemon.directory)/prometheus.log")
        let address = "http://127.0.0.1:\(port)"
        /// The value of a query; nil while it has no series.
        func ask(_ query: String) async -> Double? {
            struct Answer: Decodable {
                struct Found: Decodable { var result: [Series] }
                struct Series: Decodable { var value: Pair }
                struct Pair: Decodable {
                    var value: Double?
                    init(from decoder: any Decoder) throws {
                        var list = try decoder.unkeyedContainer()
                        _ = try list.decode(Double.self)
                        value = Double(try list.decode(String.self))
                    }
                }
                var data: Found
            }
            let url = "\(address)/api/v1/query?query=\(percentEncoded(query))"
            guard let answer = try? await rig.daemon.send(HTTPRequest("GET", url)) else { return nil }
            return (try? JSONDecoder().decode(Answer.self, from: Data(answer.body)))?.data.result.first?.value.value
        }
        let deadline = ContinuousClock.now + .seconds(900)
        while await ask("up") != 1, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(50)) }
        let ids = try await rig.gitlab.instance.createPipeline(project: project.id)
        #expect(await rig.gitlab.instance.wait(seconds: 900) { gitlab in ids.allSatisfy { gitlab.jobs[$0]?.isOver == true } }, "\(rig.daemon.log)")
        let finished = #"autogit_jobs_finished_total{pool="p",result="success"}"#
        while await ask(finished) != Double(count), ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(50)) }
        let status = try await rig.daemon.get("/status", as: StatusView.self)
        #expect(await ask(finished) == Double(status.jobs["success"] ?? 0))
        #expect(await ask("sum(autogit_runner_starts_total)") == Double(status.spawns.count))
        #expect(await ask("autogit_job_wait_seconds_count") == Double(count))
        #expect(await ask("max(max_over_time(autogit_jobs{state=\"waiting\"}[10m]))") ?? 0 > 0)
        #expect(await ask("max(max_over_time(autogit_runners_busy[10m]))") ?? 0 > 0)
        #expect(await ask("autogit_host_cpus_budget") == 16)
        #expect(await ask("max_over_time(sum(autogit_runners)[10m:1s])") ?? 99 <= 6)
        let checked = try await run("/usr/bin/python3", [Self.examples + "/check.py", "--prometheus", address])
        #expect(checked.code == 0, "\(checked.out)")
        await prometheus.stop(SIGTERM)
        _ = try await rig.daemon.control("POST", "/evacuate")
        #expect(try await rig.daemon.isEmptied())
        try await rig.end()
    }

    /// Whoever follows sees a pipeline from its queue to the runner's removal; who comes back with an id gets the rest, and nothing twice.
    @Test func eventsFollowAPipelineAndGoOnWhereTheyWere() async throws {
        let rig = try await rig()
        try await runToTheEnd(rig)
        let all = try await rig.daemon.send(HTTPRequest("GET", rig.daemon.url + "/events?recent=1000&follow=false"))
        #expect(all.header("content-type") == "text/event-stream")
        let blocks = all.text.split(separator: "\n\n").map(String.init)
        let names = blocks.flatMap { $0.matches(of: /"event":"([a-zA-Z]+)"/).map { String($0.output.1) } }
        for name in ["jobSeen", "registered", "started", "contacted", "jobStarted", "jobFinished", "drained", "removed"] {
            #expect(names.contains(name), "\(names)")
        }
        let middle = try #require(blocks.dropFirst(blocks.count / 2).first?.firstMatch(of: /id: ([^\n]+)/)?.output.1)
        let rest = try await rig.daemon.send(
            HTTPRequest("GET", rig.daemon.url + "/events?follow=false", headers: [("Last-Event-ID", String(middle))]))
        #expect(rest.text.split(separator: "\n\n").dropFirst().map(String.init) == Array(blocks.dropFirst(blocks.count / 2 + 1)))
        // Of another life of the daemon.
        let id = "abc-1"
        let reset = try await rig.daemon.send(HTTPRequest("GET", rig.daemon.url + "/events?follow=false", headers: [("Last-Event-ID", id)]))
        #expect(reset.text.hasSuffix("event: reset\ndata: {}\n\n"))
        for wrong in ["kind=x", "job=x", "recent=-1", "recent=1001", "recent=many"] {
            #expect(try await rig.daemon.send(HTTPRequest("GET", rig.daemon.url + "/events?\(wrong)")).status == 400)
        }
        #expect(!all.text.contains(rig.token) && !all.text.contains(rig.daemon.webhookSecret) && !all.text.contains("glrt-"))
        try await rig.end()
    }

    /// Without the token nobody reads anything on TCP but the health, and webhooks still come.
    @Test func readingCanNeedTheToken() async throws {
        let directory = "/tmp/autogit-read-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let gitlab = try await FakeGitLabServer.start(directory: directory)
        let token = "glpat-e2e-\(UInt64.random(in: 0 ... .max))"
        await gitlab.instance.add(AccessToken(secret: token, scopes: ["api"], isAdmin: true))
        for (name, text) in [("control", "the-control-token"), ("metrics", "the-metrics-token")] {
            let made = FileManager.default.createFile(atPath: "\(directory)/\(name)", contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
            #expect(made)
        }
        let daemon = try DaemonUnderTest(
            program: product("autogitd"), directory: directory, gitlab: gitlab.url, token: token, engine: "\(directory)/none.sock",
            settings: """
                [metrics]
                token_file = "\(directory)/metrics"
                [[pool]]
                name = "p"
                run_untagged = true
                """, listenSettings: "read = \"token\"\ncontrol_token_file = \"\(directory)/control\"")
        try await daemon.start()
        func status(_ path: String, _ bearer: String? = nil) async throws -> Int {
            let headers = bearer.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
            return try await daemon.send(HTTPRequest("GET", daemon.url + path, headers: headers)).status
        }
        for path in ["/", "/status", "/runners", "/jobs", "/pools", "/hosts", "/gpus", "/logs", "/events?follow=false"] {
            #expect(try await status(path) == 401, "\(path)")
            #expect(try await status(path, "the-metrics-token") == 401, "\(path)")
            #expect(try await status(path, "the-control-token") == 200, "\(path)")
        }
        #expect(try await status("/metrics") == 401)
        #expect(try await status("/metrics", "the-control-token") == 401)
        #expect(try await status("/metrics", "the-metrics-token") == 200)
        #expect(try await [200, 503].contains(status("/health")))
        #expect(try await daemon.control("GET", "/metrics").status == 200)
        #expect(try await daemon.control("GET", "/status").status == 200)
        let text = try await daemon.send(HTTPRequest("GET", daemon.url + "/health")).text + daemon.log
        #expect(!text.contains("the-control-token") && !text.contains("the-metrics-token"))
        await daemon.stop()
        await gitlab.stop()
        try FileManager.default.removeItem(atPath: directory)
    }
}
