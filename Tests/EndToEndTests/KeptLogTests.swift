import ControlModel
import Foundation
import FakeGitLab
import HTTPTransfer
import TestBench
import Testing

/// What a runner said that died at its start, for whoever comes later.
extension EndToEndTests {
    @Test func theLastWordsOfADeadRunnerOutliveItAndTheDaemon() async throws {
        let script = "cat /run/autogit/token; echo; echo something broke >&2; echo its last words; exit 1"
        let rig = try await rig(hooks: false, command: ["/bin/sh", "-c", script])
        let spawned = try await ctl(rig, "spawn", "p", "--json")
        let id = try JSONDecoder().decode(RunnerView.self, from: Data(spawned.out.utf8)).id
        #expect(try await rig.daemon.isEmptied(), "\(rig.daemon.log)")
        #expect(try await rig.engine.containers(instance: rig.daemon.get("/status", as: StatusView.self).instance).isEmpty)
        #expect(await rig.gitlab.instance.runners.isEmpty)

        func look() async throws {
            let shown = try await ctl(rig, "logs", id)
            #expect(shown.code == 0)
            // Two streams have no order.
            #expect(shown.out.split(separator: "\n").sorted() == ["glrt-[MASKED]", "its last words", "something broke"], "\(shown)")
            // It has an end, also when it is followed.
            #expect(try await ctl(rig, "logs", "autogit-runner-\(id)", "-f", "-n", "1").out.split(separator: "\n").count == 1)
            #expect(try await ctl(rig, "logs", id, "-n", "0").out == "")
            #expect(try await ctl(rig, "logs").out.contains(id))
            #expect(try await ctl(rig, "runners", id).out.contains("show it with: autogitctl logs \(id)"))
            let list = try await rig.daemon.get("/logs", as: [KeptLogView].self)
            #expect(list.map(\.runner) == [id] && list[0].pool == "p" && list[0].reason?.contains("code 1") == true, "\(list)")
            // Only for those who may write.
            #expect(try await rig.daemon.send(HTTPRequest("GET", "\(rig.daemon.url)/runners/\(id)/log")).status == 403)
        }
        try await look()
        let unknown = try await ctl(rig, "logs", "nosuch")
        #expect(unknown.code == 3 && unknown.out.contains("there is no runner nosuch"), "\(unknown)")
        await rig.daemon.stop(SIGKILL)
        try await rig.daemon.start()
        try await look()
        // Nor has the journal the token.
        #expect(rig.daemon.log.contains("something broke") && !rig.daemon.log.replacingOccurrences(of: "glrt-[MASKED]", with: "").contains("glrt-"))
        try await rig.end()
    }
}
