import DequeModule
import Fleet
import FoundationEssentials
import Logging

/// Tells targets what their desks decide, in order, each at its own pace: a target that is away holds up no other, and never the control loop.
///
/// What could not be delivered waits, up to a bound, and is tried again with back-off until it is a day old. It is kept with what the desks know in a
/// file, so that a restart neither loses a notification nor tells one again.
public actor Notifier {
    /// The most notifications that wait for one target; then the oldest go.
    public static let mostWaiting = 100
    /// Older ones are of no use.
    static let mostAge = Duration.seconds(86_400)
    /// Of notifications that did not get through.
    static let retry = Backoff.Policy.notification

    /// How a target's test went.
    public struct Trial: Sendable, Equatable {
        public var target: NotifyTarget
        public var outcome: DeliveryOutcome
    }

    /// Where what must outlive the daemon is kept.
    public struct Memory: Sendable {
        /// What `save` was given last; nil where there is nothing.
        public var load: @Sendable () async -> [UInt8]?
        /// Keeps it; a failure is not told, because the database's own is.
        public var save: @Sendable ([UInt8]) async -> Void
        public init(load: @escaping @Sendable () async -> [UInt8]?, save: @escaping @Sendable ([UInt8]) async -> Void) {
            self.load = load
            self.save = save
        }

        /// Forgets.
        public static let none = Memory(load: { nil }, save: { _ in })
    }

    /// All of one target.
    private struct Post {
        var target: NotifyTarget
        var desk = Desk()
        var waiting: Deque<Notification> = []
        var backoff = Backoff()
        /// It was told in the journal that nothing gets there.
        var isFailing = false
        var lost = 0
        var worker: Task<Void, Never>?
    }

    private struct Kept: Codable {
        var desk: Desk
        var waiting: [Notification]
    }

    private var posts: [String: Post] = [:]
    private var names: [String] = []
    private var sender: Sender
    private var shown = ShownTimes()
    private let carrier: any Carrier
    private let memory: Memory
    private let clock: any WallClock
    private let log: Logger
    private let newID: @Sendable () -> String
    private var saved: [UInt8] = []
    private var saving: Task<Void, Never>?
    private var hasBegun = false

    /// - Parameters:
    ///   - newID: makes ids of deliveries: letters, digits and hyphens, each once.
    public init(
        _ targets: [NotifyTarget], from sender: Sender, by carrier: any Carrier, memory: Memory = .none, clock: any WallClock = SystemClock(), log: Logger,
        newID: @escaping @Sendable () -> String = { UUID().uuidString.lowercased() }
    ) {
        self.sender = sender
        self.carrier = carrier
        self.memory = memory
        self.clock = clock
        self.log = log
        self.newID = newID
        names = targets.map(\.name)
        for target in targets { posts[target.name] = Post(target: target) }
    }

    /// Nobody is to be told anything.
    public var isIdle: Bool { names.isEmpty }

    /// Goes on where an earlier life of the daemon was. Call it once, before anything else.
    public func begin(page: String?) async {
        sender.page = page
        if let bytes = await memory.load(), let kept = try? JSONDecoder().decode([String: Kept].self, from: Data(bytes)) {
            let now = clock.now()
            for (name, known) in kept where posts[name] != nil {
                posts[name]?.desk = known.desk
                posts[name]?.desk.resume(at: now)
                posts[name]?.waiting = Deque(known.waiting.suffix(Self.mostWaiting))
            }
        }
        hasBegun = true
        for name in names { work(name) }
    }

    /// Other targets from now on. One that stays keeps what it was told and what waits for it, also under another name.
    public func replace(_ targets: [NotifyTarget]) {
        var (old, new): ([String: Post], [String: Post]) = (posts, [:])
        func take(_ name: String?, for target: NotifyTarget) {
            guard new[target.name] == nil, let name, var post = old.removeValue(forKey: name) else { return }
            if post.target != target {
                post.worker?.cancel()
                post.worker = nil
                post.backoff = Backoff()
                post.target = target
            }
            new[target.name] = post
        }
        for target in targets {
            let same = old.filter { $0.value.target.kind == target.kind && $0.value.target.url == target.url && $0.value.target.command == target.command }
            take(same[target.name] == nil ? same.keys.min() : target.name, for: target)
        }
        for target in targets { take(target.name, for: target) }
        for target in targets where new[target.name] == nil { new[target.name] = Post(target: target) }
        for post in old.values { post.worker?.cancel() }
        posts = new
        names = targets.map(\.name)
        guard hasBegun else { return }
        for name in names { work(name) }
        save()
    }

    /// Takes what is wrong now, all of it.
    /// - Parameters:
    ///   - unsure: kinds of which others may last, too.
    ///   - now: by the daemon's clock.
    ///   - shown: how its times are shown.
    /// - Returns: when there is next something to tell if nothing changes; nil when there is nothing.
    public func consider(
        _ concerns: [Concern], unsure: Set<ConcernKind> = [], at now: Timestamp, shown: ShownTimes = ShownTimes()
    ) -> Timestamp? {
        self.shown = shown
        var next: Timestamp?
        for name in names {
            guard var post = posts[name] else { continue }
            for var notification in post.desk.take(concerns, unsure: unsure, for: post.target, at: now) {
                notification.id = newID()
                post.waiting.append(notification)
                if post.waiting.count > Self.mostWaiting {
                    post.waiting.removeFirst()
                    post.lost += 1
                }
            }
            posts[name] = post
            work(name)
            if let wake = post.desk.wakeAt(for: post.target) { next = min(next ?? wake, wake) }
        }
        save()
        return next
    }

    /// Sends a test to one target or to all, once each, past what waits and past their rates.
    /// - Returns: nil when there is no target of that name.
    public func test(_ name: String?) async -> [Trial]? {
        let targets = names.filter { name == nil || $0 == name }.compactMap { posts[$0]?.target }
        guard name == nil || !targets.isEmpty else { return nil }
        let (carrier, sender) = (carrier, sender)
        let letters = targets.map { target in
            var notification = Notification.test(at: clock.now())
            notification.id = newID()
            return (target, notification)
        }
        return await withTaskGroup(of: (Int, Trial).self) { group in
            for (index, (target, notification)) in letters.enumerated() {
                group.addTask { (index, Trial(target: target, outcome: await carrier.carry(notification, from: sender, to: target))) }
            }
            var trials: [(Int, Trial)] = []
            for await trial in group { trials.append(trial) }
            return trials.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    /// Ends all deliveries. What waits is kept.
    public func end() async {
        hasBegun = false
        for name in names {
            posts[name]?.worker?.cancel()
            posts[name]?.worker = nil
        }
        await saving?.value
        if let bytes = content(), bytes != saved { await memory.save(bytes) }
    }

    // MARK: Delivering

    /// Starts the target's worker, unless there is one, or nothing to do.
    private func work(_ name: String) {
        guard hasBegun, let post = posts[name], post.worker == nil, !post.waiting.isEmpty else { return }
        posts[name]?.worker = Task { await self.deliver(to: post.target) }
    }

    private func deliver(to target: NotifyTarget) async {
        while !Task.isCancelled {
            guard let post = posts[target.name], let next = post.waiting.first else { break }
            if clock.now() - next.at > Self.mostAge {
                drop(next, of: target, "it is older than a day")
                continue
            }
            if let until = post.backoff.until, until > clock.now() {
                do { try await clock.sleep(for: until - clock.now()) } catch { return }
                continue
            }
            var letter = next
            letter.since = next.since.map(shown.calendar)
            let outcome = await carrier.carry(letter, from: sender, to: target)
            // The target was changed meanwhile, and another worker has its notifications.
            guard !Task.isCancelled else { return }
            took(outcome, of: next, target)
        }
        guard !Task.isCancelled else { return }
        posts[target.name]?.worker = nil
        save()
    }

    private func took(_ outcome: DeliveryOutcome, of notification: Notification, _ target: NotifyTarget) {
        let name = target.name
        switch outcome {
        case .delivered:
            posts[name]?.waiting.removeAll { $0.id == notification.id }
            posts[name]?.backoff.succeeded()
            guard posts[name]?.isFailing == true else { return }
            let lost = posts[name]?.lost ?? 0
            posts[name]?.isFailing = false
            posts[name]?.lost = 0
            log.notice("Notifications get through again", metadata: ["notify": "\(name)", "to": "\(target.address)", "lost": "\(lost)"])
        case .failed(let why, let after):
            posts[name]?.backoff.failed(Self.retry, at: clock.now(), atLeast: after ?? .zero)
            tellFailure("Notifications don't get through; trying again, and up to \(Self.mostWaiting) wait meanwhile", target, why)
        case .refused(let why):
            drop(notification, of: target, why)
        }
    }

    private func drop(_ notification: Notification, of target: NotifyTarget, _ why: String) {
        posts[target.name]?.waiting.removeAll { $0.id == notification.id }
        posts[target.name]?.lost += 1
        tellFailure("A notification did not get through, and is not tried again", target, why)
    }

    /// Once, until one gets through.
    private func tellFailure(_ message: String, _ target: NotifyTarget, _ why: String) {
        guard posts[target.name]?.isFailing == false else { return }
        posts[target.name]?.isFailing = true
        log.warning("\(message)", metadata: ["notify": "\(target.name)", "to": "\(target.address)", "reason": "\(why)"])
    }

    // MARK: Remembering

    private func content() -> [UInt8]? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return (try? encoder.encode(posts.mapValues { Kept(desk: $0.desk, waiting: Array($0.waiting)) })).map { Array($0) }
    }

    /// Several changes while one is being written are one.
    private func save() {
        guard hasBegun, saving == nil, let bytes = content(), bytes != saved else { return }
        saved = bytes
        saving = Task {
            await memory.save(bytes)
            self.wrote()
        }
    }

    private func wrote() {
        saving = nil
        save()
    }
}
