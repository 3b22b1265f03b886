import ControlModel
import FakeGitLab
import Fleet
import TestBench

/// Scenario 2: a job for each of three architectures; QEMU runs those that aren't this machine's.
struct ThreeArchitectures: GuideScenario {
    let recipes: String
    let cooldown: String
    private static let wanted: [Architecture] = [.amd64, .arm64, .riscv64]
    private let native = TestEngine.native
    /// By architecture, as /runners told of them.
    private var seen: [String: RunnerView] = [:]

    init(recipes: String, cooldown: String) {
        self.recipes = recipes
        self.cooldown = cooldown
    }

    /// An emulated Python takes most of a minute to start beside a build.
    var patience: Duration { .seconds(1200) }

    func makeImages(_ engine: TestEngine) async throws {
        try await engine.ensureRunnerImage(recipe: "\(recipes)/runner-image")
        for architecture in Self.wanted where architecture != native {
            print("demo: preparing the runner's image for \(architecture) (two minutes the first time)")
            try await engine.ensureRunnerImage(recipe: "\(recipes)/runner-image", for: architecture)
        }
    }

    func pools(onPodman: Bool) -> String {
        Self.wanted.map { architecture in
            """
            [[pool]]
            name = "\(architecture)"
            tags = ["autogit"]
            architecture = "\(architecture)"
            # So that its runners have the tags \(architecture.tags.joined(separator: " and ")), too.
            architecture_tags = true
            image = "\(architecture == native ? TestEngine.runner : TestEngine.runner(for: architecture))"
            command = ["/usr/local/bin/autogit-python-runner"]
            executor = "shell"
            network = "host"
            cpus = 1.0
            memory = "512MiB"
            start_timeout = "10m"
            cooldown = "\(cooldown)"
            """
        }.joined(separator: "\n")
    }

    mutating func equip(_ daemon: DaemonUnderTest) async throws {
        let host = try await daemon.probe()
        let usable = Set(host.emulators.filter(\.reachesContainers).map(\.architecture))
        let missing = Self.wanted.filter { $0 != native && !usable.contains($0.rawValue) }
        guard missing.isEmpty else {
            throw DaemonUnderTest.NotRunning(
                description:
                    "the kernel has no emulator for \(missing.map(\.rawValue).joined(separator: ", ")) that containers can use; as root: scripts/emulators")
        }
    }

    mutating func look(_ daemon: DaemonUnderTest, _ runners: [RunnerView], _ jobs: [FakeJob], _ screen: inout Screen) async throws {
        for runner in runners where runner.architecture != "unknown" {
            if seen.updateValue(runner, forKey: runner.pool) == nil { screen.say("\(runner.name)  \(Self.words(runner))") }
        }
    }

    func complaints(_ jobs: [FakeJob]) -> [String] {
        Self.wanted.flatMap { wanted -> [String] in
            guard let job = jobs.first(where: { $0.definition.name == "test:\(wanted)" }) else { return ["there was no job test:\(wanted)"] }
            let others = Architecture.allCases.map(\.machine).filter { $0 != wanted.machine }
            let said = job.lines.filter { $0 == wanted.machine || others.contains(String($0)) }.map(String.init)
            let runner = seen["\(wanted)"]
            print("demo: \(job.definition.name): uname -m says \(said.joined(separator: ", ")); /runners says \(runner.map(Self.words) ?? "nothing")")
            var complaints = said == [wanted.machine] ? [] : ["the log of \(job.definition.name) does not say \(wanted.machine), once and nothing else"]
            if runner?.architecture != wanted.rawValue || runner?.emulated != (wanted != native) {
                complaints.append("/runners says \(runner.map(Self.words) ?? "nothing") of the runner of \(job.definition.name)")
            }
            return complaints
        }
    }

    private static func words(_ runner: RunnerView) -> String {
        "\(runner.architecture), \(runner.emulated.map { $0 ? "emulated" : "native" } ?? "and not whether it is emulated")"
    }
}
