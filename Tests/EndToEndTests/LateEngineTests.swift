import ControlModel
import Foundation
import FakeGitLab
import TestBench
import Testing

extension EndToEndTests {
    /// A board that boots slowly, rootless Docker that nobody has enabled yet: the daemon is there first, and goes on when an engine comes.
    /// (Where a user 1000 has an engine of its own, the daemon finds that one at once.)
    @Test func withoutAnEngineItTakesJobsSaysWhatItWaitsForAndGoesOnWhenOneComes() async throws {
        let folder = "/tmp/autogit-late-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: "\(folder)/socket", withIntermediateDirectories: true)
        let socket = "\(folder)/socket/e.sock"
        let rig = try await rig(found: socket)
        let ids = try await rig.gitlab.instance.createPipeline(project: rig.project.id)

        let deadline = ContinuousClock.now + .seconds(600)
        var reason: String?
        while reason?.contains("waiting for a container engine") != true, ContinuousClock.now < deadline {
            reason = try await rig.daemon.jobs().first { $0.id == ids[0] }?.waiting_reason
        }
        #expect(reason?.contains("waiting for a container engine") == true, "\(reason ?? "")\n\(rig.daemon.log)")
        let health = try await rig.daemon.get("/health", as: HealthView.self)
        #expect(health.status == "degraded" && health.engine.contains("waiting for a container engine"))
        // What each candidate said, and the next step.
        for words in ["/run/user/1000/podman/podman.sock: ", "\(socket): ", "/run/user/1000/docker.sock: ", "systemctl --user enable --now podman.socket"] {
            #expect(health.engine.contains(words) && rig.daemon.log.contains(words), "\(words)\n\(health.engine)")
        }

        let relay = try await rig.engine.relayed(at: socket, log: folder)
        let over = await rig.gitlab.instance.wait(seconds: 120) { gitlab in
            ids.allSatisfy { gitlab.jobs[$0]?.status == "success" } && gitlab.runners.isEmpty
        }
        #expect(over, "\(rig.daemon.log)")
        #expect(try await rig.daemon.isEmptied())
        #expect(rig.daemon.log.contains("Found a container engine"))
        #expect(try await rig.daemon.get("/health", as: HealthView.self).engine == "ok")
        try await rig.end()
        await relay.stop()
        try FileManager.default.removeItem(atPath: folder)
    }
}
