import Fleet
import Synchronization

/// A GitLab in memory. A call has two lines where it matters: one before its effect, one before its answer.
final class FakeForge: Forge {
    struct State: Sendable {
        var registrations: [Int64: ForgeRunner] = [:]
        var last: Int64 = 100
        /// Whether runners call as soon as they are there.
        var hasContact = false
        var running: [Int64: [JobID]] = [:]
        var jobs: [JobID: JobObservation] = [:]
        var hooks: [[UInt8]: DecodedEvent] = [:]
    }

    private let script: Script
    private let store: FakeStore
    private let state = Mutex(State())
    let runnerAccess = RunnerAccess(url: "http://gitlab.test")
    static let token = "glrt-secret-token"

    init(_ script: Script, _ store: FakeStore) { (self.script, self.store) = (script, store) }

    var now: State { state.withLock { $0 } }
    func change(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

    /// The runner that a number belongs to, and what the disk has of it.
    private func owner(_ id: Int64) -> String {
        guard let runner = now.registrations[id].flatMap({ Runner.id(ofName: $0.description) }) else { return "- -" }
        return "\(runner) \(store.phase(runner))"
    }

    func decodeEvent(_ body: [UInt8]) throws -> DecodedEvent {
        guard let event = now.hooks[body] else { throw MalformedEvent() }
        return event
    }

    func register(_ spec: RunnerSpec) async throws -> Registration {
        try await script.call("register \(spec.runner) \(store.phase(spec.runner))")
        let id = state.withLock { state in
            state.last += 1
            state.registrations[state.last] = ForgeRunner(
                id: state.last, description: Runner.name(of: spec.runner), maintenanceNote: "instance=\(spec.instance) ", hasContacted: false)
            return state.last
        }
        try await script.call("registered \(spec.runner)")
        return Registration(id: id, token: Secret(Self.token))
    }

    func unregister(_ id: Int64) async throws {
        try await script.call("unregister \(owner(id))")
        change { $0.registrations[id] = nil }
    }

    func setPaused(_ id: Int64, _ paused: Bool) async throws { try await script.call("\(paused ? "pause" : "unpause") \(owner(id))") }

    func runner(_ id: Int64) async throws -> ForgeRunner? {
        try await script.call("runner \(owner(id))")
        return state.withLock { state in
            var runner = state.registrations[id]
            runner?.hasContacted = state.hasContact
            return runner
        }
    }

    func runningJobs(ofRunner id: Int64) async throws -> [JobID] {
        try await script.call("running \(owner(id))")
        return now.running[id] ?? []
    }

    func job(project: Int64, id: JobID) async throws -> JobObservation? {
        try await script.call("job \(id)")
        return now.jobs[id]
    }

    func activeJobs() async throws -> Poll {
        try await script.call("poll")
        return Poll(jobs: now.jobs.values.filter(\.status.isActive).sorted { $0.id < $1.id }, isComplete: true)
    }

    func ping() async throws { try await script.call("ping") }

    func registrations(instance: String) async throws -> [ForgeRunner] {
        let found = now.registrations.values.sorted { $0.id < $1.id }
        try await script.call("registrations")
        return found
    }

    func reviveHook(project: String, url: String, secret: Secret) async throws -> Bool {
        try await script.call("revive \(project)")
        return true
    }

    func installHook(project: String, url: String, secret: Secret) async throws -> HookInstallation {
        try await script.call("hook \(project)")
        return HookInstallation(id: 1, isNew: true)
    }
}
