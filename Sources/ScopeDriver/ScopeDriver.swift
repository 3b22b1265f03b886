import ControlGroups
import Fleet
import FoundationEssentials
import Glibc
import RunnerConfiguration
import Synchronization
import Systemd
import Threads

/// Why a scope could not be made, with the next step. systemd did what it was asked: what it refuses, or that it can't be
/// asked, is a `BusError`.
public struct ScopeError: DriverFailure, Sendable, CustomStringConvertible {
    /// For operators.
    public var description: String
    /// The engine that the runner needs is away; anything else is about the runner.
    public var isOutage = false
}

/// Runs each runner as a process in a transient scope of the user's own systemd, for hosts without an engine.
///
/// A process that this daemon forked would inherit the daemon's own sandbox, so the user's manager starts it: as
/// a transient service that waits at a FIFO. Its process is then moved into the scope, which has the limits, and let
/// go. The service keeps what a scope does not have: the process's own view of the file system, its output's way to
/// the journal, and its exit code.
///
/// Nothing here is this process's child, so runners outlive a restart of the daemon; `list()` finds them again.
public final class ScopeDriver: RunnerDriver {
    private let manager: UnitManager
    private let stateDirectory: String
    private let instance: String
    private let engine: any JobEngine
    private let watch: ScopeWatch
    /// Of the scopes that are watched.
    private let groups = Mutex<[RunnerID: ControlGroup]>([:])

    /// - Parameters:
    ///   - manager: the user's own.
    ///   - stateDirectory: ours, of which runners see nothing but their own folder.
    ///   - engine: for pools with the Docker executor; others' runners never get to it.
    public init(manager: UnitManager, stateDirectory: String, instance: String, engine: any JobEngine) {
        self.engine = engine
        self.manager = manager
        self.stateDirectory = stateDirectory
        self.instance = instance
        watch = ScopeWatch()
    }

    private var directory: String { "\(stateDirectory)/scopes" }
    private func folder(_ runner: RunnerID) -> String { "\(directory)/\(runner)" }
    private func engineAccess(_ runner: RunnerID) -> EngineAccess { EngineAccess(engine: engine, folder: folder(runner)) }
    private func service(_ runner: RunnerID) -> String { "\(Runner.name(of: runner)).service" }
    private func scope(_ runner: RunnerID) -> String { "\(Runner.name(of: runner)).scope" }

    // MARK: Starting

    /// Makes the runner's folders, and with the Docker executor the engine ready for its jobs.
    /// - Returns: the scope's name.
    /// - Throws: what the file system or the engine says.
    public func create(_ spec: RunnerSpec) async throws -> String {
        let folder = folder(spec.runner)
        for part in ["", "/identity", "/work"] { try RunnerFolder.make(folder + part) }
        if spec.pool.executor == .docker { try await engineAccess(spec.runner).prepare(spec) }
        return scope(spec.runner)
    }

    /// Writes the runner's configuration and token, and starts its process in its scope.
    /// - Throws: `ScopeError`, `BusError`
    public func start(_ spec: RunnerSpec, credentials: RunnerCredentials) async throws {
        let folder = folder(spec.runner)
        var place = RunnerSurroundings(shellFolder: "\(folder)/work")
        var socket: (access: EngineAccess, mount: SocketMount)?
        if spec.pool.executor == .docker {
            let access = engineAccess(spec.runner)
            socket = (access, try access.give())
            place.engineSocket = access.path
            place.gpus = try await engine.jobGPUs(spec.gpus)
            if let logins = try await engine.dockerConfiguration() {
                // In the runner's home. Jobs are in containers, and can't see it.
                try RunnerFolder.make("\(folder)/work/.docker")
                try RunnerFolder.write(logins, to: "\(folder)/work/.docker/config.json")
            }
        }
        for file in RunnerFiles.contents(for: spec, credentials, in: place) { try RunnerFolder.write(file.content, to: "\(folder)/identity/\(file.name)") }
        let gate = "\(folder)/identity/gate"
        guard mkfifo(gate, 0o600) == 0 || errno == EEXIST else {
            throw ScopeError(description: "\(gate) cannot be made: \(String(cString: strerror(errno)))")
        }
        let plan = ScopePlan(spec, folder: folder, stateDirectory: stateDirectory, database: "\(stateDirectory)/autogit.db", engine: socket)
        try await manager.startTransient(service(spec.runner), plan.service)
        let pid = try await manager.number("MainPID", of: service(spec.runner), .service)
        guard pid > 0 else {
            throw ScopeError(
                description: "the process ended at once: \(try await logTail(spec.runner, lines: 3).joined(separator: " | "))")
        }
        do {
            try await manager.startTransient(scope(spec.runner), plan.scope(pid: UInt32(pid)))
        } catch let error as BusError where error.message.contains("OOMPolicy") {
            // A systemd before 253 knows no such setting for scopes, and does not end them either.
            try await manager.startTransient(scope(spec.runner), plan.scope(pid: UInt32(pid)).filter { !$0.isOOMPolicy })
        }
        try await open(gate, of: spec.runner)
        try await watch(spec.runner, pid: pid_t(pid))
    }

    /// Lets the process go that waits to read from the FIFO. It may not be there yet.
    private func open(_ gate: String, of runner: RunnerID) async throws {
        for _ in 0..<200 {
            let descriptor = Glibc.open(gate, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
            if descriptor >= 0 {
                _ = write(descriptor, "\n", 1)
                close(descriptor)
                unlink(gate)
                return
            }
            try await Task.sleep(for: .milliseconds(25))
        }
        throw ScopeError(
            description: "the runner's process did not come to its start; journalctl -t \(Runner.name(of: runner)) may say why")
    }

    private func watch(_ runner: RunnerID, pid: pid_t) async throws {
        let name = try? await manager.text("ControlGroup", of: scope(runner), .scope)
        let group = name.flatMap { $0.isEmpty ? nil : ControlGroup($0) }
        groups.withLock { $0[runner] = group }
        watch.add(runner, pid: pid, memoryEvents: group.map { "\($0.path)/memory.events" })
    }

    // MARK: Ending

    /// Sends a signal, such as `SIGQUIT`, to the main process. A runner that has ended is no error.
    /// - Throws: `ScopeError` for a name that is not known; `BusError`.
    public func signal(_ runner: RunnerID, _ signal: String) async throws {
        guard let number = SignalNumber.of(signal) else { throw ScopeError(description: "\(signal) is not a known signal name") }
        // The main process only: its job's processes are its own to end.
        try await manager.kill(service(runner), who: "main", signal: number)
    }

    /// Kills all processes and removes units, what jobs left in the engine, and files, these last because they tell that there is an engine; what
    /// isn't there is no error.
    /// - Throws: `BusError`, `ScopeError`, what the file system says, or `ThreadError`.
    public func remove(_ remains: Remains) async throws {
        let runner = remains.runner
        watch.remove(runner)
        groups.withLock { $0[runner] = nil }
        try await manager.kill(scope(runner), who: "all", signal: SIGKILL)
        try await manager.stop(scope(runner))
        try await manager.kill(service(runner), who: "all", signal: SIGKILL)
        try await manager.stop(service(runner))
        try await manager.resetFailed(service(runner))
        try await manager.resetFailed(scope(runner))
        try await engineAccess(runner).clear(remains)
        let folder = folder(runner)
        // A job may leave a million files.
        try await onThread("removing a runner's files", stackSize: 8 << 20) { try RunnerFolder.remove(folder) }
    }

    // MARK: Looking

    /// All runners of this AutoGit that have a unit or a folder; one of which only containers of jobs are left is in the engine's list. Those that
    /// run are watched from now on.
    /// - Throws: `BusError`
    public func list() async throws -> [DriverObject] {
        var found: [RunnerID: DriverObject] = [:]
        for name in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] {
            found[name] = DriverObject(id: scope(name), runner: name, running: false, started: false, exitCode: nil)
        }
        for unit in try await manager.units(matching: "\(Runner.namePrefix)*") {
            guard ScopePlan.instance(of: unit.description) == instance, let id = Self.runner(of: unit.name) else { continue }
            let runs = unit.name.hasSuffix(".service") && ["active", "activating", "deactivating", "reloading"].contains(unit.activeState)
            // While its gate is there it waits at it.
            let started = runs && access("\(folder(id))/identity/gate", F_OK) != 0
            if runs || found[id] == nil {
                found[id] = DriverObject(id: scope(id), runner: id, running: runs, started: started, exitCode: nil, retirement: engineAccess(id).retirement)
            }
        }
        // A restarted daemon has to watch those again that it did not start.
        for object in found.values where object.running && !watch.contains(object.runner) {
            if let pid = try? await manager.number("MainPID", of: service(object.runner), .service), pid > 0 {
                try await watch(object.runner, pid: pid_t(pid))
            }
        }
        return Array(found.values)
    }

    /// Of a runner whose jobs have containers of their own, these; of another its scope.
    /// - Throws: what the engine says, when it measures none.
    public func use(of runners: Set<RunnerID>) async throws -> [RunnerID: [ResourceSample]] {
        let withImages = runners.filter { engineAccess($0).isThere }
        var found = withImages.isEmpty ? [:] : try await engine.use(of: withImages)
        let groups = groups.withLock { $0 }
        for runner in runners.subtracting(withImages) {
            guard let use = groups[runner]?.use(), let memory = use.memory else { continue }
            found[runner] = [ResourceSample(id: scope(runner), cpu: use.cpu, memory: memory, memoryKills: use.memoryKills)]
        }
        return found
    }

    private static func runner(of unit: String) -> RunnerID? {
        unit.lastIndex(of: ".").flatMap { Runner.id(ofName: unit[..<$0]) }
    }

    private func logTail(_ runner: RunnerID, lines: Int) async throws -> [String] {
        // The journal may be large, and its disk slow.
        try await onThread("reading the journal") { JournalTail.lines(identifier: Runner.name(of: runner), most: lines) }
    }

    /// Messages that are read from the journal: as many as fill 256 KiB when they are as short as 64 bytes. The journal looks each up.
    private static let lastMessages = 4096

    /// The end of what the runner wrote; empty when the journal can't be read.
    /// - Throws: `ThreadError`
    public func lastOutput(_ runner: RunnerID, bytes: Int) async throws -> [UInt8] {
        var tail = OutputTail(most: bytes)
        for line in try await logTail(runner, lines: Self.lastMessages) { tail.take(Array((line + "\n").utf8)) }
        return tail.output
    }

    /// The journal has it all; `journalctl -t NAME -f` shows the same. Only as fast as it is read.
    public func log(_ runner: RunnerID, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        let watch = watch
        return FollowedJournal(identifier: Runner.name(of: runner), lines: lines) { follow && watch.contains(runner) }.stream
    }

    /// What the kernel says of the processes. Nothing is lost while it isn't read. To be asked for once.
    public func events() -> AsyncStream<DriverEvent> {
        let (stream, out) = AsyncStream.makeStream(of: DriverEvent.self)
        out.yield(.resync)
        let happenings = watch.happenings
        let task = Task {
            for await happening in happenings {
                switch happening {
                case .ended(let runner): out.yield(.exited(runner: runner, exitCode: await self.exitCode(of: runner)))
                case .outOfMemory(let runner): out.yield(.outOfMemory(runner: runner))
                }
            }
            out.finish()
        }
        out.onTermination = { _ in task.cancel() }
        return stream
    }

    /// A service that ended well is unloaded, one that failed is kept with its code. The manager may not have taken
    /// note of the end yet when the kernel tells us.
    private func exitCode(of runner: RunnerID) async -> Int? {
        for _ in 0..<100 {
            guard let state = try? await manager.text("ActiveState", of: service(runner), .unit) else { return nil }
            if state == "inactive" { return 0 }
            if state == "failed" { return (try? await manager.number("ExecMainStatus", of: service(runner), .service)).map(Int.init) }
            try? await Task.sleep(for: .milliseconds(20))
        }
        return nil
    }
}

/// signal(7), for the names that a pool's `stop_signal` may have.
enum SignalNumber {
    static func of(_ name: String) -> Int32? {
        [
            "SIGHUP": SIGHUP, "SIGINT": SIGINT, "SIGQUIT": SIGQUIT, "SIGKILL": SIGKILL, "SIGUSR1": SIGUSR1, "SIGUSR2": SIGUSR2, "SIGALRM": SIGALRM,
            "SIGTERM": SIGTERM, "SIGCONT": SIGCONT, "SIGWINCH": SIGWINCH,
        ][name]
    }
}
