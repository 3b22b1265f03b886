import Fleet
import Synchronization

/// An engine in memory, as `FakeForge` is a GitLab.
final class FakeDriver: RunnerDriver {
    private struct State {
        var objects: [RunnerID: DriverObject] = [:]
        var caches: [StoredCache] = []
        var out: AsyncStream<DriverEvent>.Continuation?
    }

    private let script: Script
    private let store: FakeStore
    private let name: String
    private let state = Mutex(State())

    init(_ script: Script, _ store: FakeStore, _ name: String) { (self.script, self.store, self.name) = (script, store, name) }

    var objects: [RunnerID: DriverObject] { state.withLock { $0.objects } }

    /// Something that carries our instance's id and that no life of this daemon has made.
    func leave(_ id: RunnerID) {
        state.withLock { $0.objects[id] = DriverObject(id: "c-\(id)", runner: id, running: true, started: true, exitCode: nil) }
    }

    func keep(_ caches: [StoredCache]) { state.withLock { $0.caches = caches } }

    func caches() async throws -> [StoredCache] {
        try await script.call("caches \(name)")
        return state.withLock { $0.caches }
    }

    /// Called after the look, when a job may have come.
    func removeCache(_ cache: String) async throws -> Bool {
        try await script.call("removeCache \(cache)")
        return state.withLock { state in
            if state.caches.contains(where: { $0.name == cache && !$0.users.isEmpty }) { return false }
            state.caches.removeAll { $0.name == cache }
            return true
        }
    }

    func tell(_ event: DriverEvent) { _ = state.withLock { $0.out?.yield(event) } }

    func create(_ spec: RunnerSpec) async throws -> String {
        try await script.call("create \(spec.runner) \(store.phase(spec.runner))")
        state.withLock { $0.objects[spec.runner] = DriverObject(id: "c-\(spec.runner)", runner: spec.runner, running: true, started: false, exitCode: nil) }
        try await script.call("created \(spec.runner)")
        return "c-\(spec.runner)"
    }

    func start(_ spec: RunnerSpec, credentials: RunnerCredentials) async throws {
        do {
            try await script.call("start \(spec.runner) \(store.phase(spec.runner))")
        } catch {
            // As careless as an error can be.
            throw Script.Failure(description: "\(error) with \(credentials)")
        }
        state.withLock { $0.objects[spec.runner]?.started = true }
    }

    func signal(_ runner: RunnerID, _ signal: String) async throws { try await script.call("signal \(runner) \(store.phase(runner)) \(signal)") }

    func remove(_ remains: Remains) async throws {
        let runner = remains.runner
        try await script.call("remove \(runner) \(store.phase(runner))")
        state.withLock { $0.objects[runner] = nil }
    }

    func list() async throws -> [DriverObject] {
        try await script.call("list \(name)")
        let found = objects.values.sorted { $0.runner < $1.runner }
        try await script.call("listed \(name)")
        return found
    }

    func lastOutput(_ runner: RunnerID, bytes: Int) async throws -> [UInt8] {
        try await script.call("lastOutput \(runner)")
        return Array("its token is glrt-0123456789abcdefghij\nits last words\n".utf8)
    }

    func log(_ runner: RunnerID, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        try await script.call("log \(runner)")
        return AsyncThrowingStream { $0.finish() }
    }

    func events() -> AsyncStream<DriverEvent> {
        let (stream, out) = AsyncStream.makeStream(of: DriverEvent.self)
        state.withLock { $0.out = out }
        let (script, name) = (script, name)
        out.onTermination = { _ in script.note("unfollowed \(name)") }
        script.note("followed \(name)")
        return stream
    }
}
