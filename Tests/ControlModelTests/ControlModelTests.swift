import Foundation
import Testing

@testable import ControlModel

/// The API is a promise to scripts: these keys are in it, and stay.
@Suite struct ControlModelTests {
    private static let time = "2026-11-25T11:00:00.000Z"

    private static let runner: RunnerView = {
        var view = RunnerView(
            id: "abcd2345", name: "autogit-runner-abcd2345", status: "busy", phase: "ready", pool: "p", driver: "container", architecture: "amd64",
            gpu_enabled: false, tags: ["x"], jobs_done: 2, cpus: 0.5, memory_bytes: 64 << 20, requested_at: time, last_seen: time)
        (view.gitlab_id, view.container_id, view.current_job) = (1, "c", 7)
        (view.started_at, view.contacted_at, view.idle_since) = (time, time, time)
        (view.cooldown_left, view.spawn_seconds, view.reason, view.stuck) = (1.5, 2.5, "r", "s")
        view.history = [.init(at: time, event: "requested", detail: "d")]
        return view
    }()

    private static let job: JobView = {
        var view = JobView(id: 1, project_id: 2, status: "pending")
        (view.project, view.name, view.stage, view.ref, view.tags) = ("g/p", "n", "s", "main", ["x"])
        (view.runner, view.gitlab_runner_id, view.failure_reason, view.waiting_reason) = ("r", 3, "f", "w")
        (view.pending_at, view.running_at, view.finished_at, view.wait_seconds) = (time, time, time, 0.5)
        return view
    }()

    private static let pool = PoolView(
        name: "p", driver: "container", tags: ["x"], run_untagged: true, image: "i", paused: false, max_runners: 5, warm: 1, cooldown: 300, max_jobs: 0,
        cpus: 1, memory_bytes: 1, runners: ["idle": 1], failures: 1, retry_at: time, last_error: "e")

    private static let status = StatusView(
        version: "1", instance: "i", started_at: time, gitlab: "ok", engine: "ok", warnings: ["w"], runners: ["idle": 1], jobs: ["pending": 1],
        waiting: ["1": "w"], spawns: .init(count: 1, failed: 0, last_seconds: 1, mean_seconds: 1), success_rate: 1, memory_promised_bytes: 1, cpus_promised: 1)

    /// A view with all its fields set, and the keys that the API promises for it.
    struct Promise: Sendable, CustomTestStringConvertible {
        let name: String
        let keys: Set<String>
        /// Encodes the view.
        let json: @Sendable () throws -> Data
        /// Whether JSON decodes to a view that equals this one.
        let equals: @Sendable (Data) throws -> Bool
        var testDescription: String { name }

        init<View: Codable & Equatable & Sendable>(_ view: View, _ keys: String) {
            name = "\(View.self)"
            self.keys = Set(keys.split(separator: " ").map(String.init))
            json = { try JSONEncoder().encode(view) }
            equals = { try JSONDecoder().decode(View.self, from: $0) == view }
        }
    }

    static let promises = [
        Promise(
            runner,
            "id name status phase pool driver architecture gpu_enabled tags gitlab_id container_id current_job jobs_done cpus memory_bytes requested_at "
                + "started_at contacted_at idle_since cooldown_left spawn_seconds last_seen reason stuck history"),
        Promise(RunnerView.Event(at: time, event: "e", detail: "d"), "at event detail"),
        Promise(
            job,
            "id project_id project name stage ref status tags runner gitlab_runner_id failure_reason waiting_reason pending_at running_at finished_at "
                + "wait_seconds"),
        Promise(
            pool,
            "name driver tags run_untagged image paused max_runners warm cooldown max_jobs cpus memory_bytes runners failures retry_at last_error"),
        Promise(HealthView(status: "healthy", gitlab: "ok", engine: "ok", store: "ok", warnings: ["w"]), "status gitlab engine store warnings"),
        Promise(
            status,
            "version instance started_at gitlab engine warnings runners jobs waiting spawns success_rate memory_promised_bytes cpus_promised"),
        Promise(StatusView.Spawn(count: 1, failed: 0, last_seconds: 1, mean_seconds: 1), "count failed last_seconds mean_seconds"),
        Promise(SpawnRequest(pool: "p"), "pool"),
        Promise(HookRequest(project: "p", url: "u"), "project url"),
        Promise(HookView(project: "p", id: 1, url: "u", result: "installed"), "project id url result"),
        Promise(ReloadView(pools: ["p"], needs_restart: true), "pools needs_restart"),
        Promise(ReconcileView(what: "w", name: "n", action: "a", reason: "r"), "what name action reason"),
        Promise(PauseView(name: "p", paused: true), "name paused"),
        Promise(
            CacheView(pool: "p", kind: "volume", name: "n", project: "g/p", size_bytes: 1, created_at: time, used_by: ["r"], configured: true),
            "pool kind name project size_bytes created_at used_by configured"),
        Promise(ClearedCacheView(pool: "p", removed: ["n"], freed_bytes: 1), "pool removed freed_bytes"),
        Promise(Problem(status: 404, title: "t", detail: "d"), "type title status detail"),
    ]

    private func object(_ data: Data) throws -> [String: Any] { try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any]) }

    /// Fields may be added; then this test asks for the new key in its list.
    @Test(arguments: promises) func theKeysAreThosePromised(of view: Promise) throws {
        #expect(Set(try object(view.json()).keys) == view.keys)
    }

    @Test(arguments: promises) func aRoundTripChangesNothing(of view: Promise) throws {
        #expect(try view.equals(view.json()))
    }

    /// An older client reads the answers of a newer daemon.
    @Test(arguments: promises) func unknownFieldsAreIgnored(of view: Promise) throws {
        var fields = try object(view.json())
        fields["added_later"] = ["a": [1, 2]]
        #expect(try view.equals(try JSONSerialization.data(withJSONObject: fields)))
    }

    /// An absent field has no key: scripts test for the key, and `null` is something else to them.
    @Test func absentFieldsAreLeftOut() throws {
        let job = JobView(id: 1, project_id: 2, status: "pending")
        #expect(Set(try object(JSONEncoder().encode(job)).keys) == ["id", "project_id", "status"])
        #expect(try JSONDecoder().decode(JobView.self, from: Data(#"{"id":1,"project_id":2,"status":"pending","tags":null}"#.utf8)) == job)
    }

    /// `warnings` came with 0.2.1: a newer client reads the answers of an older daemon.
    @Test func answersWithoutWarningsAreRead() throws {
        let health = try JSONDecoder().decode(HealthView.self, from: Data(#"{"status":"healthy","gitlab":"ok","engine":"ok","store":"ok"}"#.utf8))
        #expect(health.warnings == nil)
    }

    @Test func numbersStayExact() throws {
        var view = Self.runner
        (view.gitlab_id, view.memory_bytes) = (.max, .max)
        #expect(try JSONDecoder().decode(RunnerView.self, from: JSONEncoder().encode(view)) == view)
    }
}
