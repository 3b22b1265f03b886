import CSpawn
import Glibc

/// Two ends, which other programs don't inherit.
struct ChildPipe {
    let read: Int32
    let write: Int32

    /// nil, and `errno`, when there are no descriptors.
    init?() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        (read, write) = (ends[0], ends[1])
    }

    func closeBoth() {
        close(read)
        close(write)
    }
}

/// Starts a program.
enum ChildStart {
    /// - Parameters:
    ///   - words: the program's path and its arguments.
    ///   - descriptors: its standard input, output and error.
    /// - Returns: 0 or an error number. The program ends with the calling thread.
    static func spawn(_ words: [String], _ environment: [String], descriptors: [Int32], _ child: inout pid_t) -> Int32 {
        let (arguments, variables) = (words.map { strdup($0) }, environment.map { strdup($0) })
        defer { for word in arguments + variables { free(word) } }
        return autogit_spawn(&child, words[0], arguments + [nil], variables + [nil], descriptors)
    }
}

/// Feeds a program and reads what it writes, until it is over.
struct ChildReader {
    var input: Int32
    let output: Int32
    let errors: Int32
    /// Closed at the other end once the program has ended: whatever it started may keep its output open.
    let over: Int32

    /// Blocks, and closes the descriptors.
    mutating func close() {
        if input >= 0 { Glibc.close(input) }
        for descriptor in [output, errors, over] { Glibc.close(descriptor) }
    }

    /// Blocks until the program is over.
    /// - Returns: at most `most` bytes of its output, whether it wrote more, and the last of its errors.
    func run(
        input bytes: [UInt8], most: Int, mostErrors: Int, heard: (String) -> Void, tooLong: () -> Void
    ) -> (output: [UInt8], isTooLong: Bool, errors: String) {
        var reader = self
        defer { reader.close() }
        // A program that doesn't read its input to the end is its own affair.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        for descriptor in [reader.input, output, errors] { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
        var (rest, written, said, line) = (bytes[...], [UInt8](), [UInt8](), [UInt8]())
        var isTooLong = false
        var open = [output, errors]
        while true {
            if rest.isEmpty && reader.input >= 0 {
                Glibc.close(reader.input)
                reader.input = -1
            }
            var polled = [pollfd(fd: over, events: Int16(POLLIN), revents: 0), pollfd(fd: reader.input, events: Int16(POLLOUT), revents: 0)]
            polled += open.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            if poll(&polled, nfds_t(polled.count), -1) < 0 { continue }
            if polled[1].revents != 0 {
                let count = rest.withUnsafeBytes { write(reader.input, $0.baseAddress, $0.count) }
                if count > 0 { rest = rest.dropFirst(count) } else if count < 0 && errno != EAGAIN && errno != EINTR { rest = [] }
            }
            let isOver = polled[0].revents != 0
            for descriptor in open {
                // Once more after the end: what is in the pipe.
                while let piece = Self.piece(of: descriptor) {
                    if piece.isEmpty {
                        open.removeAll { $0 == descriptor }
                        break
                    }
                    if descriptor == output {
                        if !isTooLong && written.count + piece.count > most {
                            isTooLong = true
                            tooLong()
                        }
                        written += piece.prefix(most - written.count)
                    } else {
                        said = Array((said + piece).suffix(mostErrors))
                        for byte in piece {
                            if byte != 10 {
                                if line.count < 4096 { line.append(byte) }
                            } else {
                                heard(String(decoding: line, as: UTF8.self))
                                line = []
                            }
                        }
                    }
                    if isOver && isTooLong { break }
                }
            }
            if isOver { return (written, isTooLong, String(decoding: said, as: UTF8.self)) }
        }
    }

    /// nil when there is nothing now; empty at the end.
    private static func piece(of descriptor: Int32) -> [UInt8]? {
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: 16 << 10) { buffer, length in
            repeat { count = read(descriptor, buffer.baseAddress, buffer.count) } while count < 0 && errno == EINTR
            length = max(count, 0)
        }
        return count < 0 ? (errno == EAGAIN ? nil : []) : bytes
    }
}
