import ControlModel
import FakeGitLab
import Fleet
import Foundation
import TestBench
import Testing

/// Jobs of another architecture, which QEMU runs.
extension EndToEndTests {
    private static let emulatesARM = FileManager.default.fileExists(atPath: "/proc/sys/fs/binfmt_misc/qemu-aarch64")

    @Test(.enabled(if: emulatesARM, "the kernel has no emulator for arm64; as root: scripts/emulators"))
    func anEmulatedJobSaysItsArchitectureAndItsRunnerThatItIsEmulated() async throws { try await anEmulatedJob(on: nil) }

    @Test(.enabled(if: emulatesARM && TestEngine.isDockerInstalled, "needs Docker Engine and an emulator: apt-get install docker.io, and scripts/emulators"))
    func theSameArchitectureOnDockerEngine() async throws {
        let docker = try await TestEngine.startDocker(storage: "docker-emulated")
        do {
            try await anEmulatedJob(on: docker)
        } catch {
            await docker.stop()
            throw error
        }
        await docker.stop()
    }

    private func anEmulatedJob(on other: TestEngine?) async throws {
        let shared = try await TestEngine.shared.value
        try await (other ?? shared).ensureRunnerImage(recipe: "\(Self.root)/scripts/runner-image", for: .arm64)
        let rig = try await rig(
            hooks: false,
            pool: """
                architecture = "arm64"
                architecture_tags = true
                executor = "shell"
                memory = "512MiB"
                # An emulated Python takes most of a minute to start beside a build.
                start_timeout = "10m"
                """, engine: other, image: TestEngine.runner(for: .arm64)
        ) { try await $0.probe() }
        let project = try await rig.gitlab.instance.addProject(
            path: "root/arm64", pipelineFile: "a: {script: [\"echo machine=$(uname -m)\"], tags: [x, aarch64]}")
        _ = await rig.gitlab.instance.addHook(project: project.id, url: "\(rig.daemon.url)/webhook/job", secret: rig.daemon.webhookSecret)
        let id = try await rig.gitlab.instance.createPipeline(project: project.id)[0]
        #expect(
            try await rig.daemon.hasRunners(within: .seconds(600)) { $0.contains { $0.architecture == "arm64" && $0.emulated == true } }, "\(rig.daemon.log)")
        let over = await rig.gitlab.instance.wait(seconds: 900) { $0.jobs[id]?.isOver == true && $0.runners.isEmpty }
        #expect(over, "\(rig.daemon.log)")
        let job = await rig.gitlab.instance.jobs[id]
        #expect(job?.status == "success" && job?.traceText.contains("machine=aarch64") == true, "\(job?.traceText ?? "")")
        #expect(try await rig.daemon.isEmptied())
        try await rig.end()
    }
}
