import Fleet
import FoundationEssentials
import Glibc
import Synchronization

/// Makes the container engine of another machine reachable at a local socket, through OpenSSH's own client, and runs commands there.
///
/// The configuration of the user that runs this stays in effect: aliases, jump hosts, keys. So do forwards that it has for the host, because ssh
/// has no way to leave out only those: a host that AutoGit uses should have none there.
public final class SSHForward: Sendable {
    /// The machine, and the engine's socket there.
    public let address: SSHAddress
    /// The path of the local socket.
    public let socket: String

    private let options: SSHOptions
    private let program: String
    private let environment: [String]
    private let clock: any WallClock
    private let jitter: @Sendable () -> Double
    private let told: @Sendable (SSHForwardEvent) -> Void

    private struct Life {
        var state = SSHForwardState.opening
        var child: SSHChild?
        /// Why the connection's users were refused first, and when last.
        var refusal: (reason: String, at: Timestamp)?
        /// Until when the other side is expected at any moment.
        var hurryUntil: Timestamp?
        /// For the next try.
        var wait: Task<Void?, Never>?
    }
    private let life = Mutex(Life())

    /// Longest from ssh's start until its socket accepts connections; `ConnectTimeout` does not count the login.
    private static let patience = Duration.seconds(60)
    /// One that was open for that long is opened again as if it had never failed.
    private static let steady = Duration.seconds(60)
    private static let grace = Duration.seconds(5)
    /// The longest wait for a host that is on its way.
    private static let hurry = Duration.seconds(3)
    /// An engine that does not answer is asked again sooner. ssh says nothing of those who were connected, so after that a refusal may be over.
    private static let refusalStays = Duration.seconds(60)

    /// Starts nothing: see `run`.
    /// - Parameters:
    ///   - socket: the local path that ssh listens on, absolute, at most 107 bytes, in a folder that is only ours: whoever may connect to it has the engine.
    ///   - identity: the absolute path of a private key without a passphrase; nil for the keys that ssh finds itself.
    ///   - knownHosts: absolute paths of files with host keys; empty for ssh's own.
    ///   - program: the path of OpenSSH's client.
    ///   - environment: our own variables, of which ssh gets a few.
    ///   - jitter: a number from 0 to 1 for each wait.
    ///   - told: called for each change, in order of `opened` and `closed`, on any thread; must not block.
    /// - Throws: `SSHError` for a path that ssh can't be given.
    public init(
        _ address: SSHAddress, socket: String, identity: String? = nil, knownHosts: [String] = [], program: String = "/usr/bin/ssh",
        environment: [String: String] = ProcessInfo.processInfo.environment, clock: any WallClock,
        jitter: @escaping @Sendable () -> Double = { .random(in: 0...1) },
        told: @escaping @Sendable (SSHForwardEvent) -> Void
    ) throws(SSHError) {
        if let fault = SSHAddress.fault(ofSocket: socket) { throw SSHError("the socket's path \(socket) \(fault)") }
        for file in knownHosts + (identity.map { [$0] } ?? []) {
            guard file.hasPrefix("/"), file.utf8.allSatisfy({ $0 > 31 && $0 != 127 }), !file.contains(where: { "\"\\$".contains($0) }) else {
                throw SSHError("\(file) is not a path that ssh can be given: it has to begin with /, without quotes, backslashes and dollar signs")
            }
        }
        self.address = address
        self.socket = socket
        self.program = program
        self.environment = SSHOptions.environment(environment)
        self.clock = clock
        self.jitter = jitter
        self.told = told
        options = SSHOptions(address: address, identity: identity, knownHosts: knownHosts)
    }

    /// Where it stands now. Readable from any thread.
    public var state: SSHForwardState { life.withLock { $0.state } }

    /// Why the host has not connected somebody to its socket in the last minute; nil where it has not refused to. Readable from any thread.
    public var refusal: String? {
        let last = life.withLock { $0.refusal }
        return last.flatMap { clock.now() - $0.at < Self.refusalStays ? $0.reason : nil }
    }

    /// The process id of the ssh that forwards, while it runs.
    var pid: Int32? { life.withLock { $0.child }?.pid }

    /// Keeps the forward open until the task is cancelled; then ssh has ended and the socket is gone when this returns. Whatever fails is tried again, after
    /// a wait from 1 s to 60 s. Not to be called twice at a time.
    public func run() async {
        var backoff = Backoff()
        while !Task.isCancelled {
            life.withLock { $0.state = .opening }
            let reason = await attempt()
            let now = clock.now()
            if case .open(_, let since) = state, now - since >= Self.steady { backoff.succeeded() }
            backoff.failed(.forward, at: now, jitter: jitter())
            let until = backoff.until ?? now
            life.withLock { $0.state = .closed(reason: reason, until: until) }
            guard !Task.isCancelled else { return }
            told(.closed(reason: reason))
            await wait(until: until)
        }
    }

    /// The host has been called, and may be there at any moment: for so long no wait is longer than a few seconds.
    public func hurry(for time: Duration) {
        let until = clock.now() + time
        life.withLock {
            $0.hurryUntil = until
            $0.wait?.cancel()
        }
    }

    private func wait(until: Timestamp) async {
        let now = clock.now()
        let wait = life.withLock { life in
            let isHurried = life.hurryUntil.map { now < $0 } ?? false
            let wait = Task { [clock] in try? await clock.sleep(for: isHurried ? min(until - now, Self.hurry) : until - now) }
            life.wait = wait
            return wait
        }
        await withTaskCancellationHandler {
            _ = await wait.value
        } onCancel: {
            wait.cancel()
        }
    }

    /// Connects once, and returns when that is over.
    /// - Returns: the reason.
    private func attempt() async -> String {
        do {
            let remote = if let path = address.path { path } else { try await findSocket() }
            try Task.checkCancellation()
            try LocalSocket.clear(socket)
            defer { unlink(socket) }
            life.withLock { $0.refusal = nil }
            let child = try SSHChild(program, options.forward(from: socket, to: remote), environment: environment, most: 1 << 16) { [weak self] line in
                self?.heard(line)
            }
            life.withLock { $0.child = child }
            defer { life.withLock { $0.child = nil } }
            let (end, isLate) = await follow(child, remote)
            if isLate { return "\(address.host) did not finish the login within \(Self.patience.components.seconds) s" }
            return reason(end)
        } catch is CancellationError {
            return "it was cancelled"
        } catch {
            return "\(error)"
        }
    }

    private func follow(_ child: SSHChild, _ remote: String) async -> (SSHChild.End, isLate: Bool) {
        await withTaskCancellationHandler {
            await withTaskGroup(of: Bool.self) { group in
                group.addTask { await self.awaitOpening(child, remote) }
                let end = await child.exit()
                group.cancelAll()
                return (end, isLate: await group.next() ?? false)
            }
        } onCancel: {
            child.end(grace: Self.grace, clock: clock)
        }
    }

    /// Returns when the socket accepts connections, or the task is cancelled, or after the time that it may take, and then has ended ssh.
    /// - Returns: whether the time was over.
    private func awaitOpening(_ child: SSHChild, _ remote: String) async -> Bool {
        let start = clock.now()
        var interval = Duration.milliseconds(20)
        while clock.now() - start < Self.patience {
            guard (try? await clock.sleep(for: interval)) != nil else { return false }
            if LocalSocket.accepts(socket) {
                life.withLock { $0.state = .open(remoteSocket: remote, since: clock.now()) }
                told(.opened(remoteSocket: remote))
                return false
            }
            interval = min(interval * 2, .milliseconds(500))
        }
        child.end(grace: Self.grace, clock: clock)
        return true
    }

    private func heard(_ line: String) {
        guard line.contains("open failed: "), line.hasPrefix("channel ") else { return }
        let reason = SSHWords.reason(line, status: "", address: address, knownHosts: options.knownHosts)
        let now = clock.now()
        let isFirst = life.withLock { life in
            let isFirst = life.refusal == nil
            // Each has the number of its channel in it.
            life.refusal = (reason: life.refusal?.reason ?? reason, at: now)
            return isFirst
        }
        if isFirst { told(.refused(reason: reason)) }
    }

    private func reason(_ end: SSHChild.End) -> String {
        let status = end.code.map { "ssh ended with exit code \($0)" } ?? "ssh was ended by a signal"
        return SSHWords.reason(end.errors, status: status, address: address, knownHosts: options.knownHosts)
    }

    private func findSocket() async throws -> String {
        let answer = try await output(
            of: "sh -s", input: Array(EngineSocketSearch.script.utf8), limit: EngineSocketSearch.longestAnswer, timeout: Self.patience)
        return try EngineSocketSearch.socket(in: answer, of: address)
    }

    /// Runs a command on the host, over a connection of its own, and returns what it wrote to its standard output.
    /// - Parameters:
    ///   - command: for the user's login shell there, which need not be a POSIX one.
    ///   - input: what its standard input is, such as a script for `sh -s`.
    ///   - limit: the most bytes of output.
    ///   - timeout: for all of it, the login included. Then ssh is ended; the host's sshd may leave the command running.
    /// - Throws: `SSHError` when the login or the command failed, took longer or wrote more; `CancellationError`; `ThreadError`.
    public func output(of command: String, input: [UInt8] = [], limit: Int, timeout: Duration) async throws -> [UInt8] {
        try Task.checkCancellation()
        let child = try SSHChild(program, options.command(command), environment: environment, input: input, most: limit)
        let clock = clock
        let (end, isLate) = await withTaskCancellationHandler {
            await withTaskGroup(of: Bool.self) { group in
                group.addTask {
                    guard (try? await clock.sleep(for: timeout)) != nil else { return false }
                    child.end(grace: Self.grace, clock: clock)
                    return true
                }
                let end = await child.exit()
                group.cancelAll()
                return (end, isLate: await group.next() ?? false)
            }
        } onCancel: {
            child.end(grace: Self.grace, clock: clock)
        }
        try Task.checkCancellation()
        if end.isTooLong { throw SSHError("a command on \(address.host) wrote more than \(limit) bytes, and was ended") }
        guard end.code != 0 else { return end.output }
        if isLate { throw SSHError("a command on \(address.host) did not end within \(timeout.milliseconds) ms, and was ended") }
        throw SSHError(reason(end))
    }
}
