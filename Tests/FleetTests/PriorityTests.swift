import Testing

@testable import Fleet

@Suite struct PriorityTests {
    @Test(arguments: [
        ("deploy", "deploy", true), ("deploy", "deploy*", true), ("deploy-prod", "deploy*", true), ("a/b/c", "a/*", true), ("a", "a/*", false),
        ("", "*", true), ("", "", true), ("x", "", false), ("abc", "a?c", true), ("ac", "a?c", false), ("aaab", "*ab", true), ("aaba", "*ab", false),
        ("main", "**m*n**", true), ("é", "?", true), ("release-1.2", "release-*.?", true),
    ])
    func aPatternIsForTheWholeText(text: String, pattern: String, fits: Bool) { #expect(Wildcard.matches(text, pattern) == fits) }

    @Test func aHostilePatternTakesNoLongerThanItsProduct() {
        #expect(!Wildcard.matches(String(repeating: "a", count: 2000), String(repeating: "*a", count: 500) + "b"))
    }

    private func job(_ project: String?, ref: String? = nil, name: String? = nil) -> Job {
        Job(JobObservation(id: 1, projectID: 1, projectPath: project, name: name, ref: ref, status: .pending), of: .default, at: Scene.start)
    }

    @Test func allPatternsOfARuleHaveToFitAndWhatIsUnknownFitsNone() {
        let rule = PriorityRule(project: "shop/*", ref: "main", job: "deploy*", priority: 5)
        #expect(rule.fits(job("shop/web", ref: "main", name: "deploy-prod")))
        #expect(!rule.fits(job("shop/web", ref: "topic", name: "deploy-prod")))
        #expect(!rule.fits(job("shop/web", name: "deploy")) && !rule.fits(job(nil, ref: "main", name: "deploy")))
        #expect(PriorityRule(priority: 1).fits(job(nil)))
    }

    // MARK: Order

    private func scene(_ pools: [Pool], memory: Int64? = nil, _ rules: [PriorityRule] = []) -> Scene {
        var scene = Scene(pools, budget: HostBudget(memory: memory))
        var configuration = scene.state.configuration
        configuration.priorities = rules
        scene.take(.configured(configuration))
        return scene
    }

    private func named(_ id: JobID, _ name: String, project: Int64 = 1, tags: [String] = ["a"]) -> JobObservation {
        JobObservation(id: id, projectID: project, name: name, status: .pending, tags: tags)
    }

    @Test func theFirstRuleThatFitsDecidesAndThenAge() {
        var scene = scene(
            [Scene.pool(max: 2)],
            [PriorityRule(job: "nightly", priority: -5), PriorityRule(job: "night*", priority: 9), PriorityRule(job: "deploy", priority: 10)])
        for (id, name) in [(1, "nightly"), (2, "test"), (3, "deploy"), (4, "test")] {
            scene.hook(named(JobID(id), name))
            scene.pass(.seconds(1))
        }
        let plan = scene.plan()
        #expect(plan.launches == ["p:3", "p:2"])
        #expect(plan.reason(1) == .atMaximum(pool: "p", max: 2) && plan.reason(4) == .atMaximum(pool: "p", max: 2))
    }

    @Test func withoutARuleAPoolsPriorityCountsAcrossPools() {
        var (low, high) = (Scene.pool("low", ["a"]), Scene.pool("high", ["b"]))
        (low.priority, high.priority) = (-1, 1)
        var scene = scene([low, high], memory: 1 << 30)
        scene.queue(1, tags: ["a"])
        scene.pass(.seconds(60))
        scene.queue(2, tags: ["b"])
        #expect(scene.plan().launches == ["high:2"])
        #expect(scene.plan().reason(1)?.code == "memory-budget")
    }

    @Test func rulesThatAreReadAgainCountForJobsThatWait() {
        var scene = scene([Scene.pool(max: 1)])
        scene.hook(named(1, "first"))
        scene.pass(.seconds(1))
        scene.hook(named(2, "second"))
        #expect(scene.plan().launches == ["p:1"])
        var configuration = scene.state.configuration
        configuration.priorities = [PriorityRule(job: "second", priority: 1)]
        scene.take(.configured(configuration))
        #expect(scene.plan().launches == ["p:2"])
    }

    // MARK: Fairness

    @Test func aProjectGetsNoMoreRunnersAtOnceThanItsShare() {
        var pool = Scene.pool(max: 10)
        pool.maxPerProject = 2
        var scene = scene([pool])
        for id in 1...4 { scene.hook(named(JobID(id), "j", project: 7)) }
        scene.hook(named(5, "j", project: 8))
        let plan = scene.plan()
        #expect(plan.launches == ["p:1", "p:2", "p:5"])
        #expect(plan.reason(3) == .projectAtMaximum(pool: "p", max: 2) && plan.reason(4) == .projectAtMaximum(pool: "p", max: 2))
    }

    @Test func runnersThatHaveOneOfItsJobsOrAreOnTheirWayToOneCount() {
        var pool = Scene.pool(max: 10)
        pool.maxPerProject = 2
        var scene = scene([pool])
        scene.add("busy", .ready, gitlab: 100)
        scene.hook(JobObservation(id: 1, projectID: 7, status: .running, tags: ["a"], runnerID: 100))
        scene.hook(named(2, "j", project: 7))
        #expect(scene.plan().launches == ["p:2"])
        for action in scene.plan().actions { scene.take(.decided(action)) }
        scene.hook(named(3, "j", project: 7))
        #expect(scene.plan().launches == [])
        #expect(scene.plan().reason(3) == .projectAtMaximum(pool: "p", max: 2))
        scene.hook(JobObservation(id: 1, projectID: 7, status: .success, runnerID: 100))
        // The runner that has become idle is job 2's or 3's.
        #expect(scene.plan().reason(3) == nil)
    }

    // MARK: Room

    private func leaving(_ plan: Plan) -> [RunnerID] { plan.actions.compactMap { if case .leave(let id, _, _) = $0 { id } else { nil } } }

    @Test func anIdleRunnerOfAnotherPoolLeavesAtOnceForAJobThatNeedsItsRoom() {
        var scene = scene([Scene.pool("p", ["a"]), Scene.pool("q", ["b"])], memory: 2 << 30)
        scene.add("old", pool: scene.state.pools[1].pool, gitlab: 1)
        scene.pass(.seconds(5))
        scene.add("young", pool: scene.state.pools[1].pool, gitlab: 2)
        scene.pass(.seconds(5))
        scene.queue(1)
        var plan = scene.plan()
        #expect(leaving(plan) == ["old"] && plan.launches == [] && plan.reason(1) == .makingRoom(by: "old"))
        // While it is on its way out nobody else goes.
        for action in plan.actions { scene.take(.decided(action)) }
        plan = scene.plan()
        #expect(leaving(plan) == [] && plan.reason(1) == .makingRoom(by: "old"))
        // Another job needs the other's.
        scene.queue(2)
        #expect(leaving(scene.plan()) == ["young"])
    }

    @Test func anIdleRunnerThatAJobOfItsKindWaitsForStays() {
        var scene = scene([Scene.pool("p", ["a"]), Scene.pool("q", ["b"])], memory: 1 << 30)
        scene.add("r", pool: scene.state.pools[1].pool)
        scene.queue(1)
        scene.pass(.seconds(1))
        scene.queue(2, tags: ["b"])
        #expect(leaving(scene.plan()) == [])
        #expect(scene.plan().reason(1)?.code == "memory-budget" && scene.plan().reason(2) == nil)
    }

    @Test(arguments: [(0, 1, false), (1, 1, true), (2, 1, true)])
    func aPoolThatComesBeforeTheJobGivesNoRoom(ofJob: Int, ofPool: Int, leaves: Bool) {
        var (mine, other) = (Scene.pool("p", ["a"]), Scene.pool("q", ["b"]))
        (mine.priority, other.priority) = (ofJob, ofPool)
        var scene = scene([mine, other], memory: 1 << 30)
        scene.add("r", pool: other)
        scene.queue(1)
        #expect(leaving(scene.plan()) == (leaves ? ["r"] : []))
    }

    @Test func thePoolThatComesLastGivesRoomFirst() {
        var (mine, low, high) = (Scene.pool("p", ["a"]), Scene.pool("q", ["b"]), Scene.pool("r", ["c"]))
        (mine.priority, low.priority, high.priority) = (5, -1, 1)
        var scene = scene([mine, high, low], memory: 2 << 30)
        scene.add("high", pool: high, gitlab: 1)
        scene.pass(.seconds(60))
        scene.add("low", pool: low, gitlab: 2)
        scene.queue(1)
        #expect(leaving(scene.plan()) == ["low"])
    }

    @Test func busyRunnersStay() {
        var scene = scene([Scene.pool("p", ["a"]), Scene.pool("q", ["b"])], memory: 1 << 30)
        scene.add("r", pool: scene.state.pools[1].pool, job: 9)
        scene.queue(1)
        #expect(leaving(scene.plan()) == [] && scene.plan().reason(1)?.code == "memory-budget")
    }

    @Test func severalRunnersLeaveForOneJobThatNeedsTheRoomOfBoth() {
        var big = Scene.pool("p", ["a"])
        big.memory = 2 << 30
        var scene = scene([big, Scene.pool("q", ["b"])], memory: 2 << 30)
        scene.add("one", pool: scene.state.pools[1].pool, gitlab: 1)
        scene.add("two", pool: scene.state.pools[1].pool, gitlab: 2)
        scene.queue(1)
        #expect(Set(leaving(scene.plan())) == ["one", "two"])
    }

    // MARK: Things

    /// The host has one GPU and one jtag, and pools that want either.
    private func withThings() -> Scene {
        var (gpu, jtag) = (Scene.pool("p", ["a"]), Scene.pool("j", ["j"]))
        (gpu.hardware.gpu, gpu.hardware.gpus) = (.nvidia, .some(1))
        jtag.choice.needs = ["jtag": 1]
        var (others, alike) = (Scene.pool("q", ["b"]), Scene.pool("k", ["k"]))
        (others.hardware.gpu, others.hardware.gpus) = (.nvidia, .some(1))
        alike.choice.needs = ["jtag": 1]
        var scene = Scene([gpu, jtag, others, alike, Scene.pool("plain", ["c"])], hosts: [Host(.local, resources: ["jtag": 1])])
        let facts = HostFacts(architecture: .amd64, gpus: [GPU(id: "g", vendor: .nvidia, name: "A")])
        scene.take(.done(.survey(.local), .success(.host(facts))))
        scene.state.hosts[.local]?.surveyAt = scene.now + .seconds(86_400)
        return scene
    }

    private func hold(_ id: RunnerID, _ pool: Int, _ equipment: Equipment, gitlab: Int64, job: JobID? = nil, in scene: inout Scene) {
        scene.add(id, pool: scene.state.pools[pool].pool, gitlab: gitlab, job: job)
        scene.state.runners[id]?.equipment = equipment
        scene.pass(.seconds(5))
    }

    private static let theGPU = Equipment(architecture: .amd64, vendor: .nvidia, gpus: ["g"])
    private static let theJTAG = Equipment(architecture: .amd64, resources: ["jtag": 1])

    /// And no idle runner that has nothing of what the job needs, however long it has been idle.
    @Test func anIdleRunnerThatHasTheGPUOrTheThingMakesRoom() {
        var scene = withThings()
        hold("plain", 4, Equipment(architecture: .amd64), gitlab: 1, in: &scene)
        hold("gpu", 2, Self.theGPU, gitlab: 2, in: &scene)
        hold("jtag", 3, Self.theJTAG, gitlab: 3, in: &scene)
        scene.queue(1)
        scene.queue(2, tags: ["j"])
        let plan = scene.plan()
        #expect(Set(leaving(plan)) == ["gpu", "jtag"] && plan.launches == [], "\(plan.waiting)")
        #expect(plan.reason(1) == .makingRoom(by: "jtag") || plan.reason(1) == .makingRoom(by: "gpu"))
        for action in plan.actions { scene.take(.decided(action)) }
        #expect(leaving(scene.plan()) == [], "what is coming is enough")
        // Another job of the kind has nothing to come.
        scene.queue(3)
        #expect(leaving(scene.plan()) == [])
    }

    @Test func aGPUOfABusyRunnerStaysWhereItIs() {
        var scene = withThings()
        hold("gpu", 2, Self.theGPU, gitlab: 2, job: 9, in: &scene)
        scene.queue(1)
        #expect(leaving(scene.plan()) == [] && scene.plan().reason(1)?.code == "gpus-in-use")
    }

    @Test func noRunnerLeavesWhereThatWouldNotBeEnough() {
        var big = Scene.pool("p", ["a"])
        big.memory = 3 << 30
        var scene = scene([big, Scene.pool("q", ["b"])], memory: 3 << 30)
        scene.add("one", pool: scene.state.pools[1].pool, gitlab: 1)
        scene.add("busy", pool: scene.state.pools[1].pool, gitlab: 2, job: 9)
        scene.queue(1)
        #expect(leaving(scene.plan()) == [])
    }
}
