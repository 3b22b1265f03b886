import Foundation
import Hummingbird
import HTTPTypes

/// A request with its parameters from query, JSON and form in one place, as Grape hands them to GitLab.
struct Call: Sendable {
    var request: Request
    var body: [UInt8]
    var path: [String: String]
    private var values: [String: JSON] = [:]
    private var query: [(String, String)] = []

    init(_ request: Request, _ context: BasicRequestContext) async throws {
        var request = request
        let buffer = try await request.collectBody(upTo: 64 << 20)
        self.init(request, context, body: buffer.getBytes(at: buffer.readerIndex, length: buffer.readableBytes) ?? [])
        let type = request.headers[.contentType] ?? ""
        if type.hasPrefix("application/json"), !body.isEmpty {
            guard let json = try? JSONDecoder().decode(JSON.self, from: Data(body)), case .object(let members) = json else {
                throw Refused.bad("The provided JSON is invalid")
            }
            values.merge(members) { $1 }
        } else if type.hasPrefix("application/x-www-form-urlencoded") {
            for (key, value) in Self.pairs(String(decoding: body, as: UTF8.self)) { values[key] = .string(value) }
        }
    }

    /// With a body that was read already, and no parameters but those of the query.
    init(_ request: Request, _ context: BasicRequestContext, body: [UInt8]) {
        self.request = request
        self.body = body
        path = [:]
        for name in ["id", "job", "namespace", "project"] {
            if let value = context.parameters.get(name) { path[name] = value.removingPercentEncoding ?? value }
        }
        query = Self.pairs(request.uri.query ?? "")
        for (key, value) in query { values[key] = .string(value) }
    }

    subscript(key: String) -> JSON? { values[key] }
    func all(_ key: String) -> [String] { query.filter { $0.0 == key }.map(\.1) }

    var secret: String? {
        request.headers[HTTPField.Name("PRIVATE-TOKEN")!] ?? request.headers[.authorization].flatMap { $0.hasPrefix("Bearer ") ? String($0.dropFirst(7)) : nil }
    }
    var jobToken: String? { request.headers[HTTPField.Name("JOB-TOKEN")!] ?? values["token"]?.text ?? values["job_token"]?.text }
    var id: Int64 { path["id"].flatMap { Int64($0) } ?? -1 }
    var job: Int64 { path["job"].flatMap { Int64($0) } ?? -1 }

    static func pairs(_ text: String) -> [(String, String)] {
        text.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let decoded = parts.map { $0.replacingOccurrences(of: "+", with: " ").removingPercentEncoding ?? String($0) }
            return (decoded[0], decoded.count > 1 ? decoded[1] : "")
        }
    }
}

func respond(_ status: Int, _ body: JSON? = nil, headers: [(String, String)] = []) -> Response {
    var fields = HTTPFields()
    for (name, value) in headers { if let name = HTTPField.Name(name) { fields[name] = value } }
    guard let body, let data = try? JSONEncoder().encode(body) else { return Response(status: .init(code: status), headers: fields) }
    fields[.contentType] = "application/json"
    return Response(status: .init(code: status), headers: fields, body: .init(byteBuffer: ByteBuffer(bytes: data)))
}

/// Faults first, then the call; what GitLab refuses becomes its answer.
struct SimulatorMiddleware: RouterMiddleware {
    typealias Context = BasicRequestContext
    let instance: Instance
    let root: String

    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws -> Response {
        guard root.isEmpty || request.uri.path.hasPrefix("\(root)/") else { return Fault.noRoutePage.answer(to: request) ?? respond(404) }
        let fault = await instance.fault(for: request.method.rawValue, String(request.uri.path.dropFirst(root.count)))
        if let answer = fault?.answer(to: request) { return answer }
        switch fault {
        case .dropAnswer:
            _ = try await next(request, context)
            return respond(502, ["message": "502 Bad Gateway"])
        case .delay(let duration): try await Task.sleep(for: duration)
        default: break
        }
        do {
            return try await next(request, context)
        } catch let refused as Refused {
            return respond(refused.status, refused.body, headers: refused.headers)
        } catch let error as HTTPError where error.status == .notFound {
            // No such route.
            return respond(404, ["error": "404 Not Found"])
        } catch let invalid as PipelineFile.Invalid {
            return respond(400, ["message": ["base": [.string(invalid.description)]]])
        }
    }
}

struct Routes {
    let instance: Instance
    /// Empty, or a path with a slash before it and none behind.
    var root = ""

    func router() -> Router<BasicRequestContext> {
        let router = Router(context: BasicRequestContext.self)
        router.add(middleware: SimulatorMiddleware(instance: instance, root: root))
        let top = router.group(RouterPath(root))
        let api = top.group("api/v4")
        general(api)
        runners(api)
        runnerProtocol(api)
        artifacts(api)
        top.post("api/graphql") { request, context in try await self.instance.graphQL(Call(request, context)) }
        git(top)
        return router
    }

    private func general(_ api: RouterGroup<BasicRequestContext>) {
        let instance = instance
        api.get("version") { request, context in
            let call = try await Call(request, context)
            _ = try await instance.access(call.secret, anyOf: ["read_api", "read_user"])
            return respond(200, ["version": .string(Instance.version), "revision": "simulated", "enterprise": false])
        }
        api.get("user") { request, context in try await instance.showUser(Call(request, context)) }
        api.get("personal_access_tokens/self") { request, context in try await instance.showToken(Call(request, context)) }
        api.get("projects") { request, context in try await instance.listProjects(Call(request, context)) }
        api.get("projects/{id}") { request, context in
            let call = try await Call(request, context)
            return respond(200, await instance.resource(try await instance.visibleProject(call)))
        }
        api.get("groups/{id}") { request, context in try await instance.showGroup(Call(request, context)) }
        api.get("application/settings") { request, context in try await instance.showSettings(Call(request, context)) }
        api.post("projects") { request, context in try await instance.createProject(Call(request, context)) }
        api.delete("projects/{id}") { request, context in try await instance.removeProject(Call(request, context)) }
        api.post("projects/{id}/repository/commits") { request, context in try await instance.commit(Call(request, context)) }
        api.get("projects/{id}/jobs") { request, context in try await instance.listJobs(Call(request, context)) }
        api.get("projects/{id}/jobs/{job}") { request, context in
            let call = try await Call(request, context)
            let job = try await instance.visibleJob(call)
            return respond(200, await instance.bent(await instance.resource(job), id: job.id))
        }
        api.get("projects/{id}/jobs/{job}/trace") { request, context in
            let job = try await instance.visibleJob(try await Call(request, context))
            return Response(status: .ok, headers: [.contentType: "text/plain"], body: .init(byteBuffer: ByteBuffer(bytes: job.trace)))
        }
        api.post("projects/{id}/jobs/{job}/cancel") { request, context in
            let call = try await Call(request, context)
            let job = try await instance.visibleJob(call, scope: "api")
            await instance.cancel(job.id)
            return respond(201, await instance.resource(await instance.jobs[job.id] ?? job))
        }
        api.post("projects/{id}/jobs/{job}/retry") { request, context in
            let job = try await instance.visibleJob(try await Call(request, context), scope: "api")
            let new = try await instance.retry(job.id)
            return respond(201, await instance.resource(await instance.jobs[new] ?? job))
        }
        api.post("projects/{id}/pipeline") { request, context in try await instance.startPipeline(Call(request, context)) }
        api.get("projects/{id}/pipelines/{job}/jobs") { request, context in try await instance.jobsOfPipeline(Call(request, context)) }
        api.post("projects/{id}/hooks") { request, context in try await instance.createHook(Call(request, context)) }
        api.put("projects/{id}/hooks/{job}") { request, context in try await instance.updateHook(Call(request, context)) }
        api.get("projects/{id}/hooks/{job}") { request, context in try await instance.showHook(Call(request, context)) }
        api.delete("projects/{id}/hooks/{job}") { request, context in try await instance.removeHook(Call(request, context)) }
        api.post("projects/{id}/hooks/{job}/test/job_events") { request, context in try await instance.testHook(Call(request, context)) }
        api.get("projects/{id}/hooks") { request, context in try await instance.listHooks(Call(request, context)) }
    }

    private func runners(_ api: RouterGroup<BasicRequestContext>) {
        let instance = instance
        api.post("user/runners") { request, context in try await instance.createRunner(Call(request, context)) }
        api.get("runners/all") { request, context in
            let call = try await Call(request, context)
            guard try await instance.access(call.secret, anyOf: ["read_api"]).maySeeAll else { throw Refused.forbidden() }
            return try await instance.listRunners(call)
        }
        api.get("runners") { request, context in
            let call = try await Call(request, context)
            _ = try await instance.access(call.secret, anyOf: ["read_api"])
            return try await instance.listRunners(call)
        }
        api.get("runners/{id}") { request, context in
            let call = try await Call(request, context)
            return respond(200, await instance.resource(try await instance.visibleRunner(call, scopes: ["read_api"]), whole: true))
        }
        api.put("runners/{id}") { request, context in try await instance.updateRunner(Call(request, context)) }
        api.delete("runners/{id}") { request, context in
            let call = try await Call(request, context)
            let runner = try await instance.visibleRunner(call, scopes: ["manage_runner"])
            await instance.removeRunner(runner.id)
            return respond(204)
        }
        api.get("runners/{id}/jobs") { request, context in try await instance.jobsOfRunner(Call(request, context)) }
    }

    private func runnerProtocol(_ api: RouterGroup<BasicRequestContext>) {
        let instance = instance
        // Registration tokens are the old way, off by default since GitLab 17.
        api.post("runners") { _, _ in respond(410, ["message": "410 Gone - runner registration disallowed"]) }
        api.post("runners/verify") { request, context in
            respond(200, try await instance.verify(token: try await Call(request, context)["token"]?.text))
        }
        api.delete("runners") { request, context in
            try await instance.unregister(token: try await Call(request, context)["token"]?.text)
            return respond(204)
        }
        api.post("jobs/request") { request, context in
            let call = try await Call(request, context)
            guard let job = try await instance.requestJob(token: call["token"]?.text) else {
                return respond(204, headers: [("X-GitLab-Last-Update", "\(await instance.queueVersion)")])
            }
            return respond(201, job)
        }
        api.patch("jobs/{id}/trace") { request, context in
            let call = try await Call(request, context)
            let range = request.headers[.contentRange]
            let (status, length) = try await instance.appendTrace(call.id, token: call.jobToken, range: range, body: call.body)
            return respond(202, headers: [("Job-Status", status), ("Range", "0-\(length)"), ("X-GitLab-Trace-Update-Interval", "3")])
        }
        api.put("jobs/{id}") { request, context in
            let call = try await Call(request, context)
            try await instance.updateJob(call.id, token: call.jobToken, state: call["state"]?.text, reason: call["failure_reason"]?.text)
            return respond(200, true)
        }
    }

    private func git(_ router: RouterGroup<BasicRequestContext>) {
        let instance = instance
        router.get("{namespace}/{project}/info/refs") { request, context in
            let call = try await Call(request, context)
            guard call["service"]?.text == "git-upload-pack" else { return respond(403) }
            let path = try await instance.repositoryForJob(call)
            let refs = try await GitRepository.advertise(path, version: request.headers[HTTPField.Name("Git-Protocol")!])
            return gitAnswer("advertisement", refs)
        }
        router.post("{namespace}/{project}/git-upload-pack") { request, context in
            let call = try await Call(request, context)
            let path = try await instance.repositoryForJob(call)
            let pack = try await GitRepository.uploadPack(
                path, request: call.body, gzipped: request.headers[.contentEncoding] == "gzip", version: request.headers[HTTPField.Name("Git-Protocol")!])
            return gitAnswer("result", pack)
        }
    }
}

private func gitAnswer(_ kind: String, _ bytes: [UInt8]) -> Response {
    Response(
        status: .ok, headers: [.contentType: "application/x-git-upload-pack-\(kind)", .cacheControl: "no-cache"],
        body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
}
