import Glibc

/// The terminal on standard input and output, as a full screen: raw mode and the alternate screen (xterm's 1049), from `enter` to `leave`.
struct TopTerminal {
    /// The output is closed, or the terminal is gone.
    struct Closed: Error {}

    private enum Code {
        static let enter = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[2J"
        static let leave = "\u{1B}[m\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"
    }

    private var original = termios()
    private var shown: [String] = []
    /// The terminal did not read when it was last written to.
    private var isStuck = false

    /// Whether there is a terminal that can show a full screen.
    static var isUsable: Bool { isatty(0) == 1 && isatty(1) == 1 && environment("TERM") ?? "dumb" != "dumb" }

    /// See https://no-color.org.
    static var isColoured: Bool { (environment("NO_COLOR") ?? "").isEmpty && environment("TERM") ?? "dumb" != "dumb" }

    static var size: TopSize {
        var size = winsize()
        guard ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return TopSize(columns: 80, rows: 24) }
        return TopSize(columns: Int(size.ws_col), rows: Int(size.ws_row))
    }

    /// - Throws: `Closed` when standard input is no terminal.
    init() throws(Closed) { guard tcgetattr(0, &original) == 0 else { throw Closed() } }

    mutating func enter() throws(Closed) {
        var raw = original
        cfmakeraw(&raw)
        guard tcsetattr(0, TCSANOW, &raw) == 0 else { throw Closed() }
        shown = []
        try send(Code.enter)
    }

    /// Leaves the terminal as it was, as far as it is still there.
    mutating func leave() {
        _ = try? send(Code.leave)
        var original = original
        // Not TCSADRAIN: that waits for a terminal which may never read again.
        _ = tcsetattr(0, TCSANOW, &original)
    }

    /// Writes the lines that changed.
    mutating func draw(_ lines: [String]) throws(Closed) {
        var text = ""
        for index in 0..<max(lines.count, shown.count) {
            let line = index < lines.count ? lines[index] : ""
            if index < shown.count, shown[index] == line { continue }
            // Erased before, for after a full line the cursor stands on its last character.
            text += "\u{1B}[\(index + 1);1H\u{1B}[K\(line)"
        }
        guard !text.isEmpty else { return }
        shown = try send(text) ? lines : []
    }

    /// The next `draw` writes every line.
    mutating func clear() throws(Closed) {
        shown = []
        try send("\u{1B}[2J")
    }

    /// - Returns: false when the terminal does not read, such as a stopped one. The rest is dropped, so that signals and keys still work.
    @discardableResult private mutating func send(_ text: String) throws(Closed) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            var poll = pollfd(fd: 1, events: Int16(POLLOUT), revents: 0)
            // One wait only: keys and signals would pile up otherwise.
            let ready = Glibc.poll(&poll, 1, isStuck ? 0 : 1000)
            if ready < 0, errno == EINTR { continue }
            isStuck = ready <= 0
            if isStuck { return false }
            // Few enough that write(2) does not block once poll(2) says that there is room.
            let written = rest.prefix(512).withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR || errno == EAGAIN { continue }
            guard written > 0 else { throw Closed() }
            rest = rest.dropFirst(written)
        }
        return true
    }
}

private func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
