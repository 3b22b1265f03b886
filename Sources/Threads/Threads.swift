import Glibc

/// The system has no thread to give: the service is at its limit of tasks (`TasksMax=`, RLIMIT_NPROC) or of memory.
public struct ThreadError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What the thread was for.
    public var name: String
    /// The error number of pthread_create(3).
    public var code: Int32

    /// An error as pthread_create(3) gives it.
    public init(name: String, code: Int32) {
        self.name = name
        self.code = code
    }

    /// What happened, and what the operator can do.
    public var description: String {
        "no thread for \(name): \(String(cString: strerror(code))). Raise TasksMax= or MemoryMax= of the service, or free memory"
    }
}

/// Starts a detached thread for a loop that blocks in the kernel, where Swift's own threads must not (pthreads(7)).
///
/// Foundation's `Thread` would do, and would link all of Foundation into programs that need nothing else of it.
///
/// - Parameters:
///   - name: what the thread is for; named in the error.
///   - stackSize: in bytes.
/// - Throws: `ThreadError`; `body` then never runs. Trying again later may succeed.
public func startThread(_ name: String, stackSize: Int = 512 << 10, _ body: @escaping @Sendable () -> Void) throws(ThreadError) {
    final class Work {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, stackSize)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    let work = Unmanaged.passRetained(Work(body))
    let result = pthread_create(
        &thread, &attributes,
        { context in
            guard let context else { return nil }
            Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
            return nil
        }, work.toOpaque())
    if result != 0 {
        work.release()
        throw ThreadError(name: name, code: result)
    }
}

/// Runs work that blocks (a file system, a child process, a name service) on a thread of its own, and waits for it without
/// holding one of Swift's threads, of which there are only as many as processors.
///
/// Cancellation does not reach the work: it goes on to its end, and this waits for it.
///
/// - Parameters:
///   - name: what the thread is for; named in the error.
///   - stackSize: in bytes.
/// - Throws: what `body` throws; or `ThreadError`, when after ten tries within about three seconds there still is no thread;
///   or `CancellationError`, when it is cancelled between those tries. In both cases `body` has not run.
public func onThread<T: Sendable>(_ name: String, stackSize: Int = 512 << 10, _ body: @escaping @Sendable () throws -> T) async throws -> T {
    var tries = 0
    while true {
        let outcome: Outcome<T> = await withCheckedContinuation { done in
            do throws(ThreadError) {
                try startThread(name, stackSize: stackSize) { done.resume(returning: .ran(Result(catching: body))) }
            } catch {
                done.resume(returning: .noThread(error))
            }
        }
        switch outcome {
        case .ran(let result): return try result.get()
        case .noThread(let error):
            tries += 1
            guard tries < 10 else { throw error }
            try await Task.sleep(for: .milliseconds(min(5 << tries, 1000)))
        }
    }
}

private enum Outcome<T: Sendable>: Sendable {
    case ran(Result<T, any Error>)
    case noThread(ThreadError)
}
