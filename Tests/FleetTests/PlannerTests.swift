import Testing

@testable import Fleet

private let start = Timestamp(milliseconds: 1_000_000)

private func pool(_ name: String, _ tags: [String], untagged: Bool = false, max: Int = 10) -> Pool {
    var pool = Pool(name: name)
    pool.tags = tags
    pool.runUntagged = untagged
    pool.maxRunners = max
    pool.memory = 1 << 30
    return pool
}

private func pending(_ id: JobID, _ tags: [String]?) -> Job {
    Job(JobObservation(id: id, projectID: 1, status: .pending, tags: tags), at: start)
}

private func idle(_ id: RunnerID, _ pool: Pool, since: Timestamp = start) -> Runner {
    var runner = Runner(id: id, pool: pool, launchedFor: nil, at: start)
    runner.phase = .starting
    runner.startedAt = start
    runner.contacted(at: since)
    return runner
}

private func plan(
    _ jobs: [Job], _ runners: [Runner], _ pools: [PoolState], budget: HostBudget = HostBudget(), at now: Timestamp = start
) -> Plan {
    Planner.plan(Snapshot(jobs: jobs, runners: runners, pools: pools, budget: budget, now: now))
}

@Suite struct PlannerTests {
    @Test(arguments: [
        (["a"], ["a", "b"], false, true), (["a", "c"], ["a", "b"], false, false), ([], ["a"], false, false),
        ([], ["a"], true, true), (["a"], [], true, false),
    ])
    func matchesAsGitLabDoes(job: [String], tags: [String], untagged: Bool, fits: Bool) {
        let plan = plan([pending(1, job)], [], [PoolState(pool("p", tags, untagged: untagged))])
        #expect(plan.actions == (fits ? [.launch(pool: "p", job: 1)] : []))
        #expect((plan.waiting[1] == nil) == fits)
    }

    @Test func theMostSpecificPoolWins() {
        let pools = [PoolState(pool("big", ["a", "b", "c"])), PoolState(pool("small", ["a"]))]
        #expect(plan([pending(1, ["a"])], [], pools).actions == [.launch(pool: "small", job: 1)])
        #expect(plan([pending(1, ["a", "b"])], [], pools).actions == [.launch(pool: "big", job: 1)])
    }

    @Test func idleAndStartingRunnersAreSupply() {
        let p = pool("p", ["a"])
        let starting = Runner(id: "two", pool: p, launchedFor: nil, at: start)
        let jobs = [pending(1, ["a"]), pending(2, ["a"]), pending(3, ["a"])]
        #expect(plan(jobs, [idle("one", p), starting], [PoolState(p)]).actions == [.launch(pool: "p", job: 3)])
    }

    @Test func jobsWithUnknownTagsWaitForThem() {
        #expect(plan([pending(1, nil)], [], [PoolState(pool("p", ["a"]))]).actions.isEmpty)
    }

    @Test func maxRunnersAndBudgetsHold() {
        let p = pool("p", ["a"], max: 2)
        let jobs = (1...5).map { pending($0, ["a"]) }
        let atMax = plan(jobs, [], [PoolState(p)])
        #expect(atMax.actions.count == 2)
        #expect(atMax.waiting[5]?.contains("max_runners") == true)
        let tight = plan(jobs, [], [PoolState(p)], budget: HostBudget(memory: 1 << 30))
        #expect(tight.actions.count == 1)
        #expect(tight.waiting[2]?.contains("memory budget") == true)
    }

    @Test func aPausedPoolStartsNothingAndSaysSo() {
        let plan = plan([pending(1, ["a"])], [], [PoolState(pool("p", ["a"]), paused: true)])
        #expect(plan.actions.isEmpty)
        #expect(plan.waiting[1] == "pool p is paused")
    }

    @Test func cooldownEndsAnIdleRunnerAndNotBefore() {
        let p = pool("p", ["a"])
        let early = plan([], [idle("one", p)], [PoolState(p)], at: start + .seconds(299))
        #expect(early.actions.isEmpty)
        #expect(early.wakeAt == start + .seconds(300))
        let due = plan([], [idle("one", p)], [PoolState(p)], at: start + .seconds(300))
        #expect(due.actions == [.drain("one", reason: "idle for 5m")])
    }

    @Test func aRunnerThatAJobNeedsDoesNotCoolDown() {
        var p = pool("p", ["a"])
        p.cooldown = .seconds(60)
        let needed = plan([pending(1, ["a"])], [idle("one", p)], [PoolState(p)], at: start + .seconds(119))
        #expect(needed.actions.isEmpty && needed.wakeAt == start + .seconds(120))
    }

    /// An idle runner asks GitLab every few seconds: one that had the whole start_timeout will not take the job.
    @Test func aRunnerThatIgnoresAJobIsDismissedAndReplaced() {
        let p = pool("p", ["a"])
        let late = plan([pending(1, ["a"])], [idle("one", p)], [PoolState(p)], at: start + .seconds(120))
        #expect(late.actions == [.dismiss("one", ignored: 1), .launch(pool: "p", job: 1)])
    }

    @Test func aJobOnHoldIsNoDemandAndSaysWhy() {
        let p = pool("p", ["a"])
        let held = Planner.plan(
            Snapshot(jobs: [pending(1, ["a"])], runners: [], pools: [PoolState(p)], budget: HostBudget(), now: start, holds: [1: start + .seconds(300)]))
        #expect(held.actions.isEmpty && held.wakeAt == start + .seconds(300))
        #expect(held.waiting[1]?.contains("no runner that was there for it took it") == true)
        let after = Planner.plan(
            Snapshot(jobs: [pending(1, ["a"])], runners: [], pools: [PoolState(p)], budget: HostBudget(), now: start + .seconds(300), holds: [1: start]))
        #expect(after.actions == [.launch(pool: "p", job: 1)])
    }

    @Test func warmRunnersAreStartedAndKept() {
        var p = pool("p", ["a"])
        p.warm = 2
        #expect(plan([], [], [PoolState(p)]).actions.count == 2)
        #expect(plan([], [idle("one", p), idle("two", p)], [PoolState(p)], at: start + .seconds(900)).actions.isEmpty)
    }

    @Test func maxJobsDrainsWhileTheLastJobRuns() {
        var p = pool("p", ["a"])
        p.maxJobs = 1
        var runner = idle("one", p)
        runner.tookJob(7, at: start)
        #expect(plan([], [runner], [PoolState(p)]).actions == [.drain("one", reason: "max_jobs reached")])
    }

    @Test func aBusyRunnerIsNeverStopped() {
        let p = pool("p", ["a"])
        for phase in Runner.Phase.allCases where phase < .ended {
            var runner = idle("one", p)
            runner.phase = phase
            runner.currentJob = 7
            runner.stoppingAt = start
            let actions = plan([], [runner], [PoolState(p)], at: start + .seconds(1_000_000)).actions
            #expect(!actions.contains(.stop("one")) && !actions.contains(.kill("one")), "\(phase)")
        }
    }

    @Test func aFailedStartIsTriedAgainLaterWithOneRunner() {
        var state = PoolState(pool("p", ["a"]))
        state.failed("boom", at: start, jitter: 1)
        let jobs = [pending(1, ["a"]), pending(2, ["a"])]
        let early = plan(jobs, [], [state])
        #expect(early.actions.isEmpty)
        #expect(early.waiting[1]?.contains("boom") == true)
        #expect(early.wakeAt == start + .seconds(1))
        #expect(plan(jobs, [], [state], at: start + .seconds(1)).actions == [.launch(pool: "p", job: 1)])
    }

    /// Random snapshots against the rules that always hold.
    @Test(arguments: 0..<300)
    func rulesHoldForRandomSnapshots(seed: Int) {
        var random = SplitMix(seed: UInt64(seed))
        let alphabet = ["a", "b", "c", "d"]
        func tags() -> [String] { alphabet.filter { _ in random.below(3) == 0 } }
        let pools = (0..<random.below(5) + 1).map { index -> PoolState in
            var p = pool("p\(index)", tags(), untagged: random.below(2) == 0, max: random.below(6) + 1)
            p.warm = random.below(3)
            p.maxJobs = random.below(3)
            return PoolState(p, paused: random.below(5) == 0)
        }
        let runners = (0..<random.below(12)).map { index -> Runner in
            var runner = idle("r\(index)", pools[random.below(pools.count)].pool)
            runner.phase = Runner.Phase.allCases[random.below(6)]
            if random.below(3) == 0 { runner.currentJob = 1000 + JobID(index) }
            runner.jobsDone = random.below(3)
            return runner
        }
        let jobs = (0..<random.below(20)).map { pending(JobID($0), random.below(9) == 0 ? nil : tags()) }
        let budget = HostBudget(memory: Int64(random.below(20) + 1) << 30)
        let now = start + .seconds(random.below(1000))
        let plan = plan(jobs, runners, pools, budget: budget, at: now)

        var launched: [String: Int] = [:]
        for action in plan.actions {
            switch action {
            case .launch(let pool, _): launched[pool, default: 0] += 1
            case .stop(let id), .kill(let id), .fail(let id, _), .dismiss(let id, _):
                #expect(runners.first { $0.id == id }?.isBusy == false)
            case .drain, .remove: break
            }
        }
        for state in pools {
            let live = runners.filter { $0.pool == state.pool.name }.count
            let new = launched[state.pool.name] ?? 0
            #expect(new == 0 || live + new <= state.pool.maxRunners)
            #expect(new == 0 || !state.paused)
        }
        let total = Int64(runners.count + launched.values.reduce(0, +)) << 30
        #expect(launched.isEmpty || total <= budget.memory ?? .max)
        for job in jobs {
            guard let tags = job.tags else { continue }
            let servable = pools.contains { $0.pool.serves(tags: tags) }
            #expect(servable || plan.waiting[job.id] != nil)
        }
    }
}

/// A small generator with a seed, so that a failure can be replayed.
struct SplitMix {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
