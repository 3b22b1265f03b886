import Testing

@testable import Fleet

/// What engines, GitLab and lost answers do to runners: a test for each fault that was reported or found.
@Suite struct RunnerFaultTests {
    private let registration = RegistrationRef(.default, 100)
    private func look(_ scene: inout Scene, _ objects: [DriverObject]) {
        scene.take(.decided(.look(Scene.place)))
        scene.pass(.milliseconds(5))
        scene.take(.done(.look(Scene.place), .success(.objects(objects))))
    }
    private func object(_ id: RunnerID, running: Bool = true, started: Bool = true, retirement: DriverObject.Retirement? = nil) -> DriverObject {
        DriverObject(id: "c-\(id)", runner: id, running: running, started: started, exitCode: nil, retirement: retirement)
    }
    private func step(_ scene: inout Scene, _ action: Action, _ result: Result<Answer, Trouble> = .success(.done)) {
        scene.take(.decided(action))
        scene.pass(.milliseconds(1))
        scene.take(.done(action, result))
        scene.pass(.milliseconds(1))
    }

    // MARK: An engine's new socket

    /// It runs, calls GitLab, and can have no container made: whatever job it took would fail.
    @Test(arguments: [Runner.Phase.starting, .ready], [nil, 7])
    func aRunnerThatIsCutOffFromItsEngineDrainsAndIsReplaced(phase: Runner.Phase, job: JobID?) {
        var scene = Scene()
        scene.add("one", phase, job: job)
        look(&scene, [object("one")])
        #expect(!scene.plan().contains { if case .leave = $0 { true } else { false } })
        look(&scene, [object("one", retirement: .cutOff)])
        #expect(scene.plan().actions.contains(.leave("one", reason: "the engine was restarted with another socket", failed: false)))
        scene.take(.decided(.leave("one", reason: "r", failed: false)))
        scene.queue(1)
        #expect(scene.plan().launches == ["p:1"])
    }

    /// The next life knows it from its first look.
    @Test func aRunnerThatWasCutOffWhileNoDaemonWasThereDrains() {
        var scene = Scene()
        scene.add("one")
        let memory = Memory(instance: "i", jobs: [], runners: [scene.state.runners["one"]].compactMap { $0 }, finishedJobs: [], pausedPools: [])
        scene = Scene()
        scene.take(.remembered(memory))
        look(&scene, [object("one", retirement: .cutOff)])
        #expect(scene.plan().contains { if case .leave = $0 { true } else { false } })
    }

    // MARK: Images

    private func newest(_ image: String) -> Pool {
        var pool = Scene.pool()
        (pool.image, pool.pull) = (image, .newer)
        return pool
    }

    private func refreshes(_ scene: Scene) -> [Action] { scene.plan().actions.filter { if case .refresh = $0 { true } else { false } } }

    /// Once a day, in the background, and not while runners of a fresh start want the registry.
    @Test func aPoolThatWantsTheNewestImageAsksForItOnceADay() {
        var scene = Scene([newest("i:1"), newest("i:1"), Scene.pool("other")])
        let action = Action.refresh(Scene.place, image: WantedImage("i:1"))
        scene.take(.configured(scene.state.configuration))
        scene.state.places[Scene.place]?.refreshes[WantedImage("i:1")]?.at = scene.now + Beat.firstRefresh
        #expect(refreshes(scene) == [])
        scene.pass(Beat.firstRefresh)
        #expect(refreshes(scene) == [action])
        step(&scene, action)
        #expect(refreshes(scene) == [] && scene.plan().actions.contains(.look(Scene.place)), "runners of the old image are looked for")
        scene.take(.decided(.look(Scene.place)))
        scene.pass(Beat.refresh)
        #expect(refreshes(scene) == [action])
        // No pool names it any more.
        scene.take(.configured(.init(pools: [Scene.pool()], budget: HostBudget(), pollInterval: .seconds(30))))
        #expect(refreshes(scene) == [])
    }

    /// The registry is away. It is told once, and the image that is there stays in use.
    @Test func aRegistryThatIsAwayIsToldOfOnceAndAskedAgain() {
        var scene = Scene([newest("i:1")])
        let action = Action.refresh(Scene.place, image: WantedImage("i:1"))
        func told() -> Int { scene.events.count { if case .imageNotRefreshed = $0.kind { true } else { false } } }
        for _ in 0..<3 {
            step(&scene, action, .failure(Trouble("no route to registry", isOutage: false)))
            #expect(refreshes(scene) == [])
            scene.pass(Beat.refreshAgain)
            #expect(refreshes(scene) == [action])
        }
        #expect(told() == 1)
        scene.queue(1)
        #expect(scene.plan().launches == ["p:1"])
        step(&scene, action)
        step(&scene, action, .failure(Trouble("no route to registry", isOutage: false)))
        #expect(told() == 2)
    }

    @Test(arguments: [
        (DriverObject.Retirement.imageReplaced, "there is a newer image"), (.evicted, "its cluster is ending it"),
        (.cutOff, "the engine was restarted with another socket"),
    ])
    func aRunnerThatWorksWorseThanANewOneDrains(_ retirement: DriverObject.Retirement, _ reason: String) {
        var scene = Scene()
        scene.add("one", job: 7)
        look(&scene, [object("one", retirement: retirement)])
        #expect(scene.plan().actions.contains(.leave("one", reason: reason, failed: false)))
    }

    // MARK: Pausing

    /// The pause takes effect and its answer is lost: the runner is no supply from the intent on, and is paused again.
    @Test func aLostPauseIsNoSupplyAndIsTriedAgain() {
        var scene = Scene()
        scene.add("one")
        scene.take(.decided(.leave("one", reason: "r", failed: false)))
        guard case .runner(let stored)? = scene.changes.last(where: { if case .runner = $0 { true } else { false } }) else {
            Issue.record("the intent is not saved")
            return
        }
        #expect(stored.phase == .pausing)
        step(&scene, .pause("one", registration), .failure(Trouble("timed out", isOutage: true)))
        scene.take(.done(.poll(.default), .success(.poll(Poll(jobs: [], isComplete: true)))))
        scene.queue(1)
        #expect(scene.plan().launches == ["p:1"])
        scene.pass(.seconds(60))
        #expect(scene.plan().actions.contains(.pause("one", registration)))
    }

    /// A kill between the pause and its answer: the next life has the phase from the disk.
    @Test func aPauseThatALifeBeganIsFinishedByTheNext() {
        var scene = Scene()
        scene.add("one", .pausing)
        let memory = Memory(instance: "i", jobs: [], runners: [scene.state.runners["one"]].compactMap { $0 }, finishedJobs: [], pausedPools: [])
        scene = Scene()
        scene.take(.remembered(memory))
        #expect(scene.plan().actions.contains(.pause("one", registration)))
        #expect(!scene.plan().contains { if case .launch = $0 { true } else { false } })
    }

    /// Nothing is ever unpaused: one that was given up and has called after all drains, with its job, and is replaced.
    @Test func aRunnerThatCallsAfterItWasGivenUpDrains() {
        var scene = Scene()
        scene.add("one", .starting)
        scene.take(.decided(.leave("one", reason: "no contact", failed: true)))
        step(&scene, .pause("one", registration))
        step(&scene, .verify("one", registration), .success(.jobs([7], contacted: true)))
        #expect(scene.phase("one") == .draining && scene.state.runners["one"]?.currentJob == 7 && scene.state.runners["one"]?.failed == false)
        #expect(scene.state.pools[0].failures == 0)
        step(&scene, .verify("one", registration), .success(.jobs([], contacted: true)))
        #expect(scene.phase("one") == .stopping)
    }

    @Test func aRunnerThatNeverCalledFailsItsPool() {
        var scene = Scene()
        scene.add("one", .starting)
        scene.take(.decided(.leave("one", reason: "no contact with GitLab within 2m", failed: true)))
        step(&scene, .pause("one", registration))
        step(&scene, .verify("one", registration), .success(.jobs([], contacted: false)))
        #expect(scene.phase("one") == .ended && scene.state.pools[0].failures == 1)
        #expect(scene.told { $0 == .startFailed("no contact with GitLab within 2m", .noContact) })
        // Its last words are read before it is removed, by an action and not in the middle of everything.
        #expect(scene.plan().actions.contains(.readLog("one", Scene.place)))
        step(&scene, .readLog("one", Scene.place), .success(.lines(["boom"])))
        #expect(scene.told { $0 == .lastLines(["boom"]) } && scene.plan().actions.contains(.remove("one", Scene.place, registration)))
    }

    private let readLog = Action.readLog("one", Scene.place)

    private func sceneOfADeadRunner() -> Scene {
        var scene = Scene()
        scene.add("one", .starting)
        scene.take(.heard(Scene.place, .exited(runner: "one", exitCode: 1)))
        return scene
    }

    /// Its log waits for the engine, and its removal for its log; but not for ever.
    @Test func aLogIsReadWhenTheEngineAnswersAgain() {
        var scene = sceneOfADeadRunner()
        for attempt in 1...3 {
            #expect(scene.plan().actions.contains(readLog), "\(attempt)")
            step(&scene, readLog, .failure(Trouble("does not answer", isOutage: true)))
            // Meanwhile its registration goes.
            #expect(!scene.plan().contains { if case .remove(_, .some, _) = $0 { true } else { $0 == readLog } })
            look(&scene, [])
        }
        #expect(!scene.plan().actions.contains(readLog) && scene.plan().actions.contains(.remove("one", Scene.place, registration)))
    }

    @Test func aLogThatIsRefusedHoldsNothingUp() {
        var scene = sceneOfADeadRunner()
        step(&scene, readLog, .failure(Trouble("no log driver")))
        #expect(scene.plan().actions.contains(.remove("one", Scene.place, registration)))
    }

    /// Such as on a full disk: told once, and again when it is news.
    @Test func aLogThatCannotBeKeptHoldsNothingUpAndIsToldOnce() {
        var scene = Scene()
        func isNews(_ kept: Trouble?) -> Bool {
            scene.add("one", .starting)
            scene.take(.heard(Scene.place, .exited(runner: "one", exitCode: 1)))
            scene.events = []
            step(&scene, readLog, .success(.lines(["boom"], notKept: kept)))
            #expect(scene.told { $0 == .lastLines(["boom"]) } && scene.plan().actions.contains(.remove("one", Scene.place, registration)))
            scene.state.runners = [:]
            return scene.told { $0 == .logNotKept("disk full") }
        }
        let full = Trouble("disk full", isOfStore: true)
        #expect([full, full, nil, full].map { isNews($0) } == [true, false, false, true])
        // The other writes say for themselves how the disk is.
        #expect(scene.state.store.trouble == nil)
    }

    /// The daemon was killed before it had read the log, or before it had removed the runner.
    @Test(arguments: [true, false], [true, false])
    func aFailedRunnerFromBeforeHasItsLogReadFirst(failed: Bool, started: Bool) {
        var runner = Runner(id: "one", pool: Scene.pool(), launchedFor: nil, at: Scene.start)
        runner.phase = .ended
        runner.failed = failed
        runner.startedAt = started ? Scene.start : nil
        runner.containerID = "c-one"
        var state = FleetState(.init(pools: [Scene.pool()]), seed: 1)
        _ = state.take(.remembered(Memory(instance: "i", jobs: [], runners: [runner], finishedJobs: [], pausedPools: [])), at: Scene.start)
        _ = state.take(.done(.look(Scene.place), .success(.objects([]))), at: Scene.start)
        let actions = Planner.plan(state, at: Scene.start).actions
        #expect(actions.contains(readLog) == (failed && started))
        #expect(actions.contains { if case .remove("one", _, _) = $0 { true } else { false } } == !(failed && started))
    }

    /// It was given up, and then an operator, or the end of all runners, was faster than the steps of its end.
    @Test(arguments: [Order.dismiss("one", force: true), .evacuate]) func theLogOfARunnerThatFailedIsReadHoweverItEnds(order: Order) {
        var scene = Scene()
        scene.add("one", .starting)
        scene.take(.decided(.leave("one", reason: "was not started", failed: true)))
        scene.take(.ordered(order))
        for action in scene.plan().actions { if case .end = action { scene.take(.decided(action)) } }
        #expect(scene.phase("one") == .ended && scene.plan().actions.contains(readLog))
    }

    /// Whoever went as planned has nothing to explain; one that did not quit has.
    @Test func onlyTheLogsOfFailedRunnersAreRead() {
        var scene = Scene()
        scene.add("one", .stopping)
        scene.take(.heard(Scene.place, .exited(runner: "one", exitCode: 0)))
        #expect(!scene.plan().actions.contains(readLog))
        scene = Scene()
        scene.add("one", .stopping)
        scene.take(.decided(.end("one", reason: "did not quit in time", failed: true)))
        #expect(scene.plan().actions.contains(readLog))
        scene = Scene()
        scene.add("one", .ready, job: 7)
        scene.take(.ordered(.dismiss("one", force: true)))
        #expect(!scene.plan().actions.contains(readLog))
    }

    // MARK: Time-outs

    @Test func aStartingRunnerOfAPoolThatIsGoneLeaves() {
        var scene = Scene()
        scene.add("one", .starting)
        scene.take(.configured(.init(pools: [])))
        #expect(scene.plan().contains { $0 == .leave("one", reason: "its pool is no longer configured", failed: false) })
    }

    /// While GitLab is away a runner can't call, and nobody can ask.
    @Test func anOutageIsNoMissingContactAndNoRefusal() {
        var scene = Scene()
        scene.add("one", .starting, gitlab: 1)
        scene.add("two", .ready, gitlab: 2)
        scene.queue(1, 2, 3)
        scene.take(.done(.poll(.default), .failure(Trouble("down", isOutage: true))))
        scene.pass(.seconds(3600))
        #expect(!scene.plan().contains { if case .leave = $0 { true } else { false } })
        scene.take(.done(.ping(.default), .success(.done)))
        #expect(!scene.plan().contains { if case .leave = $0 { true } else if case .refuse = $0 { true } else { false } })
        scene.pass(.seconds(120))
        #expect(scene.plan().contains { if case .leave("one", _, true) = $0 { true } else { false } })
    }

    /// Found by seed 8028: where one call in a hundred failed, no runner was ever told that it takes no jobs.
    @Test(arguments: [(1, true), (14, true), (15, false), (60, false)])
    func onlyALongOutageGivesRunnersTheirTimeAnew(seconds: Int, leaves: Bool) {
        var scene = Scene()
        scene.add("one", .starting, gitlab: 1)
        for _ in 0..<3 {
            scene.pass(.seconds(30))
            #expect(!scene.plan().contains { if case .leave = $0 { true } else { false } })
            scene.take(.done(.ping(.default), .failure(Trouble("502", isOutage: true))))
            scene.pass(.seconds(seconds / 2))
            scene.take(.done(.ping(.default), .failure(Trouble("502", isOutage: true))))
            scene.pass(.seconds(seconds - seconds / 2))
            scene.take(.done(.ping(.default), .success(.done)))
        }
        scene.pass(.seconds(30))
        #expect(scene.plan().contains { if case .leave("one", _, true) = $0 { true } else { false } } == leaves)
    }

    @Test(arguments: [(Trouble("500", isOutage: true), 0), (Trouble("403 no scope"), 1), (Trouble("401", tokenRefused: true), 0)])
    func aLaunchThatFailsForGitLabsSakeIsNotHeldAgainstThePool(trouble: Trouble, failures: Int) {
        var scene = Scene()
        scene.take(.decided(.launch("one", pool: "p", job: nil)))
        scene.take(.launching("one", .registrationFailed(trouble)))
        scene.take(.done(.launch("one", pool: "p", job: nil), .failure(trouble)))
        #expect(scene.phase("one") == .ended && scene.state.pools[0].failures == failures)
    }

    // MARK: Refusals

    /// One job that can't be taken costs one idle runner at a time, and then waits: the others stay.
    @Test func aJobThatNobodyTakesDismissesOneRunnerAndNotAll() {
        var scene = Scene()
        for id in ["one", "two", "three"] { scene.add(id, gitlab: Int64(id.utf8.count * 7 + Int(id.utf8.first ?? 0))) }
        scene.queue(1)
        scene.pass(.seconds(120))
        // Both must be confirmed first.
        #expect(scene.plan().actions.contains(.ask(Scene.ref(1), project: 1)))
        scene.answer(Scene.seen(1))
        guard case .verify(let id, let registration?)? = scene.plan().actions.first(where: { if case .verify = $0 { true } else { false } }) else {
            Issue.record("the runner's idleness is not confirmed")
            return
        }
        step(&scene, .verify(id, registration), .success(.jobs([], contacted: true)))
        let refusals = scene.plan().actions.filter { if case .refuse = $0 { true } else { false } }
        #expect(refusals == [.refuse(Scene.ref(1), by: id)])
        scene.take(.decided(refusals[0]))
        #expect(scene.state.runners.values.count { $0.phase == .pausing } == 1)
        // The other idle ones had their chance: a new one is tried.
        #expect(scene.plan().launches == ["p:1"])
        #expect(!scene.plan().contains { if case .refuse = $0 { true } else { false } })
    }

    @Test func theSecondRefusalHoldsTheJobForFiveMinutesAndNotForForty() {
        var scene = Scene()
        scene.queue(1)
        scene.add("one", gitlab: 1)
        scene.add("two", gitlab: 2)
        scene.take(.decided(.refuse(Scene.ref(1), by: "one")))
        scene.take(.decided(.refuse(Scene.ref(1), by: "two")))
        #expect(scene.plan().reason(1) == .held)
        scene.pass(.seconds(300))
        #expect(scene.plan().launches == ["p:1"])
    }

    // MARK: Starts

    /// Found by seed 8715: the daemon was killed after a start of which nothing was known, and the next life took the runner for one that had ended. A
    /// start that is known to have happened is as clear as ever.
    @Test(arguments: [(false, true, Runner.Phase.pausing), (true, true, .starting), (true, false, .ended)])
    func aStartThatWasUnclearToAnEarlierLifeIsUnclearStill(started: Bool, running: Bool, phase: Runner.Phase) {
        var runner = Runner(id: "one", pool: Scene.pool(), launchedFor: nil, at: Scene.start)
        runner.phase = .starting
        (runner.gitlabID, runner.containerID, runner.startedAt) = (100, "c-one", Scene.start)
        var state = FleetState(.init(pools: [Scene.pool()]), seed: 1)
        let now = Scene.start + .seconds(20)
        _ = state.take(.remembered(Memory(instance: "i", jobs: [], runners: [runner], finishedJobs: [], pausedPools: [])), at: now)
        _ = state.take(.decided(.look(Scene.place)), at: now)
        let object = DriverObject(id: "c-one", runner: "one", running: running, started: started, exitCode: running ? nil : 1)
        _ = state.take(.done(.look(Scene.place), .success(.objects([object]))), at: now)
        #expect(state.runners["one"]?.phase == phase)
    }

    /// A start that failed may take effect yet. So the runner is paused before it is taken away, and a job that it got
    /// meanwhile is not lost.
    @Test func aStartThatTakesEffectAfterItsTimeoutLosesNoJob() {
        var scene = Scene()
        scene.take(.decided(.launch("one", pool: "p", job: nil)))
        scene.take(.launching("one", .registered(100, shortToken: nil)))
        scene.take(.launching("one", .created("c-one")))
        scene.take(.launching("one", .startUnclear(Trouble("timed out", isOutage: true))))
        scene.take(.done(.launch("one", pool: "p", job: nil), .success(.done)))
        scene.pass(.seconds(1))
        look(&scene, [object("one", started: false)])
        #expect(scene.phase("one") == .pausing)
        step(&scene, .pause("one", registration))
        // It started after all, and took a job just before the pause.
        look(&scene, [object("one")])
        step(&scene, .verify("one", registration), .success(.jobs([7], contacted: true)))
        #expect(scene.phase("one") == .draining && scene.state.runners["one"]?.currentJob == 7)
        #expect(!scene.plan().contains { if case .remove = $0 { true } else { false } })
    }

    /// A swarm that had no node for it says so with the start; that it is gone tells nobody what to do.
    @Test func whyARunnerNeverRanIsWhatItsStartSaid() {
        var scene = Scene()
        scene.take(.decided(.launch("one", pool: "p", job: nil)))
        scene.take(.launching("one", .registered(100, shortToken: nil)))
        scene.take(.launching("one", .created("c-one")))
        scene.take(.launching("one", .startUnclear(Trouble("the swarm has no node for it", isOutage: false))))
        scene.take(.done(.launch("one", pool: "p", job: nil), .success(.done)))
        scene.pass(.seconds(1))
        look(&scene, [DriverObject(id: "c-one", runner: "one", running: false, started: false, exitCode: nil)])
        #expect(scene.phase("one") == .ended && scene.state.runners["one"]?.reason == "the swarm has no node for it")
        #expect(scene.told { $0 == .startFailed("the swarm has no node for it", .noContact) })
    }

    @Test func aStartThatAnEarlierLifeBeganIsFoundOrGivenUp() {
        var scene = Scene()
        scene.add("one", .requested, gitlab: 1)
        scene.add("two", .requested, gitlab: 2)
        look(&scene, [object("one"), object("two", started: false)])
        #expect(scene.phase("one") == .starting && scene.phase("two") == .ended)
        // A registration whose answer went with that life is looked for.
        scene.pass(Beat.sweepSoon)
        #expect(scene.plan().actions.contains(.sweep(.default)))
    }

    // MARK: The end

    @Test func aRefusedStopSignalEndsTheRunner() {
        var scene = Scene()
        scene.add("one", .stopping)
        for _ in 0..<3 {
            #expect(scene.plan().actions.contains(.signal("one", Scene.place, "SIGQUIT")))
            step(&scene, .signal("one", Scene.place, "SIGQUIT"), .failure(Trouble("no such signal")))
            scene.pass(.seconds(60))
        }
        #expect(scene.phase("one") == .ended && scene.state.runners["one"]?.reason?.contains("no such signal") == true)
    }

    @Test func anEngineThatIsAwayRefusesNothing() {
        var scene = Scene()
        scene.add("one", .stopping)
        for _ in 0..<9 { step(&scene, .signal("one", Scene.place, "SIGQUIT"), .failure(Trouble("no socket", isOutage: true))) }
        #expect(scene.phase("one") == .stopping)
    }

    /// It is told with the reason, keeps its share of the host's budget, and blocks nobody else in its pool.
    @Test func aContainerThatCannotBeRemovedIsStuckAndDoesNotBlockItsPool() {
        var scene = Scene([Scene.pool(max: 1)], budget: HostBudget(memory: 2 << 30))
        scene.add("one", .ended)
        scene.queue(1)
        #expect(scene.plan().reason(1) == .atMaximum(pool: "p", max: 1))
        for _ in 0..<3 {
            #expect(scene.state.stuckReason(of: "one") == nil)
            step(&scene, .remove("one", Scene.place, registration), .success(.removal(container: Trouble("500: busy"), registration: nil)))
            scene.pass(.seconds(60))
        }
        #expect(scene.state.stuckReason(of: "one") == "500: busy" && scene.events.count { $0.kind == .stuck("500: busy") } == 1)
        #expect(scene.plan().launches == ["p:1"])
        // The registration is gone already; the container is tried again.
        #expect(scene.plan().actions.contains(.remove("one", Scene.place, nil)))
        scene.add("two", pool: scene.state.pools[0].pool, gitlab: 2, job: 9)
        scene.state.pools[0].pool.maxRunners = 5
        #expect(scene.plan().reason(1)?.code == "memory-budget")
    }

    @Test func aContainerThatIsGoneHoldsNothingWhileGitLabIsAway() {
        var scene = Scene([Scene.pool(max: 1)], budget: HostBudget(memory: 1 << 30))
        scene.add("one", .ended)
        step(&scene, .remove("one", Scene.place, registration), .success(.removal(container: nil, registration: Trouble("down", isOutage: true))))
        scene.take(.done(.ping(.default), .success(.done)))
        scene.queue(1)
        #expect(scene.plan().launches == ["p:1"])
    }

    @Test func aRegistrationThatGitLabDeniesIsBelievedGoneWhenSaidTwice() {
        var scene = Scene()
        scene.add("one", .draining)
        step(&scene, .verify("one", registration), .success(.noRegistration))
        #expect(scene.phase("one") == .draining)
        scene.pass(.seconds(30))
        step(&scene, .verify("one", registration), .success(.noRegistration))
        #expect(scene.phase("one") == .stopping)
    }

    // MARK: Orphans

    @Test func whatIsBeingRemovedOrMadeIsNoOrphan() {
        var scene = Scene()
        scene.add("one", .ended)
        scene.take(.decided(.look(Scene.place)))
        scene.pass(.milliseconds(5))
        step(&scene, .remove("one", Scene.place, registration), .success(.removal(container: nil, registration: nil)))
        #expect(scene.state.runners.isEmpty)
        // The list was made before it went.
        scene.take(.done(.look(Scene.place), .success(.objects([object("one"), object("stranger")]))))
        #expect(scene.events.filter { $0.kind == .orphan(Scene.place) }.map(\.subject) == ["autogit-runner-stranger"])
        scene.take(.decided(.launch("two", pool: "p", job: nil)))
        #expect(
            !scene.state.isGhost(
                ForgeRunner(id: 9, description: "autogit-runner-two", maintenanceNote: nil, hasContacted: false), of: .default, since: scene.now))
    }

    /// Found by seed 709: the job of a busy runner was gone with its GitLab, and another job got its number.
    @Test func aJobOfAnotherGitLabWithTheSameNumberIsNotTheRunnersJob() {
        var scene = Scene()
        scene.add("one", job: 7)
        scene.queue(7, tags: ["b"])
        scene.pass(Beat.verify)
        #expect(scene.plan().actions.contains(.verify("one", registration)))
    }

    /// Found by seed 677.
    @Test func aContainerThatIsMadeAfterItsRemovalIsRemovedAgain() {
        var scene = Scene()
        scene.add("one", .ended)
        step(&scene, .remove("one", Scene.place, registration), .success(.removal(container: nil, registration: Trouble("403"))))
        look(&scene, [object("one", started: false)])
        scene.pass(.seconds(60))
        #expect(scene.plan().actions.contains(.remove("one", Scene.place, registration)))
    }

    /// Found by seed 730: a GitLab that was installed afresh gave a number out again, and the end of its old owner took it from
    /// the new one.
    @Test func theEndOfAnOldOwnerTakesNoNumberFromANewOne() {
        var scene = Scene()
        scene.add("old", .ended, gitlab: 9)
        scene.add("new", gitlab: 9)
        let reused = RegistrationRef(.default, 9)
        step(&scene, .remove("old", Scene.place, reused), .success(.removal(container: nil, registration: nil)))
        #expect(scene.state.owner(of: reused) == "new")
        scene.hook(Scene.seen(1, .running, runner: 9))
        #expect(scene.state.runners["new"]?.currentJob == 1)
    }

    @Test func aRegistrationWhoseRunnerWentWithoutItIsAGhost() {
        var scene = Scene()
        scene.add("one", .ended)
        scene.state.runners["one"]?.gitlabID = nil
        scene.take(.decided(.sweep(.default)))
        step(&scene, .remove("one", Scene.place, nil), .success(.removal(container: nil, registration: nil)))
        let late = ForgeRunner(id: 9, description: "autogit-runner-one", maintenanceNote: nil, hasContacted: false)
        scene.take(.done(.sweep(.default), .success(.registrations([late]))))
        #expect(scene.plan().actions.contains(.unregister(RegistrationRef(.default, 9), name: "autogit-runner-one")))
    }
}
