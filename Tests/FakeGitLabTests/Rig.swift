import Foundation
import FakeGitLab
import HTTPTransfer
import Testing

/// A fake GitLab, an administrator, and what a runner does with it.
struct Rig {
    let gitlab: FakeGitLabServer
    /// The administrator's access token.
    let token = "glpat-SECRET-of-administrator"
    private let http = HTTPClient()

    var instance: Instance { gitlab.instance }

    /// Runs the body with a fake GitLab in a folder of its own; both are gone afterwards.
    static func run(tls: Bool = false, _ body: (Rig) async throws -> Void) async throws {
        try await inFolder { folder in
            let certificate = tls ? try await ServerTLS.make(in: "\(folder)/tls") : nil
            let rig = Rig(gitlab: try await FakeGitLabServer.start(directory: folder, tls: certificate))
            await rig.instance.add(AccessToken(secret: rig.token, scopes: ["api"], isAdmin: true))
            do {
                try await body(rig)
            } catch {
                await rig.gitlab.stop()
                throw error
            }
            await rig.gitlab.stop()
        }
    }

    static func inFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("gitlab-fake GitLab-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder)
    }

    /// - Parameter token: sent as `JOB-TOKEN`.
    func send(
        _ method: String, _ path: String, token: String? = nil, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil
    ) async throws -> HTTPResponse {
        let tokens = token.map { [(name: "JOB-TOKEN", value: $0)] } ?? []
        return try await http.send(HTTPRequest(method, "\(gitlab.url)/api/v4/\(path)", headers: headers + tokens, body: body, caFile: gitlab.caFile))
    }

    /// As the administrator. nil sends no body.
    func json(_ method: String, _ path: String, _ body: JSON? = nil) async throws -> (status: Int, body: JSON) {
        let headers = [(name: "PRIVATE-TOKEN", value: token), (name: "Content-Type", value: "application/json")]
        let answer = try await send(method, path, headers: headers, body: try body.map { Array(try JSONEncoder().encode($0)) })
        return (answer.status, answer.body.isEmpty ? nil : try JSONDecoder().decode(JSON.self, from: Data(answer.body)))
    }

    /// A runner of the whole instance.
    /// - Returns: its token.
    func runner(tags: [String] = []) async throws -> String {
        let answer = try await json(
            "POST", "user/runners", ["runner_type": "instance_type", "description": "r", "tag_list": .array(tags.map { .string($0) })])
        return try #require(answer.body["token"]?.text)
    }

    /// The next job for the runner; null when there is none.
    func request(_ runner: String) async throws -> JSON { try await json("POST", "jobs/request", ["token": .string(runner)]).body }

    /// The job as the first runner of a new project gets it.
    func firstJob(_ yaml: String, files: [String: String] = [:]) async throws -> JSON {
        let project = try await instance.addProject(path: "root/p", pipelineFile: yaml, withRepository: !files.isEmpty, files: files)
        try await instance.createPipeline(project: project.id)
        return try await request(try await runner())
    }

    func finish(_ job: JSON, _ state: String = "success") async throws {
        let answer = try await json("PUT", "jobs/\(job.id)", ["token": .string(job.token), "state": .string(state)])
        #expect(answer.status == 200)
    }
}

extension JSON {
    var id: Int64 { self["id"]?.number ?? 0 }
    var token: String { self["token"]?.text ?? "" }
    var name: String { self["job_info"]?["name"]?.text ?? self["name"]?.text ?? "" }
    var items: [JSON] { if case .array(let items) = self { items } else { [] } }

    /// The value of a variable in a job's payload.
    func variable(_ key: String) -> JSON? { self["variables"]?.items.last { $0["key"]?.text == key } }
}
