import CSwiftHooks
import Fleet

/// Runs every job of Swift's concurrency on this thread, one at a time, in an order that only the seed decides, and
/// makes time pass when nothing else can happen. So the shipped code, with its actors, tasks and sleeps, runs
/// deterministically and as fast as it can.
///
/// One at a time in a process: the hook is the process's.
public final class Scheduler: TaskExecutor, @unchecked Sendable {
    private typealias Original = @convention(thin) (UnownedJob) -> Void
    private typealias Hook = @convention(thin) (UnownedJob, Original) -> Void
    nonisolated(unsafe) private static var current: Scheduler?

    private var ready: [UnownedJob] = []
    private var timers = TimerHeap()
    private var random: SplitMix
    public private(set) var now: Timestamp
    public private(set) var jobsRun = 0

    public init(seed: UInt64, start: Timestamp) {
        random = SplitMix(seed: seed ^ 0x5CED)
        now = start
        Self.current = self
        let hook: Hook = { job, _ in Scheduler.current?.ready.append(job) }
        autogit_enqueue_global_hook().pointee = unsafeBitCast(hook, to: UnsafeMutableRawPointer.self)
    }

    public func enqueue(_ job: consuming ExecutorJob) { ready.append(UnownedJob(job)) }

    /// Runs something after a time; the order of equal times is the order of calls.
    public func after(_ time: Duration, _ body: @escaping () -> Void) {
        timers.insert(at: now + max(.zero, time), body)
    }

    /// Runs until the condition holds, or the time is there, or nothing will ever happen again.
    /// - Returns: whether the condition came true.
    @discardableResult
    public func run(until end: Timestamp, or condition: () -> Bool = { false }) -> Bool {
        while !condition() {
            if !ready.isEmpty {
                let index = random.below(ready.count)
                ready.swapAt(index, ready.count - 1)
                ready.removeLast().runSynchronously(on: asUnownedTaskExecutor())
                jobsRun += 1
            } else if let at = timers.next, at <= end {
                now = max(now, at)
                timers.removeFirst()()
            } else {
                now = max(now, end)
                return condition()
            }
        }
        return true
    }
}

/// A binary heap by time, then by order of insertion.
private struct TimerHeap {
    private var items: [(at: Timestamp, order: Int, body: () -> Void)] = []
    private var count = 0

    var next: Timestamp? { items.first?.at }

    private func precedes(_ a: Int, _ b: Int) -> Bool { (items[a].at, items[a].order) < (items[b].at, items[b].order) }

    mutating func insert(at time: Timestamp, _ body: @escaping () -> Void) {
        count += 1
        items.append((time, count, body))
        var child = items.count - 1
        while child > 0, precedes(child, (child - 1) / 2) {
            items.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func removeFirst() -> () -> Void {
        items.swapAt(0, items.count - 1)
        let first = items.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < items.count && precedes(child, least) { least = child }
            if least == parent { return first.body }
            items.swapAt(parent, least)
            parent = least
        }
    }
}
