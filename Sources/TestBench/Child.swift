import Foundation
import Synchronization

/// A program that runs beside this one and does not outlive it: in a process group of its own (Foundation's
/// doing), so that Ctrl-C reaches only us, and killed by the kernel should we be killed.
public final class Child: Sendable {
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
    public let name: String

    /// - Parameters:
    ///   - log: gets its output.
    ///   - whenParentDies: the signal that the kernel sends it then.
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

    public var isRunning: Bool {
        if case .running = watched.withLock({ $0.state }) { true } else { false }
    }

    public var pid: Int32? {
        if case .running(let pid) = watched.withLock({ $0.state }) { pid } else { nil }
    }

    public func signal(_ number: Int32) {
        if let pid { kill(pid, number) }
    }

    /// - Returns: its exit code, or the signal that ended it.
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

    @discardableResult
    public func stop(_ number: Int32 = SIGTERM) async -> Int32 {
        signal(number)
        return await exit()
    }
}
