import FakeGitLab
import TestBench

/// Scenario 1: five jobs in two stages; and two that begin with `image:`, as nearly all do.
struct SimplePipeline: GuideScenario {
    let recipes: String
    let cooldown: String

    var patience: Duration { .seconds(300) }

    func makeImages(_ engine: TestEngine) async throws {
        try await engine.ensureRunnerImage(recipe: "\(recipes)/runner-image")
        try await engine.ensureBusybox()
    }

    func pools(onPodman: Bool) -> String {
        """
        [[pool]]
        name = "default"
        tags = ["autogit", "docker"]
        image = "\(TestEngine.runner)"
        command = ["/usr/local/bin/autogit-python-runner"]
        network = "host"
        cpus = 1.0
        memory = "256MiB"
        max_runners = 5
        cooldown = "\(cooldown)"
        [[pool]]
        name = "images"
        tags = ["images"]
        # Does what gitlab-runner's Docker executor does, and is not gitlab-runner: that can't be downloaded everywhere.
        image = "\(TestEngine.runner)"
        command = ["/usr/local/bin/autogit-test-runner", "run", "--config", "/run/autogit/config.toml"]
        executor = "docker"
        \(onPodman ? "" : "network = \"host\"")
        cpus = 1.0
        memory = "128MiB"
        cooldown = "\(cooldown)"
        [pool.docker]
        image = "\(TestEngine.busybox)"
        helper_image = "\(TestEngine.runner)"
        service_memory = "32MiB"
        """
    }

    func projects(onPodman: Bool) -> [(path: String, pipeline: String)] {
        let service = """
            with:service:
              image: \(TestEngine.busybox)
              services:
                - name: \(TestEngine.busybox)
                  alias: web
                  command: ["sh", "-c", "mkdir /www && echo reached by its name > /www/index.html && exec httpd -f -p 8000 -h /www"]
              script:
                - for i in 1 2 3 4 5 6 7 8 9 10; do wget -q -O - http://web:8000/ && exit 0; sleep 1; done; exit 1
              tags: [images]
            """
        let pipeline = """
            with:image:
              image: \(TestEngine.busybox)
              script:
                - test ! -e /usr/bin/python3
                - echo "In an image of its own, which has no Python, unlike the runner's"
              tags: [images]
            \(onPodman ? service : "")
            """
        return [("root/images", pipeline)]
    }

    func complaints(_ jobs: [FakeJob]) -> [String] {
        let peak = Screen.peak(jobs.filter { $0.definition.stage == "build" })
        print("demo: \(peak) runners at once in the build stage")
        return peak >= 3 ? [] : ["only \(peak) runners at once in the build stage"]
    }
}
