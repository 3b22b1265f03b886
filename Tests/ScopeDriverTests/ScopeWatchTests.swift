import Foundation
import Synchronization
import Testing

@testable import ScopeDriver

/// What is an end of a process, and what only looks like one.
@Suite(.timeLimit(.minutes(10))) struct ScopeWatchTests {
    private func sleeper() throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sleep")
        process.arguments = ["600"]
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        return process
    }

    /// A process that can't be opened is alive; it is watched as soon as it can be.
    @Test(arguments: [EMFILE, ENFILE, ENOMEM, EINVAL, EPERM])
    func aDescriptorThatIsNotToBeHadIsNoEnd(code: Int32) async throws {
        let process = try sleeper()
        let refusals = Mutex(3)
        let (opened, out) = AsyncStream.makeStream(of: Void.self)
        let watch = ScopeWatch { pid in
            let refuses = refusals.withLock { left in
                left -= 1
                return left >= 0
            }
            if refuses { return -code }
            defer { out.yield() }
            return ScopeWatch.pidfd(pid)
        }
        watch.add("one", pid: process.processIdentifier, memoryEvents: nil)
        #expect(watch.contains("one"))
        for await _ in opened { break }
        #expect(watch.contains("one"))
        kill(process.processIdentifier, SIGKILL)
        var happenings = watch.happenings.makeAsyncIterator()
        #expect(await happenings.next() == .ended("one"))
        #expect(!watch.contains("one"))
        process.waitUntilExit()
    }

    /// Where there is no pidfd_open(2) at all, the end is seen all the same.
    @Test func anEndIsSeenWithoutADescriptor() async throws {
        let process = try sleeper()
        let watch = ScopeWatch { _ in -ENOSYS }
        watch.add("one", pid: process.processIdentifier, memoryEvents: nil)
        #expect(watch.contains("one"))
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        var happenings = watch.happenings.makeAsyncIterator()
        #expect(await happenings.next() == .ended("one"))
        #expect(!watch.contains("one"))
    }

    @Test func aRemovedOneIsNotLookedAtAgain() async throws {
        let process = try sleeper()
        defer { kill(process.processIdentifier, SIGKILL) }
        let watch = ScopeWatch { pid in pid == process.processIdentifier ? -EMFILE : ScopeWatch.pidfd(pid) }
        watch.add("one", pid: process.processIdentifier, memoryEvents: nil)
        watch.remove("one")
        #expect(!watch.contains("one"))
        // Nothing is told of it, even though it ended before the next.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        watch.add("two", pid: process.processIdentifier, memoryEvents: nil)
        var happenings = watch.happenings.makeAsyncIterator()
        #expect(await happenings.next() == .ended("two"))
    }

    @Test func onlyNoSuchProcessIsAnEndAtOnce() async {
        let watch = ScopeWatch { _ in -ESRCH }
        watch.add("one", pid: getpid(), memoryEvents: nil)
        var happenings = watch.happenings.makeAsyncIterator()
        #expect(await happenings.next() == .ended("one"))
        #expect(!watch.contains("one"))
    }
}
