import ControlModel
import FoundationEssentials

/// The state of `autogitctl top`, and its reactions to keys, events and answers. Pure: it does no I/O, and times come in as parameters.
struct TopModel: Equatable {
    enum Input: Equatable, Sendable {
        /// A reading is complete.
        case views(TopViews)
        /// A reading failed, and why.
        case unanswered(String)
        /// The stream of events was opened, or broke.
        case events(isOpen: Bool)
        /// Something happened in the daemon.
        case event
        case key(Key)
        case tick
        case resized(TopSize)
        /// An order was carried out or refused; the text is for people.
        case result(String, isFailure: Bool)
        case paused(PauseView)
        case log(runner: String, text: String)
    }

    /// An order that `TopSession` carries out.
    enum Effect: Equatable {
        case read
        case pause(String)
        case resume(String)
        case drain(String)
        case readLog(String)
        case quit
    }

    enum Row: Equatable, Hashable {
        case pool(String)
        case runner(String)
    }

    enum Mode: Equatable {
        case table
        /// Asks whether to drain this runner.
        case confirming(String)
        case log(TopLog)
    }

    struct Message: Equatable {
        var text: String
        var isFailure: Bool
        var until: Date
    }

    private(set) var views: TopViews
    /// When `views` were read.
    private(set) var readAt: Date
    private(set) var size: TopSize
    private(set) var selection: Row?
    private(set) var mode = Mode.table
    private(set) var message: Message?
    private(set) var showsHelp = false
    /// Why the last reading failed; nil when it did not.
    private(set) var trouble: String?
    /// nil until the stream of events was opened or refused.
    private(set) var eventsAreOpen: Bool?
    private(set) var now: Date

    private var isReading = false
    private var hasNews = false
    private var readBegan: Date

    /// Nothing is read more often than this, in seconds.
    static let shortestPause = 0.5
    /// Read again at least this often, in seconds, also without an event.
    static let longestPause = 10.0

    init(_ views: TopViews, size: TopSize, at now: Date) {
        self.views = views
        self.size = size
        self.now = now
        readAt = now
        readBegan = now
        selection = rows.first
    }

    mutating func take(_ input: Input, at now: Date) -> [Effect] {
        self.now = now
        switch input {
        case .views(let views):
            isReading = false
            trouble = nil
            readAt = now
            show(views)
            return []
        case .unanswered(let reason):
            isReading = false
            trouble = reason
            return []
        case .events(let isOpen):
            // Changes during a gap are in no event.
            let isNews = isOpen != (eventsAreOpen ?? false)
            eventsAreOpen = isOpen
            return isNews ? news() : []
        case .event: return news()
        case .tick:
            if let message, now >= message.until { self.message = nil }
            return isDue ? read() : []
        case .resized(let size):
            self.size = size
            if case .log(var log) = mode {
                log.fit(size)
                mode = .log(log)
            }
            return []
        case .result(let text, let isFailure):
            say(text, isFailure: isFailure)
            return isFailure ? [] : news()
        case .paused(let view):
            // At once, so that the next key does not repeat the order.
            if let index = views.pools.firstIndex(where: { $0.name == view.name }) { views.pools[index].paused = view.paused }
            say("pool \(view.name) is \(view.paused ? "paused" : "open")", isFailure: false)
            return news()
        case .log(let runner, let text):
            // The open question comes first.
            if case .confirming = mode { return [] }
            message = nil
            mode = .log(TopLog(runner: runner, text: text, size: size))
            return []
        case .key(let key): return take(key)
        }
    }

    // MARK: Reading

    private mutating func news() -> [Effect] {
        hasNews = true
        return isDue ? read() : []
    }

    private var isDue: Bool {
        let passed = now.timeIntervalSince(readBegan)
        // A clock that was set back must not stop the readings.
        return !isReading && (passed < 0 || passed >= (hasNews ? Self.shortestPause : Self.longestPause))
    }

    private mutating func read() -> [Effect] {
        isReading = true
        hasNews = false
        readBegan = now
        return [.read]
    }

    private mutating func show(_ new: TopViews) {
        let place = selection.flatMap { rows.firstIndex(of: $0) } ?? 0
        views = new
        let present = rows
        if !present.contains(where: { $0 == selection }) { selection = present.isEmpty ? nil : present[min(place, present.count - 1)] }
        if case .confirming(let runner) = mode, !new.runners.contains(where: { $0.id == runner }) {
            mode = .table
            say("the runner is gone", isFailure: false)
        }
    }

    // MARK: Keys

    private mutating func take(_ key: Key) -> [Effect] {
        if key == .interrupt { return [.quit] }
        switch mode {
        case .confirming(let runner):
            mode = .table
            guard key == .letter("y") || key == .letter("Y") else {
                message = nil
                return []
            }
            say("draining \(name(of: runner))…", isFailure: false)
            return [.drain(runner)]
        case .log(var log):
            switch key {
            case .escape, .letter("q"): mode = .table
            case .letter("l"), .letter("r"): return [.readLog(log.runner)]
            default:
                log.take(key)
                mode = .log(log)
            }
            return []
        case .table: return takeInTable(key)
        }
    }

    private mutating func takeInTable(_ key: Key) -> [Effect] {
        switch key {
        case .letter("q"): return [.quit]
        case .letter("?"): showsHelp.toggle()
        case .escape:
            showsHelp = false
            message = nil
        case .up, .letter("k"): move(by: -1)
        case .down, .letter("j"): move(by: 1)
        case .pageUp: move(by: -10)
        case .pageDown: move(by: 10)
        case .home: move(by: -rows.count)
        case .end: move(by: rows.count)
        case .letter("p"): return pauseOrResume()
        case .letter("d"):
            guard let runner = selectedRunner else {
                say("select a runner to drain it", isFailure: true)
                break
            }
            mode = .confirming(runner.id)
        case .letter("l"):
            guard let runner = selectedRunner else {
                say("select a runner to read its log", isFailure: true)
                break
            }
            say("reading the log of \(runner.id)…", isFailure: false)
            return [.readLog(runner.id)]
        default: break
        }
        return []
    }

    private mutating func move(by steps: Int) {
        let rows = rows
        guard !rows.isEmpty else { return }
        let place = selection.flatMap { rows.firstIndex(of: $0) } ?? 0
        selection = rows[max(0, min(rows.count - 1, place + steps))]
    }

    private mutating func pauseOrResume() -> [Effect] {
        let name: String
        switch selection {
        case .pool(let pool): name = pool
        case .runner: name = selectedRunner?.pool ?? ""
        case nil:
            say("select a pool to pause it", isFailure: true)
            return []
        }
        guard let pool = views.pools.first(where: { $0.name == name }) else {
            say("pool \(name) is no longer configured", isFailure: true)
            return []
        }
        say("\(pool.paused ? "resuming" : "pausing") pool \(name)…", isFailure: false)
        return [pool.paused ? .resume(name) : .pause(name)]
    }

    private mutating func say(_ text: String, isFailure: Bool) {
        message = Message(text: text, isFailure: isFailure, until: now.addingTimeInterval(isFailure ? 10 : 5))
    }
}

// MARK: Rows

extension TopModel {
    /// The longest waiting first.
    var waiting: [JobView] {
        var jobs = views.jobs.filter { $0.status == "pending" }
        // The newest jobs only are listed, and those that wait the longest may be older.
        let listed = Set(jobs.map(\.id))
        for (id, reason) in views.status.waiting {
            guard let id = Int64(id), !listed.contains(id) else { continue }
            var job = JobView(id: id, project_id: 0, status: "pending")
            job.waiting_reason = reason
            jobs.append(job)
        }
        return jobs.sorted { ($0.pending_at ?? "", $0.id) < ($1.pending_at ?? "", $1.id) }
    }

    /// By pool and age, so that no row moves when a runner's status changes.
    var runners: [RunnerView] {
        let places = Dictionary(views.pools.enumerated().map { ($1.name, $0) }) { first, _ in first }
        func key(_ runner: RunnerView) -> (Int, String, String, String) {
            (places[runner.pool] ?? places.count, runner.pool, runner.requested_at, runner.id)
        }
        return views.runners.sorted { key($0) < key($1) }
    }

    /// The rows that can be selected, from top to bottom.
    var rows: [Row] { views.pools.map { .pool($0.name) } + runners.map { .runner($0.id) } }

    var selectedRunner: RunnerView? {
        guard case .runner(let id) = selection else { return nil }
        return views.runners.first { $0.id == id }
    }

    func name(of runner: String) -> String { views.runners.first { $0.id == runner }?.name ?? runner }

    /// Seconds until a runner leaves, counted on from the last reading.
    func cooldownLeft(of runner: RunnerView) -> Double? {
        runner.cooldown_left.map { max(0, $0 - max(0, now.timeIntervalSince(readAt))) }
    }
}
