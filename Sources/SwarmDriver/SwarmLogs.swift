import ContainerDriver
import Fleet

/// What runners write, and what becomes of them.
extension SwarmDriver {
    private static let logTimeout = Duration.seconds(10)

    /// The end of what the runner wrote; empty when it isn't there.
    /// - Throws: `EngineError`, also after ten seconds, and while its node is away.
    public func lastOutput(_ runner: RunnerID, bytes: Int) async throws -> [UInt8] {
        guard let task = try await taskWithLog(of: runner) else { return [] }
        return try await engine.tail(bytes: bytes, within: Self.logTimeout) { [engine] lines in
            try await engine.log(at: "/tasks/\(task.ID)", lines: lines, follow: false)
        }
    }

    /// nil where none has been on a node. The swarm answers for one whose node is away, and then says nothing for ever.
    private func taskWithLog(of runner: RunnerID) async throws -> SwarmTask? {
        guard let task = task(of: try await tasks(of: runner)), let node = task.NodeID, !node.isEmpty else { return nil }
        guard watch.withLock({ $0.isReady(node) }) else { throw EngineError(message: "\(self.node(of: task)), which has its log, is away", isOutage: false) }
        return task
    }

    /// The swarm never ends a log that is followed: it is over when its task is, and some seconds more.
    /// - Throws: `EngineError`
    public func log(_ runner: RunnerID, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        guard let task = try await taskWithLog(of: runner) else { return AsyncThrowingStream { nil } }
        var isOver = false
        if case .ended = outcome(of: task, at: clock.now()) { isOver = true }
        let chunks = try await engine.log(at: "/tasks/\(task.ID)", lines: lines, follow: follow && !isOver)
        guard follow, !isOver else { return chunks }
        return AsyncThrowingStream { [self] in
            try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
                group.addTask {
                    var iterator = chunks.makeAsyncIterator()
                    return try await iterator.next()
                }
                group.addTask {
                    while true {
                        try await self.clock.sleep(for: Self.pace)
                        guard let task = self.task(of: try await self.tasks(of: runner)) else { return nil }
                        guard case .ended = self.outcome(of: task, at: self.clock.now()) else { continue }
                        try await self.clock.sleep(for: Self.pace)
                        return nil
                    }
                }
                defer { group.cancelAll() }
                return try await group.next() ?? nil
            }
        }
    }

    /// A swarm has no events of tasks.
    private static let pace = Duration.seconds(2)
    /// While it has none of ours.
    private static let idlePace = Duration.seconds(5)
    private static let retry = Backoff.Policy(first: .seconds(1), most: .seconds(30))

    /// What becomes of the tasks, for as long as it is read. They are looked at every two seconds.
    public func events() -> AsyncStream<DriverEvent> {
        let (stream, out) = AsyncStream.makeStream(of: DriverEvent.self)
        let watching = Task {
            var seen = TasksSeen()
            while !Task.isCancelled {
                var pause: Duration
                do {
                    let tasks = try await engine.tasks(labels: ["\(ContainerDriver.instanceLabel)=\(instance)"])
                    for event in seen.saw(tasks) { out.yield(event) }
                    pause = tasks.isEmpty ? Self.idlePace : Self.pace
                } catch is CancellationError {
                    break
                } catch {
                    for event in seen.failed("\(error)") { out.yield(event) }
                    pause = Self.retry.wait(after: seen.failures)
                }
                do { try await clock.sleep(for: pause) } catch { break }
            }
            out.finish()
        }
        out.onTermination = { _ in watching.cancel() }
        return stream
    }
}

/// From looks at all tasks to what has happened between two of them.
struct TasksSeen {
    private var ended: Set<String> = []
    private var isConnected = false
    private var hasToldOutage = false
    /// Looks in a row that failed.
    private(set) var failures = 0

    mutating func saw(_ tasks: [SwarmTask]) -> [DriverEvent] {
        var events: [DriverEvent] = isConnected ? [] : [.resync]
        var over: Set<String> = []
        for task in tasks where task.isPlaced {
            guard case .ended(let code) = task.outcome(isLost: false), let runner = task.runner else { continue }
            over.insert(task.ID)
            // After an outage, whoever hears of it looks at everything.
            if isConnected, !ended.contains(task.ID) { events.append(.exited(runner: runner, exitCode: code)) }
        }
        (ended, isConnected, hasToldOutage, failures) = (over, true, false, 0)
        return events
    }

    mutating func failed(_ why: String) -> [DriverEvent] {
        failures += 1
        isConnected = false
        if hasToldOutage { return [] }
        hasToldOutage = true
        return [.disconnected(why)]
    }
}
