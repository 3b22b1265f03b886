import Foundation
import Synchronization
import TestBench

/// A swarm's manager that answers as docs/swarm.md has seen engines answer, and moves tasks as a test wants. It runs nothing.
final class SwarmDouble: Sendable {
    typealias Object = [String: Any]

    /// What becomes of a task that is made.
    enum Fate: Sendable {
        case runs
        /// No node takes it, in the swarm's words.
        case waits(String)
        /// A node can't run it.
        case rejected(String)
        /// A node fetches its image.
        case prepares
    }

    fileprivate struct Log { var bytes: [UInt8] }

    fileprivate struct Task {
        var id: String
        var service: String
        var serviceLabels: [String: String]
        var containerLabels: [String: String]
        var node: String?
        var state: String
        var desired: String
        var error: String?
        var pid = 0
        var code: Int?
    }

    fileprivate struct State {
        var serial = 0
        var services: [String: (id: String, version: Int, body: Data)] = [:]
        var secrets: [String: (id: String, labels: [String: String], data: String)] = [:]
        var tasks: [Task] = []
        var nodes: [String: String] = ["n1": "ready", "n2": "ready"]
        var drained: Set<String> = []
        /// How sweeps of nodes end; nil while they don't.
        var sweepCode: Int? = 0
        var fate = Fate.runs
        var stopsAtOnce = true
        var calls: [String] = []
        var bodies: [String] = []
        var logins: [String] = []
        var conflicts = 0
        var isManager = true
        /// Done by somebody else before the next update.
        var interloper: (@Sendable (inout Object) -> Void)?
    }

    let socket: String
    private let state = Mutex(State())
    private let server = Mutex<BareServer?>(nil)

    init() throws {
        socket = "/tmp/autogit-swarm-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
        let server = try BareServer(path: socket) { [weak self] request, connection in self?.serve(request, connection) }
        self.server.withLock { $0 = server }
    }

    deinit { server.withLock { $0 }?.stop() }

    // MARK: For tests

    func setFate(_ fate: Fate) { state.withLock { $0.fate = fate } }
    func setDrained(_ id: String, _ value: Bool) { state.withLock { _ = value ? $0.drained.insert(id).inserted : $0.drained.remove(id) != nil } }
    func setSweepCode(_ code: Int?) { state.withLock { $0.sweepCode = code } }
    func setNode(_ id: String, _ status: String?) { state.withLock { $0.nodes[id] = status } }
    func setStopsAtOnce(_ value: Bool) { state.withLock { $0.stopsAtOnce = value } }
    func setManager(_ value: Bool) { state.withLock { $0.isManager = value } }
    /// Somebody else changes a service, so often, just before our change arrives.
    func conflict(_ count: Int) { state.withLock { $0.conflicts = count } }
    /// The ones that are waited for go on.
    func move(to newState: String, code: Int? = nil, pid: Int = 0, error: String? = nil) {
        state.withLock { state in
            for index in state.tasks.indices where state.tasks[index].node != nil && !Self.isOver(state.tasks[index].state) {
                (state.tasks[index].state, state.tasks[index].code, state.tasks[index].pid, state.tasks[index].error) = (newState, code, pid, error)
            }
            state.tidy()
        }
    }
    var calls: [String] { state.withLock { $0.calls } }
    var bodies: [String] { state.withLock { $0.bodies } }
    var logins: [String] { state.withLock { $0.logins } }
    var secretCount: Int { state.withLock { $0.secrets.count } }
    var serviceCount: Int { state.withLock { $0.services.count } }
    /// Those that a node had.
    var placedTasks: Int { state.withLock { $0.tasks.count { $0.node != nil } } }
    /// The whole body of a service.
    func body(_ name: String) -> String { state.withLock { $0.services[name].map { String(decoding: $0.body, as: UTF8.self) } ?? "" } }
    /// All that a secret holds, by the path where its task finds it.
    func file(_ path: String, of name: String) throws -> String? {
        let spec = try JSONSerialization.jsonObject(with: Data(body(name).utf8)) as? Object
        let container = (spec?["TaskTemplate"] as? Object)?["ContainerSpec"] as? Object
        let references = container?["Secrets"] as? [Object] ?? []
        guard let reference = references.first(where: { ($0["File"] as? Object)?["Name"] as? String == path }) else { return nil }
        let data = state.withLock { $0.secrets[reference["SecretName"] as? String ?? ""]?.data }
        return data.flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) }
    }

    // MARK: Serving

    fileprivate static func isOver(_ state: String) -> Bool { ["complete", "failed", "rejected", "shutdown", "orphaned"].contains(state) }

    private func serve(_ request: BareServer.Request, _ connection: BareConnection) {
        let parts = request.target.split(separator: "?", maxSplits: 1)
        let query = parts.count > 1 ? String(parts[1]).removingPercentEncoding ?? "" : ""
        let path = String(parts[0]).replacing(/^\/v1\.[0-9]+/, with: "")
        let (status, answer) = state.withLock { state in
            if path != "/_ping" { state.calls.append("\(request.method) \(path)") }
            state.bodies.append(String(decoding: request.body, as: UTF8.self))
            if let login = request.headers["x-registry-auth"] { state.logins.append("\(request.method) \(path) \(login)") }
            return state.answer(request.method, path, query, request.body)
        }
        connection.headers = ["Api-Version: 1.41"]
        switch answer {
        case let log as Log:
            connection.head(status)
            connection.send(log.bytes)
            if !query.contains("follow=true") { return connection.end() }
            connection.waitForEnd()
        case let text as String: connection.answer(status, text)
        default:
            let data = (try? JSONSerialization.data(withJSONObject: answer)) ?? Data()
            connection.answer(status, String(decoding: data, as: UTF8.self))
        }
    }
}

extension SwarmDouble.State {
    typealias Object = SwarmDouble.Object

    private mutating func serial(_ kind: String) -> String {
        serial += 1
        return "\(kind)\(serial)"
    }

    /// A task of a service that is gone goes once it is over.
    mutating func tidy() {
        let names = Set(services.keys)
        tasks.removeAll { !names.contains($0.service) && SwarmDouble.isOver($0.state) }
    }

    mutating func answer(_ method: String, _ path: String, _ query: String, _ body: [UInt8]) -> (Int, Any) {
        let parts = path.split(separator: "/").map(String.init)
        if path == "/_ping" { return (200, "OK") }
        if path == "/version" {
            return (200, ["ApiVersion": "1.41", "Version": "20.10.24", "Components": [["Name": "Engine", "Version": "20.10.24"]]] as Object)
        }
        if path == "/info" {
            return (200, ["Swarm": ["LocalNodeState": isManager ? "active" : "inactive", "ControlAvailable": isManager] as Object] as Object)
        }
        guard isManager else { return (503, ["message": "This node is not a swarm manager. Use \"docker swarm init\" …"] as Object) }
        let json = (try? JSONSerialization.jsonObject(with: Data(body))) as? Object ?? [:]
        switch (method, parts.first ?? "", parts.count) {
        case ("GET", "nodes", 1): return (200, nodes.sorted { $0.key < $1.key }.map(node))
        case ("GET", "services", 1):
            let found = services.filter { matches(query, labels: $0.value.body) }
            return (200, found.map { service($0.value) })
        case ("GET", "services", 2):
            guard let found = find(parts[1]) else { return (404, ["message": "service \(parts[1]) not found"] as Object) }
            return (200, service(found.value))
        case ("POST", "services", 2): return create(json, body)
        case ("POST", "services", 3): return update(parts[1], query, json, body)
        case ("DELETE", "services", 2):
            guard let found = find(parts[1]) else { return (404, ["message": "service \(parts[1]) not found"] as Object) }
            services[found.key] = nil
            stopTasks(of: found.key, desired: "remove")
            tidy()
            return (200, "")
        case ("GET", "tasks", 1): return (200, tasks.filter { task in wanted(query).allSatisfy { task.serviceLabels[$0.0] == $0.1 } }.map(view))
        case ("GET", "tasks", 3): return (200, SwarmDouble.Log(bytes: [1, 0, 0, 0, 0, 0, 0, 6] + Array("hello\n".utf8)))
        case ("POST", "secrets", 2):
            let name = json["Name"] as? String ?? ""
            if secrets[name] != nil { return (409, ["message": "rpc error: code = AlreadyExists desc = secret \(name) already exists"] as Object) }
            let id = serial("secret")
            secrets[name] = (id, json["Labels"] as? [String: String] ?? [:], json["Data"] as? String ?? "")
            return (201, ["ID": id] as Object)
        case ("GET", "secrets", 1):
            let found = secrets.filter { secret in wanted(query).allSatisfy { secret.value.labels[$0.0] == $0.1 } }
            return (200, found.map { ["ID": $0.value.id, "Spec": ["Name": $0.key, "Labels": $0.value.labels] as Object] as Object })
        case ("DELETE", "secrets", 2):
            guard let found = secrets.first(where: { $0.value.id == parts[1] }) else { return (404, ["message": "secret \(parts[1]) not found"] as Object) }
            if let user = services.first(where: { String(decoding: $0.value.body, as: UTF8.self).contains("\"\(found.value.id)\"") }) {
                return (
                    400, ["message": "rpc error: code = InvalidArgument desc = secret '\(found.key)' is in use by the following service: \(user.key)"] as Object
                )
            }
            secrets[found.key] = nil
            return (204, "")
        default: return (404, ["message": "the double knows no \(method) \(path)"] as Object)
        }
    }

    private func find(_ name: String) -> (key: String, value: (id: String, version: Int, body: Data))? {
        services.first { $0.key == name || $0.value.id == name }.map { ($0.key, $0.value) }
    }

    private func wanted(_ query: String) -> [(String, String)] {
        guard let start = query.firstIndex(of: "{"),
            let filters = (try? JSONSerialization.jsonObject(with: Data(query[start...].utf8))) as? [String: [String]]
        else { return [] }
        return (filters["label"] ?? []).map { label in
            let parts = label.split(separator: "=", maxSplits: 1).map(String.init)
            return (parts[0], parts.count > 1 ? parts[1] : "")
        }
    }

    private func spec(_ body: Data) -> Object { (try? JSONSerialization.jsonObject(with: body)) as? Object ?? [:] }
    private func matches(_ query: String, labels body: Data) -> Bool {
        let labels = spec(body)["Labels"] as? [String: String] ?? [:]
        return wanted(query).allSatisfy { labels[$0.0] == $0.1 }
    }
    private func service(_ found: (id: String, version: Int, body: Data)) -> Object {
        ["ID": found.id, "Version": ["Index": found.version] as Object, "Spec": spec(found.body)]
    }
    private func node(_ entry: (key: String, value: String)) -> Object {
        [
            "ID": entry.key, "Status": ["State": entry.value] as Object,
            "Spec": ["Availability": drained.contains(entry.key) ? "drain" : "active", "Role": "worker"] as Object,
            "Description": [
                "Hostname": "host-\(entry.key)", "Platform": ["Architecture": entry.key == "n1" ? "x86_64" : "aarch64", "OS": "linux"] as Object,
                "Resources": [
                    "NanoCPUs": 4_000_000_000, "MemoryBytes": 8 << 30,
                    "GenericResources": [["NamedResourceSpec": ["Kind": "NVIDIA-GPU", "Value": "UUID-\(entry.key)"] as Object] as Object],
                ] as Object,
            ] as Object,
        ]
    }
    private func view(_ task: SwarmDouble.Task) -> Object {
        var status: Object = ["State": task.state, "Message": "started"]
        status["Err"] = task.error
        if task.state == "running" || task.code != nil { status["ContainerStatus"] = ["PID": task.pid, "ExitCode": task.code ?? 0] as Object }
        var view: Object = [
            "ID": task.id, "DesiredState": task.desired, "Status": status, "Labels": [:] as Object,
            "Spec": ["ContainerSpec": ["Labels": task.containerLabels] as Object] as Object,
        ]
        view["NodeID"] = task.node
        return view
    }

    private mutating func create(_ json: Object, _ body: [UInt8]) -> (Int, Any) {
        let name = json["Name"] as? String ?? ""
        if services[name] != nil { return (409, ["message": "rpc error: code = AlreadyExists desc = name conflicts with an existing object"] as Object) }
        let id = serial("service")
        services[name] = (id, 10, Data(body))
        makeTask(name)
        return (201, ["ID": id] as Object)
    }

    private mutating func update(_ name: String, _ query: String, _ json: Object, _ body: [UInt8]) -> (Int, Any) {
        guard let found = find(name) else { return (404, ["message": "service \(name) not found"] as Object) }
        if conflicts > 0 {
            conflicts -= 1
            services[found.key]?.version += 1
        }
        guard query == "version=\(services[found.key]?.version ?? 0)" else {
            return (500, ["message": "rpc error: code = Unknown desc = update out of sequence"] as Object)
        }
        let (before, after) = (spec(found.value.body), json)
        services[found.key] = (found.value.id, (services[found.key]?.version ?? 0) + 1, Data(body))
        // Any change of the template replaces the task: the driver has to know.
        if NSDictionary(dictionary: before["TaskTemplate"] as? Object ?? [:]) != NSDictionary(dictionary: after["TaskTemplate"] as? Object ?? [:])
            || replicas(before) != replicas(after)
        {
            stopTasks(of: found.key, desired: "shutdown")
            makeTask(found.key)
        }
        return (200, ["Warnings": NSNull()] as Object)
    }

    private func replicas(_ spec: Object) -> Int { ((spec["Mode"] as? Object)?["Replicated"] as? Object)?["Replicas"] as? Int ?? 0 }

    private mutating func stopTasks(of name: String, desired: String) {
        for index in tasks.indices where tasks[index].service == name && !SwarmDouble.isOver(tasks[index].state) {
            tasks[index].desired = desired
            guard stopsAtOnce || tasks[index].node == nil else { continue }
            (tasks[index].state, tasks[index].code, tasks[index].pid) = ("shutdown", 3, 0)
        }
    }

    private mutating func makeTask(_ name: String) {
        guard let service = services[name], replicas(spec(service.body)) > 0 else { return }
        let spec = spec(service.body)
        let template = spec["TaskTemplate"] as? Object ?? [:]
        let container = template["ContainerSpec"] as? Object ?? [:]
        var task = SwarmDouble.Task(
            id: serial("task"), service: name, serviceLabels: spec["Labels"] as? [String: String] ?? [:],
            containerLabels: container["Labels"] as? [String: String] ?? [:], state: "pending", desired: "running")
        let constraints = (template["Placement"] as? Object)?["Constraints"] as? [String] ?? []
        let wanted = constraints.compactMap { $0.hasPrefix("node.id==") ? String($0.dropFirst(9)) : nil }
        if let node = wanted.first, nodes[node] == "ready", !drained.contains(node) {
            (task.state, task.node, task.pid) = ("running", node, 4711)
            if let code = sweepCode { (task.state, task.code, task.pid) = (code == 0 ? "complete" : "failed", code, 0) }
        } else if !wanted.isEmpty {
            task.error = "no suitable node (scheduling constraints not satisfied on 2 nodes)"
        } else {
            switch fate {
            case .waits(let why): task.error = why
            case .runs: (task.state, task.node, task.pid) = ("running", "n1", 4711)
            case .prepares: (task.state, task.node) = ("preparing", "n1")
            case .rejected(let why): (task.state, task.node, task.error) = ("rejected", "n2", why)
            }
        }
        tasks.append(task)
    }
}
