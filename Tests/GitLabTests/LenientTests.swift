import Fleet
import Foundation
import Testing

@testable import GitLab

@Suite struct LenientTests {
    private func jobs(_ text: String) throws -> [Element<JobResource>] { try JSONDecoder().decode([Element<JobResource>].self, from: Data(text.utf8)) }

    @Test(
        arguments: [
            ("null", nil, "it is not an object"), ("\"job\"", nil, "it is not an object"), ("[1]", nil, "it is not an object"),
            ("{}", nil, "its id is missing or unreadable"), (#"{"id":"7","status":"pending"}"#, "7", "its id is missing or unreadable"),
            (#"{"id":-7,"status":"pending"}"#, "-7", "its id is missing or unreadable"), (#"{"id":7}"#, "7", "its status is missing or unreadable"),
            (#"{"id":7,"status":null}"#, "7", "its status is missing or unreadable"), (#"{"id":7,"status":""}"#, "7", "its status is missing or unreadable"),
            (#"{"id":7,"status":{}}"#, "7", "its status is missing or unreadable"),
        ] as [(String, String?, String)])
    func anOddJobCostsOnlyItself(text: String, id: String?, reason: String) throws {
        let elements = try jobs(#"[{"id":1,"status":"pending"},\#(text),{"id":2,"status":"running"}]"#)
        #expect(elements.values().map(\.id) == [1, 2])
        guard case .odd(let named, let why) = elements[1] else {
            Issue.record("taken: \(text)")
            return
        }
        #expect(named == id && why == reason)
    }

    @Test func fieldsOfOddTypesAreUnknown() throws {
        let text = #"[{"id":1,"status":"dancing","stage":1,"name":[],"ref":{},"tag_list":["x",null],"runner":7,"failure_reason":1,"created_at":9}]"#
        let seen = try #require(try jobs(text).values().first).observation(project: 3, path: "a/b")
        #expect(seen == JobObservation(id: 1, projectID: 3, projectPath: "a/b", status: JobStatus(rawValue: "dancing")))
    }

    @Test func absentTagsAreUnknownAndNoTagsAreNone() throws {
        let texts = [#"{"id":1,"status":"pending"}"#, #"{"id":1,"status":"pending","tag_list":null}"#, #"{"id":1,"status":"pending","tag_list":[]}"#]
        #expect(try jobs("[\(texts.joined(separator: ","))]").values().map { $0.observation(project: 1, path: nil).tags } == [nil, nil, []])
    }
}
