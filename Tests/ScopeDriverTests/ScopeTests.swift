import Fleet
import Foundation
import Testing

@testable import ScopeDriver

@Suite struct ScopeTests {
    private func plan(_ command: [String] = [], gpus: [GPU] = []) -> ScopePlan {
        var pool = Pool(name: "p")
        pool.driver = .scope
        pool.command = command
        pool.cpus = 0.5
        pool.memory = 64 << 20
        return ScopePlan(
            RunnerSpec(runner: "abcd2345", instance: "0123abcd", pool: pool, gpus: gpus), folder: "/s/scopes/abcd2345", stateDirectory: "/s",
            database: "/s/autogit.db")
    }

    /// Both units carry it: a scope is found again by its description, and a service without a scope is left over.
    @Test func theDescriptionNamesTheInstance() {
        let units = [plan().service, plan().scope(pid: 7)]
        let instances = units.map { unit in
            unit.compactMap { property in if case .text("Description", let text) = property { ScopePlan.instance(of: text) } else { nil } }
        }
        #expect(instances == [["0123abcd"], ["0123abcd"]])
        #expect(ScopePlan.instance(of: "somebody else's") == nil)
    }

    /// Tokens are in the folders of runners and in the daemon's state: a runner sees its own folder of these, and no other.
    @Test func aRunnerSeesNoFolderButItsOwn() {
        var (bound, writable, hidden): ([String], [String], [String]) = ([], [], [])
        for property in plan().service {
            switch property {
            case .bindPaths(let paths): bound += paths.map(\.source)
            case .texts("ReadWritePaths", let paths): writable += paths
            case .temporaryFileSystems(let places): hidden += places.map(\.path)
            default: break
            }
        }
        #expect(bound == ["/s/scopes/abcd2345", "/s/scopes/abcd2345/identity"] && writable == ["/s/scopes/abcd2345"])
        #expect(hidden.contains("/s"))
    }

    /// Nodes that two GPUs share are bound once; without a GPU /dev stays as it is.
    @Test func ofAllGPUsARunnerSeesItsOwn() {
        let gpus = ["128", "129"].map {
            GPU(id: $0, vendor: .amd, name: "RX", nodes: [.init(path: "/dev/kfd", group: 1), .init(path: "/dev/dri/renderD\($0)", group: 1)])
        }
        var bound: [String] = []
        for case .bindPaths(let paths) in plan(gpus: gpus).service { bound += paths.map(\.destination) }
        #expect(bound.suffix(3) == ["/dev/kfd", "/dev/dri/renderD128", "/dev/dri/renderD129"])
        func isPrivate(_ plan: ScopePlan) -> Bool { plan.service.contains { if case .flag("PrivateDevices", true) = $0 { true } else { false } } }
        #expect(isPrivate(plan(gpus: gpus)) && !isPrivate(plan()))
    }

    @Test func limitsAreTheScopes() {
        var seen: [String: UInt64] = [:]
        for case .number(let name, let value) in plan().scope(pid: 7) { seen[name] = value }
        #expect(seen["CPUQuotaPerSecUSec"] == 500_000 && seen["MemoryMax"] == 64 << 20 && seen["MemorySwapMax"] == 0)
    }

    /// The gatekeeper's script for real: it waits, refuses to start a process that can see the database, and
    /// otherwise becomes the runner with the same process id.
    @Test(arguments: [true, false])
    func theGatekeeperStartsOnlyWhatIsContained(contained: Bool) throws {
        let folder = NSTemporaryDirectory() + "autogit-gate-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (gate, database, out) = ("\(folder)/gate", "\(folder)/autogit.db", "\(folder)/out")
        mkfifo(gate, 0o600)
        if !contained { #expect(FileManager.default.createFile(atPath: database, contents: nil)) }
        var command: [String] = []
        for case .command(let words) in plan(["/bin/sh", "-c", "echo $$ \"$1\" > \(out)", "runner", "a b"]).service { command = words }
        // The paths of this test in place of those that only a unit has.
        command = command.map { $0 == "/run/autogit/gate" ? gate : $0 == "/s/autogit.db" ? database : $0 }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        process.standardError = FileHandle.nullDevice
        try process.run()
        #expect(!FileManager.default.fileExists(atPath: out))
        try "\n".write(toFile: gate, atomically: false, encoding: .utf8)
        process.waitUntilExit()
        #expect(process.terminationStatus == (contained ? 0 : ScopePlan.notContained))
        let said = try? String(contentsOfFile: out, encoding: .utf8)
        #expect(said == (contained ? "\(process.processIdentifier) a b\n" : nil))
    }

    @Test func anEndAndAMemoryKillAreSeen() async throws {
        let watch = ScopeWatch()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sleep")
        process.arguments = ["60"]
        try process.run()
        let events = NSTemporaryDirectory() + "autogit-memory-\(UUID().uuidString)"
        try "oom 0\noom_kill 1\n".write(toFile: events, atomically: false, encoding: .utf8)
        defer { unlink(events) }
        watch.add("one", pid: process.processIdentifier, memoryEvents: events)
        var happenings = watch.happenings.makeAsyncIterator()
        try "oom 0\noom_kill 2\n".write(toFile: events, atomically: false, encoding: .utf8)
        #expect(await happenings.next() == .outOfMemory("one"))
        kill(process.processIdentifier, SIGKILL)
        #expect(await happenings.next() == .ended("one"))
        #expect(!watch.contains("one"))
        // One that is gone before it is watched.
        process.waitUntilExit()
        watch.add("two", pid: process.processIdentifier, memoryEvents: nil)
        #expect(await happenings.next() == .ended("two"))
    }
}
