import ControlModel
import Foundation
import FakeGitLab
import HTTPTransfer
import JSONSchema
import TestBench
import Testing
import Threads

/// The API as its own description has it, as an independent client sees it: schemathesis makes requests from the document, good and bad, and
/// holds the answers against it. The daemon is the real one; its engine only pretends.
@Suite struct OpenAPITests {
    private static let tools = "/var/tmp/autogit-tools/schemathesis"
    private static let hasSchemathesis = FileManager.default.fileExists(atPath: "\(tools)/schemathesis")
    private static let token = "the-control-token"

    private struct Rig {
        var engine: EngineDouble
        var gitlab: FakeGitLabServer
        var daemon: DaemonUnderTest
        var runner: String
        var job: Int64

        func end() async throws {
            await daemon.stop()
            await gitlab.stop()
            engine.stop()
            try FileManager.default.removeItem(atPath: daemon.directory)
        }
    }

    /// A daemon that has something of most kinds to show: a runner with a log, a job that waits and why, a cache, and events of all that.
    private func rig() async throws -> Rig {
        let directory = "/tmp/autogit-openapi-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let made = FileManager.default.createFile(
            atPath: "\(directory)/control", contents: Data(Self.token.utf8), attributes: [.posixPermissions: 0o600])
        #expect(made)
        let gitlab = try await FakeGitLabServer.start(directory: directory)
        let token = "glpat-openapi-\(UInt64.random(in: 0 ... .max))"
        await gitlab.instance.add(AccessToken(secret: token, scopes: ["api"], isAdmin: true))
        let project = try await gitlab.instance.addProject(
            path: "root/p", pipelineFile: "a:\n  script: [\"true\"]\n  tags: [nobody]\n", withRepository: false)
        let engine = try EngineDouble(socket: "\(directory)/engine.sock")
        let daemon = try DaemonUnderTest(
            program: product("autogitd"), directory: directory, gitlab: gitlab.url, token: token, engine: engine.socket,
            settings: "[[pool]]\nname = \"p\"\ntags = [\"x\"]\nimage = \"an-image\"\nstart_timeout = \"1h\"",
            listenSettings: "read = \"token\"\ncontrol_token_file = \"\(directory)/control\"")
        try await daemon.start()
        _ = await gitlab.instance.addHook(project: project.id, url: "\(daemon.url)/webhook/job", secret: daemon.webhookSecret)
        let job = try await gitlab.instance.createPipeline(project: project.id)[0]
        var spawned = try await daemon.control("POST", "/runners", body: #"{"pool":"p"}"#)
        let deadline = ContinuousClock.now + .seconds(300)
        // Until GitLab and the engine have answered for the first time, it says to try again.
        while spawned.status == 409, ContinuousClock.now < deadline { spawned = try await daemon.control("POST", "/runners", body: #"{"pool":"p"}"#) }
        #expect(spawned.status == 202, "\(spawned.text)")
        #expect(await engine.seen.wait(for: .called("POST /containers/start")))
        var seen = try await daemon.control("GET", "/jobs/\(job)")
        while !seen.text.contains("waiting_code"), ContinuousClock.now < deadline { seen = try await daemon.control("GET", "/jobs/\(job)") }
        #expect(seen.text.contains("waiting_code"), "\(seen.text)\n\(daemon.log)")
        let runner = try JSONDecoder().decode(RunnerView.self, from: Data(spawned.body)).id
        return Rig(engine: engine, gitlab: gitlab, daemon: daemon, runner: runner, job: job)
    }

    /// The document with what is promised to the test only: answers have nothing that isn't in it, parameters have values that lead somewhere, and
    /// no request asks for an answer that goes on for ever.
    private static func tightened(_ document: JSONValue, _ rig: Rig) -> JSONValue {
        func tightened(_ value: JSONValue, in path: String) -> JSONValue {
            switch value {
            case .array(let elements): return .array(elements.map { tightened($0, in: path) })
            case .object(var members):
                let name = value["name"]?.string
                for index in members.indices {
                    let inner = path == "/paths" && members[index].name.hasPrefix("/") ? members[index].name : path
                    members[index].value = tightened(members[index].value, in: members[index].name == "paths" ? "/paths" : inner)
                }
                if value["properties"] != nil, value["type"] == "object", value["properties"]?.members.isEmpty == false {
                    members.append(.init("additionalProperties", false))
                }
                if value["in"] == "path" {
                    members.append(.init("example", path.contains("jobs") ? .integer(rig.job) : .string(name == "id" ? rig.runner : "p")))
                }
                return .object(members)
            default: return value
            }
        }
        return tightened(document, in: "")
    }

    /// A client that asks for the head reads no body, and would take it for the next answer.
    @Test func ofAHeadNoBodyFollows() async throws {
        let rig = try await rig()
        let requests =
            "HEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\nHEAD /health HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        let port = rig.daemon.port
        let answered = try #require(try await onThread("a test") { BareSocket.exchange(.port(port), Array(requests.utf8)) })
        let parts = String(decoding: answered.answer, as: UTF8.self).components(separatedBy: "\r\n\r\n")
        #expect(parts.map { String($0.prefix(12)) } == ["HTTP/1.1 404", "HTTP/1.1 405", "HTTP/1.1 200", "{\"engine\":\"o"], "\(parts)")
        try await rig.end()
    }

    @Test(
        .enabled(if: hasSchemathesis, "scripts/bootstrap could not fetch schemathesis"),
        .disabled(if: EndToEndTests.isSanitized, "other tests have a sanitizer look at all that the daemon does here"))
    func everyAnswerIsAsDocumented() async throws {
        let rig = try await rig()
        let headers = [(name: "Authorization", value: "Bearer \(Self.token)")]
        let answer = try await rig.daemon.send(HTTPRequest("GET", rig.daemon.url + "/openapi.json", headers: headers))
        #expect(answer.status == 200 && answer.header("content-type") == "application/json")
        let folder = rig.daemon.directory
        let document = try JSONValue(json: answer.text)
        try Self.tightened(document, rig).lines.write(toFile: "\(folder)/openapi.json", atomically: true, encoding: .utf8)
        let status = try await rig.daemon.control("GET", "/status")
        let instance = try JSONDecoder().decode(StatusView.self, from: Data(status.body)).instance
        rig.engine.answer(
            "GET /volumes",
            with: .init(200, #"{"Volumes":[{"Name":"autogit-cache-\#(instance)-p","CreatedAt":"2026-11-24T09:10:00Z","Labels":{}}]}"#))
        // By chance a client asks for few events that there are.
        let checker = SchemaChecker(document: document, isStrict: true)
        let events = try await rig.daemon.control("GET", "/events?recent=1000&follow=false").text.split(separator: "\n").filter { $0.hasPrefix("data: ") }
        #expect(events.count > 2, "\(events)")
        for event in events {
            let complaints = checker.complaints(about: try JSONValue(json: String(event.dropFirst(6))), by: ["$ref": "#/components/schemas/Event"])
            #expect(complaints.isEmpty, "\(complaints)")
        }
        // What is followed goes on for ever: of that the tests of streams are.
        try """
        [[operations]]
        include-path = "/events"
        parameters = { follow = "false" }
        [[operations]]
        include-path = "/runners/{id}/log"
        parameters = { follow = "false" }
        """.write(toFile: "\(folder)/schemathesis.toml", atomically: true, encoding: .utf8)
        let command = """
            cd \(folder) && PYTHONPATH=\(Self.tools) exec /usr/bin/env python3 -m schemathesis.cli --config-file schemathesis.toml run openapi.json \
            --url \(rig.daemon.url) --include-method GET --header 'Authorization: Bearer \(Self.token)' --checks all --seed 1 --max-examples 15 \
            --phases examples,coverage,fuzzing --continue-on-failure --generation-database none --suppress-health-check all --request-timeout 300 --no-color 2>&1
            """
        let ran = try await run("/bin/sh", ["-c", command])
        #expect(ran.code == 0, "\(ran.out)")
        // That nothing was left out: every route that only reads.
        let count = document["paths"]?.members.filter { $0.value["get"] != nil }.count ?? 0
        #expect(ran.out.contains(" \(count) selected"), "\(ran.out.prefix(2000))")
        try await rig.end()
    }
}
