import ControlModel
import Foundation
import FakeGitLab
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
        let isTold = await rig.gitlab.instance.wait(seconds: 30) { $0.hooksAnswered.values.reduce(0, +) >= ids.count }
        #expect(isTold)
        #expect(try await waits(rig, ids[0]))
        await rig.daemon.stop(SIGKILL)
        await rig.gitlab.instance.inject(fault, times: .max)
        let calls = await rig.gitlab.instance.requests.values.reduce(0, +)
        try await rig.daemon.start()
        // The first questions, and one that was put again after the first answers.
        let hasAsked = await rig.gitlab.instance.wait(seconds: 90) { $0.requests.values.reduce(0, +) >= calls + 4 }
        #expect(hasAsked, "\(rig.daemon.log)")
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
        try await rig.daemon.jobs().first { $0.id == id }?.status == "pending"
    }
}
