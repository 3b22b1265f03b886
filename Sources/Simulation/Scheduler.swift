import CSwiftHooks
import Fleet
import HeapModule

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
    private var timers = Heap<Timer>()
    private var timersMade = 0
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
        timersMade += 1
        timers.insert(Timer(at: now + max(.zero, time), order: timersMade, body: body))
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
            } else if let next = timers.min, next.at <= end {
                now = max(now, next.at)
                timers.removeMin().body()
            } else {
                now = max(now, end)
                return condition()
            }
        }
        return true
    }
}

/// Something to be run at a time; the order of equal times is the order of calls.
private struct Timer: Comparable {
    var at: Timestamp
    var order: Int
    var body: () -> Void

    static func < (a: Self, b: Self) -> Bool { (a.at, a.order) < (b.at, b.order) }
    static func == (a: Self, b: Self) -> Bool { (a.at, a.order) == (b.at, b.order) }
}
