import ControlModel
import Fleet
import Synchronization

/// The last things that happened, for any number of readers. Each reads from where it is, at its own pace: nothing is kept for it, and who falls
/// behind by more than what is kept has missed something, and is told so.
public final class EventFeed: FleetAudience {
    /// How many events are kept.
    public static let size = 1000

    /// A place in the feed of one life of the daemon: after its event of that number.
    public struct Position: Sendable, Equatable, CustomStringConvertible {
        /// Of the daemon's life.
        public var life: String
        /// From 1 on; 0 before the first.
        public var number: Int

        init(life: String, number: Int) {
            self.life = life
            self.number = number
        }

        /// Reads what `description` writes; nil for anything else.
        public init?(_ text: String) {
            let parts = text.split(separator: "-", omittingEmptySubsequences: false)
            guard parts.count == 2, let number = Int(parts[1]), number >= 0, !parts[0].isEmpty else { return nil }
            self.init(life: String(parts[0]), number: number)
        }

        /// As the `id` of a server-sent event.
        public var description: String { "\(life)-\(number)" }
    }

    /// One event, whose JSON is made once, when the first reader wants it.
    public final class Entry: Sendable {
        /// Where a reader is that has read it.
        public let position: Position
        /// What happened.
        public let view: EventView
        private let made = Mutex<[UInt8]?>(nil)

        init(_ position: Position, _ view: EventView) {
            self.position = position
            self.view = view
        }

        /// On one line.
        public func json() throws -> [UInt8] {
            try made.withLock { made in
                if let made { return made }
                let bytes = try APIJSON.bytes(view)
                made = bytes
                return bytes
            }
        }
    }

    /// What a reader finds.
    public enum Reading: Sendable {
        /// At least one, in their order.
        case events([Entry])
        /// It is not known what happened since: everything is to be read again, and events from here on.
        case reset(Position)
    }

    private struct State {
        var ring: [Entry?] = Array(repeating: nil, count: EventFeed.size)
        var last = 0
        var waiting: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0
    }
    private let state = Mutex(State())
    private let life: String
    private let clock: any WallClock

    /// - Parameter clock: its time now names this life of the daemon.
    public init(clock: any WallClock = SystemClock()) {
        self.clock = clock
        life = String(clock.now().milliseconds, radix: 36)
    }

    /// Where a reader begins that has read something of which nothing is known.
    public static let unknown = Position(life: "", number: 0)

    /// Where a reader begins that wants what happens from now on.
    public var now: Position { Position(life: life, number: state.withLock { $0.last }) }

    /// Before the last events, as many of them as are kept at most.
    public func position(before count: Int) -> Position {
        let last = state.withLock { $0.last }
        return Position(life: life, number: max(0, last - min(count, Self.size)))
    }

    // MARK: Writing

    public func happened(_ events: [FleetEvent], in fleet: FleetState) {
        let now = clock.now()
        let views = events.map { fleet.view($0, at: now) }
        let waiting = state.withLock { state in
            for view in views {
                state.last += 1
                state.ring[state.last % Self.size] = Entry(Position(life: life, number: state.last), view)
            }
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for reader in waiting { reader.resume() }
    }

    public func planned(within time: Duration) {}

    // MARK: Reading

    /// What happened after a position, up to `most` events; nil when nothing has.
    public func read(after position: Position, atMost most: Int = 100) -> Reading? {
        state.withLock { state in
            let isKnown = position.life == life && position.number <= state.last && state.last - position.number <= Self.size
            guard isKnown else { return .reset(Position(life: life, number: state.last)) }
            guard position.number < state.last else { return nil }
            return .events((position.number + 1...min(state.last, position.number + most)).compactMap { state.ring[$0 % Self.size] })
        }
    }

    /// Returns when something has happened after the position, or when the task is cancelled.
    public func wait(after position: Position) async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waits = state.withLock { state in
                    guard position.life == life, position.number == state.last, !Task.isCancelled else { return false }
                    state.waiting[id] = continuation
                    return true
                }
                if !waits { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: id) }?.resume()
        }
    }
}

extension FleetState {
    func view(_ event: FleetEvent, at now: Timestamp) -> EventView {
        var view = EventView(
            at: shownTimes.text(now), kind: event.topic.rawValue, event: event.code, severity: "\(event.severity)", message: event.message,
            fields: Dictionary(event.fields.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first }))
        view.pool = event.pool
        view.runner = event.runner.map { self.view($0, at: now) }
        view.job = event.job.map { self.view($0) }
        return view
    }
}

extension FleetEvent {
    /// What it is about: an incident, where the journal's catalog has an entry for it.
    var topic: EventView.Kind {
        if incident != nil { return .incident }
        if job != nil { return .job }
        if runner != nil { return .runner }
        return pool != nil ? .pool : .health
    }
}
