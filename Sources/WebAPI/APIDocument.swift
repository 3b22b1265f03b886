import ControlModel
import HTTPTypes
import Hummingbird
import JSONSchema

/// The description of the API in OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.1.html), as it is on one side of one daemon: which calls need a
/// token depends on its configuration, and on the control socket none does.
struct APIDocument: Sendable {
    /// Whether reading needs the control token.
    var readingNeedsToken = false
    /// Whether the metrics need a token of their own.
    var metricsHaveToken = false
    /// Whether writing needs the control token.
    var writingNeedsToken = true
    /// Whether there is one.
    var hasControlToken = true

    private enum Scheme: String { case controlToken, metricsToken, webhookToken, session }

    /// Ways to be let in, any of which is enough; empty where everybody is.
    private func schemes(_ access: Operation.Guard) -> [Scheme] {
        switch access {
        case .open: []
        case .reading: readingNeedsToken ? [.controlToken, .session] : []
        case .metrics: metricsHaveToken ? [.metricsToken] : schemes(.reading)
        case .writing: writingNeedsToken ? [.controlToken] : []
        case .webhook: [.webhookToken]
        case .session: [.session]
        }
    }

    var value: JSONValue {
        [
            "openapi": "3.1.0",
            "info": [
                "title": "AutoGit",
                "description": .string(
                    "AutoGit starts GitLab runners when jobs wait and removes them when they don't. Fields are added to answers over time, never renamed or "
                        + "removed. An error is a Problem. A path that exists answers a method that it doesn't have with 405 and the header Allow."),
                "version": .string(autogitVersion),
                "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
            ],
            "tags": .array(Operation.Tag.allCases.map { ["name": .string($0.rawValue), "description": .string($0.description)] }),
            "paths": paths,
            "components": [
                "schemas": .object(ViewSchemas.all.map { .init($0.name, $0.schema.value) }),
                "securitySchemes": [
                    "controlToken": [
                        "type": "http", "scheme": "bearer",
                        "description": "The token of listen.control_token_file. Where there is none, only the control socket takes such calls.",
                    ],
                    "metricsToken": ["type": "http", "scheme": "bearer", "description": "The token of metrics.token_file."],
                    "webhookToken": [
                        "type": "apiKey", "in": "header", "name": .string(HTTPField.Name.gitlabToken.rawName), "description": "The webhooks' secret.",
                    ],
                    "session": ["type": "apiKey", "in": "cookie", "name": .string(Sessions.cookie), "description": "Of who signed in on the page."],
                ],
            ],
        ]
    }

    private var paths: JSONValue {
        var order: [String] = []
        var byPath: [String: [JSONValue.Member]] = [:]
        for operation in Operation.all {
            if byPath[operation.path] == nil { order.append(operation.path) }
            byPath[operation.path, default: []].append(.init(operation.method.rawValue.lowercased(), value(of: operation)))
        }
        return .object(order.map { .init($0, .object(byPath[$0] ?? [])) })
    }

    private func value(of operation: Operation) -> JSONValue {
        var value: [JSONValue.Member] = [
            .init("operationId", .string(operation.id)), .init("tags", [.string(operation.tag.rawValue)]), .init("summary", .string(operation.summary)),
            .init("security", .array(schemes(operation.access).map { .object([.init($0.rawValue, [])]) })),
        ]
        if !operation.parameters.isEmpty { value.append(.init("parameters", .array(operation.parameters.map(\.value)))) }
        if let body = operation.body {
            value.append(.init("requestBody", ["required": true, "content": .object([.init(body.type, ["schema": body.schema.value])])]))
        }
        let answers = answers(of: operation).sorted { $0.status.code < $1.status.code }
        value.append(.init("responses", .object(answers.map { .init("\($0.status.code)", $0.value) })))
        return .object(value)
    }

    /// Those of its own, and those that come from what is before it.
    private func answers(of operation: Operation) -> [Operation.Answer] {
        // Without a token of its own, whoever asks for metrics is met as any other reader.
        let access = operation.access == .metrics && !metricsHaveToken ? .reading : operation.access
        let hasPages = operation.hasPages || access == .reading
        var answers = operation.answers.map { answer in
            var answer = answer
            if hasPages, answer.status.code >= 400, answer.status != .serviceUnavailable, !answer.contents.contains(where: { $0.type == "text/html" }) {
                answer.contents.append(.page)
            }
            return answer
        }
        func add(_ answer: Operation.Answer) {
            if !answers.contains(where: { $0.status == answer.status }) { answers.append(answer) }
        }
        if !schemes(access).isEmpty {
            switch access {
            case .open: break
            case .writing where !hasControlToken: add(.problem(.forbidden, "There is no control token, so nobody may do this here."))
            case .reading, .metrics, .writing:
                var answer = Operation.Answer.problem(.unauthorized, "The token is missing or wrong.")
                answer.headers = [(.wwwAuthenticate, .string())]
                add(answer)
                if access == .reading { add(.redirect("To the form to sign in, for those who ask for HTML.")) }
            case .webhook: add(.problem(.unauthorized, "The token is missing or wrong."))
            case .session:
                add(.init(status: .forbidden, description: "Nobody signed in, or the form is of another session.", contents: [.problem, .page]))
            }
        }
        var busy = Operation.Answer.problem(.serviceUnavailable, "The daemon could not do this now; the journal says why.")
        busy.headers = [(.retryAfter, .integer("Seconds."))]
        // Too many readers of events are told so like any other of its problems.
        if hasPages { busy.contents.append(.page) }
        add(busy)
        return answers
    }
}

extension WebAPI {
    /// The description of the API, on one side.
    func document(_ group: RouterGroup<APIContext>, trusted: Bool) {
        let document = APIDocument(
            readingNeedsToken: access.readingNeedsToken && !trusted, metricsHaveToken: access.metricsToken != nil && !trusted, writingNeedsToken: !trusted,
            hasControlToken: access.controlToken != nil)
        let body = ByteBuffer(string: document.value.text + "\n")
        group.get("/openapi.json") { _, _ in
            Response(status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"], body: .init(byteBuffer: body))
        }
    }
}
