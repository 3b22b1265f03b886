import CSystemd
import Fleet
import Glibc
import Synchronization
import Threads

/// Waits for the end of processes that are not our children (pidfd_open(2)) and for the kernel's memory killer
/// (memory.events of cgroup v2, through inotify(7)), all on one sleeping thread.
final class ScopeWatch: Sendable {
    enum Happening: Sendable, Equatable {
        case ended(RunnerID)
        case outOfMemory(RunnerID)
    }

    private struct Watched {
        var process: Int32
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
    let happenings: AsyncStream<Happening>
    private let out: AsyncStream<Happening>.Continuation

    init() {
        (happenings, out) = AsyncStream.makeStream()
        wake = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        inotify = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
    }

    func contains(_ runner: RunnerID) -> Bool { table.withLock { $0.watched[runner] != nil } }

    func add(_ runner: RunnerID, pid: pid_t, memoryEvents: String?) {
        let process = autogit_pidfd_open(pid)
        guard process >= 0 else {
            // It is gone already.
            out.yield(.ended(runner))
            return
        }
        var watched = Watched(process: process, memoryEvents: memoryEvents)
        if let memoryEvents {
            watched.inotifyWatch = inotify_add_watch(inotify, memoryEvents, UInt32(IN_MODIFY))
            watched.kills = Self.kills(memoryEvents)
        }
        let start = table.withLock { table -> Bool in
            if let old = table.watched[runner] { close(old.process) }
            table.watched[runner] = watched
            defer { table.isRunning = true }
            return !table.isRunning
        }
        if start { startThread("scope-watch") { self.run() } } else { nudge() }
    }

    func remove(_ runner: RunnerID) {
        table.withLock { table in
            guard let old = table.watched.removeValue(forKey: runner) else { return }
            if old.inotifyWatch >= 0 { inotify_rm_watch(inotify, old.inotifyWatch) }
            close(old.process)
        }
        nudge()
    }

    private func nudge() {
        var one: UInt64 = 1
        _ = write(wake, &one, 8)
    }

    private func run() {
        while true {
            let watched = table.withLock { $0.watched }
            let runners = Array(watched.keys)
            var sources = [pollfd(fd: wake, events: Int16(POLLIN), revents: 0), pollfd(fd: inotify, events: Int16(POLLIN), revents: 0)]
            sources += runners.map { pollfd(fd: watched[$0]?.process ?? -1, events: Int16(POLLIN), revents: 0) }
            guard poll(&sources, nfds_t(sources.count), -1) > 0 else { continue }
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
