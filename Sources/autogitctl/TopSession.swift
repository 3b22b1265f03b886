import ControlModel
import Dispatch
import FoundationEssentials
import Glibc

/// Connects the model with the terminal, the signals and the daemon, from the first frame to the last key.
struct TopSession {
    private enum Happening: Sendable {
        case input(TopModel.Input)
        case bytes([UInt8])
        /// Time passed since an Esc; the number of bytes that had come by then.
        case silence(Int)
        case signal(Int32)
        case closed
    }

    /// As many as one scrolls through.
    private static let logLines = 500
    /// A terminal sends the bytes of one key at once; over a slow line they may come apart.
    private static let escapeWait = Duration.milliseconds(50)
    /// Milliseconds until the event stream is opened again, where the stream names no other time.
    private static let retry = 2000

    private let daemon: ControlClient
    private let views: TopViews
    private let happenings: AsyncStream<Happening>
    private let happen: AsyncStream<Happening>.Continuation

    init(_ daemon: ControlClient, _ views: TopViews) {
        self.daemon = daemon
        self.views = views
        (happenings, happen) = AsyncStream.makeStream()
    }

    /// - Returns: the signal that ended it; nil when a key did. The terminal is as before.
    func run() async throws -> Int32? {
        let sources = [try watchSignals(), watchKeys()]
        defer { for source in sources { source.cancel() } }
        var terminal: TopTerminal
        do { terminal = try TopTerminal() } catch { return nil }
        return await withDiscardingTaskGroup { group in
            group.addTask { await tick() }
            group.addTask { await followEvents() }
            defer { group.cancelAll() }
            defer { terminal.leave() }
            // A terminal that is gone ends the session as a key does.
            return try? await show(on: &terminal) { effect in group.addTask { await carryOut(effect) } }
        }
    }

    private func show(on terminal: inout TopTerminal, _ start: (TopModel.Effect) -> Void) async throws -> Int32? {
        var model = TopModel(views, size: TopTerminal.size, at: Date())
        var keys = TopKeys()
        var bytes = 0
        try terminal.enter()
        try draw(model, on: &terminal)
        for await happening in happenings {
            var inputs: [TopModel.Input] = []
            switch happening {
            case .input(let input): inputs = [input]
            case .bytes(let new):
                bytes += new.count
                inputs = keys.take(new).map { .key($0) }
                if keys.isUndecided { settleLater(bytes) }
            case .silence(let count): if count == bytes { inputs = keys.settle().map { .key($0) } }
            case .signal(SIGWINCH):
                try terminal.clear()
                inputs = [.resized(TopTerminal.size)]
            case .signal(SIGCONT):
                // The shell has changed the terminal's settings in between.
                try terminal.enter()
                inputs = [.resized(TopTerminal.size)]
            case .signal(let signal): return signal
            case .closed: return nil
            }
            for input in inputs {
                for effect in model.take(input, at: Date()) {
                    if effect == .quit { return nil }
                    start(effect)
                }
            }
            // An event changes nothing on the screen before it is read, and a thousand of them must not keep the keys waiting.
            if case .input(.event) = happening { continue }
            try draw(model, on: &terminal)
        }
        return nil
    }

    private func draw(_ model: TopModel, on terminal: inout TopTerminal) throws {
        let isColoured = TopTerminal.isColoured
        try terminal.draw(TopScreen.lines(model).map { $0.terminalText(isColoured: isColoured) })
    }

    // MARK: Sources

    private func watchKeys() -> any DispatchSourceProtocol {
        watch(0) { happen.yield($0.map(Happening.bytes) ?? .closed) }
    }

    private func watchSignals() throws -> any DispatchSourceProtocol {
        // A closed output shows as an error of write(2).
        signal(SIGPIPE, SIG_IGN)
        return watch(try SignalPipe.open([SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT])) { bytes in
            for byte in bytes ?? [] { happen.yield(.signal(Int32(byte))) }
        }
    }

    /// - Parameter take: gets nil at the end.
    private func watch(_ descriptor: Int32, _ take: @escaping @Sendable ([UInt8]?) -> Void) -> any DispatchSourceProtocol {
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor)
        source.setEventHandler {
            var buffer = [UInt8](repeating: 0, count: 1024)
            let count = read(descriptor, &buffer, buffer.count)
            if count > 0 {
                take(Array(buffer[..<count]))
            } else if count == 0 || errno != EINTR && errno != EAGAIN {
                source.cancel()
                take(nil)
            }
        }
        source.resume()
        return source
    }

    private func settleLater(_ bytes: Int) {
        Task {
            try? await Task.sleep(for: Self.escapeWait)
            happen.yield(.silence(bytes))
        }
    }

    private func tick() async {
        while (try? await Task.sleep(for: .seconds(TopModel.shortestPause))) != nil { happen.yield(.input(.tick)) }
    }

    private func followEvents() async {
        var retry = Self.retry
        while !Task.isCancelled {
            var events = ServerSentEvents()
            var isOpen = false
            var hasNone = false
            do {
                try await daemon.stream("/events") { chunk in
                    if !isOpen { happen.yield(.input(.events(isOpen: true))) }
                    isOpen = true
                    if !events.take(chunk).isEmpty { happen.yield(.input(.event)) }
                }
            } catch {
                hasNone = (error as? Failure)?.status == .notFound
            }
            happen.yield(.input(.events(isOpen: false)))
            retry = max(500, events.retry ?? retry)
            // An older daemon has no events until it is upgraded.
            try? await Task.sleep(for: hasNone ? .seconds(TopModel.longestPause) : .milliseconds(retry))
        }
    }

    // MARK: Effects

    private func carryOut(_ effect: TopModel.Effect) async {
        do {
            happen.yield(.input(try await answer(to: effect)))
        } catch {
            let text = (error as? Failure)?.message ?? "\(error)"
            happen.yield(.input(effect == .read ? .unanswered(text) : .result(text, isFailure: true)))
        }
    }

    private func answer(to effect: TopModel.Effect) async throws -> TopModel.Input {
        func call(_ method: String, _ path: String) async throws -> [UInt8] { try await daemon.call(method, path, timeout: .seconds(30)) }
        switch effect {
        case .pause(let pool), .resume(let pool):
            let verb = effect == .pause(pool) ? "pause" : "resume"
            return .paused(try daemon.decode(PauseView.self, try await call("POST", "/pools/\(pathSegment(pool))/\(verb)")))
        case .drain(let runner):
            let view = try daemon.decode(RunnerView.self, try await call("DELETE", "/runners/\(pathSegment(runner))"))
            return .result("\(view.name) is \(view.status)", isFailure: false)
        case .readLog(let runner):
            let log = try await call("GET", "/runners/\(pathSegment(runner))/log?lines=\(Self.logLines)")
            return .log(runner: runner, text: String(decoding: log, as: UTF8.self))
        case .read, .quit: return .views(try await daemon.topViews())
        }
    }
}
