import Fleet
import Glibc

/// Runs a program that may hang, as those of a driver do whose device has failed.
enum ProgramOutput {
    enum Outcome: Equatable {
        /// Its exit code, and what it wrote to its standard output and error.
        case exited(Int32, String)
        /// Words that follow the program's name.
        case failed(String)
    }

    /// Blocks until the program has ended, or its time is over. It gets no input and an environment of a few words.
    /// - Parameters:
    ///   - program: its path.
    ///   - limit: how long it may take; then it is killed with all that it started, and not waited for much longer, because a process in the
    ///     kernel's uninterruptible sleep does not end.
    ///   - most: the bytes that it may write.
    static func of(_ program: String, _ arguments: [String], limit: Duration, most: Int = 1 << 20) -> Outcome {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return .failed("can't be started: \(HostTree.words(errno))") }
        defer { close(ends[0]) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        var child = pid_t()
        let code = start(program, arguments, output: ends[1], &child)
        close(ends[1])
        guard code == 0 else { return .failed("can't be started: \(HostTree.words(code))") }
        let deadline = ContinuousClock.now + limit
        var output: [UInt8] = []
        while true {
            // Its end counts, not that of its output, which whatever it started may keep open: so both are looked at in turn.
            var status: Int32 = 0
            let hasEnded = waitpid(child, &status, WNOHANG) == child
            while let piece = HostTree.piece(of: ends[0], atMost: 1 << 16), !piece.isEmpty, output.count <= most { output += piece }
            if output.count > most {
                end(child)
                return .failed("wrote more than \(most) bytes")
            }
            if hasEnded {
                let signal = status & 0x7F
                return signal == 0 ? .exited(status >> 8 & 0xFF, String(decoding: output, as: UTF8.self)) : .failed("was ended by signal \(signal)")
            }
            let left = (deadline - .now).milliseconds
            if left <= 0 {
                end(child)
                return .failed("did not end within \(limit >= .seconds(1) ? "\(limit.components.seconds) s" : "\(limit.milliseconds) ms")")
            }
            poll(nil, 0, Int32(min(left, 10)))
        }
    }

    private static func end(_ child: pid_t) {
        kill(-child, SIGKILL)
        var status: Int32 = 0
        // A second for what can end. A zombie that nobody waits for would stand in the way of whoever waits for any child.
        for _ in 0..<100 where waitpid(child, &status, WNOHANG) == 0 { poll(nil, 0, 10) }
    }

    private static func start(_ program: String, _ arguments: [String], output: Int32, _ child: inout pid_t) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        let words = ([program] + arguments).map { strdup($0) }
        let variables = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"]
        let environment = variables.map { strdup($0) }
        defer { for word in words + environment { free(word) } }
        return posix_spawn(&child, program, &actions, &attributes, words + [nil], environment + [nil])
    }
}
