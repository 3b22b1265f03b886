import Fleet
import FoundationEssentials

/// Changes of pods, as a watch tells them line by line (kubernetes.io/docs/reference/using-api/api-concepts, "Efficient detection of changes").
struct PodWatch: Sendable {
    /// What was asked for is no longer known there: everything has to be looked at.
    struct Expired: Error {}

    private let instance: String
    /// Where the watch goes on; nil before a list, and after `Expired`.
    private(set) var version: String?
    /// Pods whose end was told, and those of jobs that had run out of memory, by uid.
    private var told: Set<String> = []

    init(instance: String) { self.instance = instance }

    /// Everything was looked at. What has ended by now is seen by whoever lists, not told.
    mutating func began(at version: String?, _ pods: [KubePod]) {
        self.version = version
        told = Set(pods.filter { $0.hasEnded || $0.hasOutOfMemory }.map(\.metadata.uid))
    }

    /// The watch can't go on from there.
    mutating func expired() { version = nil }

    private struct Line<Object: Decodable>: Decodable {
        var type: String
        var object: Object
    }
    private struct Head: Decodable { var type: String }
    private struct Bookmark: Decodable {
        struct Metadata: Decodable { var resourceVersion: String? }
        var metadata: Metadata?
    }

    /// - Throws: `Expired`; `KubernetesError` for another error that comes as a line, and for a line that can't be read: going on would leave
    ///   something out.
    mutating func take(_ line: [UInt8]) throws -> [DriverEvent] {
        let data = Data(line)
        let decoder = JSONDecoder()
        do {
            switch try decoder.decode(Head.self, from: data).type {
            case "BOOKMARK":
                version = try decoder.decode(Line<Bookmark>.self, from: data).object.metadata?.resourceVersion ?? version
                return []
            case "ERROR":
                let status = try decoder.decode(Line<KubeStatus>.self, from: data).object
                if status.code == 410 || status.reason == "Expired" || status.reason == "Gone" { throw Expired() }
                throw KubernetesError(status, to: "the watch of pods")
            case let type:
                let pod = try decoder.decode(Line<KubePod>.self, from: data).object
                version = pod.metadata.resourceVersion ?? version
                return events(of: pod, isGone: type == "DELETED")
            }
        } catch let error as DecodingError {
            throw KubernetesError(message: "a line of the watch of pods can't be read: \(error)", isOutage: false)
        }
    }

    private mutating func events(of pod: KubePod, isGone: Bool) -> [DriverEvent] {
        let uid = pod.metadata.uid
        let wasTold = told.contains(uid)
        if isGone { told.remove(uid) }
        if let runner = pod.metadata.runner(of: instance) {
            guard !wasTold, pod.hasEnded || isGone else { return [] }
            if !isGone { told.insert(uid) }
            let exit = DriverEvent.exited(runner: runner, exitCode: pod.exitCode)
            return pod.isOutOfMemory ? [.outOfMemory(runner: runner), exit] : [exit]
        }
        guard let runner = pod.metadata.jobRunner(of: instance), !wasTold, pod.hasOutOfMemory else { return [] }
        if !isGone { told.insert(uid) }
        return [.outOfMemory(runner: runner, inContainerOfJob: true)]
    }
}

/// What the driver tells of its watch, and how long it waits before it opens it again.
///
/// A watch ends every few minutes because it was asked to; that is no disconnection, and nothing is lost. But one that ends at once, again and
/// again, is of a cluster that is broken or of a proxy in between: it has proved itself when it delivered something or has lived for `proof`.
struct WatchConnection: Sendable {
    static let proof = Duration.seconds(5)
    private static let retry = Backoff.Policy(first: .milliseconds(250), most: .seconds(30))

    private enum Told: Sendable { case nothing, connected, disconnected }
    private var told = Told.nothing
    /// Watches in a row that failed, or ended before they had proved themselves.
    private var failures = 0
    /// The last watch was opened and ended before it had proved itself.
    private var isDoubtful = false

    /// A watch was opened.
    /// - Parameter isNew: everything was looked at before it, because something may have been missed.
    mutating func opened(isNew: Bool) -> DriverEvent? { isDoubtful ? nil : tellConnected(isNew: isNew) }

    /// The watch proved itself. May be said again.
    mutating func proved() -> DriverEvent? {
        failures = 0
        isDoubtful = false
        return tellConnected(isNew: false)
    }

    /// The watch ended, or could not be opened.
    /// - Parameters:
    ///   - why: nil for one that ended as it was asked to.
    ///   - isDoubtful: it was opened, and had not proved itself.
    mutating func ended(_ why: String?, isDoubtful: Bool = false) -> (event: DriverEvent?, pause: Duration) {
        self.isDoubtful = isDoubtful && why != nil
        guard let why else { return (nil, .zero) }
        failures += 1
        let pause = Self.retry.wait(after: failures)
        if told == .disconnected { return (nil, pause) }
        told = .disconnected
        return (.disconnected(why), pause)
    }

    private mutating func tellConnected(isNew: Bool) -> DriverEvent? {
        if told == .connected && !isNew { return nil }
        told = .connected
        return .resync
    }
}

/// Whole lines out of arbitrary chunks.
struct WatchLines: Sendable {
    /// Longer than any object that etcd stores.
    static let longest = 4 << 20
    private var rest: [UInt8] = []

    /// - Throws: `KubernetesError` for a line without end.
    mutating func take(_ chunk: [UInt8]) throws -> [[UInt8]] {
        rest += chunk
        var lines = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(Array.init)
        rest = lines.popLast() ?? []
        if rest.count > Self.longest { throw KubernetesError(message: "a line of the watch of pods is longer than \(Self.longest >> 20) MiB", isOutage: false) }
        return lines.filter { !$0.isEmpty }
    }
}
