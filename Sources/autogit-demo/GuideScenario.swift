import ControlModel
import FakeGitLab
import TestBench

/// What one of the guide's scenarios has of its own.
protocol GuideScenario {
    /// The longest that it may take before it counts as stuck, on a machine that is busy with other things.
    var patience: Duration { get }

    /// Makes the images of its runners and jobs.
    func makeImages(_ engine: TestEngine) async throws
    /// The pools' sections of the configuration.
    func pools(onPodman: Bool) -> String
    /// Projects beside the guide's own: their paths and pipelines.
    func projects(onPodman: Bool) -> [(path: String, pipeline: String)]
    /// Has the daemon know the machine, before its start.
    mutating func equip(_ daemon: DaemonUnderTest) async throws
    /// Is called at each look, some times in a second.
    mutating func look(_ daemon: DaemonUnderTest, _ runners: [RunnerView], _ jobs: [FakeJob], _ screen: inout Screen) async throws
    /// What is wrong with the jobs, all of which have succeeded; says what was seen.
    func complaints(_ jobs: [FakeJob]) -> [String]
    /// What the run does not prove; nil for nothing worth a line.
    var limits: String? { get }
    /// Takes away what it made on this machine.
    mutating func end()
}

extension GuideScenario {
    func projects(onPodman: Bool) -> [(path: String, pipeline: String)] { [] }
    mutating func equip(_ daemon: DaemonUnderTest) async throws {}
    mutating func look(_ daemon: DaemonUnderTest, _ runners: [RunnerView], _ jobs: [FakeJob], _ screen: inout Screen) async throws {}
    var limits: String? { nil }
    mutating func end() {}
}

extension Demo {
    /// What `--scenario` chooses.
    func guideScenario() -> any GuideScenario {
        switch scenario {
        case "2": ThreeArchitectures(recipes: recipes, cooldown: cooldown)
        case "3": GPUJob(recipes: recipes, cooldown: cooldown, ctl: ctl)
        default: SimplePipeline(recipes: recipes, cooldown: cooldown)
        }
    }
}

extension FakeJob {
    /// The lines of its log, without the colours.
    var lines: [Substring] {
        traceText.replacing(#/\u{1B}\[[0-9;]*[A-Za-z]/#, with: "").split(whereSeparator: \.isNewline)
    }
}
