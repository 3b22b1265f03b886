import Testing

@testable import Fleet

/// Faults that a review of the loop found, before anybody met them.
@Suite struct ReviewedFaultTests {
    private let registration = RegistrationRef(.default, 100)
    private let forbidden = Trouble("403")

    /// A runner that has been idle, and job 1 that has waited, for the whole start timeout.
    private func neglected(_ runners: RunnerID...) -> Scene {
        var scene = Scene()
        for (index, id) in runners.enumerated() { scene.add(id, gitlab: 100 + Int64(index)) }
        scene.queue(1)
        scene.pass(.seconds(120))
        scene.answer(Scene.seen(1))
        return scene
    }

    private func hits(_ scene: Scene, _ key: Action.Key) -> [Action] { scene.plan().actions.filter { $0.key == key } }

    @Test func aVerifyThatFailedWaits() {
        var scene = neglected("one")
        let verify = Action.verify("one", registration)
        #expect(hits(scene, .runner("one")) == [verify])
        scene.take(.decided(verify))
        scene.take(.done(verify, .failure(forbidden)))
        #expect(hits(scene, .runner("one")).isEmpty, "403")
        scene = neglected("one")
        scene.take(.decided(verify))
        scene.take(.done(verify, .success(.noRegistration)))
        #expect(hits(scene, .runner("one")).isEmpty, "no registration")
    }

    @Test func aQuestionThatFailedWaits() {
        for result in [.failure(forbidden), .success(.job(nil))] as [Result<Answer, Trouble>] {
            var scene = Scene()
            scene.add("one")
            scene.queue(1)
            scene.pass(.seconds(120))
            let ask = Action.ask(Scene.ref(1), project: 1)
            #expect(hits(scene, .job(Scene.ref(1))) == [ask])
            scene.take(.decided(ask))
            scene.take(.done(ask, result))
            #expect(hits(scene, .job(Scene.ref(1))).isEmpty)
        }
    }

    @Test func anAnswerWithoutTagsIsNotAskedForAtOnceAgain() {
        var scene = Scene()
        scene.queue(1, tags: nil)
        scene.take(.decided(.ask(Scene.ref(1), project: 1)))
        scene.answer(Scene.seen(1, tags: nil))
        #expect(hits(scene, .job(Scene.ref(1))).isEmpty)
    }

    @Test func aBusyRunnerSurvivesRefusedQuestions() {
        var scene = Scene()
        scene.add("one", .stopping, job: 7)
        for _ in 0..<4 { scene.take(.done(.verify("one", registration), .failure(forbidden))) }
        #expect(scene.phase("one") == .stopping)
    }

    @Test(arguments: [LaunchStep.started, .startUnclear(Trouble("timed out", isOutage: true))])
    func aJobBeforeTheStartsAnswerIsContact(step: LaunchStep) {
        var scene = Scene()
        scene.add("one", .requested)
        scene.state.inFlight.insert(.runner("one"))
        scene.hook(Scene.seen(1, .running, runner: 100))
        scene.take(.launching("one", step))
        scene.take(.done(.launch("one", pool: "p", job: nil), .success(.done)))
        #expect(scene.phase("one") == .ready)
        scene.hook(Scene.seen(1, .success, runner: 100))
        scene.pass(.seconds(200))
        #expect(!scene.plan().contains { if case .leave(_, _, failed: true) = $0 { true } else { false } })
    }

    @Test func aRunnerOfAnotherGitLabIsNoSupply() {
        var old = Scene.pool()
        old.forge = ForgeID("old")
        var scene = Scene()
        scene.add("one", pool: old)
        scene.queue(1)
        #expect(scene.plan().launches == ["p:1"] || scene.plan().reason(1) != nil)
    }

    @Test func aStuckRunnerIsNoSupply() {
        var scene = Scene()
        scene.add("one")
        scene.state.progress["one"]?.stuck = "403"
        scene.queue(1)
        #expect(scene.plan().launches == ["p:1"] || scene.plan().reason(1) != nil)
    }

    @Test func aRunnerWithOldTagsIsNoSupply() {
        var scene = Scene()
        scene.add("one")
        scene.take(.configured(.init(pools: [Scene.pool("p", ["b"])])))
        scene.queue(1, tags: ["b"])
        #expect(scene.plan().launches == ["p:1"] || scene.plan().reason(1) != nil)
    }

    @Test func startsThatAnOutageSpoilsWaitLongerAndLonger() {
        var scene = Scene()
        scene.queue(1)
        let began = scene.now
        var launches = 0
        while scene.now - began < .seconds(60) {
            for action in scene.plan().actions {
                scene.take(.decided(action))
                switch action {
                case .launch(let id, _, _, _, _):
                    launches += 1
                    scene.take(.launching(id, .registered(Int64(launches), shortToken: nil)))
                    scene.take(.launching(id, .creationFailed(Trouble("reset by peer", isOutage: true))))
                    scene.take(.done(action, .failure(Trouble("reset by peer", isOutage: true))))
                case .look: scene.take(.done(action, .success(.objects([]))))
                case .remove: scene.take(.done(action, .success(.removal(container: nil, registration: nil))))
                case .readLog: scene.take(.done(action, .success(.lines([]))))
                case .poll: scene.take(.done(action, .success(.poll(Poll(jobs: [Scene.seen(1)], isComplete: true)))))
                default: if action.key != nil { scene.take(.done(action, .success(.done))) }
                }
            }
            scene.pass(.milliseconds(100))
        }
        #expect(launches < 10, "\(launches) launches in a minute")
    }

    @Test func startsThatFailTogetherAreOneFailure() {
        var scene = Scene()
        for index in 0..<8 { scene.add("r\(index)", .requested, gitlab: Int64(index)) }
        for index in 0..<8 {
            scene.take(.done(.launch("r\(index)", pool: "p", job: nil), .failure(Trouble("no such image"))))
            scene.pass(.milliseconds(10))
        }
        #expect(!scene.state.pools[0].isQuarantined)
    }

    @Test func onlyARunnerThatCountsForAJobCanRefuseIt() {
        var scene = neglected("one", "two")
        scene.take(.decided(.refuse(Scene.ref(1), by: "one")))
        scene.add("new", .starting, gitlab: 200)
        scene.pass(.seconds(120))
        scene.answer(Scene.seen(1))
        scene.take(.done(.verify("two", RegistrationRef(.default, 101)), .success(.jobs([], contacted: true))))
        #expect(!scene.plan().contains { if case .refuse(_, "two") = $0 { true } else { false } })
    }

    @Test func anAnswerThatIsOlderThanAHookUndoesNothing() {
        var scene = Scene()
        scene.add("one")
        let verify = Action.verify("one", registration)
        scene.take(.decided(verify))
        scene.pass(.milliseconds(50))
        scene.hook(Scene.seen(1, .running, runner: 100))
        scene.take(.done(verify, .success(.jobs([], contacted: true))))
        #expect(scene.state.runners["one"]?.currentJob == 1 && scene.state.runners["one"]?.jobsDone == 0)
    }

    @Test func anAnswerThatIsOlderThanAHookWithdrawsNoJob() {
        var scene = Scene(polling: .zero)
        scene.hook(Scene.seen(1, .pending))
        scene.take(.decided(.ask(Scene.ref(1), project: 1)))
        scene.pass(.milliseconds(50))
        scene.hook(Scene.seen(1, .pending))
        scene.answer(Scene.seen(1, .skipped))
        #expect(scene.state.jobs[Scene.ref(1)] != nil)
    }

    @Test func aPausedPoolThatComesBackIsPaused() {
        var scene = Scene()
        scene.take(.ordered(.pause(pool: "p", true)))
        scene.take(.configured(.init(pools: [Scene.pool("q")])))
        scene.take(.configured(.init(pools: [Scene.pool("p")])))
        #expect(scene.state.pools[0].paused)
    }

    @Test func aRefusedQuestionIsTold() {
        var scene = Scene()
        scene.queue(1, tags: nil)
        for _ in 0..<10 { scene.take(.done(.ask(Scene.ref(1), project: 1), .failure(Trouble("403 Forbidden")))) }
        #expect(scene.plan().reason(1)?.text.contains("403") == true)
        scene.take(.done(.poll(.default), .failure(Trouble("403 Forbidden"))))
        #expect(!scene.events.isEmpty)
    }

    @Test func stoppingKeepsTheReasons() {
        var scene = Scene()
        scene.queue(1, tags: ["nobody"])
        scene.take(.explained(scene.plan().waiting))
        scene.take(.stopping)
        scene.take(.explained(scene.plan().waiting))
        #expect(scene.state.jobs[Scene.ref(1)]?.job.waitingReason != nil)
    }

    @Test func reasonsThatAlternateAreNotToldEachTime() {
        var scene = Scene()
        scene.queue(1, 2)
        var told = 0
        for _ in 0..<10 {
            for reason in [WaitingReason.backingOff(pool: "p", error: "e"), .probing(pool: "p")] {
                told += scene.take(.explained([Scene.ref(1): reason, Scene.ref(2): reason])).count
            }
        }
        #expect(told <= 4)
    }

    @Test func stuckRunnersThatWorkCountAgainstTheMaximum() {
        var scene = Scene([Scene.pool(max: 1)])
        scene.add("one", .pausing)
        scene.state.progress["one"]?.stuck = "403"
        scene.queue(1)
        #expect(scene.plan().launches.isEmpty)
    }

    @Test func anExitBeforeTheStartsAnswerIsNotForgotten() {
        var scene = Scene()
        scene.add("one", .requested)
        scene.state.inFlight.insert(.runner("one"))
        scene.take(.heard(Scene.place, .exited(runner: "one", exitCode: 1)))
        scene.pass(.seconds(1))
        scene.take(.decided(.look(Scene.place)))
        scene.take(.done(.look(Scene.place), .success(.objects([]))))
        scene.take(.launching("one", .started))
        scene.take(.done(.launch("one", pool: "p", job: nil), .success(.done)))
        scene.pass(.seconds(2))
        #expect(scene.phase("one") == .ended || scene.plan().contains { $0 == .look(Scene.place) })
    }

    @Test func aHangingEngineLeavesOtherPlacesAlone() {
        var scope = Scene.pool("s", ["s"])
        scope.driver = .scope
        var scene = Scene([Scene.pool(), scope])
        for index in 0..<8 { scene.add("r\(index)", .requested, gitlab: Int64(index)) }
        scene.queue(1, tags: ["s"])
        #expect(scene.plan().launches == ["s:1"])
    }

    @Test func pausingTwiceIsToldOnce() {
        var scene = Scene()
        for _ in 0..<2 { scene.take(.ordered(.pause(pool: "p", true))) }
        #expect(scene.events.count == 1)
    }

    @Test func aLookKnowsTheExitCode() {
        var scene = Scene()
        scene.add("one", .draining)
        scene.pass(.seconds(1))
        scene.take(.decided(.look(Scene.place)))
        scene.take(
            .done(.look(Scene.place), .success(.objects([DriverObject(id: "c", runner: "one", running: false, started: false, exitCode: 0)]))))
        #expect(scene.state.runners["one"]?.failed == false)
    }

    @Test func theNumberOfAnUntrackedJobIsAField() {
        var scene = Scene()
        scene.add("one", job: 7)
        scene.take(.done(.verify("one", registration), .success(.jobs([], contacted: true))))
        #expect(scene.events.first { $0.kind == .jobFinished }?.fields.contains { $0.value == "7" } == true)
    }

    @Test func aJobThatIsCancelledWhileItWaitsIsTold() {
        var scene = Scene()
        scene.queue(1)
        scene.events = []
        scene.hook(Scene.seen(1, .canceled))
        #expect(!scene.events.isEmpty)
    }

    @Test func aPoolIsNotBlamedForAnOperatorsWish() {
        var scene = Scene()
        scene.add("one", .starting)
        scene.take(.ordered(.dismiss("one", force: false)))
        scene.take(.done(.pause("one", registration), .success(.done)))
        scene.take(.heard(Scene.place, .exited(runner: "one", exitCode: 0)))
        #expect(scene.state.pools[0].failures == 0)
    }
}
