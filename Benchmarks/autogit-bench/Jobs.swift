import ControlModel
import Foundation
import FakeGitLab
import TestBench

/// How long jobs wait for a runner that is there, and for containers of their own.
extension Bench {
    /// A runner that asks as gitlab-runner does, at the pace that its configuration says.
    private static let testRunner = """
        image = "\(TestEngine.runner)"
        command = ["/usr/local/bin/autogit-test-runner", "run", "--config", "/run/autogit/config.toml"]
        network = "host"
        """

    private struct Line {
        var gitlab: FakeGitLabServer
        var daemon: DaemonUnderTest
        var instance: String
        var project: Project
    }

    private func line(_ engine: TestEngine, _ directory: String, pool: String, script: String) async throws -> Line {
        let gitlab = try await FakeGitLabServer.start(directory: directory)
        let daemon = try await daemon(engine, gitlab, directory, poll: "0s", pool: "[[pool]]\nname = \"p\"\ntags = [\"x\"]\n" + pool)
        let project = try await gitlab.instance.addProject(path: "a/d", pipelineFile: "a:\n  script: [\"\(script)\"]\n  tags: [x]\n", withRepository: true)
        _ = await gitlab.instance.addHook(project: project.id, url: "\(daemon.url)/webhook/job", secret: daemon.webhookSecret)
        return Line(gitlab: gitlab, daemon: daemon, instance: try await daemon.get("/status", as: StatusView.self).instance, project: project)
    }

    private func end(_ line: Line, _ engine: TestEngine) async throws {
        for runner in try await line.daemon.runners() { _ = try await line.daemon.control("DELETE", "/runners/\(runner.id)?force=true") }
        while try await !line.daemon.runners().isEmpty {}
        await line.daemon.stop()
        await engine.removeContainers(instance: line.instance)
        await line.gitlab.stop()
    }

    /// A job that finds an idle runner waits for its next request.
    func reuse(_ engine: TestEngine, _ directory: String) async throws {
        for interval in ["250ms", "1s"] {
            let line = try await line(
                engine, "\(directory)/reuse-\(interval)",
                pool: Self.testRunner + "\nexecutor = \"shell\"\nmemory = \"256MiB\"\nmax_runners = 1\nrequest_interval = \"\(interval)\"\n", script: "true")
            var times: [Double] = []
            // The first is the runner's start.
            for sample in 0...samples {
                let job = try await line.gitlab.instance.createPipeline(project: line.project.id)[0]
                guard await line.gitlab.instance.wait(seconds: 60, until: { $0.jobs[job]?.isOver == true }) else { break }
                let seen = await line.gitlab.instance.jobs[job]
                if sample > 0, let queued = seen?.queuedAt, let started = seen?.startedAt { times.append(started.timeIntervalSince(queued) * 1000) }
                // Any moment between two requests.
                try await Task.sleep(for: .milliseconds(Int.random(in: 0..<300)))
            }
            try await end(line, engine)
            Self.report("pending to running, an idle runner that asks every \(interval)", Self.median(times), "ms")
        }
    }

    /// The runner, its registration and the job's containers; beside it a runner that is always on.
    func ownContainers(_ engine: TestEngine, _ directory: String) async throws {
        for warm in [false, true] {
            let line = try await line(
                engine, "\(directory)/own-\(warm)",
                pool: Self.testRunner + """

                    executor = "docker"
                    memory = "64MiB"
                    max_runners = 1
                    [pool.docker]
                    image = "\(TestEngine.busybox)"
                    helper_image = "\(TestEngine.runner)"
                    service_memory = "32MiB"

                    """, script: "sleep 600")
            var times: [Double] = []
            for sample in 0...min(samples, 10) {
                let began = ContinuousClock.now
                let job = try await line.gitlab.instance.createPipeline(project: line.project.id)[0]
                let label = "com.gitlab.gitlab-runner.job.id=\(job)"
                while true {
                    let found = try await engine.engine.containers(labels: [label, "com.gitlab.gitlab-runner.type=build"])
                    if found.contains(where: { $0.State == "running" }) { break }
                }
                if sample > 0 { times.append(Self.seconds(ContinuousClock.now - began) * 1000) }
                await line.gitlab.instance.cancel(job)
                while try await line.daemon.get("/jobs/\(job)", as: JobView.self).status != "canceled" {}
                if !warm {
                    for runner in try await line.daemon.runners() { _ = try await line.daemon.control("DELETE", "/runners/\(runner.id)?force=true") }
                    while try await !line.daemon.runners().isEmpty {}
                }
                while try await !engine.madeForJobs().isEmpty {}
            }
            try await end(line, engine)
            Self.report("pending hook to the job's own container running, \(warm ? "the runner always on" : "no runner alive")", Self.median(times), "ms")
        }
    }
}
