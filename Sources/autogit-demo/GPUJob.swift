import ControlModel
import FakeGitLab
import Foundation
import HostProbe
import TestBench

/// Scenario 3: a job with a GPU. Without one it is a harmless device that CDI brings, under NVIDIA's name.
struct GPUJob: GuideScenario {
    let recipes: String
    let cooldown: String
    let ctl: String
    private var standIns: StandInGPUs?
    private var isShown = false

    init(recipes: String, cooldown: String, ctl: String) {
        self.recipes = recipes
        self.cooldown = cooldown
        self.ctl = ctl
    }

    var patience: Duration { .seconds(600) }

    func makeImages(_ engine: TestEngine) async throws { try await engine.ensureGPUImage(recipes: recipes) }

    func pools(onPodman: Bool) -> String {
        """
        [[pool]]
        name = "gpu"
        tags = ["autogit", "gpu", "nvidia"]
        gpu = "nvidia"
        image = "\(TestEngine.standInGPU)"
        command = ["/usr/local/bin/autogit-python-runner"]
        executor = "shell"
        network = "host"
        cpus = 1.0
        memory = "512MiB"
        start_timeout = "5m"
        cooldown = "\(cooldown)"
        """
    }

    mutating func equip(_ daemon: DaemonUnderTest) async throws {
        let real = try await daemon.probe { $0.cdi != nil && !StandInGPUs.isOne($0) }.gpus
            .filter { $0.vendor == .nvidia && $0.cdi != nil && !StandInGPUs.isOne($0) }
        guard real.isEmpty else { return print("demo: this machine has \(real.map(\.name).joined(separator: ", ")), which the job gets") }
        let file = "\(daemon.directory)/standin-gpu"
        try "mounted by the demo's CDI specification".write(toFile: file, atomically: true, encoding: .utf8)
        let standIns = try StandInGPUs(1, mounting: file)
        self.standIns = standIns
        print("demo: no NVIDIA GPU with a CDI specification here; \(standIns.path) has a harmless stand-in until the end")
        try await daemon.probe { standIns.devices.contains($0.cdi ?? "") }
    }

    mutating func look(_ daemon: DaemonUnderTest, _ runners: [RunnerView], _ jobs: [FakeJob], _ screen: inout Screen) async throws {
        // A job of a second may be over between two looks; its runner has the GPU until the end of its cooldown.
        guard !isShown, !runners.isEmpty, jobs.contains(where: { $0.status == "running" || $0.isOver }) else { return }
        isShown = true
        let shown = try await TestBench.run(ctl, ["gpus", "--socket", "\(daemon.directory)/control.sock"])
        screen.say("autogitctl gpus\n\(shown.out)")
        for gpu in try await daemon.get("/gpus", as: [GPUView].self) {
            screen.say("GET /gpus  \(gpu.id) is \(gpu.status), with runners: \(gpu.holders.map(\.runner).joined(separator: ", "))")
        }
    }

    func complaints(_ jobs: [FakeJob]) -> [String] {
        var complaints = isShown ? [] : ["the job's runner was never seen with it"]
        for line in jobs.flatMap(\.lines) where line.contains("stand-in") && !line.contains("Cloning") { print("demo: the job's log: \(line)") }
        let said = jobs.flatMap(\.lines).map(String.init)
        if !said.contains("CUDA available: True") { complaints.append("the job's log doesn't say: CUDA available: True") }
        if standIns != nil {
            for words in ["/dev/autogit-standin-gpu0", "AUTOGIT_STANDIN_GPU=0", "mounted by the demo's CDI specification"]
            where !said.contains(where: { $0.hasPrefix("nvidia-smi: a stand-in") && $0.contains(words) }) {
                complaints.append("the job didn't find \(words)")
            }
        }
        return complaints
    }

    var limits: String? {
        standIns == nil
            ? "torch was a stand-in that looks for device nodes: that CUDA works in a job is not shown"
            : "there was no GPU: nvidia-smi and torch were stand-ins, and the device was /dev/null by another name. Shown is that the job gets what CDI has for "
                + "its GPU, and that AutoGit counts it; not that NVIDIA's driver or CUDA works in a job"
    }

    mutating func end() { standIns?.remove() }
}
