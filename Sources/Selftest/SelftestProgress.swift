import Fleet
import GitLab

/// How far the jobs of a self-test are. A value: GitLab's answers and the time since the start are passed in, and lines to tell come out.
public struct SelftestProgress: Sendable {
    /// The end of a job.
    public enum Outcome: Sendable, Equatable {
        case succeeded
        /// GitLab's status and reason.
        case failed(String)
        /// It had its time, and is in this status yet.
        case timedOut(String)
    }

    /// A job of the plan and what became of it.
    public struct Job: Sendable {
        /// As planned.
        public let plan: SelftestPlan.Job
        /// GitLab's number of it; nil until GitLab shows it.
        public internal(set) var id: Int64?
        /// Since the start of the self-test; nil until it happened.
        public internal(set) var pending: Duration?
        /// Since the start of the self-test; nil until it happened.
        public internal(set) var running: Duration?
        /// Since the start of the self-test; nil until it happened.
        public internal(set) var over: Duration?
        /// The runner that took it, as GitLab describes it.
        public internal(set) var runner: String?
        /// Why the daemon starts no runner for it, as it said last.
        public internal(set) var waiting: String?
        /// nil until it is over.
        public internal(set) var outcome: Outcome?
        var status: JobStatus?
    }

    /// In the plan's order.
    public private(set) var jobs: [Job]
    private let timeout: Duration

    /// - Parameter timeout: for each job, from when GitLab shows it.
    public init(_ plan: SelftestPlan, timeout: Duration) {
        jobs = plan.jobs.map { Job(plan: $0) }
        self.timeout = timeout
    }

    /// All jobs have an outcome.
    public var isOver: Bool { jobs.allSatisfy { $0.outcome != nil } }
    /// Jobs that wait for a runner.
    var pending: [Int64] { jobs.compactMap { $0.outcome == nil && $0.running == nil ? $0.id : nil } }

    /// Takes GitLab's list of the pipeline's jobs.
    /// - Returns: what is to be told, a line each.
    mutating func take(_ seen: [ScratchProjects.Job], at now: Duration) -> [String] {
        var lines: [String] = []
        for index in jobs.indices where jobs[index].outcome == nil {
            guard let job = seen.filter({ $0.name == jobs[index].plan.name }).max(by: { $0.id < $1.id }) else { continue }
            lines += take(job, of: index, at: now)
        }
        return lines
    }

    private mutating func take(_ job: ScratchProjects.Job, of index: Int, at now: Duration) -> [String] {
        var lines: [String] = []
        let name = jobs[index].plan.pool
        if jobs[index].pending == nil {
            (jobs[index].id, jobs[index].pending) = (job.id, now)
            lines.append("pool \(name): job \(job.id) waits for a runner")
        }
        jobs[index].status = job.status
        jobs[index].runner = job.runner ?? jobs[index].runner
        // Between two looks it may have run and ended.
        if jobs[index].running == nil, job.status == .running || job.status.isOver && job.runner != nil {
            jobs[index].running = now
            let waited = now - (jobs[index].pending ?? now)
            lines.append("pool \(name): the runner \(job.runner ?? "unknown") has the job, \(waited.tenths) s after it began to wait")
        }
        guard job.status.isOver else { return lines }
        jobs[index].over = now
        if job.status == .success {
            jobs[index].outcome = .succeeded
            lines.append("pool \(name): success, after \((now - (jobs[index].running ?? now)).tenths) s")
        } else {
            let reason = job.failureReason.map { " (\($0))" } ?? ""
            jobs[index].outcome = .failed("\(job.status)\(reason)")
            lines.append("pool \(name): \(job.status)\(reason)")
        }
        return lines
    }

    /// Takes the daemon's reasons.
    mutating func take(waiting reasons: [Int64: String]) -> [String] {
        var lines: [String] = []
        for index in jobs.indices where jobs[index].outcome == nil && jobs[index].running == nil {
            guard let reason = jobs[index].id.flatMap({ reasons[$0] }), reason != jobs[index].waiting else { continue }
            jobs[index].waiting = reason
            lines.append("pool \(jobs[index].plan.pool): \(reason)")
        }
        return lines
    }

    /// Gives up jobs that had their time.
    /// - Returns: what is to be told.
    mutating func giveUp(at now: Duration) -> [String] {
        var lines: [String] = []
        for index in jobs.indices where jobs[index].outcome == nil && now - (jobs[index].pending ?? .zero) >= timeout {
            let status = jobs[index].status.map { "\($0)" } ?? "not there"
            jobs[index].outcome = .timedOut(status)
            jobs[index].over = now
            let why = jobs[index].waiting.map { "; the daemon says: \($0)" } ?? ""
            lines.append("pool \(jobs[index].plan.pool): given up after \(timeout.tenths) s, the job is \(status)\(why)")
        }
        return lines
    }
}

extension Duration {
    /// Seconds with one digit behind the point.
    var tenths: String {
        let tenths = (max(.zero, self).milliseconds + 50) / 100
        return "\(tenths / 10).\(tenths % 10)"
    }
}
