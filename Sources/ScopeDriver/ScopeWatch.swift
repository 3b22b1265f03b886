import CSystemd
import Fleet
import Glibc
import Synchronization
import Threads

/// Waits for the end of processes that are not our children (pidfd_open(2)) and for the kernel's memory killer
/// (memory.events of cgroup v2, through inotify(7)), all on one sleeping thread.
///
/// A process whose descriptor can't be had now, because this daemon or the system has none left, is looked at again with
/// growing pauses: only the kernel's word that there is no such process is an end.
final class ScopeWatch: Sendable {
    enum Happening: Sendable, Equatable {
        case ended(RunnerID)
        case outOfMemory(RunnerID)
    }

    /// A descriptor that becomes readable when the process ends, or a negated error number.
    typealias Opener = @Sendable (pid_t) -> Int32

    private static let retry = Backoff.Policy(first: .milliseconds(50), most: .seconds(5))

    private struct Watched {
        var pid: pid_t
        /// -1 while there is none.
        var process: Int32
        /// When a process without a descriptor is looked at next.
        var lookAt: ContinuousClock.Instant?
        /// Looks in a row that got no descriptor.
        var failures = 0
        var memoryEvents: String?
        var inotifyWatch: Int32 = -1
        var kills = 0
    }
    private struct Table {
        var watched: [RunnerID: Watched] = [:]
        var isRunning = false
    }

    private let table = Mutex(Table())
    private let wake: Int32
    private let inotify: Int32
    private let openProcess: Opener
    let happenings: AsyncStream<Happening>
    private let out: AsyncStream<Happening>.Continuation

    init(openProcess: @escaping Opener = ScopeWatch.pidfd) {
        (happenings, out) = AsyncStream.makeStream()
        self.openProcess = openProcess
        wake = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        inotify = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
    }

    static let pidfd: Opener = { pid in
        let descriptor = autogit_pidfd_open(pid)
        return descriptor >= 0 ? descriptor : -errno
    }

    func contains(_ runner: RunnerID) -> Bool { table.withLock { $0.watched[runner] != nil } }

    func add(_ runner: RunnerID, pid: pid_t, memoryEvents: String?) {
        var watched = Watched(pid: pid, process: -1, memoryEvents: memoryEvents)
        guard look(at: &watched) else {
            out.yield(.ended(runner))
            return
        }
        if let memoryEvents {
            watched.inotifyWatch = inotify_add_watch(inotify, memoryEvents, UInt32(IN_MODIFY))
            watched.kills = Self.kills(memoryEvents)
        }
        table.withLock { table in
            if let old = table.watched[runner] { release(old, keeping: watched.inotifyWatch) }
            table.watched[runner] = watched
        }
        start()
    }

    func remove(_ runner: RunnerID) {
        table.withLock { table in
            if let old = table.watched.removeValue(forKey: runner) { release(old) }
        }
        nudge()
    }

    /// - Parameter keeping: a watch that somebody else has taken over; a second one for a file has the number of the first.
    private func release(_ old: Watched, keeping: Int32 = -1) {
        if old.inotifyWatch >= 0, old.inotifyWatch != keeping { inotify_rm_watch(inotify, old.inotifyWatch) }
        if old.process >= 0 { close(old.process) }
    }

    // MARK: Processes

    /// Tries to get a descriptor.
    /// - Returns: false when there is no such process.
    private func look(at watched: inout Watched) -> Bool {
        let descriptor = openProcess(watched.pid)
        if descriptor >= 0 {
            watched.process = descriptor
            watched.lookAt = nil
            return true
        }
        // The second question needs no descriptor, and works where pidfd_open(2) is forbidden or missing.
        if descriptor == -ESRCH || (kill(watched.pid, 0) != 0 && errno == ESRCH) { return false }
        watched.failures += 1
        watched.lookAt = .now + Self.retry.wait(after: watched.failures)
        return true
    }

    /// Looks at those again whose pause is over.
    /// - Returns: when the next is due.
    private func lookAgain(_ watched: [RunnerID: Watched]) -> ContinuousClock.Instant? {
        var next: ContinuousClock.Instant?
        let now = ContinuousClock.now
        for (runner, old) in watched {
            guard var due = old.lookAt else { continue }
            if due <= now {
                var new = old
                let isThere = look(at: &new)
                let isOurs = table.withLock { table in
                    guard let current = table.watched[runner], current.pid == old.pid, current.process < 0 else { return false }
                    table.watched[runner] = isThere ? new : nil
                    return true
                }
                if !isOurs || !isThere { release(new, keeping: isOurs ? -1 : new.inotifyWatch) }
                if isOurs, !isThere { out.yield(.ended(runner)) }
                // One that was opened just now is watched from the next round on.
                due = new.lookAt ?? now
            }
            next = min(next ?? due, due)
        }
        return next
    }

    // MARK: The thread

    private func start() {
        let starts = table.withLock { table -> Bool in
            defer { table.isRunning = true }
            return !table.isRunning
        }
        guard starts else { return nudge() }
        do throws(ThreadError) { try startThread("scope-watch") { self.run() } } catch {
            // The system has none left. What is to be watched is in the table, and the driver's own look every minute finds
            // what ends meanwhile.
            table.withLock { $0.isRunning = false }
            Task {
                try? await Task.sleep(for: .seconds(1))
                self.start()
            }
        }
    }

    private func nudge() {
        var one: UInt64 = 1
        _ = write(wake, &one, 8)
    }

    private func run() {
        while true {
            let due = lookAgain(table.withLock { $0.watched })
            let watched = table.withLock { $0.watched }
            let runners = watched.keys.filter { (watched[$0]?.process ?? -1) >= 0 }
            var sources = [pollfd(fd: wake, events: Int16(POLLIN), revents: 0), pollfd(fd: inotify, events: Int16(POLLIN), revents: 0)]
            sources += runners.map { pollfd(fd: watched[$0]?.process ?? -1, events: Int16(POLLIN), revents: 0) }
            guard poll(&sources, nfds_t(sources.count), patience(until: due)) > 0 else { continue }
            drain(wake)
            drain(inotify)
            lookAtMemory(watched)
            for (runner, source) in zip(runners, sources.dropFirst(2)) where source.revents != 0 {
                let isOurs = table.withLock { $0.watched[runner]?.process == source.fd }
                guard isOurs, source.revents & Int16(POLLIN) != 0 else { continue }
                remove(runner)
                out.yield(.ended(runner))
            }
        }
    }

    /// Milliseconds for poll(2). Without a descriptor to be woken by, the table is read once a second.
    private func patience(until due: ContinuousClock.Instant?) -> Int32 {
        let idle: Int32 = wake >= 0 && inotify >= 0 ? -1 : 1000
        guard let due else { return idle }
        let wait = Int32(clamping: max(.zero, due - .now).milliseconds + 1)
        return idle < 0 ? wait : min(idle, wait)
    }

    // MARK: Memory

    private func lookAtMemory(_ watched: [RunnerID: Watched]) {
        for (runner, old) in watched {
            guard let file = old.memoryEvents else { continue }
            let kills = Self.kills(file)
            guard kills > old.kills else { continue }
            table.withLock { $0.watched[runner]?.kills = kills }
            out.yield(.outOfMemory(runner))
        }
    }

    private func drain(_ descriptor: Int32) {
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { buffer in
            while read(descriptor, buffer.baseAddress, buffer.count) > 0 {}
        }
    }

    /// The `oom_kill` line of memory.events: processes of the group that were killed.
    private static func kills(_ file: String) -> Int {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return 0 }
        defer { close(descriptor) }
        let text = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            let length = read(descriptor, buffer.baseAddress, buffer.count)
            return String(decoding: UnsafeRawBufferPointer(rebasing: buffer[..<max(0, length)]), as: UTF8.self)
        }
        let line = text.split(separator: "\n").first { $0.hasPrefix("oom_kill ") }
        return line.flatMap { Int($0.dropFirst("oom_kill ".count)) } ?? 0
    }
}
