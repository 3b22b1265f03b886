import Fleet
import FoundationEssentials
import HTTPTransfer
import Logging
import RunnerConfiguration
import Synchronization

/// Runs each runner as a Job of a Kubernetes cluster, in one namespace. `docs/kubernetes-notes.md` has the facts that decide how.
public final class KubernetesDriver: RunnerDriver {
    let api: KubeAPI
    let instance: String
    let clock: any WallClock
    let log: Logger

    /// - Parameters:
    ///   - instance: of this AutoGit; what has another's labels is never touched.
    ///   - clock: tells how long a start or a removal takes, and waits in between.
    public init(_ api: KubeAPI, instance: String, clock: any WallClock = SystemClock(), log: Logger) {
        self.api = api
        self.instance = instance
        self.clock = clock
        self.log = log
    }

    // MARK: Signals

    /// Asks for the runner's end with its pool's stop signal, or kills it with `SIGKILL`. One that has ended or is gone is no error.
    ///
    /// Kubernetes has no signal without a removal: the pod is removed with its grace period, and its hook sends the signal. Its Job stays, and has
    /// the exit code in its words when the pod is gone.
    /// - Throws: `KubernetesError`, also for any other signal.
    public func signal(_ runner: RunnerID, _ signal: String) async throws {
        for pod in try await pods(of: runner) where pod.metadata.runner(of: instance) == runner && !pod.hasEnded {
            var options = DeleteOptions()
            if signal == "SIGKILL" {
                options.gracePeriodSeconds = Self.killGrace
            } else if pod.metadata.annotations?[KubeLabels.stopSignal] != signal {
                let known = pod.metadata.annotations?[KubeLabels.stopSignal] ?? "none"
                throw KubernetesError(
                    message: "Kubernetes can't send \(signal) to a pod, only the stop signal that it was made with, which is \(known)", isOutage: false)
            } else if pod.metadata.deletionTimestamp != nil {
                // Its time is running. Asking again would not make it shorter.
                continue
            }
            try await delete(.pods, pod.metadata.name, options)
        }
    }

    /// Seconds of a kill. With 0 Kubernetes would forget the pod at once, whether its node has killed it or not, and its exit code with it.
    static let killGrace: Int64 = 1

    // MARK: Lists

    /// All Jobs of this AutoGit, and runners of which only pods are left, their own or those of their jobs.
    /// - Throws: `KubernetesError`
    public func list() async throws -> [DriverObject] {
        let selector = KubeLabels.all(of: instance)
        let jobs = try await all(.jobs, KubeJob.self, selector).items
        let pods = try await all(.pods, KubePod.self, selector).items
        return PodState.objects(jobs: jobs, pods: pods, instance: instance)
    }

    /// The runner's pods and those of its jobs. A server that doesn't know a selector would list everything, so it is looked at again.
    func pods(of runner: RunnerID) async throws -> [KubePod] {
        var found: [KubePod] = []
        for selector in KubeLabels.selectors(runner, of: instance) {
            found += try await all(.pods, KubePod.self, selector).items.filter { pod in
                (pod.metadata.runner(of: instance) == runner || pod.metadata.jobRunner(of: instance) == runner)
                    && !found.contains { $0.metadata.uid == pod.metadata.uid }
            }
        }
        return found
    }

    /// How many things a page has.
    private static let page = 500

    /// Everything with these labels, and the version of the namespace that this was.
    func all<Item: Decodable & Sendable>(_ kind: KubeAPI.Kind, _ type: Item.Type, _ selector: String) async throws -> (items: [Item], version: String?) {
        var tries = 0
        while true {
            do { return try await pages(kind, type, selector) } catch let error as KubernetesError where error.status == 410 && tries < 3 {
                // The list changed so much while it was read that its next page is not known any more.
                tries += 1
            }
        }
    }

    private func pages<Item: Decodable & Sendable>(
        _ kind: KubeAPI.Kind, _ type: Item.Type, _ selector: String
    ) async throws -> (items: [Item], version: String?) {
        var items: [Item] = []
        var next: String?
        repeat {
            var query = [("labelSelector", selector), ("limit", "\(Self.page)")]
            if let next { query.append(("continue", next)) }
            let list = try api.decode(KubeList<Item>.self, try await api.call("GET", api.path(kind, query: query)))
            items += list.items ?? []
            next = list.metadata?.continue.flatMap { $0.isEmpty ? nil : $0 }
            if next == nil { return (items, list.metadata?.resourceVersion) }
        } while true
    }

    /// Removes one thing. One that isn't there is no error.
    func delete(_ kind: KubeAPI.Kind, _ name: String, _ options: DeleteOptions) async throws {
        // 409: it was changed meanwhile in a way that makes Kubernetes wait, and is being removed already.
        let body = Array(try JSONEncoder().encode(options))
        try await api.call("DELETE", api.path(kind, name), body: body, allowed: kind == .pods ? [404, 409] : [404])
    }

    // MARK: Output

    /// Lines that are asked for: as many as fill 256 KiB when they are as short as 16 bytes.
    private static let lastLines = 16_384
    /// The longest that a log may take that is not followed. Kubernetes asks the node for it, which may not answer.
    private static let logTimeout = Duration.seconds(60)

    /// The end of what the runner wrote; empty when its pod isn't there, or no container was made in it.
    /// - Throws: `KubernetesError`, also after a minute.
    public func lastOutput(_ runner: RunnerID, bytes: Int) async throws -> [UInt8] {
        var tail = OutputTail(most: bytes)
        for try await chunk in try await log(runner, lines: Self.lastLines, follow: false) { tail.take(chunk) }
        return tail.output
    }

    /// What the runner wrote, only as fast as it is read. Gone with its pod.
    /// - Throws: `KubernetesError`
    public func log(_ runner: RunnerID, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        let own = try await pods(of: runner).filter { $0.metadata.runner(of: instance) == runner }
        guard let pod = own.max(by: { ($0.metadata.creationTimestamp ?? "") < ($1.metadata.creationTimestamp ?? "") }) else { return Self.nothing }
        let query = [("container", KubeLabels.container), ("tailLines", "\(max(0, lines))"), ("follow", "\(follow)")]
        do {
            return try await api.stream(api.path(.pods, pod.metadata.name, "log", query: query), timeout: follow ? nil : Self.logTimeout)
        } catch let error as KubernetesError where error.status == 404 || (error.status == 400 && pod.main?.state?.running == nil && !pod.hasEnded) {
            // Gone meanwhile, or without a container as yet.
            return Self.nothing
        }
    }

    private static var nothing: AsyncThrowingStream<[UInt8], any Error> { AsyncThrowingStream { nil } }

    // MARK: Events

    /// How long Kubernetes is asked to let a watch live. It has an end so that a connection that has died unnoticed has one, too.
    static let watchTime = Duration.seconds(240)

    /// What happens to the pods, for as long as it is read. A watch that ends goes on where it was; when that is not known any more, everything is
    /// looked at again, which is told as `.resync`.
    public func events() -> AsyncStream<DriverEvent> {
        let (stream, out) = AsyncStream.makeStream(of: DriverEvent.self)
        let task = Task { [self] in
            let connection = Mutex(WatchConnection())
            var watch = PodWatch(instance: instance)
            while !Task.isCancelled {
                let isNew = watch.version == nil
                var end = WatchEnd(why: nil)
                do {
                    if isNew {
                        let found = try await all(.pods, KubePod.self, KubeLabels.all(of: instance))
                        watch.began(at: found.version, found.items)
                    }
                    let chunks = try await api.stream(watchPath(from: watch.version), timeout: Self.watchTime + .seconds(30))
                    connection.withLock { $0.opened(isNew: isNew) }.map { _ = out.yield($0) }
                    end = try await Self.read(chunks, &watch, out) { connection.withLock { $0.proved() }.map { _ = out.yield($0) } }
                } catch is CancellationError {
                    break
                } catch let error as KubernetesError where error.status == 410 {
                    watch.expired()
                    end = WatchEnd(why: error.message, isExpired: true)
                } catch {
                    end = WatchEnd(why: "\(error)")
                }
                // What was known a while ago and is not any more is asked for at once; but not again and again.
                let why = end.isExpired && !isNew ? nil : end.why
                let (event, pause) = connection.withLock { $0.ended(why, isDoubtful: end.isDoubtful) }
                event.map { _ = out.yield($0) }
                try? await clock.sleep(for: pause)
            }
            out.finish()
        }
        out.onTermination = { _ in task.cancel() }
        return stream
    }

    private func watchPath(from version: String?) -> String {
        api.path(
            .pods,
            query: [
                ("watch", "true"), ("labelSelector", KubeLabels.all(of: instance)), ("allowWatchBookmarks", "true"),
                ("resourceVersion", version ?? "0"), ("timeoutSeconds", "\(Self.watchTime.components.seconds)"),
            ])
    }

    private struct WatchEnd {
        /// nil for an end that was asked for.
        var why: String?
        var isExpired = false
        /// It was opened, and had not proved itself.
        var isDoubtful = false
    }

    /// Reads a watch to its end.
    /// - Parameter prove: it is a watch as it should be.
    private static func read(
        _ chunks: AsyncThrowingStream<[UInt8], any Error>, _ watch: inout PodWatch, _ out: AsyncStream<DriverEvent>.Continuation,
        prove: @escaping @Sendable () -> Void
    ) async throws(CancellationError) -> WatchEnd {
        let begin = ContinuousClock.now
        var hasDelivered = false
        let proof = Task {
            try await Task.sleep(for: WatchConnection.proof)
            prove()
        }
        defer { proof.cancel() }
        var lines = WatchLines()
        var why: String?
        var isExpired = false
        do {
            for try await chunk in chunks {
                for line in try lines.take(chunk) {
                    for event in try watch.take(line) { out.yield(event) }
                    hasDelivered = true
                    prove()
                }
            }
        } catch is CancellationError {
            throw CancellationError()
        } catch is PodWatch.Expired {
            watch.expired()
            (why, isExpired) = ("the watch of pods began too long ago", true)
        } catch {
            // A line that can't be read would come again from the same place.
            if !((error as? KubernetesError)?.isOutage ?? false) { watch.expired() }
            why = "the watch of pods broke off: \(error)"
        }
        let isDoubtful = !hasDelivered && ContinuousClock.now - begin < WatchConnection.proof
        if why == nil, isDoubtful { why = "the watch of pods ended at once" }
        return WatchEnd(why: why, isExpired: isExpired, isDoubtful: isDoubtful)
    }
}
