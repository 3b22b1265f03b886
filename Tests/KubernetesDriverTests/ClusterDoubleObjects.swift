import Foundation

@testable import KubernetesDriver

/// What the API server stores, and what its controllers and the node make of it.
extension ClusterDouble {
    static func text(_ object: JSONValue) -> String {
        (try? JSONEncoder().encode(object)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
    }

    static func missing(_ kind: String, _ name: String) -> Answer { Answer(404, reason: "NotFound", #"\#(kind) \"\#(name)\" not found"#) }

    private static func invalid(_ kind: String, _ why: String) -> Answer { Answer(422, reason: "Invalid", "\(kind) is invalid: \(why)") }

    /// A container's state in a pod.
    static func container(_ pod: JSONValue, _ name: String) -> JSONValue? {
        guard case .array(let all)? = pod["status"]?["containerStatuses"] else { return nil }
        return all.first { $0["name"]?.text == name }?["state"]
    }

    // MARK: Reading

    static func matches(_ object: JSONValue, _ selector: String?) -> Bool {
        (selector ?? "").split(separator: ",").allSatisfy { term in
            let halves = term.split(separator: "=", maxSplits: 1).map(String.init)
            return halves.count == 2 && object["metadata"]?["labels"]?[halves[0]]?.text == halves[1]
        }
    }

    static func list(_ items: [JSONValue], version: String, next: String? = nil) -> Answer {
        var metadata: [String: JSONValue] = ["resourceVersion": .string(version)]
        if let next { metadata["continue"] = .string(next) }
        return Answer(200, text(.object(["kind": .string("List"), "metadata": .object(metadata), "items": .array(items)])))
    }

    static func list(_ kind: String, _ query: [String: String], _ state: State) -> Answer {
        if kind == "events" {
            let terms = (query["fieldSelector"] ?? "").split(separator: ",")
            let uid = terms.first { $0.hasPrefix("involvedObject.uid=") }?.dropFirst(19)
            return list(state.events.filter { $0["involvedObject"]?["uid"]?.text == uid.map(String.init) || uid == nil }, version: "\(state.version)")
        }
        let all = state.things.filter { $0.key.kind == kind && matches($0.value, query["labelSelector"]) }.sorted { $0.key.name < $1.key.name }.map(\.value)
        let first = query["continue"].flatMap { Int($0) } ?? 0
        let count = min(query["limit"].flatMap { Int($0) } ?? .max, state.page)
        let page = Array(all.dropFirst(first).prefix(count))
        let next = first + page.count < all.count ? "\(first + page.count)" : nil
        return list(page, version: "\(state.version)", next: next)
    }

    // MARK: Writing

    static func stamp(_ object: inout JSONValue, _ state: inout State) {
        state.serial += 1
        object["metadata"]?["uid"] = .string(String(format: "00000000-0000-4000-8000-%012d", state.serial))
        object["metadata"]?["creationTimestamp"] = .string(String(format: "2026-12-01T10:00:%02dZ", state.serial % 60))
        object["metadata"]?["namespace"] = .string("ci")
    }

    static func store(_ kind: String, _ name: String, _ object: JSONValue, _ type: String, _ state: inout State) {
        state.version += 1
        var object = object
        object["metadata"]?["resourceVersion"] = .string("\(state.version)")
        state.things[Key(kind: kind, name: name)] = type == "DELETED" ? nil : object
        state.history.append((state.version, kind, type, object))
    }

    static func create(_ kind: String, _ body: [UInt8], _ state: inout State) -> Answer {
        guard var object = try? JSONDecoder().decode(JSONValue.self, from: Data(body)), case .object = object else {
            return Answer(400, reason: "BadRequest", "the object provided is unrecognized")
        }
        let wanted = ["jobs": ("batch/v1", "Job"), "secrets": ("v1", "Secret")][kind]
        guard let wanted, object["apiVersion"]?.text == wanted.0, object["kind"]?.text == wanted.1 else {
            return Answer(400, reason: "BadRequest", "the API version in the data does not match the expected API version")
        }
        guard let name = object["metadata"]?["name"]?.text, name.count <= (kind == "jobs" ? 63 : 253),
            name.wholeMatch(of: #/[a-z0-9]([-a-z0-9.]*[a-z0-9])?/#) != nil
        else { return invalid(kind, "metadata.name: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters") }
        if state.things[Key(kind: kind, name: name)] != nil { return Answer(409, reason: "AlreadyExists", #"\#(kind) \"\#(name)\" already exists"#) }
        if let why = badLabels(object["metadata"]) { return invalid(kind, why) }
        if let why = kind == "jobs" ? badJob(object) : badSecret(object, state) { return invalid(kind, why) }
        if kind == "secrets" {
            // What was written as text is stored as data, and never shown as text again.
            guard case .object(let texts)? = object["stringData"] else { return invalid(kind, "no data") }
            object["data"] = .object(texts.mapValues { .string(Data(($0.text ?? "").utf8).base64EncodedString()) })
            object["stringData"] = nil
        }
        stamp(&object, &state)
        store(kind, name, object, "ADDED", &state)
        if kind == "jobs" { control(name, &state) }
        return Answer(201, text(state.things[Key(kind: kind, name: name)] ?? object))
    }

    private static func badLabels(_ metadata: JSONValue?) -> String? {
        guard case .object(let labels) = metadata?["labels"] ?? .object([:]) else { return "metadata.labels: is no map" }
        for (key, value) in labels {
            guard let value = value.text, value.count <= 63, value.isEmpty || value.wholeMatch(of: #/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?/#) != nil else {
                return "metadata.labels: Invalid value for \(key): a valid label must be an empty string or consist of alphanumeric characters"
            }
            guard key.wholeMatch(of: #/([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?/#) != nil else { return "metadata.labels: Invalid key \(key)" }
        }
        return nil
    }

    private static func badJob(_ job: JSONValue) -> String? {
        let template = job["spec"]?["template"]
        if let why = badLabels(template?["metadata"]) { return why }
        guard case .object? = template?["spec"], case .array(let containers)? = template?["spec"]?["containers"], !containers.isEmpty else {
            return "spec.template.spec.containers: Required value"
        }
        guard let restart = template?["spec"]?["restartPolicy"]?.text, ["Never", "OnFailure"].contains(restart) else {
            return #"spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""#
        }
        if case .array(let rules)? = job["spec"]?["podFailurePolicy"]?["rules"] {
            if restart != "Never" { return "spec.podFailurePolicy: only restartPolicy Never" }
            if let replacement = job["spec"]?["podReplacementPolicy"]?.text, replacement != "Failed" {
                return "spec.podReplacementPolicy: supported values: Failed"
            }
            for rule in rules {
                guard let name = rule["onExitCodes"]?["containerName"]?.text, containers.contains(where: { $0["name"]?.text == name }) else {
                    return "spec.podFailurePolicy.rules[0].onExitCodes.containerName: must be one of the container or initContainer names"
                }
                if case .array(let values)? = rule["onExitCodes"]?["values"], values.contains(.integer(0)), rule["onExitCodes"]?["operator"]?.text == "In" {
                    return "spec.podFailurePolicy.rules[0].onExitCodes.values: must not be 0 for the In operator"
                }
            }
        }
        guard case .array(let volumes) = template?["spec"]?["volumes"] ?? .array([]) else { return "spec.template.spec.volumes" }
        for container in containers {
            guard case .array(let mounts) = container["volumeMounts"] ?? .array([]) else { continue }
            if Set(mounts.compactMap { $0["mountPath"]?.text }).count != mounts.count { return "volumeMounts: mountPath: must be unique" }
            for mount in mounts where !volumes.contains(where: { $0["name"] == mount["name"] }) { return "volumeMounts[0].name: Not found" }
            for (name, request) in members(container["resources"]?["requests"]) {
                guard let request = request.text.flatMap(Quantity.value) else { return "resources.requests.\(name): not a quantity" }
                if let limit = container["resources"]?["limits"]?[name]?.text.flatMap(Quantity.value), request > limit {
                    return "must be less than or equal to limit"
                }
            }
        }
        return nil
    }

    private static func members(_ object: JSONValue?) -> [String: JSONValue] { if case .object(let members)? = object { members } else { [:] } }

    private static func badSecret(_ secret: JSONValue, _ state: State) -> String? {
        for key in members(secret["stringData"]).keys where key.wholeMatch(of: #/[-._a-zA-Z0-9]+/#) == nil { return "data[\(key)]: Invalid value" }
        guard case .array(let owners)? = secret["metadata"]?["ownerReferences"] else { return nil }
        for owner in owners where owner["uid"]?.text?.isEmpty != false || owner["kind"] == nil || owner["apiVersion"] == nil || owner["name"] == nil {
            return "metadata.ownerReferences: Required value"
        }
        return nil
    }

    static func patch(_ kind: String, _ name: String, _ body: [UInt8], _ state: inout State) -> Answer {
        guard let old = state.things[Key(kind: kind, name: name)] else { return missing(kind, name) }
        guard let change = try? JSONDecoder().decode(JSONValue.self, from: Data(body)) else { return Answer(400, reason: "BadRequest", "not JSON") }
        // All that can be changed of a Job that is of interest here.
        for field in members(change["spec"]).keys where !["suspend", "parallelism", "activeDeadlineSeconds"].contains(field) {
            return invalid(kind, "spec.\(field): Invalid value: field is immutable")
        }
        let new = old.merged(with: change)
        store(kind, name, new, "MODIFIED", &state)
        if kind == "jobs" {
            control(name, &state)
            // A Job that is suspended loses its pod, which does not count as failed.
            if new["spec"]?["suspend"] == .bool(true), old["spec"]?["suspend"] != .bool(true) {
                for (key, pod) in state.things where key.kind == "pods" && owner(pod) == new["metadata"]?["uid"]?.text {
                    state.isSuspending = true
                    removePod(key.name, grace: nil, &state)
                    state.isSuspending = false
                }
            }
        }
        return Answer(200, text(new))
    }

    static func delete(_ kind: String, _ name: String, _ body: [UInt8], _ state: inout State) -> Answer {
        guard var object = state.things[Key(kind: kind, name: name)] else { return missing(kind, name) }
        let options = (try? JSONDecoder().decode(JSONValue.self, from: Data(body))) ?? .object([:])
        guard options["kind"]?.text == "DeleteOptions" else { return Answer(400, reason: "BadRequest", "DeleteOptions expected") }
        switch kind {
        case "pods": removePod(name, grace: options["gracePeriodSeconds"], &state)
        case "jobs" where options["propagationPolicy"]?.text == "Foreground":
            object["metadata"]?["deletionTimestamp"] = .string("2026-12-01T10:10:00Z")
            object["metadata"]?["finalizers"] = .array([.string("foregroundDeletion")])
            store(kind, name, object, "MODIFIED", &state)
            collect(&state)
        default:
            drop(kind, name, &state)
            collect(&state)
        }
        return Answer(200, text(object))
    }

    // MARK: Controllers

    /// The job controller: a Job that was let go gets its one pod.
    static func control(_ name: String, _ state: inout State) {
        guard let job = state.things[Key(kind: "jobs", name: name)], job["spec"]?["suspend"] != .bool(true), job["status"]?["conditions"] == nil,
            job["metadata"]?["deletionTimestamp"] == nil,
            !state.things.values.contains(where: { owner($0) == job["metadata"]?["uid"]?.text && $0["status"] != nil })
        else { return }
        if case .denied = state.fate {
            state.events.append(
                .object([
                    "type": .string("Warning"), "reason": .string("FailedCreate"), "message": .string("exceeded quota: ci"),
                    "lastTimestamp": .string("2026-12-01T10:00:00Z"), "involvedObject": .object(["uid": job["metadata"]?["uid"] ?? .null]),
                ]))
            return
        }
        let podName = "\(name)-\(String(format: "%05d", state.serial))"
        var pod = job["spec"]?["template"] ?? .object([:])
        pod["metadata"]?["name"] = .string(podName)
        pod["metadata"]?["labels"]?["batch.kubernetes.io/job-name"] = .string(name)
        pod["metadata"]?["finalizers"] = .array([.string("batch.kubernetes.io/job-tracking")])
        pod["metadata"]?["ownerReferences"] = .array([
            .object([
                "apiVersion": .string("batch/v1"), "kind": .string("Job"), "name": .string(name), "uid": job["metadata"]?["uid"] ?? .null,
                "controller": .bool(true), "blockOwnerDeletion": .bool(true),
            ])
        ])
        pod["status"] = .object(["phase": .string("Pending")])
        stamp(&pod, &state)
        store("pods", podName, pod, "ADDED", &state)
        happen(podName, &state)
    }

    private static func owner(_ object: JSONValue) -> String? {
        guard case .array(let owners)? = object["metadata"]?["ownerReferences"] else { return nil }
        return owners.first?["uid"]?.text
    }

    /// The scheduler and the node.
    static func happen(_ name: String, _ state: inout State) {
        guard var pod = state.things[Key(kind: "pods", name: name)] else { return }
        func statuses(_ value: JSONValue) -> JSONValue { .array([.object(["name": .string("runner"), "state": value])]) }
        switch state.fate {
        case .denied: return
        case .unschedulable(let words):
            pod["status"]?["conditions"] = .array([
                .object(["type": .string("PodScheduled"), "status": .string("False"), "reason": .string("Unschedulable"), "message": .string(words)])
            ])
        case .waits(let reason, let message):
            pod["spec"]?["nodeName"] = .string("node-1")
            var waiting: JSONValue = .object(["reason": .string(reason)])
            if let message { waiting["message"] = .string(message) }
            pod["status"]?["containerStatuses"] = statuses(.object(["waiting": waiting]))
        case .runs, .ends:
            pod["spec"]?["nodeName"] = .string("node-1")
            pod["status"]?["phase"] = .string("Running")
            pod["status"]?["containerStatuses"] = statuses(.object(["running": .object(["startedAt": .string("2026-12-01T10:00:00Z")])]))
        }
        store("pods", name, pod, "MODIFIED", &state)
        if case .ends(let code, let reason, let message) = state.fate { end(name, code: code, reason: reason, message: message, &state) }
    }

    static func end(_ name: String, code: Int, reason: String?, message: String? = nil, container: String = "runner", _ state: inout State) {
        guard var pod = state.things[Key(kind: "pods", name: name)] else { return }
        var terminated: JSONValue = .object(["exitCode": .integer(Int64(code)), "reason": .string(reason ?? (code == 0 ? "Completed" : "Error"))])
        if let message { terminated["message"] = .string(message) }
        pod["status"]?["phase"] = .string(code == 0 ? "Succeeded" : "Failed")
        pod["status"]?["containerStatuses"] = .array([.object(["name": .string(container), "state": .object(["terminated": terminated])])])
        store("pods", name, pod, "MODIFIED", &state)
        count(pod, code, &state)
    }

    /// The job controller takes note of a pod's end, and then lets it go.
    private static func count(_ pod: JSONValue, _ code: Int?, _ state: inout State) {
        let name = pod["metadata"]?["name"]?.text ?? ""
        if var pod = state.things[Key(kind: "pods", name: name)] {
            pod["metadata"]?["finalizers"] = nil
            state.things[Key(kind: "pods", name: name)] = pod
        }
        guard !state.isSuspending, let uid = owner(pod), let key = state.things.first(where: { $0.value["metadata"]?["uid"]?.text == uid })?.key,
            var job = state.things[key],
            job["status"]?["conditions"] == nil
        else { return }
        let condition: JSONValue =
            switch code {
            case 0?: .object(["type": .string("Complete"), "status": .string("True")])
            case let code?:
                .object([
                    "type": .string("Failed"), "status": .string("True"), "reason": .string("PodFailurePolicy"),
                    "message": .string("Container runner for pod ci/\(name) failed with exit code \(code) matching FailJob rule at index 0"),
                ])
            case nil:
                .object([
                    "type": .string("Failed"), "status": .string("True"), "reason": .string("BackoffLimitExceeded"),
                    "message": .string("Job has reached the specified backoff limit"),
                ])
            }
        job["status"] = .object(["conditions": .array([condition])])
        store(key.kind, key.name, job, "MODIFIED", &state)
    }

    static func removePod(_ name: String, grace: JSONValue?, _ state: inout State) {
        guard var pod = state.things[Key(kind: "pods", name: name)] else { return }
        let own = if case .integer(let seconds)? = pod["spec"]?["terminationGracePeriodSeconds"] { seconds } else { Int64(30) }
        let wanted = if case .integer(let seconds)? = grace { seconds } else { own }
        let phase = pod["status"]?["phase"]?.text
        // A container that never ran has nothing to be graceful about.
        if wanted == 0 || (phase == "Pending" && container(pod, "runner")?["waiting"] != nil) || pod["spec"]?["nodeName"] == nil || phase == "Succeeded"
            || phase == "Failed"
        {
            count(pod, nil, &state)
            return drop("pods", name, &state)
        }
        pod["metadata"]?["deletionTimestamp"] = .string("2026-12-01T11:00:00Z")
        pod["metadata"]?["deletionGracePeriodSeconds"] = .integer(wanted)
        store("pods", name, pod, "MODIFIED", &state)
        let code: Int? =
            switch state.obedience {
            case .away: nil
            case .ends(let code): wanted <= 1 ? 137 : code
            case .ignores: wanted <= 1 ? 137 : nil
            }
        guard let code else { return }
        end(name, code: code, reason: nil, &state)
        drop("pods", name, &state)
    }

    static func drop(_ kind: String, _ name: String, _ state: inout State) {
        guard let object = state.things[Key(kind: kind, name: name)] else { return }
        count(object, nil, &state)
        store(kind, name, object, "DELETED", &state)
        collect(&state)
    }

    /// The garbage collector: what has lost its owner goes, and an owner that waits for that goes after it.
    static func collect(_ state: inout State) {
        for (key, object) in state.things {
            guard let uid = owner(object) else { continue }
            let owner = state.things.values.first { $0["metadata"]?["uid"]?.text == uid }
            guard owner == nil || owner?["metadata"]?["deletionTimestamp"] != nil, object["metadata"]?["deletionTimestamp"] == nil else { continue }
            // With its own grace period: nobody tells the collector another.
            if key.kind == "pods" { removePod(key.name, grace: nil, &state) } else { drop(key.kind, key.name, &state) }
        }
        for (key, object) in state.things where key.kind == "jobs" && object["metadata"]?["deletionTimestamp"] != nil {
            let uid = object["metadata"]?["uid"]?.text
            guard !state.things.values.contains(where: { self.owner($0) == uid }), state.things[key] != nil else { continue }
            store(key.kind, key.name, object, "DELETED", &state)
        }
    }
}
