import ControlModel
import Foundation
import FakeGitLab
import HTTPTransfer
import TestBench
import Testing

extension EndToEndTests {
    static let hasBrowser = ["/usr/bin/chromium", "/usr/bin/chromedriver", "/usr/lib/python3/dist-packages/selenium"].allSatisfy {
        FileManager.default.fileExists(atPath: $0)
    }

    /// In a real Chromium, at two sizes, light and dark: what page.py looks for, and a change that comes live. Its screenshots are left in
    /// AUTOGIT_SHOTS, where that is set.
    @Test(
        .enabled(if: hasBrowser, "Debian's chromium, chromium-driver and python3-selenium are not installed"),
        .disabled(if: isSanitized, "it is the browser that works here; PageTests has a sanitizer look at the daemon's part"))
    func thePageHoldsInARealBrowser() async throws {
        let rig = try await rig(poll: "1s", cooldown: "10m", pool: "max_runners = 3")
        let ids = try await rig.gitlab.instance.createPipeline(project: rig.project.id)
        #expect(await rig.gitlab.instance.wait(seconds: 300) { gitlab in ids.allSatisfy { gitlab.jobs[$0]?.status == "success" } }, "\(rig.daemon.log)")
        // One that nothing serves, with a name that would like to run.
        let project = try await rig.gitlab.instance.addProject(
            path: "root/models",
            pipelineFile: """
                default: {tags: [gpu]}
                "train <img src=x onerror='window.injected=1'>": {script: ["true"]}
                evaluate: {script: ["true"]}
                """, withRepository: false)
        _ = await rig.gitlab.instance.addHook(project: project.id, url: "\(rig.daemon.url)/webhook/job", secret: rig.daemon.webhookSecret)
        _ = try await rig.gitlab.instance.createPipeline(project: project.id)
        let deadline = ContinuousClock.now + .seconds(300)
        while try await rig.daemon.jobs().filter({ $0.waiting_code == "no-pool" }).count < 2, ContinuousClock.now < deadline {}
        let hook = """
            curl -sf -H 'X-Gitlab-Event: Job Hook' -H @\(rig.daemon.directory)/header --data-binary @\(rig.daemon.directory)/hook.json \(rig.daemon.url)/webhook/job
            """
        try "X-Gitlab-Token: \(rig.daemon.webhookSecret)".write(toFile: "\(rig.daemon.directory)/header", atomically: true, encoding: .utf8)
        let body = #"{"object_kind": "build", "build_id": 999999, "build_status": "pending", "build_name": "a-change", "project_id": 1}"#
        try body.write(toFile: "\(rig.daemon.directory)/hook.json", atomically: true, encoding: .utf8)
        let shots = ProcessInfo.processInfo.environment["AUTOGIT_SHOTS"] ?? "\(rig.daemon.directory)/shots"
        let runner = try #require(try await rig.daemon.runners().first?.id)
        let looked = try await run(
            "/usr/bin/python3",
            [
                Self.root + "/Tests/EndToEndTests/page.py", "--folder", shots, "--change", hook, rig.daemon.url + "/", rig.daemon.url + "/ui/jobs/\(ids[0])",
                rig.daemon.url + "/ui/runners/\(runner)",
            ])
        #expect(looked.exited && looked.code == 0, "\(looked.out)\n\(rig.daemon.log)")
        _ = try await rig.daemon.control("POST", "/evacuate")
        #expect(try await rig.daemon.isEmptied())
        try await rig.end()
    }
}
