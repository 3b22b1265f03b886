import Fleet
import Foundation
import Testing

@testable import GitLab

@Suite struct InstanceJobsTests {
    private func read(_ text: String) throws -> InstanceJobs { try JSONDecoder().decode(InstanceJobs.self, from: Data(text.utf8)) }

    private func jobs(_ nodes: String, page: String = #"{"hasNextPage":false,"endCursor":null}"#, more: String = "") -> String {
        #"{"data":{"jobs":{"nodes":\#(nodes),"pageInfo":\#(page)}}\#(more)}"#
    }

    @Test func aJobWithAllThatIsAskedFor() throws {
        let node = """
            {"id":"gid://gitlab/Ci::Build/7","name":"j","status":"RUNNING","tags":["x"],"refName":"main","createdAt":"2021-02-23T02:41:37Z","stage":{"name":"test"},
            "runner":{"id":"gid://gitlab/Ci::Runner/9"},"pipeline":{"project":{"id":"gid://gitlab/Project/2","fullPath":"a/b"}}}
            """
        let answer = try read(jobs("[\(node)]"))
        #expect(
            answer.nodes.values().map(\.observation) == [
                JobObservation(
                    id: 7, projectID: 2, projectPath: "a/b", name: "j", stage: "test", ref: "main", status: .running, tags: ["x"], runnerID: 9,
                    createdAt: Timestamp(milliseconds: 1_614_048_097_000))
            ])
        #expect(answer.trouble == nil && answer.cursor == nil)
        for field in ["refName", "stage { name }", "createdAt"] { #expect(InstanceJobs.query(after: nil).contains(field)) }
    }

    @Test func whatIsNullIsUnknown() throws {
        let node = """
            {"id":"gid://gitlab/Ci::Build/7","status":"PENDING","tags":null,"refName":null,"createdAt":null,"stage":null,"runner":null,
            "pipeline":{"project":{"id":"gid://gitlab/Project/2"}}}
            """
        #expect(try read(jobs("[\(node)]")).nodes.values().map(\.observation) == [JobObservation(id: 7, projectID: 2, status: .pending)])
    }

    @Test(
        arguments: [
            ("null", nil, "object"), ("7", nil, "object"), ("[]", nil, "object"), ("{}", nil, "id"), (#"{"id":null}"#, nil, "id"), (#"{"id":"x"}"#, "x", "id"),
            (#"{"id":"gid://gitlab/Ci::Build/-1"}"#, "gid://gitlab/Ci::Build/-1", "id"), (#"{"id":"g/1"}"#, "g/1", "status"),
            (#"{"id":"g/1","status":null}"#, "g/1", "status"), (#"{"id":"g/1","status":"PENDING","pipeline":null}"#, "g/1", "pipeline"),
            (#"{"id":"g/1","status":"PENDING","pipeline":{"project":{"id":7}}}"#, "g/1", "pipeline"),
        ] as [(String, String?, String)])
    func anOddNodeCostsOnlyItself(node: String, id: String?, reason: String) throws {
        let good = #"{"id":"g/5","status":"PENDING","pipeline":{"project":{"id":"p/2"}}}"#
        let nodes = try read(jobs("[\(good),\(node),\(good)]")).nodes
        #expect(nodes.values().map(\.observation.id) == [5, 5])
        guard case .odd(let named, let why) = nodes[1] else {
            Issue.record("taken: \(node)")
            return
        }
        #expect(named == id && why.contains(reason))
    }

    @Test(arguments: [
        #"{"data":null}"#, #"{"data":{"jobs":null}}"#, #"{"errors":[{"message":"no"}]}"#, #"{"data":{"jobs":{"nodes":null}}}"#,
        #"{"data":{"jobs":{"nodes":[]}}}"#,
        #"{"data":{"jobs":{"nodes":[],"pageInfo":{"hasNextPage":false}}},"errors":[{"message":"Timeout"}]}"#,
        #"{"data":{"jobs":{"nodes":[],"pageInfo":{"hasNextPage":false}}},"errors":[null]}"#,
        #"{"data":{"jobs":{"nodes":[],"pageInfo":{"hasNextPage":false}}},"errors":"x"}"#,
        #"{"data":{"jobs":{"nodes":[],"pageInfo":{"hasNextPage":true}}}}"#,
        #"{"data":{"jobs":{"nodes":[],"pageInfo":{"hasNextPage":true,"endCursor":"a\"b"}}}}"#,
    ])
    func answersThatAreNotAll(text: String) throws {
        let answer = try read(text)
        #expect(answer.trouble != nil && answer.cursor == nil)
    }

    @Test func errorsThatAreNoneAreNone() throws {
        for more in ["", #","errors":[]"#, #","errors":null"#] { #expect(try read(jobs("[]", more: more)).trouble == nil) }
        #expect(throws: (any Error).self) { try read("{}") }
        #expect(throws: (any Error).self) { try read(#"{"message":"hello"}"#) }
    }
}
