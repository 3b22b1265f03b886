import Fleet
import FoundationEssentials
import RunnerConfiguration
import Threads

/// A `die` event of one of our runners' containers, or a `start` or `oom` event of one of theirs or of a job's. Podman 4.3 has no `oom`.
struct ContainerEvent {
    var value: DriverEvent

    init?(_ line: [UInt8]) {
        struct Wire: Decodable {
            struct Actor: Decodable { var Attributes: [String: String]? }
            var Action: String?
            var status: String?
            var Actor: Actor?
        }
        guard let wire = try? JSONDecoder().decode(Wire.self, from: Data(line)), let attributes = wire.Actor?.Attributes else { return nil }
        switch wire.Action ?? wire.status {
        case "die":
            guard let runner = attributes[ContainerDriver.runnerLabel] else { return nil }
            let code = (attributes["exitCode"] ?? attributes["containerExitCode"]).flatMap { Int($0) }
            value = .exited(runner: runner, exitCode: code)
        case "oom":
            let job = attributes[RunnerConfiguration.runnerLabel]
            guard let runner = job ?? attributes[ContainerDriver.runnerLabel] else { return nil }
            value = .outOfMemory(runner: runner, inContainerOfJob: job != nil)
        case "start":
            guard let image = attributes["image"] else { return nil }
            value = .imageUsed(image)
        default: return nil
        }
    }
}

/// What the driver tells of its event stream, and how long it waits before it opens it again.
///
/// A stream has proved itself when it delivered something or has lived for `proof`. Until then it may be one that ends at
/// once, again and again, of an engine that is broken or a proxy in between: that is told once, as a disconnection.
struct EventConnection {
    static let proof = Duration.seconds(5)

    private enum Told { case nothing, connected, disconnected }

    private var told = Told.nothing
    private static let retry = Backoff.Policy(first: .milliseconds(250), most: .seconds(30))
    /// Streams in a row that failed before they had proved themselves.
    private var failures = 0
    /// The last stream ended before it had proved itself.
    private var isDoubtful = false
    private var isProved = false

    /// A stream was opened.
    mutating func opened() -> DriverEvent? {
        isProved = false
        return isDoubtful ? nil : tellConnected()
    }

    /// The stream proved itself. May be said again.
    mutating func proved() -> DriverEvent? {
        isProved = true
        isDoubtful = false
        failures = 0
        return tellConnected()
    }

    /// The stream that was opened ended.
    mutating func ended(_ why: String) -> (event: DriverEvent?, pause: Duration) {
        isDoubtful = !isProved
        return failed(why)
    }

    /// No stream could be opened.
    mutating func failed(_ why: String) -> (event: DriverEvent?, pause: Duration) {
        failures += 1
        let pause = Self.retry.wait(after: failures)
        if told == .disconnected { return (nil, pause) }
        told = .disconnected
        return (.disconnected(why), pause)
    }

    private mutating func tellConnected() -> DriverEvent? {
        if told == .connected { return nil }
        told = .connected
        return .resync
    }
}
