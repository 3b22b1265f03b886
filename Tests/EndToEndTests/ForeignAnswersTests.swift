import ControlModel
import Foundation
import GitLabSimulator
import TestBench
import Testing

/// The daemon against a GitLab that shows its token little, and against what stands before GitLab.
extension EndToEndTests {
    /// GitLab shows such a token an instance without jobs, and no error.
    @Test func withoutAdministratorsRightsPollingFindsTheJobs() async throws {
        let rig = try await rig(hooks: false, poll: "1s", pool: "register = \"project:root/e2e\"", isAdmin: false)
        try await runToTheEnd(rig)
        try await rig.end()
    }

    @Test func oneOddJobDoesNotHideTheOthers() async throws {
        let rig = try await rig(hooks: false, poll: "1s")
        let other = try await rig.gitlab.instance.addProject(
            path: "root/odd", pipelineFile: "a:\n  script: [\"true\"]\n  tags: [nobody]\n", withRepository: false)
        let odd = try await rig.gitlab.instance.createPipeline(project: other.id)[0]
        await rig.gitlab.instance.setOddity(.null, ofJob: odd)
        try await runToTheEnd(rig)
        try await rig.end()
    }

    /// A job waits while the daemon is started anew behind a proxy that has lost its route to GitLab.
    @Test(arguments: [Fault.noRoute, .loginPage, .redirect(to: "https://login.test/")])
    func aProxysAnswerAtTheStartLosesNoJob(fault: Fault) async throws {
        let rig = try await rig(poll: "1s", pool: "max_runners = 1")
        _ = try await rig.daemon.control("POST", "/pools/p/pause")
        let ids = try await rig.gitlab.instance.createPipeline(project: rig.project.id)
        #expect(try await waits(rig, ids[0]))
        await rig.daemon.stop(SIGKILL)
        await rig.gitlab.instance.inject(fault, times: .max)
        try await rig.daemon.start()
        try await Task.sleep(for: .seconds(2))
        #expect(try await waits(rig, ids[0]), "\(rig.daemon.log)")
        await rig.gitlab.instance.healFaults()
        _ = try await rig.daemon.control("POST", "/pools/p/resume")
        let over = await rig.gitlab.instance.wait(seconds: 90) { gitlab in
            ids.allSatisfy { gitlab.jobs[$0]?.status == "success" } && gitlab.runners.isEmpty
        }
        #expect(over, "\(rig.daemon.log)")
        #expect(try await rig.daemon.isEmptied())
        try await rig.end()
    }

    private func waits(_ rig: Rig, _ id: Int64) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < deadline {
            if try await rig.daemon.jobs().first(where: { $0.id == id })?.status == "pending" { return true }
            try await Task.sleep(for: .milliseconds(50))
        }
        return false
    }
}
