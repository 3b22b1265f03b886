import Fleet
import Foundation
import Testing

@testable import GitLab

@Suite struct JobHookTests {
    private func payload(_ name: String) throws -> [UInt8] {
        let url = try #require(Bundle.module.url(forResource: "Payloads/\(name)", withExtension: "json"))
        return Array(try Data(contentsOf: url))
    }

    private func job(_ name: String) throws -> JobObservation {
        guard case .job(let job) = try JobHook.decode(payload(name)) else {
            Issue.record("\(name) was not taken")
            throw MalformedEvent()
        }
        return job
    }

    @Test(arguments: ["job-hook-pending", "job-hook-pending-gitlab-15"])
    func pendingHooksOfOldAndNewGitLab(name: String) throws {
        let job = try job(name)
        #expect(job.id == 4711 && job.projectID == 17 && job.status == .pending)
        #expect(job.tags == nil && job.runnerID == nil)
    }

    @Test func runningNamesTheRunner() throws {
        #expect(try job("job-hook-running").runnerID == 88)
        #expect(try job("job-hook-failed").failureReason == "script_failure")
    }

    @Test(arguments: ["", "nonsense", "[]", "3", "{", "{\"a\":"])
    func notJSONObjects(text: String) {
        #expect(throws: MalformedEvent.self) { try JobHook.decode(Array(text.utf8)) }
    }

    @Test(arguments: [
        "{}", #"{"object_kind":"push"}"#, #"{"object_kind":"build"}"#, #"{"object_kind":7}"#,
        #"{"object_kind":"build","build_id":-1,"project_id":1,"build_status":"pending"}"#,
        #"{"object_kind":"build","build_id":1,"project_id":1,"build_status":"dancing"}"#,
    ])
    func authenticButUnusable(text: String) throws {
        guard case .unusable = try JobHook.decode(Array(text.utf8)) else {
            Issue.record("taken: \(text)")
            return
        }
    }
}
