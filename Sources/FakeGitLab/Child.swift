import Foundation
import Synchronization

/// A program that runs beside this process and does not outlive it. It is in a process group of its own, which Foundation makes, so that
/// Ctrl-C reaches only us, and the kernel kills it when we die.
public final class Child: Sendable {
    /// The life of a child.
    public enum State: Sendable, Equatable {
        case running(pid: Int32)
        case exited(code: Int32)
        case failed(String)
    }

    private struct Watched {
        var state: State?
        var waiters: [CheckedContinuation<Int32, Never>] = []
    }
    private let watched = Mutex(Watched())
    /// The last component of the program's path.
    public let name: String

    /// Starts a program; returns once it runs.
    /// - Parameters:
    ///   - environment: added to our own.
    ///   - log: the file that its output is appended to.
    ///   - whenParentDies: the signal, without SIG, that the kernel sends to it then (prctl(2), `PR_SET_PDEATHSIG`).
    public static func start(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], log: String, whenParentDies: String = "KILL"
    ) async throws -> Child {
        let child = Child(program)
        try await withCheckedThrowingContinuation { (started: CheckedContinuation<Void, any Error>) in
            // PR_SET_PDEATHSIG fires when the thread that forked ends (prctl(2)), so one thread stays with the child.
            let thread = Thread {
                child.run(program, arguments, environment, log, whenParentDies, started)
            }
            thread.stackSize = 512 << 10
            thread.start()
        }
        return child
    }

    private init(_ program: String) { name = program.split(separator: "/").last.map(String.init) ?? program }

    private func run(
        _ program: String, _ arguments: [String], _ environment: [String: String], _ log: String, _ signal: String,
        _ started: CheckedContinuation<Void, any Error>
    ) {
        let process = Process()
        do {
            if !FileManager.default.fileExists(atPath: log) { _ = FileManager.default.createFile(atPath: log, contents: nil) }
            guard let output = FileHandle(forWritingAtPath: log) else { throw CocoaError(.fileWriteUnknown) }
            try output.seekToEnd()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["setpriv", "--pdeathsig", signal, program] + arguments
            process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = output
            process.standardError = output
            try process.run()
        } catch {
            started.resume(throwing: error)
            return
        }
        watched.withLock { $0.state = .running(pid: process.processIdentifier) }
        started.resume()
        process.waitUntilExit()
        let code = process.terminationStatus
        let waiters = watched.withLock { box in
            box.state = .exited(code: code)
            defer { box.waiters = [] }
            return box.waiters
        }
        for waiter in waiters { waiter.resume(returning: code) }
    }

    /// False as soon as its end was noticed.
    public var isRunning: Bool {
        if case .running = watched.withLock({ $0.state }) { true } else { false }
    }

    /// Its process id; nil once it has ended.
    public var pid: Int32? {
        if case .running(let pid) = watched.withLock({ $0.state }) { pid } else { nil }
    }

    /// Sends a signal; does nothing once it has ended.
    public func signal(_ number: Int32) {
        if let pid { kill(pid, number) }
    }

    /// Kills it and all that it has forked. Foundation takes a process for running as long as a fork of it has its descriptors.
    public func killWithForks() {
        if let pid { kill(-pid, SIGKILL) }
    }

    /// Waits for its end.
    /// - Returns: its exit code, or the number of the signal that ended it.
    @discardableResult
    public func exit() async -> Int32 {
        await withCheckedContinuation { waiter in
            let code = watched.withLock { box -> Int32? in
                if case .exited(let code) = box.state { return code }
                box.waiters.append(waiter)
                return nil
            }
            if let code { waiter.resume(returning: code) }
        }
    }

    /// Sends a signal and waits for its end.
    @discardableResult
    public func stop(_ number: Int32 = SIGTERM) async -> Int32 {
        signal(number)
        return await exit()
    }
}
