import Glibc

/// Signals as bytes of a pipe (signal-safety(7)). A signal source of libdispatch loses those that come before its manager has installed it.
enum SignalPipe {
    private nonisolated(unsafe) static var writer: Int32 = -1

    /// To be called once.
    /// - Returns: the end to read from.
    static func open(_ signals: [Int32]) throws(Failure) -> Int32 {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure("no pipe for signals: \(String(cString: strerror(errno)))", .failure) }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        writer = ends[1]
        for number in signals {
            signal(number) { number in
                let before = errno
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(SignalPipe.writer, &byte, 1)
                errno = before
            }
        }
        return ends[0]
    }
}
