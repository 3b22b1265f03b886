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

    @Test(arguments: [("job-hook-pending", 1_795_511_400), ("job-hook-pending-gitlab-15", 1_614_048_097)] as [(String, Int64)])
    func creationTimesOfOldAndNewGitLab(name: String, seconds: Int64) throws {
        #expect(try job(name).createdAt == Timestamp(milliseconds: seconds * 1000))
    }

    private func decode(_ fields: String, from url: String = "") throws -> JobObservation? {
        let text = #"{"object_kind":"build","build_id":1,"project_id":2,"build_status":"pending"\#(fields)}"#
        guard case .job(let job) = try JobHook.decode(Array(text.utf8), from: url) else { return nil }
        return job
    }

    @Test(
        arguments: [
            (#","build_created_at":"2021-02-23 02:41:37 UTC""#, 1_614_048_097), (#","build_created_at":"2021-02-23 03:41:37 +0100""#, 1_614_048_097),
            (#","build_created_at":"2021-02-23T04:41:37.9+02:00""#, 1_614_048_097),
            (#","build_created_at":"2000-01-01 00:00:00 UTC","build_created_at_iso":"2021-02-23T02:41:37Z""#, 1_614_048_097),
            (#","build_created_at":"2021-02-23 02:41:37 UTC","build_created_at_iso":"soon""#, 1_614_048_097),
            (#","build_created_at":"2021-02-23 02:41:37 UTC","build_created_at_iso":null"#, 1_614_048_097),
            (#","build_created_at":null"#, nil), (#","build_created_at":7"#, nil), (#","build_created_at":"yesterday""#, nil), ("", nil),
        ] as [(String, Int64?)])
    func creationTimes(fields: String, seconds: Int64?) throws {
        let job = try #require(try decode(fields))
        #expect(job.createdAt == seconds.map { Timestamp(milliseconds: $0 * 1000) })
    }

    @Test(
        arguments: [
            (#","project":{"path_with_namespace":"a/b"}"#, "a/b"),
            (#","project":{"path_with_namespace":"a/b"},"repository":{"homepage":"http://h/c/d"}"#, "a/b"),
            (#","repository":{"homepage":"http://h:3000/a/b/c"}"#, "a/b/c"), (#","project":null,"repository":{"homepage":"https://h/a/b/"}"#, "a/b"),
            (#","project":7,"repository":{"homepage":"https://h/a/b?x#y"}"#, "a/b"),
            (#","project":{"path_with_namespace":null},"repository":{"homepage":"http://h/a/b"}"#, "a/b"),
            (#","repository":{"homepage":"http://h/git/a/b"}"#, "a/b"), (#","repository":{"homepage":"http://h/"}"#, nil),
            (#","repository":{"homepage":"http://h/a"}"#, nil), (#","repository":{"homepage":"a/b"}"#, nil), (#","repository":{"homepage":null}"#, nil),
            (#","repository":[]"#, nil), (#","project_name":"Home / b""#, nil),
        ] as [(String, String?)])
    func projectPaths(fields: String, path: String?) throws {
        let job = try #require(try decode(fields, from: "http://h/git"))
        #expect(job.projectPath == path)
    }

    @Test(arguments: [
        #""build_name":7"#, #""build_stage":[]"#, #""ref":{}"#, #""runner":"r""#, #""runner":{"id":"r"}"#, #""runner":[null]"#, #""project":"p""#,
        #""repository":7"#, #""build_failure_reason":1"#, #""project_name":[1]"#, #""user":7"#, #""commit":null"#, #""build_created_at":{}"#,
    ])
    func oneFieldOfAnOddTypeDoesNotSpoilTheEvent(field: String) throws {
        let job = try #require(try decode(",\(field)"))
        #expect(job == JobObservation(id: 1, projectID: 2, status: .pending))
    }

    @Test func skippedIsAStatusLikeAnyOther() throws {
        guard case .job(let job) = try JobHook.decode(Array(#"{"object_kind":"build","build_id":1,"project_id":2,"build_status":"skipped"}"#.utf8)) else {
            Issue.record("not taken")
            return
        }
        #expect(job.status == .skipped)
    }

    @Test(arguments: ["", "nonsense", "[]", "3", "{", "{\"a\":"])
    func notJSONObjects(text: String) {
        #expect(throws: MalformedEvent.self) { try JobHook.decode(Array(text.utf8)) }
    }

    @Test(arguments: [
        "{}", #"{"object_kind":"push"}"#, #"{"object_kind":"build"}"#, #"{"object_kind":7}"#,
        #"{"object_kind":"build","build_id":-1,"project_id":1,"build_status":"pending"}"#,
        #"{"object_kind":"build","build_id":1,"project_id":1,"build_status":"dancing"}"#,
        #"{"object_kind":"build","build_id":"1","project_id":1,"build_status":"pending"}"#,
    ])
    func authenticButUnusable(text: String) throws {
        guard case .unusable = try JobHook.decode(Array(text.utf8)) else {
            Issue.record("taken: \(text)")
            return
        }
    }
}
