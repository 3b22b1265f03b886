import Glibc

/// A thread of its own for a loop that blocks in the kernel, where Swift's threads must not (pthreads(7)).
///
/// Foundation's `Thread` would do, and would link all of Foundation into programs that need nothing else of it.
public func startThread(_ name: String, stackSize: Int = 512 << 10, _ body: @escaping @Sendable () -> Void) {
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
    let context = Unmanaged.passRetained(Work(body)).toOpaque()
    let result = pthread_create(
        &thread, &attributes,
        { context in
            guard let context else { return nil }
            Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
            return nil
        }, context)
    // Out of threads or memory: nothing that waits for this thread would ever go on.
    guard result == 0 else { fatalError("no thread for \(name): \(String(cString: strerror(result)))") }
}
