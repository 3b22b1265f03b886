import ControlModel
import Coordinator
import Fleet
import Foundation
import Hummingbird
import JSONSchema
import TestBench
import Testing

@testable import WebAPI

/// The document at /openapi.json against the routes and the types that it describes. That answers are as documented is schemathesis' to see, in
/// the tests of the daemon as a whole.
@Suite struct DocumentTests {
    private let document = APIDocument().value

    // MARK: Routes

    @Test func everyRouteIsDescribedAndNoOther() throws {
        let routes = try Caller().router(trusted: true).routes.map { "\($0.method) \($0.path)" }
        let described = Operation.all.map { "\($0.method) \($0.path)" }
        #expect(routes.sorted() == described.sorted())
        #expect(Set(Operation.all.map(\.id)).count == Operation.all.count)
    }

    /// Each side has its own: on the control socket nothing needs a token.
    @Test(arguments: [true, false]) func itIsServedAsItIsOnThisSide(trusted: Bool) async throws {
        let answer = try await Caller().answer(.get, "/openapi.json", trusted: trusted)
        #expect(answer.status == 200 && answer.headers[.contentType] == "application/json")
        let document = try JSONValue(json: answer.text)
        #expect(document["openapi"] == "3.1.0" && document["info"]?["version"] == .string(autogitVersion))
        #expect(document["paths"]?["/caches"]?["get"]?["security"]?.elements.isEmpty == trusted)
    }

    @Test func everyParameterOfAPathIsDescribed() {
        for operation in Operation.all {
            let named = operation.path.matches(of: /\{(\w+)\}/).map { String($0.output.1) }
            #expect(operation.parameters.filter { $0.place == .path }.map(\.name) == named, "\(operation.path)")
        }
    }

    @Test func everyReferenceHasSomethingToReferTo() {
        let checker = SchemaChecker(document: document)
        func look(_ value: JSONValue) {
            if value["$ref"] != nil { #expect(checker.resolved(value) != .null, "\(value.text)") }
            value.members.map(\.value).forEach(look)
            value.elements.forEach(look)
        }
        look(document)
        let used = Set(document.text.matches(of: /schemas\/(\w+)"/).map { String($0.output.1) })
        #expect(used == Set(ViewSchemas.all.map(\.name)))
    }

    /// Each row: who is in front of which side, and what /status, /metrics, /caches and /webhook/job want of them.
    @Test(arguments: [
        (APIDocument(), ["", "", "controlToken", "webhookToken"]), (APIDocument(hasControlToken: false), ["", "", "controlToken", "webhookToken"]),
        (APIDocument(writingNeedsToken: false), ["", "", "", "webhookToken"]),
        (APIDocument(readingNeedsToken: true), ["controlToken session", "controlToken session", "controlToken", "webhookToken"]),
        (APIDocument(metricsHaveToken: true), ["", "metricsToken", "controlToken", "webhookToken"]),
    ])
    func itSaysWhatNeedsAToken(document: APIDocument, expected: [String]) {
        let paths = document.value["paths"]
        for (path, names) in zip(["/status", "/metrics", "/caches", "/webhook/job"], expected) {
            let operation = paths?[path]?.members.first?.value
            #expect(operation?["security"]?.elements.flatMap { $0.members.map(\.name) }.joined(separator: " ") == names, "\(path)")
            let refusal = operation?["responses"]?[path == "/caches" && !document.hasControlToken ? "403" : "401"]
            #expect((refusal != nil) == !names.isEmpty, "\(path)")
        }
    }

    // MARK: Views

    /// A value with all that a schema names, or with no more than it requires.
    private func example(of schema: JSONValue, isFull: Bool) -> JSONValue {
        let schema = SchemaChecker(document: document).resolved(schema)
        switch schema["type"]?.string {
        case "object":
            let required = schema["required"]?.elements ?? []
            if let values = schema["additionalProperties"] { return .object(isFull ? [.init("key", example(of: values, isFull: isFull))] : []) }
            let members = schema["properties"]?.members.filter { isFull || required.contains(.string($0.name)) } ?? []
            return .object(members.map { .init($0.name, example(of: $0.value, isFull: isFull)) }.sorted { $0.name < $1.name })
        case "array": return .array(isFull ? [example(of: schema["items"] ?? .null, isFull: isFull)] : [])
        case "string": return schema["enum"]?.elements.last ?? .string(schema["format"] == nil ? "text" : "2026-11-24T09:10:00.102Z")
        case "integer": return .integer(Int64(schema["minimum"]?.double ?? 7))
        case "number": return .number(0.5)
        case "boolean": return true
        default: return .null
        }
    }

    /// The same value without one of its required properties, for each of them, however deep.
    private func maimed(_ value: JSONValue, _ schema: JSONValue) -> [JSONValue] {
        let schema = SchemaChecker(document: document).resolved(schema)
        if case .array(let elements) = value, let items = schema["items"], let first = elements.first { return maimed(first, items).map { .array([$0]) } }
        var all: [JSONValue] = []
        for (index, member) in value.members.enumerated() {
            var rest = value.members
            if schema["required"]?.elements.contains(.string(member.name)) == true {
                rest.remove(at: index)
                all.append(.object(rest))
                rest = value.members
            }
            guard let inner = schema["properties"]?[member.name] else { continue }
            for worse in maimed(member.value, inner) {
                rest[index].value = worse
                all.append(.object(rest))
            }
        }
        return all
    }

    /// The stored properties of a value and of those in it, by their paths.
    private func names(in value: Any, _ path: String = "") -> [String] {
        let mirror = Mirror(reflecting: value)
        switch mirror.displayStyle {
        case .optional, .collection: return mirror.children.first.map { names(in: $0.value, path) } ?? []
        case .struct: return mirror.children.flatMap { ["\(path).\($0.label ?? "")"] + names(in: $0.value, "\(path).\($0.label ?? "")") }
        default: return []
        }
    }

    private func names(in schema: JSONValue, _ path: String = "") -> [String] {
        let schema = SchemaChecker(document: document).resolved(schema)
        if let items = schema["items"] { return names(in: items, path) }
        return schema["properties"]?.members.flatMap { ["\(path).\($0.name)"] + names(in: $0.value, "\(path).\($0.name)") } ?? []
    }

    private static let types: [(String, any (Codable & Sendable).Type)] = [
        ("Problem", Problem.self), ("Health", HealthView.self), ("Status", StatusView.self), ("Runner", RunnerView.self), ("Job", JobView.self),
        ("Pool", PoolView.self), ("Pull", PullView.self), ("Host", HostView.self), ("GPU", GPUView.self), ("History", HistoryView.self),
        ("KeptLog", KeptLogView.self), ("Cache", CacheView.self), ("ClearedCache", ClearedCacheView.self), ("Event", EventView.self),
        ("SpawnRequest", SpawnRequest.self), ("HookRequest", HookRequest.self), ("Hook", HookView.self), ("Reload", ReloadView.self),
        ("Correction", ReconcileView.self), ("Pause", PauseView.self), ("Drain", DrainView.self), ("Usage", UsageView.self),
        ("NotifyTestRequest", NotifyTestRequest.self),
        ("NotifyTest", NotifyTestView.self),
    ]

    /// Whoever adds a property to a view, renames one or makes one optional hears of it here.
    @Test func everySchemaIsThatOfItsType() throws {
        // What is made in place, of a dictionary.
        #expect(Set(Self.types.map(\.0)).symmetricDifference(ViewSchemas.all.map(\.name)) == ["Index", "WebhookAnswer"])
        for (name, type) in Self.types {
            let schema = try #require(document["components"]?["schemas"]?[name])
            let checker = SchemaChecker(document: document, isStrict: true)
            for isFull in [true, false] {
                let example = example(of: schema, isFull: isFull)
                let view = try JSONDecoder().decode(type, from: Data(example.text.utf8))
                let encoded = try JSONValue(json: String(decoding: JSONEncoder().encode(view), as: UTF8.self))
                #expect(encoded == example, "\(name)")
                #expect(checker.complaints(about: encoded, by: schema).isEmpty, "\(name): \(checker.complaints(about: encoded, by: schema))")
                if isFull { #expect(names(in: view).sorted() == names(in: schema).sorted(), "\(name)") }
            }
            for worse in maimed(example(of: schema, isFull: true), schema) {
                #expect(throws: DecodingError.self, "\(name): \(worse.text)") { try JSONDecoder().decode(type, from: Data(worse.text.utf8)) }
            }
        }
    }

    @Test func everyStatusOfARunnerHasItsWord() {
        var seen: Set<String> = []
        for phase in Runner.Phase.allCases {
            for job in [nil, 1] as [JobID?] {
                var runner = Runner(id: "one", pool: Pool(name: "p"), launchedFor: nil, at: Timestamp(milliseconds: 0))
                (runner.phase, runner.currentJob) = (phase, job)
                seen.insert(runner.status)
            }
        }
        #expect(seen == Set(ViewSchemas.runnerStatuses))
    }

    @Test func theCheckerOfSchemasSeesWhatIsWrong() throws {
        let schema = ViewSchemas.pull.value
        let checker = SchemaChecker(document: document, isStrict: true)
        func complaints(_ text: String) throws -> Int { checker.complaints(about: try JSONValue(json: text), by: schema).count }
        #expect(try complaints(#"{"image":"i","received_bytes":1}"#) == 0)
        #expect(try complaints(#"{"image":"i","received_bytes":-1}"#) == 1)
        #expect(try complaints(#"{"image":1,"received_bytes":"1"}"#) == 2)
        #expect(try complaints(#"{"image":"i","received":1}"#) == 2)
        #expect(try SchemaChecker(document: document).complaints(about: JSONValue(json: #"{"image":"i","received_bytes":1,"x":1}"#), by: schema).isEmpty)
    }
}
