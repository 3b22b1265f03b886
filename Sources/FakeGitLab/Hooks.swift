import Foundation
import Hummingbird

/// Hooks of projects: the calls, and what failures do to them.
extension Instance {
    private func visibleHook(_ call: Call) throws -> Hook {
        let project = try visibleProject(call, scope: "api")
        guard let hook = hooks[call.job], hook.projectID == project.id else { throw Refused.notFound("Hook") }
        return hook
    }

    /// What a hook is made with, beside its URL, its secret and job events.
    private func settings(_ call: Call) -> [String: JSON] {
        var found: [String: JSON] = [:]
        for name in ["push_events", "tag_push_events", "note_events", "pipeline_events", "enable_ssl_verification"] {
            if let flag = call[name]?.flag { found[name] = .bool(flag) }
        }
        for name in ["name", "description", "push_events_branch_filter"] { if let text = call[name]?.text { found[name] = .string(text) } }
        return found
    }

    /// Lists and answers show all but the secret.
    private func resource(_ hook: Hook) -> JSON {
        let formatter = ISO8601DateFormatter()
        var members = hook.settings
        members.merge(
            [
                "id": .int(hook.id), "url": .string(hook.url), "job_events": .bool(hook.jobEvents), "project_id": .int(hook.projectID),
                "alert_status": .string(hook.isOff(at: Date()) ? (hook.isOffForGood ? "disabled" : "temporarily_disabled") : "executable"),
                "disabled_until": hook.disabledUntil.map { .string(formatter.string(from: $0)) } ?? .null,
            ]) { $1 }
        return .object(members)
    }

    func createHook(_ call: Call) throws -> Response {
        let project = try visibleProject(call, scope: "api")
        guard let url = call["url"]?.text, url.hasPrefix("http") else { throw Refused.bad("url is invalid") }
        guard allowsLocalHooks else {
            throw Refused(status: 422, body: ["error": "Invalid url given", "message": "Requests to the local network are not allowed"])
        }
        let id = newID()
        let hook = Hook(
            id: id, projectID: project.id, url: url, secret: call["token"]?.text, jobEvents: call["job_events"]?.flag ?? false, settings: settings(call))
        hooks[id] = hook
        changed()
        return respond(201, resource(hook))
    }

    func listHooks(_ call: Call) throws -> Response {
        let project = try visibleProject(call, scope: "api")
        return try page(hooks.values.filter { $0.projectID == project.id }.sorted { $0.id < $1.id }.map(resource), call)
    }

    func showHook(_ call: Call) throws -> Response { respond(200, resource(try visibleHook(call))) }

    /// Changes what it is told to. A hook that is off stays off.
    func updateHook(_ call: Call) throws -> Response {
        let hook = try visibleHook(call)
        if let url = call["url"]?.text { hooks[hook.id]?.url = url }
        if let secret = call["token"]?.text { hooks[hook.id]?.secret = secret }
        if let flag = call["job_events"]?.flag { hooks[hook.id]?.jobEvents = flag }
        hooks[hook.id]?.settings.merge(settings(call)) { $1 }
        changed()
        return respond(200, resource(hooks[hook.id] ?? hook))
    }

    func removeHook(_ call: Call) throws -> Response {
        hooks[try visibleHook(call).id] = nil
        changed()
        return respond(204)
    }

    /// A success turns a hook on again that is off. GitLab bounds these calls; here to five for a hook.
    func testHook(_ call: Call) async throws -> Response {
        let hook = try visibleHook(call)
        let calls = hookTests[hook.id, default: 0] + 1
        hookTests[hook.id] = calls
        guard calls <= 5 else { throw Refused(status: 429, body: ["message": "This endpoint has been requested too many times. Try again later."]) }
        let payload: JSON = ["object_kind": "build", "build_id": 0, "build_status": "created", "project_id": .int(hook.projectID)]
        guard await send(payload, to: hook, event: newSecret("event-")) else { throw Refused(status: 422, body: ["message": "Hook execution failed"]) }
        return respond(201, ["message": "201 Created"])
    }

    // MARK: For tests

    /// Failures in a row, as if so many deliveries had been refused.
    public func failHook(_ id: Int64, times: Int) {
        for _ in 0..<times { hooks[id]?.failed(at: Date()) }
        changed()
    }

    /// Whether failures have switched the hook off, for now or for good.
    public func isHookDisabled(_ id: Int64) -> Bool { hooks[id]?.isOff(at: Date()) ?? false }
    /// Ids of a project's hooks, ascending.
    public func hooks(ofProject id: Int64) -> [Int64] { hooks.values.filter { $0.projectID == id }.map(\.id).sorted() }
    /// A hook as GitLab shows it; null when there is none.
    public func shownHook(_ id: Int64) -> JSON { hooks[id].map(resource) ?? .null }
    /// The secret that a hook's deliveries carry; nil when there is none.
    public func secretOfHook(_ id: Int64) -> String? { hooks[id]?.secret }
}
