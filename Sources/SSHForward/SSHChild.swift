import Fleet
import Glibc
import Synchronization
import Threads

/// A program that runs beside this process and does not outlive it.
///
/// PR_SET_PDEATHSIG fires when the thread ends that started the program (prctl(2)). So a thread of its own starts it, and waits for its end. The program has
/// a process group of its own: what it starts, such as a `ProxyCommand`, ends with it.
final class SSHChild: Sendable {
    /// How it ended.
    struct End: Sendable, Equatable {
        /// Its exit code; nil when a signal ended it.
        var code: Int32?
        var output: [UInt8]
        /// The last of its standard error.
        var errors: String
        /// It wrote more than it may, and was killed.
        var isTooLong: Bool
    }

    private struct State {
        var pid: pid_t?
        /// Was wanted before it ran.
        var pending: Int32?
        var status: Int32 = 0
        /// The error number of its start.
        var refusal: Int32 = 0
        var end: End?
        var waiting: [CheckedContinuation<End, Never>] = []
        var killer: Task<Void, Never>?
    }
    private let state = Mutex(State())
    private static let longestErrors = 16 << 10

    /// Starts it; returns before it runs. A program that can't be started ends with code 127 and words in `End.errors`.
    /// - Parameters:
    ///   - program: its path.
    ///   - input: what its standard input is.
    ///   - most: bytes of its standard output.
    ///   - heard: told of each line of its standard error, as it comes, on a thread of ours.
    /// - Throws: `ThreadError`, or `SSHError` without descriptors.
    init(
        _ program: String, _ arguments: [String], environment: [String], input: [UInt8] = [], most: Int = 0,
        heard: @escaping @Sendable (String) -> Void = { _ in }
    ) throws {
        var pipes: [ChildPipe] = []
        for _ in 0..<4 {
            guard let pipe = ChildPipe() else {
                for pipe in pipes { pipe.closeBoth() }
                throw SSHError("ssh can't be started: \(String(cString: strerror(errno)))")
            }
            pipes.append(pipe)
        }
        let (stdin, stdout, stderr, over) = (pipes[0], pipes[1], pipes[2], pipes[3])
        do {
            try startThread("reading from ssh", stackSize: 256 << 10) { [self] in
                let reader = ChildReader(input: stdin.write, output: stdout.read, errors: stderr.read, over: over.read)
                let (output, isTooLong, errors) = reader.run(
                    input: input, most: most, mostErrors: Self.longestErrors, heard: heard, tooLong: { self.signal(SIGKILL) })
                finish(output, errors, isTooLong)
            }
        } catch {
            for pipe in pipes { pipe.closeBoth() }
            throw error
        }
        let words = [program] + arguments
        do {
            try startThread("waiting for ssh", stackSize: 256 << 10) { [self] in
                live(words, environment, descriptors: [stdin.read, stdout.write, stderr.write])
                close(over.write)
            }
        } catch {
            for descriptor in [stdin.read, stdout.write, stderr.write, over.write] { close(descriptor) }
            throw error
        }
    }

    /// Its process id while it runs.
    var pid: Int32? { state.withLock { $0.pid } }

    /// Sends a signal to it and to what it has started; to one that doesn't run yet, once it does.
    func signal(_ number: Int32) {
        state.withLock { state in
            if let pid = state.pid { kill(-pid, number) } else if state.end == nil { state.pending = max(state.pending ?? 0, number == SIGKILL ? 100 : number) }
        }
    }

    /// Asks it to end, and kills it when it has not after a grace.
    func end(grace: Duration, clock: any WallClock) {
        signal(SIGTERM)
        // Not in the caller's task, which may be cancelled: then no wait would last.
        let killer = Task {
            guard (try? await clock.sleep(for: grace)) != nil else { return }
            signal(SIGKILL)
        }
        let isOver = state.withLock { state in
            state.killer?.cancel()
            state.killer = killer
            return state.end != nil
        }
        if isOver { killer.cancel() }
    }

    /// Waits for its end, also in a task that is cancelled.
    func exit() async -> End {
        await withCheckedContinuation { waiting in
            let end = state.withLock { state in
                if state.end == nil { state.waiting.append(waiting) }
                return state.end
            }
            if let end { waiting.resume(returning: end) }
        }
    }

    private func live(_ words: [String], _ environment: [String], descriptors: [Int32]) {
        state.withLock { state in
            var child = pid_t()
            state.refusal = ChildStart.spawn(words, environment, descriptors: descriptors, &child)
            guard state.refusal == 0 else { return }
            state.pid = child
            if let pending = state.pending { kill(-child, pending == 100 ? SIGKILL : pending) }
        }
        for descriptor in descriptors { close(descriptor) }
        guard let child = pid else { return }
        var information = siginfo_t()
        // It stays a zombie, so that its number is nobody else's as long as signals are sent to it.
        while waitid(P_PID, id_t(child), &information, WEXITED | WNOWAIT) != 0 && errno == EINTR {}
        state.withLock { state in
            kill(-child, SIGKILL)
            while waitpid(child, &state.status, 0) < 0 && errno == EINTR {}
            state.pid = nil
        }
    }

    private func finish(_ output: [UInt8], _ errors: String, _ isTooLong: Bool) {
        let (waiting, killer, end) = state.withLock { state in
            var end = End(code: state.status & 0x7F == 0 ? state.status >> 8 & 0xFF : nil, output: output, errors: errors, isTooLong: isTooLong)
            if state.refusal != 0 { (end.code, end.errors) = (127, "ssh can't be started: \(String(cString: strerror(state.refusal)))") }
            state.end = end
            defer { (state.waiting, state.killer) = ([], nil) }
            return (state.waiting, state.killer, end)
        }
        killer?.cancel()
        for waiter in waiting { waiter.resume(returning: end) }
    }
}
