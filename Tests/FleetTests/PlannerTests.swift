import Testing

@testable import Fleet

@Suite struct PlannerTests {
    @Test(arguments: [
        (["a"], ["a", "b"], false, true), (["a", "c"], ["a", "b"], false, false), ([], ["a"], false, false),
        ([], ["a"], true, true), (["a"], [], true, false),
    ])
    func matchesAsGitLabDoes(job: [String], tags: [String], untagged: Bool, fits: Bool) {
        var scene = Scene([Scene.pool("p", tags, untagged: untagged)])
        scene.queue(1, tags: job)
        #expect(scene.plan().launches == (fits ? ["p:1"] : []))
        #expect((scene.plan().reason(1) == nil) == fits)
    }

    @Test func theMostSpecificPoolWins() {
        var scene = Scene([Scene.pool("big", ["a", "b", "c"]), Scene.pool("small", ["a"])])
        scene.queue(1, tags: ["a"])
        scene.queue(2, tags: ["a", "b"])
        #expect(Set(scene.plan().launches) == ["small:1", "big:2"])
    }

    @Test func aPoolServesItsOwnGitLabOnly() {
        var other = Scene.pool()
        other.forge = ForgeID("work")
        var scene = Scene([other])
        scene.queue(1)
        #expect(scene.plan().launches.isEmpty && scene.plan().reason(1) == .noPoolHasTags(["a"]))
    }

    @Test func idleAndStartingRunnersAreSupplyAndPausingOnesAreNot() {
        var scene = Scene()
        scene.add("one", gitlab: 1)
        scene.add("two", .starting, gitlab: 2)
        scene.add("three", .pausing, gitlab: 3)
        scene.add("four", .draining, gitlab: 4)
        scene.queue(1, 2, 3)
        #expect(scene.plan().launches == ["p:3"])
    }

    @Test func theLoopStartsNothingBeforeItKnowsWhatThereIs() {
        var scene = Scene()
        scene.state = FleetState(.init(pools: [Scene.pool()]), seed: 1)
        #expect(scene.plan() == Plan())
        scene.take(.remembered(Memory(instance: "i", jobs: [], runners: [], finishedJobs: [], pausedPools: [])))
        scene.queue(1)
        let plan = scene.plan()
        #expect(plan.launches.isEmpty && plan.reason(1) == .startingUp)
        #expect(plan.actions.contains(.look(Scene.place)) && plan.actions.contains(.poll(.default)) && plan.actions.contains(.sweep(.default)))
    }

    @Test func cooldownEndsAnIdleRunnerAndNotBefore() {
        var scene = Scene()
        scene.add("one")
        scene.pass(.seconds(299))
        #expect(scene.plan().actions.isEmpty && scene.plan().wakeAt == scene.now + .seconds(1))
        scene.pass(.seconds(1))
        #expect(scene.plan().actions == [.leave("one", reason: "idle for 5m", failed: false)])
    }

    @Test func theLongestIdleGoesFirstAndWarmOnesStay() {
        var pool = Scene.pool()
        pool.warm = 1
        var scene = Scene([pool])
        scene.add("old", gitlab: 1)
        scene.pass(.seconds(10))
        scene.add("new", gitlab: 2)
        scene.pass(.seconds(900))
        #expect(scene.plan().actions == [.leave("old", reason: "idle for 5m", failed: false)])
    }

    @Test func warmRunnersAreStarted() {
        var pool = Scene.pool()
        pool.warm = 2
        #expect(Scene([pool]).plan().launches == ["p:-", "p:-"])
    }

    @Test func maxJobsDrainsWhileTheLastJobRuns() {
        var scene = Scene()
        scene.add("one", job: 7)
        scene.state.runners["one"]?.terms.maxJobs = 1
        #expect(scene.plan().contains { $0 == .leave("one", reason: "max_jobs reached", failed: false) })
    }

    /// Its limits came with it at its launch: that the pool has others by now, or is gone, changes nothing.
    @Test func aRunnersTimesAreItsOwn() {
        var scene = Scene()
        scene.add("one", .starting)
        scene.state.runners["one"]?.terms.startTimeout = .seconds(5)
        scene.state.progress["one"]?.contact.failed(.contact, at: scene.now + .seconds(100))
        scene.pass(.seconds(5))
        #expect(scene.plan().actions == [.leave("one", reason: "no contact with GitLab within 5s", failed: true)])
        scene.add("two", .stopping)
        scene.state.runners["two"]?.terms.stopTimeout = .seconds(7)
        scene.state.configuration.pools = []
        scene.state.pools = []
        scene.pass(.seconds(7))
        #expect(scene.plan().contains { $0 == .end("two", reason: "did not quit in time", failed: true) })
    }

    @Test func aBusyRunnerIsNeverStopped() {
        for phase in Runner.Phase.allCases where phase < .ended {
            var scene = Scene()
            scene.add("one", phase, job: 7)
            scene.pass(.seconds(1_000_000))
            let bad = scene.plan().contains { action in
                switch action {
                case .signal, .end, .remove, .refuse: true
                default: false
                }
            }
            #expect(!bad, "\(phase)")
        }
    }

    /// The end of a life, step by step: each needs the one before it to have been confirmed.
    @Test func aRunnerIsPausedVerifiedStoppedAndRemoved() {
        var scene = Scene()
        scene.add("one")
        let registration = RegistrationRef(.default, 100)
        scene.take(.decided(.leave("one", reason: "r", failed: false)))
        #expect(scene.phase("one") == .pausing)
        for (action, answer, phase) in [
            (.pause("one", registration), .done, .draining),
            (.verify("one", registration), .jobs([], contacted: true), .stopping),
            (.signal("one", Scene.place, "SIGQUIT"), .done, .stopping),
        ] as [(Action, Answer, Runner.Phase)] {
            #expect(scene.plan().actions.filter { $0.key == .runner("one") } == [action])
            scene.take(.decided(action))
            #expect(scene.plan().actions.filter { $0.key == .runner("one") }.isEmpty, "\(action) is under way")
            scene.take(.done(action, .success(answer)))
            #expect(scene.phase("one") == phase)
        }
        scene.take(.heard(Scene.place, .exited(runner: "one", exitCode: 0)))
        #expect(scene.plan().actions == [.remove("one", Scene.place, registration)])
        scene.take(.done(.remove("one", Scene.place, registration), .success(.removal(container: nil, registration: nil))))
        #expect(scene.state.runners.isEmpty)
    }

    @Test func aFailedStartIsTriedAgainLaterWithOneRunner() {
        var scene = Scene()
        scene.state.pools[0].failed("boom", at: scene.now, jitter: 1)
        scene.queue(1, 2)
        #expect(scene.plan().launches.isEmpty && scene.plan().reason(1) == .backingOff(pool: "p", error: "boom"))
        #expect(scene.plan().wakeAt == scene.now + .seconds(1))
        scene.pass(.seconds(1))
        #expect(scene.plan().launches == ["p:1"] && scene.plan().reason(2) == .probing(pool: "p"))
    }

    @Test func evacuationEndsEverybodyAndStartsNobody() {
        var scene = Scene()
        scene.add("one", job: 7)
        scene.queue(1)
        scene.take(.ordered(.evacuate))
        #expect(scene.plan().launches.isEmpty && scene.plan().reason(1) == .evacuating)
        #expect(scene.plan().contains { $0 == .end("one", reason: "all runners are removed", failed: false) })
    }

    @Test func anOrderIsMetOrRefusedWithTheReason() {
        var scene = Scene([Scene.pool("p", max: 1)])
        scene.take(.ordered(.spawn(pool: "p")))
        #expect(scene.plan().launches == ["p:-"] && scene.plan().refusals.isEmpty)
        scene.add("one")
        #expect(scene.plan().refusals == ["p": .atMaximum(pool: "p", max: 1)])
    }

    /// Random states against the rules that always hold.
    @Test(arguments: 0..<300)
    func rulesHoldForRandomStates(seed: Int) {
        var random = SplitMix(seed: UInt64(seed))
        func tags() -> [String] { ["a", "b", "c", "d"].filter { _ in random.below(3) == 0 } }
        let pools = (0..<random.below(5) + 1).map { index -> Pool in
            var pool = Scene.pool("p\(index)", tags(), untagged: random.below(2) == 0, max: random.below(6) + 1)
            pool.warm = random.below(3)
            pool.maxJobs = random.below(3)
            if random.below(3) == 0 {
                let (max, warm) = (random.below(4), random.below(4))
                pool.schedules = [ScheduleTests.schedule(.all, random.below(1440), random.below(1441), warm: min(warm, max), max: max)]
            }
            return pool
        }
        let budget = HostBudget(memory: Int64(random.below(20) + 1) << 30)
        var scene = Scene(pools, budget: budget)
        for pool in pools where random.below(5) == 0 { scene.take(.ordered(.pause(pool: pool.name, true))) }
        for index in 0..<random.below(12) {
            let busy = random.below(3) == 0
            scene.add(
                "r\(index)", Runner.Phase.allCases[random.below(7)], pool: pools[random.below(pools.count)], gitlab: Int64(index),
                job: busy ? 1000 + JobID(index) : nil)
            scene.state.runners["r\(index)"]?.jobsDone = random.below(3)
        }
        let jobs = JobID(random.below(20))
        for id in 1..<jobs + 1 { scene.queue(id, tags: random.below(9) == 0 ? nil : tags()) }
        scene.pass(.seconds(random.below(1000)))
        let plan = scene.plan()

        var launched: [String: Int] = [:]
        for action in plan.actions {
            switch action {
            case .launch(_, let pool, _, _, _): launched[pool, default: 0] += 1
            case .signal(let id, _, _), .end(let id, _, _), .refuse(_, let id): #expect(scene.state.runners[id]?.isBusy == false)
            default: break
            }
        }
        for state in scene.state.pools {
            let live = scene.state.runners.values.count { $0.pool == state.pool.name }
            let new = launched[state.pool.name] ?? 0
            #expect(new == 0 || live + new <= scene.state.targets(of: state.pool, at: scene.now).maxRunners)
            #expect(new == 0 || !state.paused)
        }
        let total = Int64(scene.state.runners.count + launched.values.reduce(0, +)) << 30
        #expect(launched.isEmpty || total <= budget.memory ?? .max)
        #expect(launched.values.reduce(0, +) <= 8)
        // Every pending job has a reason, or there is a runner for it.
        let explained = plan.waiting.count
        // None of these is being made by this life of the daemon, so what is only requested is nobody's supply.
        let supply = scene.state.runners.values.count { $0.isSupply && $0.phase > .requested } + launched.values.reduce(0, +)
        #expect(explained + supply >= Int(jobs))
        for (id, tracked) in scene.state.jobs where tracked.job.tags == nil { #expect(plan.waiting[id] == .tagsUnknown) }
    }
}
