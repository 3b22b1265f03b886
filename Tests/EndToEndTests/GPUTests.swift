import ControlModel
import FakeGitLab
import Foundation
import Glibc
import TestBench
import Testing

/// GPUs, by what CDI brings into a container: a harmless device under NVIDIA's name, because the machines of tests have none.
extension EndToEndTests {
    @Test(.enabled(if: getuid() == 0, "only root can write CDI specifications"))
    func jobsTakeTurnsWithTheOneGPUAndFindAllThatCDIHasForIt() async throws {
        let scratch = try ScratchFolder("gpu")
        let mounted = "\(scratch.path)/mounted"
        try "from CDI\n".write(toFile: mounted, atomically: true, encoding: .utf8)
        let gpus = try StandInGPUs(1, mounting: mounted)
        defer { gpus.remove() }
        let rig = try await rig(hooks: false, pool: "gpu = \"nvidia\"\nexecutor = \"shell\"\nmax_jobs = 1") {
            try await $0.probe { gpus.devices.contains($0.cdi ?? "") }
        }
        // The first that runs holds its GPU until the mounted file says go.
        let job =
            #"{tags: [x], script: ["test -c /dev/autogit-standin-gpu0", "echo variable=$AUTOGIT_STANDIN_GPU", "head -n 1 \#(StandInGPUs.mount)", "#
            + #""until grep -q go \#(StandInGPUs.mount); do sleep 0.2; done"]}"#
        let project = try await rig.gitlab.instance.addProject(path: "root/gpu", pipelineFile: "a: \(job)\nb: \(job)")
        _ = await rig.gitlab.instance.addHook(project: project.id, url: "\(rig.daemon.url)/webhook/job", secret: rig.daemon.webhookSecret)
        let ids = try await rig.gitlab.instance.createPipeline(project: project.id)
        #expect(await rig.gitlab.instance.wait(seconds: 120) { gitlab in ids.contains { gitlab.jobs[$0]?.status == "running" } }, "\(rig.daemon.log)")

        let runner = try #require(try await rig.daemon.runners().first)
        let held = try await rig.daemon.get("/gpus", as: [GPUView].self)
        #expect(held.map(\.cdi) == gpus.devices && held.first?.status == "in use" && held.first?.holders.map(\.runner) == [runner.id], "\(held)")
        #expect(runner.gpu_enabled && runner.gpus == held.map(\.id))
        var reasons: [String?] = []
        let deadline = ContinuousClock.now + .seconds(600)
        while !reasons.contains(where: { $0?.hasPrefix("the GPU is in use") == true }), ContinuousClock.now < deadline {
            reasons = try await rig.daemon.jobs().filter { ids.contains($0.id) }.map(\.waiting_reason)
        }
        #expect(reasons.contains("the GPU is in use (runner \(runner.id))"), "\(reasons)")
        #expect(try await rig.daemon.runners().count == 1)

        // The same file, which is the one that is mounted.
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: mounted))
        try file.seekToEnd()
        try file.write(contentsOf: Data("go\n".utf8))
        try file.close()
        let over = await rig.gitlab.instance.wait(seconds: 180) { gitlab in ids.allSatisfy { gitlab.jobs[$0]?.isOver == true } && gitlab.runners.isEmpty }
        #expect(over, "\(rig.daemon.log)")
        let jobs = await rig.gitlab.instance.jobs
        for id in ids {
            let text = jobs[id]?.traceText ?? ""
            #expect(jobs[id]?.status == "success" && text.contains("variable=0") && text.contains("from CDI"), "\(text)")
        }
        #expect(await rig.gitlab.instance.registered == 2)
        #expect(try await rig.daemon.isEmptied())
        #expect(try await rig.daemon.get("/gpus", as: [GPUView].self).map(\.status) == ["free"])
        try await rig.end()
    }
}
