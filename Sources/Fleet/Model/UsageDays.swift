/// How often values of some size were met: a few numbers in place of all of them, of which quantiles can still be told to a tenth of their size.
public struct Spread: Sendable, Equatable {
    /// How many values were in a step. Step 0 is below a tenth of a second; each of the others ends at 1.2 times the one before.
    public private(set) var counts: [Int: Int]

    /// - Parameter counts: as `counts` of another one.
    public init(_ counts: [Int: Int] = [:]) { self.counts = counts }

    private static let first = 0.1
    private static let growth = 1.2
    /// Beyond ten years.
    private static let steps = 120
    private static let ends: [Double] = (0...steps).reduce(into: []) { ends, _ in ends.append(ends.last.map { $0 * growth } ?? first) }

    /// - Parameter value: in seconds; negative ones count as 0.
    public mutating func add(_ value: Double) {
        let step = Self.ends.firstIndex { value < $0 } ?? Self.steps
        counts[step, default: 0] += 1
    }

    /// All values of another one.
    public mutating func add(_ other: Spread) { counts.merge(other.counts, uniquingKeysWith: +) }

    /// The middle of the step in which the value lies that this share of the others does not exceed; nil without any.
    public func quantile(_ share: Double) -> Double? {
        let total = counts.values.reduce(0, +)
        guard total > 0 else { return nil }
        let rank = max(1, Int((Double(total) * share).rounded(.up)))
        var seen = 0
        for (step, count) in counts.sorted(by: { $0.key < $1.key }) {
            seen += count
            if seen >= rank { return step == 0 ? 0 : Self.ends[min(step, Self.steps)] / (1 + (Self.growth - 1) / 2) }
        }
        return nil
    }
}

/// What one day's jobs of one kind were, of those that runners of ours took.
public struct JobDay: Sendable, Equatable {
    /// What makes jobs one kind.
    public struct Kind: Sendable, Hashable {
        /// The name of the GitLab.
        public var forge: String
        public var pool: String
        /// The project's path, or its number while no path is known.
        public var project: String
        /// In their order.
        public var tags: [String]
        public init(forge: String, pool: String, project: String, tags: [String]) {
            self.forge = forge
            self.pool = pool
            self.project = project
            self.tags = tags
        }
    }

    public var kind: Kind
    /// Jobs that ended that day, by their result; canceled ones are the rest.
    public var jobs = 0
    public var succeeded = 0
    public var failed = 0
    /// Seconds that they ran, also of the day before.
    public var runSeconds = 0.0
    /// How many of them were measured, and the seconds of CPU time that these used.
    public var measured = 0
    public var cpuSeconds = 0.0
    /// Bytes, the largest of those that were measured.
    public var peakMemory: Int64 = 0
    /// Seconds that they waited.
    public var waits = Spread()
    public init(_ kind: Kind) { self.kind = kind }
}

/// What the runners of a pool were in one day.
public struct RunnerDay: Sendable, Equatable {
    public var pool: String
    /// Runners that made contact that day, and those that failed and were removed that day.
    public var started = 0
    public var failed = 0
    /// Seconds within the day that runners were there, and that they had a job.
    public var seconds = 0.0
    public var busySeconds = 0.0
    /// Seconds from the decision to start one to its contact.
    public var spawns = Spread()
    public init(_ pool: String) { self.pool = pool }
}

/// A job as a day's sum needs it.
public struct DayJob: Sendable, Equatable {
    public var kind: JobDay.Kind
    public var status: JobStatus
    public var pendingAt: Timestamp?
    public var runningAt: Timestamp
    /// nil while it runs.
    public var finishedAt: Timestamp?
    public var usage: JobUsage?
    public init(
        kind: JobDay.Kind, status: JobStatus, pendingAt: Timestamp?, runningAt: Timestamp, finishedAt: Timestamp?, usage: JobUsage? = nil
    ) {
        self.kind = kind
        self.status = status
        self.pendingAt = pendingAt
        self.runningAt = runningAt
        self.finishedAt = finishedAt
        self.usage = usage
    }
}

/// A runner as a day's sum needs it.
public struct DayRunner: Sendable, Equatable {
    public var pool: String
    public var requestedAt: Timestamp
    public var startedAt: Timestamp?
    public var contactedAt: Timestamp?
    /// nil while it is there.
    public var removedAt: Timestamp?
    public var failed: Bool
    public init(pool: String, requestedAt: Timestamp, startedAt: Timestamp?, contactedAt: Timestamp?, removedAt: Timestamp?, failed: Bool) {
        self.pool = pool
        self.requestedAt = requestedAt
        self.startedAt = startedAt
        self.contactedAt = contactedAt
        self.removedAt = removedAt
        self.failed = failed
    }
}

/// One day, from midnight to midnight in UTC.
public struct UsageDay: Sendable, Equatable {
    /// Such as `2026-11-30`.
    public var date: String
    /// One a kind, in no order.
    public var jobs: [JobDay]
    /// One a pool, in no order.
    public var runners: [RunnerDay]
    public init(date: String, jobs: [JobDay], runners: [RunnerDay]) {
        self.date = date
        self.jobs = jobs
        self.runners = runners
    }

    /// Milliseconds of a day without leap seconds, which Unix time doesn't have.
    private static let length: Int64 = 86_400_000
    /// The midnight before a time, or the time itself.
    public static func begin(_ time: Timestamp) -> Timestamp {
        Timestamp(milliseconds: time.milliseconds - ((time.milliseconds % length) + length) % length)
    }
    /// The midnight after.
    public static func end(_ time: Timestamp) -> Timestamp { Timestamp(milliseconds: begin(time).milliseconds + length) }

    /// Adds a day up. What is still under way counts until `now`.
    /// - Parameters:
    ///   - time: in that day.
    ///   - jobs: at least all that ran in a part of it.
    ///   - runners: at least all that were there in a part of it.
    public init(of time: Timestamp, jobs: [DayJob], runners: [DayRunner], now: Timestamp) {
        let (from, to) = (Self.begin(time), Self.end(time))
        var kinds: [JobDay.Kind: JobDay] = [:]
        var pools: [String: RunnerDay] = [:]
        func isWithin(_ time: Timestamp?) -> Bool { time.map { $0 >= from && $0 < to } ?? false }
        func overlap(_ begin: Timestamp, _ end: Timestamp?) -> Double { max(0, (min(to, end ?? now) - max(from, begin)).inSeconds) }
        for job in jobs {
            pools[job.kind.pool, default: RunnerDay(job.kind.pool)].busySeconds += overlap(job.runningAt, job.finishedAt)
            guard isWithin(job.finishedAt), let end = job.finishedAt, job.status.isOver else { continue }
            var day = kinds[job.kind] ?? JobDay(job.kind)
            day.jobs += 1
            if job.status == .success { day.succeeded += 1 }
            if job.status == .failed { day.failed += 1 }
            day.runSeconds += max(0, (end - job.runningAt).inSeconds)
            if let waiting = job.pendingAt { day.waits.add((job.runningAt - waiting).inSeconds) }
            if let usage = job.usage {
                day.measured += 1
                day.cpuSeconds += usage.cpuSeconds
                day.peakMemory = max(day.peakMemory, usage.peakMemory)
            }
            kinds[job.kind] = day
        }
        for runner in runners {
            var day = pools[runner.pool] ?? RunnerDay(runner.pool)
            if let began = runner.startedAt ?? runner.contactedAt { day.seconds += overlap(began, runner.removedAt) }
            if let contacted = runner.contactedAt, isWithin(contacted) {
                day.started += 1
                day.spawns.add((contacted - runner.requestedAt).inSeconds)
            }
            if runner.failed, isWithin(runner.removedAt) { day.failed += 1 }
            pools[runner.pool] = day
        }
        self.init(date: String(from.iso8601.prefix(10)), jobs: Array(kinds.values), runners: pools.values.filter { $0 != RunnerDay($0.pool) })
    }
}
