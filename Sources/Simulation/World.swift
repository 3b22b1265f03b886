import Fleet
import Logging

/// What goes wrong, and how often: chances for each call, from 0 to 1.
public struct FaultRates: Sendable {
    public var failBefore = 0.03
    public var failAfter = 0.02
    public var hang = 0.004
    public var slow = 0.04
    /// The call fails in time, and takes its effect up to minutes later.
    public var late = 0.01
    /// The daemon is killed, at a call's beginning or just after its effect.
    public var crash = 0.002
    public var hookLost = 0.10
    public var hookDoubled = 0.10
    public var hookLate = 0.25
    public var eventLost = 0.08
    public var diskFull = 0.002
    /// Outages begun in an hour, of GitLab and of the engine.
    public var outages = 3.0
    /// Of runners: never makes contact, never takes a job, dies in a job, ends at once, ignores its stop signal.
    public var badRunner = 0.10
    public var jobCancelled = 0.08
    public var takenByOthers = 0.05
    /// Of jobs: polls never see them, because their project answers 403; then no poll is ever complete.
    public var hiddenProject = 0.0
    /// Of containers: the engine refuses to remove them.
    public var unremovable = 0.01
    /// Orders of the operator in an hour, and changes of the configuration.
    public var orders = 3.0
    /// GitLab is installed afresh, in an hour.
    public var startsOver = 0.0
    /// The engine is restarted with another socket, in an hour.
    public var newSockets = 0.0
    /// A GPU or the emulators are gone for a while, in an hour.
    public var lostHardware = 0.0
    /// The clock is set, up to two days either way, while no daemon runs.
    public var clockSet = 0.0
    /// Other hosts can't be reached for a while, each in an hour; what runs there goes on.
    public var cuts = 0.0
    public init() {}
    public static let none: FaultRates = {
        var rates = FaultRates()
        (rates.failBefore, rates.failAfter, rates.hang, rates.slow, rates.crash) = (0, 0, 0, 0, 0)
        (rates.hookLost, rates.hookDoubled, rates.hookLate, rates.eventLost, rates.diskFull) = (0, 0, 0, 0, 0)
        (rates.outages, rates.badRunner, rates.jobCancelled, rates.takenByOthers) = (0, 0, 0, 0)
        (rates.late, rates.unremovable, rates.orders) = (0, 0, 0)
        return rates
    }()
}

/// A call that failed on purpose.
struct SimulatedFailure: ForgeFailure, DriverFailure, CustomStringConvertible {
    var description: String
    var retryAfter: Duration?
    var tokenRefused = false
    /// A refusal is no outage.
    var isOutage = true
}

/// The time, the dice, the outside world, and the oracle that watches what the daemon does to it.
///
/// Everything runs on one thread (see `Scheduler`), which is why none of this is locked.
public final class World: @unchecked Sendable {
    static let start = Timestamp(milliseconds: 1_764_000_000_000)
    public let seed: UInt64
    public let scheduler: Scheduler
    public var random: SplitMix
    public var rates: FaultRates
    /// What the clock of the daemon's present life shows, beside the time that passes.
    private(set) var clockError = Duration.zero
    private var clockDice: SplitMix
    public private(set) var faults: [String: Int] = [:]
    public private(set) var checks = 0
    public private(set) var violations: [String] = []
    /// Which life of the daemon this is; what belongs to an earlier one is dead.
    public internal(set) var generation = 0
    /// An effect is taking place whose call has failed before.
    private(set) var isLate = false
    var onCrash: () -> Void = {}
    private var log: [String] = []
    public var keepsLog = false

    lazy var gitlab = SimulatedGitLab(world: self)
    lazy var engine = SimulatedEngine(world: self)
    /// Those of other hosts.
    var remote: [SimulatedEngine] = []
    var engines: [SimulatedEngine] { [engine] + remote }
    var containers: [SimulatedEngine.Container] { engines.flatMap(\.containers.values) }
    func engine(of runner: RunnerID) -> SimulatedEngine? { engines.first { $0.containers[runner] != nil } }
    lazy var hardware = SimulatedHardware(world: self)
    lazy var hosts = SimulatedHosts(world: self)
    lazy var disk = SimulatedDisk(world: self)

    public init(seed: UInt64, rates: FaultRates) {
        self.seed = seed
        self.rates = rates
        random = SplitMix(seed: seed)
        clockDice = SplitMix(seed: seed ^ 0xC10C)
        scheduler = Scheduler(seed: seed, start: Self.start)
    }

    public var now: Timestamp { scheduler.now }
    func after(_ time: Duration, _ body: @escaping () -> Void) { scheduler.after(time, body) }

    // MARK: Faults

    func count(_ fault: String) { faults[fault, default: 0] += 1 }

    /// Rolls the dice for a fault, and counts it.
    func strikes(_ fault: String, _ chance: Double) -> Bool {
        guard chance > 0, random.chance(chance) else { return false }
        count(fault)
        note("fault: \(fault)")
        return true
    }

    /// Ends the daemon here and now.
    func crash(_ where: String) {
        count("daemon killed")
        note("the daemon is killed \(`where`)")
        generation += 1
        onCrash()
    }

    /// Dice of its own, so that a seed's other faults stay what they were.
    func setClock() {
        guard rates.clockSet > 0, clockDice.chance(rates.clockSet) else { return }
        clockError = clockDice.between(0, 4 * 86_400_000) - .seconds(2 * 86_400)
        count("clock set between two lives")
        note("fault: the clock is wrong by \(clockError)")
    }

    /// What belongs to a dead daemon never goes on.
    func never() async { await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in } }

    /// One call of the daemon's to the world outside: it takes time, can fail before or after it took effect, can
    /// hang, and the daemon can be killed around it.
    /// - Parameter outage: says why nothing answers now, or nil.
    func call<T>(_ what: String, of life: Int, outage: () -> (any Error)? = { nil }, _ effect: @escaping () throws -> T) async throws -> T {
        await pause(life, strikes("slow call", rates.slow) ? random.between(1000, 20_000) : random.between(1, 60))
        if strikes("hang", rates.hang) {
            await pause(life, .seconds(30))
            throw SimulatedFailure(description: "\(what): timed out")
        }
        if let error = outage() {
            count("call in an outage")
            throw error
        }
        if strikes("effect after its error", rates.late) {
            await pause(life, random.between(1000, 60_000))
            after(random.between(1, 180_000)) {
                self.note("late: \(what)")
                self.isLate = true
                _ = try? effect()
                self.isLate = false
            }
            throw SimulatedFailure(description: "\(what): timed out")
        }
        if strikes("call failed before its effect", rates.failBefore) {
            if random.chance(0.2) { throw SimulatedFailure(description: "\(what): 429", retryAfter: random.between(1000, 60_000)) }
            throw SimulatedFailure(description: "\(what): failed")
        }
        if rates.crash > 0, random.chance(rates.crash) {
            crash("before \(what)")
            await never()
        }
        let result = try effect()
        if rates.crash > 0, random.chance(rates.crash) {
            crash("after \(what)")
            await never()
        }
        await pause(life, random.between(0, 20))
        if strikes("answer lost after the effect", rates.failAfter) { throw SimulatedFailure(description: "\(what): the answer was lost") }
        return result
    }

    func pause(_ life: Int, _ time: Duration) async {
        if life != generation { await never() }
        await withUnsafeContinuation { (done: UnsafeContinuation<Void, Never>) in after(time) { done.resume() } }
        if life != generation { await never() }
    }

    // MARK: The oracle

    func check(_ holds: Bool, _ rule: String) {
        checks += 1
        guard !holds else { return }
        note("VIOLATION: \(rule)")
        if violations.count < 20 { violations.append(rule) }
    }

    func note(_ line: @autoclosure () -> String) {
        if keepsLog { log.append("\(now.iso8601) \(line())") }
    }

    public var story: [String] { log }
}

/// The daemon's clock in one of its lives.
struct SimulatedClock: WallClock {
    let world: World
    let life: Int
    let error: Duration

    init(world: World, life: Int) {
        (self.world, self.life) = (world, life)
        error = world.clockError
    }

    func now() -> Timestamp { world.now + error }

    func sleep(for time: Duration) async throws {
        if life != world.generation { await world.never() }
        try Task.checkCancellation()
        let sleeper = Sleeper()
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { (done: UnsafeContinuation<Void, any Error>) in
                sleeper.done = done
                world.after(time) { sleeper.finish(nil) }
            }
        } onCancel: {
            sleeper.finish(CancellationError())
        }
        if life != world.generation { await world.never() }
    }

    private final class Sleeper: @unchecked Sendable {
        var done: UnsafeContinuation<Void, any Error>?
        func finish(_ error: (any Error)?) {
            let waiting = done
            done = nil
            if let error { waiting?.resume(throwing: error) } else { waiting?.resume() }
        }
    }
}

/// The daemon's own lines, in the story of a failed seed.
struct StoryLogHandler: LogHandler {
    let world: World
    let life: Int
    var logLevel: Logger.Level = .debug
    var metadata: Logger.Metadata = [:]
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
    func log(event: LogEvent) {
        guard life == world.generation else { return }
        let fields = (event.metadata ?? [:]).filter { $0.key != "message_id" }.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        world.note("autogitd: \(event.level) \(event.message) \(fields.joined(separator: " "))")
    }
}
