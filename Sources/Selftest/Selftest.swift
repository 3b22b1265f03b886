import Fleet
import GitLab

/// Runs a real job in a runner of each chosen pool, in a project that is made for it and removed whatever happens.
public struct Selftest: Sendable {
    /// What is tried, and how.
    public struct Options: Sendable {
        /// As configured.
        public var pools: [Pool]
        /// Names; empty for all.
        public var chosen: [String]
        /// Between two polls; zero for none.
        public var pollInterval: Duration
        /// As configured in `[gitlab]`.
        public var projects: [String]
        /// For each job, from when GitLab shows it.
        public var timeout = Duration.seconds(600)
        /// What each job does.
        public var script = SelftestPlan.script

        /// Jobs get ten minutes unless it is changed.
        public init(pools: [Pool], chosen: [String], pollInterval: Duration, projects: [String]) {
            self.pools = pools
            self.chosen = chosen
            self.pollInterval = pollInterval
            self.projects = projects
        }
    }

    /// The start of each project's name.
    public static let prefix = "autogit-selftest-"
    static let pace = Duration.seconds(1)
    static let settleTime = Duration.seconds(30)
    /// Tries of a removal that GitLab doesn't answer.
    static let removals = 4

    private let gitlab: any SelftestGitLab
    private let daemon: any SelftestDaemon
    private let clock: any WallClock
    private let name: String
    private let tell: @Sendable (String) -> Void

    /// - Parameters:
    ///   - suffix: of the project's name, which no other may have: lower-case letters and digits.
    ///   - tell: gets lines for people as things happen.
    public init(
        gitlab: any SelftestGitLab, daemon: any SelftestDaemon, clock: any WallClock, suffix: String, tell: @escaping @Sendable (String) -> Void
    ) {
        self.gitlab = gitlab
        self.daemon = daemon
        self.clock = clock
        self.tell = tell
        name = Self.prefix + suffix
    }

    /// Returns when the project is removed, or stays for a reason that the report has. Cancelling the task ends the jobs early; the removal is
    /// carried out all the same.
    public func run(_ options: Options) async -> SelftestReport {
        let began = clock.now()
        var run = Run(began: began)
        do {
            try await attempt(options, &run)
        } catch {
            run.report.interrupted = Task.isCancelled
            run.report.trouble = Task.isCancelled ? "interrupted" : "\(error)"
            say(run.report.trouble ?? "", run)
        }
        if let progress = run.progress { await conclude(progress, &run) }
        if run.mayBeMade { await remove(&run) }
        run.report.seconds = (clock.now() - began).inSeconds
        run.report.ok =
            run.report.trouble == nil && run.report.left.isEmpty && !run.report.jobs.isEmpty && run.report.jobs.allSatisfy { $0.result == "success" }
        return run.report
    }

    private struct Run {
        let began: Timestamp
        var report = SelftestReport()
        var namespace: ScratchProjects.Namespace?
        var project: ScratchProjects.Made?
        /// GitLab was asked to make the project.
        var mayBeMade = false
        var progress: SelftestProgress?
        /// The ends of logs of jobs that failed, by number.
        var logs: [Int64: [String]] = [:]
    }

    struct Trouble: Error, CustomStringConvertible {
        var description: String
    }

    private func since(_ began: Timestamp) -> Duration { clock.now() - began }

    private func say(_ line: String, _ run: Run) {
        let time = since(run.began).tenths
        tell("\(String(repeating: " ", count: max(0, 7 - time.count)))\(time) s  \(line)")
    }

    // MARK: Trying

    private func attempt(_ options: Options, _ run: inout Run) async throws {
        let running = try await daemon.pools()
        let facts = try await gitlab.tokenFacts()
        let chosen = options.pools.filter { options.chosen.isEmpty || options.chosen.contains($0.name) }
        let needs = TokenNeeds(instanceRunners: chosen.contains { $0.register == .instance }, writesProjects: true)
        if let lack = facts.lacks(for: needs).first {
            throw Trouble(description: "the self-test makes a project and runs jobs in it, which this token may not: \(lack.text)")
        }
        let plan = SelftestPlan(
            pools: options.pools, chosen: options.chosen, running: running,
            polling: .init(interval: options.pollInterval, projects: options.projects, administrator: facts.administrator))
        run.report.left = plan.left
        for left in plan.left { say("pool \(left.pool) is not tried: \(left.reason)", run) }
        guard !plan.jobs.isEmpty else { throw Trouble(description: "no pool can be tried") }
        let project = try await make(plan, &run)
        let files = [".gitlab-ci.yml": plan.pipelineFile(script: options.script), "README.md": "Made by AutoGit's self-test. It may be removed.\n"]
        try await gitlab.commit(files, to: project.id)
        run.report.project_seconds = since(run.began).inSeconds
        say("project \(project.path) made", run)
        if plan.needsHook {
            try await daemon.installHook(project: project.id)
            say("hook installed, because the daemon doesn't poll this project", run)
        }
        let pipeline = try await gitlab.startPipeline(in: project.id)
        run.report.pipeline_seconds = since(run.began).inSeconds
        say("pipeline \(pipeline) made", run)
        run.progress = SelftestProgress(plan, timeout: options.timeout)
        try await follow(pipeline, of: project.id, &run)
        try await settle(within: min(options.pollInterval, Self.settleTime) + Self.settleTime, &run)
    }

    /// Waits until the daemon knows the jobs' ends, too: of jobs of a project that is gone it would believe for a minute that their runners have
    /// them.
    private func settle(within time: Duration, _ run: inout Run) async throws {
        let end = clock.now() + time
        for job in run.progress?.jobs ?? [] {
            guard let id = job.id else { continue }
            if case .timedOut = job.outcome { continue }
            while await !daemon.knowsTheEnd(of: id), clock.now() < end { try await clock.sleep(for: Self.pace) }
        }
    }

    /// An interruption must not lose the answer.
    private func make(_ plan: SelftestPlan, _ run: inout Run) async throws -> ScratchProjects.Made {
        try Task.checkCancellation()
        let namespace = try await gitlab.namespace(group: plan.group)
        run.namespace = namespace
        run.mayBeMade = true
        let (gitlab, name) = (gitlab, name)
        let made = try await Task { try await gitlab.create(name: name, in: namespace) }.value
        run.project = made
        run.report.project = made.path
        try Task.checkCancellation()
        return made
    }

    private func follow(_ pipeline: Int64, of project: Int64, _ run: inout Run) async throws {
        var silent = false
        while run.progress?.isOver == false {
            do {
                let jobs = try await gitlab.jobs(ofPipeline: pipeline, in: project)
                silent = false
                for line in run.progress?.take(jobs, at: since(run.began)) ?? [] { say(line, run) }
            } catch let error as GitLabError where error.isOutage && !Task.isCancelled {
                // The time of the jobs goes on.
                if !silent { say("\(error)", run) }
                silent = true
            }
            let reasons = await daemon.waitingReasons(of: run.progress?.pending ?? [])
            for line in run.progress?.take(waiting: reasons) ?? [] { say(line, run) }
            for line in run.progress?.giveUp(at: since(run.began)) ?? [] { say(line, run) }
            if run.progress?.isOver == false { try await clock.sleep(for: Self.pace) }
        }
    }

    // MARK: Ending

    /// Judges the jobs, and ends those that are not over.
    private func conclude(_ progress: SelftestProgress, _ run: inout Run) async {
        for job in progress.jobs {
            var found = SelftestReport.Job(
                pool: job.plan.pool, result: run.report.interrupted ? "interrupted" : "unknown", job: job.id, runner: job.runner)
            if let pending = job.pending, let running = job.running {
                found.wait_seconds = (running - pending).inSeconds
                if let over = job.over { found.run_seconds = (over - running).inSeconds }
            }
            switch job.outcome {
            case .succeeded:
                found.reason = await stranger(job)
                found.result = found.reason == nil ? "success" : "elsewhere"
            case .failed(let reason): (found.result, found.reason) = ("failed", reason)
            case .timedOut(let status): (found.result, found.reason) = ("timed out", job.waiting ?? "the job is \(status)")
            case nil: break
            }
            if found.result == "elsewhere", let reason = found.reason { say("pool \(found.pool): \(reason)", run) }
            if let id = job.id, let project = run.project?.id { await wrapUp(id, of: project, job.outcome, &found, run) }
            run.report.jobs.append(found)
        }
    }

    /// Another runner with the same tags says nothing about the pool.
    private func stranger(_ job: SelftestProgress.Job) async -> String? {
        guard let runner = job.runner else { return nil }
        guard let pool = await daemon.pool(ofRunner: runner) else {
            return "the runner \(runner), which is not AutoGit's, took the job, so it says nothing about this pool: does it have the same tags?"
        }
        return pool == job.plan.pool ? nil : "a runner of the pool \(pool), which has these tags, too, took the job, so it says nothing about this pool"
    }

    private func wrapUp(_ id: Int64, of project: Int64, _ outcome: SelftestProgress.Outcome?, _ found: inout SelftestReport.Job, _ run: Run) async {
        let gitlab = gitlab
        switch outcome {
        case .succeeded: return
        case .failed: break
        case .timedOut, nil: await Task { try? await gitlab.cancel(job: id, in: project) }.value
        }
        guard outcome != nil, found.runner != nil, let lines = try? await gitlab.lastLines(ofJob: id, in: project, count: 20), !lines.isEmpty else { return }
        found.log = lines
        say("pool \(found.pool): the end of the job's log:", run)
        for line in lines { tell("            | \(line)") }
    }

    private func remove(_ run: inout Run) async {
        let (gitlab, clock, name) = (gitlab, clock, name)
        let (namespace, made) = (run.namespace, run.project)
        // Not a part of this task, so its cancellation says nothing to it.
        let removal = await Task { () -> Result<ScratchProjects.Removal?, any Error> in
            var last: any Error = CancellationError()
            for attempt in 0..<Self.removals {
                if attempt > 0 { try? await clock.sleep(for: .seconds(2)) }
                do {
                    var project = made
                    // The answer to its making was lost.
                    if project == nil, let namespace { project = try await gitlab.find(name: name, in: namespace) }
                    guard let project else { return .success(nil) }
                    return .success(try await gitlab.remove(project.id))
                } catch {
                    last = error
                    guard (error as? GitLabError)?.isOutage == true else { break }
                }
            }
            return .failure(last)
        }.value
        let path = made?.path ?? "\(namespace?.path ?? "")/\(name)"
        switch removal {
        // Nothing was made.
        case .success(nil): return
        case .success(.gone): run.report.removal = "gone"
        case .success(.underWay): run.report.removal = "under way"
        case .success(.kept(let path, let until)):
            let end = until.map { "until \($0)" } ?? "for the time that Admin, Settings, General, Deletion protection names (30 days unless changed)"
            run.report.removal = "kept as \(path) \(end): this GitLab does not allow to remove projects at once"
        case .failure(let error):
            run.report.removal = "stays: remove \(path) by hand (\(error))"
            run.report.trouble = run.report.trouble ?? "the project \(path) could not be removed"
        }
        say("project \(path): \(run.report.removal ?? "")", run)
    }
}
