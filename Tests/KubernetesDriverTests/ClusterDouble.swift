import Fleet
import Foundation
import TestBench
import Threads

@testable import KubernetesDriver

/// A Kubernetes API server with a job controller, a garbage collector and one node, which behave as `docs/kubernetes-notes.md` says and as a test
/// wants. It runs nothing: a container ends when it is told to, or when its pod is removed.
///
/// It refuses what the real one refuses, as far as AutoGit could get it wrong: names, labels, types of content, mounts without volumes, changes
/// of what can't be changed. Whether a body has the right shape is for Kubernetes' schemas: see `BodiesTests`.
final class ClusterDouble: Sendable {
    /// What the node makes of a new pod.
    enum Fate: Sendable {
        case runs
        /// No node will have it, with the scheduler's words.
        case unschedulable(String)
        /// It has a node, and its container waits.
        case waits(reason: String, message: String?)
        /// Its container ended at once.
        case ends(code: Int, reason: String, message: String?)
        /// The Job gets none: a quota is in the way.
        case denied
    }

    /// What the node does when a pod is removed.
    enum Obedience: Sendable {
        /// The process ends on its stop signal.
        case ends(code: Int)
        /// Only a kill ends it.
        case ignores
        /// The node is cut off.
        case away
    }

    struct Answer: Sendable {
        var status: Int
        var body: String
        init(_ status: Int, _ body: String) {
            self.status = status
            self.body = body
        }
        /// A `v1.Status`.
        init(_ status: Int, reason: String, _ message: String) {
            self.init(status, #"{"kind":"Status","apiVersion":"v1","status":"Failure","code":\#(status),"reason":"\#(reason)","message":"\#(message)"}"#)
        }
    }

    struct State: Sendable {
        var things: [Key: JSONValue] = [:]
        var version = 100
        var serial = 0
        /// Versions up to this one can't be watched from.
        var compacted = 0
        var history: [(version: Int, kind: String, type: String, object: JSONValue)] = []
        var fate = Fate.runs
        var obedience = Obedience.ends(code: 0)
        var token: String? = "secret-token"
        var answers: [String: [Answer]] = [:]
        var always: [String: Answer] = [:]
        var hanging: Set<String> = []
        var logs: [String: String] = [:]
        var events: [JSONValue] = []
        var nodes: [JSONValue]? = []
        var version1 = "v1.31.4"
        var page = 500
        /// Raised to end all watches.
        var watchRound = 0
        /// Lines for all watches, as they are.
        var inserted: [(round: Int, line: String)] = []
        var watchesThatEnd = 0
        var isStopped = false
        /// What goes now goes because its Job is suspended.
        var isSuspending = false
    }

    struct Key: Hashable, Sendable {
        var kind: String
        var name: String
    }

    let namespace = "ci"
    /// Calls in order, such as `GET pods`, `PATCH jobs/one`, `GET pods/one/log` and `WATCH pods`.
    let seen = Happenings<String>()
    /// The bodies of calls, in order.
    let bodies = Happenings<String>()
    let state = Monitor(State())
    private let server: Monitor<BareServer?> = Monitor(nil)

    init() throws {
        let made = try BareServer(onPortWith: { [weak self] request, connection in self?.serve(request, connection) })
        server.withLock { $0 = made }
    }

    var url: String { "http://127.0.0.1:\(server.withLock { $0?.port } ?? 0)" }
    var access: KubeAccess { KubeAccess(server: url, namespace: namespace, token: .text(.init("secret-token"))) }

    func stop() {
        state.withLock { $0.isStopped = true }
        server.withLock { $0 }?.stop()
    }

    // MARK: What a test does

    func fate(_ fate: Fate) { state.withLock { $0.fate = fate } }
    func obedience(_ obedience: Obedience) { state.withLock { $0.obedience = obedience } }
    /// Answers a call, named as in `seen`, in this way: so many times, or from now on.
    func answer(_ call: String, _ answer: Answer, times: Int? = nil) {
        state.withLock { state in
            if let times { state.answers[call, default: []] += Array(repeating: answer, count: times) } else { state.always[call] = answer }
        }
    }
    func answerAsUsual(_ call: String) { state.withLock { _ = $0.always.removeValue(forKey: call) } }
    func hang(_ call: String) { state.withLock { _ = $0.hanging.insert(call) } }
    func log(_ pod: String, _ text: String) { state.withLock { $0.logs[pod] = text } }
    func endWatches() { state.withLock { $0.watchRound += 1 } }
    /// Forgets the past, so that watches can't begin there.
    func compact() { state.withLock { $0.compacted = $0.version } }
    /// A line in all watches, as it is.
    func insert(_ line: String) { state.withLock { $0.inserted.append(($0.watchRound, line)) } }

    func things(_ kind: String) -> [JSONValue] {
        state.withLock { state in state.things.filter { $0.key.kind == kind }.sorted { $0.key.name < $1.key.name }.map(\.value) }
    }

    /// The name of a runner's pod.
    func pod(_ runner: String) -> String? {
        things("pods").first { $0["metadata"]?["labels"]?["autogit.runner"]?.text == runner }?["metadata"]?["name"]?.text
    }

    /// Somebody makes a thing past the API's checks: another AutoGit's, or gitlab-runner's.
    func put(_ kind: String, _ name: String, labels: [String: String], status: JSONValue = .object([:]), container: String = "build") {
        state.withLock { state in
            var object: JSONValue = .object([
                "metadata": .object(["name": .string(name), "labels": .object(labels.mapValues(JSONValue.string))]),
                "spec": .object(["nodeName": .string("node-1")]), "status": status,
            ])
            Self.stamp(&object, &state)
            Self.store(kind, name, object, "ADDED", &state)
        }
    }

    /// A container of a pod has ended.
    func end(_ pod: String, code: Int, reason: String? = nil, container: String = "runner") {
        state.withLock { Self.end(pod, code: code, reason: reason, container: container, &$0) }
    }

    /// A pod is gone, without anybody having seen its end.
    func lose(_ pod: String) { state.withLock { Self.drop("pods", pod, &$0) } }

    /// Whatever the fate is now happens to pods that wait.
    func proceed() {
        state.withLock { state in
            for key in state.things.keys.filter({ $0.kind == "pods" }) where state.things[key]?["status"]?["phase"]?.text == "Pending" {
                Self.happen(key.name, &state)
            }
        }
    }

    // MARK: HTTP

    private func serve(_ request: BareServer.Request, _ connection: BareConnection) {
        let parts = request.target.split(separator: "?", maxSplits: 1)
        let path = parts[0].split(separator: "/").map { String($0).removingPercentEncoding ?? "" }
        var query: [String: String] = [:]
        for pair in (parts.count > 1 ? String(parts[1]) : "").split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1).map(String.init)
            query[halves[0]] = halves.count > 1 ? halves[1].removingPercentEncoding : ""
        }
        // `/api/v1/namespaces/NS/KIND[/NAME[/PART]]`, and the same under `/apis/batch/v1`.
        let rest = path.first == "apis" ? Array(path.dropFirst(3)) : Array(path.dropFirst(2))
        let isNamespaced = rest.count >= 3 && rest[0] == "namespaces"
        let kind = isNamespaced ? rest[2] : path.last ?? ""
        let name = isNamespaced && rest.count > 3 ? rest[3] : nil
        let part = isNamespaced && rest.count > 4 ? "/\(rest[4])" : ""
        let verb = query["watch"] == "true" ? "WATCH" : request.method
        let call = "\(verb) \(kind)\(name == nil ? "" : "/one")\(part)"
        // Before it is noted, so that whoever waits for the note finds what it did.
        defer { seen.note(call) }
        if !request.body.isEmpty { bodies.note("\(call) \(String(decoding: request.body, as: UTF8.self))") }
        let planned = state.withLock { state -> Answer? in
            if let first = state.answers[call]?.first {
                state.answers[call]?.removeFirst()
                return first
            }
            return state.always[call]
        }
        if let planned { return _ = connection.answer(planned.status, planned.body, headers: ["Content-Type: application/json"]) }
        if state.withLock({ $0.hanging.contains(call) }) {
            seen.note("hangs \(call)")
            return connection.waitForEnd()
        }
        let answer: Answer?
        if let token = state.withLock({ $0.token }), request.headers["authorization"] != "Bearer \(token)" {
            answer = Answer(401, reason: "Unauthorized", "Unauthorized")
        } else if path == ["version"] {
            answer = Answer(200, #"{"major":"1","minor":"31","gitVersion":"\#(state.withLock { $0.version1 })"}"#)
        } else if kind == "nodes", !isNamespaced {
            answer = state.withLock { state in state.nodes.map { Self.list($0, version: "\(state.version)") } } ?? Self.forbidden("nodes", "list")
        } else if !isNamespaced || rest[1] != namespace {
            answer = Self.forbidden(kind, verb)
        } else {
            let group = path.first == "apis" ? "jobs" : "pods secrets events"
            guard group.split(separator: " ").contains(Substring(kind)) else { return _ = connection.answer(404, "404 page not found\n") }
            answer = answerNamespaced(verb, kind, name, part, query, request, connection)
        }
        if let answer { connection.answer(answer.status, answer.body, headers: ["Content-Type: application/json"]) }
    }

    private static func forbidden(_ kind: String, _ verb: String) -> Answer {
        Answer(403, reason: "Forbidden", #"\#(kind) is forbidden: User \"system:serviceaccount:ci:autogit\" cannot \#(verb.lowercased()) resource \#(kind)"#)
    }

    private func answerNamespaced(
        _ verb: String, _ kind: String, _ name: String?, _ part: String, _ query: [String: String], _ request: BareServer.Request,
        _ connection: BareConnection
    ) -> Answer? {
        switch (verb, name) {
        case ("WATCH", nil):
            watch(kind, query, connection)
            return nil
        case ("GET", nil): return state.withLock { Self.list(kind, query, $0) }
        case ("GET", let name?) where part == "/log":
            log(name, query, connection)
            return nil
        case ("GET", let name?):
            return state.withLock { state in state.things[Key(kind: kind, name: name)].map { Answer(200, Self.text($0)) } ?? Self.missing(kind, name) }
        case ("POST", nil):
            guard request.headers["content-type"] == "application/json" else { return Answer(415, reason: "UnsupportedMediaType", "not JSON") }
            return state.withLock { Self.create(kind, request.body, &$0) }
        case ("PATCH", let name?):
            guard request.headers["content-type"] == "application/merge-patch+json" else {
                return Answer(415, reason: "UnsupportedMediaType", "the body of the request was in an unknown format")
            }
            return state.withLock { Self.patch(kind, name, request.body, &$0) }
        case ("DELETE", let name?): return state.withLock { Self.delete(kind, name, request.body, &$0) }
        default: return Answer(405, reason: "MethodNotAllowed", "the server does not allow this method on the requested resource")
        }
    }

    private func watch(_ kind: String, _ query: [String: String], _ connection: BareConnection) {
        guard let from = query["resourceVersion"].flatMap({ Int($0) }), query["allowWatchBookmarks"] == "true", query["timeoutSeconds"] != nil else {
            _ = connection.answer(400, #"{"kind":"Status","code":400,"reason":"BadRequest","message":"the double wants a version, bookmarks and an end"}"#)
            return
        }
        var sent = from
        var (round, lines, ends) = state.withLock { state -> (Int, Int, Bool) in
            state.watchesThatEnd -= 1
            return (state.watchRound, state.inserted.count, state.watchesThatEnd >= 0)
        }
        connection.head(200)
        if ends { return connection.end() }
        if from < state.withLock({ $0.compacted }) {
            let words = "too old resource version: \(from) (\(state.withLock { $0.compacted }))"
            connection.send(Array((#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"\#(words)"}}"# + "\n").utf8))
            return connection.end()
        }
        seen.note("watching \(kind)")
        while true {
            let more = state.wait { state -> (news: [String], isOver: Bool)? in
                let changes = state.history.filter { $0.version > sent && $0.kind == kind && Self.matches($0.object, query["labelSelector"]) }
                let inserted = state.inserted.dropFirst(lines).map(\.line)
                guard !changes.isEmpty || !inserted.isEmpty || state.watchRound > round || state.isStopped else { return nil }
                sent = max(sent, state.version)
                lines = state.inserted.count
                let isOver = state.watchRound > round || state.isStopped
                round = state.watchRound
                return (changes.map { #"{"type":"\#($0.type)","object":\#(Self.text($0.object))}"# } + inserted, isOver)
            }
            guard let more else { return }
            for line in more.news where !connection.send(Array((line + "\n").utf8)) { return }
            if more.isOver { return connection.end() }
        }
    }

    private func log(_ name: String, _ query: [String: String], _ connection: BareConnection) {
        let found = state.withLock { state -> (JSONValue, String)? in state.things[Key(kind: "pods", name: name)].map { ($0, state.logs[name] ?? "") } }
        guard let (pod, text) = found else {
            let answer = Self.missing("pods", name)
            return _ = connection.answer(answer.status, answer.body)
        }
        let container = Self.container(pod, query["container"] ?? "")
        if container?["waiting"] != nil || container == nil {
            let words = #"container \"runner\" in pod \"\#(name)\" is waiting to start: ContainerCreating"#
            return _ = connection.answer(400, Answer(400, reason: "BadRequest", words).body)
        }
        let lines = text.split(separator: "\n").suffix(query["tailLines"].flatMap { Int($0) } ?? .max).map { "\($0)\n" }.joined()
        connection.head(200)
        connection.send(Array(lines.utf8))
        if query["follow"] == "true", container?["running"] != nil {
            seen.note("followed")
            connection.waitForEnd()
        }
        connection.end()
    }
}
