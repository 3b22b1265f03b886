import Fleet
import Foundation
import RunnerConfiguration
import Synchronization
import Testing

@testable import ScopeDriver

/// An engine with a file in place of its socket.
final class JobEngineDouble: JobEngine {
    let engineSocket: String
    private let asked = Mutex<[String]>([])
    private let trouble: Mutex<ScopeError?> = Mutex(nil)

    init(_ socket: String) { engineSocket = socket }

    var calls: [String] { asked.withLock { $0 } }
    func fail(_ error: ScopeError?) { trouble.withLock { $0 = error } }

    private func note(_ call: String) throws {
        asked.withLock { $0.append(call) }
        if let error = trouble.withLock({ $0 }) { throw error }
    }
    func prepareJobs(of spec: RunnerSpec) async throws { try note("prepare \(spec.runner)") }
    func dockerConfiguration() async throws -> String? { nil }
    func jobGPUs(_ gpus: [GPU]) async throws -> RunnerSurroundings.JobGPUs { .init(devices: gpus.flatMap(\.nodes).map(\.path)) }
    func use(of runners: Set<RunnerID>) async throws -> [RunnerID: [ResourceSample]] { [:] }
    func removeLeftovers(of remains: Remains) async throws { try note("remove \(remains.runner)") }
}

/// A runner in a scope whose jobs have containers: what it gets of the engine, and what of it goes again.
@Suite struct JobEngineTests {
    private var spec: RunnerSpec {
        var pool = Pool(name: "p")
        (pool.driver, pool.configuredExecutor) = (.scope, .docker)
        return RunnerSpec(runner: "abcd2345", instance: "0123abcd", pool: pool)
    }

    /// - Parameter body: the folder of a runner, as `ScopeDriver` makes it, and an engine whose socket has a folder to itself.
    private func inFolder(_ body: (_ folder: String, _ engine: JobEngineDouble) async throws -> Void) async throws {
        let scratch = NSTemporaryDirectory() + "autogit-scope-engine-\(UInt32.random(in: 0 ... .max))"
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        for part in ["runner", "podman"] { try RunnerFolder.make("\(scratch)/\(part)") }
        try RunnerFolder.write("", to: "\(scratch)/podman/e.sock")
        try await body("\(scratch)/runner", JobEngineDouble("\(scratch)/podman/e.sock"))
    }

    @Test func theSocketIsGivenInTheRunnersOwnFolder() async throws {
        try await inFolder { folder, engine in
            let access = EngineAccess(engine: engine, folder: folder)
            #expect(!access.isThere)
            try await access.prepare(spec)
            #expect(access.isThere && engine.calls == ["prepare abcd2345"] && access.retirement == nil)
            let mount = try access.give()
            #expect(mount.isFolder && access.path == "\(folder)/engine/e.sock" && access.destination(of: mount) == "\(folder)/engine")
            #expect(FileManager.default.fileExists(atPath: "\(folder)/engine"))
        }
    }

    /// Something lies beside the socket that is not the runner's business, so it gets the file, over a file.
    @Test func besideAnythingElseTheSocketAloneIsGivenAndARestartedEngineIsNoticed() async throws {
        try await inFolder { folder, engine in
            try RunnerFolder.write("", to: engine.engineSocket + ".other")
            let access = EngineAccess(engine: engine, folder: folder)
            try await access.prepare(spec)
            let mount = try access.give()
            #expect(!mount.isFolder && access.destination(of: mount) == access.path && FileManager.default.fileExists(atPath: access.path))
            #expect(access.retirement == nil)
            try FileManager.default.removeItem(atPath: engine.engineSocket)
            // It may come back as it was.
            #expect(access.retirement == nil)
            try RunnerFolder.write("", to: engine.engineSocket)
            try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: engine.engineSocket)
            // By another life of the daemon, too.
            #expect(EngineAccess(engine: engine, folder: folder).retirement == .cutOff)
        }
    }

    @Test func withoutASocketItIsTheEnginesOutage() async throws {
        try await inFolder { folder, engine in
            try FileManager.default.removeItem(atPath: engine.engineSocket)
            let access = EngineAccess(engine: engine, folder: folder)
            let error = await #expect(throws: ScopeError.self) { try await access.prepare(spec) }
            #expect(error?.isOutage == true && error?.description.contains(engine.engineSocket) == true)
            // Whatever may have been made is looked for all the same.
            #expect(access.isThere)
        }
    }

    @Test func aPathThatNoSocketMayHaveIsRefused() async throws {
        try await inFolder { folder, engine in
            let long = folder + "/" + String(repeating: "a", count: 100)
            let error = await #expect(throws: ScopeError.self) { try await EngineAccess(engine: engine, folder: long).prepare(spec) }
            #expect(error?.description.contains("107 bytes") == true && engine.calls == [])
        }
    }

    /// On a host without an engine nobody could be asked, and nothing would ever be removed.
    @Test func onlyARunnerThatHadAnEngineIsLookedForInIt() async throws {
        try await inFolder { folder, engine in
            let access = EngineAccess(engine: engine, folder: folder)
            try await access.clear(Remains("abcd2345"))
            #expect(engine.calls == [])
            // Its folder is lost, but its token is known.
            try await access.clear(Remains("abcd2345", shortToken: "abcdefghi"))
            #expect(engine.calls == ["remove abcd2345"])
            try await access.prepare(spec)
            try await access.clear(Remains("abcd2345"))
            #expect(engine.calls == ["remove abcd2345", "prepare abcd2345", "remove abcd2345"])
        }
    }

    /// The user's systemd has done its part, and must not be taken for away.
    @Test func anEngineThatIsAwayIsNotTheScopesOutage() async throws {
        try await inFolder { folder, engine in
            let access = EngineAccess(engine: engine, folder: folder)
            try await access.prepare(spec)
            engine.fail(ScopeError(description: "it hangs", isOutage: true))
            let error = await #expect(throws: ScopeError.self) { try await access.clear(Remains("abcd2345")) }
            #expect(error?.isOutage == false && error?.description.hasSuffix("it hangs") == true && access.isThere)
        }
    }

    @Test func theRunnersProcessHasTheSocketAndTheJobsHaveTheVariables() async throws {
        try await inFolder { folder, engine in
            var spec = spec
            spec.pool.env = ["PASSWORD": "secret"]
            (spec.pool.memory, spec.pool.runnerMemory, spec.pool.runnerCPUs) = (1 << 30, 64 << 20, 0.5)
            let access = EngineAccess(engine: engine, folder: folder)
            try await access.prepare(spec)
            let plan = ScopePlan(spec, folder: folder, stateDirectory: "/s", database: "/s/autogit.db", engine: (access, try access.give()))
            var (environment, given): ([String], [String]) = ([], [])
            for property in plan.service {
                if case .texts("Environment", let texts) = property { environment = texts }
                if case .readOnlyBindPaths(let paths) = property { given += paths.map { "\($0.source) \($0.destination)" } }
            }
            #expect(environment.contains("DOCKER_HOST=unix://\(folder)/engine/e.sock") && environment.contains("HOME=\(folder)/work"))
            #expect(!environment.joined().contains("PASSWORD"))
            #expect(given == ["\(engine.engineSocket.dropLast("/e.sock".count)) \(folder)/engine"])
            // Its allowance, and not the job's limits.
            var limits: [String: UInt64] = [:]
            for case .number(let name, let value) in plan.scope(pid: 7) { limits[name] = value }
            #expect(limits["MemoryMax"] == 64 << 20 && limits["CPUQuotaPerSecUSec"] == 500_000)
        }
    }
}
