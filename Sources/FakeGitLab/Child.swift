import Glibc
import Subprocess
import Synchronization
import SystemPackage

/// A program that runs beside this process and does not outlive it. It is in a process group of its own, so that Ctrl-C reaches only us,
/// and the kernel kills it when we die.
public final class Child: Sendable {
    private struct Life {
        var pid: Int32?
        var end: Task<Int32, any Error>?
    }
    private let life = Mutex(Life())
    /// The last component of the program's path.
    public let name: String

    /// Starts a program; returns once it runs.
    ///
    /// `PR_SET_PDEATHSIG` fires when the thread that forked ends (prctl(2)). That is swift-subprocess's one worker thread, which ends in
    /// exit(3); `ChildTests` would notice if it didn't last.
    ///
    /// - Parameters:
    ///   - environment: added to our own.
    ///   - log: the file that its output is appended to.
    ///   - whenParentDies: the signal, without SIG, that the kernel sends to it then.
    public static func start(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], log: String, whenParentDies: String = "KILL"
    ) async throws -> Child {
        let child = Child(program)
        var options = PlatformOptions()
        options.processGroupID = 0
        let configuration = Configuration(
            executable: .name("setpriv"), arguments: Arguments(["--pdeathsig", whenParentDies, program] + arguments),
            environment: .ours(with: environment), platformOptions: options)
        let output = try FileDescriptor.open(
            FilePath(log), .writeOnly, options: [.create, .append, .closeOnExec], permissions: [.ownerReadWrite, .groupRead, .otherRead])
        try await withCheckedThrowingContinuation { started in
            let end = Task { try await child.run(configuration, output, started) }
            child.life.withLock { $0.end = end }
        }
        return child
    }

    private init(_ program: String) { name = program.split(separator: "/").last.map(String.init) ?? program }

    private func run(_ configuration: Configuration, _ output: FileDescriptor, _ started: CheckedContinuation<Void, any Error>) async throws -> Int32 {
        var starting: CheckedContinuation<Void, any Error>? = started
        defer { life.withLock { $0.pid = nil } }
        do {
            let done = try await Subprocess.run(
                configuration, input: .none, output: .fileDescriptor(output, closeAfterSpawningProcess: true), error: .combinedWithOutput
            ) { execution in
                life.withLock { $0.pid = execution.processIdentifier.value }
                starting.take()?.resume()
            }
            switch done.terminationStatus {
            case .exited(let code), .signaled(let code): return code
            }
        } catch {
            starting.take()?.resume(throwing: error)
            throw error
        }
    }

    /// False as soon as its end was noticed.
    public var isRunning: Bool { pid != nil }

    /// Its process id; nil once it has ended.
    public var pid: Int32? { life.withLock { $0.pid } }

    /// Sends a signal; does nothing once it has ended.
    public func signal(_ number: Int32) {
        if let pid { kill(pid, number) }
    }

    /// Kills it and all that it has forked.
    public func killWithForks() {
        if let pid { kill(-pid, SIGKILL) }
    }

    /// Waits for its end, not for the end of what it has forked.
    /// - Returns: its exit code, or the number of the signal that ended it; -1 if that could not be found out.
    @discardableResult
    public func exit() async -> Int32 {
        let end = life.withLock { $0.end }
        return (try? await end?.value) ?? -1
    }

    /// Sends a signal and waits for its end.
    @discardableResult
    public func stop(_ number: Int32 = SIGTERM) async -> Int32 {
        signal(number)
        return await exit()
    }
}
